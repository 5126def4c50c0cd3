"""The visible field is what a person sees, in a real window."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_itaclip._widget.layers.image_input import Scope, pictures_of
from napari_itaclip.errors import ImageError
from napari_itaclip.session.pictures import Picture


def one(layer: Any, viewer: Any, scope: Scope, **options: Any) -> Picture:
    (picture,) = pictures_of(layer, viewer, scope, **options)
    return picture


def settle() -> None:
    for _ in range(10):
        QApplication.processEvents()
        time.sleep(0.005)


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 700)
    return viewer


@pytest.mark.parametrize("rotate", [0, 30])
def test_the_visible_field_is_what_the_canvas_shows(window: Any, rotate: float) -> None:
    data = np.random.default_rng(0).random((3, 400, 600))
    placement: dict[str, Any] = {"scale": (5, 2, 1), "rotate": rotate, "translate": (0, 30, -40)}
    layer = window.add_image(data, **placement)
    pyramid = window.add_image([data, data[:, ::2, ::2]], multiscale=True, **placement)
    settle()
    camera = window.scene.camera
    for zoom, place in [(2.5, (210, 100)), (7.0, (390, 250)), (3.0, (90.5, 40.25))]:
        camera.zoom, camera.center = zoom, (0, *layer.data_to_world((0, *place))[1:])
        settle()
        region = one(layer, window, Scope.FIELD).region
        assert region is not None
        # napari rounds outwards from pixel centres, up to one pixel more.
        shown = np.array(layer.corner_pixels)[:, 1:]
        ours = np.array(
            [[region.top, region.left], np.add([region.top, region.left], region.shape)]
        )
        assert np.abs(ours - [[0, 0], [1, 1]] - shown).max() <= 1
        assert one(pyramid, window, Scope.FIELD, level=0).region == region
        half = one(pyramid, window, Scope.FIELD, level=1).region
        assert half is not None
        assert abs(half.top - region.top / 2) <= 1
        assert abs(half.width - region.width / 2) <= 1.5
    camera.center = (0, -5000, -5000)
    with pytest.raises(ImageError, match=r"Nothing of .* is in the visible field.*Home"):
        pictures_of(layer, window, Scope.FIELD)
    window.reset_view()
    assert one(layer, window, Scope.FIELD).key == one(layer, window, Scope.WHOLE).key


def test_the_visible_field_of_a_grid_and_from_the_side(window: Any) -> None:
    layer = window.add_image(np.random.default_rng(0).random((90, 400, 600)))
    window.add_image(np.zeros((90, 400, 600)))
    window.canvas.grid.enabled = True
    window.dims.order = (1, 2, 0)
    settle()
    window.scene.camera.zoom = 4
    settle()
    region = one(layer, window, Scope.FIELD).region
    assert region is not None
    shown = np.array(layer.corner_pixels)
    assert abs(region.top - shown[0, 2]) <= 1
    assert abs(region.top + region.height - 1 - shown[1, 2]) <= 1
    assert abs(region.left - shown[0, 0]) <= 1
    assert abs(region.left + region.width - 1 - shown[1, 0]) <= 1

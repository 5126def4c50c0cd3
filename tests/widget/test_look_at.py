"""Going to a region."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_itaclip._widget.layers.layer_geometry import labels_geometry
from napari_itaclip._widget.layers.look_at import look_at
from napari_itaclip.session.pictures import Plane, Region


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.canvas.size = (400, 600)
    return viewer


def add(viewer: ViewerModel, shape: tuple[int, ...], **options: Any) -> Any:
    return viewer.add_image(np.zeros(shape, np.float32), contrast_limits=(0, 1), **options)


def test_a_region_comes_to_the_middle(viewer: ViewerModel) -> None:
    image = add(viewer, (200, 300), scale=(2, 2), translate=(10, 20), rotate=20)
    look_at(viewer, Plane((None, None)), Region(40, 60, 20, 40), labels_geometry(image)[1])
    expected = image.data_to_world((49.5, 79.5))
    np.testing.assert_allclose(viewer.scene.camera.center[1:], expected)


@pytest.mark.parametrize(("zoom", "kept"), [(0.5, False), (3, True), (40, False)])
def test_the_zoom_is_kept_where_it_will_do(viewer: ViewerModel, zoom: float, kept: bool) -> None:
    image = add(viewer, (200, 300))
    viewer.scene.camera.zoom = zoom
    look_at(viewer, Plane((None, None)), Region(40, 60, 40, 40), labels_geometry(image)[1])
    assert viewer.scene.camera.zoom == pytest.approx(zoom if kept else 4)


def test_a_stack_goes_to_the_slice(viewer: ViewerModel) -> None:
    add(viewer, (2, 9, 64, 64))
    stack = add(viewer, (9, 64, 64), scale=(3, 1, 1), translate=(30, 0, 0))
    look_at(viewer, Plane((4, None, None)), Region(8, 16, 8, 8), labels_geometry(stack)[1])
    assert viewer.dims.point[1] == 42
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (11.5, 19.5))


def test_axes_in_another_order(viewer: ViewerModel) -> None:
    stack = add(viewer, (9, 64, 50))
    viewer.dims.order = (1, 2, 0)
    plane = Plane((None, 7, None), transposed=True)
    look_at(viewer, plane, Region(20, 2, 10, 4), labels_geometry(stack)[1])
    assert viewer.dims.point[1] == 7
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (24.5, 3.5))


def test_units_of_length_are_converted(viewer: ViewerModel) -> None:
    micro = add(viewer, (64, 64), units=("um", "um"))
    add(viewer, (64, 64), units=("nm", "nm"))
    viewer.layers.units = ("nm", "nm")
    look_at(viewer, Plane((None, None)), Region(10, 20, 11, 11), labels_geometry(micro)[1])
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (15000, 25000))

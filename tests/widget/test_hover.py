"""The pixel under the cursor."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_itaclip._widget.panels.hover import HoverPoint, HoverReadout

Told = list[HoverPoint | None]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.mouse_over_canvas = True
    return viewer


@pytest.fixture
def hover(qtbot: QtBot, viewer: ViewerModel, told: Told) -> Iterator[HoverReadout]:
    hover = HoverReadout(viewer, told.append)
    yield hover
    hover.close()


def add(viewer: ViewerModel, shape: tuple[int, ...], **options: Any) -> Any:
    return viewer.add_image(np.zeros(shape, np.float32), contrast_limits=(0, 1), **options)


def pixels(told: Told) -> list[tuple[int, int] | None]:
    return [None if point is None else (point.y, point.x) for point in told]


def test_the_pixel_is_told_in_the_images_own_coordinates(
    viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    image = add(viewer, (30, 40), scale=(2, 3), translate=(10, 20), rotate=15)
    hover.follow(image)
    viewer.cursor.position = image.data_to_world((12.3, 30.6))
    assert pixels(told)[-1] == (12, 31)
    assert told[-1] is not None
    assert told[-1].layer is image


def test_outside_there_is_nothing(
    qtbot: QtBot, viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    hover.follow(add(viewer, (30, 40)))
    viewer.cursor.position = (29.4, 39.4)
    assert pixels(told)[-1] == (29, 39)
    viewer.cursor.position = (29.6, 39)
    qtbot.waitUntil(lambda: told[-1] is None, timeout=1000)
    viewer.cursor.position = (-0.4, -0.4)
    qtbot.waitUntil(lambda: pixels(told)[-1] == (0, 0), timeout=1000)


def test_leaving_the_canvas_ends_it(
    qtbot: QtBot, viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    hover.follow(add(viewer, (30, 40)))
    viewer.cursor.position = (3, 4)
    viewer.mouse_over_canvas = False
    qtbot.waitUntil(lambda: told[-1] is None, timeout=1000)


def test_many_moves_are_told_seldom_and_the_last_one_always(
    qtbot: QtBot, viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    hover.follow(add(viewer, (30, 40)))
    told.clear()
    for x in range(30):
        viewer.cursor.position = (2, x + 2)
    assert pixels(told) == [(2, 2)]
    qtbot.waitUntil(lambda: len(told) == 2, timeout=1000)
    assert pixels(told)[-1] == (2, 31)


def test_a_pixel_is_told_once_until_its_values_change(
    qtbot: QtBot, viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    hover.follow(add(viewer, (30, 40)))
    viewer.cursor.position = (5, 5)
    qtbot.wait(70)
    told.clear()
    viewer.cursor.position = (5.1, 5.2)
    qtbot.wait(70)
    assert told == []
    hover.refresh()
    assert pixels(told) == [(5, 5)]


def test_another_slice_is_another_pixel(
    qtbot: QtBot, viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    hover.follow(add(viewer, (5, 30, 40)))
    viewer.cursor.position = (0, 6, 7)
    qtbot.wait(70)
    told.clear()
    viewer.dims.set_current_step(0, 4)
    qtbot.waitUntil(lambda: len(told) == 1, timeout=1000)
    assert pixels(told) == [(6, 7)]
    assert told[0] is not None
    assert told[0].sliders == (4.0,)


def test_rows_and_columns_are_those_of_the_screen(
    viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    viewer.dims.ndim = 3
    image = add(viewer, (5, 30, 40))
    viewer.dims.order = (1, 2, 0)
    hover.follow(image)
    viewer.cursor.position = (3, 0, 25)
    assert pixels(told)[-1] == (25, 3)


def test_no_pixel_is_meant_in_three_dimensions(
    viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    hover.follow(add(viewer, (5, 30, 40)))
    viewer.dims.ndisplay = 3
    told.clear()
    viewer.cursor.position = (1, 2, 3)
    assert [point for point in told if point is not None] == []


def test_a_removed_image_is_let_go_of(
    qtbot: QtBot, viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    image = add(viewer, (30, 40))
    hover.follow(image)
    viewer.cursor.position = (3, 4)
    viewer.layers.remove(image)
    viewer.cursor.position = (5, 6)
    qtbot.waitUntil(lambda: told[-1] is None, timeout=1000)
    told.clear()
    del image
    gc.collect()
    viewer.cursor.position = (7, 8)
    qtbot.wait(70)
    assert told == []


def test_nothing_is_told_without_an_image_or_after_closing(
    qtbot: QtBot, viewer: ViewerModel, hover: HoverReadout, told: Told
) -> None:
    image = add(viewer, (30, 40))
    viewer.cursor.position = (1, 1)
    assert told == []
    hover.follow(image)
    hover.close()
    hover.close()
    told.clear()
    viewer.cursor.position = (9, 9)
    qtbot.wait(70)
    assert told == []

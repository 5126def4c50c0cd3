"""A person chooses what is segmented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_itaclip._widget.layers.image_input import Scope
from napari_itaclip._widget.panels.input_panel import InputPanel


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def panel(viewer: ViewerModel, qtbot: QtBot) -> Iterator[InputPanel]:
    panel = InputPanel(viewer)
    qtbot.addWidget(panel)
    panel.resize(280, 60)
    panel.show()
    yield panel
    panel.close_panel()


@pytest.fixture
def said(panel: InputPanel) -> list[tuple[str, Any]]:
    said: list[tuple[str, Any]] = []
    panel.layer_chosen.connect(lambda layer: said.append(("layer", layer)))
    panel.scope_chosen.connect(lambda scope: said.append(("scope", scope)))
    panel.level_chosen.connect(lambda level: said.append(("level", level)))
    return said


def add(viewer: ViewerModel, name: str, *shape: int) -> Image:
    return viewer.add_image(np.zeros(shape or (20, 30)), name=name)


def entries(box: QComboBox) -> list[str]:
    return [box.itemText(at) for at in range(box.count())]


def enabled(box: QComboBox) -> list[bool]:
    model: Any = box.model()
    return [model.item(at).isEnabled() for at in range(box.count())]


def tip(box: QComboBox, position: int) -> str:
    return str(box.itemData(position, Qt.ItemDataRole.ToolTipRole))


def pick(qtbot: QtBot, box: QComboBox, text: str) -> None:
    """Choose an entry with the keyboard, as from a list that is folded."""
    box.setFocus()
    keys: Any = qtbot.keyClicks
    keys(box, text)


def test_without_an_image(panel: InputPanel) -> None:
    assert entries(panel.layers) == ["no image"]
    assert not panel.layers.isEnabled()
    assert "Open an image first" in panel.layers.toolTip()
    assert not panel.scopes.isEnabled()
    assert "No image is chosen" in panel.scopes.toolTip()
    assert (panel.layer, panel.scope, panel.level) == (None, Scope.WHOLE, None)


def test_images_are_listed_as_in_the_layer_list(
    viewer: ViewerModel, panel: InputPanel, said: list[tuple[str, Any]]
) -> None:
    first, second = add(viewer, "a"), add(viewer, "b")
    viewer.add_labels(np.zeros((9, 9), int), name="labels")
    assert entries(panel.layers) == ["b", "a"]
    assert (panel.layer, panel.layers.currentText()) == (second, "b")
    assert said == [("layer", first), ("layer", second)]
    first.name = "renamed"
    viewer.layers.move(0, 3)
    assert entries(panel.layers) == ["renamed", "b"]
    assert panel.layers.currentText() == "b"
    viewer.layers.selection.active = first
    assert panel.layers.currentText() == "renamed"
    assert said[2:] == [("layer", first)]
    viewer.layers.remove(first)
    assert (panel.layer, panel.layers.currentText()) == (second, "b")
    viewer.layers.clear()
    assert said[3:] == [("layer", second), ("layer", None)]
    assert not panel.layers.isEnabled()


def test_choosing_an_image(
    viewer: ViewerModel, panel: InputPanel, said: list[tuple[str, Any]], qtbot: QtBot
) -> None:
    first, second = add(viewer, "first"), add(viewer, "second")
    said.clear()
    pick(qtbot, panel.layers, "first")
    assert said == [("layer", first)]
    assert panel.layer is first
    assert viewer.layers.selection.active is second
    viewer.add_shapes()
    assert panel.layer is first
    viewer.layers.selection.active = second
    assert panel.layer is second


def test_scopes_that_are_of_no_use_say_why(viewer: ViewerModel, panel: InputPanel) -> None:
    add(viewer, "flat")
    assert entries(panel.scopes) == ["whole image", "visible field", "rectangle", "all slices"]
    assert enabled(panel.scopes) == [True, True, False, False]
    assert "Add rectangles" in tip(panel.scopes, 2)
    assert "single slice" in tip(panel.scopes, 3)
    assert all(tip(panel.scopes, at) for at in range(4))
    add(viewer, "stack", 5, 20, 30)
    assert entries(panel.scopes)[0] == "this slice"
    assert enabled(panel.scopes) == [True, True, False, True]
    viewer.dims.ndisplay = 3
    assert enabled(panel.scopes) == [True, False, False, True]
    viewer.dims.ndisplay = 2
    viewer.add_shapes([[[0, 0], [0, 9], [9, 9], [9, 0]]])
    assert enabled(panel.scopes) == [True, True, True, True]


def test_a_rectangle_drawn_later_is_found_when_the_list_unfolds(
    viewer: ViewerModel, panel: InputPanel
) -> None:
    add(viewer, "flat")
    shapes = viewer.add_shapes(ndim=2)
    shapes.add_rectangles([[0, 0], [0, 9], [9, 9], [9, 0]])
    panel.scopes.showPopup()
    assert enabled(panel.scopes)[2]
    panel.scopes.hidePopup()


def test_choosing_a_scope(
    viewer: ViewerModel, panel: InputPanel, said: list[tuple[str, Any]], qtbot: QtBot
) -> None:
    stack = add(viewer, "stack", 5, 20, 30)
    flat = add(viewer, "flat")
    viewer.layers.selection.active = stack
    said.clear()
    pick(qtbot, panel.scopes, "vis")
    assert said == [("scope", Scope.FIELD)]
    pick(qtbot, panel.scopes, "rect")  # is disabled
    assert panel.scopes.currentText() == "visible field"
    panel.set_scope(Scope.RECTANGLE)
    assert panel.scopes.currentText() == "visible field"
    panel.set_scope(Scope.ALL_SLICES)
    assert panel.scopes.currentText() == "all slices"
    viewer.layers.selection.active = flat  # has no slices
    assert panel.scope is Scope.WHOLE
    assert said[1:] == [("scope", Scope.ALL_SLICES), ("scope", Scope.WHOLE), ("layer", flat)]


def test_levels_are_there_for_multiscale_images(
    viewer: ViewerModel, panel: InputPanel, said: list[tuple[str, Any]], qtbot: QtBot
) -> None:
    flat = add(viewer, "flat")
    assert not panel.levels.isVisible()
    sizes = [(8192, 10000), (2048, 2500), (512, 625)]
    levels = [np.broadcast_to(np.uint8(0), size) for size in sizes]
    pyramid = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 1), visible=False)
    said.clear()
    assert panel.levels.isVisible()
    assert entries(panel.levels) == [
        "10000 × 8192 px",
        "2500 × 2048 px",
        "625 × 512 px",
    ]
    assert (panel.level, panel.levels.currentIndex()) == (1, 1)
    assert ["suggested" in tip(panel.levels, at) for at in range(3)] == [False, True, False]
    pick(qtbot, panel.levels, "625")
    assert (panel.level, said) == (2, [("level", 2)])
    viewer.layers.selection.active = flat
    assert (panel.level, panel.levels.isVisible()) == (None, False)
    viewer.layers.selection.active = pyramid
    assert (panel.level, panel.levels.currentIndex()) == (2, 2)
    pyramid.data = levels[1:]
    assert (panel.level, entries(panel.levels)[1]) == (0, "625 × 512 px")


def test_long_names_do_not_widen_the_dock(viewer: ViewerModel, panel: InputPanel) -> None:
    name = "a very long name of an orthophoto over the city of nowhere, 2024, tile 17"
    add(viewer, name)
    assert panel.minimumSizeHint().width() <= 280
    assert panel.layers.currentText() == name
    assert name in panel.layers.toolTip()
    assert panel.grab().width() == 280


def test_every_control_is_named_and_explained(viewer: ViewerModel, panel: InputPanel) -> None:
    viewer.add_image([np.zeros((40, 40)), np.zeros((20, 20))], multiscale=True)
    for box in (panel.layers, panel.scopes, panel.levels):
        assert box.objectName()
        assert box.accessibleName()
        assert box.toolTip()


def test_a_closed_panel_follows_no_more(
    viewer: ViewerModel, panel: InputPanel, said: list[tuple[str, Any]]
) -> None:
    image = add(viewer, "a")
    said.clear()
    panel.close_panel()
    panel.close_panel()
    image.name = "b"
    image.data = np.zeros((30, 30))
    add(viewer, "c")
    viewer.layers.clear()
    assert said == []

"""The dock's keys work where they should, clash with nothing and are given back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import napari.layers
import numpy as np
import pytest
from app_model.types import KeyBinding
from napari.components import ViewerModel
from napari.utils.shortcuts import default_shortcuts
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from napari_itaclip._widget.panels.run_bar import RunBar
from napari_itaclip._widget.panels.shortcuts import (
    ACTIONS,
    Shortcuts,
    action,
    key_text,
    keys_text,
    with_keys,
    works_while_typing,
)
from napari_itaclip._widget.parts.icons import NAMES, draw_icon, set_icon

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
OURS = {str(key): item.id for item in ACTIONS for key in item.keys}


class Dock(QWidget):  # type: ignore[misc, unused-ignore]
    """A widget with a text field, as the dock has."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QLineEdit()
        QVBoxLayout(self).addWidget(self.text)


@pytest.fixture
def dock(qtbot: QtBot) -> Dock:
    dock = Dock()
    qtbot.addWidget(dock)
    return dock


def recorder() -> tuple[list[str], dict[str, Callable[[], object]]]:
    done: list[str] = []
    return done, {item.id: partial(done.append, item.id) for item in ACTIONS}


def test_every_key_does_one_thing() -> None:
    assert len(OURS) == sum(len(item.keys) for item in ACTIONS)
    assert all(any(works_while_typing(key) for key in item.keys) for item in ACTIONS)


def test_no_key_is_one_of_naparis_shortcuts() -> None:
    theirs = {str(key): name for name, keys in default_shortcuts.items() for key in keys}
    assert not {key: theirs[key] for key in OURS if key in theirs}


def test_no_key_is_bound_in_the_viewer_or_a_layer_of_any_type() -> None:
    kinds = [getattr(napari.layers, name) for name in napari.layers.__all__]
    holders = [ViewerModel, *(kind for kind in kinds if hasattr(kind, "class_keymap"))]
    assert len(holders) > 7
    for holder in holders:
        for kind in holder.__mro__:
            taken = {str(key) for key in getattr(kind, "class_keymap", {})}
            assert not taken & OURS.keys(), kind


def test_no_key_is_in_one_of_naparis_menus(make_napari_viewer: Callable[..., Any]) -> None:
    from napari._app_model import get_app_model

    make_napari_viewer()  # its window registers the menus
    theirs = {str(rule.keybinding): rule.command_id for rule in get_app_model().keybindings}
    assert "Ctrl+O" in theirs
    assert not {key: theirs[key] for key in OURS if key in theirs}


def test_no_key_edits_text(qtbot: QtBot, dock: Dock) -> None:
    done, callbacks = recorder()
    viewer = ViewerModel()
    Shortcuts(viewer, dock, callbacks)
    dock.show()
    dock.text.setFocus()
    qtbot.keyClicks(dock.text, "heat map: hn, g")
    assert dock.text.text() == "heat map: hn, g"
    assert done == []


def test_keys_work_while_typing(qtbot: QtBot, dock: Dock) -> None:
    done, callbacks = recorder()
    keys = Shortcuts(ViewerModel(), dock, callbacks)
    with qtbot.waitActive(dock):
        dock.show()
        dock.activateWindow()
    dock.text.setFocus()
    qtbot.keyClicks(dock.text, "road")
    qtbot.keyClick(dock.text, Qt.Key.Key_Return, CTRL)
    qtbot.keyClick(dock.text, Qt.Key.Key_Escape, SHIFT)
    qtbot.keyClick(dock.text, Qt.Key.Key_PageDown, CTRL)
    qtbot.keyClick(dock.text, Qt.Key.Key_H, CTRL | SHIFT)
    qtbot.keyClick(dock.text, Qt.Key.Key_Enter, CTRL)
    assert done == ["run", "cancel", "next_class", "heat_map", "run"]
    assert dock.text.text() == "road"
    keys.close()
    qtbot.keyClick(dock.text, Qt.Key.Key_Return, CTRL)
    assert len(done) == 5


def test_keys_work_on_the_canvas_and_in_the_dock_once(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, dock: Dock
) -> None:
    viewer = make_napari_viewer()
    viewer.add_labels(np.zeros((8, 8), np.uint8))
    viewer.window.add_dock_widget(dock)
    done, callbacks = recorder()
    keys = Shortcuts(viewer, dock, callbacks)
    assert keys.skipped == ()
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    qtbot.keyClick(canvas, Qt.Key.Key_Return, CTRL)
    qtbot.keyClick(canvas, Qt.Key.Key_PageUp, CTRL)
    qtbot.keyClick(canvas, Qt.Key.Key_Escape, SHIFT)
    qtbot.keyClick(canvas, Qt.Key.Key_L, CTRL | SHIFT)
    assert done == ["next_uncertain", "run", "previous_class", "cancel", "labels"]
    done.clear()
    qtbot.keyClick(dock, Qt.Key.Key_N, CTRL | SHIFT)
    assert done == ["next_uncertain"]
    keys.close()
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    qtbot.keyClick(dock, Qt.Key.Key_N, CTRL | SHIFT)
    assert done == ["next_uncertain"]


def test_closing_gives_every_key_back(dock: Dock) -> None:
    viewer = ViewerModel()
    before = dict(viewer.keymap)
    keys = Shortcuts(viewer, dock, recorder()[1])
    assert len(viewer.keymap) == len(before) + len(OURS)
    keys.close()
    keys.close()
    assert dict(viewer.keymap) == before


def test_a_key_that_is_in_use_keeps_what_it_does(dock: Dock) -> None:
    viewer = ViewerModel()

    def mine(viewer: Any) -> None:
        """Do something of the person's own."""

    viewer.bind_key("H", mine)
    keys = Shortcuts(viewer, dock, recorder()[1])
    assert keys.skipped == ("H",)
    keys.close()
    assert viewer.keymap[KeyBinding.from_str("H")] is mine


def test_a_key_rebound_later_is_left_alone(dock: Dock) -> None:
    viewer = ViewerModel()
    keys = Shortcuts(viewer, dock, recorder()[1])

    def mine(viewer: Any) -> None:
        """Do something of the person's own."""

    viewer.bind_key("N", mine, overwrite=True)
    keys.close()
    assert viewer.keymap[KeyBinding.from_str("N")] is mine


def test_actions_without_a_callback_are_not_bound(dock: Dock) -> None:
    viewer = ViewerModel()
    Shortcuts(viewer, dock, {"run": lambda: None})
    assert [str(key) for key in viewer.keymap] == ["Ctrl+Enter"]


def test_tooltips_name_the_keys() -> None:
    assert key_text(action("heat_map").keys[1]) == "H"
    assert with_keys("Shows it.", "heat_map") == f"Shows it.\n\nKey: {keys_text('heat_map')}"


@pytest.mark.parametrize("name", NAMES)
def test_every_icon_draws_something_inside_its_frame(qtbot: QtBot, name: str) -> None:
    bar = RunBar()
    qtbot.addWidget(bar)
    image = draw_icon(name, bar.palette()).pixmap(16, 16).toImage()
    width, height = image.width(), image.height()
    seen = [image.pixelColor(x, y).alpha() > 0 for y in range(height) for x in range(width)]
    assert 0.02 < sum(seen) / len(seen) < 0.7
    border = [image.pixelColor(x, y).alpha() for x in range(width) for y in (0, height - 1)]
    assert not any(border)


def test_icons_follow_the_theme(qtbot: QtBot) -> None:
    bar = RunBar()
    qtbot.addWidget(bar)
    set_icon(bar.run_button, "play")
    bar.show()
    before = bar.run_button.icon().pixmap(16, 16).toImage()
    bar.setStyleSheet("QWidget { color: rgb(255, 0, 0); }")
    QApplication.processEvents()
    after = bar.run_button.icon().pixmap(16, 16).toImage()
    middle = after.pixelColor(after.width() // 2, after.height() // 2)
    assert (middle.red(), middle.green()) == (255, 0)
    assert before != after


def test_the_dock_can_grow_with_the_font(qtbot: QtBot) -> None:
    bar = RunBar()
    qtbot.addWidget(bar)
    before = bar.sizeHint().height()
    font = QFont(bar.font())
    font.setPointSize(2 * max(9, font.pointSize()))
    bar.setFont(font)
    assert bar.sizeHint().height() > before

"""What to do next, and the buttons that do it."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_itaclip._widget.panels.empty_state import EmptyState, Missing
from napari_itaclip._widget.panels.help_panel import HelpPanel
from napari_itaclip._widget.panels.shortcuts import ACTIONS, key_text

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def empty(qtbot: QtBot) -> EmptyState:
    empty = EmptyState()
    qtbot.addWidget(empty)
    empty.show()
    return empty


def test_without_an_image_one_is_offered(qtbot: QtBot, empty: EmptyState) -> None:
    empty.set_missing(Missing.IMAGE)
    assert not empty.words_button.isVisible()
    with qtbot.waitSignal(empty.demo_requested):
        qtbot.mouseClick(empty.demo_button, LEFT)
    with qtbot.waitSignal(empty.open_requested):
        qtbot.mouseClick(empty.open_button, LEFT)


def test_without_words_examples_are_offered(qtbot: QtBot, empty: EmptyState) -> None:
    empty.set_missing(Missing.WORDS)
    assert not empty.demo_button.isVisible()
    with qtbot.waitSignal(empty.example_words_requested):
        qtbot.mouseClick(empty.words_button, LEFT)


def test_it_goes_when_nothing_is_missing(empty: EmptyState) -> None:
    empty.set_missing(Missing.NOTHING)
    assert not empty.isVisible()
    empty.set_missing(Missing.WORDS)
    assert empty.isVisible()


def test_help_lists_every_key(qtbot: QtBot) -> None:
    panel = HelpPanel()
    qtbot.addWidget(panel)
    for item in ACTIONS:
        label = panel.findChild(object, f"keys_{item.id}")
        assert all(key_text(key) in label.text() for key in item.keys)
        assert label.toolTip() == item.why
    assert panel.minimumSizeHint().width() <= 280

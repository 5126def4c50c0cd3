"""What was painted, and the ways back."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_itaclip._widget.panels.edits_bar import EditsBar, Reset


@pytest.fixture
def bar(qtbot: QtBot) -> EditsBar:
    bar = EditsBar()
    qtbot.addWidget(bar)
    bar.resize(280, 30)
    bar.show()
    return bar


def test_edits_are_counted_in_words(bar: EditsBar) -> None:
    bar.set_count(1204)
    assert bar.label.text() == "Edits: 1,204 px kept"
    bar.set_count(0)
    assert "none" in bar.label.text()


def test_without_edits_there_is_nothing_to_reset_and_it_says_why(bar: EditsBar) -> None:
    for what in Reset:
        assert not bar.reset_action(what).isEnabled()
        assert "paint" in bar.reset_action(what).toolTip()


@pytest.mark.parametrize("what", [Reset.RECTANGLE, Reset.FIELD, Reset.CLASS, Reset.ALL])
def test_each_reset_is_asked_for(qtbot: QtBot, bar: EditsBar, what: Reset) -> None:
    bar.set_count(5)
    with qtbot.waitSignal(bar.reset_requested) as asked:
        bar.reset_action(what).trigger()
    assert asked.args == [what]


def test_a_reset_that_makes_no_sense_says_why(bar: EditsBar) -> None:
    bar.set_count(5)
    bar.set_reset_reason(Reset.RECTANGLE, "No rectangle is drawn.")
    assert not bar.reset_action(Reset.RECTANGLE).isEnabled()
    assert bar.reset_action(Reset.RECTANGLE).toolTip() == "No rectangle is drawn."
    assert bar.reset_action(Reset.ALL).isEnabled()
    bar.set_reset_reason(Reset.RECTANGLE, None)
    assert bar.reset_action(Reset.RECTANGLE).isEnabled()


def test_the_selected_class_is_named(bar: EditsBar) -> None:
    bar.set_count(5)
    bar.set_class_name("bread & butter " * 9)
    text = bar.reset_action(Reset.CLASS).text()
    assert "“bread && butter" in text
    assert len(text) < 60
    bar.set_class_name(None)
    assert not bar.reset_action(Reset.CLASS).isEnabled()


def test_slices_are_offered_for_stacks_only(bar: EditsBar) -> None:
    assert not bar.reset_action(Reset.SLICE).isVisible()
    bar.set_stack(True)
    assert bar.reset_action(Reset.SLICE).isVisible()


def test_the_last_run_is_taken_back(qtbot: QtBot, bar: EditsBar) -> None:
    assert not bar.undo_button.isEnabled()
    bar.set_undo_reason(None)
    with qtbot.waitSignal(bar.undo_run_requested):
        qtbot.mouseClick(bar.undo_button, Qt.MouseButton.LeftButton)
    bar.set_undo_reason("You painted since then.")
    assert bar.undo_button.toolTip() == "You painted since then."


def test_the_mask_is_asked_for(qtbot: QtBot, bar: EditsBar) -> None:
    bar.set_count(5)
    with qtbot.waitSignal(bar.mask_requested):
        bar.menu.actions()[-1].trigger()

"""The row that starts a run and shows how far it is."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_itaclip._widget.panels.run_bar import (
    EVERYDAY_PRESETS,
    SHOW_PROGRESS_AFTER_MS,
    RunBar,
    duration_text,
    progress_text,
)
from napari_itaclip.segmentation.settings import PRESETS
from napari_itaclip.session.outcome import Progress

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def bar(qtbot: QtBot) -> RunBar:
    bar = RunBar()
    qtbot.addWidget(bar)
    bar.resize(280, bar.sizeHint().height())
    bar.show()
    return bar


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress("harbour", 0.62, 3.2), "62 % · 3 s left · harbour"),
        (Progress("harbour", 1.7, 0.01), "100 % · 1 s left · harbour"),
        (Progress("Loading demo", None, None), "Loading demo"),
        (Progress("stack [3]", 0.0, 600.0), "0 % · 10 min left · stack [3]"),
    ],
)
def test_progress_is_said_in_words(progress: Progress, text: str) -> None:
    assert progress_text(progress) == text


def test_long_waits_are_said_in_minutes_and_hours() -> None:
    assert [duration_text(s) for s in (0, 89, 90, 3600, 7500)] == [
        "1 s",
        "89 s",
        "2 min",
        "60 min",
        "2 h 5 min",
    ]


def test_a_click_runs(qtbot: QtBot, bar: RunBar) -> None:
    with qtbot.waitSignal(bar.run_requested):
        qtbot.mouseClick(bar.run_button, LEFT)


def test_a_button_that_cannot_be_pressed_says_why(qtbot: QtBot, bar: RunBar) -> None:
    bar.set_enabled_reason("Type some words first.")
    assert not bar.run_button.isEnabled()
    assert bar.run_button.toolTip() == "Type some words first."
    bar.set_enabled_reason(None)
    assert bar.run_button.isEnabled()
    assert "Enter" in bar.run_button.toolTip()


def test_a_run_shows_progress_and_can_be_cancelled(qtbot: QtBot, bar: RunBar) -> None:
    height = bar.height()
    bar.set_running(Progress("harbour", 0.25, None))
    assert not bar.run_button.isEnabled()
    qtbot.waitUntil(bar.progress_bar.isVisible, timeout=2000)
    assert bar.progress_bar.value() * 4 == bar.progress_bar.maximum()
    assert bar.progress_bar.text() == "25 % · harbour"
    with qtbot.waitSignal(bar.cancel_requested):
        qtbot.mouseClick(bar.cancel_button, LEFT)
    bar.set_running(None)
    assert bar.run_button.isVisible()
    assert bar.run_button.isEnabled()
    assert bar.height() == height


def test_a_short_run_flashes_no_progress(qtbot: QtBot, bar: RunBar) -> None:
    bar.set_running(Progress("harbour", 0.5, None))
    bar.set_running(None)
    qtbot.wait(SHOW_PROGRESS_AFTER_MS + 50)
    assert bar.run_button.isVisible()


def test_a_reason_outlives_a_run(bar: RunBar) -> None:
    bar.set_enabled_reason("The image is gone.")
    bar.set_running(Progress("harbour", 0.5, None))
    bar.set_running(None)
    assert bar.run_button.toolTip() == "The image is gone."


def test_what_takes_an_unknown_time_shows_that_it_goes_on(bar: RunBar) -> None:
    bar.set_running(Progress("Loading demo", None, None))
    assert (bar.progress_bar.minimum(), bar.progress_bar.maximum()) == (0, 0)


def test_a_long_name_is_shortened_and_stands_in_the_tooltip(bar: RunBar) -> None:
    name = "orthophoto_%p_" * 20
    bar.set_running(Progress(name, 0.5, 3))
    shown = bar.progress_bar.text()
    assert shown.startswith("50 % · 3 s left · ortho")
    assert shown.endswith("…")
    assert name in bar.progress_bar.toolTip()


def test_presets_are_all_there_and_explained(bar: RunBar) -> None:
    box = bar.preset_box
    names = [box.itemData(row) for row in range(box.count())]
    assert names[: len(EVERYDAY_PRESETS)] == list(EVERYDAY_PRESETS)
    assert {name for name in names if name} == set(PRESETS)
    tip = box.itemData(box.findData("paper"), Qt.ItemDataRole.ToolTipRole)
    assert tip == PRESETS["paper"].description


def test_choosing_a_preset_is_told_and_showing_one_is_not(qtbot: QtBot, bar: RunBar) -> None:
    with qtbot.assertNotEmitted(bar.preset_chosen):
        bar.set_preset("paper")
    assert bar.preset_box.currentData() == "paper"
    bar.preset_box.setFocus()
    with qtbot.waitSignal(bar.preset_chosen) as chosen:
        qtbot.keyClick(bar.preset_box, Qt.Key.Key_Up)
    assert chosen.args == ["balanced"]
    assert PRESETS["balanced"].description in bar.preset_box.toolTip()


def test_live_is_told_and_shown(qtbot: QtBot, bar: RunBar) -> None:
    with qtbot.waitSignal(bar.live_changed) as changed:
        qtbot.keyClick(bar.live_box, Qt.Key.Key_Space)
    assert changed.args == [False]
    with qtbot.assertNotEmitted(bar.live_changed):
        bar.set_live(True)
    assert bar.live_box.isChecked()


def test_the_wheel_over_the_preset_changes_nothing(bar: RunBar) -> None:
    before = bar.preset_box.currentData()
    middle = QPointF(bar.preset_box.rect().center())
    none = Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(
        middle,
        bar.preset_box.mapToGlobal(middle),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        none,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(bar.preset_box, event)
    assert bar.preset_box.currentData() == before

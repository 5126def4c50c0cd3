"""The status, and messages that stay until they are dealt with."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_itaclip._widget.panels.status_line import Status, StatusLine
from napari_itaclip._widget.parts.text import wrap_text

LEFT = Qt.MouseButton.LeftButton
LONG = "The weights at /a/folder" + "/with/a/very/long/path" * 20 + " cannot be read."


@pytest.fixture
def line(qtbot: QtBot) -> StatusLine:
    line = StatusLine()
    qtbot.addWidget(line)
    line.resize(280, 40)
    line.show()
    return line


def test_the_status_tells_model_device_speed_and_memory() -> None:
    status = Status("ViT-B/16", "cuda:0", "bfloat16", 12.3, 120, 2048)
    assert status.line == "ViT-B/16 · cuda:0 bf16 · 12 ms/edit · 120/2048 MB"
    assert Status("ViT-B/16").line == "ViT-B/16"
    assert "loaded when" in Status("ViT-B/16").details


def test_an_exceeded_budget_is_said() -> None:
    assert "more than the limit" in Status("m", used_mb=9, budget_mb=5, over_budget=True).details


def test_the_model_gives_way_to_what_changes(qtbot: QtBot, line: StatusLine) -> None:
    status = Status("A model with a long title " * 3, "cuda:0", "bfloat16", 12, 120, 2048)
    line.set_status(status)
    shown = line.status_label.text()
    assert shown.startswith("A mo")
    assert shown.endswith("· 120 MB")
    metrics = line.status_label.fontMetrics()
    assert metrics.horizontalAdvance(shown) <= line.status_label.width()
    assert "A model with a long title" in line.status_label.toolTip()
    assert "120 of 2048 MB" in line.status_label.toolTip()
    line.resize(700, 40)
    qtbot.waitUntil(lambda: line.status_label.text().endswith("12 ms/edit · 120/2048 MB"))


def test_an_error_stays_until_it_is_dismissed(qtbot: QtBot, line: StatusLine) -> None:
    line.show_message("It broke.", "error")
    line.show_message("All is well.", "info")
    assert line.message == "It broke."
    with qtbot.waitSignal(line.dismissed):
        qtbot.mouseClick(line.message_box.dismiss_button, LEFT)
    assert line.message is None
    assert not line.message_box.isVisible()


def test_a_newer_error_takes_the_place_of_an_older_one(line: StatusLine) -> None:
    line.show_message("First.", "error")
    line.show_message("Second.", "error")
    assert line.message == "Second."


def test_what_is_solved_goes_and_what_is_not_stays(line: StatusLine) -> None:
    line.show_message("No model.", "error", key="model")
    line.clear_message("image")
    assert line.message == "No model."
    line.clear_message("model")
    assert line.message is None


def test_an_info_goes_by_itself(qtbot: QtBot, line: StatusLine) -> None:
    line._timer.setInterval(20)
    line.show_message("Saved.")
    assert line.message_box.isVisible()
    qtbot.waitUntil(lambda: line.message is None, timeout=2000)


def test_the_way_out_is_a_button(qtbot: QtBot, line: StatusLine) -> None:
    pressed: list[bool] = []
    line.show_message("No model.", "error", ("Use the demo model", lambda: pressed.append(True)))
    qtbot.mouseClick(line.message_box.action_button, LEFT)
    assert pressed == [True]
    line.show_message("Another.", "error")
    assert not line.message_box.action_button.isVisible()


def test_an_error_can_be_copied_whole(qtbot: QtBot, line: StatusLine) -> None:
    line.show_message(LONG, "error", details="Traceback: somewhere.")
    qtbot.mouseClick(line.message_box.copy_button, LEFT)
    assert QApplication.clipboard().text() == f"{LONG}\n\nTraceback: somewhere."


def test_a_long_error_wraps_to_four_lines_and_stands_in_the_tooltip(
    qtbot: QtBot, line: StatusLine
) -> None:
    line.show_message(LONG, "error")
    QApplication.processEvents()
    label = line.message_box.label
    shown = label.text().splitlines()
    assert len(shown) == 4
    assert shown[-1].endswith("…")
    assert LONG in label.toolTip()
    assert max(label.fontMetrics().horizontalAdvance(part) for part in shown) <= label.width()
    assert line.minimumSizeHint().width() <= 280


def test_wrapping_keeps_every_word(qtbot: QtBot, line: StatusLine) -> None:
    text = "one two three four five six seven eight nine ten"
    lines = wrap_text(text, line.font(), 80, 20)
    assert len(lines) > 2
    assert " ".join(lines) == text

"""The part of the dock for looking into a result."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPushButton, QWidget

from napari_itaclip._widget.layers.explore_layers import HeatKind
from napari_itaclip._widget.panels.explore_panel import ExplorePanel
from napari_itaclip._widget.panels.readout_bars import percent

SIGNALS = (
    "phrase_changed",
    "phrase_added",
    "heat_map_toggled",
    "kind_changed",
    "uncertainty_toggled",
    "next_uncertain_requested",
    "keep_requested",
    "compare_toggled",
)


@pytest.fixture
def panel(qtbot: QtBot) -> ExplorePanel:
    panel = ExplorePanel()
    qtbot.addWidget(panel)
    panel.resize(280, 300)
    panel.show()
    return panel


@pytest.fixture
def told(panel: ExplorePanel) -> list[tuple[Any, ...]]:
    told: list[tuple[Any, ...]] = []
    for name in SIGNALS:
        getattr(panel, name).connect(lambda *values, name=name: told.append((name, *values)))
    return told


def click(qtbot: QtBot, widget: QWidget) -> None:
    if isinstance(widget, QCheckBox):
        # Beside the text a check box does not listen.
        at = widget.rect().center()
        at.setX(8)
        qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at)
    else:
        qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def test_a_phrase_counts_once_typing_stops(
    qtbot: QtBot, panel: ExplorePanel, told: list[tuple[Any, ...]]
) -> None:
    qtbot.keyClicks(panel.phrase_edit, "red roof ")
    assert told == []
    qtbot.waitUntil(lambda: bool(told), timeout=2000)
    assert told == [("phrase_changed", "red roof"), ("heat_map_toggled", True)]


def test_enter_looks_at_once_and_escape_goes_back(
    qtbot: QtBot, panel: ExplorePanel, told: list[tuple[Any, ...]]
) -> None:
    qtbot.keyClicks(panel.phrase_edit, "boat")
    qtbot.keyClick(panel.phrase_edit, Qt.Key.Key_Return)
    assert told == [("phrase_changed", "boat"), ("heat_map_toggled", True)]
    qtbot.wait(250)
    assert len(told) == 2
    qtbot.keyClick(panel.phrase_edit, Qt.Key.Key_Escape)
    assert told[2:] == [("phrase_changed", "")]
    assert panel.heat_map_box.isChecked()


def test_a_phrase_can_become_a_class(
    qtbot: QtBot, panel: ExplorePanel, told: list[tuple[Any, ...]]
) -> None:
    assert not panel.add_button.isEnabled()
    assert "Type a phrase" in panel.add_button.toolTip()
    qtbot.keyClicks(panel.phrase_edit, "boat")
    click(qtbot, panel.add_button)
    assert ("phrase_added", "boat") in told
    panel.set_phrase("")
    assert not panel.add_button.isEnabled()


def test_boxes_and_buttons_tell(
    qtbot: QtBot, panel: ExplorePanel, told: list[tuple[Any, ...]]
) -> None:
    panel.set_uncertain_count(3)
    panel.set_kept("harbour")
    for widget in (
        panel.heat_map_box,
        panel.uncertainty_box,
        panel.next_button,
        panel.keep_button,
        panel.compare_box,
    ):
        click(qtbot, widget)
    qtbot.keyClick(panel.kind_box, Qt.Key.Key_Down)
    assert told == [
        ("heat_map_toggled", True),
        ("uncertainty_toggled", True),
        ("next_uncertain_requested",),
        ("keep_requested",),
        ("compare_toggled", True),
        ("kind_changed", HeatKind.SIMILARITY),
    ]


def test_setting_what_is_shown_tells_nothing(
    qtbot: QtBot, panel: ExplorePanel, told: list[tuple[Any, ...]]
) -> None:
    panel.set_heat_map(True)
    panel.set_kind(HeatKind.SIMILARITY)
    panel.set_uncertainty(True)
    panel.set_kept("harbour")
    panel.set_comparing(True)
    panel.set_comparing(False)
    panel.set_phrase("boat")
    panel.set_readout([("sea", "#0000ff", 0.5)])
    qtbot.wait(250)
    assert told == []
    assert panel.kind is HeatKind.SIMILARITY
    assert panel.phrase == "boat"
    assert panel.heat_map_box.isChecked()


def test_what_cannot_be_used_says_why(panel: ExplorePanel) -> None:
    assert not panel.next_button.isEnabled()
    assert "press Segment" in panel.next_button.toolTip()
    assert not panel.compare_box.isEnabled()
    assert "Keep as A" in panel.compare_box.toolTip()
    panel.set_uncertain_count(0)
    assert "No uncertain place" in panel.next_button.toolTip()
    panel.set_uncertain_count(12)
    assert panel.next_button.isEnabled()
    assert panel.next_button.text() == "Next uncertain (12)"
    assert "Key:" in panel.next_button.toolTip()
    panel.set_enabled_reason("No image is open.")
    for widget in controls(panel):
        assert not widget.isEnabled()
        assert widget.toolTip() == "No image is open."
    panel.set_enabled_reason(None)
    assert panel.heat_map_box.isEnabled()
    assert panel.next_button.isEnabled()


def test_a_kind_can_be_ruled_out(panel: ExplorePanel) -> None:
    panel.set_kind_reason(HeatKind.PROBABILITY, "There is one class only.")
    item = panel.kind_box.model().item(0)
    assert not item.isEnabled()
    assert item.toolTip() == "There is one class only."
    panel.set_kind_reason(HeatKind.PROBABILITY, None)
    assert item.isEnabled()


def test_the_comparison_is_put_into_words(panel: ExplorePanel) -> None:
    assert panel.changed_label.text() == "A: nothing kept yet"
    panel.set_kept("harbour.yaml")
    assert panel.changed_label.text() == "A: harbour.yaml"
    panel.set_comparing(True)
    panel.set_changed(1204, 120400)
    assert panel.changed_label.text() == "1,204 px changed since A (1 %)"
    panel.set_changed(0, 120400)
    assert panel.changed_label.text() == "No change since A"
    panel.set_comparing(False)
    assert panel.changed_label.text() == "A: harbour.yaml"


def test_the_readout_keeps_its_height(panel: ExplorePanel) -> None:
    height = panel.readout.sizeHint().height()
    rows = [(f"class {at}", "#123456", 0.5 / (at + 1)) for at in range(8)]
    panel.set_readout(rows)
    assert panel.readout.rows == tuple(rows[:5])
    assert panel.readout.sizeHint().height() == height
    assert "class 0 50 %" in panel.readout.accessibleDescription()
    panel.set_readout([])
    assert panel.readout.sizeHint().height() == height


def test_the_readout_paints_any_value(panel: ExplorePanel) -> None:
    panel.set_readout(
        [
            ("x" * 200, "#ff0000", 1.0),
            ("", "#ff0000", 0.0),
            ("nan", "#00ff00", float("nan")),
            ("over", "#00ff00", 1.5),
        ]
    )
    picture = panel.readout.grab().toImage()
    red = sum(
        picture.pixelColor(x, picture.height() // 10).red() > 200
        and picture.pixelColor(x, picture.height() // 10).green() < 60
        for x in range(picture.width())
    )
    assert red > picture.width() // 5


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "100 %"), (0.824, "82 %"), (0.004, "<1 %"), (0, "0 %"), (float("nan"), "\u2013")],
)
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text


def controls(panel: ExplorePanel) -> list[QWidget]:
    kinds = (QCheckBox, QComboBox, QPushButton, QLineEdit)
    return [widget for kind in kinds for widget in panel.findChildren(kind)]


def test_everything_is_explained_and_fits(panel: ExplorePanel) -> None:
    for widget in controls(panel):
        assert widget.toolTip(), widget.objectName()
        assert widget.accessibleName(), widget.objectName()
        assert widget.objectName()
    panel.set_uncertain_count(20)
    panel.set_subject("a very long phrase " * 10)
    panel.set_kept("a very long name " * 10)
    assert panel.minimumSizeHint().width() <= 280

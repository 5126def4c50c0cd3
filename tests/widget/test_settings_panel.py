"""The form over the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QSpinBox, QToolButton, QWidget

from napari_itaclip._widget.panels.settings_panel import SettingsPanel
from napari_itaclip._widget.parts.section import make_section
from napari_itaclip.clip.weights_cache import ModelStatus
from napari_itaclip.session.settings import SessionSettings

LEFT = Qt.MouseButton.LeftButton
MODELS = (
    ModelStatus("demo", "Demo model", "BSD", 10.0, "Small.", True, None, False),
    ModelStatus("openai-vit-b-16", "ViT-B/16", "MIT", 598.5, "Good.", False, None, True),
)


@pytest.fixture
def panel(qtbot: QtBot) -> SettingsPanel:
    panel = SettingsPanel(SessionSettings(model="demo"), MODELS)
    qtbot.addWidget(panel)
    panel.resize(280, 500)
    panel.advanced.expand()
    panel.show()
    return panel


def find(panel: QWidget, kind: type[Any], name: str) -> Any:
    child = panel.findChild(kind, name)
    assert child is not None, name
    return child


def choose(qtbot: QtBot, box: QComboBox, value: object) -> None:
    """Choose an entry as a person does, with the keyboard."""
    box.setFocus()
    steps = box.findData(value) - box.currentIndex()
    for _ in range(abs(steps)):
        qtbot.keyClick(box, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)
    assert box.currentData() == value


def test_models_say_whether_they_are_here(panel: SettingsPanel) -> None:
    texts = [panel.model_box.itemText(row) for row in range(2)]
    assert texts == ["Demo model · here", "ViT-B/16 · 598 MB download"]
    tip = panel.model_box.itemData(1, Qt.ItemDataRole.ToolTipRole)
    assert "MIT" in tip
    assert "Good." in tip


def test_choosing_is_told_as_whole_settings(qtbot: QtBot, panel: SettingsPanel) -> None:
    with qtbot.waitSignal(panel.changed) as changed:
        choose(qtbot, panel.model_box, "openai-vit-b-16")
    assert changed.args == [SessionSettings(model="openai-vit-b-16")]
    with qtbot.waitSignal(panel.changed) as changed:
        choose(qtbot, panel.precision_box, "float32")
    assert changed.args[0].precision == "float32"
    assert panel.settings == changed.args[0]


def test_showing_settings_tells_nothing(qtbot: QtBot, panel: SettingsPanel) -> None:
    shown = SessionSettings(
        model="/weights/mine.pt", device="cuda:1", recipe="naclip", stride=56, fast_words=False
    )
    with qtbot.assertNotEmitted(panel.changed):
        panel.set_settings(shown)
    assert panel.model_box.currentText() == "mine.pt"
    assert "/weights/mine.pt" in panel.model_box.toolTip()
    assert panel.device_box.currentData() == "cuda:1"
    assert find(panel, QSpinBox, "stride_box").value() == 56
    assert not panel.fast_words_box.isChecked()


def test_devices_of_this_computer_are_offered(panel: SettingsPanel) -> None:
    panel.set_devices(("cuda:0", "cpu"))
    names = [panel.device_box.itemData(row) for row in range(panel.device_box.count())]
    assert names == ["auto", "cuda:0", "cpu"]
    assert panel.device_box.currentData() == "auto"


def test_a_weights_file_becomes_the_model(
    qtbot: QtBot, panel: SettingsPanel, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    path.touch()
    with qtbot.waitSignal(panel.changed) as changed:
        panel.choose_file(str(path))
    assert changed.args[0].model == str(path)
    assert panel.model_box.currentText() == "mine.safetensors"


def test_a_file_that_is_not_there_is_refused(qtbot: QtBot, panel: SettingsPanel) -> None:
    with qtbot.waitSignal(panel.failed) as failed:
        panel.choose_file("/nowhere/mine.pt")
    assert "/nowhere/mine.pt" in failed.args[0]
    assert panel.settings.model == "demo"


def test_asking_for_a_file_blocks_nothing_and_may_be_given_up(
    qtbot: QtBot, panel: SettingsPanel
) -> None:
    box = panel.model_box
    box.setFocus()
    with qtbot.assertNotEmitted(panel.changed):
        qtbot.keyClick(box, Qt.Key.Key_End)
        dialog = find(panel, QFileDialog, "weights_dialog")
        assert dialog.isVisible()
        assert box.currentData() == "demo"
        dialog.reject()


def test_numbers_are_as_the_preset_until_changed(qtbot: QtBot, panel: SettingsPanel) -> None:
    spin = find(panel, QSpinBox, "stride_box")
    reset = find(panel, QToolButton, "stride_reset")
    assert spin.text() == "preset 112"
    assert not reset.isEnabled()
    assert not panel.reset_button.isEnabled()
    spin.setFocus()
    with qtbot.waitSignal(panel.changed) as changed:
        qtbot.keyClick(spin, Qt.Key.Key_Down)
    assert changed.args[0].stride == 104
    with qtbot.waitSignal(panel.changed) as changed:
        qtbot.mouseClick(reset, LEFT)
    assert changed.args[0].stride is None
    assert spin.text() == "preset 112"


def test_a_number_can_be_typed(qtbot: QtBot, panel: SettingsPanel) -> None:
    spin = find(panel, QSpinBox, "pamr_iterations_box")
    spin.setFocus()
    spin.selectAll()
    with qtbot.assertNotEmitted(panel.changed):
        qtbot.keyClicks(spin, "0")
    with qtbot.waitSignal(panel.changed) as changed:
        qtbot.keyClick(spin, Qt.Key.Key_Return)
    assert changed.args[0].pamr_iterations == 0


def test_everything_goes_back_to_the_preset(qtbot: QtBot, panel: SettingsPanel) -> None:
    panel.set_settings(SessionSettings(model="demo", stride=56, logit_scale=20, recipe="clip"))
    with qtbot.waitSignal(panel.changed) as changed:
        qtbot.mouseClick(panel.reset_button, LEFT)
    assert changed.args == [SessionSettings(model="demo")]


def test_a_value_that_does_not_fit_is_refused_and_put_back(
    qtbot: QtBot, panel: SettingsPanel
) -> None:
    panel.set_settings(SessionSettings(model="demo", preset="voc21"))
    spin = find(panel, QSpinBox, "stride_box")
    with qtbot.waitSignal(panel.failed) as failed, qtbot.assertNotEmitted(panel.changed):
        spin.setValue(300)
    assert "stride" in failed.args[0]
    assert spin.text() == "preset 28"


def test_every_control_is_explained_and_named(panel: SettingsPanel) -> None:
    for kind in (QComboBox, QSpinBox, QToolButton):
        for child in panel.findChildren(kind):
            assert child.toolTip(), child.objectName()
            assert child.accessibleName(), child.objectName()
    assert panel.minimumSizeHint().width() <= 280


def test_a_section_is_folded_at_first_and_opens_to_all_of_it(
    qtbot: QtBot, panel: SettingsPanel
) -> None:
    section = make_section("Settings", panel, tooltip="What runs where.", name="settings")
    qtbot.addWidget(section)
    section.show()
    assert not panel.isVisible()
    qtbot.mouseClick(section.toggleButton(), LEFT)
    assert panel.isVisible()
    assert section.sizeHint().height() >= panel.sizeHint().height()
    qtbot.mouseClick(section.toggleButton(), LEFT)
    assert not panel.isVisible()

"""The details of a class: chips, texts, sliders."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QSlider, QToolButton, QWidget

from napari_itaclip._widget.vocabulary.class_detail import ClassDetail
from napari_itaclip._widget.vocabulary.number_slider import NumberSlider
from napari_itaclip._widget.vocabulary.word_chips import Chip
from napari_itaclip._widget.vocabulary.word_line import WordLine
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.prompts import AuxiliaryText, ClassPrompt

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def editor() -> VocabularyEditor:
    editor = VocabularyEditor()
    editor.add("building\nroad, street, lane\npalm tree")
    editor.select(2)
    return editor


@pytest.fixture
def detail(qtbot: QtBot, editor: VocabularyEditor) -> ClassDetail:
    detail = ClassDetail(editor)
    qtbot.addWidget(detail)
    detail.resize(300, 400)
    detail.show()
    return detail


def selected(editor: VocabularyEditor) -> ClassPrompt:
    prompt = editor.find(editor.selected or 0)
    assert prompt is not None
    return prompt


def chips(detail: ClassDetail) -> list[Chip]:
    found = [chip for chip in detail.findChildren(Chip) if chip.isVisible()]
    return sorted(found, key=lambda chip: (chip.y(), chip.x()))


def type_into(qtbot: QtBot, line: QWidget, text: str) -> None:
    qtbot.keyClicks(line, text)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    QApplication.processEvents()


def slider_of(number: NumberSlider) -> QSlider:
    found = number.findChild(QSlider)
    assert isinstance(found, QSlider)
    return found


# ---- words -------------------------------------------------------------------------------------


def test_words_are_added_and_removed(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    type_into(qtbot, detail.words.line, "path, alley")
    assert selected(editor).words == ("road", "street", "lane", "path", "alley")
    assert detail.words.line.text() == ""
    cross = chips(detail)[1].findChildren(QToolButton)[-1]
    qtbot.mouseClick(cross, LEFT)
    assert selected(editor).words == ("road", "lane", "path", "alley")
    assert len(chips(detail)[0].findChildren(QToolButton)) == 1, "the name cannot be removed"


@pytest.mark.parametrize(
    ("position", "words"), [(0, ("way", "street", "lane")), (2, ("road", "street", "way"))]
)
def test_a_chip_is_edited(
    qtbot: QtBot,
    detail: ClassDetail,
    editor: VocabularyEditor,
    position: int,
    words: tuple[str, ...],
) -> None:
    qtbot.mouseClick(chips(detail)[position].findChildren(QToolButton)[0], LEFT)
    line = detail.findChild(WordLine, "class_word_editor")
    line.selectAll()
    type_into(qtbot, line, "way")
    assert selected(editor).words == words


def test_escape_leaves_a_word(qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor) -> None:
    qtbot.mouseClick(chips(detail)[1].findChildren(QToolButton)[0], LEFT)
    line = detail.findChild(WordLine, "class_word_editor")
    qtbot.keyClicks(line, "x")
    qtbot.keyClick(line, Qt.Key.Key_Escape)
    assert selected(editor).words == ("road", "street", "lane")
    assert len(chips(detail)) == 3


def test_a_word_of_another_class_is_reported_and_stays_typed(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    with qtbot.waitSignal(detail.failed) as failed:
        type_into(qtbot, detail.words.line, "building")
    assert "'building'" in failed.args[0]
    assert detail.words.line.text() == "building"
    assert selected(editor).words == ("road", "street", "lane")


def test_what_is_typed_does_not_move_to_another_class(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    qtbot.keyClicks(detail.words.line, "alley")
    editor.select(1)
    assert detail.words.line.text() == ""
    assert selected(editor).words == ("building",)


# ---- texts -------------------------------------------------------------------------------------


def test_texts_are_added_switched_edited_and_deleted(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    type_into(qtbot, detail.texts.line, "a paved way")
    assert selected(editor).auxiliary == (AuxiliaryText("a paved way"),)
    switch = detail.findChild(QCheckBox, "class_text_0")
    qtbot.mouseClick(switch, LEFT, pos=QPoint(8, switch.height() // 2))
    assert selected(editor).auxiliary == (AuxiliaryText("a paved way", enabled=False),)
    detail.texts.edit(0)
    line = detail.findChild(WordLine, "class_text_editor")
    line.selectAll()
    type_into(qtbot, line, "a hard way")
    assert selected(editor).auxiliary == (AuxiliaryText("a hard way", enabled=False),)
    crosses = [
        button
        for button in detail.texts.findChildren(QToolButton)
        if button.isVisible() and button.accessibleName() == "delete: a hard way"
    ]
    qtbot.mouseClick(crosses[0], LEFT)
    assert selected(editor).auxiliary == ()


def test_an_edited_text_keeps_where_it_comes_from(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    editor.set_auxiliary(2, [AuxiliaryText("a way", "synonym", "WordNet", "MIT")])
    detail.texts.edit(0)
    line = detail.findChild(WordLine, "class_text_editor")
    line.selectAll()
    type_into(qtbot, line, "the way")
    assert selected(editor).auxiliary == (AuxiliaryText("the way", "synonym", "WordNet", "MIT"),)


# ---- weights -----------------------------------------------------------------------------------


def test_the_weight_has_a_reason_when_there_is_nothing_to_weigh(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    assert not detail.alpha.isEnabled()
    assert "definition" in detail.alpha.toolTip()
    editor.set_auxiliary(2, ["a way"])
    assert detail.alpha.isEnabled()
    editor.set_background(2, True)
    assert "background" in detail.alpha.toolTip()


def test_a_weight_of_its_own_and_back(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    editor.set_auxiliary(2, ["a way"])
    assert detail.follow_alpha.text() == "as vocabulary (0.15)"
    assert detail.follow_alpha.isChecked()
    detail.alpha.setFocus()
    qtbot.keyClick(slider_of(detail.alpha), Qt.Key.Key_Right)
    assert selected(editor).alpha == pytest.approx(0.16)
    assert not detail.follow_alpha.isChecked()
    qtbot.mouseClick(detail.share_alpha, LEFT)
    assert selected(editor).alpha is None
    assert editor.alpha == pytest.approx(0.16)
    detail.follow_alpha.setChecked(False)
    assert selected(editor).alpha == pytest.approx(0.16)
    detail.follow_alpha.setChecked(True)
    assert selected(editor).alpha is None


def test_a_dragged_bias_is_one_step_and_a_double_click_resets_it(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    step = editor.undo_text
    slider = slider_of(detail.bias)
    middle = slider.rect().center()
    qtbot.mousePress(slider, LEFT, pos=middle)
    for x in (8, 16, 24):
        qtbot.mouseMove(slider, middle + QPoint(x, 0))
    qtbot.mouseRelease(slider, LEFT, pos=middle + QPoint(24, 0))
    assert selected(editor).bias > 0.2
    editor.undo()
    assert (selected(editor).bias, editor.undo_text) == (0.0, step)
    editor.redo()
    qtbot.mouseDClick(slider, LEFT, pos=middle)
    assert selected(editor).bias == 0.0


def test_the_threshold_and_the_background_are_set(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    qtbot.keyClick(slider_of(detail.threshold), Qt.Key.Key_PageUp)
    assert selected(editor).threshold == pytest.approx(0.1)
    qtbot.keyClick(slider_of(detail.threshold), Qt.Key.Key_Right)
    assert selected(editor).threshold == pytest.approx(0.11)
    box = detail.background
    qtbot.mouseClick(box, LEFT, pos=QPoint(8, box.height() // 2))
    assert selected(editor).background


def test_a_bias_beyond_the_slider_is_shown_and_kept(
    detail: ClassDetail, editor: VocabularyEditor
) -> None:
    editor.set_bias(2, 7.5)
    assert detail.bias.value() == pytest.approx(7.5)
    assert selected(editor).bias == 7.5
    editor.select(1)
    assert detail.bias.value() == 0.0
    assert slider_of(detail.bias).maximum() == pytest.approx(3.0)


def test_the_wheel_scrolls_past_a_slider(qtbot: QtBot, detail: ClassDetail) -> None:
    detail.words.line.setFocus()
    slider = slider_of(detail.bias)
    point = QPointF(slider.rect().center())
    turn = QWheelEvent(
        point,
        QPointF(slider.mapToGlobal(slider.rect().center())),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(slider, turn)
    assert detail.bias.value() == 0.0


# ---- the section -------------------------------------------------------------------------------


def test_it_folds_and_unfolds(qtbot: QtBot, detail: ClassDetail) -> None:
    toggle = detail.findChild(QWidget, "class_detail_section_button")
    qtbot.mouseClick(toggle, LEFT)
    assert not detail.bias.isVisible()
    qtbot.mouseClick(toggle, LEFT)
    assert detail.bias.isVisible()


def test_without_a_class_it_says_so(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    toggle = detail.findChild(QWidget, "class_detail_section_button")
    editor.select(None)
    assert toggle.text() == "no class selected"
    assert not toggle.isEnabled()
    assert "Select a class" in toggle.toolTip()
    assert not detail.bias.isVisible()
    editor.select(1)
    assert toggle.text() == "building"
    assert detail.bias.isVisible()


def test_markup_and_ampersands_in_words_are_shown_as_written(
    qtbot: QtBot, detail: ClassDetail, editor: VocabularyEditor
) -> None:
    editor.rename(2, "<b>R&D</b>")
    assert detail.findChild(QWidget, "class_detail_section_button").text() == "<b>R&&D</b>"
    assert chips(detail)[0].findChildren(QToolButton)[0].text() == "<b>R&&D</b>"

"""The vocabulary in the dock, used as a person uses it."""

from __future__ import annotations

import gc
import math
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QModelIndex, QPoint, Qt
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit, QToolButton, QWidget

from napari_itaclip._widget.vocabulary.vocabulary_table import (
    IDS_FORMAT,
    Column,
    VocabularyModel,
    percent,
)
from napari_itaclip._widget.vocabulary.vocabulary_view import VocabularyView
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.classes import Vocabulary

LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
ALT = Qt.KeyboardModifier.AltModifier


@pytest.fixture
def editor() -> VocabularyEditor:
    editor = VocabularyEditor()
    editor.add("building\nroad, street\npalm tree")
    return editor


@pytest.fixture
def view(qtbot: QtBot, editor: VocabularyEditor) -> VocabularyView:
    view = VocabularyView(editor)
    qtbot.addWidget(view)
    view.resize(300, 700)
    view.show()
    return view


@pytest.fixture
def errors(view: VocabularyView) -> list[str]:
    errors: list[str] = []
    view.failed.connect(errors.append)
    return errors


def names(editor: VocabularyEditor) -> list[str]:
    return [prompt.name for prompt in editor.classes]


def cell(view: VocabularyView, row: int, column: Column) -> QPoint:
    return view.table.visualRect(view.table.model().index(row, column)).center()


def click(
    qtbot: QtBot,
    view: VocabularyView,
    row: int,
    column: Column,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    qtbot.mouseClick(view.table.viewport(), LEFT, modifier, cell(view, row, column))


def shown(view: VocabularyView, column: Column) -> list[str]:
    model = view.table.model()
    return [model.index(row, column).data() for row in range(model.rowCount())]


# ---- adding ------------------------------------------------------------------------------------


def test_typing_adds_classes_and_clears_the_line(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    qtbot.keyClicks(view.add_line, "car, ship")
    qtbot.keyClick(view.add_line, Qt.Key.Key_Return)
    assert names(editor) == ["building", "road", "palm tree", "car", "ship"]
    assert shown(view, Column.NAME) == names(editor)
    assert view.add_line.text() == ""
    assert view.table.currentIndex().row() == 3


def test_what_cannot_be_added_stays_in_the_line(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor, errors: list[str]
) -> None:
    qtbot.keyClicks(view.add_line, "street")
    qtbot.keyClick(view.add_line, Qt.Key.Key_Return)
    assert len(errors) == 1
    assert view.add_line.text() == "street"
    assert len(names(editor)) == 3


@pytest.mark.parametrize("place", ["line", "table"])
def test_a_list_is_pasted(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor, place: str
) -> None:
    QApplication.clipboard().setText("car, automobile\nship\n")
    target = view.add_line if place == "line" else view.table
    qtbot.keyClick(target, Qt.Key.Key_V, CONTROL)
    assert names(editor)[3:] == ["car", "ship"]
    assert editor.classes[3].synonyms == ("automobile",)


def test_words_left_out_are_noticed(qtbot: QtBot, view: VocabularyView) -> None:
    with qtbot.waitSignal(view.noticed) as noticed:
        qtbot.keyClicks(view.add_line, "road, car")
        qtbot.keyClick(view.add_line, Qt.Key.Key_Return)
    assert "'road'" in noticed.args[0]


# ---- the table ---------------------------------------------------------------------------------


def edit_name(qtbot: QtBot, view: VocabularyView, row: int) -> QLineEdit:
    click(qtbot, view, row, Column.NAME)
    qtbot.keyClick(view.table, Qt.Key.Key_F2)
    line = view.table.findChild(QLineEdit, "vocabulary_name_editor")
    assert isinstance(line, QLineEdit)
    return line


def test_a_name_is_edited_in_place(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    line = edit_name(qtbot, view, 1)
    assert line.text() == "road"
    line.selectAll()
    qtbot.keyClicks(line, "path")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: names(editor)[1] == "path")


def test_a_name_that_is_taken_is_reported_and_not_kept(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor, errors: list[str]
) -> None:
    line = edit_name(qtbot, view, 1)
    line.selectAll()
    qtbot.keyClicks(line, "building")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(errors))
    assert names(editor) == ["building", "road", "palm tree"]


def test_new_numbers_leave_an_open_name_and_the_selection_alone(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    line = edit_name(qtbot, view, 1)
    line.selectAll()
    qtbot.keyClicks(line, "pa")
    view.set_statistics({1: (0.3, 0.8)})
    editor.set_hidden(1, True)
    editor.set_bias(2, 0.5)
    editor.move([3], 0)
    editor.remove([1])
    assert line.text() == "pa"
    assert line.isVisible()


def test_numbers(view: VocabularyView) -> None:
    view.set_statistics({1: (0.314, 0.824), 2: (0.001, math.nan)})
    assert shown(view, Column.SHARE) == ["31 %", "<1 %", "–"]  # noqa: RUF001
    assert shown(view, Column.CONFIDENCE) == ["0.82", "–", "–"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.004, "<1 %"), (0.996, "100 %"), (1.0, "100 %")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_clicking_a_row_selects_the_class(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    click(qtbot, view, 2, Column.NAME)
    assert editor.selected == editor.classes[2].id
    editor.select(editor.classes[0].id)
    assert view.table.chosen_ids() == [editor.classes[0].id]


def test_the_eye_hides_and_with_alt_isolates(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    selected = editor.selected
    click(qtbot, view, 1, Column.SHOWN)
    assert editor.hidden == {2}
    click(qtbot, view, 1, Column.SHOWN)
    assert editor.hidden == frozenset()
    click(qtbot, view, 1, Column.SHOWN, ALT)
    assert editor.hidden == {1, 3}
    assert editor.selected == selected


def test_the_lock_locks(qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor) -> None:
    click(qtbot, view, 2, Column.LOCKED)
    assert editor.locked == {3}
    qtbot.mouseDClick(view.table.viewport(), LEFT, pos=cell(view, 2, Column.LOCKED))
    assert editor.locked == frozenset()


def test_keys_of_the_table(qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor) -> None:
    click(qtbot, view, 0, Column.NAME)
    qtbot.keyClick(view.table, Qt.Key.Key_Down, ALT)
    assert names(editor) == ["road", "building", "palm tree"]
    qtbot.keyClick(view.table, Qt.Key.Key_Up, ALT)
    assert names(editor) == ["building", "road", "palm tree"]
    qtbot.keyClick(view.table, Qt.Key.Key_Space)
    assert editor.hidden == {1}
    qtbot.keyClick(view.table, Qt.Key.Key_Delete)
    assert names(editor) == ["road", "palm tree"]
    assert editor.selected == 2
    qtbot.keyClick(view.table, Qt.Key.Key_Z, CONTROL)
    assert names(editor) == ["building", "road", "palm tree"]
    qtbot.keyClick(view.table, Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert names(editor) == ["road", "palm tree"]


def test_several_rows_are_removed_at_once(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    click(qtbot, view, 0, Column.NAME)
    click(qtbot, view, 2, Column.NAME, CONTROL)
    qtbot.keyClick(view.table, Qt.Key.Key_Delete)
    assert names(editor) == ["road"]
    editor.undo()
    assert names(editor) == ["building", "road", "palm tree"]


def test_a_copy_is_opened_for_its_name(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    click(qtbot, view, 1, Column.NAME)
    qtbot.keyClick(view.table, Qt.Key.Key_D, CONTROL)
    assert names(editor) == ["building", "road", "road 2", "palm tree"]
    line = view.table.findChild(QLineEdit, "vocabulary_name_editor")
    assert isinstance(line, QLineEdit)
    assert line.text() == "road 2"


def test_rows_are_dropped_between_rows(view: VocabularyView, editor: VocabularyEditor) -> None:
    model = view.table.model()
    data = model.mimeData([model.index(2, 0), model.index(2, 1)])
    assert data.hasFormat(IDS_FORMAT)
    assert data.text() == "palm tree;\n"
    assert model.dropMimeData(data, Qt.DropAction.MoveAction, 0, 0, QModelIndex())
    assert names(editor) == ["palm tree", "building", "road"]


def test_rows_come_and_go_one_by_one(qtbot: QtBot, editor: VocabularyEditor) -> None:
    model = VocabularyModel(editor)
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    editor.add("a, b, c, d")
    editor.move([2, 5], 0)
    editor.remove([1, 6])
    editor.duplicate([4])
    for _ in range(4):
        editor.undo()
    for _ in range(4):
        editor.redo()
    editor.open(Vocabulary(("cat", "dog")))
    editor.undo()
    assert [model.prompt(row) for row in range(model.rowCount())] == list(editor.classes)
    assert resets == []


def test_the_colour_dialog_follows_and_cancels(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    before, step = editor.classes[1].color, editor.undo_text
    click(qtbot, view, 1, Column.COLOR)
    dialog = view.findChild(QColorDialog, "class_color_dialog")
    assert isinstance(dialog, QColorDialog)
    dialog.setCurrentColor(Qt.GlobalColor.green)
    assert editor.classes[1].color == "#00ff00"
    dialog.reject()
    assert (editor.classes[1].color, editor.undo_text) == (before, step)
    click(qtbot, view, 1, Column.COLOR)
    dialog = view.findChildren(QColorDialog, "class_color_dialog")[-1]
    dialog.setCurrentColor(Qt.GlobalColor.red)
    dialog.setCurrentColor(Qt.GlobalColor.blue)
    dialog.accept()
    assert editor.classes[1].color == "#0000ff"
    editor.undo()
    assert editor.classes[1].color == before


# ---- header and menu ---------------------------------------------------------------------------


def test_the_header_tells_what_is_unsaved_and_undone(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor, tmp_path: Path
) -> None:
    assert view.title.text() == "untitled •"
    editor.save(tmp_path / "aerial.yaml")
    assert view.title.text() == "aerial.yaml"
    assert not view.redo_button.isEnabled()
    assert view.redo_button.toolTip() == "Nothing to redo"
    qtbot.mouseClick(view.undo_button, LEFT)
    assert editor.vocabulary is None
    assert "add 3 classes" in view.redo_button.toolTip()
    qtbot.mouseClick(view.redo_button, LEFT)
    assert len(names(editor)) == 3


def test_the_menu_says_why_something_cannot_be_done(view: VocabularyView) -> None:
    view.menu.refresh()
    actions = {action.objectName(): action for action in view.menu.actions()}
    assert not actions["show_all"].isEnabled()
    assert actions["show_all"].toolTip() == "No class is hidden"
    assert all(action.toolTip() for name, action in actions.items() if name)


def test_the_menu_opens_and_saves(
    view: VocabularyView,
    editor: VocabularyEditor,
    errors: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "words.yaml"
    monkeypatch.setattr(view.menu, "ask_path", lambda *, save: path)
    actions = {action.objectName(): action for action in view.menu.actions()}
    actions["open"].trigger()
    assert "words.yaml" in errors[0]
    actions["save"].trigger()
    assert path.exists()
    editor.add("car")
    actions["save"].trigger()
    assert not editor.dirty
    editor.clear()
    actions["open"].trigger()
    assert names(editor) == ["building", "road", "palm tree", "car"]


# ---- size --------------------------------------------------------------------------------------


def test_everything_fits_into_a_narrow_dock(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    word = "Donaudampfschifffahrtsgesellschaftskapitän with a very long story behind it"
    editor.add(f"{word}, {word} 2, {word} 3;")
    editor.set_auxiliary(editor.selected or 0, [word * 5])
    editor.set_alpha(editor.selected or 0, 0.5)
    editor.open(editor.vocabulary or Vocabulary(("a",)), title=word)
    editor.select(editor.classes[-1].id)
    assert view.minimumSizeHint().width() <= 280
    view.resize(280, 800)
    QApplication.processEvents()
    for part in view.findChildren(QWidget):
        if part.isVisible() and part.height() and part.window() is view.window():
            right = part.mapTo(view, QPoint(0, 0)).x() + part.width()
            assert right <= view.width(), part.objectName() or type(part).__name__


def test_the_table_is_as_high_as_its_rows(
    qtbot: QtBot, view: VocabularyView, editor: VocabularyEditor
) -> None:
    few = view.table.sizeHint().height()
    editor.add("\n".join(f"class {number}" for number in range(40)))
    assert few < view.table.sizeHint().height() < 450
    assert view.table.minimumSizeHint().height() < 180


def test_controls_are_named_and_explained(view: VocabularyView) -> None:
    for part in view.findChildren(QToolButton) + view.findChildren(QLineEdit):
        # The labels of sliders are explained by the slider that they belong to.
        assert part.toolTip() or part.parent().toolTip() or part.parent().parent().toolTip()
        assert part.accessibleName() or part.text(), part.objectName()


def test_an_editor_outlives_its_view(qtbot: QtBot, editor: VocabularyEditor) -> None:
    view = VocabularyView(editor)
    view.show()
    view.close()
    view.deleteLater()
    QApplication.processEvents()
    del view
    gc.collect()
    editor.add("car")
    editor.select(1)
    editor.set_hidden(1, True)


def test_templates_are_chosen_in_the_menu(qtbot: QtBot) -> None:
    editor = VocabularyEditor()
    view = VocabularyView(editor)
    qtbot.addWidget(view)
    editor.add("road, tree")
    chosen = {action.text(): action for action in view.menu.templates.actions()}
    assert chosen["imagenet-80"].isChecked()
    chosen["imagenet-7"].trigger()
    assert editor.vocabulary is not None
    assert editor.vocabulary.templates == "imagenet-7"
    assert chosen["imagenet-7"].isChecked()
    assert all(action.toolTip() for action in chosen.values())
    editor.undo()
    view.menu.refresh()
    assert chosen["imagenet-80"].isChecked()

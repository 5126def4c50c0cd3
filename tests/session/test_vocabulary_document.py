"""What goes with a vocabulary: what is shown, who is told, its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_itaclip.errors import OutputError, VocabularyError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.session.edited_words import SIGNALS, id_of, listen, make_editor, names


@pytest.fixture
def editor() -> VocabularyEditor:
    return make_editor()


@pytest.fixture
def heard(editor: VocabularyEditor) -> list[str]:
    return listen(editor)


# ---- shown and locked --------------------------------------------------------------------------


def test_isolating_again_shows_all(editor: VocabularyEditor, heard: list[str]) -> None:
    ids = frozenset(prompt.id or 0 for prompt in editor.classes)
    road = id_of(editor, "road")
    editor.isolate(road)
    assert editor.hidden == ids - {road}
    editor.isolate(road)
    assert editor.hidden == frozenset()
    assert heard == ["display_changed", "display_changed"]


def test_hiding_and_locking_are_no_edits(editor: VocabularyEditor, heard: list[str]) -> None:
    before, road = editor.undo_text, id_of(editor, "road")
    editor.set_hidden(road, True)
    editor.set_locked(road, True)
    assert (editor.hidden, editor.locked) == (frozenset({road}), frozenset({road}))
    assert editor.undo_text == before
    assert set(heard) == {"display_changed"}
    editor.show_all()
    editor.set_locked(road, False)
    assert (editor.hidden, editor.locked) == (frozenset(), frozenset())


def test_a_removed_class_is_not_hidden_any_more_and_is_again_after_undo(
    editor: VocabularyEditor,
) -> None:
    road = id_of(editor, "road")
    editor.set_hidden(road, True)
    editor.remove([road])
    assert editor.hidden == frozenset()
    editor.undo()
    assert editor.hidden == frozenset({road})


# ---- signals -----------------------------------------------------------------------------------


def test_signals_tell_what_changed(editor: VocabularyEditor, heard: list[str]) -> None:
    road = id_of(editor, "road")
    editor.set_bias(road, 1.0)
    assert heard == ["changed"]
    heard.clear()
    editor.select(road)
    assert heard == ["selection_changed"]
    heard.clear()
    editor.open(Vocabulary(("cat",)))
    assert heard == list(SIGNALS)


def test_listeners_see_everything_in_place(editor: VocabularyEditor) -> None:
    seen: list[tuple[tuple[str, ...], int | None, bool]] = []
    editor.changed.connect(lambda: seen.append((names(editor), editor.selected, editor.dirty)))
    editor.open(Vocabulary(("cat", "dog")))
    assert seen == [(("cat", "dog"), 1, False)]


# ---- files -------------------------------------------------------------------------------------


def test_save_and_load(editor: VocabularyEditor, tmp_path: Path) -> None:
    path = tmp_path / "aerial.yaml"
    assert editor.dirty
    editor.save(path)
    assert (editor.path, editor.title, editor.dirty) == (path, "aerial.yaml", False)
    editor.rename(id_of(editor, "road"), "path")
    assert editor.dirty
    editor.undo()
    assert not editor.dirty
    editor.redo()
    editor.save()
    other = VocabularyEditor()
    other.load(path)
    assert other.classes == editor.classes
    assert (other.path, other.title, other.dirty) == (path, "aerial.yaml", False)


def test_ids_of_removed_classes_stay_taken_in_a_file(
    editor: VocabularyEditor, tmp_path: Path
) -> None:
    gone = id_of(editor, "palm tree")
    editor.remove([gone])
    editor.save(tmp_path / "words.yaml")
    other = VocabularyEditor()
    other.load(tmp_path / "words.yaml")
    other.add("car")
    assert id_of(other, "car") > gone


def test_undo_after_opening_brings_unsaved_words_back(
    editor: VocabularyEditor, tmp_path: Path
) -> None:
    editor.save(tmp_path / "mine.yaml")
    editor.add("car")
    editor.open(Vocabulary(("cat",)), title="pets")
    assert (editor.title, editor.path, editor.dirty) == ("pets", None, False)
    editor.undo()
    assert names(editor) == ("building", "road", "palm tree", "car")
    assert (editor.title, editor.dirty) == ("mine.yaml", True)


def test_saving_nothing_or_to_nowhere_is_an_error(editor: VocabularyEditor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        editor.save(tmp_path / "file" / "words.yaml")
    assert editor.path is None
    with pytest.raises(VocabularyError, match="nothing to save"):
        VocabularyEditor().save(tmp_path / "empty.yaml")


def test_exported_text_can_be_added_elsewhere(editor: VocabularyEditor) -> None:
    other = VocabularyEditor()
    other.add(editor.export_text())
    assert [prompt.words for prompt in other.classes] == [prompt.words for prompt in editor.classes]
    single = VocabularyEditor()
    single.add(editor.export_text([id_of(editor, "road")]))
    assert [prompt.words for prompt in single.classes] == [("road", "street")]

"""Trying a text on a class, and accepting it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_itaclip.errors import VocabularyError
from napari_itaclip.session.pictures import Region
from napari_itaclip.session.trials import (
    GAINED,
    LOST,
    OTHER,
    Offer,
    accept,
    add_classes,
    after_accepting,
    is_used,
    preview_marks,
)
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.suggestion.provider import Suggestion
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.prompts import ClassPrompt

WORD = Suggestion("ship", "synonym", "a book", "CC0")
TEXT = Suggestion("a hull on water", "definition", "a book")


@pytest.fixture
def editor() -> VocabularyEditor:
    editor = VocabularyEditor()
    editor.add("boat, sea, quay")
    return editor


@pytest.mark.parametrize("suggestion", [WORD, TEXT])
def test_a_trial_is_what_acceptance_gives(editor: VocabularyEditor, suggestion: Suggestion) -> None:
    before = editor.vocabulary
    assert before is not None
    promised = after_accepting(before, 1, suggestion)
    accept(editor, 1, suggestion)
    assert editor.vocabulary == promised
    editor.undo()
    assert editor.vocabulary == before


def test_the_source_is_kept(editor: VocabularyEditor) -> None:
    accept(editor, 1, WORD)
    accept(editor, 1, TEXT)
    boat = editor.find(1)
    assert boat is not None
    assert boat.synonym_sources == {"ship": "a book · CC0"}
    assert (boat.auxiliary[0].kind, boat.auxiliary[0].source) == ("definition", "a book")
    assert is_used(boat, WORD)
    assert is_used(boat, TEXT)
    assert editor.undo_text == "suggested text for 'boat'"


def test_a_word_of_another_class_changes_nothing(editor: VocabularyEditor) -> None:
    before = editor.vocabulary
    with pytest.raises(VocabularyError, match="sea"):
        accept(editor, 1, Suggestion("sea", "synonym", "a book"))
    assert editor.vocabulary is before


def test_adding_classes_is_one_step_and_keeps_texts(editor: VocabularyEditor) -> None:
    pack = Vocabulary(
        [
            ClassPrompt("harbour", ("port", "quay"), ("a basin with boats",)),
            ClassPrompt("sea"),
            ClassPrompt("gull", background=False),
        ]
    )
    before = editor.classes
    assert add_classes(editor, pack, pack) == ("harbour", "gull")
    assert editor.vocabulary is not None
    assert editor.vocabulary["harbour"].synonyms == ("port",)
    assert editor.vocabulary["harbour"].auxiliary_texts == ("a basin with boats",)
    assert editor.vocabulary.ids == (1, 2, 3, 4, 5)
    editor.undo()
    assert editor.classes == before
    with pytest.raises(VocabularyError, match="nothing new"):
        add_classes(editor, [ClassPrompt("Sea")], pack)


def test_an_empty_table_takes_the_templates_too() -> None:
    pack = Vocabulary(["ship"], 0.3, ("a satellite image of a {}.",), "aerial images")
    editor = VocabularyEditor()
    add_classes(editor, pack, pack)
    assert editor.vocabulary is not None
    assert editor.vocabulary.templates == pack.templates
    assert (editor.vocabulary.alpha, editor.vocabulary.domain) == (0.3, "aerial images")


def test_marks_leave_paint_and_locked_classes_alone() -> None:
    present = np.array([[1, 1, 2, 2], [3, 3, 3, 2]])
    painted = np.zeros((2, 4), bool)
    painted[0, 0] = True
    patches = [
        (None, np.array([[2, 2, 1, 3], [1, 1, 1, 1]])),
        (Region(1, 3, 1, 1), np.array([[2]])),
    ]
    marks = preview_marks(present, patches, 1, painted=painted, locked=frozenset({3}))
    assert marks.tolist() == [[0, LOST, GAINED, OTHER], [0, 0, 0, 0]]


def test_offers_are_told_apart_by_kind_and_word() -> None:
    one, other = Offer(WORD, 1), Offer(Suggestion("Ship", "synonym", "another book"), 1)
    assert one.key == other.key
    assert one.key != Offer(Suggestion("ship", "definition", "a book"), 1).key

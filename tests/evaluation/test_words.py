"""Which words stand for which classes."""

from __future__ import annotations

import pytest

from napari_itaclip.errors import VocabularyError
from napari_itaclip.evaluation.words import TruthClass, match_classes
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

CLASSES = (TruthClass(0, "background", True), TruthClass(1, "boat"), TruthClass(7, "Dining table"))


def words(**ids: int) -> Vocabulary:
    return Vocabulary([ClassPrompt(name.replace("_", " "), id=id_) for name, id_ in ids.items()])


def test_names_come_first_whatever_the_ids() -> None:
    found = match_classes(CLASSES, words(boat=7, dining_table=3, background=1))
    assert dict(found.positions) == {1: 0, 7: 1, 3: 2}
    assert found.by_id == ()
    assert found.extra == ()


def test_other_names_are_matched_by_id() -> None:
    found = match_classes(CLASSES, words(sky=0, ship=1, dining_table=7, lamp=9))
    assert dict(found.positions) == {0: 0, 1: 1, 7: 2}
    assert found.by_id == (("sky", "background"), ("ship", "boat"))
    assert found.extra == ("lamp",)


def test_ids_are_not_trusted_where_names_contradict_them() -> None:
    with pytest.raises(VocabularyError, match=r"no class for 'background' \(id 0\)"):
        match_classes(CLASSES, words(boat=7, dining_table=3, sky=0))


def test_a_class_without_words_is_named() -> None:
    with pytest.raises(VocabularyError, match=r"'Dining table' \(id 7\)"):
        match_classes(CLASSES, words(background=0, boat=1))


def test_one_word_stands_for_one_class() -> None:
    classes = (TruthClass(1, "a"), TruthClass(2, "b"), TruthClass(3, "c"))
    found = match_classes(classes, words(a=1, x=2, y=3))
    assert sorted(found.positions.values()) == [0, 1, 2]

"""The lexicon covers every scene word and never calls two things by one name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from training.lexicon import COLOURS, Entry, load_lexicon
from training.scenes import WORLDS
from training.text import TokenRows, draw_phrases, imagenet_templates

ENTRIES = list(load_lexicon().values())


def test_covers_exactly_the_words_of_the_worlds() -> None:
    words = {word for world in WORLDS.values() for word in world.words}
    assert words == set(load_lexicon())


def test_no_name_means_two_things() -> None:
    names = Counter(name.casefold() for entry in ENTRIES for name in entry.names)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.word)
def test_entry_is_complete(entry: Entry) -> None:
    assert len(entry.synonyms) >= 2
    assert len(entry.definition.split()) >= 6
    assert all(name == name.strip() and name for name in entry.names)


def test_definitions_are_distinct_and_do_not_name_their_word() -> None:
    assert len({entry.definition for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert f" {entry.word} " not in f" {entry.definition} "


def test_trained_texts_fit_the_context_and_have_rows() -> None:
    rows = TokenRows()
    for entry in ENTRIES:
        for text in (*entry.names, entry.definition):
            for template in imagenet_templates():
                encoded = rows.encode(template.format(text))
                assert len(encoded) <= 40
                assert rows.unknown not in encoded


def test_unrelated_words_share_the_unknown_row() -> None:
    rows = TokenRows()
    assert rows.encode("giraffe")[1:-1] == [rows.unknown] * len(rows.encode("giraffe")[1:-1])


def test_colour_phrases_name_the_colour() -> None:
    rng = np.random.default_rng(0)
    entry = load_lexicon()["car"]
    for colour in COLOURS[:5]:
        for phrase in draw_phrases(rng, entry, colour):
            assert colour in phrase or "violet" in phrase

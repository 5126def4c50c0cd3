"""Texts from outside come out as one short, plain line."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_itaclip.suggestion.cleaning import MAX_CHARACTERS, SHORTENED, plain_line, tidy
from napari_itaclip.suggestion.provider import Suggestion
from napari_itaclip.vocabulary.prompts import AuxiliaryText

LINES = [
    ("a tall machine", "a tall machine"),
    ("  a\n tall\tmachine\r\n", "a tall machine"),
    ("a <b>tall</b> machine", "a tall machine"),
    ("<p onclick='x()'>a machine</p>", "a machine"),
    ("<script>steal()</script>a machine", "a machine"),
    ("a machine<script>steal()", "a machine"),
    ("&lt;img src=x onerror=alert(1)&gt;a machine", "a machine"),
    ("&amp;lt;b&amp;gt;a machine", "a machine"),
    ("<<b>b>a machine", "b a machine"),
    ("< b >a machine", "b a machine"),
    ("<\0b>a machine", "a machine"),
    ("a machine <img src=x", "a machine img src=x"),
    ("**a** `tall` _machine_", "a tall machine"),
    ("[a machine](http://evil.example/x)", "a machine"),
    ("a machine, see https://evil.example/x?y=1", "a machine, see"),
    ("1. a machine", "a machine"),
    ("- a machine", "a machine"),
    ('"a machine"', "a machine"),
    ("\u201ca machine\u201d", "a machine"),
    ("a\x1b[31m machine\x07", "a[31m machine"),
    ("a \u202egnp.machine\u2066", "a gnp.machine"),
    ("a\u200b ma\u00adchine\ufeff", "a machine"),
    ("a machine\ud800", "a machine"),
    ("particles < 5 µm and > 2 µm", "particles < 5 µm and > 2 µm"),
    ("cafe\u0301", "café"),
    ("snake_case stays", "snake_case stays"),
    ("\0\x01\u200b", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "line"), LINES)
def test_plain_line(text: str, line: str) -> None:
    assert plain_line(text) == line


@given(st.text(st.one_of(st.characters(), st.sampled_from("<>&;b/!*`_[]()\0\n")), max_size=200))
def test_any_text_becomes_plain_and_fits_into_a_vocabulary(text: str) -> None:
    line = plain_line(text)
    assert "\n" not in line
    assert not any(unicodedata.category(character)[0] == "C" for character in line)
    for kept in tidy([Suggestion(text, kind, "test") for kind in ("definition", "synonym")], "", 9):
        assert 0 < len(kept.text) <= MAX_CHARACTERS
        assert kept.as_auxiliary() == AuxiliaryText(kept.text, kept.kind, "test")


@pytest.mark.parametrize(
    "piece", ["<", "<script ", "<a", "[", "[](", "&lt;", "*", "_", "\u0301", "word ", "http://"]
)
def test_hostile_lengths_take_no_time(piece: str) -> None:
    begin = time.perf_counter()
    tidy([Suggestion(piece * 200_000, "definition", "test")], "crane", 5)
    assert time.perf_counter() - begin < 2


def test_a_long_definition_is_cut_behind_a_sentence_or_a_word() -> None:
    first = "a machine with a long arm that lifts heavy things on building sites"
    words = " ".join(["arm"] * 20_000)
    two = tidy(
        [Suggestion(f"{first}. {words}", "definition", "s"), Suggestion(words, "definition", "s")],
        "crane",
        5,
    )
    assert two[0].text == first
    assert len(two[1].text) <= MAX_CHARACTERS
    assert two[1].text.endswith(" arm")
    assert [one.note for one in two] == [SHORTENED, SHORTENED]


def test_a_definition_has_no_full_stop() -> None:
    [one] = tidy([Suggestion("A tall machine.", "definition", "s")], "crane", 5)
    assert one.text == "A tall machine"


def test_repetitions_and_the_term_are_left_out() -> None:
    found = ["Crane", "derrick", "Derrick", "CRANE ", "hoist", "***", "boom"]
    kept = tidy([Suggestion(text, "synonym", "s") for text in found], "crane", 2)
    assert [one.text for one in kept] == ["derrick", "hoist"]


def test_several_synonyms_in_one_text_are_parted_and_sentences_left_out() -> None:
    found = ["derrick, hoist; jib.", "a very long sentence " * 5]
    kept = tidy([Suggestion(text, "synonym", "s") for text in found], "crane", 9)
    assert [one.text for one in kept] == ["derrick", "hoist", "jib"]


def test_source_licence_and_note_are_cleaned_as_well() -> None:
    [one] = tidy(
        [Suggestion("hoist", "synonym", "<b>s</b>\n", " https://l.example/by/4.0\n", "<i>a</i>")],
        "crane",
        5,
    )
    assert (one.source, one.licence, one.note) == ("s", "https://l.example/by/4.0", "a")
    assert one.credit == "s · https://l.example/by/4.0"

"""Saving over a file changes what changed and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.files import (
    dump_vocabulary,
    dumps_vocabulary,
    load_vocabulary,
    loads_vocabulary,
)

FILE = """\
# My words, measured on Tuesdays

schema: 1
alpha: 0.2   # found by trial
about:
  title: Streets # short
  experimental: true
classes:
  # --- animals ---

  # barks
  - dog, puppy   # two words
  - name: cat    # purrs
    # the vet's words
    synonyms:
      - kitty    # from Ann
      - "tom cat"
    auxiliary:
      - text: a furry animal
        kind: definition  # ours
      - >
        # this is no comment
        but a pet

  # --- things ---

  - {name: car, id: 7}   # flows
  - name: road
    bias: 0.5 # tuned
# the end
"""

Edit = Callable[[Vocabulary], Vocabulary]


def _cat(**changes: object) -> Edit:
    return lambda v: v.replace("cat", replace(v["cat"], **changes))  # type: ignore[arg-type]


def _comments(text: str) -> set[str]:
    return {line[line.index("#") :].strip() for line in text.splitlines() if "#" in line}


def test_an_unchanged_vocabulary_leaves_every_byte() -> None:
    for text in (FILE, FILE.replace("\n", "\r\n"), "# mine\n- a # x\n- b, c\n", "classes: [a, b]"):
        expected = text if text.endswith("\n") else dumps_vocabulary(loads_vocabulary(text), None)
        if text.endswith("\n"):
            assert dumps_vocabulary(loads_vocabulary(text), text) == expected


@pytest.mark.parametrize(
    ("edit", "gone", "come"),
    [
        (
            lambda v: v.with_alpha(0.3),
            {"alpha: 0.2   # found by trial"},
            {"alpha: 0.3  # found by"},
        ),
        (_cat(synonyms=("tom cat", "kitty")), set(), set()),
        (_cat(synonyms=("kitty",)), {'"tom cat"'}, set()),
        (
            _cat(synonyms=("kitty", "tom cat", "moggy"), synonym_sources={"moggy": "WordNet"}),
            set(),
            {"- word: moggy", "source: WordNet"},
        ),
        (_cat(threshold=0.5), set(), {"    threshold: 0.5"}),
        (_cat(name="feline"), {"name: cat "}, {"- name: feline  # purrs"}),
        (
            lambda v: v.replace("road", replace(v["road"], bias=0.7)),
            {"bias: 0.5"},
            {"bias: 0.7  # tuned"},
        ),
        (lambda v: v.add("tree, oak"), set(), {"  - name: tree", "- oak"}),
        (lambda v: v.reorder(["road", "car", "cat", "dog"]), set(), set()),
    ],
)
def test_an_edit_keeps_all_comments(edit: Edit, gone: set[str], come: set[str]) -> None:
    vocabulary = edit(loads_vocabulary(FILE))
    text = dumps_vocabulary(vocabulary, FILE)
    assert loads_vocabulary(text) == vocabulary
    assert _comments(text) >= _comments(FILE)
    assert not [piece for piece in gone if piece in text]
    assert all(piece in text for piece in come)
    assert text.startswith("# My words, measured on Tuesdays\n")
    assert text.endswith("# the end\n")


def test_one_edit_touches_one_line() -> None:
    old = FILE.splitlines()
    new = dumps_vocabulary(loads_vocabulary(FILE).with_alpha(0.3), FILE).splitlines()
    assert [at for at, (a, b) in enumerate(zip(old, new, strict=True)) if a != b] == [3]


def test_a_removed_class_takes_its_comments_but_leaves_the_heading() -> None:
    vocabulary = loads_vocabulary(FILE).remove("dog")
    text = dumps_vocabulary(vocabulary, FILE)
    assert loads_vocabulary(text) == vocabulary
    assert "# --- animals ---" in text
    assert "# barks" not in text
    assert "two words" not in text
    assert loads_vocabulary(text)["road"].id == 3, "ids that followed from the order stay"


def test_a_bare_list_grows_into_a_mapping_when_it_must() -> None:
    bare = "# mine\n- a  # x\n- b, c\n"
    vocabulary = loads_vocabulary(bare)
    assert dumps_vocabulary(vocabulary.add("d"), bare).startswith(bare)
    text = dumps_vocabulary(vocabulary.with_alpha(0.5), bare)
    assert text == f"alpha: 0.5\nclasses:\n{bare}"


def test_saving_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "v.yaml"
    path.write_text(FILE, encoding="utf-8")
    vocabulary = load_vocabulary(path).add("tree")
    dump_vocabulary(vocabulary, path)
    assert load_vocabulary(path) == vocabulary
    assert "# from Ann" in path.read_text("utf-8")
    path.write_bytes(b"\xff\xfe\x00 broken")
    dump_vocabulary(vocabulary, path)  # what was there was no vocabulary
    assert load_vocabulary(path) == vocabulary


@pytest.mark.parametrize(
    "previous",
    [
        "",
        "classes: [a",
        "classes: [a, b] # flow\n",
        "{}",
        "a: 1\n",
        "--- # x\nclasses:\n- a\n...\n",
    ],
)
def test_odd_files_are_written_anew(previous: str) -> None:
    vocabulary = Vocabulary(["x", "y, z"], about={"title": "T"})
    assert loads_vocabulary(dumps_vocabulary(vocabulary, previous)) == vocabulary


word = st.sampled_from(["cat", "dog", "red car", "ÄÖ", "null", "# no", "a: b", "- x", "'q'", "yes"])
prompts = st.builds(
    lambda name, extra, texts, bias, source: ClassPrompt(
        name,
        [f"{name} {piece}" for piece in extra],
        [AuxiliaryText(text, source="mine") if bias else text for text in texts],
        bias=bias,
        synonym_sources={f"{name} {piece}": "W" for piece in extra[:1] if source},
    ),
    word,
    st.lists(word, unique=True, max_size=3),
    st.lists(word, unique=True, max_size=2),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
)
vocabularies = st.builds(
    lambda classes, alpha, about: Vocabulary(classes, alpha, about=about),
    st.lists(prompts, min_size=1, max_size=5, unique_by=lambda prompt: prompt.name),
    st.sampled_from([0.15, 0.2]),
    st.dictionaries(word, st.one_of(word, st.booleans()), max_size=2),
)


def _commented(text: str) -> str:
    """Put a comment above every line, as deep as the line, and an empty line now and then."""
    lines = []
    for at, line in enumerate(text.splitlines()):
        depth = len(line) - len(line.lstrip())
        lines += [f"{' ' * depth}# c{at}", *([""] if at % 3 == 0 else []), line]
    return "\n".join([*lines, "# end", ""])


@settings(max_examples=150, deadline=None)
@given(vocabularies, vocabularies)
def test_any_file_takes_any_vocabulary(old: Vocabulary, new: Vocabulary) -> None:
    plain = dumps_vocabulary(old)
    assert loads_vocabulary(plain) == old
    assert dumps_vocabulary(old, plain) == plain
    assert loads_vocabulary(dumps_vocabulary(new, plain)) == new
    try:
        rich = _commented(plain)
        assert loads_vocabulary(rich) == old
    except (AssertionError, VocabularyError):
        return  # a comment fell into text of several lines
    assert dumps_vocabulary(old, rich) == rich
    text = dumps_vocabulary(new, rich)
    assert loads_vocabulary(text) == new
    assert dumps_vocabulary(new, text) == text
    assert "# end" in text

"""Vocabulary files give back what was written, and name the line of a mistake."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_itaclip.errors import OutputError, VocabularyError
from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.files import (
    MAX_BYTES,
    dump_vocabulary,
    dumps_vocabulary,
    load_vocabulary,
    loads_vocabulary,
)

FULL = """
schema: 1
alpha: 0.2
templates: plain
domain: street scenes
classes:
  - no
  - null
  - 1
  - dog, puppy
  - name: car
    synonyms: [automobile, ~, 3.50]
    auxiliary:
      - a road vehicle with four wheels
      - {text: motorcar, kind: synonym, source: WordNet 3.1, licence: WordNet}
    color: "#F00"
    id: 17
    alpha: 0.5
  - name: everything else
    background: yes
"""


def test_a_full_file() -> None:
    vocabulary = loads_vocabulary(FULL)
    assert vocabulary.names == ("no", "null", "1", "dog", "car", "everything else")
    assert vocabulary["dog"].synonyms == ("puppy",)
    car = vocabulary["car"]
    assert car.synonyms == ("automobile", "~", "3.50")
    assert car.auxiliary[1] == AuxiliaryText("motorcar", "synonym", "WordNet 3.1", "WordNet")
    assert (car.color, car.id, car.alpha) == ("#ff0000", 17, 0.5)
    assert vocabulary.ids == (1, 2, 3, 4, 17, 0)
    assert (vocabulary.alpha, vocabulary.templates) == (0.2, "plain")
    assert vocabulary.domain == "street scenes"
    assert loads_vocabulary(dumps_vocabulary(vocabulary)) == vocabulary
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
    assert loads_vocabulary(json.dumps(vocabulary.to_dict())) == vocabulary


def test_a_bare_list_and_blank_values() -> None:
    assert loads_vocabulary("- cat\n- null\n").names == ("cat", "null")
    vocabulary = loads_vocabulary("domain: null\nclasses:\n- name: cat\n  synonyms:\n  id:\n")
    assert vocabulary == Vocabulary(["cat"])
    assert loads_vocabulary("classes:\n- name: a\n  synonyms: b, c").words == ("a", "b", "c")


def test_biases_thresholds_and_switched_off_texts() -> None:
    vocabulary = loads_vocabulary(
        "classes:\n- name: cat\n  bias: -0.7\n  threshold: 1e-1\n"
        "  auxiliary: [{text: a pet, enabled: off}, {text: a hunter, enabled: yes}, purring]\n- dog"
    )
    cat = vocabulary["cat"]
    assert (cat.bias, cat.threshold) == (-0.7, 0.1)
    assert [text.enabled for text in cat.auxiliary] == [False, True, True]
    assert cat.auxiliary_texts == ("a hunter", "purring")
    assert loads_vocabulary(dumps_vocabulary(vocabulary)) == vocabulary
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary


def test_default_values_are_not_written() -> None:
    """So that files without them stay readable to older versions."""
    classes = [ClassPrompt("cat", auxiliary=["a pet"], bias=-0.0), ClassPrompt("dog", bias=1)]
    first, second = Vocabulary(classes).to_dict()["classes"]
    assert set(first) == {"name", "auxiliary", "color", "id"}
    assert first["auxiliary"] == [{"text": "a pet", "kind": "definition"}]
    assert second["bias"] == 1.0
    assert "threshold" not in second


def test_files_in_several_encodings(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes("- Straße\r\n- 猫\r\n".encode(encoding))
        assert Vocabulary.parse(path).names == ("Straße", "猫")
        assert Vocabulary.parse(str(path)).names == ("Straße", "猫")


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    vocabulary = Vocabulary(["a", "b"], templates=["{}", "the {}."]).remove("b")
    path = dump_vocabulary(vocabulary, tmp_path / "new folder" / "v.yaml")
    assert load_vocabulary(path) == vocabulary
    assert [p.name for p in path.parent.iterdir()] == ["v.yaml"]


def test_unwritable_target(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file"):
        dump_vocabulary(Vocabulary(["a"]), tmp_path / "file" / "v.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("classes:\n- a\n- b\n- A\n", "line 4: the class 'A' is listed twice"),
        ("classes:\n- a, x\n- b\n- c, X\n", "line 4: the word 'X'"),
        ("classes:\n- name: x\n  colr: 1\n", "line 3: .*'colr'; did you mean 'color'"),
        ("classes:\n- name: x\n  color: #fff\n", "line 3: .*quotes"),
        ("classes:\n- name: x\n  id: -3\n", "line 3: the id of class 'x'"),
        ("classes:\n- name: x\n  id: 99999999999999999999999\n", "line 3: the id"),
        ("classes:\n- name: x\n  background: maybe\n", "line 3: background of class 'x'"),
        ("classes:\n- name: x\n  alpha: lots\n", "line 3: alpha of class 'x'"),
        ("classes:\n- name: x\n  auxiliary: 5\n  synonyms: {a: b}\n", "line 4"),
        ("classes:\n- synonyms: [x]\n", "line 2: a class has no 'name'"),
        ("classes:\n- name: x\n  auxiliary:\n  - kind: synonym\n", "line 4: .*no 'text'"),
        ("classes:\n- name: x\n  auxiliary:\n  - {text: t, kind: ode}\n", "line 4: .*'ode'"),
        (
            "classes:\n- name: x\n  auxiliary:\n  - t\n  - text: u\n    enabled: si\n",
            "line 6: enabled of an auxiliary text of class 'x' must be true or false",
        ),
        ("classes:\n- name: x\n  bias: much\n", "line 3: bias of class 'x'.*-20 to 20.*'much'"),
        ("classes:\n- name: x\n  bias: 21\n", "line 3: bias of class 'x'.*-20 to 20"),
        ("classes:\n- name: x\n  bias: .nan\n", "line 3: bias of class 'x'"),
        ("classes:\n- name: x\n  threshold: -0.1\n", "line 3: threshold of class 'x'.*0 to 1"),
        ("classes:\n- name: x\n  treshold: 1\n", "line 3: .*did you mean 'threshold'"),
        ("classes:\n- \n", "line 2: the name of a class is empty"),
        ("classes:\n- [a]\n", "line 2: a class is text or a mapping"),
        ("classes: []\n", "empty"),
        ("classes: {a: 1}\n", "line 1: 'classes' must be a list"),
        ("alpha: 0.1\n", "'classes' must be a list"),
        ("classes: [a]\nalpha: 2\n", "line 2: alpha"),
        ("classes: [a]\ntemplates: [a]\n", "line 2: .*exactly one"),
        ("classes: [a]\nnext_id: x\n", "line 2: next_id"),
        ("classes: [a]\nschema: 2\n", "line 2: schema '2'"),
        ("classes: [a]\nallow_shared_words: 3\n", "line 2: allow_shared_words"),
        ("klasses: [a]\n", "line 1: .*did you mean 'classes'"),
        ("classes: [a]\nclasses: [b]\n", "line 2: the key 'classes' is given twice .*line 1"),
        ("classes: [a\n", "line 2: this is not valid YAML"),
        ("a: &x [1]\nb: *x\n", "line 1: anchors and aliases"),
        ("- *x\n", "line 1: anchors and aliases"),
        ("- !!python/object/apply:os.system [ls]\n", "line 1: the tag"),
        ("- !own x\n", "line 1: the tag"),
        ("- a\n---\n- b\n", "more than one YAML document"),
        ("# nothing\n", "only comments"),
        ("just words\n", "line 1: expected a mapping"),
        ("? [a]\n: b\n", "line 1: a key must be plain text"),
        ("\tx: 1\n", "line 1: this is not valid YAML"),
        ("a\x00b", "not valid YAML"),
        ("[" * 50_000, "nested deeper"),
    ],
)
def test_mistakes_name_file_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "words.yaml"
    path.write_bytes(text.encode())
    with pytest.raises(VocabularyError, match=rf"words\.yaml.*{says}"):
        load_vocabulary(path)


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{new}: &{new} [{', '.join(['*' + old] * 9)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    with pytest.raises(VocabularyError, match="aliases"):
        loads_vocabulary("\n".join(lines))


def test_files_that_are_no_vocabulary(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    with pytest.raises(VocabularyError, match=r"no vocabulary file .*missing\.yaml"):
        Vocabulary.parse(str(missing))
    with pytest.raises(VocabularyError, match="is a folder"):
        load_vocabulary(tmp_path)
    picture = tmp_path / "picture.yaml"
    picture.write_bytes(b"- a\n\xff\xd8\xff")
    with pytest.raises(VocabularyError, match=r"picture\.yaml, line 2: not UTF-8"):
        load_vocabulary(picture)
    picture.write_bytes(b" \n")
    with pytest.raises(VocabularyError, match="is empty"):
        load_vocabulary(picture)
    picture.write_bytes(b"- a\n" * (MAX_BYTES // 4 + 1))
    with pytest.raises(VocabularyError, match="larger than"):
        load_vocabulary(picture)
    with pytest.raises(VocabularyError, match="cannot read the vocabulary file"):
        load_vocabulary("a\0b.yaml")


@pytest.mark.parametrize("data", [3, "text", None, {"classes": None}, {"classes": [None]}])
def test_plain_values_of_the_wrong_kind(data: object) -> None:
    with pytest.raises(VocabularyError):
        Vocabulary.from_dict(data)  # type: ignore[arg-type]


text = st.one_of(
    st.sampled_from(
        ["no", "null", "~", "1", "1e3", "0x1F", "true", "2020-01-01", "=", "<<", "- a", "a: b",
         "#x", "*x", "&x", "!x", "'", '"', "it's", 'a "b"', "%", "@", "`", "{}", "[]",
         "a, b; c", "🐶",
         "👩‍🚀", "قطة", "שלום \u202bx", "\ufeff.", "\u2028.", "\x85.", "\ufffe."]
    ),
    st.text(min_size=1, max_size=12),
)  # fmt: skip
prompts = st.fixed_dictionaries(
    {
        "name": text,
        "synonyms": st.lists(text, max_size=3),
        "auxiliary": st.lists(st.tuples(text, st.booleans()), max_size=2),
        "id": st.none() | st.integers(1, 1000),
        "alpha": st.none() | st.floats(0, 1),
        "bias": st.floats(-20, 20),
        "threshold": st.floats(0, 1),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(prompts, min_size=1, max_size=4), st.floats(0, 1), st.none() | text)
def test_everything_that_can_be_said_survives(
    rows: list[dict[str, Any]],
    alpha: float,
    domain: str | None,
) -> None:
    try:
        classes = []
        for row in rows:
            texts = [AuxiliaryText(text, enabled=enabled) for text, enabled in row["auxiliary"]]
            classes.append(ClassPrompt(**{**row, "auxiliary": texts}))
        vocabulary = Vocabulary(classes, alpha, domain=domain)
    except VocabularyError:
        return
    assert loads_vocabulary(dumps_vocabulary(vocabulary)) == vocabulary
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text("-:[]{}#&*!|>'\" \nabc,", max_size=60))
def test_any_text_is_read_or_refused(content: str) -> None:
    with suppress(VocabularyError):
        loads_vocabulary(content)


ABOUT = """
about:
  title: Streets
  experimental: true
  quoted: "true"
  version: 1
  nothing:
classes:
- name: car
  synonyms: [auto, {word: motorcar, source: WordNet · free}, {word: null}]
- road
"""


def test_about_and_the_sources_of_synonyms() -> None:
    vocabulary = loads_vocabulary(ABOUT)
    assert dict(vocabulary.about) == {
        "title": "Streets",
        "experimental": True,
        "quoted": "true",
        "version": "1",
    }
    assert vocabulary["car"].synonyms == ("auto", "motorcar", "null")
    assert dict(vocabulary["car"].synonym_sources) == {"motorcar": "WordNet · free"}
    assert loads_vocabulary(dumps_vocabulary(vocabulary)) == vocabulary
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
    plain = dumps_vocabulary(vocabulary.remove("car"))
    assert "title: Streets" in plain
    assert "about" not in Vocabulary(["a"]).to_dict()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("classes: [a]\nabout: [x]\n", "line 2: 'about' must be a mapping"),
        ("classes: [a]\nabout:\n  x: 1\n  y: [b]\n", "line 4: 'y' of 'about' must be text"),
        ("classes: [a]\nabout:\n  ' ': b\n", "line 3: a key of 'about' is empty"),
        ("classes:\n- name: a\n  synonyms:\n  - b\n  - source: x\n", "line 5: .*no 'word'"),
        ("classes:\n- name: a\n  synonyms:\n  - wrod: x\n", "line 4: .*did you mean 'word'"),
        ("classes:\n- name: a\n  synonyms:\n  - word: b\n    source: [c]\n", "line 5: the source"),
    ],
)
def test_mistakes_in_about_and_sources(text: str, says: str) -> None:
    with pytest.raises(VocabularyError, match=says):
        loads_vocabulary(text)

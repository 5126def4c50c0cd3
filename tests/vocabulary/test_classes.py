"""Classes keep their ids and colours through every edit."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary


def test_ids_start_at_one_and_background_is_zero() -> None:
    vocabulary = Vocabulary(["cat", ClassPrompt("stuff", background=True), "dog"])
    assert vocabulary.ids == (1, 0, 2)
    assert vocabulary["stuff"].color == "#000000"
    assert vocabulary.background is vocabulary[1]
    assert len(set(vocabulary.colors)) == 3


def test_explicit_ids_are_kept_and_others_fill_the_gaps() -> None:
    vocabulary = Vocabulary([ClassPrompt("a", id=2), "b", "c", ClassPrompt("d", id=0)])
    assert vocabulary.ids == (2, 1, 3, 0)
    assert vocabulary.add("e")["e"].id == 4


def test_words_in_class_order() -> None:
    vocabulary = Vocabulary.parse("cat; dog, puppy, hound; car")
    assert vocabulary.words == ("cat", "dog", "puppy", "hound", "car")
    assert vocabulary.word_class_index == (0, 1, 1, 1, 2)
    assert vocabulary.names == ("cat", "dog", "car")
    assert len(vocabulary) == 3
    assert [prompt.name for prompt in vocabulary] == ["cat", "dog", "car"]


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("cat", [["cat"]]),
        ("cat; dog, puppy", [["cat"], ["dog", "puppy"]]),
        ("building, road, palm tree", [["building"], ["road"], ["palm tree"]]),
        ("dog, puppy;", [["dog", "puppy"]]),
        ("cat\ndog, puppy\n", [["cat"], ["dog", "puppy"]]),
        ("cat\r\n\r\ndog", [["cat"], ["dog"]]),
        ("a, b\n", [["a"], ["b"]]),
        (" ;cat ;; \tpalm \t  tree; ,", [["cat"], ["palm tree"]]),
        ("cat,,dog,", [["cat"], ["dog"]]),
        ("; , dog, , puppy", [["dog", "puppy"]]),
        ("قطة; 🐶, пёс", [["قطة"], ["🐶", "пёс"]]),
        ('the "big" one; it\'s', [['the "big" one'], ["it's"]]),
    ],
)
def test_strings(text: str, classes: list[list[str]]) -> None:
    assert [list(prompt.words) for prompt in Vocabulary.parse(text)] == classes


def test_parse_takes_what_people_have() -> None:
    one = Vocabulary.parse(["cat", ClassPrompt("dog", ["puppy"])])
    assert Vocabulary.parse(one) is one
    assert Vocabulary.parse(("cat", "dog, puppy")) == one
    assert Vocabulary.parse("cat; dog, puppy") == one
    assert Vocabulary.parse(one.to_dict()) == one
    assert Vocabulary.parse(ClassPrompt("cat")).names == ("cat",)


@pytest.mark.parametrize("source", [7, None, b"cat", 1.5])
def test_parse_refuses_other_things(source: object) -> None:
    with pytest.raises(VocabularyError, match="a vocabulary is text"):
        Vocabulary.parse(source)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Vocabulary.parse(""), "empty"),
        (lambda: Vocabulary.parse(" ; \n ,"), "empty"),
        (lambda: Vocabulary([]), "empty"),
        (lambda: Vocabulary("cat"), "must be a list"),
        (lambda: Vocabulary(["cat", " "]), "name of a class is empty"),
        (lambda: Vocabulary(["cat", "\u200b"]), "name of a class is empty"),
        (lambda: Vocabulary(["cat", 3]), "3"),  # type: ignore[list-item]
        (lambda: Vocabulary(["cat; dog"]), "several classes"),
        (lambda: Vocabulary(["palm tree", "Palm  TREE"]), "'Palm TREE' is listed twice"),
        (lambda: Vocabulary(["straße", "STRASSE"]), "listed twice"),
        (lambda: Vocabulary(["caf\u00e9", "cafe\u0301"]), "listed twice"),
        (lambda: Vocabulary(["a, b", "c, B"]), "'B' stands in class 'a' and in class 'c'"),
        (lambda: ClassPrompt("a", ["b", " A "]), "class 'a' has the word 'A' twice"),
        (lambda: ClassPrompt("a", "bc"), "synonyms of class 'a' must be a list"),
        (lambda: ClassPrompt("a", [""]), "synonym of class 'a' is empty"),
        (lambda: ClassPrompt("a", alpha=1.5), "alpha of class 'a'"),
        (lambda: Vocabulary(["a"], alpha=math.nan), "alpha of the vocabulary"),
        (lambda: Vocabulary(["a"], alpha=True), "alpha of the vocabulary"),
        (lambda: Vocabulary(["a"], alpha="x"), "alpha"),  # type: ignore[arg-type]
        (lambda: ClassPrompt("a", color="greenish"), "colour of class 'a'.*'greenish'"),
        (lambda: ClassPrompt("a", id=-1), "id of class 'a'"),
        (lambda: ClassPrompt("a", id=2**31), "id of class 'a'"),
        (lambda: ClassPrompt("a", id=1.0), "id of class 'a'"),  # type: ignore[arg-type]
        (lambda: ClassPrompt("a", id=True), "id of class 'a'"),
        (lambda: ClassPrompt("a", background="no"), "background of class 'a'"),  # type: ignore[arg-type]
        (lambda: Vocabulary([ClassPrompt("a", id=4), ClassPrompt("b", id=4)]), "'a' and 'b'.*id 4"),
        (
            lambda: Vocabulary([ClassPrompt("a", background=True), ClassPrompt("b", id=0)]),
            "same id 0",
        ),
        (
            lambda: Vocabulary([ClassPrompt(n, background=True) for n in "xy"]),
            "'x' and 'y' are both marked as background",
        ),
        (lambda: ClassPrompt("a\x00b"), "control character"),
        (lambda: ClassPrompt("a\ud800"), "control character"),
        (lambda: ClassPrompt("a" * 20_000), "20000 characters"),
        (lambda: ClassPrompt("a", bias=20.1), "bias of class 'a'.*-20 to 20, not 20.1"),
        (lambda: ClassPrompt("a", bias=float("nan")), "bias of class 'a'"),
        (lambda: ClassPrompt("a", bias=True), "bias of class 'a'"),
        (lambda: ClassPrompt("a", bias=None), "bias of class 'a'"),  # type: ignore[arg-type]
        (lambda: ClassPrompt("a", bias=-(10**400)), "bias of class 'a'"),
        (lambda: ClassPrompt("a", threshold=1.1), "threshold of class 'a'.*0 to 1, not 1.1"),
        (lambda: ClassPrompt("a", threshold=-0.1), "threshold of class 'a'"),
        (lambda: AuxiliaryText("x", kind="poem"), "kind 'poem'"),
        (lambda: AuxiliaryText("x", enabled=1), "enabled of .*'x'"),  # type: ignore[arg-type]
        (lambda: ClassPrompt("a", auxiliary="text"), "auxiliary texts of class 'a' must be a list"),
        (lambda: Vocabulary(["a"], templates="none"), "unknown template set"),
        (lambda: Vocabulary([ClassPrompt("a", id=2**31 - 1)]).add("b"), "no id is left|next_id"),
    ],
)  # fmt: skip
def test_mistakes_are_named(make: Any, says: str) -> None:
    with pytest.raises(VocabularyError, match=says):
        make()


def test_shared_words_only_on_demand() -> None:
    classes = [ClassPrompt("bg", ["bed"], background=True), ClassPrompt("bed")]
    with pytest.raises(VocabularyError, match="'bed'"):
        Vocabulary(classes)
    shared = Vocabulary(classes, allow_shared_words=True)
    assert shared.words == ("bg", "bed", "bed")
    assert Vocabulary.from_dict(shared.to_dict()) == shared


def test_background_mixes_no_auxiliary_text() -> None:
    assert ClassPrompt("a", auxiliary=["an  animal"]).auxiliary_texts == ("an animal",)
    assert ClassPrompt("a", auxiliary=["an animal"], background=True).auxiliary_texts == ()
    assert ClassPrompt("a", auxiliary=["x"]).auxiliary == (AuxiliaryText("x"),)


def test_switched_off_texts_are_kept_but_not_mixed_in() -> None:
    prompt = ClassPrompt("a", auxiliary=["x", AuxiliaryText("y", enabled=False), "z"])
    assert prompt.auxiliary_texts == ("x", "z")
    assert [text.text for text in prompt.auxiliary] == ["x", "y", "z"]


def test_biases_and_thresholds_stay_with_their_class() -> None:
    vocabulary = Vocabulary(["a", ClassPrompt("b", bias=-1, threshold=0.3)])
    assert (vocabulary.biases, vocabulary.thresholds) == ((0.0, -1.0), (0.0, 0.3))
    assert vocabulary.reorder(["b", "a"]).biases == (-1.0, 0.0)
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary


def test_lookup_by_name_and_position() -> None:
    vocabulary = Vocabulary.parse("cat; palm tree")
    assert vocabulary["PALM  tree"] is vocabulary[1] is vocabulary[-1]
    assert "Cat" in vocabulary
    assert "puppy" not in vocabulary
    with pytest.raises(VocabularyError, match="'palm three'; did you mean 'palm tree'"):
        vocabulary["palm three"]
    with pytest.raises(VocabularyError, match="position 2"):
        vocabulary[2]


def test_removed_ids_never_come_back() -> None:
    vocabulary = Vocabulary.parse("a; b; c").remove("c")
    assert vocabulary.add("d")["d"].id == 4
    again = Vocabulary.from_dict(vocabulary.to_dict())
    assert again == vocabulary
    assert again.add("d")["d"].id == 4


def test_replace_takes_over_id_and_colour() -> None:
    vocabulary = Vocabulary.parse("a; b; c")
    edited = vocabulary.replace("B", "dog, puppy")
    assert edited.names == ("a", "dog", "c")
    assert edited.ids == vocabulary.ids
    assert edited.colors == vocabulary.colors
    own = vocabulary.replace("b", ClassPrompt("dog", color="#123456"))["dog"]
    assert (own.id, own.color) == (2, "#123456")


def test_becoming_the_background_gives_the_id_back() -> None:
    vocabulary = Vocabulary.parse("a; b")
    ground = vocabulary.replace("b", ClassPrompt("b", background=True))
    assert ground.ids == (1, 0)
    assert ground.replace("b", "b").ids == (1, 3)


def test_the_last_class_stays() -> None:
    with pytest.raises(VocabularyError, match="only class"):
        Vocabulary.parse("a").remove("a")
    with pytest.raises(VocabularyError, match="exactly once"):
        Vocabulary.parse("a; b").reorder(["a"])


def test_values_are_immutable_hashable_and_copyable() -> None:
    vocabulary = Vocabulary.parse("a; b, c")
    assert hash(vocabulary) == hash(Vocabulary.parse("a; b, c"))
    assert copy.deepcopy(vocabulary) == pickle.loads(pickle.dumps(vocabulary)) == vocabulary
    with pytest.raises(AttributeError):
        vocabulary.alpha = 0.3  # type: ignore[misc]
    assert Vocabulary.parse("a; b") != vocabulary


def test_many_classes_have_distinct_colours_and_are_quick() -> None:
    vocabulary = Vocabulary([f"thing {i}" for i in range(300)])
    assert len(set(vocabulary.colors)) == 300
    assert vocabulary.ids == tuple(range(1, 301))


def test_vocabulary_needs_no_torch() -> None:
    code = (
        "import sys, napari_itaclip.vocabulary.files as f;"
        "assert not {'torch', 'napari', 'qtpy', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Mn")), min_size=1).filter(
    lambda text: text.strip() != ""
)
names = st.sampled_from([f"n{i}" for i in range(12)])
edits = st.lists(
    st.one_of(
        st.tuples(st.just("add"), names),
        st.tuples(st.just("remove"), names),
        st.tuples(st.just("replace"), st.tuples(names, names)),
        st.tuples(st.just("reorder"), st.randoms(use_true_random=False)),
        st.tuples(st.just("store"), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(edits)
def test_edits_leave_others_alone(steps: list[tuple[str, Any]]) -> None:
    vocabulary = Vocabulary(["n0", "n1", ClassPrompt("ground", background=True)])
    used = set(vocabulary.ids)
    for what, argument in steps:
        before = {prompt.name: prompt for prompt in vocabulary}
        try:
            if what == "add":
                after, touched = vocabulary.add(argument), {argument}
                assert after[argument].id not in used
            elif what == "remove":
                after, touched = vocabulary.remove(argument), {argument}
            elif what == "replace":
                after, touched = vocabulary.replace(*argument), set(argument)
                assert after[argument[1]].id == before[argument[0]].id
                assert after[argument[1]].color == before[argument[0]].color
            elif what == "reorder":
                order = list(vocabulary.names)
                argument.shuffle(order)
                after, touched = vocabulary.reorder(order), set()
                assert after.names == tuple(order)
            else:
                after, touched = Vocabulary.from_dict(vocabulary.to_dict()), set()
        except VocabularyError:
            continue  # a name that is there already, or is not there: nothing may have changed
        used |= set(after.ids)
        for prompt in after:
            if prompt.name in before and prompt.name not in touched:
                assert prompt == before[prompt.name]
        assert len(set(after.ids)) == len(after) == len(set(after.colors))
        vocabulary = after


@settings(max_examples=100, deadline=None)
@given(st.lists(words, min_size=1, max_size=5))
def test_any_words_make_a_vocabulary_or_an_error(texts: list[str]) -> None:
    try:
        vocabulary = Vocabulary([ClassPrompt(text) for text in texts])
    except VocabularyError:
        return
    assert vocabulary.names == tuple(" ".join(text.split()) for text in texts)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_string_makes_a_vocabulary_or_an_error(text: str) -> None:
    try:
        vocabulary = Vocabulary.from_string(text)
    except VocabularyError:
        return
    again = Vocabulary.from_string("".join(", ".join(p.words) + ";" for p in vocabulary))
    assert again.words == vocabulary.words


def test_about_and_sources_stay_through_edits_and_copies() -> None:
    dog = ClassPrompt("dog", ["Puppy", "hound"], synonym_sources={"puppy": "WordNet", "cat": "x"})
    assert dict(dog.synonym_sources) == {"Puppy": "WordNet"}
    assert not replace(dog, synonyms=("hound",)).synonym_sources
    vocabulary = Vocabulary([dog, "road"], about={"title": "T", "experimental": True})
    for other in (
        vocabulary.with_alpha(0.5),
        vocabulary.add("tree"),
        vocabulary.reorder(["road", "dog"]),
        pickle.loads(pickle.dumps(vocabulary)),
        copy.deepcopy(vocabulary),
    ):
        assert other.about == {"title": "T", "experimental": True}
        assert other["dog"].synonym_sources == {"Puppy": "WordNet"}
    assert hash(vocabulary) == hash(copy.deepcopy(vocabulary))
    assert vocabulary != Vocabulary([dog, "road"])
    with pytest.raises(VocabularyError, match="about"):
        Vocabulary(["a"], about={"x": 3})  # type: ignore[dict-item]
    with pytest.raises(VocabularyError, match="sources of the synonyms of class 'a'"):
        ClassPrompt("a", ["b"], synonym_sources=["b"])  # type: ignore[arg-type]

"""Every pack is whole, says how its things look, and fits into CLIP's text tower."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.text import TextEncoder, embed_vocabulary, resolve_templates
from napari_itaclip.errors import VocabularyError
from napari_itaclip.segmentation.settings import PRESETS
from napari_itaclip.vocabulary._checks import word_key
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.files import dumps_vocabulary, loads_vocabulary
from napari_itaclip.vocabulary.packs import (
    BENCHMARKS,
    PACKS,
    _read,
    load_pack,
    pack_names,
    pack_source,
)
from napari_itaclip.vocabulary.templates import fill_template

NAMES = pack_names()
DOMAINS = tuple(name for name in NAMES if name not in BENCHMARKS)
WITH_TEXTS = tuple(name for name in NAMES if name != "ade20k")

WORD_LISTS = {
    # classes, id of the first, alpha, SHA-256 of the published words: "a,b" per class, line by line
    "voc21": (21, 0, 0.05, "4df524bff7d5f7f10e75c8ee532f448c2c6c4c8609dbdb03fd45977dd369879a"),
    "context60": (60, 0, 0.15, "dfd1e2b6d9e44ebef10179b6e86e6b74f85e766198b11373a2a542302da4da90"),
    "coco_object": (81, 0, 0.1, "3faf55061485aa70be198b9d0cd441aa00ea433543a102493867406a21305330"),
    "coco_stuff": (171, 1, 0.2, "e08c265eba0e73c7dcdaf40bd7ba7d1c208e98746ee131b916461872b71a7c8b"),
    "cityscapes": (19, 1, 0.05, "e86aac4979981e81599682e9812e5cac2532ddee5fb9ef4dd25827b9203fc9db"),
}

EXPECTED_FIRST = ("everyday", "driving", "aerial")


@pytest.fixture(scope="module")
def demo() -> ClipModel:
    """Return the model that ships with the package."""
    return load_clip("demo", device="cpu", precision="float32")


def test_general_packs_come_first_and_benchmarks_last() -> None:
    assert NAMES[:3] == EXPECTED_FIRST
    assert NAMES[-6:] == BENCHMARKS
    assert tuple(PACKS) == NAMES
    assert len(PACKS) == len(NAMES)


def test_names_are_known_without_reading_a_file() -> None:
    code = (
        "import sys\n"
        "from napari_itaclip.vocabulary import packs\n"
        "assert len(list(packs.PACKS)) >= 8\n"
        "assert packs._read_info.cache_info().currsize == 0\n"
        "assert not {'torch', 'qtpy', 'napari'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", NAMES)
def test_the_head_tells_what_the_file_holds(name: str) -> None:
    info, vocabulary = PACKS[name], load_pack(name)
    assert info.name == name
    assert info.classes == len(vocabulary)
    assert info.domain == vocabulary.domain
    assert info.licence == "CC0-1.0"
    assert 3 <= len(info.title) <= 60
    assert info.description.endswith(".")
    assert info.benchmark == (name in PRESETS)
    assert dict(vocabulary.about) == {
        "title": info.title,
        "description": info.description,
        "licence": info.licence,
        "experimental": info.experimental,
    }


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_colours_are_all_different(name: str) -> None:
    vocabulary = load_pack(name)
    assert len(set(vocabulary.ids)) == len(vocabulary)
    assert len(set(vocabulary.colors)) == len(vocabulary)
    assert load_pack(name) is vocabulary  # parsed once


@pytest.mark.parametrize("name", WITH_TEXTS)
def test_every_text_is_there_and_names_its_source(name: str) -> None:
    for prompt in load_pack(name):
        assert all(word.strip() for word in prompt.words)
        if prompt.background:
            assert not prompt.auxiliary
            continue
        assert prompt.auxiliary_texts, prompt.name
        for text in prompt.auxiliary:
            assert text.source, prompt.name
            assert text.licence, prompt.name
            assert word_key(text.text) not in {word_key(word) for word in prompt.words}


@pytest.mark.parametrize("name", NAMES)
def test_ids_stand_in_the_file(name: str) -> None:
    """So that a class that is put in between does not move the others."""
    lines = _read(name).splitlines()
    assert sum(line.strip().startswith("id:") for line in lines) == PACKS[name].classes


@pytest.mark.parametrize("name", NAMES)
def test_a_pack_survives_being_saved(name: str) -> None:
    vocabulary = load_pack(name)
    assert loads_vocabulary(dumps_vocabulary(vocabulary)) == vocabulary


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_pack_has_synonyms_definitions_and_a_background(name: str) -> None:
    vocabulary = load_pack(name)
    assert not vocabulary.allow_shared_words
    assert vocabulary.background is not None
    assert vocabulary.background.id == 0
    assert len(vocabulary.background.words) >= 5
    classes = [prompt for prompt in vocabulary if not prompt.background]
    assert len(classes) >= 40
    for prompt in classes:
        assert len(prompt.synonyms) >= 2, prompt.name


@pytest.mark.parametrize("name", WITH_TEXTS)
def test_definitions_say_how_it_looks_in_one_sentence(name: str) -> None:
    vocabulary = load_pack(name)
    seen: dict[str, str] = {}
    for prompt in vocabulary:
        if prompt.background:
            continue
        texts = [text.text for text in prompt.auxiliary if text.kind == "definition"]
        assert len(texts) == 1, prompt.name
        (text,) = texts
        assert 5 <= len(text.split()) <= 30, text
        assert text[0].islower(), text  # it stands in the middle of a template
        assert not text.endswith("."), text
        assert seen.setdefault(text, prompt.name) == prompt.name, text
        first = set(text.lower().split()[:3])
        assert word_key(prompt.name) not in first, f"{text!r} explains a word by itself"


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_cut(name: str, demo: ClipModel) -> None:
    """Also in the longest of ImageNet's templates, which a person may choose instead."""
    vocabulary = load_pack(name)
    own = resolve_templates(vocabulary.templates)
    templates = {*own, *resolve_templates("imagenet-80")}
    longest = max(templates, key=lambda template: demo.count_tokens(fill_template(template, "x")))
    for prompt in vocabulary:
        for text in (*prompt.words, *(text.text for text in prompt.auxiliary)):
            assert demo.count_tokens(fill_template(longest, text)) <= 75, text


@pytest.mark.parametrize("name", NAMES)
def test_a_pack_can_be_embedded(name: str, demo: ClipModel) -> None:
    vocabulary = load_pack(name)
    made = embed_vocabulary(TextEncoder(demo), vocabulary, templates="word")
    made.check_for(vocabulary)
    assert made.embeddings.shape == (len(vocabulary.words), demo.embed_dim)
    assert np.isfinite(made.embeddings.numpy()).all()
    assert not made.cut_texts


@pytest.mark.parametrize("name", ["driving", "aerial"])
def test_templates_fit_the_domain(name: str) -> None:
    templates = resolve_templates(load_pack(name).templates)
    assert len(templates) >= 5
    word = {"driving": "car", "aerial": "satellite"}[name]
    assert any(word in template for template in templates)


@pytest.mark.parametrize("name", WORD_LISTS)
def test_benchmarks_have_the_published_words(name: str) -> None:
    vocabulary = load_pack(name)
    count, first, alpha, digest = WORD_LISTS[name]
    assert vocabulary.ids == tuple(range(first, first + count))
    assert vocabulary.alpha == alpha
    assert vocabulary.templates == "imagenet-80"
    assert (vocabulary.background is None) == (first == 1)
    words = "\n".join(",".join(prompt.words) for prompt in vocabulary)
    assert hashlib.sha256(words.encode()).hexdigest() == digest
    kind = "synonym" if name in ("coco_object", "cityscapes") else "definition"
    for prompt in vocabulary:
        assert {text.kind for text in prompt.auxiliary if text.enabled} <= {kind}
        assert len(prompt.auxiliary_texts) == (not prompt.background)


def test_ade20k_has_the_plain_names_of_its_classes() -> None:
    vocabulary = load_pack("ade20k")
    assert vocabulary.ids == tuple(range(1, 151))
    assert vocabulary.words == vocabulary.names
    assert vocabulary.background is None
    assert not any(prompt.auxiliary for prompt in vocabulary)
    # First, last, and some between: the value in the data set's masks is the id.
    places = {1: "wall", 13: "person", 45: "chest of drawers", 84: "truck", 142: "crt screen"}
    by_id = dict(zip(vocabulary.ids, vocabulary.names, strict=True))
    assert {id_: by_id[id_] for id_ in places} == places
    assert by_id[150] == "flag"


def test_an_unknown_pack_is_named_with_the_nearest() -> None:
    with pytest.raises(VocabularyError, match="no pack named 'arial'; did you mean 'aerial'"):
        load_pack("arial")
    with pytest.raises(VocabularyError, match="there are everyday, driving"):
        load_pack("../../secrets")
    assert "../everyday" not in PACKS


def test_a_text_keeps_the_name_of_its_pack() -> None:
    text = load_pack("everyday")["sheep"].auxiliary[0]
    assert text.source == pack_source("everyday") == "napari-itaclip pack everyday"
    assert text.licence == "CC0-1.0"


@pytest.mark.parametrize("text", ["schema: 1\n", "about: {title: x}\nclasses:\n", "a: [\nclasses:"])
def test_a_damaged_pack_is_an_error_of_its_own(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_itaclip.vocabulary import packs

    packs._read_info.cache_clear()
    monkeypatch.setattr(packs, "_read", lambda _name: text)
    try:
        with pytest.raises(VocabularyError, match="the pack everyday is damaged"):
            PACKS["everyday"]
    finally:
        packs._read_info.cache_clear()


def test_a_pack_is_an_ordinary_vocabulary_file() -> None:
    assert isinstance(loads_vocabulary(_read("aerial")), Vocabulary)

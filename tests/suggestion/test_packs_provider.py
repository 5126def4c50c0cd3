"""Suggestions from packs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from napari_itaclip.errors import VocabularyError
from napari_itaclip.suggestion.packs_provider import PacksProvider, spellings
from napari_itaclip.suggestion.provider import SuggestionCancelledError, SuggestionError
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.packs import PACKS, PackInfo, load_pack
from tests.suggestion.asking import ask, texts


def info(name: str, domain: str, experimental: bool = False) -> PackInfo:
    return PackInfo(name, name.title(), domain, "a pack", experimental, "CC0-1.0", 2)


INFOS = {
    "zoo": info("zoo", "photographs of animals"),
    "sites": info("sites", "building sites", experimental=True),
}
VOCABULARIES = {
    "zoo": Vocabulary(
        [
            ClassPrompt("background", ["crane's nest"], background=True),
            ClassPrompt("crane", ["sandhill crane"], ["a tall grey bird with long legs"]),
        ]
    ),
    "sites": Vocabulary(
        [
            ClassPrompt("lift", ["crane"], ["a box that moves up and down"]),
            ClassPrompt("tower crane", ["derrick"], ["a tall lattice mast with a long arm"]),
        ]
    ),
}


@dataclass
class Loader:
    """Loads made packs and counts."""

    loaded: list[str]

    def __call__(self, name: str) -> Vocabulary:
        self.loaded.append(name)
        return VOCABULARIES[name]


@pytest.fixture
def provider() -> PacksProvider:
    return PacksProvider(INFOS, Loader([]))


def test_definitions_and_synonyms(provider: PacksProvider) -> None:
    [bird, _] = ask(provider, kind="definition")
    assert bird.text == "a tall grey bird with long legs"
    assert bird.source == "napari-itaclip pack zoo"
    assert bird.licence == "CC0-1.0"
    assert bird.note == "class 'crane' in 'Zoo'"
    assert texts(provider, kind="synonym") == ["sandhill crane", "lift"]


def test_the_domain_decides_which_sense_comes_first(provider: PacksProvider) -> None:
    found = ask(provider, kind="definition", domain="a building site")
    assert found[0].text == "a box that moves up and down"
    assert "experimental" in found[0].note
    assert texts(provider, domain="zoo", n=1) == ["sandhill crane"]
    assert texts(provider, domain="submarines", n=1) == ["sandhill crane"]


def test_a_word_is_found_in_any_spelling(provider: PacksProvider) -> None:
    assert texts(provider, "Sandhill  CRANES", n=1) == ["crane"]
    assert texts(provider, "derrick") == ["tower crane"]
    assert ask(provider, "walrus") == ()
    assert ask(provider, "crane's nest") == ()  # the background is no class to suggest from
    assert spellings("Berries") == ("berries", "berry", "berri", "berrie")


def test_packs_are_only_read_as_needed() -> None:
    loader = Loader([])
    provider = PacksProvider(INFOS, loader)
    assert provider.available().available
    assert loader.loaded == []
    ask(provider, n=1)
    assert loader.loaded == ["zoo"]


def test_sources_that_texts_have_are_kept() -> None:
    prompt = ClassPrompt("car", ["auto"], synonym_sources={"auto": "A book · CC-BY"})
    provider = PacksProvider(INFOS, lambda name: Vocabulary([prompt]))
    assert ask(provider, "car")[0].source == "A book · CC-BY"


def test_trouble(provider: PacksProvider) -> None:
    def fail(name: str) -> Vocabulary:
        raise VocabularyError(f"the pack {name} is damaged")

    with pytest.raises(SuggestionError, match="the pack zoo is damaged"):
        ask(PacksProvider(INFOS, fail))
    with pytest.raises(SuggestionCancelledError):
        ask(provider, cancel=lambda: True)
    assert not PacksProvider({}).available().available


def test_the_packs_that_ship() -> None:
    provider = PacksProvider()
    assert provider.available().available
    assert set(PACKS) >= {"everyday", "driving", "aerial"}
    prompt = next(one for one in load_pack("driving") if one.auxiliary and one.synonyms)
    assert prompt.auxiliary[0].text in texts(
        provider, prompt.name, kind="definition", domain="driving"
    )
    assert set(texts(provider, prompt.name, domain="driving", n=20)) >= set(prompt.synonyms)

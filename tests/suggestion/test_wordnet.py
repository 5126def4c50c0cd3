"""Suggestions from WordNet: the real library on a tiny lexicon that the test writes."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from napari_itaclip.suggestion import wordnet
from napari_itaclip.suggestion.provider import (
    Suggestion,
    SuggestionCancelledError,
    SuggestionError,
)
from napari_itaclip.suggestion.wordnet import WordNetProvider
from tests.suggestion.asking import ask, texts

wn: Any = importlib.import_module("wn")  # its types leave out `config`

SENSES = {
    "bird": (["bird"], None, "a warm-blooded animal with feathers and wings"),
    "device": (["lifting device"], None, "a device at building sites that lifts"),
    "wader": (["crane", "wading crane"], "bird", "large long-necked wading bird of marshes"),
    "machine": (["crane", "derrick"], "device", "lifts and moves heavy objects"),
}


def lexicon(name: str, language: str) -> str:
    """Return a lexicon in WN-LMF."""
    lemmas = dict.fromkeys(lemma for words, _, _ in SENSES.values() for lemma in words)
    entries = ""
    for at, lemma in enumerate(lemmas):
        senses = "".join(
            f'<Sense id="{name}-{at}-{key}" synset="{name}-{key}"/>'
            for key, (words, _, _) in SENSES.items()
            if lemma in words
        )
        entries += (
            f'<LexicalEntry id="{name}-{at}"><Lemma writtenForm="{lemma}" partOfSpeech="n"/>'
            f"{senses}</LexicalEntry>"
        )
    synsets = "".join(
        f'<Synset id="{name}-{key}" ili="" partOfSpeech="n"><Definition>{meaning}</Definition>'
        + (f'<SynsetRelation relType="hypernym" target="{name}-{wider}"/>' if wider else "")
        + "</Synset>"
        for key, (_, wider, meaning) in SENSES.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<!DOCTYPE LexicalResource SYSTEM "
        '"http://globalwordnet.github.io/schemas/WN-LMF-1.0.dtd">\n'
        f'<LexicalResource><Lexicon id="{name}" label="Tiny {name}" language="{language}" '
        'email="a@example.com" license="https://licence.example/by" version="1">'
        f"{entries}{synsets}</Lexicon></LexicalResource>"
    )


@contextmanager
def data_in(folder: Path) -> Iterator[Path]:
    """Let the library look into a folder."""
    before = wn.config._data_directory  # the public property makes the folder in the person's home
    wn.config.data_directory = folder
    wn.config.allow_multithreading = True
    try:
        yield folder
    finally:
        importlib.import_module("wn._db").clear_connections()
        wn.config.data_directory = before


def install(folder: Path, name: str, language: str) -> None:
    file = folder / f"{name}.xml"
    file.write_text(lexicon(name, language), "utf-8")
    wn.add(file, progress_handler=None)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """Give the library an empty folder."""
    with data_in(tmp_path / "wn") as folder:
        yield folder


@pytest.fixture(scope="module")
def two_lexicons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with data_in(tmp_path_factory.mktemp("wn")) as folder:
        install(folder, "tiny", "en")
        install(folder, "klein", "de")
    return folder


@pytest.fixture
def installed(two_lexicons: Path) -> Iterator[Path]:
    """Give the library an English and a German lexicon."""
    with data_in(two_lexicons) as folder:
        yield folder


@pytest.mark.usefixtures("installed")
def test_definitions_and_synonyms() -> None:
    provider = WordNetProvider()
    assert provider.available().reason == "Tiny tiny 1"
    assert ask(provider, kind="definition") == (
        Suggestion(
            "large long-necked wading bird of marshes",
            "definition",
            "Tiny tiny 1",
            "https://licence.example/by",
            "crane, wading crane",
        ),
        Suggestion(
            "lifts and moves heavy objects",
            "definition",
            "Tiny tiny 1",
            "https://licence.example/by",
            "crane, derrick",
        ),
    )
    found = ask(provider)
    assert [one.text for one in found] == ["wading crane", "derrick"]
    assert found[1].note == "lifts and moves heavy objects"


@pytest.mark.usefixtures("installed")
def test_the_domain_sorts_the_senses() -> None:
    assert texts(WordNetProvider(), domain="building sites", n=1) == ["derrick"]
    assert texts(WordNetProvider(), domain="birds in marshes", n=1) == ["wading crane"]


@pytest.mark.usefixtures("installed")
def test_other_spellings_and_unknown_words() -> None:
    provider = WordNetProvider()
    assert texts(provider, "Cranes") == ["crane", "wading crane", "derrick"]
    assert ask(provider, "walrus") == ()


@pytest.mark.usefixtures("installed")
def test_one_lexicon_by_name() -> None:
    assert ask(WordNetProvider("klein:1"))[0].source == "Tiny klein 1"
    assert not WordNetProvider("nope:1").available().available
    with pytest.raises(SuggestionError, match="no lexicon 'nope:1'"):
        ask(WordNetProvider("nope:1"))


@pytest.mark.usefixtures("installed")
def test_any_thread_may_ask() -> None:
    provider = WordNetProvider()
    given: list[list[str]] = []
    ask(provider)
    threads = [threading.Thread(target=lambda: given.append(texts(provider))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [["wading crane", "derrick"]] * 4


@pytest.mark.usefixtures("installed")
def test_cancelling() -> None:
    with pytest.raises(SuggestionCancelledError):
        ask(WordNetProvider(), cancel=lambda: True)


def test_no_data_is_said_and_none_is_made(data: Path) -> None:
    state = WordNetProvider().available()
    assert not state.available
    assert "python -m wn download" in state.reason
    with pytest.raises(SuggestionError, match="no WordNet data"):
        ask(WordNetProvider())
    assert not list(data.rglob("*.db"))


def test_no_english_data(data: Path) -> None:
    data.mkdir()
    install(data, "klein", "de")
    assert "no English WordNet" in WordNetProvider().available().reason


def test_damaged_data(data: Path) -> None:
    folder = wn.config.data_directory
    (folder / "wn.db").write_bytes(b"no database" * 1000)
    assert "cannot be read" in WordNetProvider().available().reason


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "find_spec", lambda name: None)
    assert r"pip install 'napari-itaclip[wordnet]'" in WordNetProvider().available().reason
    with pytest.raises(SuggestionError, match="'wn' is not installed"):
        ask(WordNetProvider())

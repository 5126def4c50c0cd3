"""Suggestions from WordNet, through the library ``wn`` and the data a person installed for it."""

from __future__ import annotations

import importlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from napari_itaclip.suggestion.cleaning import tidy
from napari_itaclip.suggestion.provider import (
    Availability,
    Suggestion,
    SuggestionCancelledError,
    SuggestionError,
    check_question,
)

INSTALL = "install it with: pip install 'napari-itaclip[wordnet]'"
DOWNLOAD = "fetch it once with: python -m wn download oewn:2024"

_lock = threading.Lock()  # `wn` has one connection to its data for the whole program
_WORDS = re.compile(r"[^\W\d_]{3,}")


class WordNetProvider:
    """Definitions and synonyms of nouns.

    Parameters
    ----------
    lexicon
        Which of the installed lexicons to ask, as ``wn`` names them (``"oewn:2024"``); None asks
        all English ones.
    """

    name = "wordnet"
    title = "WordNet"
    needs_network = False

    def __init__(self, lexicon: str | None = None) -> None:
        self._lexicon = lexicon

    def available(self) -> Availability:
        """Tell whether the library and its data are there."""
        if find_spec("wn") is None:
            return Availability(False, f"the library 'wn' is not installed; {INSTALL}")
        try:
            with _opened() as wn:
                lexicons = self._lexicons(wn)
        except SuggestionError as error:
            return Availability(False, str(error))
        return Availability(True, ", ".join(f"{one.label} {one.version}" for one in lexicons))

    def suggest(
        self,
        term: str,
        *,
        domain: str | None,
        kind: str,
        n: int,
        timeout: float,
        cancel: Callable[[], bool],
    ) -> tuple[Suggestion, ...]:
        """Return what WordNet says of a noun, the likeliest sense first; see `Provider.suggest`.

        Senses whose texts share words with the domain come first.
        """
        term = check_question(term, kind, n, timeout)
        if find_spec("wn") is None:
            raise SuggestionError(f"the library 'wn' is not installed; {INSTALL}")
        with _opened() as wn:
            names = " ".join(one.specifier() for one in self._lexicons(wn))
            # Without other lexicons to expand on: those would only be missed, with a warning.
            wordnet = wn.Wordnet(names, expand="", lemmatizer=_lemmatizer())
            senses = list(wordnet.synsets(term, pos="n"))
            if domain is not None:
                wanted = _words(domain)
                senses.sort(key=lambda synset: -len(wanted & _about(synset)))
            found: list[Suggestion] = []
            for synset in senses:
                if cancel():
                    raise SuggestionCancelledError("cancelled")
                found += _texts(synset, kind)
        return tidy(found, term, n)

    def _lexicons(self, wn: Any) -> list[Any]:
        """Return the lexicons to ask."""
        if not wn.config.database_path.is_file():  # `wn` would make an empty one
            raise SuggestionError(f"there is no WordNet data; {DOWNLOAD}")
        if self._lexicon is not None:
            found = list(wn.lexicons(lexicon=self._lexicon))
            if not found:
                raise SuggestionError(f"there is no lexicon {self._lexicon!r}; {DOWNLOAD}")
        else:
            found = [one for one in wn.lexicons() if one.language.partition("-")[0] == "en"]
            if not found:
                raise SuggestionError(f"there is no English WordNet; {DOWNLOAD}")
        return found


@contextmanager
def _opened() -> Iterator[Any]:
    """Give the library to one thread at a time and put its errors into our words."""
    with _lock:
        try:
            wn = importlib.import_module("wn")
            # Its one connection is then usable from the thread that is next; the lock keeps
            # two from using it together.
            wn.config.allow_multithreading = True
        except Exception as error:  # whatever a broken installation leads to
            raise SuggestionError(f"the library 'wn' cannot be used: {error}; {INSTALL}") from error
        try:
            yield wn
        except sqlite3.ProgrammingError as error:
            raise SuggestionError(
                "WordNet is in use by another part of the program: restart it and ask here first"
            ) from error
        except (wn.Error, sqlite3.Error, OSError) as error:
            raise SuggestionError(
                f"the WordNet data in {wn.config.database_path} cannot be read: {error}; "
                f"remove it and {DOWNLOAD}"
            ) from error


def _lemmatizer() -> Any:
    """Return what finds singulars by rules; without the list of exceptions, which takes long."""
    return importlib.import_module("wn.morphy").Morphy()


def _texts(synset: Any, kind: str) -> list[Suggestion]:
    """Return the texts of one kind of one sense."""
    lexicon = synset.lexicon()
    source = f"{lexicon.label} {lexicon.version}"
    meaning = synset.definition() or ""
    if kind == "definition":
        note = ", ".join(synset.lemmas())
        return [Suggestion(meaning, kind, source, lexicon.license, note)] if meaning else []
    return [
        Suggestion(lemma.replace("_", " "), kind, source, lexicon.license, meaning)
        for lemma in synset.lemmas()
    ]


def _about(synset: Any) -> set[str]:
    """Return the words that tell what a sense is about: its texts and what it is a kind of."""
    texts = [synset.definition() or "", *synset.lemmas()]
    for wider in synset.hypernyms():
        texts += [wider.definition() or "", *wider.lemmas()]
    return _words(" ".join(texts))


def _words(text: str) -> set[str]:
    """Return the words of a text in lower case, without a plural's s."""
    return {word.casefold().removesuffix("s") for word in _WORDS.findall(text)}

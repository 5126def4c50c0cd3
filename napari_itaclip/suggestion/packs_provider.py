"""Suggestions from the packs that ship with the package: always there, nothing leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from napari_itaclip.errors import VocabularyError
from napari_itaclip.suggestion.cleaning import tidy
from napari_itaclip.suggestion.provider import (
    Availability,
    Suggestion,
    SuggestionCancelledError,
    SuggestionError,
    check_question,
)
from napari_itaclip.vocabulary._checks import word_key
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.packs import PACKS, PackInfo, load_pack, pack_source

_LETTERS = re.compile(r"[^\W\d_]{3,}")
_EMPTY_WORDS = {"and", "the", "image", "images", "scene", "scenes", "photo", "photos", "picture"}


class PacksProvider:
    """Words and definitions of the classes of the packs.

    Parameters
    ----------
    packs
        What is known of each pack.
    load
        Returns the vocabulary of a pack.
    """

    name = "packs"
    title = "Packs"
    needs_network = False

    def __init__(
        self,
        packs: Mapping[str, PackInfo] = PACKS,
        load: Callable[[str], Vocabulary] = load_pack,
    ) -> None:
        self._packs = packs
        self._load = load

    def available(self) -> Availability:
        """Tell how many packs there are."""
        if not self._packs:
            return Availability(False, "there are no packs: install napari-itaclip again")
        return Availability(True, f"{len(self._packs)} packs")

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
        """Return what the packs say of classes with this word; see `Provider.suggest`."""
        term = check_question(term, kind, n, timeout)
        found: list[Suggestion] = []
        try:
            for name in self._ranked(domain):
                if cancel():
                    raise SuggestionCancelledError("cancelled")
                for prompt in _classes_with(self._load(name), term):
                    found += _texts(prompt, kind, self._packs[name])
                if len(tidy(found, term, n)) == n:  # packs are read when they are needed
                    break
        except VocabularyError as error:
            raise SuggestionError(str(error)) from error
        return tidy(found, term, n)

    def _ranked(self, domain: str | None) -> list[str]:
        """Return the packs' names, those of the domain first."""
        if domain is None:
            return list(self._packs)
        wanted = _terms(domain)

        def distance(name: str) -> tuple[bool, int]:
            info = self._packs[name]
            shared = wanted & _terms(f"{name} {info.title} {info.domain}")
            return name != domain.strip().casefold(), -len(shared)

        return sorted(self._packs, key=distance)


def spellings(term: str) -> tuple[str, ...]:
    """Return keys under which a term may be found: itself, then possible singulars."""
    key = word_key(term)
    keys = [key]
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        if key.endswith(ending) and len(key) > len(ending) + 2:
            keys.append(key[: -len(ending)] + instead)
    return tuple(dict.fromkeys(keys))


def _classes_with(vocabulary: Vocabulary, term: str) -> Iterator[ClassPrompt]:
    """Yield the classes that hold a word, for its first spelling that any class holds."""
    for key in spellings(term):
        having = [
            prompt
            for prompt in vocabulary
            if not prompt.background and key in map(word_key, prompt.words)
        ]
        if having:
            # The class of that name says more than one that has the word among its synonyms.
            yield from sorted(having, key=lambda prompt: word_key(prompt.name) != key)
            return


def _texts(prompt: ClassPrompt, kind: str, pack: PackInfo) -> list[Suggestion]:
    """Return the texts of one kind of a class."""
    note = f"class {prompt.name!r} in {pack.title!r}"
    if pack.experimental:
        note += " (experimental)"
    source = pack_source(pack.name)
    texts = [
        Suggestion(text.text, kind, text.source or source, text.licence or pack.licence, note)
        for text in prompt.auxiliary
        if text.kind == kind
    ]
    if kind == "synonym":
        words = [
            Suggestion(word, kind, prompt.synonym_sources.get(word, source), pack.licence, note)
            for word in prompt.words
        ]
        return words + texts
    return texts


def _terms(text: str) -> set[str]:
    """Return the words of a text that say something, in lower case and without a plural's s."""
    words = {word.casefold() for word in _LETTERS.findall(text)} - _EMPTY_WORDS
    return {word.removesuffix("s") for word in words}

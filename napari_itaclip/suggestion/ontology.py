"""Suggestions from an ontology file (OBO, OWL, OBO graph), through the library ``pronto``."""

from __future__ import annotations

import importlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from napari_itaclip.suggestion.background import TooSlowError, start, wait_for
from napari_itaclip.suggestion.cleaning import plain_line, tidy
from napari_itaclip.suggestion.packs_provider import spellings
from napari_itaclip.suggestion.provider import (
    Availability,
    Suggestion,
    SuggestionCancelledError,
    SuggestionError,
    check_question,
)
from napari_itaclip.vocabulary._checks import word_key

INSTALL = "install it with: pip install 'napari-itaclip[ontology]'"

_SCOPES = ("EXACT", "RELATED", "NARROW", "BROAD")


class Entry(NamedTuple):
    """A term of an ontology: what it is called, and what it is."""

    id: str
    name: str
    definition: str
    synonyms: tuple[tuple[str, str], ...]
    """Pairs of a word and its scope: EXACT, RELATED, NARROW or BROAD."""


@dataclass(frozen=True)
class Terms:
    """The terms of an ontology by the words they are known by.

    Parameters
    ----------
    title
        The name of the ontology.
    licence
        Its licence, if the file tells.
    by_word
        Terms by `word_key`; those of that name before those that have it as a synonym.
    """

    title: str
    licence: str | None
    by_word: dict[str, list[Entry]]


class OntologyProvider:
    """Definitions and synonyms from an ontology file on this computer.

    The file is read once, in a thread of its own, when it is first asked. Ontologies that it
    imports are not fetched.

    Parameters
    ----------
    path
        The file (``.obo``, ``.owl``, ``.json``); None while none was chosen.
    """

    name = "ontology"
    title = "Ontology"
    needs_network = False

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path).expanduser()
        self._lock = threading.Lock()
        self._reading: tuple[tuple[int, int], Future[Terms]] | None = None

    def available(self) -> Availability:
        """Tell whether the library and the file are there; does not read the file."""
        if find_spec("pronto") is None:
            return Availability(False, f"the library 'pronto' is not installed; {INSTALL}")
        if self._path is None:
            return Availability(
                False, "no ontology file was chosen: give one (.obo or .owl), such as cl.obo"
            )
        if not self._path.is_file():
            return Availability(False, f"there is no ontology file {self._path}")
        return Availability(True, str(self._path))

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
        """Return what the ontology says of a term; see `Provider.suggest`."""
        term = check_question(term, kind, n, timeout)
        state = self.available()
        if not state.available:
            raise SuggestionError(state.reason)
        terms = self._terms(timeout, cancel)
        entries = next((terms.by_word[key] for key in spellings(term) if key in terms.by_word), [])
        found = [text for entry in entries for text in _texts(entry, kind, terms)]
        return tidy(found, term, n)

    def _terms(self, timeout: float, cancel: Callable[[], bool]) -> Terms:
        """Return the terms of the file, reading it if it is new or has changed."""
        path = self._path
        assert path is not None
        if cancel():
            raise SuggestionCancelledError("cancelled")
        try:
            status = path.stat()
        except OSError as error:
            raise SuggestionError(f"cannot read the ontology {path}: {error.strerror}") from error
        version = (status.st_mtime_ns, status.st_size)
        with self._lock:
            if self._reading is None or self._reading[0] != version:
                self._reading = (version, start(lambda: read_terms(path), "read ontology"))
            future = self._reading[1]
        try:
            return wait_for(future, timeout=timeout, cancel=cancel)
        except TooSlowError:
            raise SuggestionError(
                f"the ontology {path} is still being read: ask again in a while"
            ) from None


def read_terms(path: Path) -> Terms:
    """Read an ontology file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    SuggestionError
        If it is not an ontology that ``pronto`` reads.
    """
    pronto = importlib.import_module("pronto")
    # Remarks on style for the ontology's authors; napari would show each to the person.
    remarks = importlib.import_module("pronto.utils.warnings").ProntoWarning
    warnings.filterwarnings("ignore", category=remarks)
    try:
        # An absolute path, as other texts may be taken for addresses; no imports, as those would
        # be fetched from the network.
        ontology = pronto.Ontology(str(path.resolve()), import_depth=0, threads=1, encoding="utf-8")
        return _indexed(ontology, path)
    except Exception as error:  # its parsers raise whatever the file leads them to
        reason = plain_line(str(error))[:200] or type(error).__name__
        raise SuggestionError(
            f"{path} is not an ontology that can be read ({reason}): give an .obo or .owl file"
        ) from error


def _indexed(ontology: Any, path: Path) -> Terms:
    """Return the terms in use by their words."""
    named: dict[str, list[Entry]] = {}
    also: dict[str, list[Entry]] = {}
    for entry in _entries(ontology):
        named.setdefault(word_key(entry.name), []).append(entry)
        for word, _ in entry.synonyms:
            also.setdefault(word_key(word), []).append(entry)
    words = dict.fromkeys([*named, *also])
    by_word = {
        word: list(dict.fromkeys([*named.get(word, []), *also.get(word, [])])) for word in words
    }
    if not by_word:
        raise ValueError("it holds no terms")
    return Terms(_title(ontology, path), _licence(ontology), by_word)


def _entries(ontology: Any) -> Iterator[Entry]:
    """Yield the terms that have a name and are not obsolete."""
    for term in ontology.terms():
        if term.name and not term.obsolete:
            synonyms = sorted(
                ((str(one.description), str(one.scope or "RELATED")) for one in term.synonyms),
                key=lambda pair: (_SCOPES.index(pair[1]), pair[0]),
            )
            yield Entry(term.id, str(term.name), str(term.definition or ""), tuple(synonyms))


def _texts(entry: Entry, kind: str, terms: Terms) -> list[Suggestion]:
    """Return the texts of one kind of a term."""
    source = f"{terms.title} {entry.id}"
    if kind == "definition":
        if not entry.definition:
            return []
        return [Suggestion(entry.definition, kind, source, terms.licence, entry.name)]
    words = [(entry.name, "EXACT"), *entry.synonyms]
    return [
        Suggestion(
            word, kind, source, terms.licence,
            entry.name if scope == "EXACT" else f"{scope.lower()} synonym of {entry.name}",
        )
        for word, scope in words
    ]  # fmt: skip


def _title(ontology: Any, path: Path) -> str:
    """Return the name of an ontology."""
    for annotation in ontology.metadata.annotations:
        if str(annotation.property).rpartition("/")[2].rpartition(":")[2] == "title":
            return str(getattr(annotation, "literal", "") or getattr(annotation, "resource", ""))
    return str(ontology.metadata.ontology or path.stem)


def _licence(ontology: Any) -> str | None:
    """Return the licence that an ontology states."""
    for annotation in ontology.metadata.annotations:
        if "licen" in str(annotation.property).lower():
            value = getattr(annotation, "literal", None) or getattr(annotation, "resource", None)
            return None if value is None else str(value)
    return None

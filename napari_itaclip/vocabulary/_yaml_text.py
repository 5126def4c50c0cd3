"""YAML text as mappings, lists and text, with the line of every value.

Words are taken as a person wrote them: ``- no``, ``- null`` and ``- 1`` are the words "no", "null"
and "1". Only YAML's events are read, so no tag can build an object; anchors, aliases, deep nesting
and keys given twice are refused with their line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from napari_itaclip.errors import VocabularyError

MAX_DEPTH = 8
"""Deeper nesting is refused; the format needs five levels."""

# Under these keys `null` and `~` are words; elsewhere they mean "not given".
_WORD_KEYS = {"classes", "name", "synonyms", "auxiliary", "text", "word", "templates"}
_STANDARD_TAGS = tuple(
    f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map", "int", "float")
)

# The only truth values that are told from text: quoted ones and others are text.
_TRUTHS = ("true", "false")

Where = tuple[str | int, ...]


class LocatedError(VocabularyError):
    """An error that knows the keys and positions leading to the place it is about."""

    def __init__(self, where: Where, message: str) -> None:
        super().__init__(message)
        self.where = where


@contextmanager
def located(*where: str | int) -> Iterator[None]:
    """Put ``where`` before the place of any vocabulary error raised inside."""
    try:
        yield
    except VocabularyError as error:
        inner = error.where if isinstance(error, LocatedError) else ()
        raise LocatedError((*where, *inner), str(error)) from error


def parse_yaml(text: str, lines: dict[Where, int]) -> object:
    """Read one YAML document as mappings, lists and text; note each value's line (from 1)."""
    events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
    result: Any = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise LocatedError((), "the file holds more than one YAML document ('---')")
            root = next(events)
            if isinstance(root, yaml.SequenceStartEvent):  # a bare list of classes
                result = {"classes": _value(root, events, ("classes",), lines)}
            else:
                result = _value(root, events, (), lines)
    if documents == 0:
        raise LocatedError((), "the file holds no YAML, only comments: list at least one class")
    return result


def _value(
    event: Any,  # PyYAML's event classes share no useful base
    events: Iterator[Any],
    where: Where,
    lines: dict[Where, int],
) -> object:
    """Build the value that begins with ``event``."""
    line = _line(event)
    lines[where] = line
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise LocatedError(
            where, "anchors and aliases ('&', '*') are not read: write the value out, in quotes"
        )
    if event.tag not in (None, "!", *_STANDARD_TAGS):
        raise LocatedError(where, f"the tag {event.tag!r} is not read: write plain text, in quotes")
    if len(where) > MAX_DEPTH:
        raise LocatedError(where, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(event, yaml.ScalarEvent):
        plain = event.style is None
        is_word = any(key in _WORD_KEYS for key in where[-2:]) and where[:1] != ("about",)
        if plain and where[:1] == ("about",) and event.value in _TRUTHS:
            return event.value == "true"
        if plain and not is_word and event.value in ("~", "null", "Null", "NULL"):
            return None
        return event.value
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(event, events, (*where, len(items)), lines))
        return items
    pairs: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent):
            lines[(*where, "?")] = _line(event)
            raise LocatedError((*where, "?"), "a key must be plain text")
        key, key_line = event.value, _line(event)
        if key in pairs:
            first = lines[(*where, key)]
            lines[(*where, key)] = key_line
            raise LocatedError(
                (*where, key), f"the key {key!r} is given twice (first in line {first})"
            )
        pairs[key] = _value(next(events), events, (*where, key), lines)
        lines[(*where, key)] = key_line
    return pairs


def _line(event: Any) -> int:  # see `_value`
    """Return the line (from 1) that a YAML event begins in."""
    return int(event.start_mark.line) + 1

"""Making texts from outside harmless: one line, plain, short, no repetitions."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable

from napari_itaclip.suggestion.provider import Suggestion
from napari_itaclip.vocabulary._checks import word_key

MAX_CHARACTERS = 300
"""The longest text that is kept; CLIP reads about as many."""

MAX_SYNONYM = 60
"""The longest synonym in characters: what is longer is a sentence, not a name."""

SHORTENED = "shortened"
"""The note of a text that was cut."""

_LOOKED_AT = 4000  # characters; far more than is kept, and few enough for any pattern
_ROUNDS = 3  # of markup hidden in markup
_CODE = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
_BRACKET = re.compile(r"[<>](?!\s*[\d.,])")  # what is left is "smaller than" and "more than"
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_ADDRESS = re.compile(r"\b(?:https?|ftp|file|javascript|data):\S+", re.IGNORECASE)
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_{1,3}|_{1,3}(?!\w)")
_ENUMERATION = re.compile(r"^(?:[-•·#>]+|\(?\d{1,2}[.)])\s+")
_MARKS = re.compile(r"((?:[\u0300-\u036f]){2})[\u0300-\u036f]+")
_QUOTES = "\"'\u201c\u201d\u2018\u2019«»"


def plain_line(text: str) -> str:
    """Return text as one line without markup, control characters and addresses.

    Parameters
    ----------
    text
        Anything; only the first few thousand characters are looked at.

    Returns
    -------
    str
        One line, possibly empty.
    """
    text = text[:_LOOKED_AT]
    for _ in range(_ROUNDS):
        before = text
        text = _TAG.sub(" ", _CODE.sub(" ", _visible(html.unescape(text))))
        if text == before:
            break
    text = _BRACKET.sub(" ", text)
    text = _ADDRESS.sub(" ", _LINK.sub(r"\1", text))
    text = " ".join(_EMPHASIS.sub("", text).split())
    text = _ENUMERATION.sub("", text)
    if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text


def tidy(
    found: Iterable[Suggestion], term: str, n: int, known: Iterable[str] = ()
) -> tuple[Suggestion, ...]:
    """Clean suggestions and leave out the term, repetitions and what is empty.

    Parameters
    ----------
    found
        Suggestions with texts as they came.
    term
        The word that was asked about.
    n
        How many are kept.
    known
        Further words to leave out.

    Returns
    -------
    tuple of Suggestion
        At most ``n``, in the order in which they came.
    """
    seen = {word_key(word) for word in (term, *known)}
    kept: list[Suggestion] = []
    for suggestion in found:
        for text, note in _pieces(suggestion):
            key = word_key(text)
            if key in seen or not any(character.isalnum() for character in text):
                continue
            seen.add(key)
            notes = "; ".join(part for part in (plain_line(suggestion.note), note) if part)
            kept.append(
                Suggestion(
                    text,
                    suggestion.kind,
                    plain_line(suggestion.source)[:MAX_CHARACTERS],
                    _plain_licence(suggestion.licence),
                    notes[:MAX_CHARACTERS],
                )
            )
            if len(kept) == n:
                return tuple(kept)
    return tuple(kept)


def _pieces(suggestion: Suggestion) -> list[tuple[str, str]]:
    """Return the texts that a suggestion holds, each with a note."""
    line = plain_line(suggestion.text)
    if suggestion.kind == "synonym":
        # Commas and semicolons part words wherever a person types them, so they do here.
        words = [word.strip(f" .{_QUOTES}") for word in re.split(r"[,;|]", line)]
        return [(word, "") for word in words if 0 < len(word) <= MAX_SYNONYM]
    short = _cut(line)
    # A definition goes into templates like a word, so it has no full stop.
    return [(short.rstrip(" .…"), SHORTENED if len(short) < len(line) else "")]


def _cut(line: str) -> str:
    """Return at most `MAX_CHARACTERS` of a line, ending with a sentence or a word."""
    if len(line) <= MAX_CHARACTERS:
        return line
    part = line[:MAX_CHARACTERS]
    sentence = part.rfind(". ")
    if sentence > 40:
        return part[: sentence + 1]
    word = part.rfind(" ")
    return part[:word] if word > 0 else part


def _visible(text: str) -> str:
    """Return text without control, format and private characters and heaps of accents."""
    text = "".join(
        " " if character in "\t\r\n\v\f\u2028\u2029\x85" else character
        for character in text
        if character in "\t\r\n\v\f\x85" or unicodedata.category(character)[0] != "C"
    )
    return _MARKS.sub(r"\1", unicodedata.normalize("NFC", text))


def _plain_licence(licence: str | None) -> str | None:
    """Return a licence in one line; an address is kept, as many licences are one."""
    if licence is None:
        return None
    line = " ".join(_BRACKET.sub(" ", _TAG.sub(" ", _visible(licence[:_LOOKED_AT]))).split())
    return line[:MAX_CHARACTERS] or None

"""Checks of single values, shared by classes and files."""

from __future__ import annotations

import math
import unicodedata

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary.palette import normalize_color

MAX_ID = 2**31 - 1
"""The largest class id: label images are 32 bits wide at most."""

MAX_TEXT = 10_000
"""The longest text in characters; CLIP reads the first few hundred."""


def clean_text(value: object, what: str) -> str:
    """Squash white space (also tabs and line ends) and refuse what is no text.

    Raises
    ------
    VocabularyError
        When the value is not a string, is empty or invisible, or holds control characters.
    """
    if not isinstance(value, str):
        raise VocabularyError(f"{what} must be text, not {value!r}")
    text = " ".join(value.split())
    if len(text) > MAX_TEXT:
        raise VocabularyError(f"{what} is {len(text)} characters long; at most {MAX_TEXT} are read")
    categories = {unicodedata.category(character) for character in text}
    if not categories - {"Cf", "Zs", "Mn"}:
        raise VocabularyError(f"{what} is empty")
    if categories & {"Cc", "Cs"}:
        raise VocabularyError(f"{what} holds a control character: {text!r}")
    return text


def word_key(word: str) -> str:
    """Return what two spellings of the same word have in common (case, accents' encoding)."""
    return unicodedata.normalize("NFC", " ".join(word.split()).casefold())


def check_number(value: object, what: str, low: float = 0.0, high: float = 1.0) -> float:
    """Return a finite number in [``low``, ``high``], which may be written as text."""
    message = f"{what} must be a number from {low:g} to {high:g}, not {value!r}"
    if isinstance(value, bool):
        raise VocabularyError(message)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise VocabularyError(message) from None
    if not math.isfinite(number) or not low <= number <= high:
        raise VocabularyError(message)
    return number + 0.0  # no negative zero


def check_id(value: object, what: str) -> int:
    """Return a class id from 0 to `MAX_ID`."""
    number: int | None
    if isinstance(value, str):
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
    elif isinstance(value, bool):
        number = None
    else:
        try:
            number = value.__index__()  # type: ignore[attr-defined]
        except AttributeError:
            number = None
    if number is None or not 0 <= number <= MAX_ID:
        raise VocabularyError(f"{what} must be a whole number from 0 to {MAX_ID}, not {value!r}")
    return number


def check_color(value: object, what: str) -> str:
    """Return a colour as ``"#rrggbb"`` in lower case."""
    color = normalize_color(value) if isinstance(value, str) else None
    if color is None:
        raise VocabularyError(f"{what} must be a colour like '#1f77b4', not {value!r}")
    return color

"""JSON from outside, bounded; JSON for others, the same bytes every time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.parts.bounded import read_bounded

MAX_BYTES = 2**30
"""Larger files are refused; COCO's largest has 470 MB."""

MAX_DEPTH = 64
"""Deeper nesting is refused; annotation files have ten levels."""


def read_json(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return what a JSON file holds.

    Parameters
    ----------
    path
        The file; UTF-8, with or without a byte order mark.
    max_bytes
        The largest size that is read.

    Raises
    ------
    FormatError
        If it cannot be read, is too large or too deep, is not valid JSON, or holds NaN, infinity,
        numbers of absurd length or an object with a key twice.
    """
    return parse_json(read_bounded(path, max_bytes), str(path))


def parse_json(content: bytes, what: str) -> Any:
    """Return what JSON text means; see `read_json`. ``what`` is its name for messages."""
    if _depth(content) > MAX_DEPTH:
        raise FormatError(f"{what} is nested deeper than {MAX_DEPTH} levels")

    def constant(name: str) -> NoReturn:
        raise FormatError(f"{what} holds {name}, which is not JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for at, key in enumerate(keys) if key in keys[:at])
            raise FormatError(f"{what} holds the key {twice!r} twice in one object")
        return found

    try:
        return json.loads(
            content.decode("utf-8-sig"), parse_constant=constant, object_pairs_hook=once
        )
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8 text: {error}") from error
    except json.JSONDecodeError as error:
        message = f"{what}, line {error.lineno}: this is not valid JSON: {error.msg}"
        raise FormatError(message) from error
    except RecursionError as error:
        raise FormatError(f"{what} is nested too deep") from error
    except FormatError:
        raise
    except ValueError as error:
        # Python refuses to convert whole numbers of thousands of digits.
        raise FormatError(f"{what} holds a number that cannot be read: {error}") from error


def write_json(value: Any) -> bytes:
    """Return JSON text, in UTF-8, in one line, with letters of all scripts as they are.

    Raises
    ------
    FormatError
        If it holds a number that is not finite, or text that UTF-8 cannot hold.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
        return text.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise FormatError(f"a name holds half of a character: {error.object!r:.80}") from error
    except ValueError as error:
        raise FormatError(f"a number cannot be written as JSON: {error}") from error


def json_bytes(value: Any, *, ascii_only: bool = False) -> bytes:
    """Return JSON in many lines for people to read, in UTF-8, the same bytes every time.

    Text that UTF-8 cannot hold (half a character) survives only with ``ascii_only``.
    """
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")


def as_object(value: Any, what: str) -> Mapping[str, Any]:
    """Return a JSON object, or raise `FormatError`."""
    if not isinstance(value, dict):
        raise FormatError(f"{what} must be an object {{…}}, not {_shown(value)}")
    return value


def as_list(value: Any, what: str) -> list[Any]:
    """Return a JSON list, or raise `FormatError`."""
    if not isinstance(value, list):
        raise FormatError(f"{what} must be a list […], not {_shown(value)}")
    return value


def as_text(value: Any, what: str) -> str:
    """Return text that UTF-8 can hold, or raise `FormatError`."""
    if not isinstance(value, str):
        raise FormatError(f"{what} must be text, not {_shown(value)}")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise FormatError(f"{what} holds half of a character: {value!r:.80}")
    return value


def as_int(value: Any, what: str, lowest: int = 0, highest: int = 2**53) -> int:
    """Return a whole number (3.0 is one), or raise `FormatError`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (isinstance(value, float) and value.is_integer()):
        raise FormatError(f"{what} must be a whole number, not {_shown(value)}")
    if not lowest <= value <= highest:
        raise FormatError(f"{what} must be {lowest} to {highest}, not {_shown(value)}")
    return int(value)


def as_number(value: Any, what: str) -> float:
    """Return a finite number, or raise `FormatError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(f"{what} must be a number, not {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FormatError(f"{what} must be a finite number")
    return number


def starts_like(path: Path, *words: str, first_bytes: int = 4096) -> bool:
    """Say whether a file looks like a JSON object with some of these keys near its beginning."""
    try:
        with path.open("rb") as file:
            head = file.read(first_bytes).decode("utf-8-sig", errors="replace").lstrip()
    except OSError:
        return False
    return head.startswith("{") and any(f'"{word}"' in head for word in words)


def _shown(value: Any) -> str:
    """Return a short description of a value of the wrong kind."""
    return f"{value!r:.40}" if isinstance(value, str | int | float | None) else type(value).__name__


_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS + b'"'))


def _depth(content: bytes) -> int:
    """Return how deep brackets are nested, those in texts left out."""
    # Without escaped characters every quote begins or ends a text.
    plain = content.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_BRACKETS)
    marks = np.frombuffer(plain, np.uint8)
    outside = np.bitwise_xor.accumulate(marks == ord('"')) == 0 if len(marks) else marks == 0
    kinds = np.zeros(256, np.int64)
    kinds[list(b"[{")], kinds[list(b"]}")] = 1, -1
    depth = np.cumsum(kinds[marks] * outside)
    return int(depth.max(initial=0))

"""The small JSON files of a batch: the same bytes for the same values, read with bounds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from napari_itaclip.errors import FormatError
from napari_itaclip.files import write_atomically

_MAX_BYTES = 64 * 1024 * 1024
"""Larger files are refused: the record of an image with thousands of classes needs far less."""


def canonical(values: Any) -> bytes:
    """Return JSON values as bytes that depend on nothing but the values.

    Everything beyond ASCII is escaped: names of files need not be valid text.
    """
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest_of(values: Any) -> str:
    """Return the SHA-256 of JSON values, hexadecimal."""
    return hashlib.sha256(canonical(values)).hexdigest()


def write_json(path: Path, values: Any) -> None:
    """Write JSON values, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = json.dumps(values, sort_keys=True, indent=1, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON file that holds a mapping.

    Raises
    ------
    FormatError
        If it is missing, too large, damaged, or holds something else.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise FormatError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: it is not ours")
        values = json.loads(raw)
    except FileNotFoundError:
        raise FormatError(f"there is no file {path}") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is damaged: {error}") from error
    if not isinstance(values, dict):
        raise FormatError(f"{path} is damaged: it holds no mapping")
    return values


def checked_relative(text: object) -> str:
    """Return a path from a file, if it cannot leave the folder that it is relative to.

    Raises
    ------
    FormatError
        If it can.
    """
    if not isinstance(text, str) or not text or "\0" in text or "\\" in text:
        raise FormatError(f"{text!r:.200} is no relative path")
    windows = PureWindowsPath(text)
    parts = PurePosixPath(text).parts
    if PurePosixPath(text).is_absolute() or windows.drive or windows.root or ".." in parts:
        raise FormatError(f"the path {text!r:.200} leads out of its folder")
    return text

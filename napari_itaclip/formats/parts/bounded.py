"""Reading small files of unknown origin: bounded in size, safe in depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError

MAX_TEXT_BYTES = 4 * 1024 * 1024


def read_bounded(path: Path, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Return a file's content.

    Raises
    ------
    FormatError
        If it cannot be read or is larger than ``limit`` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(f"cannot read {path}: {reason}") from error
    if len(content) > limit:
        raise FormatError(f"{path} is larger than the {limit // 1024} kB that are read of it")
    return content


def read_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Return a file's text (UTF-8, with or without a byte order mark); see `read_bounded`."""
    try:
        return read_bounded(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not text in UTF-8: {error.reason}") from error


def json_bytes(value: Any, *, ascii_only: bool = False) -> bytes:
    """Return JSON as files hold it: readable, in UTF-8, the same bytes every time.

    Text that UTF-8 cannot hold (half a character) survives only with ``ascii_only``.
    """
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")

"""Reading files of unknown origin, bounded in size."""

from __future__ import annotations

from pathlib import Path

from napari_itaclip.errors import FormatError

MAX_TEXT_BYTES = 4 * 1024 * 1024
"""The most that is read of a text; lists of classes are far smaller."""


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
        raise FormatError(f"{path} cannot be read: {reason}") from error
    if len(content) > limit:
        raise FormatError(f"{path} is larger than the {limit:,} bytes that are read of it")
    return content


def read_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Return a file's text (UTF-8, with or without a byte order mark); see `read_bounded`."""
    try:
        return read_bounded(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not text in UTF-8: {error.reason}") from error

"""File names made from image names, and paths that never leave their folder."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_itaclip.errors import OutputError

MAX_PART_BYTES = 150
"""Longest folder or file name made, in UTF-8: leaves room for endings below the usual 255."""

MAX_PATH_BYTES = 600
"""Longest relative path made, in UTF-8."""

_FORBIDDEN = frozenset('<>:"|?*\\')
# Marks that make text run backwards: a file "gpj.exe" could look like "exe.jpg".
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REPLACED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)


def file_name(name: str) -> str:
    r"""Return a relative path, without ending, that is safe on every system.

    A name that is safe already stays as it is. Every other one is changed as little as needed and
    gets eight digits of a hash of the name, so that two names do not end in one file.

    Parameters
    ----------
    name
        Name of an image (`LabelledImage.name`) or any other text; ``/`` separates folders.

    Returns
    -------
    str
        Parts joined by ``/``: none is empty, ``..``, hidden, reserved by Windows or overlong, and
        none holds control characters or ``<>:"|?*\``. The same name always gives the same path,
        and a path that this function returned is returned unchanged.
    """
    parts = [safe for part in name.split("/") if (safe := _safe_part(part))]
    path = "/".join(parts)
    if len(path.encode()) > MAX_PATH_BYTES:
        path = parts[-1]
    if path == name and path:
        return path
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    if not path:
        return f"unnamed-{digest}"
    head, slash, last = path.rpartition("/")
    last = _cut(last, MAX_PART_BYTES - len(digest) - 1)
    return f"{head}{slash}{last}-{digest}"


def inside(folder: str | os.PathLike[str], relative: str) -> Path:
    """Return the path of a file in a folder, and make sure that it lies there.

    Parameters
    ----------
    folder
        The folder; it need not be there yet.
    relative
        Path relative to it, with ``/``.

    Raises
    ------
    OutputError
        If the path is absolute, goes up, or leaves the folder through a symbolic link.
    """
    root = Path(folder)
    posix, windows = PurePosixPath(relative), PureWindowsPath(relative)
    safe = (
        relative not in ("", ".")
        and "\0" not in relative
        and not posix.is_absolute()
        and not (windows.drive or windows.root)
        and ".." not in posix.parts
        and ".." not in windows.parts
    )
    if safe:
        path = root / posix
        try:
            safe = path.resolve().is_relative_to(root.resolve())
        except (OSError, RuntimeError):  # links in a circle
            safe = False
    if not safe:
        raise OutputError(
            f"the path {relative!r} would leave the folder {root}; files are only written inside "
            "it: rename the image, or remove the symbolic link"
        )
    return path


def _safe_part(part: str) -> str:
    """Return one folder or file name made safe; empty if nothing remains."""
    text = unicodedata.normalize("NFC", part)
    text = "".join("_" if _is_bad(char) else char for char in text).strip()
    text = _cut(text, MAX_PART_BYTES).rstrip(". ")
    if text.startswith("."):
        text = "_" + text.lstrip(".")
    if text.split(".")[0].rstrip().lower() in _RESERVED:
        text = "_" + text
    return _cut(text, MAX_PART_BYTES).rstrip(". ")


def _is_bad(char: str) -> bool:
    """Tell whether a character must not stand in a file name."""
    if char in _FORBIDDEN or char in _DIRECTION_MARKS:
        return True
    return unicodedata.category(char) in _REPLACED_CATEGORIES


def _cut(text: str, limit: int) -> str:
    """Return as much of a text as fits into so many bytes of UTF-8."""
    return text.encode()[:limit].decode("utf-8", "ignore")

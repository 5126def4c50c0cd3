"""What formats need from outside: libraries of extras, the first file of a folder."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from napari_itaclip.errors import MissingExtraError


def needed(module: str, purpose: str, extra: str) -> Any:
    """Return a module.

    Parameters
    ----------
    module
        Its full name.
    purpose
        What it is needed for: the beginning of a sentence.
    extra
        The package's extra that brings it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs {package}; install it with: pip install 'napari-itaclip[{extra}]'"
        ) from error


_NAMES = 1000


def first_below(folder: Path, wanted: Callable[[Path], bool]) -> Path | None:
    """Return a file or folder in a folder or below it that is wanted; looks at few names only."""
    for one in islice(folder.rglob("*"), _NAMES):
        hidden = any(part.startswith(".") for part in one.relative_to(folder).parts)
        if not hidden and wanted(one):
            return one
    return None

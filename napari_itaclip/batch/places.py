"""Paths as the records hold them: relative to what lies near, so that folders can be moved."""

from __future__ import annotations

import os
from pathlib import Path

_LEVELS = 2
"""How many folders up a relative path may lead."""


def absolute(path: Path) -> Path:
    """Return a path from the root on, without ``..``; links stay."""
    return Path(os.path.normpath(path.absolute()))


def as_place(path: Path, home: Path) -> str:
    """Return ``path`` relative to ``home`` where it lies near, else absolute; with ``/``."""
    target, base = absolute(path), absolute(home)
    if target.drive == base.drive:
        relative = Path(os.path.relpath(target, base))
        if relative.parts[: _LEVELS + 1] != ("..",) * (_LEVELS + 1):
            return relative.as_posix()
    return target.as_posix()


def from_place(place: str, home: Path) -> Path:
    """Return the path that `as_place` wrote."""
    return absolute(home / place)

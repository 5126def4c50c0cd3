"""Several files written as one: all of them are complete before the first takes its place."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from napari_itaclip.errors import OutputError

STAGING = ".staging-"
"""How folders for what is being prepared begin; a killed process leaves unfinished files only
there."""


def replace_files(state: Path, files: Mapping[Path, bytes]) -> None:
    """Write files so that either all of them are there afterwards, or everything is as it was.

    A full disk shows while the new files are prepared in ``state``, before any old one is touched.
    Only a process killed in the few moments of the renaming leaves some new and some old files,
    each of them whole.

    Parameters
    ----------
    state
        Folder on the same file system for what is being prepared.
    files
        Content by path; missing folders are made.

    Raises
    ------
    OutputError
        If a file cannot be written; the message names it.
    """
    target = state
    stage: Path | None = None
    undo: list[tuple[Path, Path | None]] = []
    try:
        state.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=state, prefix=STAGING))
        for number, content in enumerate(files.values()):
            _write_new(stage / f"{number}.new", content)
        for number, target in enumerate(files):
            target.parent.mkdir(parents=True, exist_ok=True)
            old = _keep(target, stage / f"{number}.old")
            (stage / f"{number}.new").replace(target)
            undo.append((target, old))
    except OSError as error:
        for path, old in reversed(undo):
            with contextlib.suppress(OSError):
                path.unlink() if old is None else old.replace(path)
        reason = error.strerror or str(error)
        raise OutputError(f"{target} cannot be written: {reason}.") from error
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)


def clear_staging(state: Path) -> None:
    """Remove what killed processes were preparing."""
    for folder in state.glob(f"{STAGING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet."""
    with path.open("xb") as file:
        file.write(content)


def _keep(path: Path, spare: Path) -> Path | None:
    """Keep a file's present content under a second name; None if there is no such file."""
    if not path.exists():
        return None
    try:
        os.link(path, spare)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, spare)
    return spare

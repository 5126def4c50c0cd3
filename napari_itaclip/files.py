"""Writing files so that they are whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from napari_itaclip.errors import OutputError

_PREFIX, _SUFFIX = ".itaclip-", ".part"
"""How the names of unfinished files begin and end: a killed process leaves them behind."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: the old file stays until the new one is complete.

    Missing parent folders are made.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is untouched.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX, suffix=_SUFFIX)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # Temporary files are private; the result gets the mode any new file would have.
        Path(temporary).chmod(0o666 & ~_mask())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written: {reason}.") from error


def _mask() -> int:
    """Return the process's mask for new files; asking changes it for a moment where it must."""
    with contextlib.suppress(OSError, ValueError), Path("/proc/self/status").open() as status:
        # Threads that make files at the same time never see the moment.
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until files are on the disk, so that what is written next is never there without them.

    Raises
    ------
    OutputError
        If the disk does not take them.
    """
    for path in paths:
        try:
            # Windows flushes only what is open for writing.
            handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"{path} cannot be written: {reason}.") from error


def sweep_unfinished(folder: Path) -> int:
    """Delete the unfinished files that a killed process left below ``folder``.

    Only for folders that no other process writes to at the same time.

    Returns
    -------
    int
        How many there were.
    """
    count = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                with contextlib.suppress(OSError):
                    (Path(parent) / name).unlink()
                    count += 1
    return count

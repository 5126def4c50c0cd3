"""Writing files so that they are whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from napari_itaclip.errors import OutputError


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
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # Temporary files are private; the result gets the mode any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written: {reason}.") from error

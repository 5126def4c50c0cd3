"""Ending a cluster's workers at a chosen moment; loads little, for they have just begun."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin

_CHANGES = frozenset(("os.rename", "os.remove", "os.mkdir", "os.link"))


def end_at_change(folder: str, moment: int) -> int:
    """End this process with SIGKILL at a change to the files of a folder; return its id."""
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in _CHANGES and str(arguments[0]).startswith(folder):
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return os.getpid()


class EndAtFile(WorkerPlugin):
    """A plugin of Dask's workers: whoever opens a file of this name is ended with SIGKILL.

    Parameters
    ----------
    name : str
        The file's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def setup(self, worker: object) -> None:
        """Begin to watch."""

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            opened = event == "open" and isinstance(arguments[0], str | os.PathLike)
            if opened and Path(arguments[0]).name == self.name:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)

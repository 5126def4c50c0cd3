"""Batches in processes of their own that are killed at a chosen moment (see `test_kill`).

The moments are counted in changes to files, not in seconds: so they lie where it matters, whatever
the computer's speed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from napari_itaclip.batch import run, work
from napari_itaclip.batch.job import BatchJob
from napari_itaclip.clip.embedding_cache import CACHE_VARIABLE
from napari_itaclip.formats import png, voc
from napari_itaclip.segmentation import segmenter

NEEDED = (png, voc, segmenter)
"""What the children need beside the batch, loaded once before they are forked."""

_CHANGES = frozenset(("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree"))
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def start_server() -> Any:
    """Return a context whose processes are forked from one that has loaded everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "pytest", "PIL.PngImagePlugin"])
    return context


def run_in_child(context: Any, job: BatchJob, cache: Path, kill_at: int | None = None) -> int:
    """Run a batch in a child; return its exit code, negative for a signal."""
    child = context.Process(target=_child, args=(job, str(cache), kill_at))
    child.start()
    child.join()
    code: int = child.exitcode
    return code


def count_changes(context: Any, job: BatchJob, cache: Path) -> int:
    """Run a batch in a child; return how many changes to files it made."""
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_counting_child, args=(job, str(cache), sender))
    child.start()
    count: int = receiver.recv()
    child.join()
    return count


class _Counter:
    """Counts the changes below a folder, and ends the process at one of them."""

    def __init__(self, folder: Path, kill_at: int | None) -> None:
        self.folder = str(folder)
        self.kill_at = kill_at
        self.count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & _WRITING):
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder):
            self.count += 1
            if self.count == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def _child(job: BatchJob, cache: str, kill_at: int | None) -> None:
    _run(job, cache, _Counter(job.exports[0].folder.parent, kill_at))


def _counting_child(job: BatchJob, cache: str, sender: Any) -> None:
    counter = _Counter(job.exports[0].folder.parent, None)
    try:
        _run(job, cache, counter)
    finally:
        sender.send(counter.count)


def _run(job: BatchJob, cache: str, counter: _Counter) -> None:
    os.environ[CACHE_VARIABLE] = cache
    torch.set_num_threads(1)
    # A killed process's files are safe with the system; only a power cut needs the disk's word.
    setattr(work, "sync_files", lambda paths: None)  # noqa: B010
    sys.addaudithook(counter)
    run.run_batch(job)

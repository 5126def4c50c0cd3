"""A full disk and a read-only folder: a clear end, and everything finished stays."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_itaclip.batch.job import BatchJob
from napari_itaclip.batch.run import run_batch
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import OutputError
from napari_itaclip.formats.parts import staging
from napari_itaclip.segmentation.segmenter import Segmenter
from tests.batch.world import tree

Make = Callable[..., BatchJob]


@pytest.mark.parametrize("writes", [1, 9, 20, 33])
def test_a_disk_that_fills_up(
    job: Make, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    room = [writes]

    def take() -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_new, fdopen = staging._write_new, os.fdopen

    def staged(path: Path, content: bytes) -> None:
        take()
        write_new(path, content)

    def opened(handle: int, *arguments: Any, **options: Any) -> Any:
        file = fdopen(handle, *arguments, **options)
        try:
            take()
        except OSError:
            file.close()
            raise
        return file

    monkeypatch.setattr(staging, "_write_new", staged)
    monkeypatch.setattr(os, "fdopen", opened)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        run_batch(job(), segmenter=segmenter)
    monkeypatch.undo()
    state = BatchState(job().state_folder)
    for record in state.items():
        for path in state.files_of(record, {one.format: one.folder for one in job().exports}):
            assert path.stat().st_size > 0
    finished = len(state.items())
    report = run_batch(job(), segmenter=segmenter)
    assert (report.done, report.skipped) == (4 - finished, finished)
    disturbed = tree(tmp_path / "out")
    undisturbed = job(
        exports=tuple(
            type(one)(one.format, tmp_path / "2" / one.format, one.options) for one in job().exports
        )
    )
    run_batch(undisturbed, segmenter=segmenter)
    assert tree(tmp_path / "2") == disturbed


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_folder_that_cannot_be_written_to(
    job: Make, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(job(limit=2), segmenter=segmenter)
    before = tree(tmp_path / "out")

    def refuse(path: Any, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    # The tests may run as root, whom no mode keeps from writing.
    for what in ("mkdir", "replace", "link"):
        monkeypatch.setattr(os, what, refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        run_batch(job(), segmenter=segmenter)
    monkeypatch.undo()
    assert tree(tmp_path / "out") == before
    assert run_batch(job(), segmenter=segmenter).skipped == 2


def test_a_file_in_the_place_of_the_folder(job: Make, segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "voc").write_text("mine")
    with pytest.raises(OutputError, match="voc is a file"):
        run_batch(job(), segmenter=segmenter)
    assert (tmp_path / "out" / "voc").read_text() == "mine"

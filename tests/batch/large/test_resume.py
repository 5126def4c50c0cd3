"""Ended at any moment, a run goes on, and ends with the same files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.batch.large.assemble import LargeReport
from napari_itaclip.batch.large.run import StoppedError, segment_large
from napari_itaclip.batch.large.state import Raster, WorkFolder
from napari_itaclip.errors import OutputError
from napari_itaclip.segmentation.segmenter import Segmenter
from tests.batch.large.conftest import QUICK, WORDS

Label = Callable[..., LargeReport]


class Killed(BaseException):
    """Ends the process, as far as the code can tell."""


@pytest.fixture
def label(photo: NDArray[np.uint8], segmenter: Segmenter) -> Label:
    """Return a run of five strips with 42 windows."""

    def run(output: Path, **options: Any) -> LargeReport:
        settings: dict[str, Any] = {"scale": 1.0, "preset": QUICK, "block": 48, "margin": True}
        return segment_large(photo, WORDS, segmenter, output=output, **(settings | options))

    return run


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(
    photo: NDArray[np.uint8], segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    segment_large(
        photo, WORDS, segmenter, scale=1.0, preset=QUICK, block=48, margin=True,
        output=folder / "labels.tif",
    )  # fmt: skip
    return files(folder)


def test_nothing_but_the_results_is_left(undisturbed: dict[str, bytes]) -> None:
    assert sorted(undisturbed) == ["labels.tif", "labels_legend.json", "labels_margin.tif"]


def test_killed_at_every_write(
    label: Label, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run gets three writes further than the one before."""
    target = tmp_path / "labels.tif"
    left = 0

    def deadly(original: Callable[..., None], half: bool) -> Callable[..., None]:
        def write(*arguments: Any, **options: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                if half:  # what a raster was being given is there in part
                    raster, top, rows = arguments
                    original(raster, top, rows[: len(rows) // 2])
                raise Killed
            original(*arguments, **options)

        return write

    monkeypatch.setattr(Raster, "write", deadly(Raster.write, half=True))
    monkeypatch.setattr(WorkFolder, "save", deadly(WorkFolder.save, half=False))
    monkeypatch.setattr(WorkFolder, "save_scores", deadly(WorkFolder.save_scores, half=False))
    kills = 0
    while True:
        left = 3
        try:
            label(target)
        except Killed:
            kills += 1
            assert not target.exists()
            continue
        break
    assert kills >= 5
    assert files(tmp_path) == undisturbed


def test_stopped_while_looking_and_while_assembling(
    label: Label, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "labels.tif"
    resumed = []
    for patience in (2, 5, 8, 11, 14):
        if target.exists():
            break
        asked = 0

        def impatient(patience: int = patience) -> bool:
            nonlocal asked
            asked += 1
            return asked > patience

        try:
            resumed.append(label(target, stop=impatient).resumed_rows)
        except StoppedError:
            assert not target.exists()
    if not target.exists():
        resumed.append(label(target).resumed_rows)
    assert resumed[-1] > 0
    assert files(tmp_path) == undisturbed


def test_windows_that_were_looked_at_are_not_looked_at_again(label: Label, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def stop_after_a_row() -> bool:
        return len(seen) > 9

    target = tmp_path / "labels.tif"
    with pytest.raises(StoppedError):
        label(target, stop=stop_after_a_row, progress=lambda *step: seen.append(step))
    assert seen[-1][0] > 7
    again: list[tuple[int, int]] = []
    label(target, progress=lambda *step: again.append(step))
    assert again[0][0] > 7  # the first row of seven windows is known
    assert again[-1] == (42, 42)


def test_an_unfinished_run_with_other_settings_is_not_thrown_away(
    label: Label, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "labels.tif"
    with pytest.raises(StoppedError, match="goes on from there"):
        label(target, scale=0.9, stop=lambda: True)
    before = files(tmp_path)
    with pytest.raises(OutputError, match=r"another scale.*--restart"):
        label(target)
    assert files(tmp_path) == before
    label(target, restart=True)
    assert files(tmp_path) == undisturbed


def test_damaged_leftovers_are_made_again(
    label: Label, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "labels.tif"
    seen: list[int] = []
    with pytest.raises(StoppedError):
        label(target, stop=lambda: seen[-1] > 30, progress=lambda *step: seen.append(step[0]))
    folder = WorkFolder(target).folder
    kept = sorted(folder.glob("row-*.npy"))
    assert kept
    kept[0].write_bytes(kept[0].read_bytes()[:50])
    (folder / "progress.json").write_text("{")
    label(target)
    assert files(tmp_path) == undisturbed


def test_one_run_at_a_time(label: Label, tmp_path: Path) -> None:
    target = tmp_path / "labels.tif"
    with WorkFolder(target).lock(), pytest.raises(OutputError, match="another run is writing"):
        label(target)
    assert files(tmp_path) == {}


def test_results_are_not_replaced_unasked(label: Label, tmp_path: Path) -> None:
    target = tmp_path / "labels.tif"
    target.write_bytes(b"by hand")
    with pytest.raises(OutputError, match="may hold corrections"):
        label(target)
    assert files(tmp_path) == {"labels.tif": b"by hand"}
    label(target, overwrite=True)
    assert target.stat().st_size > 100


def test_a_full_disk_keeps_what_is_finished(
    label: Label, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "labels.tif"
    synced = 0

    def full(handle: int) -> None:
        nonlocal synced
        synced += 1
        if synced > 4:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"No space left.*the same command goes on"):
            label(target)
    assert label(target).resumed_rows == 96
    assert files(tmp_path) == undisturbed

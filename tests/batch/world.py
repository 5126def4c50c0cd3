"""Small batches: pictures, a tiny model, jobs, and what lies in a folder afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.batch.job import BatchJob, ExportTarget
from napari_itaclip.formats.model import ExportOptions
from napari_itaclip.segmentation.settings import EncodeSettings, Preset, RefineSettings
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.tiny import make_tiny_clip, save_tiny_clip

QUICK = Preset(
    name="quick",
    description="One look at a small picture.",
    encode=EncodeSettings(short_side=64, max_long_side=128, stride=64, image_engineering=False),
    refine=RefineSettings(iterations=0),
)

WORDS = "sky; tree, oak; grass"

Picture = NDArray[np.uint8]


def save_weights(folder: Path) -> Path:
    """Write a tiny model's weights."""
    return save_tiny_clip(make_tiny_clip(64, 2, 32, 64, 32, 64, 1), folder / "tiny.safetensors")


def picture(seed: int, shape: tuple[int, int] = (24, 32)) -> Picture:
    """Return some colours, blockwise, so that labels are no noise."""
    cells = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    rows = np.arange(shape[0]) * 4 // shape[0]
    columns = np.arange(shape[1]) * 4 // shape[1]
    chosen: Picture = cells[rows[:, None], columns]
    return chosen


def save_pictures(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Write pictures ``image 000.png``, …."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"image {number:03d}.png" for number in range(first, first + count)]
    for number, path in enumerate(paths, start=first):
        Image.fromarray(picture(number)).save(path)
    return paths


def make_job(weights: Path, given: Path, folder: Path, **changes: Any) -> BatchJob:
    """Return a quick job that writes two formats."""
    options = ExportOptions(images=False)
    job = BatchJob(
        inputs=(given,),
        vocabulary=Vocabulary.parse(WORDS),
        exports=(
            ExportTarget("png", folder / "png", options),
            ExportTarget("voc", folder / "voc", options),
        ),
        preset=QUICK,
        model=weights,
        device="cpu",
        precision="float32",
    )
    return replace(job, **changes)


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Stop:
    """Asks to stop after so many looks."""

    def __init__(self, after: Callable[[], bool]) -> None:
        self.after = after

    def __call__(self) -> bool:
        return self.after()

"""The figures of a batch: its speed against the engine alone, and its memory over many images."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import Figure
from napari_itaclip.batch.job import BatchJob, ExportTarget
from napari_itaclip.batch.progress import BatchProgress
from napari_itaclip.batch.run import run_batch
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import Preset
from napari_itaclip.vocabulary.classes import Vocabulary

WORDS = Vocabulary.parse("person, astronaut; flag; space shuttle; helmet; wall")

_SETTLED = 0.2
"""Share of the images after which memory should not grow any more."""


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes
    ----------
    segmenter : Segmenter
        The model.
    model : str or Path
        Its name or file.
    preset : Preset
        Settings of the comparison with the engine.
    device : str
        Where it runs.
    images : int
        Number of images in each round of the comparison.
    rounds : int
        How often the two take turns; the median counts.
    many : int
        Number of images over which memory is watched.
    """

    segmenter: Segmenter
    model: str | Path
    preset: Preset
    device: str
    images: int
    rounds: int
    many: int


def save_photos(folder: Path, count: int, size: tuple[int, int] = (640, 480)) -> list[Path]:
    """Write parts of a photograph as JPEG files of ``size`` (width, height)."""
    folder.mkdir(parents=True)
    samples: Any = skimage.data
    photo = Image.fromarray(samples.astronaut())
    paths = []
    for number in range(count):
        left = number % 97
        path = folder / f"photo {number:04d}.jpg"
        photo.crop((left, 0, left + 400, 300)).resize(size).save(path, quality=90)
        paths.append(path)
    return paths


def resident_bytes() -> int | None:
    """Return the memory that the process holds now; None where the system does not tell."""
    facts = Path("/proc/self/statm")
    if not facts.exists():
        return None
    return int(facts.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _job(subject: Subject, given: Path, folder: Path, preset: Preset) -> BatchJob:
    return BatchJob(
        inputs=(given,),
        vocabulary=WORDS,
        exports=(ExportTarget("voc", folder),),
        preset=preset,
        model=subject.model,
        device=subject.device,
    )


def measure_speed(subject: Subject, folder: Path) -> Iterator[Figure]:
    """Compare a batch with the engine labelling the same pictures, which are in memory."""
    paths = save_photos(folder / "photos", subject.images)
    pictures: list[NDArray[np.uint8]] = [np.array(Image.open(path)) for path in paths]
    segmenter, preset = subject.segmenter, subject.preset
    segmenter.segment(pictures[0], WORDS, preset)
    shares, engine, batch = [], [], []
    for number in range(subject.rounds):
        began = time.perf_counter()
        for picture in pictures:
            segmenter.segment(picture, WORDS, preset)
        middle = time.perf_counter()
        run_batch(
            _job(subject, folder / "photos", folder / f"speed {number}", preset),
            segmenter=segmenter,
        )
        end = time.perf_counter()
        engine.append(middle - began)
        batch.append(end - middle)
        shares.append(engine[-1] / batch[-1])
    rate = subject.images / statistics.median(batch)
    yield Figure(
        "speed",
        "share_of_engine",
        "images per second of a batch, as a share of the engine's alone",
        statistics.median(shares),
        "fraction",
        0.9,
        note=f"{rate:.2f} images/s with the preset {preset.name}, reading JPEG, writing VOC",
        details={"engine_s": engine, "batch_s": batch, "images": subject.images},
    )


def measure_growth(subject: Subject, folder: Path, preset: Preset) -> Iterator[Figure]:
    """Watch the process's memory while many images are labelled quickly."""
    save_photos(folder / "many", subject.many, (128, 96))
    seen: list[int] = []

    def watch(_: BatchProgress) -> None:
        now = resident_bytes()
        if now is not None:
            seen.append(now)

    run_batch(
        _job(subject, folder / "many", folder / "growth", preset),
        segmenter=subject.segmenter,
        progress=watch,
    )
    settled = seen[int(len(seen) * _SETTLED) :]
    part = max(1, len(settled) // 4)
    grown = None
    if settled:
        grown = statistics.median(settled[-part:]) - statistics.median(settled[:part])
    yield Figure(
        "memory",
        "growth",
        f"growth of the memory from image {int(subject.many * _SETTLED)} to {subject.many}",
        None if grown is None else grown / 1e9,
        "GB",
        0.05,
        "<",
        note="" if seen else "the system does not tell",
        details={"first": settled[:1], "last": settled[-1:], "images": subject.many},
    )

"""The figures of a batch: its speed against the engine alone, and its memory over many images."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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

FORMATS = ("voc", "coco")
"""What is written: an image per picture, and one large file for all."""

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


def _job(
    subject: Subject, given: Path, folder: Path, preset: Preset, format_name: str = "voc"
) -> BatchJob:
    return BatchJob(
        inputs=(given,),
        vocabulary=WORDS,
        exports=(ExportTarget(format_name, folder),),
        preset=preset,
        model=subject.model,
        device=subject.device,
    )


@dataclass(frozen=True)
class Times:
    """What one turn took, in seconds.

    Attributes
    ----------
    wall : float
        From begin to end.
    processor : float
        Of all threads together. On a busy computer this says more: it counts nobody else's work.
    """

    wall: float
    processor: float


def timed(work: Callable[[], object]) -> Times:
    """Run something and say how long it took."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Times(time.perf_counter() - wall, time.process_time() - processor)


def measure_speed(subject: Subject, folder: Path) -> Iterator[Figure]:
    """Compare batches with the engine labelling the same pictures, which are in memory.

    They take turns, and each batch is compared with the engine's turn just before it.
    """
    paths = save_photos(folder / "photos", subject.images)
    pictures: list[NDArray[np.uint8]] = [np.array(Image.open(path)) for path in paths]
    segmenter, preset = subject.segmenter, subject.preset
    segmenter.segment(pictures[0], WORDS, preset)

    def alone() -> None:
        for picture in pictures:
            segmenter.segment(picture, WORDS, preset)

    def batch(format_name: str, number: int) -> None:
        target = folder / f"{format_name} {number}"
        job = _job(subject, folder / "photos", target, preset, format_name)
        run_batch(job, segmenter=segmenter)

    turns: dict[str, list[tuple[Times, Times]]] = {name: [] for name in FORMATS}
    for number in range(subject.rounds):
        for name in FORMATS:
            engine = timed(alone)
            turns[name].append((engine, timed(partial(batch, name, number))))
    for name, found in turns.items():
        yield from _speed_figures(subject, name, found)


def _speed_figures(
    subject: Subject, format_name: str, turns: Sequence[tuple[Times, Times]]
) -> Iterator[Figure]:
    """Return what the turns of one format say."""
    rate = subject.images / statistics.median(batch.wall for _, batch in turns)
    details = {
        "engine_s": [engine.wall for engine, _ in turns],
        "batch_s": [batch.wall for _, batch in turns],
        "engine_processor_s": [engine.processor for engine, _ in turns],
        "batch_processor_s": [batch.processor for _, batch in turns],
        "images": subject.images,
    }
    yield Figure(
        "speed",
        f"share_of_engine_{format_name}",
        f"images per second of a batch that writes {format_name}, as a share of the engine's alone",
        statistics.median(engine.wall / batch.wall for engine, batch in turns),
        "fraction",
        0.9,
        note=f"{rate:.2f} images/s with the preset {subject.preset.name}, reading JPEG",
        details=details,
    )
    yield Figure(
        "speed",
        f"share_of_processor_{format_name}",
        "the engine's share of the processor's time of that batch",
        statistics.median(engine.processor / batch.processor for engine, batch in turns),
        "fraction",
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

"""Measures how smoothly the window is drawn while a thread encodes a picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.interface.figures import Reading
from benchmarks.interface.subjects import Subject
from benchmarks.interface.window import Pace, Window, after
from benchmarks.workload import photo
from napari_itaclip.segmentation.image import prepare_image
from napari_itaclip.session.worker_thread import prepare_thread

SMOOTH = 20
"""Frames per second that the interface should keep while an image is encoded."""


def _ordinary_thread() -> None:
    """Leave the thread as it is."""


class Encoding(threading.Thread):
    """Encodes a picture again and again in the background.

    The first step comes before the count begins: it reserves memory and starts the threads.

    Parameters
    ----------
    subject : Subject
        Whose network.
    prepare : callable
        Called first in the thread.
    seconds : float
        No encoding begins after that time; the one under way is finished.
    """

    def __init__(self, subject: Subject, prepare: Callable[[], None], seconds: float) -> None:
        super().__init__(daemon=True)
        self._subject, self._prepare, self._seconds = subject, prepare, seconds
        self._begin = threading.Event()
        self.warm = threading.Event()
        self.each_s: list[float] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Encode; keep what goes wrong for the main thread."""
        try:
            self._encode()
        except BaseException as error:
            self.failure = error
        finally:
            self.warm.set()

    def begin(self) -> None:
        """Begin to count."""
        self._begin.set()

    def _encode(self) -> None:
        self._prepare()
        segmenter, size = self._subject.segmenter, self._subject.size
        image = prepare_image(photo(*size.picture))
        next(segmenter.iter_encode(image, size.preset))
        self.warm.set()
        self._begin.wait()
        end = time.perf_counter() + self._seconds
        while not self.each_s or time.perf_counter() < end:
            start = time.perf_counter()
            segmenter.encode(image, size.preset)
            self.each_s.append(time.perf_counter() - start)


@dataclass
class _Load:
    """What was seen under one kind of load."""

    paces: list[Pace] = field(default_factory=list)
    each_s: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "rounds": [pace.as_json() for pace in self.paces],
            "encode_s": [round(seconds, 4) for seconds in self.each_s],
        }


def measure_frames(window: Window, subject: Subject) -> Iterator[Reading]:
    """Pan and zoom alone, beside the dock's thread and beside an ordinary one, in turns."""
    size = subject.size
    alone, still, dock, ordinary = _Load(), _Load(), _Load(), _Load()
    for _ in range(size.rounds):
        alone.paces.append(window.watch(after(size.seconds)))
        _watch(window, subject, still, prepare_thread, move=False)
        _watch(window, subject, dock, prepare_thread)
        _watch(window, subject, ordinary, _ordinary_thread)
    yield _rate(subject, "idle", "panning, nothing encoded", alone)
    yield _rate(subject, "encoding", "panning while the dock's thread encodes", dock, SMOOTH)
    yield _rate(subject, "encoding_ordinary", "the same, an ordinary thread", ordinary)
    for name, meaning, load in (
        ("idle_gap", "longest gap of the event loop, nothing encoded", alone),
        ("still_gap", "longest gap while encoding, nobody pans", still),
        ("encoding_gap", "longest gap while panning and the dock's thread encodes", dock),
        ("ordinary_gap", "the same, an ordinary thread", ordinary),
    ):
        longest = max(pace.longest_gap_s for pace in load.paces)
        yield Reading("frames", subject.name, name, meaning, longest * 1e3, "ms")
    yield _seconds(subject, "encode_still", "encoding the picture, nobody pans", still, still)
    yield _seconds(subject, "encode", "the same while panning", dock, still)
    yield _seconds(
        subject, "encode_ordinary", "the same, panning, an ordinary thread", ordinary, still
    )


def _watch(
    window: Window,
    subject: Subject,
    load: _Load,
    prepare: Callable[[], None],
    *,
    move: bool = True,
) -> None:
    """Watch the window while a fresh thread encodes."""
    encoding = Encoding(subject, prepare, subject.size.seconds)
    encoding.start()
    window.watch(encoding.warm.is_set, move=move)
    encoding.begin()
    load.paces.append(window.watch(lambda: not encoding.is_alive(), move=move))
    encoding.join()
    if encoding.failure is not None:
        raise encoding.failure
    load.each_s += encoding.each_s


def _rate(
    subject: Subject, name: str, meaning: str, load: _Load, target: float | None = None
) -> Reading:
    rates = [pace.rate for pace in load.paces]
    return Reading(
        "frames",
        subject.name,
        name,
        meaning,
        median(rates),
        "frames/s",
        target,
        note=f"the worst round {min(rates):.1f}",
        details=load.as_json(),
    )


def _seconds(subject: Subject, name: str, meaning: str, load: _Load, still: _Load) -> Reading:
    value = median(load.each_s)
    ratio = value / median(still.each_s)
    return Reading(
        "frames",
        subject.name,
        name,
        meaning,
        value,
        "s",
        note="" if load is still else f"{ratio:.2f} times as long",
        details={"all_s": [round(seconds, 4) for seconds in load.each_s]},
    )

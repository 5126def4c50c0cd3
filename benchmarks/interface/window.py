"""A real napari window that is panned and zoomed without pause, and counts what it draws."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, sin
from typing import Any

import numpy as np

from benchmarks.interface.subjects import Size
from benchmarks.workload import photo

_MOVE_MS = 16
"""A person's mouse moves about this often."""

_BEAT_MS = 4
"""Distance of the timer's beats, and the shortest gap that can be seen."""

_SETTLE_S = 1.0


@dataclass(frozen=True)
class Pace:
    """How the window kept up for a while.

    Attributes
    ----------
    seconds : float
        How long it was watched.
    frames : int
        Frames drawn.
    longest_gap_s : float
        Longest time in which the event loop did not come round.
    longest_frame_s : float or None
        Longest time between two frames; None with fewer than two.
    """

    seconds: float
    frames: int
    longest_gap_s: float
    longest_frame_s: float | None

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "seconds": round(self.seconds, 3),
            "frames": self.frames,
            "frames_per_s": round(self.rate, 2),
            "longest_gap_ms": round(self.longest_gap_s * 1e3, 1),
            "longest_frame_ms": None
            if self.longest_frame_s is None
            else round(self.longest_frame_s * 1e3, 1),
        }


@dataclass
class Window:
    """A napari viewer with a picture and a labels layer over it.

    Attributes
    ----------
    viewer : napari.Viewer
        The viewer; its type is unknown to mypy.
    """

    viewer: Any
    _drawn: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Count the frames from now on."""
        # napari has no public signal for a drawn frame.
        self._canvas = self.viewer.window._qt_viewer.canvas._scene_canvas
        self._canvas.events.draw.connect(self._on_draw)
        camera = self.viewer.scene.camera
        self._centre, self._zoom = tuple(camera.center), float(camera.zoom)

    def _on_draw(self, event: object = None) -> None:
        self._drawn.append(time.perf_counter())

    @property
    def renderer(self) -> str:
        """Who draws: the graphics card's or the software's name."""
        from vispy.gloo import gl

        self._canvas.set_current()
        # GL_RENDERER; vispy leaves it out of its constants.
        return str(gl.glGetParameter(0x1F01))

    @property
    def canvas_size(self) -> tuple[int, int]:
        """Width and height of the drawing in the screen's pixels."""
        width, height = self._canvas.physical_size
        return int(width), int(height)

    def settle(self) -> None:
        """Let the window appear and draw for the first time."""
        self.watch(after(_SETTLE_S), move=True)

    def watch(self, over: Callable[[], bool], *, move: bool = True) -> Pace:
        """Run the event loop until ``over`` says so, and count.

        Parameters
        ----------
        over : callable
            Asked at every beat of the timer.
        move : bool
            Whether to pan and zoom all the time.
        """
        from qtpy.QtCore import QEventLoop, Qt, QTimer

        loop = QEventLoop()
        beats: list[float] = []
        steps = 0

        def beat() -> None:
            beats.append(time.perf_counter())
            if over():
                loop.quit()

        def step() -> None:
            nonlocal steps
            steps += 1
            self._move(steps / 30)

        timers = []
        for interval, act in ((_BEAT_MS, beat), (_MOVE_MS, step)):
            if act is beat or move:
                timer = QTimer()
                timer.setTimerType(Qt.TimerType.PreciseTimer)
                timer.timeout.connect(act)
                timer.start(interval)
                timers.append(timer)
        self._drawn.clear()
        start = time.perf_counter()
        loop.exec()
        end = time.perf_counter()
        for timer in timers:
            timer.stop()
        frames = [moment for moment in self._drawn if moment <= end]
        return Pace(
            seconds=end - start,
            frames=len(frames),
            longest_gap_s=max(b - a for a, b in pairwise([start, *beats, end])),
            longest_frame_s=max((b - a for a, b in pairwise(frames)), default=None),
        )

    def _move(self, phase: float) -> None:
        """Look at another place in another size; comes back, so that every stretch is alike."""
        camera = self.viewer.scene.camera
        *before, y, x = self._centre
        camera.center = (*before, y + 60 * sin(phase), x + 60 * cos(1.3 * phase))
        camera.zoom = self._zoom * (1.3 + 0.3 * sin(0.7 * phase))


def after(seconds: float) -> Callable[[], bool]:
    """Return what says whether ``seconds`` have passed from now."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


def has_screen() -> bool:
    """Say whether a window can be drawn here: Qt ends the process where it cannot."""
    if os.environ.get("QT_QPA_PLATFORM", "") in {"offscreen", "minimal"}:
        return False
    if sys.platform != "linux":
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@contextmanager
def open_window(size: Size) -> Iterator[Window]:
    """Open a viewer with a photo and a chequered labels layer of as many classes; close it after.

    napari's own settings are neither read nor written.
    """
    os.environ.setdefault("NAPARI_CONFIG", "")
    import napari

    picture = photo(*size.picture)
    rows, columns = (np.arange(side) // max(1, side // 16) for side in size.picture)
    labels = (1 + np.add.outer(rows, columns) % size.classes).astype(np.uint16)
    viewer = napari.Viewer()
    try:
        viewer.window.resize(*size.window)
        viewer.add_image(picture, rgb=True)
        viewer.add_labels(labels, opacity=0.5)
        window = Window(viewer)
        window.settle()
        yield window
    finally:
        viewer.close()

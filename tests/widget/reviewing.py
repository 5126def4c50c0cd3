"""A person who reviews a batch: clicks, paints, waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot  # type: ignore[import-untyped, unused-ignore]
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QApplication

from napari_itaclip._widget.review.dock import ReviewDock
from napari_itaclip._widget.review.review_layers import ReviewLayers
from napari_itaclip.session.review_session import ReviewSession
from tests.widget.brush import drag


class Reviewer:
    """Drives one review dock the way a person does."""

    def __init__(self, qtbot: QtBot, viewer: Any = None, **options: Any) -> None:
        self.qtbot = qtbot
        self.viewer = ViewerModel() if viewer is None else viewer
        self.dock = ReviewDock(self.viewer, **options)
        # A person paints for longer than that; a test need not wait.
        self.dock._autosave_timer.setInterval(20)
        if viewer is None:
            qtbot.addWidget(self.dock)

    @property
    def session(self) -> ReviewSession:
        assert self.dock.session is not None
        return self.dock.session

    @property
    def layers(self) -> ReviewLayers:
        assert self.dock.layers is not None
        return self.dock.layers

    @property
    def labels(self) -> NDArray[Any]:
        """A copy of the labels that are shown."""
        self.settle()
        return np.array(self.layers.layer.data)

    @property
    def image(self) -> str | None:
        """The name of the image that is looked at."""
        entry = self.session.queue.current
        return None if entry is None else entry.name

    @property
    def message(self) -> str:
        return self.dock.status_line.message or ""

    @property
    def progress(self) -> str:
        return self.session.queue.progress.text

    def open(self, path: Path, **options: Any) -> None:
        """Open a batch, and wait for its first image."""
        self.dock.open_batch(path, **options)
        self.settle()

    def settle(self) -> None:
        """Wait until the image is read, and what was decided is saved."""
        self.qtbot.waitUntil(lambda: not self.session.loading, timeout=10_000)
        self.qtbot.waitUntil(lambda: not self.session.saving, timeout=10_000)
        # What the threads said last is still on its way.
        QApplication.processEvents()

    def press(self, name: str, *, settle: bool = True) -> None:
        """Click a button by its object name, and wait for what comes of it."""
        [button] = self.dock.findChildren(QAbstractButton, f"{name}_button")
        assert button.isEnabled(), button.toolTip()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        if settle:
            self.settle()

    def paint(self, *positions: tuple[float, float], label: int = 3, size: int = 5) -> None:
        drag(self.layers.layer, *positions, label=label, size=size)

    def wait_for_autosave(self, name: str) -> Path:
        """Wait until corrections of an image lie on the disk."""
        path = self.session.state.path("autosave", name, ".png")
        self.qtbot.waitUntil(path.exists, timeout=10_000)
        return path

    def wait_for_exports(self) -> None:
        self.qtbot.waitUntil(lambda: not self.session.exports.busy, timeout=20_000)

    def crash(self) -> None:
        """End without any of what a proper end does; the lock goes with a process."""
        session = self.session
        session._saver.close()
        session.corrections.close()
        session._resources.close()
        self.dock.session = None
        self.dock._autosave_timer.stop()
        self.dock._count_timer.stop()

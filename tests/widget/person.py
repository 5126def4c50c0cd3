"""A person in front of the dock: types, clicks, paints, waits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot  # type: ignore[import-untyped, unused-ignore]
from qtpy.QtCore import Qt

from napari_itaclip._widget.dock import SegmentDock
from tests.quick import QUICK
from tests.widget.brush import drag


class Person:
    """Drives one dock the way a person does."""

    def __init__(self, viewer: Any, qtbot: QtBot) -> None:
        self.viewer = viewer
        self.qtbot = qtbot
        self.dock = SegmentDock(viewer, settings=QUICK)
        viewer.window.add_dock_widget(self.dock, name="ITACLIP")

    def type_classes(self, text: str) -> None:
        """Type into the line below the table and press Enter."""
        line = self.dock.vocabulary_view.add_line
        self.qtbot.keyClicks(line, text)
        self.qtbot.keyClick(line, Qt.Key.Key_Return)

    def press_segment(self) -> None:
        button = self.dock.run_bar.run_button
        assert button.isEnabled(), button.toolTip()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def press_cancel(self) -> None:
        self.qtbot.mouseClick(self.dock.run_bar.cancel_button, Qt.MouseButton.LeftButton)

    def wait(self) -> None:
        """Wait until nothing runs and everything has arrived."""
        self.qtbot.waitUntil(lambda: not self.dock.session.busy, timeout=60_000)
        self.qtbot.wait(20)

    def segment(self) -> None:
        """Press Segment and wait for the end."""
        self.press_segment()
        self.wait()

    @property
    def layer(self) -> Any:
        """The labels layer of the image that is worked on."""
        entry = self.dock.controller.entry
        assert entry is not None
        assert entry.labels.layer is not None
        return entry.labels.layer

    @property
    def labels(self) -> NDArray[np.integer[Any]]:
        """A copy of its labels."""
        return np.array(self.layer.data)

    def class_id(self, name: str) -> int:
        vocabulary = self.dock.editor.vocabulary
        assert vocabulary is not None
        number = vocabulary[name].id
        assert number is not None
        return number

    def paint(self, *positions: tuple[float, ...], label: int, size: int = 9) -> None:
        drag(self.layer, *positions, label=label, size=size)
        self.qtbot.wait(5)

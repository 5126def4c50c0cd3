"""The dock's short help: how to work, and the keys."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_itaclip._widget.panels.shortcuts import ACTIONS, keys_text
from napari_itaclip._widget.parts.text import WrappedLabel

STEPS: tuple[str, ...] = (
    "1. Choose an image and type what is in it: “building, road” adds two classes, "
    "“road, street;” one class with a synonym.",
    "2. Press Segment. The first labels are coarse and sharpen while it goes on.",
    "3. Change words, weights or biases: the labels follow at once.",
    "4. Correct with the brush of the labels layer. What you painted is kept by every later run.",
    "5. Export writes the files of other tools. Batch labels a whole folder.",
)
"""How to work, in the order of the dock."""

_KEYS_NOTE = (
    "A letter alone works after a click on the image; the other keys work in the dock as well."
)


class HelpPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """How to work with the dock, and its keys."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("help_panel")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        for step in STEPS:
            layout.addWidget(WrappedLabel(step))
        layout.addLayout(self._keys())
        layout.addWidget(WrappedLabel(_KEYS_NOTE))

    def _keys(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(0, 4, 0, 4)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        for row, item in enumerate(ACTIONS):
            title = WrappedLabel(item.title)
            title.setToolTip(item.why)
            keys = QLabel(keys_text(item.id))
            keys.setObjectName(f"keys_{item.id}")
            keys.setToolTip(item.why)
            keys.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            grid.addWidget(title, row, 0)
            grid.addWidget(keys, row, 1)
        return grid

"""The classes to paint with."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QWidget

from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR

_MOST_ROWS = 9
_ROW_HEIGHT = 20
_SWATCH = 12
_SCALE = 2

_KEY_TIP = (
    "Key: {digit}, while the labels layer is selected. napari's own tools keep their letters: "
    "P paints, F fills, E erases, L picks, Z moves."
)


class ClassList(QListWidget):  # type: ignore[misc, unused-ignore]
    """All classes with their colours; the selected one is painted with.

    The first nine have the keys 1 to 9. What no class has, 0, can be painted as "unlabelled".
    """

    class_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("class_list")
        self.setAccessibleName("Classes to paint with")
        self.setIconSize(QSize(_SWATCH, _SWATCH))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setUniformItemSizes(True)
        self._ids: list[int] = []
        self.currentRowChanged.connect(self._on_row)

    def set_classes(self, vocabulary: Vocabulary) -> None:
        """Show other classes; the first one that is no background is selected."""
        self.blockSignals(True)
        self.clear()
        rows = [
            (prompt.id or 0, prompt.name, prompt.color or BACKGROUND_COLOR) for prompt in vocabulary
        ]
        if all(number != 0 for number, _, _ in rows):
            rows.append((0, "unlabelled", ""))
        self._ids = [number for number, _, _ in rows]
        for place, (_, name, color) in enumerate(rows, 1):
            digit = str(place) if place <= 9 else " "
            item = QListWidgetItem(_swatch(color), f"{digit}  {name}")
            tip = _KEY_TIP.format(digit=place) if place <= 9 else "Click to paint with it."
            item.setToolTip(f"{name}\n\n{tip}")
            item.setSizeHint(QSize(0, _ROW_HEIGHT))
            self.addItem(item)
        first = next((at for at, prompt in enumerate(vocabulary) if not prompt.background), 0)
        self.setCurrentRow(first)
        self.blockSignals(False)
        self._fit_height()
        self._on_row(first)

    def select(self, class_id: int) -> None:
        """Select a class without a signal; a number that no class has selects none."""
        self.blockSignals(True)
        row = self._ids.index(class_id) if class_id in self._ids else -1
        self.setCurrentRow(row)
        self.blockSignals(False)
        if row >= 0:
            self.scrollToItem(self.item(row))

    def press_digit(self, digit: int) -> None:
        """Choose the class that has a key, 1 to 9."""
        if 1 <= digit <= len(self._ids):
            self.setCurrentRow(digit - 1)

    def keyboardSearch(self, search: str) -> None:  # noqa: N802
        """Leave letters to the dock's keys."""

    def _on_row(self, row: int) -> None:
        if 0 <= row < len(self._ids):
            self.class_chosen.emit(self._ids[row])

    def _fit_height(self) -> None:
        rows = min(_MOST_ROWS, self.count())
        height = rows * _ROW_HEIGHT + 2 * self.frameWidth() + 4
        self.setMinimumHeight(min(height, 4 * _ROW_HEIGHT))
        self.setMaximumHeight(height)


def _swatch(color: str) -> QIcon:
    """Return a square of a colour; an empty one for "unlabelled"."""
    pixmap = QPixmap(_SWATCH * _SCALE, _SWATCH * _SCALE)
    pixmap.fill(QColor(color) if color else Qt.GlobalColor.transparent)
    pixmap.setDevicePixelRatio(_SCALE)
    icon = QIcon(pixmap)
    # Qt would tint the selected row's: it is the one whose colour matters most.
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon

"""How alike the classes' words are to the model: a small square of shades."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

_HEIGHT = 180
"""Height in pixels: forty classes still get four pixels each."""


class SimilarityMatrix(QWidget):  # type: ignore[misc, unused-ignore]
    """One square for each pair of classes, the stronger the more alike; the tooltip names both.

    Drawn in one piece: forty classes are 1600 squares.
    """

    chosen = Signal(str)
    """Name of the class in the row that was clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("similarity_matrix")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._names: tuple[str, ...] = ()
        self._values: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self.set_similarity((), self._values)

    def set_similarity(self, names: Sequence[str], values: NDArray[np.float32]) -> None:
        """Show the similarity (C, C) of classes; without names nothing is shown."""
        self._names, self._values = tuple(names), values
        others = values[~np.eye(len(values), dtype=bool)]
        # What differs is spread over all shades: cosines of words lie close together.
        self._low = float(others.min()) if others.size else 0.0
        self._high = float(others.max()) if others.size else 1.0
        count = len(self._names)
        self.setAccessibleName(f"Similarity of the words of {count} classes")
        self.setAccessibleDescription(self._closest())
        self.setVisible(count > 1)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a fixed height and any width."""
        return QSize(_HEIGHT, _HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return a fixed height and any width."""
        return QSize(80, _HEIGHT)

    def pair_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return row and column of the square at a place; None beside them."""
        side = self._side()
        if not side or not (0 <= x < side and 0 <= y < side):
            return None
        count = len(self._names)
        return int(y * count / side), int(x * count / side)

    def event(self, event: QEvent) -> bool:
        """Name the pair under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            pair = self.pair_at(event.pos().x(), event.pos().y())
            text = "" if pair is None else self.describe(*pair)
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return bool(super().event(event))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Choose the class in the row."""
        if event is None:
            return
        place: QPoint = event.position().toPoint()
        pair = self.pair_at(place.x(), place.y())
        if pair is not None:
            self.chosen.emit(self._names[pair[0]])

    def describe(self, row: int, column: int) -> str:
        """Return the pair and its similarity as text."""
        if row == column:
            return self._names[row]
        value = float(self._values[row, column])
        pair = f"“{self._names[row]}” and “{self._names[column]}”"
        return f"{pair}: {value:.2f}\nA click selects the first."

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the squares in shades of the palette's highlight."""
        side, count = self._side(), len(self._names)
        if not side:
            return
        painter = QPainter(self)
        ground = self.palette().color(QPalette.ColorRole.Base)
        strong = self.palette().color(QPalette.ColorRole.WindowText)
        painter.fillRect(QRectF(0, 0, side, side), ground)
        step = side / count
        for row in range(count):
            for column in range(count):
                shade = self._shade(row, column)
                if shade > 0:
                    color = QColor(strong)
                    color.setAlphaF(shade)
                    painter.fillRect(QRectF(column * step, row * step, step, step), color)
        frame = QColor(strong)
        frame.setAlphaF(0.4)
        painter.setPen(QPen(frame, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(0.5, 0.5, side - 1, side - 1))
        painter.end()

    def _shade(self, row: int, column: int) -> float:
        if row == column:
            return 0.12  # a class is like itself: no news
        span = max(self._high - self._low, 1e-6)
        return float(np.clip((self._values[row, column] - self._low) / span, 0, 1)) ** 2

    def _side(self) -> float:
        return float(min(self.width(), self.height())) if len(self._names) > 1 else 0.0

    def _closest(self) -> str:
        if len(self._names) < 2:
            return ""
        apart = np.where(np.eye(len(self._names), dtype=bool), -np.inf, self._values)
        row, column = np.unravel_index(int(apart.argmax()), apart.shape)
        return f"Most alike: {self._names[row]} and {self._names[column]}"

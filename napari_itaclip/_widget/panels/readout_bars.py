"""The classes under the cursor, as a few bars of fixed height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from qtpy.QtCore import QEvent, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

ROWS = 5
"""How many classes are shown."""

ReadoutRow: TypeAlias = tuple[str, str, float]
"""Name, colour such as ``"#ff0000"``, value 0 to 1."""

_HINT = "Move the cursor over the image."
_BAR_SHARE = 0.34
_ROW_SPACE = 4


def percent(value: float) -> str:
    """Return a value 0 to 1 as text: "82 %", "<1 %", or a dash if it is not a number."""
    if math.isnan(value):
        return "\N{EN DASH}"
    if 0 < value < 0.005:
        return "<1 %"
    return f"{value:.0%}".replace("%", " %")


class ReadoutBars(QWidget):  # type: ignore[misc, unused-ignore]
    """Name, bar and value of up to five classes; as high with none as with five.

    Drawn by hand: it changes twenty times a second, and a row of widgets for each class would be
    laid out anew each time.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("readout_bars")
        self.setAccessibleName("Most likely classes under the cursor")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._rows: tuple[ReadoutRow, ...] = ()
        self._hint = _HINT

    @property
    def rows(self) -> tuple[ReadoutRow, ...]:
        """What is shown."""
        return self._rows

    def set_rows(self, rows: Sequence[ReadoutRow]) -> None:
        """Show these classes, best first; what is beyond the fifth is left out."""
        shown = tuple(rows[:ROWS])
        if shown == self._rows:
            return
        self._rows = shown
        self.setAccessibleDescription(
            ", ".join(f"{name} {percent(value)}" for name, _, value in shown)
        )
        self.update()

    def set_hint(self, hint: str | None) -> None:
        """Say what is shown while there are no classes; None for the usual hint."""
        self._hint = hint or _HINT
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """As high as five rows."""
        return QSize(240, ROWS * self._row_height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Narrower than any dock."""
        return QSize(160, ROWS * self._row_height())

    def event(self, event: QEvent | None) -> bool:
        """Show the whole name of the class that the pointer is on."""
        if isinstance(event, QHelpEvent):
            at = event.pos().y() // self._row_height()
            if 0 <= at < len(self._rows):
                name, _, value = self._rows[at]
                QToolTip.showText(event.globalPos(), f"{name}: {percent(value)}", self)
                return True
        return bool(super().event(event))

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the rows, or the hint."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        group = QPalette.ColorGroup.Active if self.isEnabled() else QPalette.ColorGroup.Disabled
        text = self.palette().color(group, QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlphaF(0.6 * text.alphaF())
        if not self._rows:
            painter.setPen(faint)
            box = QRectF(0, 0, self.width(), self._row_height())
            hint = self.fontMetrics().elidedText(
                self._hint, Qt.TextElideMode.ElideRight, self.width()
            )
            painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter), hint)
        for at, row in enumerate(self._rows):
            self._paint_row(painter, at * self._row_height(), row, text)
        painter.end()

    def _paint_row(self, painter: QPainter, top: int, row: ReadoutRow, text: QColor) -> None:
        name, _, value = row
        height = self._row_height()
        metrics = self.fontMetrics()
        number_width = metrics.horizontalAdvance("100 %") + 2
        bar_width = self.width() * _BAR_SHARE
        bar_left = self.width() - number_width - 6 - bar_width
        name_width = int(bar_left - 8)
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        painter.setPen(text)
        painter.drawText(
            QRectF(0, top, name_width, height),
            middle,
            metrics.elidedText(name, Qt.TextElideMode.ElideRight, name_width),
        )
        painter.drawText(
            QRectF(self.width() - number_width, top, number_width, height),
            middle | int(Qt.AlignmentFlag.AlignRight),
            percent(value),
        )
        self._paint_bar(painter, QRectF(bar_left, top + 4, bar_width, height - 8), row, text)

    def _paint_bar(self, painter: QPainter, box: QRectF, row: ReadoutRow, text: QColor) -> None:
        _, color, value = row
        track, edge = QColor(text), QColor(text)
        track.setAlphaF(0.12)
        edge.setAlphaF(0.45)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(track)
        painter.drawRoundedRect(box, 2, 2)
        share = min(1.0, max(0.0, value)) if not math.isnan(value) else 0.0
        if share * box.width() >= 1:
            # An edge in the text's colour: a class may have the colour of the dock.
            painter.setPen(QPen(edge, 1))
            painter.setBrush(QColor(color))
            filled = QRectF(box.left(), box.top(), box.width() * share, box.height())
            painter.drawRoundedRect(filled.adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)

    def _row_height(self) -> int:
        return int(self.fontMetrics().height()) + _ROW_SPACE

"""Text that fits: labels that shorten what does not."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QFont, QFontMetrics, QResizeEvent, QTextLayout, QTextOption
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget


def wrap_text(text: str, font: QFont, width: int, max_lines: int) -> list[str]:
    """Break ``text`` into lines; the last one ends with "…" where there is more.

    Parameters
    ----------
    text : str
        The text; its own line breaks are kept.
    font : QFont
        What it is drawn with.
    width : int
        Of a line, in pixels. A word that is longer (a path) is broken anywhere.
    max_lines : int
        How many lines there may be.

    Returns
    -------
    list of str
        The lines.
    """
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        lines += _wrap_paragraph(paragraph, font, width)
    if len(lines) <= max_lines:
        return lines
    rest = " ".join(lines[max_lines - 1 :])
    last = QFontMetrics(font).elidedText(rest, Qt.TextElideMode.ElideRight, width)
    return [*lines[: max_lines - 1], last]


def _wrap_paragraph(text: str, font: QFont, width: int) -> list[str]:
    layout = QTextLayout(text, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    lines = []
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(width)
        start = line.textStart()
        lines.append(text[start : start + line.textLength()].rstrip())
    layout.endLayout()
    return lines or [""]


class WrappedLabel(QLabel):  # type: ignore[misc, unused-ignore]
    """A label that takes the width it gets and wraps within it, also words without a space.

    Parameters
    ----------
    text : str
        What it says.
    max_lines : int
        What is longer ends with "…"; the tooltip then holds all of it.
    """

    def __init__(
        self, text: str = "", *, max_lines: int = 20, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._full = ""
        self._hint = ""
        self._max_lines = max_lines
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def full_text(self) -> str:
        """Return the text without any shortening."""
        return self._full

    def setText(self, text: str) -> None:  # noqa: N802
        """Say something else."""
        self._full = text
        self.setAccessibleName(text)
        self._wrap()

    def setToolTip(self, text: str) -> None:  # noqa: N802
        """Set the tooltip; where the text is cut off, all of it comes before that."""
        self._hint = text
        self._wrap()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Wrap to the new width."""
        super().resizeEvent(event)
        self._wrap()

    def _wrap(self) -> None:
        # Styled labels are indented by the width of an "x"; see the documentation of QLabel.indent.
        indent = self.fontMetrics().horizontalAdvance("x")
        width = self.contentsRect().width() - indent - 2
        lines = wrap_text(self._full, self.font(), max(20, width), self._max_lines)
        shown = "\n".join(lines)
        if shown != super().text():
            super().setText(shown)
        cut = bool(lines) and lines[-1].endswith("…") and not self._full.endswith("…")
        parts = (self._full if cut else "", self._hint)
        super().setToolTip("\n\n".join(part for part in parts if part))

"""The words of a class as chips: click to edit, × to remove, and a place to type more."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPaintEvent, QPalette, QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget
from superqt import QFlowLayout

from napari_itaclip._widget.vocabulary.word_line import WordLine

FLAT_BUTTON = "QToolButton { background: transparent; border: none; padding: 1px; }"
"""A button without a ground of its own, on a chip or in a row."""

_LINE_WIDTH = 96


class WordChips(QWidget):  # type: ignore[misc, unused-ignore]
    """Words in a row that wraps; the first one is the class's name and cannot be removed."""

    edited = Signal(int, str)
    """Position of a word and what it is to be."""

    removed = Signal(int)
    """Position of a word."""

    added = Signal(str)
    """Words to add, separated by commas."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("class_words")
        self.setAccessibleName("words")
        self._words: tuple[str, ...] = ()
        self._flow = QFlowLayout(self)
        self._flow.setContentsMargins(0, 0, 0, 0)
        self._flow.setHorizontalSpacing(4)
        self._flow.setVerticalSpacing(4)
        self._editing: WordLine | None = None
        self.line = WordLine("+ synonym", parent=self)
        self.line.setObjectName("class_add_word")
        self.line.setAccessibleName("add a synonym")
        self.line.setToolTip(
            "Type another word for the same class and press Enter.\nCommas separate several."
        )
        self.line.setFixedWidth(_LINE_WIDTH)
        self.line.committed.connect(self.added)
        self._flow.addWidget(self.line)

    def set_words(self, words: Sequence[str]) -> None:
        """Show words, the name first."""
        if self._words == tuple(words):
            return  # what is being typed stays
        self._words = tuple(words)
        self._rebuild(None)

    def edit(self, position: int) -> None:
        """Open a word for typing."""
        self._rebuild(position)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Wrap anew."""
        super().resizeEvent(event)
        self._fit()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a narrow width: chips wrap and shorten."""
        return QSize(160, self.minimumHeight())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return room for the line that is typed in."""
        return QSize(_LINE_WIDTH, self.minimumHeight())

    def _rebuild(self, editing: int | None) -> None:
        self._editing = None
        had_focus = self.line.hasFocus()
        while self._flow.count():
            item = self._flow.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None and widget is not self.line:
                if isinstance(widget, WordLine):
                    widget.finish()
                widget.hide()
                widget.deleteLater()
        for position, word in enumerate(self._words):
            if position == editing:
                self._editing = self._word_line(position, word)
                self._flow.addWidget(self._editing)
            else:
                self._flow.addWidget(self._chip(position, word))
        self._flow.addWidget(self.line)
        self._fit()
        if self._editing is not None:
            self._editing.setFocus()
            self._editing.selectAll()
        elif had_focus:
            self.line.setFocus()

    def _chip(self, position: int, word: str) -> Chip:
        chip = Chip(word, is_name=position == 0, parent=self)
        chip.clicked.connect(lambda: self.edit(position))
        chip.removed.connect(lambda: self.removed.emit(position))
        chip.show()
        return chip

    def _word_line(self, position: int, word: str) -> WordLine:
        line = WordLine(parent=self)
        line.setObjectName("class_word_editor")
        line.setAccessibleName("class name" if position == 0 else "synonym")
        line.setToolTip("Enter keeps the change, Esc leaves the word as it was")
        line.setText(word)
        line.setFixedWidth(max(_LINE_WIDTH, min(line.sizeHint().width(), self.width())))
        line.committed.connect(lambda text: self._commit(position, text))
        line.cancelled.connect(lambda: self._rebuild(None))
        line.show()
        return line

    def _commit(self, position: int, text: str) -> None:
        self._rebuild(None)
        if text.strip() != self._words[position]:
            self.edited.emit(position, text)

    def _fit(self) -> None:
        """Shorten what is wider than the row, and take the height that the rows need."""
        for chip in self.findChildren(Chip):
            chip.set_room(self.width())
        self._flow.invalidate()
        self._flow.activate()
        self.setFixedHeight(max(self._flow.heightForWidth(self.width()), 1))


class Chip(QWidget):  # type: ignore[misc, unused-ignore]
    """One word on a rounded ground."""

    clicked = Signal()
    removed = Signal()

    def __init__(self, word: str, *, is_name: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("word_chip")
        self._word = word
        self._button = _flat_button(word, f"{word}\nClick to edit")
        self._button.setAccessibleName(f"edit {word}")
        self._button.clicked.connect(self.clicked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 1, 6 if is_name else 2, 1)
        layout.setSpacing(0)
        layout.addWidget(self._button)
        self._fixed = 16
        if is_name:
            font = self._button.font()
            font.setBold(True)
            self._button.setFont(font)
            self._button.setToolTip(f"{word}\nThe class's name. Click to edit")
        else:
            cross = _flat_button("×", f"Remove {word!r}")
            cross.setAccessibleName(f"remove {word}")
            cross.clicked.connect(self.removed)
            layout.addWidget(cross)
            self._fixed += cross.sizeHint().width()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_room(self, width: int) -> None:
        """Shorten the word to what fits."""
        self._button.ensurePolished()
        metrics = self._button.fontMetrics()
        room = max(width - self._fixed - 12, 24)
        short = metrics.elidedText(self._word, Qt.TextElideMode.ElideRight, room)
        self._button.setText(escaped(short))
        self.setMaximumWidth(max(width, 40))
        self.updateGeometry()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw the ground: the text's colour, thinned."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = self.palette().color(QPalette.ColorRole.WindowText)
        color.setAlpha(38)
        painter.setBrush(color)
        painter.setPen(Qt.PenStyle.NoPen)
        radius = min(self.height() / 2, 10.0)
        painter.drawRoundedRect(QRectF(self.rect()), radius, radius)
        painter.end()


def _flat_button(text: str, tooltip: str) -> QToolButton:
    button = QToolButton()
    button.setText(escaped(text))
    button.setToolTip(tooltip)
    button.setAutoRaise(True)
    button.setStyleSheet(FLAT_BUTTON)
    return button


def escaped(text: str) -> str:
    """Return text for a button, where an ampersand would mark the key that presses it."""
    return text.replace("&", "&&")

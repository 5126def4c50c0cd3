"""The texts that are mixed into a class's words, each with an on/off switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_itaclip._widget.vocabulary.word_chips import FLAT_BUTTON
from napari_itaclip._widget.vocabulary.word_line import WordLine
from napari_itaclip.errors import ItaclipError
from napari_itaclip.vocabulary.prompts import AuxiliaryText


class AuxiliaryTexts(QWidget):  # type: ignore[misc, unused-ignore]
    """A row for each text, and a line to type another."""

    changed = Signal(object)
    """All the texts, a tuple of `AuxiliaryText`."""

    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("class_texts")
        self.setAccessibleName("auxiliary texts")
        self._texts: tuple[AuxiliaryText, ...] = ()
        self._rows: list[QWidget] = []
        self._editing = False
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self.line = WordLine("+ definition", parent=self)
        self.line.setObjectName("class_add_text")
        self.line.setAccessibleName("add a definition")
        self.line.setToolTip(
            "Type what the class looks like and press Enter, for example:\n"
            "a tall tree with a crown of large leaves"
        )
        self.line.committed.connect(self._add)
        self._layout.addWidget(self.line)

    def set_texts(self, texts: Sequence[AuxiliaryText]) -> None:
        """Show texts."""
        if self._texts == tuple(texts):
            return  # what is being typed stays
        self._texts = tuple(texts)
        self._rebuild(None)

    def discard_typed(self) -> None:
        """Forget what was typed and not handed over."""
        self.line.clear()
        if self._editing:
            self._rebuild(None)

    def edit(self, position: int) -> None:
        """Open a text for typing."""
        self._rebuild(position)

    def _rebuild(self, editing: int | None) -> None:
        self._editing = editing is not None
        for row in self._rows:
            if isinstance(row, WordLine):
                row.finish()
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._rows = [
            self._text_line(position, text) if position == editing else self._row(position, text)
            for position, text in enumerate(self._texts)
        ]
        for position, row in enumerate(self._rows):
            self._layout.insertWidget(position, row)
        if editing is not None:
            self._rows[editing].setFocus()
        self.updateGeometry()

    def _row(self, position: int, text: AuxiliaryText) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        switch = QCheckBox()
        switch.setObjectName(f"class_text_{position}")
        switch.setChecked(text.enabled)
        switch.setAccessibleName(f"use: {text.text}")
        switch.setToolTip("Whether this text is mixed into the class's words")
        switch.toggled.connect(lambda on: self._replace(position, replace(text, enabled=on)))
        label = _ClickableText(text)
        label.clicked.connect(lambda: self.edit(position))
        cross = QToolButton()
        cross.setText("×")
        cross.setAutoRaise(True)
        cross.setStyleSheet(FLAT_BUTTON)
        cross.setToolTip("Delete this text")
        cross.setAccessibleName(f"delete: {text.text}")
        cross.clicked.connect(lambda: self._delete(position))
        layout.addWidget(switch)
        layout.addWidget(label, 1)
        layout.addWidget(cross)
        return row

    def _text_line(self, position: int, text: AuxiliaryText) -> WordLine:
        line = WordLine()
        line.setObjectName("class_text_editor")
        line.setAccessibleName("auxiliary text")
        line.setToolTip("Enter keeps the change, Esc leaves the text as it was")
        line.setText(text.text)
        line.committed.connect(lambda typed: self._commit(position, typed))
        line.cancelled.connect(lambda: self._rebuild(None))
        return line

    def _commit(self, position: int, typed: str) -> None:
        self._rebuild(None)
        try:
            text = replace(self._texts[position], text=typed)
        except ItaclipError as error:
            self.failed.emit(str(error))
            return
        if text != self._texts[position]:
            self._replace(position, text)

    def _add(self, typed: str) -> None:
        try:
            text = AuxiliaryText(typed)
        except ItaclipError as error:
            self.failed.emit(str(error))
            return
        self.line.clear()
        self.changed.emit((*self._texts, text))

    def _replace(self, position: int, text: AuxiliaryText) -> None:
        self.changed.emit((*self._texts[:position], text, *self._texts[position + 1 :]))

    def _delete(self, position: int) -> None:
        self.changed.emit((*self._texts[:position], *self._texts[position + 1 :]))


class _ClickableText(QElidingLabel):  # type: ignore[misc, unused-ignore]
    """The beginning of a text; all of it and where it comes from in the tooltip."""

    clicked = Signal()

    def __init__(self, text: AuxiliaryText) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text.text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setEnabled(text.enabled)
        self.setToolTip(origin(text))
        self.setCursor(Qt.CursorShape.IBeamCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Open the text for typing."""
        self.clicked.emit()


def origin(text: AuxiliaryText) -> str:
    """Return a text in full with its kind, source and licence."""
    lines = [text.text, "", text.kind]
    if text.source:
        lines[-1] += f" from {text.source}"
    if text.licence:
        lines[-1] += f" ({text.licence})"
    lines.append("Click to edit" if text.enabled else "Not used. Tick to mix it in")
    return "\n".join(lines)

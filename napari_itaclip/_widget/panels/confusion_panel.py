"""Which classes compete, in the image and by their words, and what may help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_itaclip._widget.competing import Competing
from napari_itaclip._widget.panels.similarity_matrix import SimilarityMatrix
from napari_itaclip._widget.panels.suggestion_card import exact
from napari_itaclip._widget.parts.form import make_row
from napari_itaclip._widget.parts.text import WrappedLabel

if TYPE_CHECKING:
    from napari_itaclip.segmentation.confusions import ClassPair

ROWS = 6
"""Pairs that are shown: the strongest ones are worth work, the others are not."""

_NOTHING_YET = "Press Segment first: then the classes can be compared."
_NONE = "No two classes compete for pixels here."
_MATRIX_TIP = (
    "How alike the classes' words are to the model, in the order of the table. The stronger a "
    "square, the more alike; hold the pointer over it to see which two."
)


class ConfusionPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What goes into the dock's section "Confusions"."""

    class_chosen = Signal(str)
    """Name of a class that is to be selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("confusion_panel")
        self.note = WrappedLabel(_NOTHING_YET)
        self.note.setObjectName("confusion_note")
        self._column = QVBoxLayout()
        self._column.setSpacing(4)
        self.rows: list[QWidget] = []
        self.matrix_heading = QLabel("Similarity of the words")
        self.matrix_heading.setObjectName("similarity_heading")
        self.matrix_heading.setIndent(0)
        self.matrix_heading.setToolTip(_MATRIX_TIP)
        self.matrix = SimilarityMatrix()
        self.matrix.chosen.connect(self.class_chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(self.note)
        layout.addLayout(self._column)
        layout.addWidget(self.matrix_heading)
        layout.addWidget(self.matrix)
        self.matrix_heading.hide()

    def set_pairs(self, pairs: Sequence[ClassPair] | None) -> None:
        """Show the strongest pairs; None before there is a result."""
        for row in self.rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [self._row(pair) for pair in (pairs or ())[:ROWS]]
        for row in self.rows:
            self._column.addWidget(row)
        self.note.setText(_NOTHING_YET if pairs is None else _NONE)
        self.note.setVisible(not pairs)

    def set_similarity(self, names: Sequence[str], values: object) -> None:
        """Show the similarity of the classes' words, an ndarray (C, C)."""
        self.matrix.set_similarity(names, values)  # type: ignore[arg-type]
        self.matrix_heading.setVisible(len(names) > 1)

    def _row(self, pair: ClassPair) -> QWidget:
        row = QWidget()
        row.setObjectName("confusion_row")
        share = QLabel(exact(pair.share))
        share.setToolTip(
            f"Pixels that could be either, weighted by how close the two are: {pair.pixels:,.0f}\n"
            f"Similarity of their words: {pair.similarity:.2f}"
        )
        names = make_row(
            [
                (self._name_button(pair.first), 1),
                QLabel("or"),
                (self._name_button(pair.second), 1),
                share,
            ]
        )
        hint = WrappedLabel(pair.hint, max_lines=4)
        hint.setObjectName("confusion_hint")
        layout = QVBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(names)
        if pair.hint:
            layout.addWidget(hint)
        return row

    def _name_button(self, name: str) -> QToolButton:
        button = _NameButton(name)
        button.clicked.connect(lambda: self.class_chosen.emit(name))
        return button


class _NameButton(QToolButton):  # type: ignore[misc, unused-ignore]
    """A class's name, shortened where it does not fit; a click selects the class."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("confusion_class")
        self.setAccessibleName(f"select {name}")
        self.setToolTip(f"Select “{name}” in the table, to sharpen its words.")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._name = name
        self.setText(name)

    def resizeEvent(self, event: object) -> None:  # noqa: N802
        """Shorten the name to the width."""
        super().resizeEvent(event)
        room = max(self.width() - 10, 10)
        short = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideRight, room)
        self.setText(short.replace("&", "&&"))


def connect_confusions(panel: ConfusionPanel, model: Competing, section: QCollapsible) -> None:
    """Wire the panel, what is behind it, and the section that it stands in.

    Parameters
    ----------
    panel : ConfusionPanel
        The view.
    model : Competing
        The decisions; the caller closes it.
    section : QCollapsible
        Open: it is kept up to date. Folded: nothing is computed.
    """
    panel.class_chosen.connect(model.select)
    model.pairs_changed.connect(panel.set_pairs)
    model.similarity_changed.connect(panel.set_similarity)
    section.toggled.connect(model.set_active)
    model.set_active(section.isExpanded())

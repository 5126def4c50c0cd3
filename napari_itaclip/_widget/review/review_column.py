"""The parts of the review's dock in one column."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_itaclip._widget.panels.status_line import StatusLine
from napari_itaclip._widget.parts.form import make_row
from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip._widget.review.class_list import ClassList
from napari_itaclip._widget.review.decision_bar import DecisionBar
from napari_itaclip._widget.review.exports_bar import ExportsBar
from napari_itaclip._widget.review.offer_bar import OfferBar
from napari_itaclip._widget.review.queue_list import QueueList
from napari_itaclip._widget.review.walk_bar import WalkBar

MINIMUM_WIDTH = 280
"""Of the dock, in pixels: everything can be read and reached at this width."""

_WELCOME = (
    "Look through the images that a batch has labelled, the least certain first: let labels stand, "
    "correct them with the brush, or put an image off. The exported files follow.\n\n"
    "Open the folder that “napari-itaclip batch” has exported to."
)


class ReviewColumn(QWidget):  # type: ignore[misc, unused-ignore]
    """The dock without its wires."""

    open_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("review_dock")
        self.setMinimumWidth(MINIMUM_WIDTH)
        self.offer_bar = OfferBar()
        self.walk_bar = WalkBar()
        self.decision_bar = DecisionBar()
        self.class_list = ClassList()
        self.queue_list = QueueList()
        self.exports_bar = ExportsBar()
        self.status_line = StatusLine()
        # Messages only: there is no model to tell of.
        self.status_line.status_label.hide()
        self._pages = QStackedWidget()
        self._pages.addWidget(self._make_welcome())
        self._pages.addWidget(self._make_review())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 4)
        layout.setSpacing(4)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self.status_line)

    def show_batch(self, title: str | None, tooltip: str = "") -> None:
        """Show the review of a batch, or with None that none is open."""
        self._pages.setCurrentIndex(0 if title is None else 1)
        self.batch_label.setText(title or "")
        self.batch_label.setToolTip(tooltip)

    def _make_welcome(self) -> QWidget:
        page = QWidget()
        self.open_button = QPushButton("Open a batch…")
        self.open_button.setObjectName("open_batch")
        self.open_button.setToolTip("Choose the folder of a batch.")
        self.open_button.clicked.connect(self.open_requested)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(WrappedLabel(_WELCOME))
        layout.addWidget(self.open_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)
        return page

    def _make_review(self) -> QWidget:
        page = QWidget()
        self.batch_label = QElidingLabel()
        self.batch_label.setObjectName("batch_name")
        self.batch_label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.other_button = QPushButton("Other…")
        self.other_button.setObjectName("open_other_batch")
        self.other_button.setToolTip("Review another batch; this one can be gone on with later.")
        self.other_button.clicked.connect(self.open_requested)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(make_row([(self.batch_label, 1), self.other_button]))
        layout.addWidget(self.walk_bar)
        layout.addWidget(self.offer_bar)
        layout.addWidget(self.decision_bar)
        layout.addWidget(_heading("Paint with"))
        layout.addWidget(self.class_list, 2)
        layout.addWidget(_heading("Queue"))
        layout.addWidget(self.queue_list, 3)
        layout.addWidget(self.exports_bar)
        return page


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label

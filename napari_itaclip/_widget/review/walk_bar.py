"""Which image is looked at, how far the review has come, and the ways to other images."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_itaclip._widget.panels.run_bar import TextProgressBar
from napari_itaclip._widget.parts.form import make_row
from napari_itaclip._widget.review.review_keys import with_key
from napari_itaclip.annotation.review_queue import Progress, QueueEntry

_BAR_HEIGHT = 22


class WalkBar(QWidget):  # type: ignore[misc, unused-ignore]
    """Progress, the image's name and place, and buttons for the neighbours."""

    previous_requested = Signal()
    next_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("walk_bar")
        self.progress_bar = TextProgressBar()
        self.progress_bar.setObjectName("review_progress")
        self.progress_bar.setFixedHeight(_BAR_HEIGHT)
        self.name_label = QElidingLabel()
        self.name_label.setObjectName("image_name")
        # The end of a path tells images apart.
        self.name_label.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.name_label.setTextFormat(Qt.TextFormat.PlainText)
        self.name_label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.place_label = QLabel()
        self.place_label.setObjectName("image_place")
        self.place_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.previous_button = _button("Previous", "The image before this one.")
        self.previous_button.clicked.connect(self.previous_requested)
        self.next_button = _button("Next", "The next image; nothing is decided about this one.")
        self.next_button.clicked.connect(self.next_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.name_label)
        layout.addWidget(
            make_row([(self.previous_button, 1), (self.place_label, 1), (self.next_button, 1)])
        )

    def show_progress(self, progress: Progress) -> None:
        """Show how much of the batch is reviewed."""
        share = progress.reviewed / progress.total if progress.total else 0.0
        self.progress_bar.show_progress(share, progress.text)

    def show_image(self, entry: QueueEntry | None, place: int | None, count: int) -> None:
        """Show which image it is, and the how manieth of how many to walk."""
        name = "No image is left to review." if entry is None else entry.name
        self.name_label.setText(name)
        self.name_label.setToolTip(name)
        self.name_label.setAccessibleName(name)
        self.place_label.setText("" if place is None else f"{place + 1} of {count}")
        self.place_label.setToolTip(
            "" if entry is None else f"Mean uncertainty of its labels: {entry.uncertainty:.2f}"
        )
        self.previous_button.setEnabled(bool(place))
        self.next_button.setEnabled(place is not None and place + 1 < count)


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(f"{text.lower()}_button")
    button.setToolTip(with_key(tooltip, text.lower()))
    return button

"""Corrections that a crash left behind, offered back."""

from __future__ import annotations

from datetime import datetime

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_itaclip._widget.parts.form import make_row
from napari_itaclip._widget.parts.text import WrappedLabel

_RESTORE_TIP = "Show them in the labels. Ctrl+Z takes them away again."
_DISCARD_TIP = "Delete them; the labels stay as they are."


class OfferBar(QFrame):  # type: ignore[misc, unused-ignore]
    """Asks what to do with unsaved corrections; nothing else has to wait for the answer."""

    restore_requested = Signal()
    discard_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offer_bar")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.label = WrappedLabel()
        self.label.setObjectName("offer_text")
        self.restore_button = _button("Restore", _RESTORE_TIP)
        self.restore_button.clicked.connect(self.restore_requested)
        self.discard_button = _button("Discard", _DISCARD_TIP)
        self.discard_button.clicked.connect(self.discard_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.label)
        layout.addWidget(make_row([(self.restore_button, 1), (self.discard_button, 1)]))
        self.hide()

    def offer(self, name: str, saved_at: datetime, *, fits: bool) -> None:
        """Show the question.

        Parameters
        ----------
        name : str
            Of the image.
        saved_at : datetime
            When the corrections were saved.
        fits : bool
            Whether the labels are still those that were corrected.
        """
        text = f"Unsaved corrections of {name} from {when(saved_at)} were found."
        if not fits:
            text += " The image has got other labels since; only what was edited comes back."
        self.label.setText(text)
        self.show()


def when(moment: datetime) -> str:
    """Return a moment as a person says it: "14:05", "21 November, 14:05"."""
    clock = f"{moment:%H:%M}"
    if moment.date() == datetime.now().astimezone().date():
        return clock
    year = "" if moment.year == datetime.now().astimezone().year else f" {moment.year}"
    return f"{moment.day} {moment:%B}{year}, {clock}"


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(f"offer_{text.lower()}")
    button.setToolTip(tooltip)
    return button

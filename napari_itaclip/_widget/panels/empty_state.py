"""What the dock says while there is nothing to segment, or no words to do it with."""

from __future__ import annotations

from enum import Enum

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_itaclip._widget.parts.text import WrappedLabel


class Missing(Enum):
    """What is needed next."""

    IMAGE = "image"
    WORDS = "words"
    NOTHING = "nothing"


_SENTENCES = {
    Missing.IMAGE: "Open an image, type the names of what is in it, and get labels.",
    Missing.WORDS: (
        "Type what is in the image, such as “building, road, tree”, then press Segment."
    ),
}


class EmptyState(QWidget):  # type: ignore[misc, unused-ignore]
    """One sentence on what to do next, and buttons that do it; hidden when nothing is missing."""

    demo_requested = Signal()
    open_requested = Signal()
    example_words_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("empty_state")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.sentence = WrappedLabel()
        self.sentence.setObjectName("empty_sentence")
        self.demo_button = _button(
            "demo_button",
            "Open the demo scene",
            "Open a drawn scene that ships with the plugin, together with words for it.",
        )
        self.open_button = _button(
            "open_button", "Open an image…", "Choose image files to open in napari."
        )
        self.words_button = _button(
            "example_words_button",
            "Try example words",
            "Fill the table with words that suit this image, or everyday things if unknown.",
        )
        self.demo_button.clicked.connect(self.demo_requested)
        self.open_button.clicked.connect(self.open_requested)
        self.words_button.clicked.connect(self.example_words_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        layout.addWidget(self.sentence)
        layout.setSpacing(4)
        for button in (self.demo_button, self.open_button, self.words_button):
            layout.addWidget(button)
        self.set_missing(Missing.IMAGE)

    def set_missing(self, missing: Missing) -> None:
        """Say what is needed next."""
        self.missing = missing
        self.sentence.setText(_SENTENCES.get(missing, ""))
        for button in (self.demo_button, self.open_button):
            button.setVisible(missing is Missing.IMAGE)
        self.words_button.setVisible(missing is Missing.WORDS)
        self.setVisible(missing is not Missing.NOTHING)


def _button(name: str, text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tooltip)
    button.setAccessibleName(text)
    return button

"""What a person says of an image, and how much of it was corrected."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_itaclip._widget.parts.form import make_row
from napari_itaclip._widget.parts.icons import set_icon
from napari_itaclip._widget.review.review_keys import with_key
from napari_itaclip.annotation.review_queue import QueueEntry

_ACCEPT_TIP = "The labels are right: save that, and go on to the next image."
_SAVE_TIP = "Save your corrections, and go on to the next image."
_FIX_TIP = (
    "Correct the labels: take the brush and paint with the class chosen below.\n"
    "Your strokes are kept safe while you paint; Accept saves them for good."
)
_SKIP_TIP = (
    "Later: go on, and come back to this image at the end. Corrections are saved, and the image "
    "stays in the queue."
)
_BACK_TIP = "Take the decision about this image back, else the last one that you made."
_RESET_TIP = "Give this image the batch's labels again. Ctrl+Z in the labels layer undoes it."
_UNCERTAIN_TIP = "Move to where the two best classes are closest: the place to look at first."
_STATES = {None: "not reviewed", "accepted": "accepted", "fixed": "fixed", "skipped": "skipped"}


class DecisionBar(QWidget):  # type: ignore[misc, unused-ignore]
    """Accept, fix, skip; take back; the share of corrected pixels; the next uncertain region."""

    accept_requested = Signal()
    fix_requested = Signal()
    skip_requested = Signal()
    take_back_requested = Signal()
    reset_requested = Signal()
    uncertain_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("decision_bar")
        self._problem: str | None = None
        self.accept_button = _button("accept", "Accept", self.accept_requested)
        self.fix_button = _button("fix", "Fix", self.fix_requested)
        self.fix_button.setToolTip(with_key(_FIX_TIP, "fix"))
        self.skip_button = _button("skip", "Skip", self.skip_requested)
        self.skip_button.setToolTip(with_key(_SKIP_TIP, "skip"))
        self.uncertain_button = _button(
            "next_uncertain", "Next uncertain region", self.uncertain_requested
        )
        self.uncertain_button.setToolTip(with_key(_UNCERTAIN_TIP, "next_uncertain"))
        self.state_label = QElidingLabel()
        self.state_label.setObjectName("edited_share")
        self.state_label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.reset_button = _flat_button("reset", "Reset", _RESET_TIP)
        self.reset_button.clicked.connect(self.reset_requested)
        self.back_button = _flat_button("take_back", "Take back", with_key(_BACK_TIP, "take_back"))
        self.back_button.clicked.connect(self.take_back_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(
            make_row([(self.accept_button, 1), (self.fix_button, 1), (self.skip_button, 1)])
        )
        layout.addWidget(make_row([(self.state_label, 1), self.reset_button], 2))
        layout.addWidget(make_row([(self.uncertain_button, 1), self.back_button], 2))

    def show_state(self, entry: QueueEntry | None, edited: int, pixels: int) -> None:
        """Show what was decided of the image, and how many of its pixels were corrected."""
        state = "" if entry is None else _STATES[entry.decision].capitalize()
        text = " · ".join(filter(None, [state, edited_text(edited, pixels)]))
        self.state_label.setText(text)
        self.state_label.setToolTip(f"{text}\n{edited:,} of {pixels:,} pixels were corrected.")
        self.state_label.setAccessibleName(text)
        self.reset_button.setEnabled(edited > 0)
        self.accept_button.setText("Accept fix" if edited else "Accept")
        tip = with_key(_SAVE_TIP if edited else _ACCEPT_TIP, "accept")
        self.accept_button.setToolTip(self._problem or tip)

    def set_usable(self, *, image: bool, problem: str | None, back: bool) -> None:
        """Say what can be done.

        Parameters
        ----------
        image : bool
            Whether there is one.
        problem : str or None
            Why its labels can neither be accepted nor corrected; None if they can.
        back : bool
            Whether there is a decision to take back.
        """
        self._problem = problem
        self.accept_button.setEnabled(image and problem is None)
        self.fix_button.setEnabled(image and problem is None)
        self.skip_button.setEnabled(image)
        self.uncertain_button.setEnabled(image)
        self.back_button.setEnabled(back)


def edited_text(edited: int, pixels: int) -> str:
    """Return "0.4 % edited"; less than that is not rounded away."""
    if not edited:
        return "nothing edited"
    share = 100 * edited / max(1, pixels)
    return "< 0.1 % edited" if share < 0.1 else f"{share:.1f} % edited"


def _button(name: str, text: str, signal: object) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(f"{name}_button")
    button.clicked.connect(signal)
    return button


def _flat_button(name: str, text: str, tooltip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(f"{name}_button")
    button.setText(text)
    button.setToolTip(tooltip)
    button.setAutoRaise(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    set_icon(button, "undo")
    return button

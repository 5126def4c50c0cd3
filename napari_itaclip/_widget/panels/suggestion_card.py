"""One suggestion: the text, what it would do, how it fits, and what to do with it."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFrame, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_itaclip._widget.panels.readout_bars import percent
from napari_itaclip._widget.parts.form import make_row
from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip.session.trials import Offer

PREVIEW_TIP = (
    "Show which pixels would change, without changing any.\n"
    "Pink: the class gains them. Blue: it loses them. Yellow: they change among other classes."
)
ACCEPT_TIP = "Add this text to the class, with its source. Undo takes it back."
REJECT_TIP = "Put this suggestion away."
NO_RESULT = "Press Segment to see what it would do."


class SuggestionCard(QFrame):  # type: ignore[misc, unused-ignore]
    """Shows an offer; as high before its effect is known as after, so that nothing moves.

    Parameters
    ----------
    offer : Offer
        What is shown.
    class_name : str
        The class that it is for.
    """

    preview_toggled = Signal(bool)
    accepted = Signal()
    rejected = Signal()

    def __init__(self, offer: Offer, class_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("suggestion_card")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = WrappedLabel(offer.suggestion.text, max_lines=4)
        self.text.setObjectName("suggestion_text")
        self.text.setIndent(0)
        self.effect = _line("suggestion_effect")
        self.fit = _line("suggestion_fit")
        self.source = _line("suggestion_source")
        self.preview_button = _button("suggestion_preview", "Preview")
        self.preview_button.setCheckable(True)
        self.accept_button = _button("suggestion_accept", "Accept")
        self.reject_button = _button("suggestion_reject", "Reject")
        self.reject_button.setToolTip(REJECT_TIP)
        for button in (self.preview_button, self.accept_button, self.reject_button):
            button.setAccessibleName(f"{button.text()}: {offer.suggestion.text}")
        self.preview_button.toggled.connect(self.preview_toggled)
        self.accept_button.clicked.connect(lambda: self.accepted.emit())
        self.reject_button.clicked.connect(lambda: self.rejected.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(2)
        layout.addWidget(self.text)
        for line in (self.effect, self.fit, self.source):
            layout.addWidget(line)
        buttons = (self.preview_button, self.accept_button, self.reject_button)
        layout.addWidget(make_row([(button, 1) for button in buttons]))
        self.show_offer(offer, class_name, measurable=True)

    def show_offer(self, offer: Offer, class_name: str, *, measurable: bool) -> None:
        """Show what is known of the offer by now.

        Parameters
        ----------
        offer : Offer
            The same offer as before, or better known.
        class_name : str
            The class that it is for.
        measurable : bool
            Whether there is a result to measure its effect on.
        """
        suggestion = offer.suggestion
        what = f"{suggestion.kind} · {suggestion.source.removeprefix('napari-itaclip ')}"
        origin = f"{suggestion.kind} from {suggestion.credit}"
        _say(self.source, what, f"{origin}\n{suggestion.note}" if suggestion.note else origin)
        _say(self.effect, *_effect(offer, measurable))
        warning, text, tip = _fit(offer, class_name)
        _say(self.fit, text, tip)
        font = self.fit.font()
        font.setBold(warning)
        self.fit.setFont(font)
        usable = measurable and offer.acceptable
        self.preview_button.setEnabled(usable)
        why = offer.problem or NO_RESULT
        self.preview_button.setToolTip(PREVIEW_TIP if usable else why)
        self.accept_button.setEnabled(offer.acceptable)
        self.accept_button.setToolTip(ACCEPT_TIP if offer.acceptable else offer.problem or "")

    def set_previewed(self, previewed: bool) -> None:
        """Say whether this offer is the one that is previewed."""
        with QSignalBlocker(self.preview_button):
            self.preview_button.setChecked(previewed)


def _effect(offer: Offer, measurable: bool) -> tuple[str, str]:
    """Return what is said of the effect, in short and in full."""
    measure = offer.measure
    if measure is None:
        if offer.problem is not None:
            return "no effect to show", offer.problem
        if not measurable:
            return NO_RESULT, NO_RESULT
        return ("looking what it does …", "") if offer.fit is None else ("no effect known", "")
    old, new = exact(measure.share_before), exact(measure.share_after)
    shares = f"{old} → {new}"
    # The unit once, where that is all there is to leave out: at 300 pixels every letter counts.
    brief = f"{old.removesuffix(' %')} → {new}"
    sure = f"{_number(measure.confidence_before)} → {_number(measure.confidence_after)}"
    full = (
        f"Share of the image: {shares}\nMean confidence: {sure}\n"
        f"Pixels that change: {exact(measure.changed_share)}"
    )
    if not measure.changed_share:
        return f"changes no pixel · conf. {sure}", full
    return f"{brief} · conf. {sure}", full


def _fit(offer: Offer, class_name: str) -> tuple[bool, str, str]:
    """Return whether to warn, and what is said of how the text fits, in short and in full."""
    fit = offer.fit
    if offer.problem is not None:
        return True, offer.problem, offer.problem
    if fit is None:
        return False, " ", ""
    lines = [f"Similarity to “{class_name}”: {fit.similarity:.2f}"]
    lines += [f"to “{name}”: {value:.2f}" for name, value in fit.rivals[:5]]
    if fit.cut_to is not None:
        lines.append(f"Too long: the model reads only “{fit.cut_to}”")
    full = "\n".join(lines)
    rival = fit.rivals[0] if fit.rivals else None
    if fit.pulls_to_rival and rival is not None:
        short = f"closer to “{rival[0]}” ({rival[1]:.2f} > {fit.similarity:.2f})"
        return True, short, f"Closer to “{rival[0]}” than to “{class_name}”.\n{full}"
    if fit.cut_to is not None:
        return True, "too long: only its beginning is read", full
    nearest = f" · next “{rival[0]}” {rival[1]:.2f}" if rival is not None else ""
    return False, f"alike {fit.similarity:.2f}{nearest}", full


def exact(value: float) -> str:
    """Return a share as text, small ones with a digit more: ``"4.1 %"``, ``"31 %"``."""
    if 0 < value < 0.0005:
        return "<0.1 %"
    return f"{100 * value:.1f} %" if 0 < value < 0.0995 else percent(value)


def _number(value: float) -> str:
    return "\N{EN DASH}" if math.isnan(value) else f"{value:.2f}"


def _line(name: str) -> QElidingLabel:
    label = QElidingLabel(" ")
    label.setObjectName(name)
    label.setIndent(0)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return label


def _say(label: QElidingLabel, text: str, tooltip: str) -> None:
    line = " ".join(text.split()) or " "
    label.setText(line)
    label.setAccessibleName(line)
    label.setToolTip(tooltip)


def _button(name: str, text: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAutoDefault(False)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return button

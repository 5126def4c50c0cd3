"""The button that starts a run, the preset beside it, and the progress in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_itaclip._widget.panels.shortcuts import with_keys
from napari_itaclip._widget.parts.form import add_choice, make_combo, make_icon_button, make_row
from napari_itaclip._widget.parts.icons import set_icon
from napari_itaclip.segmentation.settings import PRESETS

if TYPE_CHECKING:
    from napari_itaclip.session.outcome import Progress

EVERYDAY_PRESETS: tuple[str, ...] = ("draft", "balanced", "paper")
"""The presets that are for use; the others reproduce published evaluations."""

SHOW_PROGRESS_AFTER_MS = 200
"""Shorter runs show no progress: a bar that flashes up tells nothing."""

_RUN_TIP = "Look at the image and label it with the words of the table."
_LIVE_TIP = (
    "Label again after every change of a word, weight or bias.\n"
    "The network does not run for that. Off: only when you press Segment."
)


def progress_text(progress: Progress) -> str:
    """Return what the progress bar says: "62 % · 3 s left · harbour"."""
    parts = []
    if progress.fraction is not None:
        parts.append(f"{100 * min(1.0, max(0.0, progress.fraction)):.0f} %")
    if progress.seconds_left is not None:
        parts.append(f"{duration_text(progress.seconds_left)} left")
    parts.append(progress.label)
    return " · ".join(part for part in parts if part)


def duration_text(seconds: float) -> str:
    """Return a time span as a person says it: "3 s", "2 min", "1 h 5 min"."""
    whole = max(1, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


class TextProgressBar(QProgressBar):  # type: ignore[misc, unused-ignore]
    """A progress bar with a text of its own, shortened to what fits."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(0, 1000)
        self.setMinimumWidth(60)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._full = ""

    def show_progress(self, fraction: float | None, text: str) -> None:
        """Show how far it is, 0 to 1, or with None that something goes on."""
        if fraction is None:
            self.setRange(0, 0)
        else:
            self.setRange(0, 1000)
            self.setValue(round(1000 * min(1.0, max(0.0, fraction))))
        self._full = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self.update()

    def text(self) -> str:
        """Return the text as it is drawn."""
        width = self.width() - 12
        elided: str = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, width)
        return elided


class RunBar(QWidget):  # type: ignore[misc, unused-ignore]
    """One row: Segment, preset, live; while something runs, progress and a button to cancel it.

    The row keeps its height, so nothing below moves when a run begins or ends.
    """

    run_requested = Signal()
    cancel_requested = Signal()
    preset_chosen = Signal(str)
    live_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_bar")
        self._reason: str | None = None
        self._running = False
        self._make_idle_row()
        self._make_running_row()
        self._pages = QStackedWidget()
        self._pages.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._pages.addWidget(make_row([self.run_button, (self.preset_box, 1), self.live_box]))
        self._pages.addWidget(make_row([(self.progress_bar, 1), self.cancel_button]))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(SHOW_PROGRESS_AFTER_MS)
        self._delay.timeout.connect(self._show_progress)
        self.set_enabled_reason(None)

    def _make_idle_row(self) -> None:
        self.run_button = QPushButton("Segment")
        self.run_button.setObjectName("run_button")
        self.run_button.setAccessibleName("Segment")
        set_icon(self.run_button, "play")
        self.run_button.clicked.connect(self.run_requested)
        self.preset_box = make_preset_box()
        self.preset_box.currentIndexChanged.connect(self._on_preset)
        self.live_box = QCheckBox("live")
        self.live_box.setObjectName("live_box")
        self.live_box.setToolTip(_LIVE_TIP)
        self.live_box.setChecked(True)
        self.live_box.toggled.connect(self.live_changed)

    def _make_running_row(self) -> None:
        self.progress_bar = TextProgressBar()
        self.progress_bar.setObjectName("progress_bar")
        tip = with_keys("Stop; the labels from before this run come back.", "cancel")
        self.cancel_button = make_icon_button("cancel_button", "cross", "Cancel", tip)
        self.cancel_button.clicked.connect(self.cancel_requested)

    def set_enabled_reason(self, reason: str | None) -> None:
        """Say why Segment cannot be pressed, or with None that it can."""
        self._reason = reason
        self._update_button()

    def set_running(self, progress: Progress | None) -> None:
        """Show how far the run is, or with None that nothing runs."""
        self._running = progress is not None
        self._update_button()
        if progress is None:
            self._delay.stop()
            self._pages.setCurrentIndex(0)
            return
        self.progress_bar.show_progress(progress.fraction, progress_text(progress))
        if self._pages.currentIndex() == 0 and not self._delay.isActive():
            self._delay.start()

    def set_preset(self, name: str) -> None:
        """Show another preset, without a signal."""
        with QSignalBlocker(self.preset_box):
            self.preset_box.setCurrentIndex(self.preset_box.findData(name))
        self.preset_box.setToolTip(_preset_tip(name))

    def set_live(self, live: bool) -> None:
        """Show whether labels follow every change, without a signal."""
        with QSignalBlocker(self.live_box):
            self.live_box.setChecked(live)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Draw the text of the progress again, which is shortened to the width."""
        super().resizeEvent(event)
        self.progress_bar.update()

    def _on_preset(self) -> None:
        name = self.preset_box.currentData()
        self.preset_box.setToolTip(_preset_tip(name))
        self.preset_chosen.emit(name)

    # A method, not a lambda: a timer may still fire while its owner is being collected.
    def _show_progress(self) -> None:
        self._pages.setCurrentIndex(1)

    def _update_button(self) -> None:
        reason = "A run is under way; cancel it first." if self._running else self._reason
        self.run_button.setEnabled(reason is None)
        self.run_button.setToolTip(with_keys(_RUN_TIP, "run") if reason is None else reason)


def make_preset_box() -> QComboBox:
    """Return a combo box of the presets, those for every day above those for evaluation."""
    box = make_combo("preset_box", "Preset", _preset_tip("balanced"))
    for name in EVERYDAY_PRESETS:
        add_choice(box, name, name, PRESETS[name].description)
    box.insertSeparator(box.count())
    for name in PRESETS:
        if name not in EVERYDAY_PRESETS:
            add_choice(box, name, name, PRESETS[name].description)
    box.setCurrentIndex(box.findData("balanced"))
    return box


def _preset_tip(name: str) -> str:
    if name not in PRESETS:
        return "Speed against quality."
    return f"Speed against quality.\n{name}: {PRESETS[name].description}"

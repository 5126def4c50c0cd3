"""The last line of the dock: what computes and how fast; messages appear above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import QSize, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from napari_itaclip._widget.parts.form import make_icon_button, make_row
from napari_itaclip._widget.parts.text import WrappedLabel

INFO_SECONDS = 8.0
"""How long a message stays that asks for nothing."""

LEVELS: tuple[str, ...] = ("info", "warning", "error")
"""Kinds of messages; warnings and errors stay until they are dismissed or solved."""

_LINES = 4
_SEPARATOR = " · "
_SHORTEST_MODEL = 60
"""Width in pixels below which a shortened name of the model says nothing."""
_SHORT = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
_ICONS = {
    "info": QStyle.StandardPixmap.SP_MessageBoxInformation,
    "warning": QStyle.StandardPixmap.SP_MessageBoxWarning,
    "error": QStyle.StandardPixmap.SP_MessageBoxCritical,
}

Remedy = tuple[str, Callable[[], object]]
"""Text of a button and what it does."""


@dataclass(frozen=True)
class Status:
    """What the status line says.

    Parameters
    ----------
    model : str
        Title of the model.
    device, precision : str
        Where it runs and in which number format; empty before it is loaded.
    edit_ms : float or None
        What the last change of the words took, in milliseconds.
    used_mb, budget_mb : int
        Memory of the cached features and its limit, in megabytes.
    over_budget : bool
        Whether the newest image alone takes more than the limit.
    """

    model: str
    device: str = ""
    precision: str = ""
    edit_ms: float | None = None
    used_mb: int = 0
    budget_mb: int = 0
    over_budget: bool = False

    def facts(self, brevity: int = 0) -> str:
        """Return everything but the model; shorter with a ``brevity`` of 1 and of 2."""
        runs = f"{self.device} {_SHORT.get(self.precision, self.precision)}".strip()
        unit = "ms" if brevity else "ms/edit"
        speed = "" if self.edit_ms is None else f"{self.edit_ms:.0f} {unit}"
        limit = "" if brevity > 1 else f"/{self.budget_mb}"
        memory = f"{self.used_mb}{limit} MB" if self.budget_mb else ""
        return _SEPARATOR.join(part for part in (runs, speed, memory) if part)

    @property
    def line(self) -> str:
        """The status in one line."""
        return _SEPARATOR.join(part for part in (self.model, self.facts()) if part)

    @property
    def details(self) -> str:
        """The status in whole sentences."""
        lines = [f"Model: {self.model}"]
        if self.device:
            lines.append(f"Runs on {self.device}, computes in {self.precision}.")
        else:
            lines.append("It is loaded when you press Segment.")
        if self.edit_ms is not None:
            lines.append(f"The last change of the words took {self.edit_ms:.0f} ms.")
        if self.budget_mb:
            lines.append(
                f"Features of images seen before: {self.used_mb} of {self.budget_mb} MB; "
                "going back to such an image takes no time."
            )
        if self.over_budget:
            lines.append("This image alone takes more than the limit: see Settings, memory.")
        return "\n".join(lines)


class MessageBox(QFrame):  # type: ignore[misc, unused-ignore]
    """A message of up to four lines with a way out, a copy button and one to dismiss it."""

    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("message_box")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._remedy: Callable[[], object] | None = None
        self._details = ""
        self.icon = QLabel()
        self.icon.setObjectName("message_icon")
        self.label = WrappedLabel(max_lines=_LINES)
        self.label.setObjectName("message_text")
        self.action_button = QPushButton()
        self.action_button.setObjectName("message_action")
        self.action_button.clicked.connect(self._act)
        self.copy_button = make_icon_button(
            "message_copy", "copy", "Copy the message", "Copy the whole message, with its details."
        )
        self.copy_button.clicked.connect(self._copy)
        self.dismiss_button = make_icon_button(
            "message_dismiss", "cross", "Dismiss the message", "Dismiss this message."
        )
        self.dismiss_button.clicked.connect(self.dismissed)
        self._lay_out()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 4, 4, 4)
        grid.setSpacing(4)
        top = Qt.AlignmentFlag.AlignTop
        grid.addWidget(self.icon, 0, 0, top)
        grid.addWidget(self.label, 0, 1)
        grid.addWidget(make_row([self.copy_button, self.dismiss_button], 0), 0, 2, top)
        grid.addWidget(self.action_button, 1, 1, 1, 2, Qt.AlignmentFlag.AlignLeft)
        grid.setColumnStretch(1, 1)

    def show_message(self, text: str, level: str, remedy: Remedy | None, details: str) -> None:
        """Show a message; see `StatusLine.show_message`."""
        self._remedy = remedy[1] if remedy else None
        self._details = details
        self.icon.setPixmap(self.style().standardIcon(_ICONS[level]).pixmap(QSize(16, 16)))
        self.icon.setAccessibleName(level)
        self.icon.setToolTip(level)
        self.label.setText(text)
        self.label.setToolTip(details)
        self.action_button.setVisible(remedy is not None)
        if remedy:
            self.action_button.setText(remedy[0])
            self.action_button.setToolTip(f"What helps against this: {remedy[0]}")
        self.copy_button.setVisible(level != "info")

    def _act(self) -> None:
        if self._remedy is not None:
            self._remedy()

    def _copy(self) -> None:
        parts = (self.label.full_text(), self._details)
        QApplication.clipboard().setText("\n\n".join(part for part in parts if part))


class StatusLabel(QLabel):  # type: ignore[misc, unused-ignore]
    """One line of status. What does not fit is taken from the model's name first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status_label")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._status = Status("")

    def set_status(self, status: Status) -> None:
        """Show another status."""
        self._status = status
        self.setToolTip(status.details)
        self.setAccessibleName(status.line)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Fit the line into the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = self.fontMetrics()
        width = self.contentsRect().width() - metrics.horizontalAdvance("x") - 2
        for brevity in range(3):
            facts = self._status.facts(brevity)
            rest = f"{_SEPARATOR}{facts}" if facts else ""
            room = width - metrics.horizontalAdvance(rest)
            if room >= min(_SHORTEST_MODEL, metrics.horizontalAdvance(self._status.model)):
                model = metrics.elidedText(self._status.model, Qt.TextElideMode.ElideRight, room)
                self.setText(model + rest)
                return
        self.setText(metrics.elidedText(facts, Qt.TextElideMode.ElideRight, width))


class StatusLine(QWidget):  # type: ignore[misc, unused-ignore]
    """One line of status, and at most one message above it."""

    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status_line")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.message_box = MessageBox()
        self.message_box.dismissed.connect(self._dismiss)
        self.message_box.hide()
        self.status_label = StatusLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.message_box)
        layout.addWidget(self.status_label)
        self._level: str | None = None
        self._key = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(int(1000 * INFO_SECONDS))
        self._timer.timeout.connect(self.clear_message)

    @property
    def message(self) -> str | None:
        """The text of the message that is shown, whole; None where there is none."""
        return None if self._level is None else self.message_box.label.full_text()

    def set_status(self, status: Status) -> None:
        """Show another status."""
        self.status_label.set_status(status)

    def show_message(
        self,
        text: str,
        level: str = "info",
        action: Remedy | None = None,
        *,
        details: str = "",
        key: str = "",
    ) -> None:
        """Show a message in place of the one before.

        Parameters
        ----------
        text : str
            What happened and the way out. What exceeds four lines is in the tooltip.
        level : {"info", "warning", "error"}
            An "info" goes by itself after `INFO_SECONDS`, and waits for nobody: it is not shown
            while a warning or an error stands.
        action : (str, callable), optional
            A button that helps.
        details : str
            More, for the tooltip and the copy button.
        key : str
            Names what the message is about, for `clear_message`.
        """
        level = level if level in LEVELS else "info"
        if level == "info" and self._level in ("warning", "error"):
            return
        self._level, self._key = level, key
        self.message_box.show_message(text, level, action, details)
        self.message_box.show()
        if level == "info" and action is None:
            self._timer.start()
        else:
            self._timer.stop()

    def clear_message(self, key: str | None = None) -> None:
        """Take the message away; with a key only if it is about that."""
        if key is not None and key != self._key:
            return
        self._timer.stop()
        self._level, self._key = None, ""
        self.message_box.hide()

    def _dismiss(self) -> None:
        self.clear_message()
        self.dismissed.emit()

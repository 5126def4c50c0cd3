"""A line to type in: Enter takes what was typed, Esc does not."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QFocusEvent, QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QLineEdit, QWidget

_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)


class WordLine(QLineEdit):  # type: ignore[misc, unused-ignore]
    """A line that hands over its text on Enter, or when the focus leaves it.

    Text of several lines that is pasted is handed over as it is: a plain line would lose the
    line ends, which separate classes.

    Parameters
    ----------
    placeholder
        What is shown while it is empty.
    keep_on_leave
        Whether text stays, not handed over, when the focus leaves.
    parent
        The Qt parent.
    """

    committed = Signal(str)
    """The text, not empty; the listener calls `clear` when it has taken it."""

    cancelled = Signal()
    """Esc was pressed, or there is nothing to hand over."""

    def __init__(
        self, placeholder: str = "", *, keep_on_leave: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setPlaceholderText(placeholder)
        self._keep_on_leave = keep_on_leave
        self._over = False

    def finish(self) -> None:
        """Send nothing any more: the line is about to go."""
        self._over = True

    def event(self, event: QEvent) -> bool:
        """Claim Enter and Esc before shortcuts of the window take them."""
        if event.type() == QEvent.Type.ShortcutOverride and _is_ours(event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Hand over, give up, or type."""
        if event.key() in _KEYS and not _is_ours(event):
            event.ignore()  # Ctrl+Enter and Shift+Esc belong to the dock
        elif event.key() == Qt.Key.Key_Escape:
            self.clear()
            self._send("")
        elif event.key() in _KEYS:
            self._send(self.text())
        elif event.matches(QKeySequence.StandardKey.Paste) and _several_lines():
            self._send(QGuiApplication.clipboard().text())
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Hand over what was typed, unless a menu or another window only borrows the focus."""
        super().focusOutEvent(event)
        borrowed = (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason)
        if not self._keep_on_leave and event.reason() not in borrowed:
            self._send(self.text())

    def _send(self, text: str) -> None:
        if self._over:
            return
        if text.strip():
            self.committed.emit(text)
        else:
            self.cancelled.emit()


def _is_ours(event: QKeyEvent) -> bool:
    """Say whether a key is Enter or Esc alone; the keypad's Enter counts as well."""
    alone = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    return event.key() in _KEYS and alone == Qt.KeyboardModifier.NoModifier


def _several_lines() -> bool:
    return "\n" in QGuiApplication.clipboard().text().strip()

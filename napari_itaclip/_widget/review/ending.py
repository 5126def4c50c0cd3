"""Noticing that a dock ends, however it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication, QWidget


class Ending(QObject):  # type: ignore[misc, unused-ignore]
    """Calls a function when a dock is closed or taken out, when its window closes, or Qt ends.

    Parameters
    ----------
    dock : QWidget
        The dock.
    viewer : napari.Viewer
        Whose window it is in.
    end : callable
        Must bear to be called again.
    """

    def __init__(self, dock: QWidget, viewer: Any, end: Callable[[], None]) -> None:
        super().__init__(dock)
        self._dock: Any = dock
        self._end = end
        self._docked = False
        self._window: Any = getattr(getattr(viewer, "window", None), "_qt_window", None)
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(end)
        dock.installEventFilter(self)
        if self._window is not None:
            self._window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look out for the end; nothing is ever held back."""
        if event is None or watched is None:
            return False
        kind = event.type()
        if watched is self._dock:
            if kind == QEvent.Type.ParentChange:
                self._docked = self._docked or self._dock.parent() is not None
                QTimer.singleShot(0, self._end_if_taken_out)
            elif kind == QEvent.Type.Close:
                self._end()
        elif kind == QEvent.Type.Close and event.spontaneous():
            # The person may yet be asked and stay: look again when that is decided.
            QTimer.singleShot(0, self._end_with_window)
        elif kind in (QEvent.Type.Close, QEvent.Type.DeferredDelete):
            self._end()
        return False

    def _end_if_taken_out(self) -> None:
        if self._docked and self._dock.parent() is None:
            self._end()

    def _end_with_window(self) -> None:
        if not self._window.isVisible():
            self._end()

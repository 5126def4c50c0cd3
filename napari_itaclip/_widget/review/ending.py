"""Noticing that a dock ends, however it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod, ref

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
        A method of the dock, which must bear to be called again.
    """

    def __init__(self, dock: QWidget, viewer: Any, end: Callable[[], None]) -> None:
        super().__init__(dock)
        # Weakly: with PySide a child that holds its dock or its window keeps both for ever.
        self._dock: Any = ref(dock)
        self._method = WeakMethod(end)
        self._docked = False
        window = getattr(getattr(viewer, "window", None), "_qt_window", None)
        self._window: Any = (lambda: None) if window is None else ref(window)
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self._end)
        dock.installEventFilter(self)
        if window is not None:
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look out for the end; nothing is ever held back."""
        if event is None or watched is None:
            return False
        kind = event.type()
        dock = self._dock()
        if watched is dock:
            if kind == QEvent.Type.ParentChange:
                self._docked = self._docked or dock.parent() is not None
                QTimer.singleShot(0, self._end_if_taken_out)
            elif kind == QEvent.Type.Close:
                self._end()
        elif kind == QEvent.Type.Close and event.spontaneous():
            # The person may yet be asked and stay: look again when that is decided.
            QTimer.singleShot(0, self._end_with_window)
        elif kind in (QEvent.Type.Close, QEvent.Type.DeferredDelete):
            self._end()
        return False

    def _end(self) -> None:
        end = self._method()
        if end is not None:
            end()

    def _end_if_taken_out(self) -> None:
        dock = self._dock()
        try:
            out = self._docked and dock is not None and dock.parent() is None
        except RuntimeError:
            return  # Qt has deleted the dock: with its window, which was noticed.
        if out:
            self._end()

    def _end_with_window(self) -> None:
        window = self._window()
        if window is None or not window.isVisible():
            self._end()

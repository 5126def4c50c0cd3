"""The way from a worker's thread into Qt's main thread."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal, Slot


class MainThread(QObject):
    """Runs functions in the thread in which it was made, in the order in which they come.

    A queued signal is Qt's own way between threads: nothing runs before control returns to the
    event loop, and nothing after this object is gone.
    """

    _called = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._called.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, function: Callable[[], None]) -> None:
        """Run ``function`` later; may be called from any thread."""
        try:
            self._called.emit(function)
        except RuntimeError:
            # Qt has deleted the object: the application is shutting down, nobody waits any more.
            return

    @Slot(object)
    def _run(self, function: Callable[[], None]) -> None:
        function()

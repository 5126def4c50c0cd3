"""An owner's thread for tests: what the worker posts waits until the test lets it run."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable


class Pump:
    """Collects posted calls and runs them in the test's thread."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def run(self) -> None:
        """Run what has been posted."""
        while not self._calls.empty():
            self._calls.get()()

    def until(self, done: Callable[[], bool], seconds: float = 30.0) -> None:
        """Run posted calls until ``done()``; fail after a time that only a hang takes."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "waited in vain"
            try:
                self._calls.get(timeout=0.02)()
            except queue.Empty:
                continue

"""Steps that overlap: each has threads of its own, and a few tasks wait between two of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_GLANCE_S = 0.1
"""How often the waiting main thread looks up: for a request to stop, and for Ctrl+C (Windows)."""


@dataclass(frozen=True)
class Step:
    """One step of the work.

    Attributes
    ----------
    work : callable
        Takes a task and returns it as the next step wants it.
    threads : int
        How many tasks it may work on at once.
    """

    work: Callable[[Any], Any]
    threads: int = 1


class _Channel:
    """Hands tasks from one step to the next; whoever puts waits while it is full."""

    def __init__(self, capacity: int, givers: int) -> None:
        self._tasks: deque[Any] = deque()
        self._capacity = capacity
        self._givers = givers
        self._cancelled = False
        self._changed = threading.Condition()

    def put(self, task: Any) -> bool:
        """Hand a task on; False if the work was cancelled."""
        with self._changed:
            while len(self._tasks) >= self._capacity and not self._cancelled:
                self._changed.wait()
            if not self._cancelled:
                self._tasks.append(task)
            self._changed.notify_all()
            return not self._cancelled

    def get(self, timeout: float | None = None) -> list[Any] | None:
        """Return a task in a list; None at the end, an empty list after the timeout."""
        with self._changed:
            if not self._tasks and self._givers and not self._cancelled:
                self._changed.wait(timeout)
            if self._cancelled:
                return None
            if self._tasks:
                task = self._tasks.popleft()
                self._changed.notify_all()
                return [task]
            return [] if self._givers else None

    def leave(self) -> None:
        """Say that one of those who put has ended."""
        with self._changed:
            self._givers -= 1
            self._changed.notify_all()

    def cancel(self) -> None:
        """Drop everything; nobody waits any longer."""
        with self._changed:
            self._cancelled = True
            self._tasks.clear()
            self._changed.notify_all()


def run_steps(
    tasks: Iterable[Any],
    steps: Sequence[Step],
    *,
    capacity: int = 2,
    glance: Callable[[], None] | None = None,
    interrupted: Callable[[KeyboardInterrupt], None] | None = None,
) -> Iterator[Any]:
    """Run tasks through all steps; yield what the last step returns, in the order of completion.

    An exception in a step ends everything: tasks that other threads work on are finished, those
    that wait are dropped, and it is raised here.

    Parameters
    ----------
    tasks : iterable
        What goes into the first step. It is read by the threads, one at a time, as they get free.
    steps : sequence of Step
        The work.
    capacity : int
        How many tasks wait between two steps at most.
    glance : callable, optional
        Called in the caller's thread, at least several times a second.
    interrupted : callable, optional
        Called when Ctrl+C was pressed while waiting; the work goes on unless it raises.

    Yields
    ------
    object
        What became of each task.
    """
    source = _Shared(iter(tasks))
    channels = [_Channel(capacity, step.threads) for step in steps]
    failures: list[BaseException] = []
    threads = [
        threading.Thread(
            target=_labour,
            args=(step, channels[at - 1].get if at else source.get, channels, at, failures),
            name=f"batch-{at}-{number}",
            daemon=True,
        )
        for at, step in enumerate(steps)
        for number in range(step.threads)
    ]
    for thread in threads:
        thread.start()
    try:
        while True:
            try:
                found = channels[-1].get(_GLANCE_S)
                if glance is not None:
                    glance()
            except KeyboardInterrupt as error:
                if interrupted is None:
                    raise
                interrupted(error)
                continue
            if found is None:
                break
            yield from found
    finally:
        source.close()
        for channel in channels:
            channel.cancel()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, tasks: Iterator[Any]) -> None:
        self._tasks: Iterator[Any] | None = tasks
        self._lock = threading.Lock()

    def get(self) -> list[Any] | None:
        with self._lock:
            for task in self._tasks or ():
                return [task]
            self._tasks = None
            return None

    def close(self) -> None:
        self._tasks = None


def _labour(
    step: Step,
    get: Callable[[], list[Any] | None],
    channels: Sequence[_Channel],
    at: int,
    failures: list[BaseException],
) -> None:
    """Work on tasks until there are no more."""
    try:
        while (found := get()) is not None:
            for task in found:
                if not channels[at].put(step.work(task)):
                    return
            found.clear()  # a finished task's arrays must not wait for the next one
    except BaseException as error:
        failures.append(error)
        for channel in channels:
            channel.cancel()
    finally:
        channels[at].leave()

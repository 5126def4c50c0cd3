"""Waiting for slow work with a time-out and a way to stop, without being held up by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from napari_itaclip.suggestion.provider import SuggestionCancelledError

T = TypeVar("T")

_STEP_S = 0.05  # between two looks at `cancel`


class TooSlowError(Exception):
    """The work was not done in time."""


def start(work: Callable[[], T], name: str) -> Future[T]:
    """Run ``work`` in a thread that does not keep the program from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def wait_for(future: Future[T], *, timeout: float, cancel: Callable[[], bool]) -> T:
    """Return the result of work that runs elsewhere.

    Parameters
    ----------
    future
        The work, from `start`.
    timeout
        Seconds to wait.
    cancel
        Asked every few hundredths of a second.

    Raises
    ------
    TooSlowError
        If the time is over; the work goes on by itself.
    SuggestionCancelledError
        If ``cancel`` returned True.
    """
    end = time.monotonic() + timeout
    while not future.done():
        if cancel():
            raise SuggestionCancelledError("cancelled")
        left = end - time.monotonic()
        if left <= 0:
            raise TooSlowError
        wait([future], timeout=min(_STEP_S, left))
    return future.result()

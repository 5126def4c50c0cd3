"""Keeping a batch's exports in step with corrections, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

from numpy.typing import NDArray

from napari_itaclip.batch.records import ItemRecord
from napari_itaclip.batch.state import BatchState
from napari_itaclip.files import write_atomically
from napari_itaclip.session.outcome import message_of
from napari_itaclip.session.review_files import remove
from napari_itaclip.session.worker import Post

Refresh: TypeAlias = Callable[[BatchState, ItemRecord, NDArray[Any]], object]
"""Writes one image's annotation files again."""

Finish: TypeAlias = Callable[[BatchState], object]
"""Writes the files about the whole data set again."""

WHOLE = ""
"""Stands in `ExportRefresher.errors` for the files about the whole data set."""

_STALE = "stale"
"""Folder of empty files: one for each image whose exports are older than its labels."""

_SUFFIX = ".todo"


def refresh_exports(state: BatchState, record: ItemRecord, labels: NDArray[Any]) -> object:
    """Write the annotation files of one image again, in all formats of the batch."""
    from napari_itaclip.batch import refresh

    return refresh.refresh_exports(state, record, labels)


def finish_exports(state: BatchState) -> object:
    """Write the files about the whole data set again, in all formats of the batch."""
    from napari_itaclip.batch import refresh

    return refresh.finish_exports(state)


def mark_stale(state: BatchState, key: str) -> None:
    """Note on disk that an image's exports are to be written again.

    Raises
    ------
    OutputError
        If that cannot be written.
    """
    write_atomically(state.path(_STALE, key, _SUFFIX), b"")


def left_over(state: BatchState) -> tuple[str, ...]:
    """Return the images whose exports an earlier review did not come to."""
    folder = state.folder / _STALE
    found = (path.relative_to(folder) for path in folder.rglob(f"*{_SUFFIX}"))
    keys = (path.as_posix().removesuffix(_SUFFIX) for path in found)
    return tuple(sorted(key for key in keys if state.has_item(key)))


def write_left_over(state: BatchState) -> Mapping[str, str]:
    """Write the exports that a review did not come to, and wait for it.

    Returns
    -------
    mapping of str to str
        What could not be written, see `ExportRefresher.errors`.

    Raises
    ------
    OutputError
        If somebody else is working on the batch.
    """
    with state.lock():
        exports = ExportRefresher(
            state, refresh_exports, finish_exports, lambda _: None, lambda: None
        )
        try:
            exports.request(*left_over(state))
            exports.flush()
        finally:
            exports.close()
    return exports.errors


class ExportRefresher:
    """Writes exports again after corrections, one image after the other.

    What is to be done is on disk before it is begun, so the next review does what this one did not
    come to.

    Parameters
    ----------
    state : BatchState
        The batch.
    refresh, finish : callable
        Write one image's files, and those about the whole data set; called in the thread.
    post : callable
        Brings a function into the owner's thread.
    changed : callable
        Called in the owner's thread when `pending` or `errors` are others.
    """

    def __init__(
        self,
        state: BatchState,
        refresh: Refresh,
        finish: Finish,
        post: Post,
        changed: Callable[[], None],
    ) -> None:
        self._state = state
        self._refresh, self._finish = refresh, finish
        self._post, self._changed = post, changed
        self._wake = threading.Condition()
        self._queue: list[str] = []
        self._errors: dict[str, str] = {}
        self._held: set[str] = set()
        self._written: set[str] = set()
        self._running: str | None = None
        self._working = False
        self._closing = False
        self._thread = ThreadPoolExecutor(1, "itaclip-exports")

    @property
    def pending(self) -> int:
        """Number of images whose exports are still to be written."""
        with self._wake:
            return len(self._queue) + (self._running is not None)

    @property
    def busy(self) -> bool:
        """Whether anything is still to be written, be it about the whole data set."""
        with self._wake:
            return self._working

    @property
    def errors(self) -> Mapping[str, str]:
        """What could not be written and why: by the image's key, or `WHOLE`."""
        with self._wake:
            return dict(self._errors)

    def left_over(self) -> tuple[str, ...]:
        """Return the images whose exports an earlier review did not come to."""
        return left_over(self._state)

    @contextmanager
    def changing(self, key: str) -> Iterator[None]:
        """Keep an image's exports from being written while its labels are; then write them.

        The note that this has to be done is on disk before the labels change.

        Raises
        ------
        OutputError
            If that note cannot be written.
        """
        mark_stale(self._state, key)
        with self._wake:
            self._held.add(key)
            if key in self._queue:
                self._queue.remove(key)
            self._wake.wait_for(lambda: self._running != key)
        try:
            yield
        finally:
            with self._wake:
                self._held.discard(key)
            self.request(key)

    def request(self, *keys: str) -> None:
        """Write the exports of images soon."""
        with self._wake:
            for key in keys:
                self._errors.pop(key, None)
                if key not in self._queue:
                    self._queue.append(key)
            self._errors.pop(WHOLE, None)
            start = not self._working and not self._closing
            self._working = self._working or start
        if start:
            self._thread.submit(self._work)
        self._post(self._changed)

    def retry(self) -> None:
        """Try again what failed."""
        self.request(*(key for key in self.errors if key != WHOLE))

    def flush(self) -> None:
        """Wait until everything that was asked for is written or has failed."""
        self._thread.submit(lambda: None).result()

    def stop(self) -> None:
        """Begin no other image: what is not done by then is noted on disk for the next review."""
        with self._wake:
            self._closing = True

    def close(self) -> None:
        """Wait for what is being written, leave the rest to the next review, end the thread."""
        self.stop()
        self._thread.shutdown(wait=True)

    def _work(self) -> None:
        while True:
            while self._write_next():
                self._post(self._changed)
            if self._written and not self._closing:
                self._try(WHOLE, self._complete)
            with self._wake:
                # What was asked for meanwhile has found this thread at work.
                if not self._queue or self._closing:
                    self._working = False
                    break
        self._post(self._changed)

    def _write_next(self) -> bool:
        with self._wake:
            if not self._queue or self._closing:
                return False
            self._running = key = self._queue.pop(0)
        if self._try(key, lambda: self._write(key)):
            self._written.add(key)
        with self._wake:
            self._running = None
            self._wake.notify_all()
        return True

    def _write(self, key: str) -> None:
        record = self._state.item(key)
        self._refresh(self._state, record, self._state.load_labels(record))

    def _complete(self) -> None:
        self._finish(self._state)
        with self._wake:
            done = self._written - self._held - set(self._queue)
        for key in done:
            remove(self._state.path(_STALE, key, _SUFFIX))
        self._written.clear()

    def _try(self, key: str, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:
            # Whatever a format's library raises: the person must see it, the thread goes on.
            with self._wake:
                self._errors[key] = message_of(error).text
            return False
        return True

"""Reading the image that will probably come next while a person looks at this one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from napari_itaclip.batch.state import BatchState
from napari_itaclip.session.review_files import ReviewImage, read_review_image


class ReadAhead:
    """Reads the images of a batch, one of them beforehand in a thread of its own.

    Parameters
    ----------
    state : BatchState
        The batch.
    """

    def __init__(self, state: BatchState) -> None:
        self._state = state
        self._coming: tuple[str, tuple[Path, ...], Future[ReviewImage]] | None = None
        self._thread = ThreadPoolExecutor(1, "itaclip-read-ahead")

    def prepare(self, key: str, folders: Sequence[Path]) -> None:
        """Read an image beforehand; only the last one asked for is kept."""
        work = self._thread.submit(read_review_image, self._state, key, folders)
        self._coming = (key, tuple(folders), work)

    def read(self, key: str, folders: Sequence[Path]) -> ReviewImage:
        """Return an image; parameters and errors as `read_review_image`."""
        coming, self._coming = self._coming, None
        if coming is not None and coming[:2] == (key, tuple(folders)):
            return coming[2].result()
        return read_review_image(self._state, key, folders)

    def close(self) -> None:
        """End the thread."""
        self._coming = None
        self._thread.shutdown(wait=True, cancel_futures=True)

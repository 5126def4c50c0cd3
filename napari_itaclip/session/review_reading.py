"""Reading images in a thread: the one that is wanted, and the one that will probably come next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_itaclip.annotation.hand_edits import Labels
from napari_itaclip.batch.state import BatchState
from napari_itaclip.session.review_corrections import Found, OpenCorrections
from napari_itaclip.session.review_files import ReviewImage, read_review_image

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Opened:
    """An image with what was found of corrections to it.

    Attributes
    ----------
    image : ReviewImage
        The image.
    found : Found
        The corrections.
    edited_pixels : int
        How many of its labels, with corrections that were left in order, are not the batch's.
    """

    image: ReviewImage
    found: Found
    edited_pixels: int


class ImageReader:
    """Reads the images of a batch.

    Parameters
    ----------
    state : BatchState
        The batch.
    corrections : OpenCorrections
        Looks for corrections.
    """

    def __init__(self, state: BatchState, corrections: OpenCorrections) -> None:
        self._state, self._corrections = state, corrections
        self._coming: tuple[str, tuple[Path, ...], Future[Opened]] | None = None
        self._thread = ThreadPoolExecutor(1, "itaclip-reading")

    def prepare(self, key: str, folders: Sequence[Path]) -> None:
        """Read an image beforehand; only the last one asked for is kept."""
        self._drop()
        work = self._thread.submit(self._read, key, tuple(folders))
        self._coming = (key, tuple(folders), work)

    def read(self, key: str, folders: Sequence[Path]) -> Future[Opened]:
        """Return an image, now or later; parameters and errors as `read_review_image`."""
        coming = self._coming
        if coming is not None and coming[:2] == (key, tuple(folders)):
            self._coming = None
            return coming[2]
        self._drop()
        return self._thread.submit(self._read, key, tuple(folders))

    def reopen(self, image: ReviewImage, labels: Labels) -> Future[Opened]:
        """Return an image that is in memory, now or later.

        Parameters
        ----------
        image : ReviewImage
            The image.
        labels : ndarray of int, shape (H, W)
            What was decided that its labels are, on disk or not.
        """

        def look() -> Opened:
            found = self._corrections.look(replace(image, labels=labels))
            unsaved = found.labels is None and labels is not image.labels
            return _opened(image, replace(found, labels=labels) if unsaved else found)

        return self._thread.submit(look)

    def run(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Return what some other work on an image gives, now or later."""
        return self._thread.submit(work)

    def close(self) -> None:
        """End the thread."""
        self._drop()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _drop(self) -> None:
        if self._coming is not None:
            self._coming[2].cancel()
            self._coming = None

    def _read(self, key: str, folders: Sequence[Path]) -> Opened:
        image = read_review_image(self._state, key, folders)
        return _opened(image, self._corrections.look(image))


def _opened(image: ReviewImage, found: Found) -> Opened:
    labels = image.labels if found.labels is None else found.labels
    return Opened(image, found, int(np.count_nonzero(labels != image.automatic)))

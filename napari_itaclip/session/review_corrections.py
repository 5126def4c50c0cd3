"""Corrections that nothing was decided about: kept safe while one paints, offered after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_itaclip.annotation.autosave import (
    AutosaveFolder,
    Corrections,
    SavedCorrections,
    fingerprint,
)
from napari_itaclip.annotation.hand_edits import Labels
from napari_itaclip.errors import FormatError
from napari_itaclip.session.review_files import ReviewImage
from napari_itaclip.session.worker import Post


@dataclass(frozen=True, eq=False)
class Found:
    """What lies on disk of corrections to an image.

    Attributes
    ----------
    labels : ndarray of int, shape (H, W), or None
        The image's labels with corrections that were left in order; None if there are none.
    offer : SavedCorrections or None
        What a crash left behind.
    fits : bool
        Whether the offer was made on the very labels that the image has now.
    problem : str or None
        Why corrections cannot be read.
    """

    labels: Labels | None = None
    offer: SavedCorrections | None = None
    fits: bool = False
    problem: str | None = None


class OpenCorrections:
    """The corrections of the image that is looked at, and what was found of earlier ones.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    post : callable
        Brings a function into the owner's thread.
    failed : callable
        Told there of what cannot be written, and why.

    Attributes
    ----------
    offer : SavedCorrections or None
        What a crash left behind of this image. While it is there nothing is written over it.
    offer_fits : bool
        Whether the offer was made on the very labels that the image has now.
    lost : dict of str to str
        Corrections that could not be written, and why, by the image's key.
    """

    def __init__(self, folder: Path, post: Post, failed: Callable[[str], None]) -> None:
        self.offer: SavedCorrections | None = None
        self.offer_fits = False
        self.lost: dict[str, str] = {}
        self._post, self._failed = post, failed
        self._image: ReviewImage | None = None
        self._saved: Labels | None = None
        self._files = AutosaveFolder(folder, self._note_lost)

    def forget(self) -> None:
        """Look at no image."""
        self._image = self._saved = self.offer = None

    def look(self, image: ReviewImage) -> Found:
        """Return what lies on disk of corrections to an image; may be called in any thread."""
        try:
            saved = self._files.find(image.record.key, image.record.shape)
            if saved is None:
                return Found()
            fits = saved.corrections.base == fingerprint(image.labels)
            if fits and saved.corrections.left_in_order:
                return Found(saved.corrections.applied_to(image.labels))
        except FormatError as error:
            return Found(problem=str(error))
        return Found(offer=saved, fits=fits)

    def begin(self, image: ReviewImage, found: Found) -> None:
        """Look at an image of which that was found."""
        self.settle(image)
        self.offer, self.offer_fits = found.offer, found.fits
        if found.labels is not None:
            self._saved = found.labels

    def settle(self, image: ReviewImage) -> None:
        """Take an image's labels as saved: there is nothing open."""
        self._image, self._saved = image, image.labels

    def note(self, labels: Labels) -> None:
        """Write corrections soon, if there are new ones."""
        if self.offer is not None or self._saved is None or np.array_equal(labels, self._saved):
            return
        self._write(labels, left_in_order=False)

    def leave(self, labels: Labels) -> None:
        """Write corrections as left in order: when one comes back they are simply there."""
        if self.offer is None and self._saved is not None:
            self._write(labels, left_in_order=True)

    def restore(self) -> Labels | None:
        """Return the labels with what was offered; None if there is nothing.

        Raises
        ------
        FormatError
            If the labels have another size now; the offer stays.
        """
        if self.offer is None or self._image is None:
            return None
        labels = self.offer.corrections.applied_to(self._image.labels)
        self.offer = None
        return labels

    def discard(self) -> None:
        """Delete the corrections of this image, offered ones, too."""
        if self._image is not None:
            self.offer = None
            self.lost.pop(self._image.record.key, None)
            self._files.discard(self._image.record.key)

    def dismiss(self) -> Callable[[], None]:
        """Take no more notice of this image's corrections; they become labels.

        Returns
        -------
        callable
            Deletes them, unless there are newer ones; may be called in any thread.
        """
        if self._image is None:
            return lambda: None
        key = self._image.record.key
        self.lost.pop(key, None)
        dismissed = self._files.dismiss(key)
        return lambda: self._files.discard_dismissed(key, dismissed)

    def close(self) -> None:
        """Wait until everything is written or has failed."""
        self._files.close()

    def _write(self, labels: Labels, *, left_in_order: bool) -> None:
        image = self._image
        if image is None or labels.shape != image.labels.shape:
            return
        copy = self._saved = np.array(labels)
        if np.array_equal(copy, image.labels):
            self.discard()
            return
        self.lost.pop(image.record.key, None)

        def make() -> Corrections:
            base = fingerprint(image.labels)
            return Corrections(copy, copy != image.labels, base, left_in_order)

        self._files.save(image.record.key, make)

    def _note_lost(self, key: str, text: str) -> None:
        # In the saving thread, and at once: whoever closes does not wait for what is posted.
        self.lost[key] = text
        self._post(lambda: self._tell(key, text))

    def _tell(self, key: str, text: str) -> None:
        if self._image is not None and self._image.record.key == key:
            # So that the next stroke, and going on, try again.
            self._saved = self._image.labels
        self._failed(text)

"""What a person who reviews a batch looks at: an image, its labels, open corrections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from psygnal import Signal

from napari_itaclip.annotation.autosave import SavedCorrections
from napari_itaclip.annotation.hand_edits import Labels
from napari_itaclip.annotation.review_queue import Order, ReviewQueue
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import Message
from napari_itaclip.session.review_corrections import OpenCorrections
from napari_itaclip.session.review_decisions import finish_decisions
from napari_itaclip.session.review_doubt import DoubtTour
from napari_itaclip.session.review_exports import (
    ExportRefresher,
    Finish,
    Refresh,
    finish_exports,
    refresh_exports,
)
from napari_itaclip.session.review_files import (
    ReviewImage,
    read_entries,
    read_position,
    save_position,
)
from napari_itaclip.session.review_reading import ImageReader, Opened
from napari_itaclip.session.review_saving import DecisionSaver
from napari_itaclip.session.worker import Post
from napari_itaclip.vocabulary.classes import Vocabulary


class ReviewView:
    """The image of a batch that is looked at; nobody else may write to the batch meanwhile.

    Parameters
    ----------
    state : BatchState
        The batch.
    post : callable
        Brings a function into the owner's thread, see `worker.Post`.
    order : {"uncertainty", "name"}
        In which order the images come.
    include_reviewed : bool
        Whether to walk the images, too, that are done already.
    refresh, finish : callable
        Write exports, see `batch.refresh`.

    Attributes
    ----------
    queue : ReviewQueue
        The images and what was decided of them.
    vocabulary : Vocabulary
        The classes.
    image : ReviewImage or None
        What is looked at; None while it is read, if it cannot be, or if there is nothing left.
    labels : ndarray of int, shape (H, W), or None
        What its labels were when it was shown: with corrections that were left in order.
    edited_pixels : int
        How many labels were not the batch's when the image was shown or `recount` was called.
    corrections : OpenCorrections
        Those that nothing was decided about.

    Raises
    ------
    ItaclipError
        If the batch cannot be read, or somebody else is working on it.
    """

    image_changed = Signal()
    """Another image is looked at, or none."""
    labels_changed = Signal(object)
    """The labels shown should become these, as one step that can be undone."""
    queue_changed = Signal()
    """Something was decided, or other images are walked."""
    offer_changed = Signal()
    exports_changed = Signal()
    region_found = Signal(object)
    """The region that `next_uncertain` was asked for; None when all have been shown."""
    not_saved = Signal(str, str)
    """The key of an image whose decision is withdrawn, for it could not be saved, and why."""
    said = Signal(object)
    """A `Message` for the person."""

    def __init__(
        self,
        state: BatchState,
        post: Post,
        *,
        order: Order = "uncertainty",
        include_reviewed: bool = False,
        refresh: Refresh = refresh_exports,
        finish: Finish = finish_exports,
    ) -> None:
        self.state = state
        self.vocabulary: Vocabulary = state.vocabulary
        self.image: ReviewImage | None = None
        self.labels: Labels | None = None
        self.edited_pixels = 0
        self.read_labels: Callable[[], Labels | None] = lambda: None
        self._resources = ExitStack()
        self._resources.enter_context(state.lock())
        self._position = read_position(state)
        try:
            unfinished = finish_decisions(state, self._position.folders)
            entries, problems = read_entries(state)
            self._problems = (*unfinished, *problems)
            self.queue = ReviewQueue(entries, order, include_reviewed=include_reviewed)
        except BaseException:
            self._resources.close()
            raise
        self._decided: list[str] = []
        self._tour = DoubtTour()
        self._post = post
        self._wanted: Future[Opened] | None = None
        self.corrections = OpenCorrections(state.folder / "autosave", post, self._not_kept)
        self._reader = ImageReader(state, self.corrections)
        self._exports = ExportRefresher(
            state, refresh, finish, post, lambda: self.exports_changed.emit()
        )
        self._saver = DecisionSaver(state, self._exports, post, self._withdraw)
        self._ending: threading.Thread | None = None

    # ---- corrections that are not decided about --------------------------------------------------

    @property
    def offer(self) -> SavedCorrections | None:
        """What a crash left behind of this image: to be restored or discarded before painting."""
        return self.corrections.offer

    def note_edits(self) -> None:
        """Save corrections soon, if there are new ones."""
        labels = self.read_labels()
        if labels is not None:
            self.corrections.note(labels)

    def restore(self) -> None:
        """Show the corrections that a crash left behind."""
        try:
            labels = self.corrections.restore()
        except ItaclipError as error:
            self._say(str(error), "error")
            return
        if labels is not None:
            self.offer_changed.emit()
            self.labels_changed.emit(labels)

    def discard(self) -> None:
        """Delete the corrections that a crash left behind."""
        if self.offer is not None:
            self.corrections.discard()
            self.offer_changed.emit()

    def _leave(self) -> None:
        labels = self.read_labels()
        if labels is not None:
            self.corrections.leave(labels)

    def _not_kept(self, text: str) -> None:
        self._say(f"Corrections cannot be kept safe: {text} They are still in the layer.", "error")

    def _withdraw(self, key: str, reason: str) -> None:
        """Take a decision back that could not be saved; the corrections stay."""
        if self._ending is not None:
            return
        failed = self._saver.failed(key)
        self._decided = [one for one in self._decided if one != key]
        self.queue.decide(key, None)
        if failed is not None and failed.image is not None and self.shows(key):
            self.image = failed.image
            self.corrections.settle(failed.image)
            self.note_edits()
        self.queue_changed.emit()
        self.not_saved.emit(key, reason)

    def look_in(self, folder: Path) -> None:
        """Look for pictures that are not where they were in a folder, too, from now on."""
        folders = (folder, *(one for one in self._position.folders if one != folder))
        self._position = replace(self._position, folders=folders)
        self.reload()

    def reload(self) -> None:
        """Show this image anew, with its corrections."""
        self._leave()
        self._show()

    # ---- showing -------------------------------------------------------------------------------

    def shows(self, key: str) -> bool:
        """Say whether an image is looked at, and read."""
        return self.image is not None and self.image.record.key == key

    @property
    def loading(self) -> bool:
        """Whether the image is being read."""
        return self._wanted is not None

    @property
    def saving(self) -> bool:
        """Whether something that was decided is not saved yet."""
        return self._saver.pending > 0

    def _show(self) -> None:
        current = self.queue.current
        self.image = self.labels = self._wanted = None
        self.edited_pixels = 0
        self.corrections.forget()
        self._tour.begin()
        if current is not None:
            self._remember(current.key)
            self._wanted = work = self._read(current.key)
            if work.done():
                self._take(work)
                return
            work.add_done_callback(lambda _: self._post(lambda: self._take(work)))
        self._tell_shown()

    def _read(self, key: str) -> Future[Opened]:
        """Read an image; its labels are those that were decided, saved or not."""
        pending, failed = self._saver.image(key), self._saver.failed(key)
        if pending is not None:
            return self._reader.reopen(pending, pending.labels)
        if failed is not None and failed.image is not None and failed.labels is not None:
            return self._reader.reopen(failed.image, failed.labels)
        return self._reader.read(key, self._position.folders)

    def _take(self, work: Future[Opened]) -> None:
        if work is not self._wanted or self._ending is not None:
            return
        self._wanted = None
        try:
            self._open(work.result())
        except ItaclipError as error:
            self._say(f"{error} Skip it, or run the batch again.", "error")
        self._tell_shown()
        coming = self.queue.next_waiting()
        if coming is not None and not self._saver.waits(coming.key):
            self._reader.prepare(coming.key, self._position.folders)

    def _open(self, opened: Opened) -> None:
        self.image, found = opened.image, opened.found
        self.edited_pixels = opened.edited_pixels
        self.corrections.begin(opened.image, found)
        self.labels = opened.image.labels if found.labels is None else found.labels
        if found.problem is not None:
            name = opened.image.record.name
            self._say(f"Unsaved corrections of {name}: {found.problem}", "warning")

    def _tell_shown(self) -> None:
        self.image_changed.emit()
        self.offer_changed.emit()
        self.queue_changed.emit()

    def _remember(self, key: str) -> None:
        self._position = replace(self._position, key=key)
        try:
            save_position(self.state, self._position)
        except ItaclipError as error:
            self._say(f"{error} The next review will begin elsewhere.", "warning")

    def _say(self, text: str, level: str = "info") -> None:
        self.said.emit(Message(text, level))

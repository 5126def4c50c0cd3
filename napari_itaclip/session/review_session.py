"""A person's walk through the images of a batch: what is looked at, decided, saved; without Qt."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from psygnal import Signal

from napari_itaclip.annotation.autosave import SavedCorrections
from napari_itaclip.annotation.hand_edits import Labels
from napari_itaclip.annotation.review import UncertainRegion, least_certain_regions, next_region
from napari_itaclip.annotation.review_queue import Order, QueueEntry, ReviewQueue
from napari_itaclip.batch.records import ReviewVerdict
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import Message
from napari_itaclip.session.pictures import Region
from napari_itaclip.session.review_corrections import OpenCorrections
from napari_itaclip.session.review_exports import (
    ExportRefresher,
    Finish,
    Refresh,
    finish_exports,
    refresh_exports,
)
from napari_itaclip.session.review_files import (
    ReviewImage,
    drop_decision,
    problem_with,
    read_entries,
    read_position,
    save_decision,
    save_labels,
    save_position,
)
from napari_itaclip.session.review_reading import ReadAhead
from napari_itaclip.session.worker import Post
from napari_itaclip.vocabulary.classes import Vocabulary

_SHOWN_PROBLEMS = 3
"""How many unreadable records a message names."""


class ReviewSession:
    """The review of one batch; nobody else may write to it meanwhile.

    Whoever shows the labels sets `read_labels` and listens to the signals. Every signal is sent in
    the thread that the session was made in.

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
        What is looked at; None if it cannot be read, or there is nothing left.
    labels : ndarray of int, shape (H, W), or None
        What its labels were when it was shown: with corrections that were left in order.
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
        self.read_labels: Callable[[], Labels | None] = lambda: None
        self._resources = ExitStack()
        self._resources.enter_context(state.lock())
        try:
            entries, self._problems = read_entries(state)
            self.queue = ReviewQueue(entries, order, include_reviewed=include_reviewed)
        except BaseException:
            self._resources.close()
            raise
        self._position = read_position(state)
        self._decided: list[str] = []
        self._visited: list[Region] = []
        self._reader = ReadAhead(state)
        self.corrections = OpenCorrections(state.folder / "autosave", post, self._not_saved)
        self._exports = ExportRefresher(
            state, refresh, finish, post, lambda: self.exports_changed.emit()
        )
        self._closed = False

    # ---- going about ---------------------------------------------------------------------------

    def start(self) -> None:
        """Show the image at which the last review stopped, and do what it did not come to."""
        if self._problems:
            self._say("\n".join(self._problems[:_SHOWN_PROBLEMS]), "warning")
        left_over = self._exports.left_over()
        if left_over:
            self._exports.request(*left_over)
        self.queue.resume(self._position.key)
        self._show()

    def go_to(self, key: str) -> None:
        """Look at another image; corrections of this one are kept."""
        if self.queue.current is not None and key == self.queue.current.key:
            return
        self._leave()
        self.queue.go_to(key)
        self._show()

    def step(self, steps: int) -> None:
        """Look at the image so many places further, if there is one."""
        neighbour = self.queue.neighbour(steps)
        if neighbour is not None:
            self.go_to(neighbour.key)

    def show_reviewed(self, shown: bool) -> None:
        """Walk the images that are done, too, or leave them out."""
        self.queue.show_reviewed(shown)
        self.queue_changed.emit()
        if self.queue.current is None and self.queue.entries:
            self.queue.resume(None)
            self._show()

    def next_uncertain(self) -> UncertainRegion | None:
        """Return the next region of this image worth a look; None when all have been visited.

        What a person edited counts as certain. After the last region it begins anew.
        """
        labels = self.read_labels()
        if self.image is None or self.image.margin is None or labels is None:
            return None
        edited = labels != self.image.automatic
        regions = least_certain_regions(self.image.margin, valid=self.image.valid, skip=edited)
        found = next_region(regions, self._visited)
        if found is None:
            self._visited.clear()
            return None
        self._visited.append(found.region)
        return found

    # ---- deciding ------------------------------------------------------------------------------

    @property
    def edited_pixels(self) -> int:
        """Number of pixels whose label is not the one that the batch gave them."""
        labels = self.read_labels()
        if self.image is None or labels is None:
            return 0
        return int(np.count_nonzero(labels != self.image.automatic))

    def accept(self) -> bool:
        """Let the labels stand, corrected or not, and go on; return whether that could be saved."""
        return self._decide(None)

    def skip(self) -> bool:
        """Put the image off; corrections are saved, too. Return whether that could be done."""
        return self._decide("skipped")

    @property
    def can_take_back(self) -> bool:
        """Whether there is a decision to take back."""
        current = self.queue.current
        return bool(self._decided) or (current is not None and current.decision is not None)

    def take_back(self) -> bool:
        """Take the decision about this image back, else the last one that was made.

        The image is shown again with its corrections. Returns False when there is none.
        """
        current = self.queue.current
        if current is not None and current.decision is not None:
            key = current.key
        elif self._decided:
            key = self._decided[-1]
        else:
            return False
        try:
            drop_decision(self.state, key)
        except ItaclipError as error:
            self._say(str(error), "error")
            return False
        self._decided = [one for one in self._decided if one != key]
        self.queue.decide(key, None)
        self.queue_changed.emit()
        self.go_to(key)
        return True

    def revert(self) -> None:
        """Give this image the labels again that the batch gave it."""
        if self.image is not None and self.offer is None:
            self.labels_changed.emit(self.image.automatic)

    def _decide(self, verdict: ReviewVerdict | None) -> bool:
        current, image, labels = self.queue.current, self.image, self.read_labels()
        if current is None:
            return False
        if image is None or labels is None:
            # The labels cannot be read or were closed: all that can be said is "later".
            return verdict == "skipped" and self._skip_unread(current)
        problem = self._problem_with(labels, verdict)
        if problem is not None:
            self._say(problem, "warning")
            return False
        edited = int(np.count_nonzero(labels != image.automatic))
        verdict = verdict or ("fixed" if edited else "accepted")
        try:
            if not np.array_equal(labels, image.labels):
                with self._exports.changing(current.key):
                    self.image = image = save_labels(self.state, image, labels)
            save_decision(self.state, image.record, verdict, edited)
        except ItaclipError as error:
            self._say(f"{error} Your corrections are still here; make room and try again.", "error")
            return False
        self.labels = image.labels
        if self.offer is None:
            self.corrections.discard()
            self.corrections.settle(image)
        self._go_on(current, verdict, edited)
        return True

    def _problem_with(self, labels: Labels, verdict: ReviewVerdict | None) -> str | None:
        if verdict is None and self.offer is not None:
            return "Restore or discard the unsaved corrections first."
        if verdict is None and self.image is not None and self.image.problem is not None:
            return self.image.problem
        return None if self.image is None else problem_with(self.image, labels, self.vocabulary)

    def _skip_unread(self, current: QueueEntry) -> bool:
        try:
            save_decision(self.state, self.state.item(current.key), "skipped", 0)
        except ItaclipError as error:
            self._say(str(error), "error")
            return False
        self._go_on(current, "skipped", 0)
        return True

    def _go_on(self, current: QueueEntry, verdict: ReviewVerdict, edited: int) -> None:
        self._decided.append(current.key)
        self.queue.decide(current.key, verdict, edited)
        self.queue_changed.emit()
        waiting = self.queue.next_waiting()
        if waiting is not None:
            self.queue.go_to(waiting.key)
            self._show()
        elif self.queue.progress.reviewed == self.queue.progress.total:
            self._say(f"That was the last one: {self.queue.progress.text}.")
        else:
            self._say(f"Nothing else waits: {self.queue.progress.text}.")

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

    def _not_saved(self, text: str) -> None:
        self._say(f"Corrections cannot be kept safe: {text} They are still in the layer.", "error")

    # ---- exports and pictures --------------------------------------------------------------------

    @property
    def exports(self) -> ExportRefresher:
        """What keeps the exports up to date."""
        return self._exports

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

    def _show(self) -> None:
        current = self.queue.current
        self.image = self.labels = None
        self.corrections.forget()
        self._visited.clear()
        if current is not None:
            self._open(current)
            self._remember(current.key)
        self.image_changed.emit()
        self.offer_changed.emit()
        self.queue_changed.emit()
        coming = self.queue.next_waiting()
        if coming is not None:
            self._reader.prepare(coming.key, self._position.folders)

    def _open(self, entry: QueueEntry) -> None:
        try:
            self.image = self._reader.read(entry.key, self._position.folders)
        except ItaclipError as error:
            self._say(f"{error} Skip it, or run the batch again.", "error")
            return
        self.labels = self.image.labels
        try:
            self.labels = self.corrections.begin(self.image)
        except ItaclipError as error:
            self._say(f"Unsaved corrections of {entry.name}: {error}", "warning")

    def _remember(self, key: str) -> None:
        self._position = replace(self._position, key=key)
        try:
            save_position(self.state, self._position)
        except ItaclipError as error:
            self._say(f"{error} The next review will begin elsewhere.", "warning")

    def _say(self, text: str, level: str = "info") -> None:
        self.said.emit(Message(text, level))

    def close(self) -> None:
        """Keep corrections, wait until everything is written, and let others at the batch."""
        if self._closed:
            return
        self._closed = True
        self._leave()
        self._reader.close()
        self.corrections.close()
        self._exports.close()
        self._resources.close()

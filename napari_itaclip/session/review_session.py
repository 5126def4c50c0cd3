"""A person's walk through the images of a batch: what is looked at, decided, saved; without Qt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_itaclip.annotation.hand_edits import Labels, Mask
from napari_itaclip.annotation.review_queue import QueueEntry, ReviewQueue
from napari_itaclip.batch.records import ReviewVerdict
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.review_decisions import Decision
from napari_itaclip.session.review_doubt import uncertain_regions
from napari_itaclip.session.review_exports import (
    ExportRefresher,
)
from napari_itaclip.session.review_files import (
    drop_decision,
    problem_with,
    save_decision,
)
from napari_itaclip.session.review_view import ReviewView

_OTHER_SIZE = "The labels layer has another size now: go to another image and come back."

_SHOWN_PROBLEMS = 3
"""How many unreadable records a message names."""


class ReviewSession(ReviewView):
    """The review of one batch; nobody else may write to it meanwhile.

    Whoever shows the labels sets `read_labels` and listens to the signals. Every signal is sent in
    the thread that the session was made in. See `ReviewView` for parameters and attributes.
    """

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
        if self.queue.current is None and not self._problems:
            self._say(nothing_left(self.queue))

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

    def next_uncertain(self) -> None:
        """Look for the next region of this image worth a look; `region_found` tells of it.

        What a person edited counts as certain. After the last region it begins anew.
        """
        image, labels = self.image, self.read_labels()
        if image is None or labels is None:
            return
        edited = labels != image.automatic
        work = self._reader.run(lambda: uncertain_regions(image, edited))

        def tell() -> None:
            # Another image, or none, may have come meanwhile.
            if self._ending is None and self.shows(image.record.key):
                self.region_found.emit(self._tour.next(work.result()))

        work.add_done_callback(lambda _: self._post(tell))

    # ---- deciding ------------------------------------------------------------------------------

    def recount(self) -> None:
        """Count again how many labels are not the batch's: `edited_pixels`."""
        labels = self.read_labels()
        if self.image is not None and labels is not None:
            self.edited_pixels = int(np.count_nonzero(labels != self.image.automatic))

    def accept(self) -> bool:
        """Let the labels stand, corrected or not, and go on; return whether they can."""
        return self._decide(None)

    def skip(self) -> bool:
        """Put the image off; corrections are saved, too. Return whether that is possible."""
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
        if self._saver.waits(key):
            self._saver.take_back(key)
        elif not self._try(lambda: drop_decision(self.state, key)):
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
        changed = labels != image.automatic if labels.shape == image.labels.shape else None
        problem = self._problem_with(labels, changed, verdict)
        if problem is not None or changed is None:
            self._say(problem or _OTHER_SIZE, "warning")
            return False
        edited = int(np.count_nonzero(changed))
        verdict = verdict or ("fixed" if edited else "accepted")
        if (not edited and image.labels is image.automatic) or np.array_equal(labels, image.labels):
            decision = Decision(current.key, verdict, edited)
        else:
            # The layer may be painted in as soon as this returns.
            decision = Decision(current.key, verdict, edited, image, np.array(labels))
            image = replace(image, labels=np.asarray(decision.labels))
        if not self._save(decision):
            return False
        self.image, self.labels, self.edited_pixels = image, image.labels, edited
        if self.offer is None:
            self.corrections.settle(image)
        self._go_on(current, verdict, edited)
        return True

    def _save(self, decision: Decision) -> bool:
        if decision.labels is None and not self._saver.waits(decision.key):
            # A few bytes: on disk before the person sees it.
            record = self.state.item(decision.key)
            verdict, edited = decision.verdict, decision.edited_pixels
            if not self._try(lambda: save_decision(self.state, record, verdict, edited)):
                return False
            self._saver.withdraw(decision.key)
            if self.offer is None:
                self.corrections.discard()
            return True
        keep = self.corrections.dismiss() if self.offer is None else lambda: None
        self._saver.decide(decision, keep)
        return True

    def _try(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except ItaclipError as error:
            self._say(str(error), "error")
            return False
        return True

    def _problem_with(
        self, labels: Labels, changed: Mask | None, verdict: ReviewVerdict | None
    ) -> str | None:
        if verdict is None and self.offer is not None:
            return "Restore or discard the unsaved corrections first."
        if verdict is None and self.image is not None and self.image.problem is not None:
            return self.image.problem
        if self.image is None or changed is None:
            return None
        return problem_with(self.image, labels, changed, self.vocabulary)

    def _skip_unread(self, current: QueueEntry) -> bool:
        state, key = self.state, current.key
        if self._saver.waits(key):
            self._saver.decide(Decision(key, "skipped", 0), lambda: None)
        elif not self._try(lambda: save_decision(state, state.item(key), "skipped", 0)):
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

    # ---- exports and pictures --------------------------------------------------------------------

    @property
    def exports(self) -> ExportRefresher:
        """What keeps the exports up to date."""
        return self._exports

    @property
    def lost(self) -> dict[str, str]:
        """Corrections that are on no disk, and why, by the image's key; known at the end."""
        return {**self.corrections.lost, **self._saver.lost}

    def close(self, patience: float | None = None) -> bool:
        """Keep corrections, save what was decided, and let others at the batch.

        An export that is being written is finished; the others are noted for the next review.

        Parameters
        ----------
        patience : float or None
            How many seconds to wait for that; None waits for its end. What takes longer goes on in
            the background, and the batch is not free before.

        Returns
        -------
        bool
            Whether everything has ended.
        """
        if self._ending is None:
            self._leave()
            self._exports.stop()
            self._ending = threading.Thread(target=self._end, name="itaclip-review-end")
            self._ending.start()
        self._ending.join(patience)
        return not self._ending.is_alive()

    def _end(self) -> None:
        with self._resources:
            self._saver.close()
            self.corrections.close()
            self._reader.close()
            self._exports.close()


def nothing_left(queue: ReviewQueue) -> str:
    """Say why there is nothing to walk."""
    if not queue.progress.total:
        return "The batch has not labelled any image yet: run it again, it goes on by itself."
    return "All images are reviewed. Show reviewed images, below the queue, brings them back."

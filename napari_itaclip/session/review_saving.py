"""Saving decisions in a thread of its own, in the order in which they were made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from napari_itaclip.annotation.hand_edits import Labels
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import message_of
from napari_itaclip.session.review_decisions import Decision, forget, keep_decision, save
from napari_itaclip.session.review_exports import ExportRefresher
from napari_itaclip.session.review_files import ReviewImage, drop_decision
from napari_itaclip.session.worker import Post


@dataclass(frozen=True, eq=False)
class _Job:
    key: str
    decision: Decision | None  # None: take the decision back
    kept: Callable[[], None]
    bases: tuple[Labels, ...] = ()


class DecisionSaver:
    """Saves what is decided, one decision after the other.

    Before anything else of a decision is written, and before earlier ones are finished, all of it
    lies in one file: see `keep_decision`. From then on a crash loses nothing.

    Parameters
    ----------
    state : BatchState
        The batch.
    exports : ExportRefresher
        Held off an image while its labels are written; told of it afterwards.
    post : callable
        Brings a function into the owner's thread.
    failed : callable
        Called there with the key of an image that cannot be saved, and why.
    """

    def __init__(
        self,
        state: BatchState,
        exports: ExportRefresher,
        post: Post,
        failed: Callable[[str, str], None],
    ) -> None:
        self.lost: dict[str, str] = {}
        self._state, self._exports, self._post = state, exports, post
        self._tell = failed
        self._lock = threading.Lock()
        self._new: list[_Job] = []
        self._kept: list[_Job] = []
        self._open: dict[str, list[_Job]] = {}
        self._failed: dict[str, Decision] = {}
        self._working = False
        self._thread = ThreadPoolExecutor(1, "itaclip-saving")

    @property
    def pending(self) -> int:
        """Number of images that are not saved yet."""
        with self._lock:
            return len(self._open)

    def waits(self, key: str) -> bool:
        """Say whether something about an image is still to be written."""
        with self._lock:
            return key in self._open

    def withdraw(self, key: str) -> None:
        """Forget what could not be saved of an image: something else was decided of it."""
        with self._lock:
            known = self._failed.pop(key, None)
        if known is not None:
            with suppress(ItaclipError):
                forget(self._state, key)

    def image(self, key: str) -> ReviewImage | None:
        """Return an image with labels that are still being saved; None if they are on disk."""
        with self._lock:
            last = _last(self._open.get(key, []))
            if last is None or last.image is None or last.labels is None:
                return None
            return replace(last.image, labels=last.labels)

    def failed(self, key: str) -> Decision | None:
        """Return what was decided last of an image if it could not be saved."""
        with self._lock:
            return self._failed.get(key)

    def decide(self, decision: Decision, kept: Callable[[], None]) -> None:
        """Save a decision soon.

        Parameters
        ----------
        decision : Decision
            What was decided.
        kept : callable
            Called in the saving thread when no crash can lose it any more.
        """
        self._add(_Job(decision.key, decision, kept))

    def take_back(self, key: str) -> None:
        """Forget a decision soon; the labels stay as they are."""
        self._add(_Job(key, None, lambda: None))

    def close(self) -> None:
        """Wait until everything is saved or has failed, and end the thread.

        `lost` holds then what is on no disk, by the image's key, and why.
        """
        self._thread.shutdown(wait=True)
        for key, decision in self._failed.items():
            if decision.image is None or decision.labels is None:
                continue
            try:
                # There may be room by now: the next review finishes it then.
                keep_decision(self._state, decision, [decision.image.labels])
            except (ItaclipError, MemoryError) as error:
                self.lost[key] = message_of(error).text

    def _add(self, job: _Job) -> None:
        with self._lock:
            before = self._open.setdefault(job.key, [])
            decisions = [one.decision for one in (*before, job) if one.decision is not None]
            # Which of these lie on disk when a crash comes, nobody knows beforehand.
            bases = tuple(one.image.labels for one in decisions if one.image is not None)
            job = replace(job, bases=bases)
            before.append(job)
            self._new.append(job)
            start = not self._working
            self._working = True
        if start:
            self._thread.submit(self._work)

    # ---- the thread's side ---------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._lock:
                new, self._new = self._new, []
            for job in new:
                self._keep(job)
            self._kept.extend(new)
            if self._kept:
                self._save(self._kept.pop(0))
                continue
            with self._lock:
                if not self._new:
                    self._working = False
                    return

    def _keep(self, job: _Job) -> None:
        if job.decision is None:
            return
        try:
            keep_decision(self._state, job.decision, job.bases)
        except (ItaclipError, MemoryError):
            return  # Saving it will say why.
        job.kept()

    def _save(self, job: _Job) -> None:
        try:
            self._write(job)
        except Exception as error:
            # Whatever it is, a person must see it, and the thread goes on.
            self._give_up(job, message_of(error).text)
            return
        with self._lock:
            self._failed.pop(job.key, None)
        self._done(job)

    def _write(self, job: _Job) -> None:
        decision = job.decision
        if decision is None:
            drop_decision(self._state, job.key)
        elif decision.labels is None:
            save(self._state, decision)
        else:
            with self._exports.changing(job.key):
                save(self._state, decision)
            job.kept()
        if not any(one.key == job.key for one in self._kept):
            # Otherwise it is a later decision's already.
            forget(self._state, job.key)

    def _give_up(self, job: _Job, reason: str) -> None:
        # What was decided later of the same image, was decided of labels that are not saved.
        jobs = [job, *(one for one in self._kept if one.key == job.key)]
        self._kept = [one for one in self._kept if one.key != job.key]
        last = _last(jobs)
        if last is not None and job.decision is not None and job.decision.image is not None:
            with self._lock:
                self._failed[job.key] = replace(last, image=job.decision.image)
        for one in jobs:
            self._done(one)
        self._post(lambda: self._tell(job.key, reason))

    def _done(self, job: _Job) -> None:
        with self._lock:
            jobs = self._open[job.key]
            jobs.remove(job)
            if not jobs:
                del self._open[job.key]


def _last(jobs: list[_Job]) -> Decision | None:
    """Return the last decision that changes labels; None if there is none."""
    for job in reversed(jobs):
        if job.decision is not None and job.decision.labels is not None:
            return job.decision
    return None

"""How far a batch is, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from napari_itaclip.batch.work import Outcome
from napari_itaclip.formats.report import ExportReport


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes
    ----------
    done : int
        Images that are dealt with, those included that needed nothing.
    total : int
        All images.
    skipped, kept, failed : int
        Images that were finished before, that a person has worked on, that could not be labelled.
    rate : float
        Images labelled per second so far; 0 before the first.
    seconds_left : float or None
        An estimate from the rate; None before the first image.
    name : str
        The image that was finished last.
    """

    done: int = 0
    total: int = 0
    skipped: int = 0
    kept: int = 0
    failed: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    name: str = ""


ShowProgress = Callable[[BatchProgress], None]


@dataclass(frozen=True)
class BatchReport:
    """What a batch did.

    Attributes
    ----------
    done : int
        Images that were labelled, or whose files were written anew.
    skipped : int
        Images that were finished before.
    kept : tuple of (str, str)
        Images that a person has worked on and that were left as they are, with what was done.
    failed : tuple of (str, str)
        Images that could not be labelled, with the reason.
    left : int
        Images that were not begun because the batch was stopped or limited.
    seconds : float
        How long it took.
    rate : float
        Images labelled per second.
    exports : tuple of (str, ExportReport)
        What each data set holds now, by format.
    """

    done: int
    skipped: int
    kept: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    left: int
    seconds: float
    rate: float
    exports: tuple[tuple[str, ExportReport], ...] = ()


class Tally:
    """Counts outcomes as they come.

    Parameters
    ----------
    total : int
        Number of images.
    show : callable, optional
        Called with the progress after each.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        total: int,
        show: ShowProgress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._show = show
        self._labelling_began: float | None = None
        self.total = total
        self.outcomes: list[Outcome] = []
        self._counts = dict.fromkeys(("done", "skipped", "kept", "failed", "left"), 0)

    def begin_labelling(self) -> None:
        """Start the clock of the rate, at the first image that the model works on."""
        if self._labelling_began is None:
            self._labelling_began = self._clock()

    def count(self, outcome: Outcome) -> None:
        """Count one more image."""
        self._counts[outcome.ending] += 1
        if outcome.ending in ("kept", "failed"):
            self.outcomes.append(outcome)
        if self._show is not None:
            self._show(self.progress(outcome.name))

    def progress(self, name: str = "") -> BatchProgress:
        """Return how far it is."""
        counts = self._counts
        done = sum(counts.values()) - counts["left"]
        rate = self.rate
        return BatchProgress(
            done=done,
            total=self.total,
            skipped=counts["skipped"],
            kept=counts["kept"],
            failed=counts["failed"],
            rate=rate,
            seconds_left=(self.total - done) / rate if rate else None,
            name=name,
        )

    @property
    def rate(self) -> float:
        """Images labelled per second."""
        if self._labelling_began is None or not self._counts["done"]:
            return 0.0
        return self._counts["done"] / max(self._clock() - self._labelling_began, 1e-9)

    def report(self, exports: tuple[tuple[str, ExportReport], ...] = ()) -> BatchReport:
        """Return what the batch did."""

        def listed(ending: str) -> tuple[tuple[str, str], ...]:
            found = ((one.name, one.reason) for one in self.outcomes if one.ending == ending)
            return tuple(sorted(found))

        counts = self._counts
        done_with = sum(counts.values()) - counts["left"]
        return BatchReport(
            done=counts["done"],
            skipped=counts["skipped"],
            kept=listed("kept"),
            failed=listed("failed"),
            left=self.total - done_with,
            seconds=self._clock() - self._began,
            rate=self.rate,
            exports=exports,
        )

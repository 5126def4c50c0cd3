"""In which order the images of a batch are looked at, and how far that has come."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from napari_itaclip.errors import SettingsError

Decision: TypeAlias = Literal["accepted", "fixed", "skipped"]
"""What a person said of an image: the labels stand, they were corrected, or "later"."""

Order: TypeAlias = Literal["uncertainty", "name"]

ORDERS: tuple[Order, ...] = ("uncertainty", "name")
"""The orders of a queue; the first is the usual one."""


@dataclass(frozen=True)
class QueueEntry:
    """One image of a queue.

    Attributes
    ----------
    key : str
        What its files in the batch's folder are called after.
    name : str
        What the image is called in the data set.
    uncertainty : float
        Mean of 1 - margin over its pixels, 0 to 1.
    decision : {"accepted", "fixed", "skipped"} or None
        What was said of it; None when nothing was yet.
    edited_pixels : int
        How many pixels were corrected.
    """

    key: str
    name: str
    uncertainty: float
    decision: Decision | None = None
    edited_pixels: int = 0

    @property
    def reviewed(self) -> bool:
        """Whether it is done: "later" is not."""
        return self.decision in ("accepted", "fixed")


@dataclass(frozen=True)
class Progress:
    """How far a review has come, in images.

    Attributes
    ----------
    total : int
        Of the batch.
    accepted, fixed, skipped : int
        Of each decision.
    """

    total: int
    accepted: int = 0
    fixed: int = 0
    skipped: int = 0

    @property
    def reviewed(self) -> int:
        """Images that are done."""
        return self.accepted + self.fixed

    @property
    def text(self) -> str:
        """The progress in one line: "12 of 60 reviewed · 3 fixed · 2 skipped"."""
        parts = [f"{self.reviewed} of {self.total} reviewed"]
        parts += [f"{self.fixed} fixed"] if self.fixed else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return " · ".join(parts)


def progress_of(entries: Iterable[QueueEntry]) -> Progress:
    """Count the decisions of all images of a batch."""
    decisions = [entry.decision for entry in entries]
    return Progress(
        len(decisions),
        decisions.count("accepted"),
        decisions.count("fixed"),
        decisions.count("skipped"),
    )


def in_order(entries: Iterable[QueueEntry], order: Order = "uncertainty") -> tuple[QueueEntry, ...]:
    """Return images in the order in which they are to be looked at.

    Parameters
    ----------
    entries : iterable of QueueEntry
        The images.
    order : {"uncertainty", "name"}
        Least certain first, equals by name; or by name.

    Raises
    ------
    SettingsError
        If there is no such order.
    """
    if order == "name":
        return tuple(sorted(entries, key=lambda entry: entry.name))
    if order == "uncertainty":
        return tuple(sorted(entries, key=lambda entry: (-entry.uncertainty, entry.name)))
    raise SettingsError(f"there is no order {order!r}; choose one of: {', '.join(ORDERS)}")


class ReviewQueue:
    """The images of a batch in order, and the place where a person is.

    Images that are done when the queue is made are left out unless asked for; what is decided from
    then on stays, so that one can go back to it.

    Parameters
    ----------
    entries : iterable of QueueEntry
        All images of the batch.
    order : {"uncertainty", "name"}
        See `in_order`.
    include_reviewed : bool
        Whether to walk the images, too, that are done already.
    """

    def __init__(
        self,
        entries: Iterable[QueueEntry],
        order: Order = "uncertainty",
        *,
        include_reviewed: bool = False,
    ) -> None:
        self._all: dict[str, QueueEntry] = {entry.key: entry for entry in in_order(entries, order)}
        self._keys: list[str] = []
        self._current: str | None = None
        self.include_reviewed = include_reviewed
        self._choose(())

    @property
    def entries(self) -> tuple[QueueEntry, ...]:
        """The images to be walked, in order."""
        return tuple(self._all[key] for key in self._keys)

    @property
    def all_entries(self) -> tuple[QueueEntry, ...]:
        """All images of the batch, in order."""
        return tuple(self._all.values())

    @property
    def progress(self) -> Progress:
        """How far the whole batch has come."""
        return progress_of(self._all.values())

    @property
    def current(self) -> QueueEntry | None:
        """The image that is looked at; None when there is none."""
        return None if self._current is None else self._all[self._current]

    @property
    def place(self) -> int | None:
        """The place of the current image in the queue, from 0."""
        return None if self._current is None else self._keys.index(self._current)

    def show_reviewed(self, shown: bool) -> None:
        """Walk the images that are done, too, or leave them out from now on.

        The current image stays in the queue whatever it is.
        """
        self.include_reviewed = shown
        self._choose(() if self._current is None else (self._current,))

    def go_to(self, key: str) -> None:
        """Make an image the current one.

        Raises
        ------
        KeyError
            If the queue has no such image.
        """
        if key not in self._keys:
            raise KeyError(key)
        self._current = key

    def resume(self, key: str | None) -> None:
        """Go to where a person stopped, else to the first image that waits for a decision."""
        if key in self._keys:
            self._current = key
        elif self._current is None:
            # Where it was left out because it is done, go on after it.
            order = list(self._all)
            after = order.index(key) + 1 if key in self._all else 0
            self._current = self._waiting_after(order, after) or next(iter(self._keys), None)

    def neighbour(self, step: int) -> QueueEntry | None:
        """Return the image so many places further; None beyond the ends."""
        place = self.place
        if place is None or not 0 <= place + step < len(self._keys):
            return None
        return self._all[self._keys[place + step]]

    def next_waiting(self) -> QueueEntry | None:
        """Return the next image without a decision, else the next that was put off.

        The search begins after the current image and goes on from the start; the current image
        itself is not returned.
        """
        place = self.place
        found = self._waiting_after(self._keys, 0 if place is None else place + 1)
        return None if found is None else self._all[found]

    def decide(self, key: str, decision: Decision | None, edited_pixels: int = 0) -> None:
        """Note what was said of an image; None takes a decision back.

        Raises
        ------
        KeyError
            If the batch has no such image.
        """
        self._all[key] = replace(self._all[key], decision=decision, edited_pixels=edited_pixels)

    def _waiting_after(self, order: Sequence[str], place: int) -> str | None:
        around = [*order[place:], *order[:place]]
        candidates = [self._all[key] for key in around if key in self._keys]
        candidates = [entry for entry in candidates if entry.key != self._current]
        for wanted in (None, "skipped"):
            for entry in candidates:
                if entry.decision == wanted:
                    return entry.key
        return None

    def _choose(self, kept: Collection[str]) -> None:
        self._keys = [
            entry.key
            for entry in self._all.values()
            if self.include_reviewed or not entry.reviewed or entry.key in kept
        ]

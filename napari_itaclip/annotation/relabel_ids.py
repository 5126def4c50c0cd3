"""Carry labels over to another vocabulary, in which the same numbers mean other classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.annotation.hand_edits import planes_of
from napari_itaclip.vocabulary.classes import Vocabulary

NARROW_LIMIT = np.iinfo(np.uint16).max
"""The largest id that a 16-bit labels layer holds."""

UNKNOWN_COLOR = "#808080"
"""Colour of labels that no class has, such as a number that a person typed into napari."""

_RESERVED = 60_000
"""Ids from here on are given to classes that a vocabulary lacks: far from where it grows."""


@dataclass(frozen=True)
class LegendEntry:
    """What a label value stands for.

    Attributes
    ----------
    name : str
        Name of the class.
    color : str
        ``#rrggbb``.
    """

    name: str
    color: str


@dataclass(frozen=True)
class Relabelling:
    """New values for some labels.

    Attributes
    ----------
    moves : mapping of int to int
        Old value to new value; values that are not named stay.
    extra : mapping of int to LegendEntry
        What values mean that the new vocabulary does not have.
    """

    moves: Mapping[int, int] = field(default_factory=dict)
    extra: Mapping[int, LegendEntry] = field(default_factory=dict)

    @property
    def highest(self) -> int:
        """The largest value that can come out new."""
        return max(self.moves.values(), default=0)

    def apply(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """Return the labels with new values, in a wider type where the old one is too narrow.

        Parameters
        ----------
        labels : ndarray of int
            Labels of any shape, not negative.

        Returns
        -------
        ndarray of int
            A new array, or ``labels`` itself if there is nothing to move.
        """
        if not self.moves or not labels.size:
            return labels
        dtype = holding(labels.dtype, self.highest)
        if labels.dtype.kind == "u" and labels.dtype.itemsize <= 2:
            table = np.arange(np.iinfo(labels.dtype).max + 1, dtype=dtype)
            for old, new in self.moves.items():
                if old < len(table):
                    table[old] = new
            moved: NDArray[np.integer[Any]] = table[labels]
            return moved
        result = labels.astype(dtype)
        for old, new in self.moves.items():
            result[labels == old] = new
        return result


def holding(dtype: np.dtype[Any], highest: int) -> np.dtype[Any]:
    """Return an integer type that holds all values of ``dtype`` that are labels, and ``highest``.

    It is ``dtype`` where that suffices, else uint16 or int32.
    """
    if np.iinfo(dtype).max >= highest:
        return dtype
    wide = dtype.itemsize > 2 or highest > NARROW_LIMIT
    return np.dtype(np.int32 if wide else np.uint16)


def values_in(labels: NDArray[np.integer[Any]]) -> set[int]:
    """Return the values that occur in labels, one plane of the last two axes at a time."""
    found: set[int] = set()
    for block in planes_of(labels.shape):
        plane = labels[block].reshape(-1)
        if plane.dtype.kind == "u" and plane.dtype.itemsize <= 2:
            values = np.flatnonzero(np.bincount(plane))
        else:
            values = np.unique(plane)
        found.update(values.tolist())
    return found


def carry_over(
    known: Mapping[int, LegendEntry], present: Collection[int], vocabulary: Vocabulary
) -> Relabelling:
    """Find out what the labels of an old vocabulary become in a new one.

    A class keeps its pixels by its name (upper and lower case are the same). A class that the new
    vocabulary lacks gets a free id and keeps its name and colour. 0 stays 0.

    Parameters
    ----------
    known : mapping of int to LegendEntry
        What the old ids mean.
    present : collection of int
        Ids that occur in the labels or may come back.
    vocabulary : Vocabulary
        The new classes.
    """
    moves: dict[int, int] = {}
    extra: dict[int, LegendEntry] = {}
    free = _free_ids({*vocabulary.ids, *present, *known})
    for old in sorted({*present} - {0}):
        entry = known.get(old, LegendEntry(f"label {old}", UNKNOWN_COLOR))
        if entry.name in vocabulary:
            new = vocabulary[entry.name].id or 0
        else:
            new = old if old >= _RESERVED and old not in vocabulary.ids else next(free)
            extra[new] = entry
        if new != old:
            moves[old] = new
    return Relabelling(moves, extra)


def make_room(extra: Mapping[int, LegendEntry], vocabulary: Vocabulary) -> Relabelling | None:
    """Give classes that were carried over other ids where the vocabulary has taken theirs.

    Returns
    -------
    Relabelling or None
        None if no id is taken.
    """
    taken = sorted({*extra} & {*vocabulary.ids})
    if not taken:
        return None
    free = _free_ids({*vocabulary.ids, *extra})
    moves = {old: next(free) for old in taken}
    return Relabelling(moves, {moves.get(old, old): entry for old, entry in extra.items()})


def _free_ids(taken: Collection[int]) -> Iterator[int]:
    """Yield ids that nobody has, from the largest 16-bit one down."""
    yield from (number for number in range(NARROW_LIMIT, 0, -1) if number not in taken)

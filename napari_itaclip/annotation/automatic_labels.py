"""Put automatic labels into an array and leave alone what a person painted or locked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.annotation.hand_edits import AutomaticChange, Block, HandEdits, Labels


@dataclass(frozen=True)
class BlockWrite:
    """What writing automatic labels into a box did.

    Attributes
    ----------
    change : AutomaticChange or None
        How to take it back; None if nothing changed, not even beneath paint.
    changed : int
        Pixels that have another label now.
    kept : int
        Pixels that would have another label, had they not been painted or locked.
    """

    change: AutomaticChange | None
    changed: int
    kept: int


def put_automatic(
    shown: Labels,
    edits: HandEdits,
    block: Block,
    labels: Labels,
    *,
    locked: Collection[int] = (),
    before: Labels | None = None,
) -> BlockWrite:
    """Write automatic labels into a box.

    Parameters
    ----------
    shown : ndarray of int
        The labels layer's data; written in place.
    edits : HandEdits
        What was painted; its automatic labels are written, too.
    block : tuple of slice
        The box.
    labels : ndarray of int, shape of the box
        New labels. They fit into the type of ``shown``.
    locked : collection of int
        Classes whose pixels stay as they are.
    before : ndarray of int or None
        A copy of the box as it is, if somebody has one.
    """
    current = shown[block]
    new = np.array(labels, dtype=shown.dtype, order="C")
    differs = new != current
    wanted = int(np.count_nonzero(differs))
    if locked:
        stays = np.isin(current, np.fromiter(locked, np.int64))
        stays &= ~edits.mask[block]
        np.copyto(new, current, where=stays)
        differs &= ~stays
    # Few pixels are painted, so work with their positions.
    beneath = np.flatnonzero(edits.mask[block]) if edits.count else np.zeros(0, np.int64)
    changed = int(np.count_nonzero(differs)) if locked else wanted
    changed -= int(np.count_nonzero(differs.reshape(-1)[beneath]))
    old, fresh = _at(edits.automatic[block], beneath), new.reshape(-1)[beneath]
    kept = wanted - changed
    if not changed:
        if np.array_equal(old, fresh):
            return BlockWrite(None, 0, kept)
        change = AutomaticChange(block, None, None, beneath, old, fresh)
        change.apply(edits, forward=True)
        return BlockWrite(change, 0, kept)
    edits.automatic[block] = new
    before = narrow(current) if before is None else before
    if beneath.size:
        new.reshape(-1)[beneath] = _at(current, beneath)
    shown[block] = new
    return BlockWrite(
        AutomaticChange(block, before, narrow(new), beneath, old, fresh), changed, kept
    )


def continued(
    changes: Sequence[AutomaticChange], new: AutomaticChange, shown: Labels, edits: HandEdits
) -> list[AutomaticChange]:
    """Return a list of changes with one more, which lies within an earlier one if it can.

    Parameters
    ----------
    changes : sequence of AutomaticChange
        Earlier changes, in order.
    new : AutomaticChange
        A change that was made already.
    shown, edits
        The labels and what was painted, as they are now.
    """
    for at in reversed(range(len(changes))):
        earlier = changes[at]
        if earlier.after is not None and contains(earlier.block, new.block):
            beneath = _at(edits.automatic[earlier.block], earlier.beneath)
            longer = replace(earlier, after=narrow(shown[earlier.block]), beneath_after=beneath)
            return [*changes[:at], longer, *changes[at + 1 :]]
        if _meet(earlier.block, new.block):
            break
    return [*changes, new]


def is_void(change: AutomaticChange) -> bool:
    """Tell whether a change that was continued came back to where it began."""
    shown_same = change.before is change.after or (
        change.before is not None
        and change.after is not None
        and np.array_equal(change.before, change.after)
    )
    return shown_same and np.array_equal(change.beneath_before, change.beneath_after)


def narrow(labels: Labels) -> Labels:
    """Return a copy of labels, in 8 bits if they fit: the history is kept this way."""
    fits = labels.dtype.itemsize > 1 and labels.min() >= 0 and labels.max() <= 255
    return np.array(labels, dtype=np.uint8 if fits else labels.dtype, order="C")


def contains(outer: Block, inner: Block) -> bool:
    """Tell whether a box lies within another."""
    return all(a.start <= b.start and b.stop <= a.stop for a, b in zip(outer, inner, strict=True))


def _at(labels: Labels, positions: NDArray[np.int64]) -> Labels:
    """Return the labels of a box at flat positions; spares the copy where there are none."""
    return labels.reshape(-1)[positions] if positions.size else np.zeros(0, labels.dtype)


def _meet(one: Block, other: Block) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))

"""Which pixels a person painted, and what the automatic labels beneath them are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.pictures import Plane, Region

Labels: TypeAlias = NDArray[np.integer[Any]]
Mask: TypeAlias = NDArray[np.bool_]
Block: TypeAlias = tuple[slice, ...]
"""A box in data of any number of axes: one slice with explicit bounds for each axis."""


class EditsError(ItaclipError, RuntimeError):
    """Labels cannot be reset or taken back as asked."""


def block_of(plane: Plane, region: Region | None, shape: tuple[int, ...]) -> Block:
    """Return the box that a rectangle of a plane takes up in data of ``shape``.

    Raises
    ------
    ValueError
        If plane or rectangle do not fit the data.
    """
    if len(plane.index) != len(shape) or plane.index.count(None) != 2:
        raise ValueError(f"{plane} is no plane of data of shape {shape}")
    height, width = plane.shape(shape)
    rows, columns = (region or Region(0, 0, height, width)).slices
    inside = 0 <= rows.start < rows.stop <= height and 0 <= columns.start < columns.stop <= width
    if not inside:
        raise ValueError(f"{region} does not lie in a plane of {height} × {width} pixels")
    spanned = iter((columns, rows) if plane.transposed else (rows, columns))
    block: list[slice] = []
    for place, size in zip(plane.index, shape, strict=True):
        if place is None:
            block.append(next(spanned))
        elif -size <= place < size:
            block.append(slice(place % size, place % size + 1))
        else:
            raise ValueError(f"{plane} lies outside of data of shape {shape}")
    return tuple(block)


def as_block(plane: Plane, labels: Labels) -> Labels:
    """Return labels ``(H, W)`` of a plane with the axes of the data: a view."""
    flat = labels.T if plane.transposed else labels
    return np.expand_dims(
        flat, tuple(axis for axis, place in enumerate(plane.index) if place is not None)
    )


def planes_of(shape: tuple[int, ...]) -> Iterator[Block]:
    """Yield the boxes that data of ``shape`` consist of, one for each plane of the last axes."""
    ends = tuple(slice(0, size) for size in shape[-2:])
    for places in np.ndindex(shape[:-2]):
        yield (*(slice(place, place + 1) for place in places), *ends)


def smallest_box(where: Mask) -> Block | None:
    """Return the smallest box that holds all true pixels; None if there are none."""
    box: list[slice] = []
    for axis in range(where.ndim):
        others = tuple(other for other in range(where.ndim) if other != axis)
        found = np.flatnonzero(where.any(axis=others))
        if not found.size:
            return None
        box.append(slice(int(found[0]), int(found[-1]) + 1))
    return tuple(box)


@dataclass(frozen=True)
class MaskChange:
    """Pixels that were marked as painted, or no longer are.

    Attributes
    ----------
    block : tuple of slice
        Where they lie.
    where : ndarray of bool, shape of the block
        The pixels whose mark changed.
    marked : bool
        What they became.
    """

    block: Block
    where: Mask
    marked: bool


class HandEdits:
    """Pixels that a person painted, and the automatic labels of all pixels.

    Both arrays are allocated as zeros, so that an operating system gives memory only to the
    planes that are used.

    Parameters
    ----------
    shape : tuple of int
        Shape of the labels, any number of axes.
    dtype
        Type of the labels.

    Attributes
    ----------
    mask : ndarray of bool
        True where a person painted. Change it only through the methods.
    automatic : ndarray of int
        The last automatic labels. Equal to the labels wherever nobody painted.
    count : int
        Number of painted pixels.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.mask: Mask = np.zeros(shape, bool)
        self.automatic: Labels = np.zeros(shape, dtype)
        self.count = 0

    def mark(self, block: Block, where: Mask) -> MaskChange | None:
        """Mark pixels as painted.

        Parameters
        ----------
        block : tuple of slice
            A box.
        where : ndarray of bool, shape of the box
            The pixels in it.

        Returns
        -------
        MaskChange or None
            What is new; None if all of them were marked before.
        """
        return self._change(block, where & ~self.mask[block], True)

    def clear(self, block: Block, where: Mask) -> MaskChange | None:
        """Take marks away; parameters and result as in `mark`."""
        return self._change(block, where & self.mask[block], False)

    def apply(self, change: MaskChange, *, forward: bool) -> None:
        """Repeat a change, or take it back."""
        marked = change.marked if forward else not change.marked
        self.mask[change.block][change.where] = marked
        self.count += int(np.count_nonzero(change.where)) * (1 if marked else -1)

    def unnoticed(self, block: Block, labels: Labels) -> Mask | None:
        """Return the unmarked pixels of a box whose labels are not the automatic ones.

        Somebody wrote them into the array without telling: a script, or another plugin.

        Parameters
        ----------
        block : tuple of slice
            A box.
        labels : ndarray of int, shape of the box
            The labels that are shown there.

        Returns
        -------
        ndarray of bool or None
            None if there is no such pixel.
        """
        differs = labels != self.automatic[block]
        if self.count:
            differs &= ~self.mask[block]
        return differs if differs.any() else None

    def _change(self, block: Block, where: Mask, marked: bool) -> MaskChange | None:
        number = int(np.count_nonzero(where))
        if not number:
            return None
        self.mask[block][where] = marked
        self.count += number if marked else -number
        return MaskChange(block, where, marked)


@dataclass(frozen=True)
class AutomaticChange:
    """A change of the automatic labels of a box, to be taken back and repeated.

    Attributes
    ----------
    block : tuple of slice
        The box.
    before, after : ndarray of int or None
        The labels that are shown there: the automatic ones except under paint. None if only the
        labels under paint changed.
    beneath : ndarray of int64, shape (n,)
        Flat positions in the box of the pixels under paint.
    beneath_before, beneath_after : ndarray of int, shape (n,)
        Their automatic labels.
    """

    block: Block
    before: Labels | None
    after: Labels | None
    beneath: NDArray[np.int64]
    beneath_before: Labels
    beneath_after: Labels

    @property
    def nbytes(self) -> int:
        """Memory that the pixels under paint take."""
        return self.beneath.nbytes + self.beneath_before.nbytes + self.beneath_after.nbytes

    def apply(self, edits: HandEdits, *, forward: bool) -> None:
        """Repeat the change in the automatic labels, or take it back."""
        shown = self.after if forward else self.before
        values = self.beneath_after if forward else self.beneath_before
        if shown is None and not self.beneath.size:
            return
        labels = np.array(edits.automatic[self.block] if shown is None else shown, order="C")
        labels = labels.astype(edits.automatic.dtype, copy=False)
        labels.reshape(-1)[self.beneath] = values
        edits.automatic[self.block] = labels

    def relabelled(self, new: Callable[[Labels], Labels]) -> AutomaticChange:
        """Return the same change with label values translated by ``new``."""
        return AutomaticChange(
            self.block,
            None if self.before is None else new(self.before),
            None if self.after is None else new(self.after),
            self.beneath,
            new(self.beneath_before),
            new(self.beneath_after),
        )

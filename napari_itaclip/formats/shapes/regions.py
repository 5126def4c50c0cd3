"""Objects in labels: the connected regions of each class, or the instances that are given.

Pixels that touch at an edge or a corner belong together (8-connectivity): a wire one pixel wide
that runs diagonally is one object and not a hundred. Holes stay holes, and what lies in them is an
object of its own. Objects of one class that touch can only be told apart by `instances`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_itaclip.formats.model import LabelClass, LabelledImage, Loss

EIGHT = np.ones((3, 3), bool)
"""Neighbours at edges and corners."""


@dataclass(frozen=True, eq=False)
class Region:
    """The pixels of one object, cut out.

    Attributes
    ----------
    class_id : int
        Its class.
    instance : int
        Its number in `LabelledImage.instances`, 0 when they are not given. Several regions have
        the same one where an instance has several classes.
    at : tuple of int
        Row and column of the mask's first pixel.
    mask : ndarray of bool, shape (h, w)
        The pixels, with no empty row or column around them.
    """

    class_id: int
    instance: int
    at: tuple[int, int]
    mask: NDArray[np.bool_]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """Left, top, width and height."""
        height, width = self.mask.shape
        return self.at[1], self.at[0], width, height

    @property
    def holes(self) -> int:
        """Number of holes: areas outside, that are closed off."""
        outside = np.pad(~self.mask, 1, constant_values=True)
        # Inside holds together at corners, so outside does not.
        return int(ndimage.label(outside)[1]) - 1

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the mask in the image."""
        (row, column), (height, width) = self.at, self.mask.shape
        return slice(row, row + height), slice(column, column + width)


def class_regions(item: LabelledImage, *, background: bool = False) -> tuple[Region, ...]:
    """Return one region for each class that occurs, in the order of ids.

    Parameters
    ----------
    item
        The labels.
    background
        Whether the background counts as a class here.
    """
    found = []
    for one in _present(item, item.classes if background else item.things):
        mask = item.mask(one.id)
        if mask.any():
            found.append(_cropped(mask, one.id, 0, (0, 0)))
    return tuple(found)


def instance_regions(item: LabelledImage) -> tuple[Region, ...]:
    """Return one region for each given instance and class but the background; none if none given.

    They are in the order of class ids, then of instance numbers.
    """
    if item.instances is None:
        return ()
    found = []
    for one in _present(item, item.things):
        numbers = np.where(item.mask(one.id), item.instances, 0)
        for number, inside, at in _split(numbers):
            found.append(_cropped(inside, one.id, number, at))
    return tuple(found)


def object_regions(item: LabelledImage) -> tuple[Region, ...]:
    """Return the objects of every class but the background.

    Without `LabelledImage.instances` these are the connected regions of each class. With them, all
    pixels of an instance and a class make one object, connected or not, and pixels of a class that
    belong to no instance make connected regions.

    Returns
    -------
    tuple of Region
        By class id, then instances by number, then connected regions by their first pixel (row by
        row).
    """
    found = [*instance_regions(item)]
    for one in _present(item, item.things):
        mask = item.mask(one.id)
        found.extend(
            connected(mask if item.instances is None else mask & (item.instances <= 0), one.id)
        )
    return tuple(sorted(found, key=lambda one: (one.class_id, not one.instance, one.instance)))


def connected(mask: NDArray[np.bool_], class_id: int = 1) -> tuple[Region, ...]:
    """Return the connected regions of a mask, by their first pixel row by row."""
    parts, _ = ndimage.label(mask, structure=EIGHT)
    return tuple(
        Region(class_id, 0, (window[0].start, window[1].start), parts[window] == number)
        for number, window in enumerate(ndimage.find_objects(parts), start=1)
    )


def without_small(
    regions: Sequence[Region], min_pixels: int
) -> tuple[tuple[Region, ...], tuple[Loss, ...]]:
    """Leave out regions of fewer than ``min_pixels`` pixels; say what was left out."""
    kept = tuple(one for one in regions if one.area >= min_pixels)
    if len(kept) == len(regions):
        return kept, ()
    small = [one.area for one in regions if one.area < min_pixels]
    loss = Loss(
        "small objects left out",
        f"{len(small)} objects of fewer than {min_pixels} pixels",
        sum(small),
    )
    return kept, (loss,)


def uncovered_losses(item: LabelledImage) -> tuple[Loss, ...]:
    """Return what a format of objects does not say about the pixels that belong to none.

    Pixels outside all objects read back as the background where there is one, else as unlabelled:
    with a background class, unlabelled pixels are lost.
    """
    if item.background is None:
        return ()
    pixels = int(np.count_nonzero(item.unlabelled))
    if not pixels:
        return ()
    return (
        Loss(
            "unlabelled left out",
            f"unlabelled pixels cannot be told from {item.background.name!r}",
            pixels,
        ),
    )


def unlabelled_value(classes: Sequence[LabelClass]) -> int:
    """Return the value of pixels without a class in labels that are read.

    0 if no class has it, else 255, else the first value above all ids.
    """
    ids = {one.id for one in classes}
    return next(value for value in (0, 255, max(ids, default=0) + 1) if value not in ids)


def empty_value(classes: Sequence[LabelClass]) -> int:
    """Return the value of pixels outside all objects: the background's, else `unlabelled_value`."""
    background = next((one.id for one in classes if one.background), None)
    return unlabelled_value(classes) if background is None else background


def labels_dtype(classes: Sequence[LabelClass]) -> type[np.integer[Any]]:
    """Return the smallest type that holds all ids and the value of unlabelled pixels."""
    largest = max([*(one.id for one in classes), unlabelled_value(classes)])
    return np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.int64


def _present(item: LabelledImage, classes: Sequence[LabelClass]) -> list[LabelClass]:
    """Return those classes that some pixel has, in the order of ids."""
    values = {*np.unique(item.labels).tolist()}
    return sorted((one for one in classes if one.id in values), key=lambda one: one.id)


def _split(
    numbers: NDArray[np.integer[Any]],
) -> list[tuple[int, NDArray[np.bool_], tuple[int, int]]]:
    """Return the pixels of each number above 0, cut out, and where they lie."""
    values = np.unique(numbers)
    # Numbers may be huge (ids from another file); counted through, `find_objects` stays small.
    dense = np.searchsorted(values, numbers).astype(np.int64) + 1
    found = []
    for index, window in enumerate(ndimage.find_objects(dense), start=1):
        number = int(values[index - 1])
        if number > 0:
            at = (window[0].start, window[1].start)
            found.append((number, dense[window] == index, at))
    return found


def _cropped(mask: NDArray[np.bool_], class_id: int, instance: int, at: tuple[int, int]) -> Region:
    """Return the region of a mask that is not empty, without empty rows and columns."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Region(class_id, instance, (at[0] + int(rows[0]), at[1] + int(columns[0])), cut)

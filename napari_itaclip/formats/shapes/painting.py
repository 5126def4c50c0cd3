"""Objects painted over each other, and how far that is from what they were drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.formats.model import LabelClass, LabelledImage, Labels, Loss
from napari_itaclip.formats.shapes import run_lengths
from napari_itaclip.formats.shapes.filling import Patch
from napari_itaclip.formats.shapes.regions import Region, empty_value, labels_dtype


@dataclass(frozen=True, eq=False)
class Painted:
    """An object as a file draws it.

    Attributes
    ----------
    patch : Patch
        Its pixels.
    class_id : int
        Its class.
    number : int
        Its number among the objects, above 0.
    crowd : bool
        Whether it stands for many objects; it is painted below the others.
    """

    patch: Patch
    class_id: int
    number: int
    crowd: bool = False


def by_size(objects: Iterable[Painted]) -> list[Painted]:
    """Return objects in the order in which they are painted.

    Crowds first, then by falling size, so that small things stay visible on large ones; equal ones
    in their order.
    """
    return sorted(objects, key=lambda one: (not one.crowd, -np.count_nonzero(one.patch.mask)))


def paint(
    objects: Iterable[Painted], shape: tuple[int, int], classes: Sequence[LabelClass]
) -> tuple[Labels, NDArray[np.int32]]:
    """Return labels and object numbers ``(H, W)``, later objects over earlier ones."""
    labels: Labels = np.full(shape, empty_value(classes), labels_dtype(classes))
    numbers = np.zeros(shape, np.int32)
    for one in objects:
        labels[one.patch.window][one.patch.mask] = one.class_id
        numbers[one.patch.window][one.patch.mask] = one.number
    return labels, numbers


def patch_of(counts: run_lengths.Counts, shape: tuple[int, int]) -> Patch:
    """Return the pixels of run lengths that `run_lengths.checked` has let pass."""
    height = shape[0]
    bounds = np.concatenate([[0], np.cumsum(counts)])
    inside = np.flatnonzero(counts[1::2]) * 2 + 1
    if not len(inside):
        return Patch((0, 0), np.zeros((0, 0), bool))
    left = int(bounds[inside[0]]) // height
    right = (int(bounds[inside[-1] + 1]) - 1) // height + 1
    # Only the columns between the first and the last pixel are made.
    lengths = np.diff(np.clip(bounds, left * height, right * height))
    columns = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(-1, height)
    rows = np.flatnonzero(columns.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return Patch((top, left), np.ascontiguousarray(columns[:, top:bottom].T))


def differing(
    regions: Sequence[Region], painted: Sequence[Painted], shape: tuple[int, int], tool: str
) -> Loss | None:
    """Return how many pixels read back other than they were, painted by size; None if none."""
    was, is_now = np.zeros((2, *shape), np.int32)
    for number, region in enumerate(regions, start=1):
        was[region.window][region.mask] = number
    for one in by_size(painted):
        is_now[one.patch.window][one.patch.mask] = one.number
    pixels = int(np.count_nonzero(was != is_now))
    if not pixels:
        return None
    detail = f"polygons, filled as {tool} does it, differ from the masks"
    return Loss("outlines simplified", detail, pixels)


def instance_losses(item: LabelledImage) -> tuple[Loss, ...]:
    """Return the loss of instances that have pixels of several classes: each becomes several."""
    if item.instances is None:
        return ()
    pairs: set[tuple[Any, Any]] = set()
    present = {*np.unique(item.labels).tolist()}
    for one in (one for one in item.things if one.id in present):
        pairs |= {(one.id, number) for number in np.unique(item.instances[item.mask(one.id)])}
    counted: dict[Any, int] = {}
    for _, number in pairs:
        counted[number] = counted.get(number, 0) + (number > 0)
    several = sum(count > 1 for count in counted.values())
    if not several:
        return ()
    return (Loss("instances divided", f"{several} instances have pixels of several classes"),)

"""Where to look first: the regions in which the labels are least certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import SettingsError
from napari_itaclip.session.pictures import Region

_CELLS = 4
"""A region is this many cells wide: regions are found to a quarter of their size."""

_SIDE_SHARE = 8
"""Unless told, a region's side is this part of the picture's shorter side."""

_LEAST_SIDE, _MOST_SIDE = 16, 256
"""The bounds of that, in pixels: large enough to see something, small enough to take in."""


@dataclass(frozen=True)
class UncertainRegion:
    """A rectangle in which the labels are worth a look.

    Attributes
    ----------
    region : Region
        Where it lies in the plane.
    uncertainty : float
        Mean of 1 - margin over its pixels, 0 to 1. Pixels that need no review count as certain, so
        a region that is painted already comes late.
    """

    region: Region
    uncertainty: float


def least_certain_regions(
    margin: NDArray[np.floating[Any]],
    *,
    valid: NDArray[np.bool_] | None = None,
    skip: NDArray[np.bool_] | None = None,
    size: int | None = None,
    count: int = 20,
) -> tuple[UncertainRegion, ...]:
    """Return the regions with the least certain labels, least certain first.

    The picture is cut into square cells; a region is 4 by 4 of them. Of all regions the least
    certain one is taken, then the next one that does not overlap it, and so on. Among equals the
    upper one comes first, then the left one.

    Parameters
    ----------
    margin : ndarray of float, shape (H, W)
        How far the winning class is ahead of the next, 0 to 1. Cells with a value that is not a
        number are left out.
    valid : ndarray of bool, shape (H, W), optional
        Pixels that show something; the others count as certain.
    skip : ndarray of bool, shape (H, W), optional
        Pixels that need no review, such as those painted by hand.
    size : int, optional
        Side of a region in pixels, rounded up to a multiple of 4. Regions at the right and lower
        edge may be smaller. Default: an eighth of the picture's shorter side, 16 to 256.
    count : int, default: 20
        How many regions at most. Regions without any uncertain pixel are never returned.

    Returns
    -------
    tuple of UncertainRegion
        Not overlapping; empty when nothing is uncertain.

    Raises
    ------
    SettingsError
        If ``size`` or ``count`` is not positive, or the arrays' shapes differ.
    """
    _check(margin, valid, skip, size, count)
    if margin.size == 0:
        return ()
    height, width = margin.shape
    cell = -(-_side(margin.shape, size) // _CELLS)
    sums = _block_sums(_uncertainty(margin, valid, skip), cell)
    areas = np.multiply.outer(_block_sizes(height, cell), _block_sizes(width, cell))
    scores = _window_sums(np.nan_to_num(sums, nan=0.0)) / _window_sums(areas)
    found = []
    for row, column in _greedy(scores, count):
        region = _region(row, column, cell, (height, width))
        found.append(UncertainRegion(region, float(np.clip(scores[row, column], 0, 1))))
    return tuple(found)


def next_region(
    regions: Sequence[UncertainRegion], visited: Sequence[Region]
) -> UncertainRegion | None:
    """Return the first region that was not visited yet.

    Parameters
    ----------
    regions : sequence of UncertainRegion
        In the order of review.
    visited : sequence of Region
        What a person has been shown. The regions move a little whenever a word changes, so one
        counts as visited when its centre lies in a visited one.

    Returns
    -------
    UncertainRegion or None
        None when all have been visited, or there are none.
    """
    for candidate in regions:
        if not any(_holds_centre(seen, candidate.region) for seen in visited):
            return candidate
    return None


def _holds_centre(outer: Region, inner: Region) -> bool:
    y, x = inner.top + inner.height / 2, inner.left + inner.width / 2
    return outer.top <= y < outer.top + outer.height and outer.left <= x < outer.left + outer.width


def _check(
    margin: NDArray[Any],
    valid: NDArray[Any] | None,
    skip: NDArray[Any] | None,
    size: int | None,
    count: int,
) -> None:
    if size is not None and size < 1:
        raise SettingsError(f"the size of a region must be at least 1 pixel, not {size}")
    if count < 1:
        raise SettingsError(f"the number of regions must be at least 1, not {count}")
    if margin.ndim != 2:
        raise SettingsError(f"the margin must be a plane (H, W), not of shape {margin.shape}")
    for name, mask in (("valid", valid), ("skip", skip)):
        if mask is not None and mask.shape != margin.shape:
            raise SettingsError(
                f"the mask {name!r} is of shape {mask.shape}, the margin of {margin.shape}"
            )


def _side(shape: tuple[int, ...], size: int | None) -> int:
    if size is not None:
        return size
    return int(np.clip(min(shape) // _SIDE_SHARE, _LEAST_SIDE, _MOST_SIDE))


def _uncertainty(
    margin: NDArray[np.floating[Any]],
    valid: NDArray[np.bool_] | None,
    skip: NDArray[np.bool_] | None,
) -> NDArray[np.floating[Any]]:
    uncertain: NDArray[np.floating[Any]] = np.subtract(1, margin, dtype=np.float32)
    # Written rather than multiplied: what is left out may hold NaN.
    if valid is not None:
        uncertain[~valid] = 0
    if skip is not None:
        uncertain[skip] = 0
    return uncertain


def _block_sums(values: NDArray[np.floating[Any]], cell: int) -> NDArray[np.float64]:
    """Return the sums over cells; those at the far edges may be smaller."""
    height, width = values.shape
    # Columns first: NumPy's `reduceat` over the last axis is quick, and what is left is small.
    rows = np.add.reduceat(values, np.arange(0, width, cell), axis=1)
    sums: NDArray[np.float64] = np.add.reduceat(
        rows.astype(np.float64), np.arange(0, height, cell), axis=0
    )
    return sums


def _block_sizes(length: int, cell: int) -> NDArray[np.int64]:
    starts = np.arange(0, length, cell, dtype=np.int64)
    return np.minimum(starts + cell, length) - starts


def _window_sums(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sums over all windows of 4 by 4 cells (fewer where there are not so many)."""
    rows, columns = (min(_CELLS, size) for size in cells.shape)
    windows = np.lib.stride_tricks.sliding_window_view(cells, (rows, columns))
    sums: NDArray[np.float64] = windows.sum(axis=(2, 3), dtype=np.float64)
    return sums


def _greedy(scores: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """Return the positions of the highest scores whose windows do not overlap."""
    left = scores.copy()
    chosen: list[tuple[int, int]] = []
    while len(chosen) < count:
        row, column = (int(place) for place in np.unravel_index(int(left.argmax()), left.shape))
        # Below this it is the rounding of a margin of 1, not doubt.
        if left[row, column] <= 1e-6:
            break
        chosen.append((row, column))
        top, start = max(0, row - _CELLS + 1), max(0, column - _CELLS + 1)
        left[top : row + _CELLS, start : column + _CELLS] = 0
    return chosen


def _region(row: int, column: int, cell: int, shape: tuple[int, int]) -> Region:
    top, left = row * cell, column * cell
    side = _CELLS * cell
    return Region(top, left, min(side, shape[0] - top), min(side, shape[1] - left))

"""Turning polygons back into pixels, the way the tools do that read them.

Three ways, because the tools differ:

- `fill_coco`: pycocotools' ``frPyObjects``, bit for bit, in *edges* coordinates (see `_outlines`).
- `fill_drawn`: OpenCV's ``fillPoly`` and Pillow's ``polygon`` (Ultralytics, LabelMe, supervision):
  coordinates are cut to whole pixels, the edges are drawn too.
- `fill_area`: pixels whose centre lies inside, in *edges* coordinates (rasterio, GIS).

All are even-odd within one polygon, bounded in memory, and return only the part of the image where
something can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.shapes.outlines import Ring

_POINTS_AT_ONCE = 1_000_000
"""Points along edges that are computed together; bounds the memory."""

_FINER = 5
"""pycocotools works on a grid that is five times finer than the pixels."""


@dataclass(frozen=True, eq=False)
class Patch:
    """Some pixels of an image.

    Attributes
    ----------
    at : tuple of int
        Row and column of the mask's first pixel.
    mask : ndarray of bool, shape (h, w)
        The pixels; empty when the polygon lies outside the image.
    """

    at: tuple[int, int]
    mask: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns in the image."""
        (row, column), (height, width) = self.at, self.mask.shape
        return slice(row, row + height), slice(column, column + width)

    def in_image(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask ``(H, W)`` of the whole image."""
        whole = np.zeros(shape, bool)
        whole[self.window] = self.mask
        return whole


def united(patches: Sequence[Patch]) -> Patch:
    """Return what lies in any of several patches (at least one)."""
    if len(patches) == 1:
        return patches[0]
    windows = [one.window for one in patches if one.mask.size]
    if not windows:
        return patches[0]
    top, left = (min(window[axis].start for window in windows) for axis in (0, 1))
    bottom, right = (max(window[axis].stop for window in windows) for axis in (0, 1))
    mask = np.zeros((bottom - top, right - left), bool)
    for one in patches:
        (row, column), (height, width) = one.at, one.mask.shape
        if one.mask.size:
            mask[row - top : row - top + height, column - left : column - left + width] |= one.mask
    return Patch((top, left), mask)


def checked_ring(points: Sequence[float], shape: tuple[int, int], what: str) -> Ring:
    """Return a polygon from a file, given as ``x, y, x, y, …``.

    Raises
    ------
    FormatError
        If it has fewer than 3 points, half a point, a coordinate that is no finite number, or one
        that lies farther outside the image than the image is large (wrong units or a wrong image).
    """
    try:
        flat = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(f"{what}: a polygon must be a list of numbers") from None
    if flat.ndim != 1 or len(flat) % 2 or len(flat) < 6:
        raise FormatError(f"{what}: a polygon needs at least 3 points, each with x and y")
    ring: Ring = flat.reshape(-1, 2)
    if not np.isfinite(ring).all():
        raise FormatError(f"{what}: a polygon's coordinate is not a finite number")
    size = np.array([shape[1], shape[0]])
    if (ring < -size - 1).any() or (ring > 2 * size + 1).any():
        worst = ring.reshape(-1)[int(np.argmax(np.abs(ring)))]
        raise FormatError(
            f"{what}: the coordinate {worst:g} lies far outside the image of "
            f"{shape[1]}×{shape[0]} pixels; the polygon belongs to another image, or its units are "
            "others"
        )
    return ring


def fill_coco(ring: Ring, shape: tuple[int, int]) -> Patch:
    """Return the pixels of a polygon as ``pycocotools.mask.frPyObjects`` gives them."""
    height, width = shape
    # To whole steps of the fine grid, towards zero as C does it.
    fine = np.trunc(_FINER * ring + 0.5).astype(np.int64)
    columns, rows = [], []
    for x, y in _coco_crossings(fine):
        inside = (x >= 0) & (x <= width - 1)
        columns.append(x[inside])
        rows.append(np.ceil(np.clip(y[inside], 0, height)).astype(np.int64))
    return _toggled(np.concatenate(columns), np.concatenate(rows)).transposed()


def fill_area(rings: Sequence[Ring], shape: tuple[int, int]) -> Patch:
    """Return the pixels whose centre lies inside rings taken together by the even-odd rule.

    A centre that lies exactly on an edge belongs to the area right of it or below.
    """
    return _even_odd([ring - 0.5 for ring in rings], shape)


def fill_drawn(rings: Sequence[Ring], shape: tuple[int, int]) -> Patch:
    """Return the pixels of rings taken together, with their edges drawn.

    Coordinates are cut to whole numbers, as ``astype(int)`` before ``cv2.fillPoly`` does.
    """
    whole = [np.trunc(ring) for ring in rings]
    return united([_even_odd(whole, shape), _drawn(whole, shape)])


def _coco_crossings(
    fine: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield columns and heights where edges cross the middle of a column of pixels."""
    start, end = fine, np.roll(fine, -1, axis=0)
    size = np.abs(end - start)
    flat = size[:, 0] >= size[:, 1]
    turned = np.where(flat, start[:, 0] > end[:, 0], start[:, 1] > end[:, 1])[:, None]
    start, end = np.where(turned, end, start), np.where(turned, start, end)
    long = size.max(axis=1)
    rise = np.where(flat, (end - start)[:, 1], (end - start)[:, 0])
    slope = rise / np.maximum(long, 1)
    for edge, step in _along(long):
        level, steep = flat[edge], ~flat[edge]
        x = np.where(level, start[edge, 0] + step, 0)
        y = np.where(steep, start[edge, 1] + step, 0)
        other = np.where(level, start[edge, 1], start[edge, 0]) + slope[edge] * step + 0.5
        x, y = np.where(steep, np.trunc(other), x), np.where(level, np.trunc(other), y)
        crossing = (edge[1:] == edge[:-1]) & (x[1:] != x[:-1])
        left = np.minimum(x[1:], x[:-1])[crossing].astype(np.int64)
        upper = np.minimum(y[1:], y[:-1])[crossing]
        # Between the third and the fourth of a pixel's five fine columns lies its middle.
        middle = left % _FINER == _FINER // 2
        yield left[middle] // _FINER, (upper[middle] + 0.5) / _FINER - 0.5


def _along(lengths: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield ``(edge, step)`` for the steps 0 … length of every edge, many edges at once."""
    done = 0
    total = np.cumsum(lengths + 1)
    while done < len(lengths):
        before = total[done - 1] if done else 0
        upto = max(done + 1, int(np.searchsorted(total, before + _POINTS_AT_ONCE)))
        counts = lengths[done:upto] + 1
        edge = np.repeat(np.arange(done, upto), counts)
        yield edge, np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
        done = upto


@dataclass(frozen=True, eq=False)
class _Lines:
    """Pixels by lines (columns or rows) that start to be inside or outside at places."""

    line: int
    place: int
    mask: NDArray[np.bool_]

    def transposed(self) -> Patch:
        """Return the pixels when the lines are columns."""
        return Patch((self.place, self.line), np.ascontiguousarray(self.mask.T))

    def upright(self) -> Patch:
        """Return the pixels when the lines are rows."""
        return Patch((self.line, self.place), self.mask)


def _toggled(lines: NDArray[np.int64], places: NDArray[np.int64]) -> _Lines:
    """Return the pixels between the first and second, third and fourth … place of each line."""
    if not len(lines):
        return _Lines(0, 0, np.zeros((0, 0), bool))
    first, place = int(lines.min()), int(places.min())
    shape = (int(lines.max()) - first + 1, int(places.max()) - place)
    changes = np.zeros((shape[0], shape[1] + 1), np.uint8)
    # In 8 bits a sum may overflow, but never its lowest bit.
    np.add.at(changes, (lines - first, places - place), 1)
    mask = np.bitwise_xor.accumulate(changes & 1, axis=1)[:, :-1].astype(bool)
    return _Lines(first, place, mask)


def _even_odd(rings: Sequence[Ring], shape: tuple[int, int]) -> Patch:
    """Return the pixels whose ``(column, row)`` lies inside rings in *centres* coordinates."""
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    downwards = (start[:, 1] <= end[:, 1])[:, None]
    upper, lower = np.where(downwards, start, end), np.where(downwards, end, start)
    first = np.clip(np.ceil(upper[:, 1]), 0, shape[0]).astype(np.int64)
    stop = np.clip(np.ceil(lower[:, 1]), 0, shape[0]).astype(np.int64)
    used = stop > first
    upper, lower, first, stop = upper[used], lower[used], first[used], stop[used]
    slope = (lower - upper)[:, 0] / (lower - upper)[:, 1]
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for edge, step in _along(stop - first - 1):
        row = first[edge] + step
        x = upper[edge, 0] + slope[edge] * (row - upper[edge, 1])
        rows.append(row)
        columns.append(np.clip(np.ceil(x), 0, shape[1]).astype(np.int64))
    return _toggled(np.concatenate(rows), np.concatenate(columns)).upright()


def _drawn(rings: Sequence[Ring], shape: tuple[int, int]) -> Patch:
    """Return the pixels on the edges of rings of whole numbers."""
    start = np.concatenate(rings).astype(np.int64)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings]).astype(np.int64)
    top, left = np.clip(start.min(axis=0)[::-1], 0, shape).tolist()
    bottom, right = np.clip(start.max(axis=0)[::-1] + 1, 0, shape).tolist()
    mask = np.zeros((max(bottom - top, 0), max(right - left, 0)), bool)
    length = np.abs(end - start).max(axis=1)
    for edge, step in _along(length):
        share = (step / np.maximum(length[edge], 1))[:, None]
        points = np.floor(start[edge] + share * (end - start)[edge] + 0.5).astype(np.int64)
        x, y = points[:, 0] - left, points[:, 1] - top
        seen = (x >= 0) & (x < mask.shape[1]) & (y >= 0) & (y < mask.shape[0])
        mask[y[seen], x[seen]] = True
    return Patch((top, left), mask)

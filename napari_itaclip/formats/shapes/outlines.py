"""Outlines of masks: rings along the pixels' edges, with holes, exact or simplified.

Rings are float arrays ``(N, 2)`` of ``(x, y)``, not closed (the last point is not the first again).
Two kinds of coordinates occur:

- *edges*: ``x`` and ``y`` count from the upper left corner of the upper left pixel, so that the
  pixel in column 3 reaches from 3 to 4. An exact ring goes round the outsides of the pixels.
- *centres*: ``(x, y)`` is the column and row of a pixel. An exact ring goes through the outermost
  pixels, which tools that draw the edges too (OpenCV's ``fillPoly``, Pillow) turn back into the
  same mask, slivers one pixel wide as well.

Walking along a ring, the inside is on the right hand (outer rings run clockwise as seen on screen).
Rings go round pixels that touch at edges; where an object holds together by a corner only, it has
several outlines that meet in a point. `_one_ring` joins holes and such parts into one ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ring = NDArray[np.float64]
"""Points ``(N, 2)`` as ``(x, y)``; the last one is joined to the first."""

_PAIRS_AT_ONCE = 2_000_000
"""Pairs of segments that are tested together; bounds the memory."""

_HALVINGS = 6
"""How often the tolerance is halved before an outline stays exact."""


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of a connected area.

    Attributes
    ----------
    outer : ndarray of float, shape (N, 2)
        The ring around it.
    holes : tuple of ndarray of float, shape (M, 2)
        The rings around its holes, sorted by their topmost, then leftmost point.
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def rings(self) -> tuple[Ring, ...]:
        """All rings, the outer one first."""
        return (self.outer, *self.holes)


def outlines(mask: NDArray[np.bool_], at: tuple[int, int] = (0, 0)) -> tuple[Outline, ...]:
    """Return the exact outlines of a mask, in *edges* coordinates.

    Parameters
    ----------
    mask
        Booleans ``(h, w)``.
    at
        Row and column of the mask's first pixel in the image.

    Returns
    -------
    tuple of Outline
        One for each area of pixels that touch at edges, by its first pixel row by row. Every
        point is a corner: edges run alternately across (the first one) and down or up.
    """
    parts, count = ndimage.label(mask)
    outers: list[Ring | None] = [None] * count
    holes: list[list[Ring]] = [[] for _ in range(count)]
    offset = np.array([at[1], at[0]], np.float64)
    for corners in _corner_rings(mask):
        x, y = corners[0]
        # The first corner is the topmost, leftmost one: what lies below on the right decides.
        if y < mask.shape[0] and x < mask.shape[1] and mask[y, x]:
            outers[parts[y, x] - 1] = corners + offset
        else:
            holes[parts[y - 1, x - 1] - 1].append(corners[::-1] + offset)
    return tuple(
        Outline(outer, tuple(inner))
        for outer, inner in zip(outers, holes, strict=True)
        if outer is not None
    )


def through_centres(outline: Outline) -> Outline:
    """Return an exact outline (of `outlines`, not simplified) in *centres* coordinates.

    Every edge moves half a pixel inwards, onto the pixels that it bounds. Parts one pixel wide
    become lines that are walked there and back.
    """
    return Outline(_inwards(outline.outer), tuple(_inwards(ring) for ring in outline.holes))


def simplified(outline: Outline, tolerance: float, keep: Sequence[Ring] = ()) -> Outline:
    """Return an outline with fewer points (Douglas and Peucker's method), still valid.

    Parameters
    ----------
    outline
        In either kind of coordinates.
    tolerance
        How far the old points may lie from the new edges, in pixels; 0 changes nothing.
    keep
        Points that stay, each ``(K, 2)``.

    Returns
    -------
    Outline
        Its rings do not cross themselves or each other: where they would, the tolerance is halved
        until they do not. A ring that would lose its area stays exact.
    """
    fixed = {(float(x), float(y)) for points in keep for x, y in points}
    for step in range(_HALVINGS if tolerance > 0 else 0):
        rings = [_fewer_points(ring, tolerance / 2**step, fixed) for ring in outline.rings]
        if not _cross(rings):
            return Outline(rings[0], tuple(rings[1:]))
    return outline


# --- following the edges ---------------------------------------------------------------------


def _corner_rings(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the corners ``(N, 2)`` of every ring, from its topmost, leftmost one to the right."""
    padded = np.pad(mask, 1)
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    odd = nw ^ ne ^ sw ^ se
    saddle = (nw == se) & (ne == sw) & (nw != ne)
    y, x = np.nonzero(odd | saddle)
    twice = saddle[y, x]
    falling = twice & nw[y, x]
    # At a saddle two rings (or two turns of one) meet; each gets a corner of its own, the first
    # with the edge to the left. Which of them has the edge upwards depends on the diagonal.
    again = np.repeat(np.arange(len(x)), 1 + twice)
    second = np.zeros(len(again), np.int64)
    second[1:] = again[1:] == again[:-1]
    x, y = x[again], y[again]
    upper = np.where(twice[again] & ~falling[again], 1 - second, second)
    across = _partners(np.lexsort((second, x, y)))
    along = _partners(np.lexsort((upper, y, x)))
    rings = []
    points = np.stack([x, y], axis=1)
    across_list, along_list = across.tolist(), along.tolist()
    seen = bytearray(len(x))
    for start in range(len(x)):
        if seen[start]:
            continue
        ring, here = [], start
        while not seen[here]:
            there = across_list[here]
            seen[here] = seen[there] = 1
            ring += [here, there]
            here = along_list[there]
        rings.append(points[ring])
    return rings


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each corner the one that it is paired with: neighbours in ``order``."""
    partners = np.empty_like(order)
    partners[order[0::2]] = order[1::2]
    partners[order[1::2]] = order[0::2]
    return partners


def _inwards(ring: Ring) -> Ring:
    """Move the edges of an exact ring onto the pixels on their right."""
    following, before = np.roll(ring, -1, axis=0), np.roll(ring, 1, axis=0)
    even = np.arange(len(ring)) % 2 == 0
    run = np.where(even, following[:, 0] - ring[:, 0], ring[:, 0] - before[:, 0])
    rise = np.where(even, ring[:, 1] - before[:, 1], following[:, 1] - ring[:, 1])
    return ring - np.stack([rise > 0, run < 0], axis=1)


# --- fewer points ----------------------------------------------------------------------------


def _fewer_points(ring: Ring, tolerance: float, fixed: set[tuple[float, float]]) -> Ring:
    """Leave out points nearer than ``tolerance`` to the remaining edges."""
    far = int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))
    anchors = {0, far} | {at for at, (x, y) in enumerate(ring.tolist()) if (x, y) in fixed}
    stops = [*sorted(anchors), len(ring)]
    closed = np.concatenate([ring, ring[:1]])
    kept = set(anchors)
    stack = list(pairwise(stops))
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        distances = _distances(closed[first + 1 : last], closed[first], closed[last])
        at = int(np.argmax(distances))
        if distances[at] > tolerance:
            middle = first + 1 + at
            kept.add(middle)
            stack += [(first, middle), (middle, last)]
    fewer = ring[sorted(kept)]
    return fewer if len(fewer) >= 3 and abs(signed_area(fewer)) > 0 else ring


def _distances(points: Ring, start: Ring, end: Ring) -> NDArray[np.float64]:
    """Return the distances of points to the segment from ``start`` to ``end``."""
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    distances: NDArray[np.float64] = np.linalg.norm(points - start - share[:, None] * along, axis=1)
    return distances


def signed_area(ring: Ring) -> float:
    """Return the area of a ring; positive when the inside is on the right, clockwise on screen."""
    x, y = (ring - ring[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _cross(rings: Sequence[Ring]) -> bool:
    """Whether any two edges cross in their insides."""
    starts = np.concatenate(rings)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    left, right = np.minimum(starts, ends)[:, 0], np.maximum(starts, ends)[:, 0]
    order = np.argsort(left, kind="stable")
    starts, ends, left, right = starts[order], ends[order], left[order], right[order]
    # Only later edges that begin before this one ends can cross it.
    counts = np.searchsorted(left, right, "right") - np.arange(len(left)) - 1
    done = 0
    while done < len(left):
        upto = done + 1
        upto += int(np.searchsorted(np.cumsum(counts[upto:]) + counts[done], _PAIRS_AT_ONCE))
        first = np.repeat(np.arange(done, upto), counts[done:upto])
        skipped = np.cumsum(counts[done:upto]) - counts[done:upto]
        second = first + 1 + np.arange(len(first)) - np.repeat(skipped, counts[done:upto])
        if _sides(starts, ends, first, second).any():
            return True
        done = upto
    return False


def _sides(
    starts: Ring, ends: Ring, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether each pair of segments has its ends strictly on both sides of the other."""

    def side(a: Ring, b: Ring, point: Ring) -> NDArray[np.float64]:
        ab, ap = b - a, point - a
        turn: NDArray[np.float64] = np.sign(ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0])
        return turn

    a, b, c, d = starts[first], ends[first], starts[second], ends[second]
    crossing: NDArray[np.bool_] = (side(a, b, c) * side(a, b, d) < 0) & (
        side(c, d, a) * side(c, d, b) < 0
    )
    return crossing

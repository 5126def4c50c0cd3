"""Objects as polygons without holes: holes and touching parts joined into one ring by cuts.

Coordinates are those of `_outlines`: *edges* or *centres*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.formats.shapes.outlines import (
    Outline,
    Ring,
    outlines,
    simplified,
    through_centres,
)

INTO_PIXEL = 0.25
"""From *centres* coordinates, where a pixel is a whole number, to those that files have: a tool
that cuts them off or rounds them gets the whole number again."""


def polygons(
    mask: NDArray[np.bool_],
    at: tuple[int, int] = (0, 0),
    *,
    tolerance: float = 0.0,
    centres: bool = False,
) -> tuple[Ring, ...]:
    """Return an object as rings without holes, for formats that know no holes.

    A hole is joined to the ring around it by a cut, a line that is walked there and back; parts
    that touch at a corner are joined there. Filled by the even-odd rule (and, in *centres*
    coordinates, with its edges drawn) an exact ring gives the mask again.

    Parameters
    ----------
    mask
        Booleans ``(h, w)``.
    at
        Row and column of the mask's first pixel in the image.
    tolerance
        How far old points may lie from the new edges, in pixels; 0 stays exact.
    centres
        Whether to return *centres* coordinates instead of *edges*.

    Returns
    -------
    tuple of ndarray of float, shape (N, 2)
        One ring for each group of parts that touch; each has at least 3 points
        (points are repeated where a line or a point of a mask needs fewer).
    """
    exact = outlines(mask, at)
    if centres:
        exact = tuple(through_centres(one) for one in exact)
    reach = 1 if centres else 0
    if tolerance > 0:
        meeting: list[list[Ring]] = [[] for _ in exact]
        for contact in _contacts(exact, reach):
            for part, ring, point in contact:
                meeting[part].append(exact[part].rings[ring][point : point + 1])
        exact = tuple(
            simplified(one, tolerance, keep) for one, keep in zip(exact, meeting, strict=True)
        )
    return joined(exact, reach=reach)


def joined(parts: Sequence[Outline], *, reach: int = 0) -> tuple[Ring, ...]:
    """Return outlines as rings without holes; see `polygons`.

    Parameters
    ----------
    parts
        Outlines, in either kind of coordinates.
    reach
        Parts are joined where points of theirs are equal (0) or diagonal neighbours (1, for
        *centres* coordinates).
    """
    web = _Web()
    starts = []
    for part in parts:
        starts.append([web.add(ring) for ring in part.rings])
        web.bridge(part, starts[-1])
    for contact in _contacts(parts, reach):
        first, second = (starts[part][ring] + point for part, ring, point in contact)
        web.splices.append((first, second))
    return web.rings()


_Place = tuple[int, int, int]
"""A part, a ring of it (0: the outer one) and a point of that."""


def _contacts(parts: Sequence[Outline], reach: int) -> list[tuple[_Place, _Place]]:
    """Return where parts meet: enough places to join all that do."""
    if len(parts) < 2:
        return []
    where: dict[tuple[float, float], _Place] = {}
    group = list(range(len(parts)))

    def root(at: int) -> int:
        while group[at] != at:
            group[at] = group[group[at]]
            at = group[at]
        return at

    found = []
    offsets = [(0, 0)] if not reach else [(-1, -1), (1, -1), (-1, 1), (1, 1)]
    for number, part in enumerate(parts):
        for inner, ring in enumerate(part.rings):
            for at, (x, y) in enumerate(ring.tolist()):
                for dx, dy in offsets:
                    other = where.get((x + dx, y + dy))
                    if other is not None and root(other[0]) != root(number):
                        group[root(other[0])] = root(number)
                        found.append((other, (number, inner, at)))
                where.setdefault((x, y), (number, inner, at))
    return found


@dataclass
class _Web:
    """Rings as points that know the next one, and the pairs of points where rings get joined."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    following: list[int] = field(default_factory=list)
    splices: list[tuple[int, int]] = field(default_factory=list)

    def add(self, ring: Ring) -> int:
        """Add a ring; return the number of its first point."""
        start = len(self.x)
        self.x += ring[:, 0].tolist()
        self.y += ring[:, 1].tolist()
        self.following += [*range(start + 1, start + len(ring)), start]
        return start

    def bridge(self, part: Outline, starts: Sequence[int]) -> None:
        """Plan the cuts from each hole of a part straight up to the ring that it meets first."""
        if not part.holes:
            return
        edges = _Edges.of(part.rings)
        on_edges: dict[int, list[tuple[float, float, int]]] = {}
        for rank, (ring, start) in enumerate(zip(part.holes, starts[1:], strict=True), start=1):
            top = int(np.lexsort((ring[:, 0], ring[:, 1]))[0])
            x, y = ring[top].tolist()
            edge, x, y = edges.above(x, y, rank)
            on_edges.setdefault(edge, []).append((x, y, start + top))
        for edge, cuts in on_edges.items():
            self._cut(starts[0] + edge, cuts)

    def _cut(self, begin: int, cuts: list[tuple[float, float, int]]) -> None:
        """Put points on the edge that starts at ``begin`` and join holes to them."""
        end = self.following[begin]
        here = begin
        cuts.sort(key=lambda cut: abs(cut[0] - self.x[begin]) + abs(cut[1] - self.y[begin]))
        for x, y, hole in cuts:
            if (x, y) != (self.x[here], self.y[here]):
                self.x.append(x)
                self.y.append(y)
                self.following.append(end)
                self.following[here] = len(self.x) - 1
                here = len(self.x) - 1
            self.splices.append((here, hole))

    def rings(self) -> tuple[Ring, ...]:
        """Join what is planned and return the rings."""
        for a, b in self.splices:
            # a → b' → … → b → a' → …, with copies b' and a'.
            copy_b, copy_a = len(self.x), len(self.x) + 1
            self.x += [self.x[b], self.x[a]]
            self.y += [self.y[b], self.y[a]]
            self.following += [self.following[b], self.following[a]]
            self.following[a], self.following[b] = copy_b, copy_a
        seen = bytearray(len(self.x))
        found = []
        for start in range(len(self.x)):
            ring, here = [], start
            while not seen[here]:
                seen[here] = 1
                ring.append((self.x[here], self.y[here]))
                here = self.following[here]
            if ring:
                found.append(_without_repeats(np.array(ring)))
        return tuple(found)


def _without_repeats(ring: Ring) -> Ring:
    """Leave out points equal to the one before; keep at least 3."""
    fresh = (ring != np.roll(ring, 1, axis=0)).any(axis=1)
    ring = ring[fresh] if fresh.any() else ring[:1]
    return ring if len(ring) >= 3 else np.concatenate([ring] + [ring[-1:]] * (3 - len(ring)))


@dataclass(frozen=True, eq=False)
class _Edges:
    """The edges of a part's rings, to be found by their column."""

    start: Ring
    end: Ring
    rank: NDArray[np.int64]
    by_column: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of(cls, rings: Sequence[Ring]) -> _Edges:
        """Sort the edges of rings into columns one pixel wide."""
        start = np.concatenate(rings)
        end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
        rank = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
        left = np.floor(np.minimum(start, end)[:, 0]).astype(np.int64)
        right = np.floor(np.maximum(start, end)[:, 0]).astype(np.int64)
        spans = right - left + 1
        edge = np.repeat(np.arange(len(start)), spans)
        column = np.arange(len(edge)) - np.repeat(np.cumsum(spans) - spans - left, spans)
        order = np.argsort(column, kind="stable")
        return cls(start, end, rank, edge[order], column[order])

    def above(self, x: float, y: float, rank: int) -> tuple[int, float, float]:
        """Return the first edge of rings before ``rank`` above a point, and the point met on it."""
        column = int(np.floor(x))
        window = slice(*np.searchsorted(self.columns, [column, column + 1]).tolist())
        near = self.by_column[window]
        near = near[self.rank[near] < rank]
        (x0, y0), (x1, y1) = self.start[near].T, self.end[near].T
        upright = x0 == x1
        share = np.where(upright, 0.0, (x - x0) / np.where(upright, 1.0, x1 - x0))
        at = np.where(upright, np.minimum(np.maximum(y0, y1), y), y0 + share * (y1 - y0))
        spanned = (np.minimum(x0, x1) <= x) & (x <= np.maximum(x0, x1))
        spanned &= (np.minimum(y0, y1) <= y) & (at <= y)
        if not spanned.any():
            # Only a simplified ring can lie so: the nearest point of the outer ring will do.
            outer = self.start[self.rank == 0]
            best = int(np.argmin(((outer - (x, y)) ** 2).sum(axis=1)))
            return best, float(outer[best, 0]), float(outer[best, 1])
        best = int(np.argmax(np.where(spanned, at, -np.inf)))
        return int(near[best]), x, float(at[best])

"""The working picture of a large image, a few rows at a time, as if it had been shrunk at once.

Pillow's antialiased bilinear filter works along the rows and along the columns, in 8 bits with
weights of 22 fractional bits. The half along the rows needs nothing but the band itself and is left
to Pillow; the other is done here with the same weights, and in the same order of the two, so that
the rows come out bit for bit like those of the whole image whatever the bands are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.batch.large.pixels import Conversion, converted
from napari_itaclip.batch.large.sources import Level, band_height

_BITS = 22
"""Fractional bits of the filter's weights."""

_ROWS_AT_ONCE = 16
"""Rows of the result that are computed in one product."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Taps:
    """The source rows that each row of the result is averaged from.

    Attributes
    ----------
    first, last : ndarray of int, shape (n,)
        The source rows ``first[i] … last[i] - 1`` of row ``i``.
    weights : ndarray of float64, shape (n, k)
        Their weights, whole numbers that add up to about 2²²; zero beyond ``last``.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    weights: NDArray[np.float64]


def filter_taps(source: int, target: int) -> Taps:
    """Return the weights of the antialiased bilinear filter from ``source`` to ``target`` rows."""
    scale = source / target
    support = max(scale, 1.0)
    centre = (np.arange(target) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), source)
    offsets = np.arange(int((last - first).max()))
    position = (first[:, None] + offsets) - centre[:, None] + 0.5
    weights = np.maximum(1.0 - np.abs(position * (1.0 / support)), 0.0)
    weights[offsets >= (last - first)[:, None]] = 0
    # Added up one after the other, for the same rounding as the filter that is reproduced.
    weights /= np.cumsum(weights, axis=1)[:, -1:]
    return Taps(first, last, np.floor(weights * (1 << _BITS) + 0.5))


def vertical_first(source: tuple[int, int], target: tuple[int, int]) -> bool:
    """Say whether Pillow works along the columns first, which rounds differently.

    Newer versions do where that loses many more rows than columns; older ones never do.
    """
    lost_rows, lost_columns = source[0] - target[0], source[1] - target[1]
    return lost_rows > 2 * lost_columns and _orders_differ()


@lru_cache(maxsize=1)
def _orders_differ() -> bool:
    """Find out with a small picture whether the installed Pillow ever begins along the columns."""
    filter_, values = Image.Resampling.BILINEAR, np.random.default_rng(0)
    tall = Image.fromarray(values.integers(0, 256, (90, 21, 3), np.uint8))
    rows_first = tall.resize((14, 90), filter_).resize((14, 16), filter_)
    return tall.resize((14, 16), filter_).tobytes() != rows_first.tobytes()


@dataclass(frozen=True)
class _Piece:
    """Some rows of a picture, and which of their pixels show something (None: all)."""

    top: int
    picture: Picture
    valid: NDArray[np.bool_] | None

    @property
    def bottom(self) -> int:
        """The row after the last one."""
        return self.top + len(self.picture)


class PictureRows:
    """The picture that the windows are cut from, in a moving range of rows.

    Rows are made from top to bottom and kept until `forget` is told that they are not needed any
    more. The rows of the source that they are made from are dropped at once.

    Parameters
    ----------
    level : Level
        The source.
    size : (int, int)
        Height and width of the working picture in pixels, no more than the source's.
    conversion : Conversion
        How its values become colours.
    """

    def __init__(self, level: Level, size: tuple[int, int], conversion: Conversion) -> None:
        self.size = size
        self._level = level
        self._conversion = conversion
        self._taps = None if level.height == size[0] else filter_taps(level.height, size[0])
        self._columns_first = vertical_first(level.shape, size)
        self._columns = nearest(level.width, size[1])
        self._lines = nearest(level.height, size[0])
        self._ready: deque[_Piece] = deque()
        self._next = 0
        self._bands: deque[_Piece] = deque()

    def rows(self, top: int, bottom: int) -> Picture:
        """Return the rows ``top … bottom - 1`` of the working picture: uint8 ``(h, w, 3)``.

        Rows that were forgotten are made again, with all that follow.
        """
        self._make(top, bottom)
        return _picture_of(self._ready, top, bottom)

    def valid(self, top: int, bottom: int) -> NDArray[np.bool_] | None:
        """Return which pixels ``(h, w)`` of these rows show something; None: all of them.

        A pixel does if the source pixel at its centre does.
        """
        if not self._conversion.masked:
            return None
        self._make(top, bottom)
        return _valid_of(self._ready, top, bottom, self.size[1])

    def forget(self, top: int) -> None:
        """Free the rows above ``top``."""
        while self._ready and self._ready[0].bottom <= top:
            self._ready.popleft()

    def _make(self, top: int, bottom: int) -> None:
        """Make rows until those from ``top`` to ``bottom`` are there."""
        first = self._ready[0].top if self._ready else self._next
        if not first <= top <= self._next:
            self._ready.clear()
            self._next = top
        while self._next < bottom:
            end = min(self.size[0], self._next + _ROWS_AT_ONCE)
            self._ready.append(self._piece(self._next, end))
            self._next = end

    def _piece(self, top: int, bottom: int) -> _Piece:
        """Make some rows, and drop the rows of the source that lie above what they need."""
        taps = self._taps
        low = top if taps is None else int(taps.first[top])
        high = bottom if taps is None else int(taps.last[bottom - 1])
        self._load(low, high)
        while self._bands[0].bottom <= low:
            self._bands.popleft()
        source = _picture_of(self._bands, low, high)
        # A copy, where there is nothing to average: a view would keep all of its band.
        picture = source.copy() if taps is None else self._averaged(taps, source, top, bottom)
        valid = None
        if self._conversion.masked:
            mask = _valid_of(self._bands, low, high, self.size[1])
            valid = mask[self._lines[top:bottom] - low]
        return _Piece(top, picture, valid)

    def _averaged(self, taps: Taps, source: Picture, top: int, bottom: int) -> Picture:
        """Apply the filter along the columns."""
        low = int(taps.first[top])
        operator = np.zeros((bottom - top, len(source)))
        for row in range(top, bottom):
            first, last = int(taps.first[row]), int(taps.last[row])
            operator[row - top, first - low : last - low] = taps.weights[row, : last - first]
        # Whole numbers below 2^53: the product is exact in any order of adding up.
        sums = operator @ source.reshape(len(source), -1).astype(np.float64)
        sums += 1 << (_BITS - 1)
        sums /= 1 << _BITS
        np.floor(sums, out=sums)
        averaged = sums.clip(0, 255).astype(np.uint8).reshape(bottom - top, -1, 3)
        return self._narrowed(averaged) if self._columns_first else averaged

    def _narrowed(self, picture: Picture) -> Picture:
        """Apply the filter along the rows."""
        if picture.shape[1] == self.size[1]:
            return picture
        image = Image.fromarray(np.ascontiguousarray(picture))
        return np.asarray(image.resize((self.size[1], image.height), Image.Resampling.BILINEAR))

    def _load(self, low: int, high: int) -> None:
        """Read on until the source rows ``low … high - 1`` are there, as a rule narrowed."""
        step = band_height(self._level)
        if self._bands and not self._bands[0].top <= low <= self._bands[-1].bottom:
            self._bands.clear()
        following = self._bands[-1].bottom if self._bands else low // step * step
        while following < high:
            end = min(self._level.height, following + step)
            picture, valid = converted(self._level.rows(following, end), self._conversion)
            if valid is not None:
                valid = valid[:, self._columns]
            if not self._columns_first:
                picture = self._narrowed(picture)
            self._bands.append(_Piece(following, picture, valid))
            following = end


def _picture_of(pieces: Iterable[_Piece], top: int, bottom: int) -> Picture:
    """Return rows of a picture that lies in pieces."""
    parts = [
        one.picture[max(0, top - one.top) : bottom - one.top]
        for one in pieces
        if one.top < bottom and one.bottom > top
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _valid_of(pieces: Iterable[_Piece], top: int, bottom: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels of rows that lie in pieces show something."""
    found = np.ones((bottom - top, width), np.bool_)
    for one in pieces:
        low, high = max(top, one.top), min(bottom, one.bottom)
        if one.valid is not None and low < high:
            found[low - top : high - top] = one.valid[low - one.top : high - one.top]
    return found


def nearest(source: int, target: int) -> NDArray[np.int64]:
    """Return the source index at the centre of each of ``target`` pixels."""
    return (2 * np.arange(target, dtype=np.int64) + 1) * source // (2 * target)

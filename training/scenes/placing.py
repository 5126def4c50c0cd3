"""Finding free spots: room is booked on a coarse grid so that things do not hide each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.scenes.base import Canvas

_CELL = 8  # Pixels per cell of the grid.


class Room:
    """Which parts of a canvas are still free."""

    def __init__(self, canvas: Canvas) -> None:
        self._size = canvas.height, canvas.width
        rows, columns = ((length - 1) // _CELL + 1 for length in self._size)
        self._taken = np.zeros((rows, columns), np.bool_)

    def block(self, mask: NDArray[np.bool_]) -> None:
        """Book the pixels of a full-size ``mask``."""
        self._taken |= mask[::_CELL, ::_CELL]

    def book(self, spot: tuple[float, float], radius: float) -> None:
        """Book a circle."""
        self._taken |= self._near(spot, radius)

    def find(
        self, rng: np.random.Generator, radius: float, overlap: float = 0.06, margin: float = 0.6
    ) -> tuple[float, float] | None:
        """Return x, y of a circle whose taken share is at most ``overlap``, or None.

        ``margin`` is how far the centre stays from the border, in radii.
        """
        height, width = self._size
        keep = min(margin * radius, 0.45 * height, 0.45 * width)
        for _ in range(20):
            spot = (rng.uniform(keep, width - keep), rng.uniform(keep, height - keep))
            near = self._near(spot, radius * 0.9)
            if np.count_nonzero(self._taken & near) <= overlap * np.count_nonzero(near):
                return spot
        return None

    def _near(self, spot: tuple[float, float], radius: float) -> NDArray[np.bool_]:
        rows = (np.arange(self._taken.shape[0])[:, None] + 0.5) * _CELL - spot[1]
        columns = (np.arange(self._taken.shape[1])[None] + 0.5) * _CELL - spot[0]
        return np.asarray(rows * rows + columns * columns < radius * radius, np.bool_)

"""The canvas that every world paints on: colours, labels and anti-aliased edges in one place.

A scene is drawn back to front. Each ``paint`` call lays a textured region over what is there and
takes over the label of every pixel that the region covers by at least half, so picture and ground
truth can never disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FloatImage = NDArray[np.float32]
"""``(H, W, 3)`` float32 RGB in [0, 1]."""

Mask = NDArray[np.float32]
"""``(H, W)`` float32 coverage in [0, 1]."""

Texture = (
    FloatImage | Sequence[float] | NDArray[np.float32] | Callable[[tuple[int, int]], FloatImage]
)
"""A picture as large as the canvas, one RGB colour, or a function that makes a picture."""

_Points = Sequence[tuple[float, float]]
_Box = tuple[slice, slice]

_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Region:
    """What one painted thing is: the class word and, where it has one, its colour word."""

    word: str
    colour: str | None = None


@dataclass(frozen=True)
class Scene:
    """A drawn picture with pixel-exact ground truth.

    Attributes
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB picture.
    region_map : ndarray of uint16, shape (H, W)
        Index into ``regions`` of the topmost thing at each pixel.
    regions : tuple of Region
        One entry per painted thing.
    world : str
        Name of the world that the scene belongs to.
    seed : int
        Seed that reproduces it.
    """

    image: NDArray[np.uint8]
    region_map: NDArray[np.uint16]
    regions: tuple[Region, ...]
    world: str
    seed: int

    def labels(self, words: Sequence[str]) -> NDArray[np.uint8]:
        """Return the class map ``(H, W)``: each pixel's index into ``words`` (255 if absent)."""
        index = {word: i for i, word in enumerate(words)}
        table = np.array([index.get(region.word, 255) for region in self.regions], dtype=np.uint8)
        return table[self.region_map]


class Canvas:
    """Painter's-algorithm canvas of ``size`` (height, width) pixels."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.height, self.width = size
        self.image: FloatImage = np.zeros((*size, 3), np.float32)
        self.region_map: NDArray[np.uint16] = np.zeros(size, np.uint16)
        self.regions: list[Region] = []

    def paint(
        self,
        mask: Mask | None,
        texture: Texture,
        word: str,
        colour: str | None = None,
    ) -> None:
        """Lay ``texture`` over ``mask`` (None: everywhere) as ``word``, labels included."""
        self.regions.append(Region(word, colour))
        index = len(self.regions) - 1
        if mask is None:
            self.image[:] = self._texture(texture, (slice(0, self.height), slice(0, self.width)))
            self.region_map[:] = index
            return
        self.decorate(mask, texture)
        self.region_map[mask >= 0.5] = index

    def shade(self, mask: Mask, factor: float | FloatImage | Mask) -> None:
        """Multiply the brightness under ``mask`` by ``factor``; labels stay (shadows, shine)."""
        box = _box(mask)
        gain = np.asarray(factor, np.float32)
        if gain.ndim >= 2:
            gain = gain[box]
        if gain.ndim == 2:
            gain = gain[..., None]
        self.image[box] *= 1.0 + mask[box][..., None] * (gain - 1.0)

    def decorate(self, mask: Mask, texture: Texture) -> None:
        """Recolour pixels under ``mask`` without changing what they are (a door on a house)."""
        box = _box(mask)
        if mask[box].size == 0:
            return
        target = self.image[box]
        target += mask[box][..., None] * (self._texture(texture, box) - target)

    def polygon(self, points: _Points) -> Mask:
        """Return the anti-aliased coverage of a polygon given as (x, y) points."""
        return self._drawn(lambda draw, shape: draw.polygon(shape, fill=255), points, 0)

    def polygons(self, shapes: Sequence[_Points]) -> Mask:
        """Return the joint coverage of several polygons (all windows of a facade at once)."""
        counts = [len(shape) for shape in shapes]

        def stroke(draw: ImageDraw.ImageDraw, flat: list[tuple[float, float]]) -> None:
            start = 0
            for count in counts:
                draw.polygon(flat[start : start + count], fill=255)
                start += count

        return self._drawn(stroke, [point for shape in shapes for point in shape], 0)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float) -> Mask:
        """Return the anti-aliased coverage of an axis-parallel ellipse."""
        corners = [(cx - rx, cy - ry), (cx + rx, cy + ry)]
        return self._drawn(lambda draw, shape: draw.ellipse(shape, fill=255), corners, 0)

    def line(self, points: _Points, width: float) -> Mask:
        """Return the anti-aliased coverage of a polyline with round joints."""
        thick = max(1, round(width * _SUPERSAMPLING))
        return self._drawn(
            lambda draw, shape: draw.line(shape, fill=255, width=thick, joint="curve"),
            points,
            width,
        )

    def _texture(self, texture: Texture, box: _Box) -> FloatImage:
        if callable(texture):
            rows, columns = box
            return texture((rows.stop - rows.start, columns.stop - columns.start))
        paint = np.asarray(texture, np.float32)
        return paint[box] if paint.ndim == 3 else paint

    def _drawn(
        self,
        stroke: Callable[[ImageDraw.ImageDraw, list[tuple[float, float]]], None],
        points: _Points,
        margin: float,
    ) -> Mask:
        """Rasterise inside the bounding box of ``points`` only: most things are small."""
        mask = np.zeros((self.height, self.width), np.float32)
        xs, ys = [x for x, _ in points], [y for _, y in points]
        left, top = max(0, int(min(xs) - margin) - 1), max(0, int(min(ys) - margin) - 1)
        right = min(self.width, int(max(xs) + margin) + 2)
        bottom = min(self.height, int(max(ys) + margin) + 2)
        if right <= left or bottom <= top:
            return mask
        s = _SUPERSAMPLING
        picture = Image.new("L", ((right - left) * s, (bottom - top) * s))
        stroke(ImageDraw.Draw(picture), [((x - left) * s, (y - top) * s) for x, y in points])
        mask[top:bottom, left:right] = np.asarray(picture.reduce(s), np.float32) / 255.0
        return mask


def _box(mask: Mask) -> _Box:
    """Return the slices of the smallest box that holds all of ``mask``'s non-zero pixels."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    rows_slice = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[rows_slice].any(axis=0))
    return rows_slice, slice(int(columns[0]), int(columns[-1]) + 1)

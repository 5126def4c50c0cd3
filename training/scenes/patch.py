"""Local windows on a canvas, with rotated coordinates and shapes given by distance.

A thing that covers a tenth of the picture should cost a tenth of the work: ``patch_at`` hands out
a small canvas that shares its pixels with the large one, plus coordinates centred on the thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.scenes.base import Canvas, FloatImage, Mask
from training.scenes.textures import noise

Field = NDArray[np.floating[Any]]
"""``(H, W)`` values, not bound to [0, 1]."""

Ink = Sequence[float] | NDArray[np.floating[Any]]
"""One RGB colour."""


@dataclass(frozen=True)
class Patch:
    """A window on a canvas and its coordinates.

    Attributes
    ----------
    canvas : Canvas
        Window that shares image, labels and regions with the whole picture.
    u, v : ndarray of float32
        Pixel coordinates along and across the thing, zero at its centre.
    down : ndarray of float32
        Unrotated offset towards the lower right, for shading from a fixed light.
    unit : float
        Pixels per pixel of a 512 px scene.
    """

    canvas: Canvas
    u: Field
    v: Field
    down: Field
    unit: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.canvas.height, self.canvas.width

    def noise(self, rng: np.random.Generator, scale: float, octaves: int = 2) -> Field:
        """Return smooth noise over the window; ``scale`` is in pixels of a 512 px scene."""
        return noise(rng, self.size, max(scale * self.unit, 1.0), octaves)

    def paint(self, mask: Mask, texture: FloatImage, word: str, colour: str | None = None) -> None:
        """Paint on the window unless the mask misses it (a region must have pixels)."""
        if float(mask.max()) >= 0.5:
            self.canvas.paint(mask, texture, word, colour)

    def shadow(self, mask: Mask, length: float, factor: float = 0.6) -> None:
        """Darken what lies to the lower right of ``mask``, as if it stood ``length`` high."""
        k = max(1, round(length * self.unit))
        cast = np.zeros_like(mask)
        cast[k:, k:] = mask[:-k, :-k]
        self.canvas.shade(cast, factor)


def unit_of(canvas: Canvas) -> float:
    """Return how many pixels of this canvas make one pixel of a 512 px scene."""
    return min(canvas.height, canvas.width) / 512.0


def patch_at(
    canvas: Canvas, cx: float, cy: float, reach: float, angle: float = 0.0, unit: float = 1.0
) -> Patch:
    """Return the window within ``reach`` pixels of ``(cx, cy)``, its u axis turned by ``angle``."""
    left = int(np.clip(cx - reach, 0, canvas.width - 2))
    top = int(np.clip(cy - reach, 0, canvas.height - 2))
    right = int(np.clip(cx + reach + 1, left + 2, canvas.width))
    bottom = int(np.clip(cy + reach + 1, top + 2, canvas.height))
    window = Canvas((bottom - top, right - left))
    window.image = canvas.image[top:bottom, left:right]
    window.region_map = canvas.region_map[top:bottom, left:right]
    window.regions = canvas.regions
    x = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - cx)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - cy)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    down = (x + y) * np.float32(0.707)
    return Patch(window, x * cos + y * sin, y * cos - x * sin, down, unit)


def whole(canvas: Canvas, angle: float = 0.0, at: tuple[float, float] = (0.5, 0.5)) -> Patch:
    """Return a patch over the whole canvas with its origin at the fraction ``at`` (x, y)."""
    reach = float(canvas.width + canvas.height)
    return patch_at(
        canvas, at[0] * canvas.width, at[1] * canvas.height, reach, angle, unit_of(canvas)
    )


def inside(distance: Field, softness: float = 1.0) -> Mask:
    """Return the coverage of a shape from its signed distance (negative inside)."""
    cover = np.float32(0.5) - distance / np.float32(softness)
    return np.asarray(np.clip(cover, 0, 1), np.float32)


def box_distance(u: Field, v: Field, half_u: float, half_v: float, corner: float = 0.0) -> Field:
    """Return the signed distance to a box with rounded corners."""
    du = np.abs(u) - np.float32(half_u - corner)
    dv = np.abs(v) - np.float32(half_v - corner)
    outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0))
    result: Field = outside + np.minimum(np.maximum(du, dv), 0) - np.float32(corner)
    return result


def disc_distance(u: Field, v: Field, ru: float, rv: float) -> Field:
    """Return the approximate signed distance to an ellipse."""
    far = np.hypot(u / np.float32(ru), v / np.float32(rv))
    return np.asarray((far - 1) * np.float32(min(ru, rv)), np.float32)


def blob_distance(
    rng: np.random.Generator, u: Field, v: Field, radius: float, wobble: float, lobes: int = 5
) -> Field:
    """Return the signed distance to a round shape whose outline wavers by ``wobble`` (0 to 1)."""
    theta = np.arctan2(v, u)
    outline = np.zeros_like(theta)
    for k in range(2, lobes + 1):
        swing = rng.normal() / k
        outline += np.float32(swing) * np.cos(k * theta + np.float32(rng.uniform(0, 6.28)))
    peak = max(float(np.abs(outline).max()), 1.0)
    edge = np.float32(radius) * (1 + np.float32(wobble / peak) * outline)
    return np.asarray(np.hypot(u, v) - edge, np.float32)


def stripe_mask(t: Field, period: float, width: float) -> Mask:
    """Return anti-aliased lines of ``width`` that repeat along ``t`` every ``period`` pixels."""
    phase = np.abs(np.mod(t, np.float32(period)) - np.float32(period / 2))
    return inside(phase - np.float32(width / 2))


def toned(tone: Field, base: Ink) -> FloatImage:
    """Return the colour ``base`` times the brightness ``tone``."""
    image = np.empty((*tone.shape, 3), np.float32)
    for channel in range(3):
        np.multiply(tone, np.float32(base[channel]), out=image[..., channel], casting="same_kind")
    return image


def blend(a: Ink | FloatImage, b: Ink | FloatImage, share: Field) -> FloatImage:
    """Return ``a`` where ``share`` is 0, ``b`` where it is 1; both may be colours or pictures."""
    first, second = np.asarray(a, np.float32), np.asarray(b, np.float32)
    part = np.clip(share, 0, 1).astype(np.float32, copy=False)
    image = np.empty((*part.shape, 3), np.float32)
    # Channel by channel: broadcasting over a last axis of three is several times slower.
    for channel in range(3):
        low = first[..., channel]
        image[..., channel] = low + part * (second[..., channel] - low)
    return image


def lit(image: FloatImage, tone: Field) -> FloatImage:
    """Return ``image`` after multiplying its pixels by ``tone`` in place."""
    for channel in range(3):
        plane = image[..., channel]
        np.multiply(plane, tone, out=plane, casting="same_kind")
    return image


def mix(a: Ink, b: Ink, share: float) -> NDArray[np.float32]:
    """Return the colour ``share`` of the way from ``a`` to ``b``."""
    first = np.asarray(a, np.float32)
    return first + np.float32(share) * (np.asarray(b, np.float32) - first)


def jitter(rng: np.random.Generator, colour: Ink, amount: float) -> NDArray[np.float32]:
    """Return ``colour`` with a random brightness and a slight random tint."""
    moved = np.asarray(colour) * rng.uniform(1 - 2 * amount, 1 + 2 * amount)
    return np.clip(moved + rng.uniform(-amount, amount, 3), 0, 1).astype(np.float32)


def pick(rng: np.random.Generator, names: str) -> str:
    """Return one of the space-separated ``names``; repeat a name to make it likelier."""
    choices = names.split()
    return choices[int(rng.integers(len(choices)))]


def between(rng: np.random.Generator, low: Ink, high: Ink) -> NDArray[np.float32]:
    """Return a random colour on the way from ``low`` to ``high`` with a slight tint of its own."""
    share = rng.random()
    colour = np.asarray(low) * (1 - share) + np.asarray(high) * share
    return (colour + rng.normal(0, 0.015, 3)).astype(np.float32)

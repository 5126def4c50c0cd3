"""Surfaces, colours and light shared by all worlds.

Every texture function returns a ``(H, W, 3)`` float32 picture of the requested ``size``; pass
``lambda size: bricks(rng, size, ...)`` to ``Canvas.paint`` to compute it for the painted box only.
Lengths (``scale``, ``period``) are in pixels, so callers scale them with the picture.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.scenes.base import Canvas, FloatImage

Size = tuple[int, int]
Rgb = Sequence[float] | NDArray[np.floating]
Range = tuple[float, float]

# Hue in degrees, saturation and value ranges that people would call by the word.
COLOURS: dict[str, tuple[Range, Range, Range]] = {
    "red": ((-8, 7), (0.78, 0.97), (0.68, 0.92)),
    "orange": ((22, 33), (0.85, 1.0), (0.92, 1.0)),
    "yellow": ((48, 57), (0.75, 0.95), (0.90, 1.0)),
    "green": ((105, 148), (0.55, 0.85), (0.42, 0.70)),
    "blue": ((208, 234), (0.68, 0.92), (0.55, 0.90)),
    "purple": ((269, 288), (0.52, 0.78), (0.45, 0.70)),
    "pink": ((325, 345), (0.32, 0.55), (0.94, 1.0)),
    "brown": ((18, 30), (0.52, 0.72), (0.30, 0.46)),
    "black": ((0, 360), (0.0, 0.15), (0.04, 0.12)),
    "white": ((0, 360), (0.0, 0.05), (0.93, 1.0)),
    "gray": ((0, 360), (0.0, 0.07), (0.42, 0.60)),
}


def f32(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return ``values`` as float32, which they already are except to a type checker."""
    return np.asarray(values, np.float32)


def rgb(name: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a random shade of the colour word ``name``."""
    hue, saturation, value = (rng.uniform(*bounds) for bounds in COLOURS[name])
    return np.array(colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value), np.float32)


def mix(a: Rgb, b: Rgb, share: float) -> NDArray[np.float32]:
    """Return the colour ``share`` of the way from ``a`` to ``b``."""
    return np.asarray(a, np.float32) * (1 - share) + np.asarray(b, np.float32) * share


def jitter(rng: np.random.Generator, colour: Rgb, amount: float = 0.05) -> NDArray[np.float32]:
    """Return ``colour`` with a random brightness and a slight random tint."""
    gain = rng.uniform(1 - 2 * amount, 1 + 2 * amount)
    moved = np.asarray(colour) * gain + rng.uniform(-amount, amount, 3)
    return np.clip(moved, 0, 1).astype(np.float32)


def _upscaled(grid: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    picture = Image.fromarray(grid).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def noise(
    rng: np.random.Generator, size: Size, scale: float, octaves: int = 2, stretch: float = 1.0
) -> NDArray[np.float32]:
    """Return fast value noise ``(H, W)`` in about [-1, 1]; ``stretch`` > 1: taller features."""
    total = np.zeros(size, np.float32)
    amplitude = 1.0
    for _ in range(octaves):
        rows = max(2, round(size[0] / (scale * stretch)) + 1)
        columns = max(2, round(size[1] / scale) + 1)
        grid = (2 * amplitude) * (rng.random((rows, columns), np.float32) - 0.5)
        total += _upscaled(grid, size)
        amplitude *= 0.6
        scale = max(scale / 2.5, 1.0)
    return total


def _tinted(value: NDArray[np.float32], base: Rgb) -> FloatImage:
    return value[..., None] * np.asarray(base, np.float32)


def flat(size: Size, base: Rgb) -> FloatImage:
    """Return one plain colour."""
    return np.broadcast_to(np.asarray(base, np.float32), (*size, 3)).copy()


def grain(
    rng: np.random.Generator, size: Size, base: Rgb, contrast: float = 0.15, scale: float = 20.0
) -> FloatImage:
    """Return a mottled surface: large soft patches of ``scale`` pixels with finer ones inside."""
    return _tinted(1 + contrast * noise(rng, size, scale, 3), base)


def speckle(
    rng: np.random.Generator, size: Size, base: Rgb, contrast: float = 0.2, dot: float = 2.0
) -> FloatImage:
    """Return a surface with hard fine dots (sand, gravel, asphalt)."""
    return _tinted(1 + contrast * noise(rng, size, dot, 1) + 0.04 * noise(rng, size, 60, 1), base)


def gradient(size: Size, start: Rgb, end: Rgb, horizontal: bool = False) -> FloatImage:
    """Return a linear blend from ``start`` (top or left) to ``end`` (bottom or right)."""
    length = size[1] if horizontal else size[0]
    t = np.linspace(0, 1, length, dtype=np.float32)[:, None]
    line = np.asarray(start, np.float32) * (1 - t) + np.asarray(end, np.float32) * t
    line = line[None] if horizontal else line[:, None]
    return np.broadcast_to(line, (*size, 3)).copy()


def _axis(size: Size, angle: float) -> NDArray[np.float32]:
    """Return each pixel's distance along the direction ``angle`` (radians, 0 = to the right)."""
    y = np.arange(size[0], dtype=np.float32)[:, None]
    x = np.arange(size[1], dtype=np.float32)[None]
    along: NDArray[np.float32] = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    return along


def blend(a: Rgb | FloatImage, b: Rgb | FloatImage, share: NDArray[np.float32]) -> FloatImage:
    """Return ``a`` where ``share`` is 0 and ``b`` where it is 1; colours or pictures."""
    first, second = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return first + np.clip(share, 0, 1)[..., None] * (second - first)


def stripes(
    size: Size,
    a: Rgb,
    b: Rgb,
    period: float,
    angle: float = 0.0,
    share: float = 0.5,
    phase: float = 0.0,
) -> FloatImage:
    """Return bands: ``share`` of each ``period`` is ``b``; they stand upright at ``angle`` 0."""
    along = (_axis(size, angle) / period + phase) % 1.0
    edge = max(period * 0.7, 1.0)
    return blend(a, b, (share / 2 - np.abs(along - 0.5)) * edge + 0.5)


def lattice(
    size: Size, a: Rgb, b: Rgb, period: float, share: float = 0.3, angle: float = 0.785
) -> FloatImage:
    """Return two crossing sets of ``b`` bands over ``a`` (wire mesh, trellis, tiles' joints)."""
    first = stripes(size, a, b, period, angle, share)
    along = (_axis(size, angle + np.pi / 2) / period) % 1.0
    return blend(first, b, (share / 2 - np.abs(along - 0.5)) * period + 0.5)


def bricks(
    rng: np.random.Generator,
    size: Size,
    base: Rgb,
    mortar: Rgb = (0.75, 0.72, 0.68),
    height: float = 16.0,
    width: float = 36.0,
    contrast: float = 0.2,
) -> FloatImage:
    """Return courses of bricks, each of its own brightness, shifted by half a brick per row."""
    y = np.arange(size[0], dtype=np.float32) / np.float32(height)
    row = y.astype(np.int32)
    x = np.arange(size[1], dtype=np.float32)[None] / np.float32(width) + 0.5 * (row % 2)[:, None]
    column = x.astype(np.int32)
    tone = 1 + contrast * (2 * rng.random((row[-1] + 1, column.max() + 1), np.float32) - 1)
    joint = max(1.5, 0.11 * height)
    dx, dy = x - column, y - row
    covered = np.minimum(
        np.minimum(dx, 1 - dx) * np.float32(width),
        (np.minimum(dy, 1 - dy) * np.float32(height))[:, None],
    )
    value = tone[row[:, None], column] + 0.06 * noise(rng, size, 4, 1)
    return blend(mortar, _tinted(value, base), covered - joint / 2 + 0.5)


def shingles(rng: np.random.Generator, size: Size, base: Rgb, row: float = 14.0) -> FloatImage:
    """Return roof tiles: rows that darken towards their lower edge, each tile with its own tone."""
    y = np.arange(size[0], dtype=np.float32) / np.float32(row)
    index = y.astype(np.int32)
    x = (
        np.arange(size[1], dtype=np.float32)[None] / np.float32(row * 1.2)
        + 0.5 * (index % 2)[:, None]
    )
    column = x.astype(np.int32)
    tone = 0.85 + 0.3 * rng.random((index[-1] + 1, column.max() + 1), np.float32)
    value = tone[index[:, None], column] * (1.1 - 0.45 * (y - index))[:, None]
    return _tinted(value, base)


def waves(
    rng: np.random.Generator, size: Size, base: Rgb, period: float = 16.0, contrast: float = 0.18
) -> FloatImage:
    """Return water: wobbling horizontal crests with a few glints."""
    y = np.arange(size[0], dtype=np.float32)[:, None]
    wobble = noise(rng, size, period * 5, 2)
    crest = np.sin(y * np.float32(2 * np.pi / period) + 3.0 * wobble)
    ripple = noise(rng, size, period * 1.5, 1, stretch=0.2)
    value = 1 + contrast * (0.6 * crest + 0.7 * ripple)
    glint = np.clip(crest * 0.6 + ripple - 1.1, 0, 1) * (1.2 * contrast)
    return _tinted(f32(value), base) + f32(glint)[..., None]


def foliage(
    rng: np.random.Generator, size: Size, base: Rgb, leaf: float = 12.0, contrast: float = 0.5
) -> FloatImage:
    """Return leaf clumps: bright tops against dark gaps."""
    clump = noise(rng, size, leaf, 2) + 0.5 * noise(rng, size, leaf * 4, 1)
    value = 1 + contrast * np.clip(clump * 1.2, -1, 1)
    return _tinted(f32(value), base)


def blades(
    rng: np.random.Generator, size: Size, base: Rgb, length: float = 16.0, contrast: float = 0.3
) -> FloatImage:
    """Return grass: fine upright strokes over soft patches."""
    stroke = noise(rng, size, max(length / 6, 1.5), 1, stretch=6.0)
    return _tinted(1 + contrast * stroke + 0.5 * contrast * noise(rng, size, length * 4, 1), base)


def planks(
    rng: np.random.Generator, size: Size, base: Rgb, width: float = 24.0, horizontal: bool = False
) -> FloatImage:
    """Return boards with dark gaps between them and grain along them."""
    if horizontal:
        turned = planks(rng, (size[1], size[0]), base, width)
        return np.ascontiguousarray(turned.swapaxes(0, 1))
    x = np.arange(size[1], dtype=np.float32) / np.float32(width)
    index = x.astype(np.int32)
    tone = 0.85 + 0.3 * rng.random(index[-1] + 1, np.float32)
    rest = x - index
    gap = np.clip(np.minimum(rest, 1 - rest) * np.float32(width) / 2, 0.25, 1)
    value = (tone[index] * gap)[None] + 0.08 * noise(rng, size, 3, 1, stretch=15)
    return _tinted(value, base)


def ball_light(size: Size, strength: float = 0.35) -> NDArray[np.float32]:
    """Return brightness factors ``(H, W)`` that make a disc look round, lit from the upper left."""
    y = np.linspace(-1, 1, size[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, size[1], dtype=np.float32)[None]
    return f32(1 + strength * (0.6 - (x + 0.4) ** 2 - (y + 0.45) ** 2))


def finish(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Photograph the painted canvas: light, lens and sensor vary from scene to scene.

    The result replaces ``canvas.image`` (as float) and is returned as uint8 as well.
    """
    height, width = canvas.height, canvas.width
    warmth = rng.uniform(-0.06, 0.06)
    tint = rng.uniform(0.85, 1.12) * np.array([1 + warmth, 1, 1 - warmth], np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    slope = rng.uniform(-0.08, 0.08, 2).astype(np.float32)
    vignette = np.float32(rng.uniform(0, 0.14))
    light = 1 + slope[0] * x + slope[1] * y - vignette * (x * x + y * y) / 2
    # One random tile, rolled for each channel, costs a third of fresh noise and looks the same.
    tile = rng.standard_normal((height, width), np.float32) * np.float32(rng.uniform(0.5, 5))
    shared = rng.random() < 0.5
    image = canvas.image * (255 * tint)
    for channel in range(3):
        plane = image[..., channel]
        plane *= light
    np.clip(image, 0, 255, out=image)
    radius = rng.uniform(-0.3, 1.2) * min(height, width) / 512
    if radius > 0.2:
        picture = Image.fromarray(image.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
        image = np.asarray(picture, np.float32).copy()
    for channel in range(3):
        plane = image[..., channel]
        plane += tile if shared else np.roll(tile, (17 * channel, 31 * channel), (0, 1))
    np.clip(np.rint(image, out=image), 0, 255, out=image)
    curve = np.rint(255 * (np.arange(256) / 255) ** rng.uniform(0.85, 1.18)).astype(np.uint8)
    result: NDArray[np.uint8] = curve[image.astype(np.uint8)]
    canvas.image = f32(result.astype(np.float32) / 255)
    return result

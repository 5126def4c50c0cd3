"""Sun, mountains and the open grounds of the everyday world."""

from __future__ import annotations

from functools import partial

import numpy as np

from training.scenes.base import FloatImage
from training.scenes.textures import (
    ball_light,
    blend,
    grain,
    jitter,
    mix,
    noise,
    speckle,
    waves,
)
from training.scenes.things import (
    Pen,
    Surface,
)


def sun(pen: Pen, x: float, y: float, radius: float) -> None:
    """Paint a bright disc with a halo; the halo stays sky."""
    tone = jitter(
        pen.rng,
        pen.pick(((1.0, 0.93, 0.45), (1.0, 0.82, 0.30), (1.0, 0.66, 0.28), (1, 0.97, 0.75))),
        0.02,
    )
    for reach in (1.9, 1.6, 1.35, 1.15):
        halo = pen.canvas.ellipse(x, y, radius * reach, radius * reach)
        pen.canvas.decorate(halo * 0.16, mix(tone, (1, 1, 1), 0.3))
    disc = pen.canvas.ellipse(x, y, radius, radius)
    pen.canvas.paint(
        disc, lambda size: np.minimum(tone * ball_light(size, 0.06)[..., None] * 1.05, 1), "sun"
    )


def mountains(pen: Pen, horizon: float, height: float) -> None:
    """Paint one or two ridges of peaks with a bright and a shaded side."""
    canvas, width = pen.canvas, pen.canvas.width
    base = jitter(
        pen.rng,
        pen.pick(((0.40, 0.45, 0.55), (0.48, 0.42, 0.38), (0.34, 0.40, 0.40), (0.46, 0.44, 0.56))),
        0.05,
    )
    for tone, part in ((1.25, 1.0), (0.92, 0.66)):
        colour = base * tone
        peaks = int(pen.rng.integers(2, 4))
        outline, shades = [(-2.0, horizon + 4)], []
        for i in range(peaks):
            x = (i + pen.between(0.3, 0.7)) * width / peaks
            top = horizon - height * part * pen.between(0.65, 1.0)
            valley = (i + 1) * width / peaks
            foot = horizon - height * part * pen.between(0.1, 0.3)
            outline += [
                (x, top),
                ((x + valley) / 2, (top + foot) / 2 + height * pen.between(-0.06, 0.06)),
                (valley, foot),
            ]
            bend = x + pen.between(-0.02, 0.05) * width
            shades.append([(x, top), (valley, foot), (valley, horizon + 4), (bend, horizon + 4)])
        outline += [(width + 2.0, horizon - height * 0.1), (width + 2.0, horizon + 4)]
        mask = canvas.polygon(outline)
        rock = pen.between(14, 40) * pen.u
        canvas.paint(
            mask, partial(grain, pen.rng, base=colour, contrast=0.22, scale=rock), "mountain"
        )
        canvas.shade(np.minimum(canvas.polygons(shades), mask), 0.7)


def sand_surface(pen: Pen) -> Surface:
    """Return dry or wet sand: fine dots, sometimes with wind ripples."""
    tan = jitter(
        pen.rng,
        pen.pick(((0.86, 0.76, 0.54), (0.80, 0.66, 0.44), (0.90, 0.82, 0.64), (0.76, 0.62, 0.46))),
        0.03,
    )
    dot, ripple = pen.between(1.5, 3) * max(pen.u, 0.6), pen.chance(0.5)
    period = pen.between(16, 30) * pen.u

    def surface(size: tuple[int, int]) -> FloatImage:
        picture = speckle(pen.rng, size, tan, pen.between(0.08, 0.16), dot)
        if ripple:
            y = np.arange(size[0], dtype=np.float32)[:, None]
            crest = np.sin(y * np.float32(6.283 / period) + 4 * noise(pen.rng, size, period * 5, 1))
            picture *= (1 + 0.06 * crest)[..., None]
        return picture

    return surface


def snow_surface(pen: Pen) -> Surface:
    """Return snow: white with bluish hollows and a sparkle."""
    white = np.array((0.95, 0.97, 1.0), np.float32)
    hollow = np.array((0.72, 0.80, 0.93), np.float32) * pen.between(0.92, 1.05)
    scale = pen.between(50, 120) * pen.u

    def surface(size: tuple[int, int]) -> FloatImage:
        share = np.clip(0.45 + 0.6 * noise(pen.rng, size, scale, 2, stretch=0.4), 0, 1)
        sparkle = 0.05 * noise(pen.rng, size, max(1.5, 2.5 * pen.u), 1)
        return blend(white, hollow, share) + sparkle[..., None]

    return surface


def water_surface(pen: Pen) -> Surface:
    """Return open water: blue, teal or slate, calm or choppy."""
    base = pen.pick(
        (
            (0.16, 0.40, 0.62),
            (0.12, 0.48, 0.55),
            (0.24, 0.42, 0.56),
            (0.10, 0.30, 0.55),
            (0.30, 0.52, 0.66),
        )
    )
    colour, period = jitter(pen.rng, base, 0.04), pen.between(11, 24) * pen.u
    contrast = pen.between(0.12, 0.26)
    return lambda size: waves(pen.rng, size, colour, period, contrast)

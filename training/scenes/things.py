"""Things that more than one world shows: skies, grounds, trees, cars and fences, drawn alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.scenes.base import Canvas, FloatImage, Mask
from training.scenes.textures import (
    ball_light,
    blades,
    foliage,
    gradient,
    grain,
    jitter,
    lattice,
    mix,
    noise,
    planks,
    rgb,
    speckle,
    stripes,
)

Point = tuple[float, float]
Colour = NDArray[np.float32]
Surface = Callable[[tuple[int, int]], FloatImage]
T = TypeVar("T")

CAR_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white", "gray")


@dataclass(frozen=True)
class Pen:
    """A canvas with its dice; ``u`` is a 512-pixel picture's pixel in this one's pixels."""

    canvas: Canvas
    rng: np.random.Generator

    @property
    def u(self) -> float:
        """Return the scale of this picture relative to one of 512 pixels."""
        return min(self.canvas.height, self.canvas.width) / 512

    def between(self, low: float, high: float) -> float:
        """Return a uniform random number."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Return true in ``share`` of all calls."""
        return bool(self.rng.random() < share)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of ``options``, all equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def colour(self, names: Sequence[str]) -> tuple[str, Colour]:
        """Return a random colour word of ``names`` with a shade of it."""
        name = self.pick(names)
        return name, rgb(name, self.rng)


def placed(
    points: Sequence[Point], x: float, base: float, width: float, height: float, flip: float = 1
) -> list[Point]:
    """Map unit points (0..1 right, 0..1 up) to a box that stands on ``base`` around ``x``."""
    return [(x + (px - 0.5) * width * flip, base - py * height) for px, py in points]


def union(masks: Sequence[Mask]) -> Mask:
    """Return the joint coverage of several masks."""
    joint = masks[0].copy()
    for mask in masks[1:]:
        np.maximum(joint, mask, out=joint)
    return joint


def lit(colour: Colour, top: float = 1.15, bottom: float = 0.78) -> Surface:
    """Return a surface that gets darker downwards."""
    return lambda size: gradient(size, np.minimum(colour * top, 1), colour * bottom)


def contact_shadow(pen: Pen, x: float, base: float, width: float) -> None:
    """Darken the ground where a thing stands on it."""
    pen.canvas.shade(pen.canvas.ellipse(x, base, width * 0.54, width * 0.06 + 2 * pen.u), 0.62)


SKIES: tuple[tuple[Colour, Colour], ...] = tuple(
    (np.array(top, np.float32), np.array(low, np.float32))
    for top, low in (
        ((0.25, 0.50, 0.85), (0.65, 0.82, 0.96)),
        ((0.36, 0.62, 0.92), (0.80, 0.90, 0.97)),
        ((0.18, 0.40, 0.72), (0.55, 0.74, 0.90)),
        ((0.45, 0.68, 0.88), (0.60, 0.78, 0.90)),
        ((0.40, 0.45, 0.72), (0.98, 0.72, 0.52)),
        ((0.55, 0.62, 0.70), (0.76, 0.80, 0.84)),
    )
)


def sky(pen: Pen) -> None:
    """Fill the canvas with sky: clear, hazy, evening or overcast."""
    top, low = pen.pick(SKIES)
    top, low = jitter(pen.rng, top, 0.04), jitter(pen.rng, low, 0.02)

    def surface(size: tuple[int, int]) -> FloatImage:
        upper = round(size[0] * 0.62)
        air = gradient((upper, size[1]), top, low)
        return np.concatenate([air, np.broadcast_to(low, (size[0] - upper, size[1], 3))])

    pen.canvas.paint(None, surface, "sky")


def cloud(pen: Pen, x: float, y: float, width: float) -> None:
    """Paint a heap cloud: bright puffs over a flat, darker underside."""
    canvas, height = pen.canvas, width * pen.between(0.30, 0.42)
    puffs = [canvas.ellipse(x, y, width * 0.5, height * 0.32)]
    for offset in np.linspace(-0.3, 0.3, int(pen.rng.integers(3, 5))):
        radius = height * pen.between(0.36, 0.55) * (1.15 - abs(float(offset)))
        puffs.append(
            canvas.ellipse(x + float(offset) * width, y - height * 0.25, radius * 1.15, radius)
        )
    white = np.array((0.98, 0.98, 0.99), np.float32) * pen.between(0.97, 1.04)
    under = white * pen.between(0.76, 0.9)

    def surface(size: tuple[int, int]) -> FloatImage:
        fluff = 0.06 * noise(pen.rng, size, height * 0.35, 3)
        return gradient(size, white, under) + fluff[..., None]

    canvas.paint(union(puffs), surface, "cloud")


def asphalt(pen: Pen) -> Surface:
    """Return a road surface: dark to middle gray, coarse grain, sometimes patched."""
    gray = jitter(pen.rng, (0.34, 0.34, 0.36), 0.03) * pen.between(0.75, 1.3)
    contrast, dot = pen.between(0.08, 0.2), pen.between(1.5, 3) * max(pen.u, 0.6)
    return lambda size: speckle(pen.rng, size, gray, contrast, dot)


def grass_surface(pen: Pen) -> Surface:
    """Return a lawn: fresh, deep, olive or dry, with blades or mottled."""
    base = pen.pick(
        ((0.30, 0.55, 0.18), (0.22, 0.44, 0.16), (0.42, 0.54, 0.20), (0.52, 0.58, 0.26))
    )
    green, length = jitter(pen.rng, base, 0.04), pen.between(10, 24) * pen.u
    if pen.chance(0.7):
        return lambda size: blades(pen.rng, size, green, length, 0.28)
    return lambda size: grain(pen.rng, size, green, 0.2, length * 2)


def tree(pen: Pen, x: float, base: float, height: float, leaves: Colour | None = None) -> None:
    """Paint a broad-leaved, columnar or coniferous tree with its trunk."""
    canvas, rng = pen.canvas, pen.rng
    greens = ((0.16, 0.36, 0.13), (0.22, 0.42, 0.12), (0.12, 0.30, 0.18), (0.32, 0.42, 0.14))
    autumn = ((0.70, 0.36, 0.10), (0.62, 0.20, 0.10), (0.74, 0.55, 0.14))
    base_colour = pen.pick(autumn) if pen.chance(0.16) else pen.pick(greens)
    crown_colour = jitter(rng, base_colour, 0.04) if leaves is None else leaves
    kind = pen.pick(("round", "round", "bushy", "column", "conifer"))
    width = height * {"round": 0.72, "bushy": 0.8, "column": 0.42, "conifer": 0.6}[kind]
    contact_shadow(pen, x, base, width * 0.6)
    bark = jitter(rng, (0.36, 0.25, 0.16), 0.05)
    thick = height * pen.between(0.09, 0.13)
    trunk = canvas.polygon(
        placed([(0.0, 0), (0.2, 1), (0.8, 1), (1, 0)], x, base, thick * 1.3, height * 0.5)
    )
    canvas.paint(trunk, lambda size: planks(rng, size, bark, thick / 2.2), "tree")
    crown = _crown(pen, kind, x, base, width, height)
    leaf = pen.between(8, 18) * pen.u
    canvas.paint(crown, lambda size: _crown_surface(pen, size, crown_colour, leaf), "tree")


def _crown_surface(pen: Pen, size: tuple[int, int], colour: Colour, leaf: float) -> FloatImage:
    return foliage(pen.rng, size, colour, leaf) * ball_light(size, 0.3)[..., None]


def _crown(pen: Pen, kind: str, x: float, base: float, width: float, height: float) -> Mask:
    canvas = pen.canvas
    if kind == "conifer":
        tiers = []
        for low, high, part in ((0.12, 0.55, 1.0), (0.36, 0.78, 0.78), (0.60, 1.0, 0.55)):
            tier = [(0.5 - part / 2, low), (0.5 + part / 2, low), (0.5, high)]
            tiers.append(placed(tier, x, base, width, height))
        return canvas.polygons(tiers)
    if kind == "column":
        return canvas.ellipse(x, base - height * 0.57, width / 2, height * 0.43)
    middle = base - height * (0.66 if kind == "round" else 0.62)
    blobs = [canvas.ellipse(x, middle, width * 0.38, height * 0.3)]
    for angle in np.linspace(0, 2 * np.pi, 7, endpoint=False) + pen.between(0, 1):
        radius = width * pen.between(0.17, 0.24)
        cx, cy = x + np.cos(angle) * width * 0.28, middle + np.sin(angle) * height * 0.17
        blobs.append(canvas.ellipse(float(cx), float(cy), radius, radius))
    return union(blobs)


def fence(pen: Pen, left: float, right: float, base: float, height: float) -> None:
    """Paint a band of pickets, boards, rails or mesh; all of its bounding area is the fence."""
    canvas, rng, u = pen.canvas, pen.rng, pen.u
    wood = jitter(
        rng,
        pen.pick(((0.88, 0.87, 0.84), (0.50, 0.33, 0.18), (0.62, 0.45, 0.28), (0.42, 0.40, 0.38))),
    )
    kind = pen.pick(("pickets", "boards", "pickets", "lattice", "rails"))
    step = pen.between(17, 28) * u
    if kind == "pickets":
        shapes = []
        count = max(2, round((right - left) / step))
        for i in range(count):
            x0, x1 = (
                left + (right - left) * (i + 0.02) / count,
                left + (right - left) * (i + 0.98) / count,
            )
            tip = base - height
            shapes.append(
                [
                    (x0, base),
                    (x0, tip + step * 0.5),
                    ((x0 + x1) / 2, tip),
                    (x1, tip + step * 0.5),
                    (x1, base),
                ]
            )
        area = canvas.polygons(shapes)
        # The narrow gaps belong to the fence too; they show dark shade instead of the background.
        solid = canvas.polygon(
            [
                (left, base),
                (left, base - height * 0.86),
                (right, base - height * 0.86),
                (right, base),
            ]
        )
        area = np.maximum(area, solid)
        gap, width = wood * 0.38, (right - left) / count
        canvas.paint(area, lambda size: stripes(size, gap, wood, width, 0.0, 0.68, 0.0), "fence")
        for level in (0.25, 0.62):
            y = base - height * level
            rail = canvas.line([(left, y), (right, y)], height * 0.1)
            canvas.decorate(np.minimum(rail, area), wood * 0.86)
        return
    box = canvas.polygon(
        [(left, base), (left, base - height), (right, base - height), (right, base)]
    )
    if kind == "boards":
        canvas.paint(box, lambda size: planks(rng, size, wood, step), "fence")
    elif kind == "rails":
        canvas.paint(
            box, lambda size: stripes(size, wood * 0.36, wood, height / 3, np.pi / 2, 0.62), "fence"
        )
        posts = [(x, base) for x in np.arange(left + step / 2, right, 5 * step)]
        for x, y in posts:
            canvas.decorate(canvas.line([(x, y), (x, y - height)], 0.7 * step), wood * 0.9)
    else:
        dark = wood * 0.34
        canvas.paint(box, lambda size: lattice(size, dark, wood, step, 0.42), "fence")
        for y in (base - height * 0.95, base - height * 0.05):
            rim = canvas.line([(left, y), (right, y)], height * 0.1)
            canvas.decorate(np.minimum(rim, box), wood)


_CAR_SHAPES: tuple[tuple[tuple[Point, ...], tuple[Point, ...], float], ...] = (
    (  # saloon
        ((0, 0.16), (0, 0.5), (0.05, 0.58), (0.22, 0.62), (0.34, 0.97), (0.4, 1),
         (0.64, 1), (0.7, 0.97), (0.82, 0.62), (0.97, 0.54), (1, 0.44), (1, 0.16)),
        ((0.28, 0.62), (0.37, 0.92), (0.65, 0.92), (0.76, 0.62)),
        0.36,
    ),
    (  # hatchback
        ((0, 0.16), (0, 0.6), (0.06, 0.94), (0.12, 1), (0.58, 1), (0.76, 0.64),
         (0.97, 0.54), (1, 0.4), (1, 0.16)),
        ((0.08, 0.62), (0.13, 0.92), (0.56, 0.92), (0.70, 0.62)),
        0.43,
    ),
    (  # off-roader
        ((0, 0.18), (0, 0.62), (0.03, 0.97), (0.07, 1), (0.64, 1), (0.74, 0.66),
         (0.98, 0.62), (1, 0.5), (1, 0.18)),
        ((0.06, 0.64), (0.08, 0.92), (0.62, 0.92), (0.69, 0.64)),
        0.48,
    ),
)  # fmt: skip


def wheel(pen: Pen, x: float, base: float, radius: float, word: str) -> None:
    """Paint a tyre with a bright hub, standing on ``base``."""
    canvas, y = pen.canvas, base - radius
    canvas.paint(canvas.ellipse(x, y, radius, radius), (0.08, 0.08, 0.09), word)
    canvas.decorate(canvas.ellipse(x, y, radius * 0.52, radius * 0.52), (0.62, 0.63, 0.65))
    canvas.decorate(canvas.ellipse(x, y, radius * 0.2, radius * 0.2), (0.25, 0.25, 0.26))


def car_side(pen: Pen, x: float, base: float, length: float) -> None:
    """Paint a car seen from the side."""
    canvas = pen.canvas
    name, paint = pen.colour(CAR_COLOURS)
    body, glass, ratio = pen.pick(_CAR_SHAPES)
    height, flip = length * ratio * pen.between(0.92, 1.08), pen.pick((-1.0, 1.0))
    contact_shadow(pen, x, base, length)
    outline = placed(body, x, base, length, height, flip)
    canvas.paint(canvas.polygon(outline), lit(paint), "car", name)
    window = canvas.polygon(placed(glass, x, base, length, height, flip))
    tone = np.array((0.16, 0.20, 0.25), np.float32) * pen.between(0.8, 2.2)
    canvas.decorate(window, lit(tone, 1.6, 0.8))
    middle = 0.5 * (glass[1][0] + glass[2][0])
    pillar = placed([(middle, 0.2), (middle, 0.94)], x, base, length, height, flip)
    canvas.decorate(canvas.line(pillar, length * 0.018), paint * 0.8)
    for px, tone_rgb in ((0.98, (1.0, 0.95, 0.75)), (0.02, (0.75, 0.1, 0.08))):
        cx, cy = placed([(px, 0.45)], x, base, length, height, flip)[0]
        canvas.decorate(canvas.ellipse(cx, cy, length * 0.022, height * 0.06), tone_rgb)
    for px in (0.2, 0.8):
        wheel(pen, x + (px - 0.5) * length * flip, base, length * 0.088, "car")


def sheen(pen: Pen, mask: Mask, strength: float = 0.5) -> None:
    """Light a thing from the left across its bounding box (poles, hulls, balloons)."""
    columns = np.flatnonzero(mask.any(axis=0))
    if columns.size == 0:
        return
    factor = np.ones(mask.shape, np.float32)
    t = np.linspace(0, 1, columns.size, dtype=np.float32)
    factor[:, columns[0] : columns[-1] + 1] = 1 + strength * (0.35 - (t - 0.32) ** 2 * 2.2)
    pen.canvas.shade(mask, factor)


def tinted_panels(colour: Colour, share: float = 0.3) -> Colour:
    """Return the lighter companion of ``colour`` used for panels, so that its word still fits."""
    return mix(colour, (1, 1, 1), share) if float(colour.mean()) < 0.75 else colour * 0.86


def wavy_edge(pen: Pen, y: float, swing: float, steps: int = 12) -> list[Point]:
    """Return a gently wavy line across the picture at about height ``y``."""
    phase, turns = pen.between(0, 6.3), pen.between(0.3, 1.3)
    xs = np.linspace(-2, pen.canvas.width + 2, steps)
    ys = y + swing * np.sin(phase + turns * 6.3 * xs / pen.canvas.width)
    return [(float(px), float(py)) for px, py in zip(xs, ys, strict=True)]


def ground(pen: Pen, edge: Sequence[Point], surface: Surface, word: str) -> None:
    """Paint everything below ``edge``."""
    height, width = pen.canvas.height, pen.canvas.width
    shape = [*edge, (width + 2, height + 2), (-2, height + 2)]
    pen.canvas.paint(pen.canvas.polygon(shape), surface, word)

"""The things beside the road in the driving world: buildings, people and street furniture."""

from __future__ import annotations

import numpy as np

from training.scenes.base import FloatImage
from training.scenes.textures import bricks, grain, jitter, mix, planks, rgb, stripes
from training.scenes.things import (
    Colour,
    Pen,
    Point,
    contact_shadow,
    lit,
    placed,
    sheen,
    union,
)

BUILDING_COLOURS = ("red", "orange", "yellow", "green", "blue", "pink", "brown", "white", "gray")


def _between(a: Point, b: Point, t: float) -> Point:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t


def _on_quad(corners: list[Point], x: float, y: float) -> Point:
    """Map unit coordinates onto a facade (near bottom, near top, far top, far bottom)."""
    near_low, near_high, far_high, far_low = corners
    return _between(_between(near_low, near_high, y), _between(far_low, far_high, y), x)


def building(pen: Pen, corners: list[Point], floors: int, columns: int) -> None:
    """Paint a facade with rows of windows on the quadrilateral ``corners``."""
    canvas, rng, u = pen.canvas, pen.rng, pen.u
    name, wall = pen.colour(BUILDING_COLOURS)
    wall = wall if name in ("brown", "white", "gray") else mix(wall, (0.75, 0.72, 0.68), 0.22)
    masonry = pen.chance(0.3)

    def surface(size: tuple[int, int]) -> FloatImage:
        if masonry:
            return bricks(rng, size, wall, wall * 0.8, 9 * u, 20 * u, 0.12)
        return grain(rng, size, wall, 0.06, 30 * u)

    mask = canvas.polygon(corners)
    canvas.paint(mask, surface, "building", name)
    wide, tall = pen.between(0.5, 0.68) / columns, pen.between(0.5, 0.66) / floors
    panes = []
    for row in range(floors):
        for column in range(columns):
            x0, y0 = (column + 0.5) / columns - wide / 2, (row + 0.5) / floors - tall / 2 + 0.02
            box = [(x0, y0), (x0, y0 + tall), (x0 + wide, y0 + tall), (x0 + wide, y0)]
            panes.append([_on_quad(corners, px, py) for px, py in box])
    glass = np.array(
        pen.pick(((0.16, 0.20, 0.26), (0.36, 0.46, 0.55), (0.24, 0.24, 0.24))), np.float32
    )
    panes_mask = canvas.polygons(panes)
    canvas.decorate(panes_mask, lambda size: grain(rng, size, glass, 0.3, 40 * u))
    cornice = canvas.line([corners[1], corners[2]], 12 * u)
    canvas.decorate(np.minimum(cornice, mask), wall * 0.7)


def person(pen: Pen, x: float, base: float, height: float) -> None:
    """Paint a standing or walking person in random clothes."""
    canvas, rng = pen.canvas, pen.rng
    names = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "gray")
    top, legs = rgb(pen.pick(names), rng), rgb(pen.pick(("blue", "black", "gray", "brown")), rng)
    skin = np.array(
        pen.pick(((0.94, 0.76, 0.62), (0.78, 0.56, 0.42), (0.48, 0.32, 0.22))), np.float32
    )
    hair = np.array(
        pen.pick(((0.12, 0.09, 0.07), (0.40, 0.26, 0.12), (0.80, 0.65, 0.35), (0.6, 0.6, 0.6))),
        np.float32,
    )
    width, stride, flip = height * 0.42, pen.between(0.0, 0.2), pen.pick((-1.0, 1.0))
    contact_shadow(pen, x, base, width * 0.8)

    def at(px: float, py: float) -> Point:
        return placed([(px, py)], x, base, width, height, flip)[0]

    thick = height * 0.105
    limbs = [
        canvas.line(
            [at(0.5 + side * 0.1, 0.5), at(0.5 + side * (0.13 + stride), 0.03)], thick * 1.1
        )
        for side in (-1, 1)
    ]
    canvas.paint(union(limbs), legs, "person")
    feet = [
        canvas.ellipse(*at(0.5 + side * (0.13 + stride) + 0.05, 0.025), thick * 0.75, thick * 0.36)
        for side in (-1, 1)
    ]
    canvas.paint(union(feet), (0.12, 0.10, 0.09), "person")
    arms = [
        canvas.line(
            [at(0.5 + side * 0.22, 0.79), at(0.5 + side * (0.34 + stride * 0.4), 0.5)], thick * 0.8
        )
        for side in (-1, 1)
    ]
    canvas.paint(union(arms), top * 0.85, "person")
    hands = [
        canvas.ellipse(*at(0.5 + side * (0.35 + stride * 0.4), 0.47), thick * 0.42, thick * 0.42)
        for side in (-1, 1)
    ]
    canvas.paint(union(hands), skin, "person")
    torso = placed(
        [(0.26, 0.46), (0.2, 0.8), (0.34, 0.85), (0.66, 0.85), (0.8, 0.8), (0.74, 0.46)],
        x,
        base,
        width,
        height,
    )
    canvas.paint(canvas.polygon(torso), lit(top, 1.12, 0.85), "person")
    head = height * 0.078
    cx, cy = at(0.5, 0.915)
    canvas.paint(canvas.ellipse(cx, cy - head * 0.2, head * 1.06, head * 1.12), hair, "person")
    canvas.paint(
        canvas.ellipse(cx + head * 0.15 * flip, cy + head * 0.12, head * 0.86, head * 0.95),
        skin,
        "person",
    )


def pole(pen: Pen, x: float, base: float, top: float, width: float, lamp: bool = False) -> None:
    """Paint a mast of metal, wood or painted bands, with or without a lamp arm."""
    canvas, rng = pen.canvas, pen.rng
    metal = jitter(
        rng,
        pen.pick(((0.55, 0.57, 0.60), (0.30, 0.32, 0.34), (0.24, 0.34, 0.30), (0.44, 0.32, 0.22))),
        0.03,
    )
    banded = pen.chance(0.15)
    shaft = canvas.polygon(
        [(x - width / 2, base), (x - width / 2, top), (x + width / 2, top), (x + width / 2, base)]
    )
    parts = [shaft]
    if lamp:
        reach = pen.pick((-1, 1)) * width * 2.6
        parts.append(
            canvas.line([(x, top + width * 0.4), (x + reach, top + width * 0.4)], width * 0.8)
        )
    mask = union(parts)
    contact_shadow(pen, x, base, width * 1.4)

    def surface(size: tuple[int, int]) -> FloatImage:
        if banded:
            return stripes(size, (0.9, 0.9, 0.9), (0.75, 0.12, 0.1), width * 2.4, np.pi / 2)
        return (
            planks(rng, size, metal, width * 4)
            if metal[0] > metal[2] + 0.1
            else grain(rng, size, metal, 0.08, width)
        )

    canvas.paint(mask, surface, "pole")
    sheen(pen, shaft, 0.7)
    if lamp:
        canvas.decorate(
            canvas.line(
                [(x + reach * 0.5, top + width * 0.75), (x + reach, top + width * 0.75)],
                width * 0.3,
            ),
            (1, 0.95, 0.75),
        )


def traffic_light(pen: Pen, x: float, y: float, height: float) -> None:
    """Paint a signal head around (x, y): dark or yellow housing with three lamps, one lit."""
    canvas = pen.canvas
    width = height * pen.between(0.42, 0.5)
    case = jitter(
        pen.rng,
        pen.pick(((0.10, 0.11, 0.12), (0.13, 0.20, 0.16), (0.85, 0.66, 0.12), (0.08, 0.08, 0.08))),
        0.03,
    )
    box = placed(
        [(0.06, 0), (0, 0.05), (0, 0.95), (0.06, 1), (0.94, 1), (1, 0.95), (1, 0.05), (0.94, 0)],
        x,
        y + height / 2,
        width,
        height,
    )
    canvas.paint(canvas.polygon(box), lit(case, 1.1, 0.9), "traffic light")
    lit_lamp = int(pen.rng.integers(0, 3))
    lamps = ((1.0, 0.12, 0.08), (1.0, 0.72, 0.10), (0.10, 0.95, 0.40))
    for i, colour in enumerate(lamps):
        cy, radius = y + (i - 1) * height * 0.3, min(width * 0.36, height * 0.135)
        canvas.decorate(canvas.ellipse(x, cy, radius * 1.15, radius * 1.15), (0.03, 0.03, 0.03))
        shown = np.array(colour, np.float32) * (1.0 if i == lit_lamp else 0.28)
        canvas.decorate(canvas.ellipse(x, cy, radius, radius), shown)
        if i == lit_lamp:
            canvas.decorate(canvas.ellipse(x, cy, radius * 0.45, radius * 0.45) * 0.6, (1, 1, 1))


def traffic_sign(pen: Pen, x: float, y: float, width: float) -> None:
    """Paint a sign plate: stop, order, danger, priority, direction or speed limit."""
    canvas, rng, r = pen.canvas, pen.rng, width / 2
    kind = pen.pick(("octagon", "disc", "triangle", "diamond", "panel", "ring"))
    corners = {"octagon": (8, np.pi / 8), "triangle": (3, -np.pi / 2), "diamond": (4, 0.0)}
    white: Colour = np.array((0.95, 0.95, 0.94), np.float32)
    name = {
        "octagon": "red",
        "disc": "blue",
        "diamond": "yellow",
        "panel": pen.pick(("green", "blue")),
    }.get(kind)
    plate = rgb(name, rng) if name else white

    def polygon(radius: float) -> list[Point]:
        count, turn = corners[kind]
        angles = turn + np.arange(count) * 2 * np.pi / count
        return [(x + radius * float(np.cos(a)), y + radius * float(np.sin(a))) for a in angles]

    def panel(rx: float, ry: float) -> list[Point]:
        return [(x - rx, y - ry), (x + rx, y - ry), (x + rx, y + ry), (x - rx, y + ry)]

    red, rim = rgb("red", rng), white
    if kind in corners:
        grow = 1.2 if kind == "triangle" else 1.05
        rim = red if kind == "triangle" else white
        outer, inner = (
            canvas.polygon(polygon(r * grow)),
            canvas.polygon(polygon(r * grow * (0.68 if kind == "triangle" else 0.88))),
        )
    elif kind == "panel":
        outer, inner = (
            canvas.polygon(panel(r * 1.25, r * 0.8)),
            canvas.polygon(panel(r * 1.17, r * 0.72)),
        )
    else:
        rim = red if kind == "ring" else white
        share = 0.74 if kind == "ring" else 0.92
        outer, inner = canvas.ellipse(x, y, r, r), canvas.ellipse(x, y, r * share, r * share)
    canvas.paint(outer, rim, "traffic sign", name)
    canvas.decorate(inner, plate)
    ink = white if name and name != "yellow" else np.array((0.08, 0.08, 0.09), np.float32)
    if kind in ("octagon", "panel"):
        for dy in (-0.18, 0.18) if kind == "panel" else (0.0,):
            canvas.decorate(
                canvas.line([(x - r * 0.6, y + r * dy), (x + r * 0.6, y + r * dy)], r * 0.2), ink
            )
    elif kind == "disc":
        side = pen.pick((-1, 1))
        canvas.decorate(
            canvas.line([(x - side * r * 0.5, y), (x + side * r * 0.3, y)], r * 0.24), ink
        )
        canvas.decorate(
            canvas.polygon(
                [
                    (x + side * r * 0.68, y),
                    (x + side * r * 0.1, y - r * 0.42),
                    (x + side * r * 0.1, y + r * 0.42),
                ]
            ),
            ink,
        )
    elif kind == "triangle":
        canvas.decorate(canvas.line([(x, y - r * 0.4), (x, y + r * 0.12)], r * 0.17), ink)
        canvas.decorate(canvas.ellipse(x, y + r * 0.36, r * 0.1, r * 0.1), ink)
    elif kind == "ring":
        digits = [
            canvas.line(
                [(x + s * r * 0.25, y - r * 0.34), (x + s * r * 0.25, y + r * 0.34)], r * 0.2
            )
            for s in (-1, 1)
        ]
        canvas.decorate(union(digits), ink)

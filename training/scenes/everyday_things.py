"""The things of the everyday world, each drawn large, solid and in many variants."""

from __future__ import annotations

import numpy as np

from training.scenes.base import FloatImage
from training.scenes.textures import (
    ball_light,
    bricks,
    foliage,
    gradient,
    grain,
    jitter,
    mix,
    planks,
    rgb,
    shingles,
)
from training.scenes.things import (
    Pen,
    Point,
    contact_shadow,
    lit,
    placed,
    sheen,
    tinted_panels,
    union,
)

FLOWER_COLOURS = ("red", "orange", "yellow", "blue", "purple", "pink", "white")
HOUSE_COLOURS = ("red", "orange", "yellow", "green", "blue", "pink", "brown", "white", "gray")
UMBRELLA_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
BALLOON_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
BOAT_COLOURS = ("red", "orange", "yellow", "green", "blue", "brown", "black", "white", "gray")


def brick_wall(pen: Pen, left: float, right: float, base: float, height: float) -> None:
    """Paint a masonry wall of red, brown, yellow, gray or whitewashed bricks with a coping."""
    canvas, rng, u = pen.canvas, pen.rng, pen.u
    colours = (
        (0.62, 0.26, 0.18),
        (0.70, 0.36, 0.24),
        (0.48, 0.28, 0.20),
        (0.74, 0.60, 0.40),
        (0.55, 0.53, 0.50),
    )
    base_rgb = jitter(rng, pen.pick(colours), 0.05)
    mortar = jitter(
        rng, pen.pick(((0.80, 0.77, 0.72), (0.62, 0.60, 0.57), (0.40, 0.37, 0.35))), 0.04
    )
    course = pen.between(15, 26) * u
    brick = course * pen.between(1.9, 2.6)
    box = canvas.polygon(
        [(left, base), (left, base - height), (right, base - height), (right, base)]
    )
    canvas.paint(
        box,
        lambda size: bricks(rng, size, base_rgb, mortar, course, brick, pen.between(0.1, 0.3)),
        "brick wall",
    )
    if pen.chance(0.4):
        rim = canvas.line(
            [(left, base - height + course * 0.3), (right, base - height + course * 0.3)],
            course * 0.6,
        )
        canvas.decorate(np.minimum(rim, box), mortar * 0.9)


def house(pen: Pen, x: float, base: float, width: float) -> None:
    """Paint a house front: coloured wall, tiled gable or hip roof, door and windows."""
    canvas, rng = pen.canvas, pen.rng
    name, wall = pen.colour(HOUSE_COLOURS)
    wall = mix(wall, (0.9, 0.9, 0.88), 0.12) if name not in ("brown", "white", "gray") else wall
    height = width * pen.between(0.48, 0.68)
    contact_shadow(pen, x, base, width)
    body = canvas.polygon(placed([(0, 0), (0, 1), (1, 1), (1, 0)], x, base, width, height))
    boards, horizontal = pen.between(14, 24) * pen.u, pen.chance(0.7)
    plain = pen.chance(0.5)

    def front(size: tuple[int, int]) -> FloatImage:
        if plain:
            return grain(rng, size, wall, 0.05, 30 * pen.u)
        return planks(rng, size, wall, boards, horizontal) * 0.4 + 0.6 * wall

    canvas.paint(body, front, "house", name)
    roof_rgb = jitter(
        rng,
        pen.pick(((0.52, 0.22, 0.15), (0.30, 0.29, 0.31), (0.40, 0.27, 0.18), (0.24, 0.28, 0.36))),
        0.04,
    )
    shape = pen.pick((
        [(-0.09, 0), (0.5, 1), (1.09, 0)],
        [(-0.09, 0), (0.2, 1), (0.8, 1), (1.09, 0)],
        [(-0.08, 0), (0.05, 1), (0.95, 1), (1.08, 0)],
    ))  # fmt: skip
    top = base - height
    roof = canvas.polygon(
        placed(shape, x, top + height * 0.04, width, width * pen.between(0.28, 0.42))
    )
    canvas.paint(roof, lambda size: shingles(rng, size, roof_rgb, 13 * pen.u), "house", name)
    _openings(pen, x, base, width, height)


def _openings(pen: Pen, x: float, base: float, width: float, height: float) -> None:
    canvas = pen.canvas
    frame = pen.pick(((0.95, 0.95, 0.93), (0.35, 0.25, 0.18)))
    glass = np.array((0.28, 0.36, 0.44), np.float32) * pen.between(0.6, 1.4)
    door_at = pen.pick((0.5, 0.28, 0.72))
    door = placed(
        [(-0.08, 0), (-0.08, 0.56), (0.08, 0.56), (0.08, 0)],
        x + door_at * width,
        base,
        width,
        height,
    )
    canvas.decorate(canvas.polygon(door), lit(jitter(pen.rng, (0.35, 0.22, 0.14), 0.08), 1.2, 0.9))
    centres = [c for c in (0.2, 0.5, 0.8) if abs(c - door_at) > 0.16]
    outer: list[list[Point]] = []
    inner: list[list[Point]] = []
    for c in centres:
        for grow, out in ((0.095, outer), (0.075, inner)):
            low, high = 0.62 - grow * 2.3, 0.62 + grow * 2.3
            out.append(
                placed(
                    [(c - grow, low), (c - grow, high), (c + grow, high), (c + grow, low)],
                    x,
                    base,
                    width,
                    height,
                )
            )
    canvas.decorate(canvas.polygons(outer), frame)
    canvas.decorate(canvas.polygons(inner), lit(glass, 1.3, 0.9))


def flower(pen: Pen, x: float, base: float, radius: float) -> None:
    """Paint one flower: petals around a disc, on a stem with two leaves."""
    canvas, rng = pen.canvas, pen.rng
    name, petal = pen.colour(FLOWER_COLOURS)
    y = base - radius * pen.between(1.7, 2.3)
    green = jitter(rng, (0.20, 0.46, 0.16), 0.05)
    stem = canvas.line([(x, y), (x + radius * 0.12, base)], radius * 0.2)
    leaves = [
        canvas.ellipse(x + side * radius * 0.42, base - radius * 0.45, radius * 0.42, radius * 0.17)
        for side in (-1, 1)
    ]
    canvas.paint(union([stem, *leaves]), lit(green, 1.1, 0.8), "flower", name)
    count, phase = int(rng.integers(5, 10)), pen.between(0, 6)
    centre = rgb("yellow" if name not in ("yellow", "orange") else "brown", rng)
    petals = []
    for angle in phase + np.arange(count) * 2 * np.pi / count:
        cx, cy = float(x + np.cos(angle) * radius * 0.62), float(y + np.sin(angle) * radius * 0.62)
        petals.append(
            canvas.ellipse(
                cx,
                cy,
                radius * (0.42 if count < 7 else 0.33),
                radius * (0.42 if count < 7 else 0.33),
            )
        )
    # An inner disc closes the gaps between the petals' roots.
    petals.append(canvas.ellipse(x, y, radius * 0.6, radius * 0.6))
    canvas.paint(
        union(petals), lambda size: petal * ball_light(size, 0.18)[..., None], "flower", name
    )
    canvas.shade(canvas.ellipse(x, y, radius * 0.38, radius * 0.38), 0.75)
    canvas.decorate(
        canvas.ellipse(x, y, radius * 0.3, radius * 0.3),
        lambda size: foliage(rng, size, centre, 4 * pen.u, 0.25),
    )


_COW: tuple[Point, ...] = (
    (0.06, 0.78), (0.14, 0.86), (0.7, 0.88), (0.78, 0.98), (0.82, 1.0), (0.84, 0.95),
    (0.9, 0.95), (0.94, 1.02), (0.96, 0.93), (1.0, 0.66), (0.95, 0.6), (0.86, 0.64),
    (0.79, 0.52), (0.78, 0.4), (0.76, 0), (0.68, 0), (0.66, 0.34), (0.6, 0.3),
    (0.34, 0.28), (0.24, 0.34), (0.21, 0), (0.13, 0), (0.1, 0.4), (0.06, 0.55),
)  # fmt: skip


def cow(pen: Pen, x: float, base: float, length: float) -> None:
    """Paint a cow from the side: brown, black or white, plain or with a few patches."""
    canvas, rng = pen.canvas, pen.rng
    name = pen.pick(("brown", "black", "white"))
    hide = rgb(name, rng) * (1.25 if name == "brown" else 1.0) + (0.05 if name == "black" else 0)
    height, flip = length * pen.between(0.62, 0.72), pen.pick((-1.0, 1.0))
    contact_shadow(pen, x, base, length * 0.9)
    mask = canvas.polygon(placed(_COW, x, base, length, height, flip))
    far_legs = [[(p, 0.4), (p, 0.02), (p + 0.07, 0.02), (p + 0.07, 0.4)] for p in (0.24, 0.58)]
    canvas.paint(
        canvas.polygons([placed(leg, x, base, length, height, flip) for leg in far_legs]),
        hide * 0.7,
        "cow",
        name,
    )
    canvas.paint(mask, lit(hide.astype(np.float32), 1.15, 0.8), "cow", name)
    if pen.chance(0.6):
        spot = (0.10, 0.09, 0.09) if name == "white" else (0.93, 0.91, 0.88)
        for px, py in ((pen.between(0.15, 0.35), 0.68), (pen.between(0.45, 0.65), 0.6)):
            cx, cy = placed([(px, py)], x, base, length, height, flip)[0]
            blob = canvas.ellipse(
                cx, cy, length * pen.between(0.05, 0.09), height * pen.between(0.09, 0.16)
            )
            canvas.decorate(np.minimum(blob, mask), spot)
    nose = canvas.ellipse(
        *placed([(0.965, 0.66)], x, base, length, height, flip)[0], length * 0.04, height * 0.06
    )
    canvas.decorate(np.minimum(nose, mask), (0.82, 0.60, 0.56))
    eye = canvas.ellipse(
        *placed([(0.915, 0.85)], x, base, length, height, flip)[0], length * 0.012, length * 0.012
    )
    canvas.decorate(eye, (0.9, 0.9, 0.9) if name == "black" else (0.05, 0.05, 0.05))
    udder = canvas.ellipse(
        *placed([(0.32, 0.28)], x, base, length, height, flip)[0], length * 0.05, height * 0.07
    )
    canvas.paint(udder, (0.88, 0.66, 0.62), "cow", name)


def boat(pen: Pen, x: float, base: float, length: float) -> None:
    """Paint a sailing or cabin boat; its sail is a lighter or darker tone of the hull's colour."""
    canvas = pen.canvas
    name, paint = pen.colour(BOAT_COLOURS)
    depth, flip = length * pen.between(0.2, 0.28), pen.pick((-1.0, 1.0))
    canvas.shade(canvas.ellipse(x, base, length * 0.5, depth * 0.35), 0.7)
    deck = base - depth
    if pen.chance(0.6):
        mast = canvas.line([(x, deck + 2), (x, deck - length * 0.82)], length * 0.035)
        canvas.paint(mast, (0.42, 0.30, 0.20), "boat", name)
        sheet = mix(paint, (1, 1, 1), 0.22) if name != "black" else paint * 1.6
        sails = [
            placed([(0.54, 0.08), (0.54, 1.0), (0.94, 0.1)], x, deck, length, length * 0.8, flip),
            placed([(0.46, 0.08), (0.46, 0.86), (0.12, 0.1)], x, deck, length, length * 0.8, flip),
        ]
        mask = canvas.polygons(sails)
        canvas.paint(
            mask,
            lambda size: gradient(size, np.minimum(sheet * 1.1, 1), sheet * 0.85),
            "boat",
            name,
        )
    else:
        cabin = placed(
            [(0.28, 0), (0.3, 1), (0.62, 1), (0.72, 0)], x, deck + 2, length, length * 0.24, flip
        )
        canvas.paint(canvas.polygon(cabin), lit(tinted_panels(paint)), "boat", name)
        panes = [[(p, 0.35), (p, 0.8), (p + 0.1, 0.8), (p + 0.1, 0.35)] for p in (0.34, 0.49)]
        shapes = [placed(pane, x, deck + 2, length, length * 0.24, flip) for pane in panes]
        canvas.decorate(canvas.polygons(shapes), (0.18, 0.24, 0.30))
    hull = placed(
        [(0.12, 0), (0, 1), (0.5, 0.94), (1.02, 1.1), (0.86, 0)], x, base, length, depth, flip
    )
    mask = canvas.polygon(hull)
    canvas.paint(mask, lit(paint, 1.15, 0.65), "boat", name)
    stripe = canvas.line(placed([(0, 0.74), (1, 0.8)], x, base, length, depth, flip), depth * 0.12)
    canvas.decorate(
        np.minimum(stripe, mask), (0.93, 0.93, 0.9) if name != "white" else (0.2, 0.3, 0.5)
    )


def umbrella(pen: Pen, x: float, base: float, width: float) -> None:
    """Paint an open parasol with gores in two tones of one colour, scalloped or straight."""
    canvas = pen.canvas
    name, cloth = pen.colour(UMBRELLA_COLOURS)
    height = width * pen.between(0.85, 1.0)
    rise = width * pen.between(0.38, 0.48)
    rim = base - height + rise
    contact_shadow(pen, x, base, width * 0.5)
    shaft = canvas.line([(x, base), (x, rim - rise * 0.5)], width * 0.06)
    canvas.paint(shaft, jitter(pen.rng, (0.55, 0.42, 0.30), 0.1), "umbrella", name)
    angles = np.linspace(np.pi, 0, 25)
    gores, depth = int(pen.rng.integers(5, 8)), width * pen.between(0.0, 0.05)
    dome = [(x + float(np.cos(a)) * width / 2, rim - float(np.sin(a)) * rise) for a in angles]
    along = np.linspace(1, 0, 6 * gores + 1)
    hem = [
        (x + (float(t) - 0.5) * width, rim - depth * abs(float(np.sin(np.pi * gores * t))))
        for t in along
    ]
    mask = canvas.polygon(dome + hem)
    canvas.paint(mask, lit(cloth, 1.12, 0.9), "umbrella", name)
    ends = -np.cos(np.linspace(0, np.pi, gores + 1))
    panels: list[list[Point]] = []
    for i in range(0, gores, 2):
        left, right = (x + float(e) * width / 2 for e in ends[i : i + 2])
        sides = [(1 - t, np.sin(t * np.pi / 2)) for t in np.linspace(0, 1, 7)]
        edge = [(x + (left - x) * float(c), rim - rise * float(s)) for c, s in sides]
        edge += [(x + (right - x) * float(c), rim - rise * float(s)) for c, s in reversed(sides)]
        panels.append(edge)
    gore = np.minimum(canvas.polygons(panels), mask)
    canvas.decorate(gore, tinted_panels(cloth, 0.25) if name != "black" else cloth * 2)
    sheen(pen, mask, 0.2)


def balloon(pen: Pen, x: float, y: float, width: float) -> None:
    """Paint a hot-air balloon with gores and basket, or a glossy party balloon on a string."""
    canvas = pen.canvas
    name, skin = pen.colour(BALLOON_COLOURS)
    radius = width / 2
    hot_air = pen.chance(0.6)
    low = y + radius * (1.35 if hot_air else 1.12)
    taper = canvas.polygon([
        (x - radius * 0.86, y + radius * 0.5), (x - radius * 0.2, low), (x + radius * 0.2, low),
        (x + radius * 0.86, y + radius * 0.5),
    ])  # fmt: skip
    mask = (
        union([canvas.ellipse(x, y, radius, radius * (1.0 if hot_air else 1.12)), taper])
        if hot_air
        else None
    )
    if mask is None:
        mask = canvas.ellipse(x, y, radius * 0.9, radius * 1.12)
        string = canvas.line(
            [(x, low), (x + radius * 0.1, low + radius), (x, low + radius * 1.6)], 5 * pen.u
        )
        knot = canvas.polygon(
            [
                (x, low - 8 * pen.u),
                (x - 11 * pen.u, low + 8 * pen.u),
                (x + 11 * pen.u, low + 8 * pen.u),
            ]
        )
        canvas.paint(union([string, knot]), skin * 0.7, "balloon", name)
    canvas.paint(mask, skin, "balloon", name)
    if hot_air:
        other = tinted_panels(skin, 0.3)
        for share in (0.82, 0.3):
            canvas.decorate(
                np.minimum(canvas.ellipse(x, y, radius * share, radius * 1.4), mask), other
            )
            canvas.decorate(
                np.minimum(canvas.ellipse(x, y, radius * (share - 0.24), radius * 1.4), mask), skin
            )
        basket = canvas.polygon(
            placed(
                [(0, 0), (0, 1), (1, 1), (1, 0)], x, low + radius * 0.55, radius * 0.5, radius * 0.4
            )
        )
        ropes = [
            canvas.line(
                [(x + s * radius * 0.2, low), (x + s * radius * 0.22, low + radius * 0.2)],
                5 * pen.u,
            )
            for s in (-1, 1)
        ]
        canvas.paint(union(ropes), (0.3, 0.22, 0.15), "balloon", name)
        canvas.paint(
            basket,
            lambda size: planks(pen.rng, size, (0.5, 0.34, 0.18), 7 * pen.u, True),
            "balloon",
            name,
        )
    else:
        canvas.decorate(
            canvas.ellipse(x - radius * 0.35, y - radius * 0.45, radius * 0.16, radius * 0.26)
            * 0.7,
            (1, 1, 1),
        )
    sheen(pen, mask, 0.45)

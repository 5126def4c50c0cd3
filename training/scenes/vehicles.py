"""Vehicles of the driving world, seen from the side, from behind or from the front."""

from __future__ import annotations

import numpy as np

from training.scenes.textures import jitter, rgb, stripes
from training.scenes.things import (
    CAR_COLOURS,
    Pen,
    Point,
    contact_shadow,
    lit,
    placed,
    tinted_panels,
    union,
    wheel,
)

BUS_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white")
TRUCK_COLOURS = ("red", "orange", "yellow", "green", "blue", "white", "gray")


def car_end(pen: Pen, x: float, base: float, width: float) -> None:
    """Paint a car seen from behind or from the front."""
    canvas = pen.canvas
    name, paint = pen.colour(CAR_COLOURS)
    height = width * pen.between(0.74, 0.9)
    contact_shadow(pen, x, base, width)
    for side in (-0.36, 0.36):
        tyre = placed(
            [(0.41, 0), (0.41, 0.3), (0.59, 0.3), (0.59, 0)], x + side * width, base, width, height
        )
        canvas.paint(canvas.polygon(tyre), (0.07, 0.07, 0.08), "car", name)
    body = [(0.03, 0.1), (0, 0.3), (0.03, 0.58), (0.13, 0.64), (0.22, 0.95), (0.3, 1), (0.7, 1),
            (0.78, 0.95), (0.87, 0.64), (0.97, 0.58), (1, 0.3), (0.97, 0.1)]  # fmt: skip
    canvas.paint(
        canvas.polygon(placed(body, x, base, width, height)), lit(paint, 1.15, 0.7), "car", name
    )
    glass = placed([(0.2, 0.64), (0.27, 0.92), (0.73, 0.92), (0.8, 0.64)], x, base, width, height)
    tone = np.array((0.18, 0.22, 0.27), np.float32) * pen.between(0.7, 2.0)
    canvas.decorate(canvas.polygon(glass), lit(tone, 1.5, 0.8))
    lamp = pen.pick(((0.80, 0.08, 0.06), (1.0, 0.97, 0.85)))
    lamps = [[(p, 0.4), (p, 0.54), (p + 0.14, 0.54), (p + 0.14, 0.4)] for p in (0.05, 0.81)]
    canvas.decorate(
        canvas.polygons([placed(shape, x, base, width, height) for shape in lamps]), lamp
    )
    bumper = placed(
        [(0.03, 0.12), (0.02, 0.22), (0.98, 0.22), (0.97, 0.12)], x, base, width, height
    )
    canvas.decorate(canvas.polygon(bumper), paint * 0.4)
    plate = placed([(0.36, 0.26), (0.36, 0.38), (0.64, 0.38), (0.64, 0.26)], x, base, width, height)
    canvas.decorate(canvas.polygon(plate), (0.92, 0.92, 0.86))


def bus_end(pen: Pen, x: float, base: float, width: float) -> None:
    """Paint a bus seen from the front: a tall box with one large windscreen."""
    canvas = pen.canvas
    name, paint = pen.colour(BUS_COLOURS)
    height = width * pen.between(1.15, 1.4)
    contact_shadow(pen, x, base, width)
    tyres = [[(p, 0), (p, 0.12), (p + 0.17, 0.12), (p + 0.17, 0)] for p in (0.06, 0.77)]
    canvas.paint(
        canvas.polygons([placed(t, x, base, width, height) for t in tyres]),
        (0.07, 0.07, 0.08),
        "bus",
        name,
    )
    body = [
        (0.02, 0.06),
        (0, 0.9),
        (0.06, 0.98),
        (0.12, 1),
        (0.88, 1),
        (0.94, 0.98),
        (1, 0.9),
        (0.98, 0.06),
    ]
    canvas.paint(
        canvas.polygon(placed(body, x, base, width, height)), lit(paint, 1.1, 0.8), "bus", name
    )
    glass = placed([(0.07, 0.42), (0.07, 0.8), (0.93, 0.8), (0.93, 0.42)], x, base, width, height)
    canvas.decorate(canvas.polygon(glass), lit(np.array((0.2, 0.26, 0.32), np.float32), 1.5, 0.8))
    panel = placed([(0.2, 0.85), (0.2, 0.95), (0.8, 0.95), (0.8, 0.85)], x, base, width, height)
    canvas.decorate(canvas.polygon(panel), (0.1, 0.1, 0.1))
    digits = [[(p, 0.87), (p, 0.93), (p + 0.06, 0.93), (p + 0.06, 0.87)] for p in (0.3, 0.42, 0.6)]
    canvas.decorate(
        canvas.polygons([placed(d, x, base, width, height) for d in digits]), (1.0, 0.75, 0.2)
    )
    for side in (0.14, 0.86):
        cx, cy = placed([(side, 0.2)], x, base, width, height)[0]
        canvas.decorate(canvas.ellipse(cx, cy, width * 0.07, width * 0.07), (1.0, 0.97, 0.85))


def bus_side(pen: Pen, x: float, base: float, length: float) -> None:
    """Paint a bus seen from the side: a long box with a row of windows."""
    canvas = pen.canvas
    name, paint = pen.colour(BUS_COLOURS)
    height, flip = length * pen.between(0.4, 0.5), pen.pick((-1.0, 1.0))
    contact_shadow(pen, x, base, length)
    body = [(0, 0.1), (0, 0.93), (0.03, 1), (0.96, 1), (1, 0.9), (1, 0.1)]
    canvas.paint(
        canvas.polygon(placed(body, x, base, length, height, flip)),
        lit(paint, 1.1, 0.8),
        "bus",
        name,
    )
    count = int(pen.rng.integers(4, 7))
    step = 0.82 / count
    panes = [
        [
            (0.04 + i * step, 0.5),
            (0.04 + i * step, 0.86),
            (0.04 + (i + 0.84) * step, 0.86),
            (0.04 + (i + 0.84) * step, 0.5),
        ]
        for i in range(count)
    ]
    panes.append([(0.88, 0.2), (0.88, 0.86), (0.97, 0.86), (0.98, 0.2)])
    glass = np.array((0.2, 0.26, 0.32), np.float32) * pen.between(0.8, 1.6)
    canvas.decorate(
        canvas.polygons([placed(p, x, base, length, height, flip) for p in panes]),
        lit(glass, 1.4, 0.9),
    )
    belt = canvas.line(
        placed([(0.01, 0.38), (0.86, 0.38)], x, base, length, height, flip), height * 0.06
    )
    canvas.decorate(belt, tinted_panels(paint, 0.6))
    for px in (0.2, 0.78):
        wheel(pen, x + (px - 0.5) * length * flip, base, height * 0.17, "bus")


def truck_side(pen: Pen, x: float, base: float, length: float) -> None:
    """Paint a lorry from the side: a ribbed box behind a lower cab of the same colour."""
    canvas, rng = pen.canvas, pen.rng
    name, paint = pen.colour(TRUCK_COLOURS)
    height, flip = length * pen.between(0.46, 0.56), pen.pick((-1.0, 1.0))
    contact_shadow(pen, x, base, length)
    frame = placed(
        [(0.02, 0.13), (0.02, 0.24), (0.98, 0.24), (0.98, 0.13)], x, base, length, height, flip
    )
    canvas.paint(canvas.polygon(frame), (0.15, 0.15, 0.16), "truck", name)
    box = canvas.polygon(
        placed([(0, 0.22), (0, 1), (0.68, 1), (0.68, 0.22)], x, base, length, height, flip)
    )
    rib, light = pen.between(12, 22) * pen.u, tinted_panels(paint, 0.14)
    canvas.paint(
        box, lambda size: stripes(size, light, paint * 0.82, rib, 0.0, 0.35), "truck", name
    )
    rim = canvas.line(
        placed([(0, 0.96), (0.68, 0.96)], x, base, length, height, flip), height * 0.06
    )
    canvas.decorate(np.minimum(rim, box), paint * 0.6)
    cab = [(0.71, 0.14), (0.71, 0.8), (0.75, 0.84), (0.9, 0.84), (0.97, 0.5), (1, 0.44), (1, 0.14)]
    canvas.paint(
        canvas.polygon(placed(cab, x, base, length, height, flip)),
        lit(paint, 1.1, 0.75),
        "truck",
        name,
    )
    pane = placed(
        [(0.8, 0.5), (0.8, 0.76), (0.88, 0.76), (0.94, 0.5)], x, base, length, height, flip
    )
    canvas.decorate(canvas.polygon(pane), jitter(rng, (0.22, 0.28, 0.34)))
    for px in (0.14, 0.31, 0.84):
        wheel(pen, x + (px - 0.5) * length * flip, base, height * 0.16, "truck")


def truck_end(pen: Pen, x: float, base: float, width: float) -> None:
    """Paint a lorry from behind: two tall doors with bars, lamps and mud flaps."""
    canvas = pen.canvas
    name, paint = pen.colour(TRUCK_COLOURS)
    height = width * pen.between(1.25, 1.5)
    contact_shadow(pen, x, base, width)
    under = placed([(0.05, 0), (0.05, 0.2), (0.95, 0.2), (0.95, 0)], x, base, width, height)
    canvas.paint(canvas.polygon(under), (0.10, 0.10, 0.11), "truck", name)
    box = canvas.polygon(placed([(0, 0.17), (0, 1), (1, 1), (1, 0.17)], x, base, width, height))
    rib, light = pen.between(12, 22) * pen.u, tinted_panels(paint, 0.14)
    canvas.paint(
        box, lambda size: stripes(size, light, paint * 0.85, rib, np.pi / 2, 0.35), "truck", name
    )
    for px in (0.02, 0.36, 0.5, 0.64, 0.98):
        bar = canvas.line(placed([(px, 0.18), (px, 0.99)], x, base, width, height), width * 0.035)
        canvas.decorate(np.minimum(bar, box), paint * 0.5)
    lamps = [[(p, 0.18), (p, 0.24), (p + 0.16, 0.24), (p + 0.16, 0.18)] for p in (0.04, 0.8)]
    canvas.decorate(
        canvas.polygons([placed(lamp, x, base, width, height) for lamp in lamps]), (0.85, 0.1, 0.06)
    )


def bicycle(pen: Pen, x: float, base: float, length: float) -> None:
    """Paint a bicycle; its label is the hull of wheels and frame, gaps included."""
    canvas = pen.canvas
    colour = rgb(pen.pick(("red", "yellow", "green", "blue", "black", "orange", "white")), pen.rng)
    height, flip = length * 0.6, pen.pick((-1.0, 1.0))
    radius = length * 0.235
    contact_shadow(pen, x, base, length)

    def at(px: float, py: float) -> Point:
        return placed([(px, py)], x, base, length, height, flip)[0]

    wheels = [at(px, 0.0) for px in (0.235, 0.765)]
    discs = [canvas.ellipse(cx, base - radius, radius, radius) for cx, _ in wheels]
    hull = canvas.polygon([at(0.2, 0.35), at(0.22, 0.96), at(0.74, 1.0), at(0.8, 0.35)])
    area = union([*discs, hull])
    canvas.paint(area, canvas.image.copy(), "bicycle")
    canvas.shade(area, 0.86)
    tyre, slant = length * 0.05, radius * 0.7
    for (cx, _), disc in zip(wheels, discs, strict=True):
        hole = canvas.ellipse(cx, base - radius, radius - tyre, radius - tyre)
        canvas.decorate(np.clip(disc - hole, 0, 1), (0.07, 0.07, 0.08))
        canvas.shade(hole, 0.82)
        spokes = [
            canvas.line(
                [(cx - dx, base - radius - dy), (cx + dx, base - radius + dy)], length * 0.012
            )
            for dx, dy in ((radius, 0.0), (0.0, radius), (slant, slant), (slant, -slant))
        ]
        canvas.decorate(np.minimum(union(spokes), hole), (0.75, 0.76, 0.78))
    hub = 0.39
    tubes = [
        [at(0.235, hub), at(0.36, 0.78), at(0.66, 0.8), at(0.47, 0.36), at(0.235, hub)],
        [at(0.47, 0.36), at(0.34, 0.9)],
        [at(0.765, hub), at(0.65, 0.98)],
    ]
    canvas.decorate(union([canvas.line(tube, length * 0.052) for tube in tubes]), colour)
    canvas.decorate(
        canvas.line([at(0.25, 0.94), at(0.44, 0.92)], length * 0.06), (0.10, 0.08, 0.07)
    )
    canvas.decorate(
        canvas.line([at(0.58, 0.97), at(0.74, 0.99)], length * 0.05), (0.12, 0.12, 0.12)
    )

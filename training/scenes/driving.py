"""The driving world: streets seen along the lane or across it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from training.scenes import driving_things as draw_thing
from training.scenes import vehicles
from training.scenes.base import Canvas
from training.scenes.textures import finish, jitter, lattice, stripes
from training.scenes.things import (
    Pen,
    Point,
    Surface,
    asphalt,
    car_side,
    fence,
    grass_surface,
    ground,
    sky,
    tree,
)

WORDS: tuple[str, ...] = (
    "road", "lane marking", "pavement", "sky", "building", "car", "pole", "person", "tree",
    "traffic light", "traffic sign", "bus", "truck", "bicycle", "zebra crossing", "grass", "fence",
)  # fmt: skip

Job = tuple[float, Callable[[], None]]
"""A thing waiting to be drawn, with the height of its foot: farther things come first."""


@dataclass(frozen=True)
class Street:
    """A road to the horizon: lines through the vanishing point, given at the bottom edge."""

    vanish_x: float
    horizon: float
    bottom: float
    left: float
    right: float

    def at(self, share: float, y: float) -> float:
        """Return x at height ``y`` of the line at ``share`` between the kerbs (0 left, 1 right)."""
        near = self.left + share * (self.right - self.left)
        return self.vanish_x + (near - self.vanish_x) * self.depth(y)

    def depth(self, y: float) -> float:
        """Return the size of things that stand at ``y`` relative to the bottom edge."""
        return 0.12 + 0.88 * (y - self.horizon) / (self.bottom - self.horizon)

    def quad(self, left: float, right: float, top: float, bottom: float) -> list[Point]:
        """Return the ground patch between two lines and two heights."""
        return [
            (self.at(left, top), top),
            (self.at(right, top), top),
            (self.at(right, bottom), bottom),
            (self.at(left, bottom), bottom),
        ]


def draw(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """Draw one driving scene of ``size`` (height, width)."""
    canvas = Canvas(size)
    pen = Pen(canvas, rng)
    sky(pen)
    if pen.chance(0.7):
        _along(pen)
    else:
        _across(pen)
    finish(canvas, rng)
    return canvas


def pavement(pen: Pen) -> Surface:
    """Return slabs or cobbles, lighter and warmer than the road."""
    tone = jitter(
        pen.rng,
        pen.pick(((0.70, 0.67, 0.62), (0.62, 0.60, 0.60), (0.74, 0.64, 0.56), (0.78, 0.75, 0.68))),
        0.03,
    )
    step, angle = pen.between(22, 38) * pen.u, pen.pick((0.0, 0.785, 0.4))
    return lambda size: lattice(size, tone, tone * 0.72, step, 0.14, angle)


def _marking_colour(pen: Pen) -> tuple[float, float, float]:
    return pen.pick(((0.95, 0.95, 0.93), (0.93, 0.93, 0.90), (0.95, 0.78, 0.18)))


def _along(pen: Pen) -> None:
    """Draw the view of a driver: vanishing road, a side strip and facades on either hand."""
    canvas, u = pen.canvas, pen.u
    width, height = float(canvas.width), float(canvas.height)
    horizon = height * pen.between(0.36, 0.46)
    street = Street(
        width * pen.between(0.38, 0.62),
        horizon,
        height,
        width * pen.between(-0.1, 0.16),
        width * pen.between(0.84, 1.1),
    )
    ground(pen, [(-2, horizon), (width + 2, horizon)], grass_surface(pen), "grass")
    for side in (0, 1):
        _roadside(pen, street, side)
    for side in (0, 1):
        if pen.chance(0.8):
            inner, outer = (0.0, -0.32) if side == 0 else (1.0, 1.32)
            strip = street.quad(inner, outer, horizon, height + 2)
            canvas.paint(canvas.polygon(strip), pavement(pen), "pavement")
    canvas.paint(canvas.polygon(street.quad(0, 1, horizon, height + 2)), asphalt(pen), "road")
    for side in (0, 1):
        kerb = street.quad(side - 0.012, side + 0.012, horizon, height + 2)
        canvas.decorate(canvas.polygon(kerb), (0.78, 0.77, 0.74))
    _lane_markings(pen, street)
    if pen.chance(0.36):
        _zebra(pen, street)
    jobs = _furniture(
        pen,
        [
            (street.at(-0.16, height * 0.8), height * 0.8),
            (street.at(1.16, height * 0.8), height * 0.8),
        ],
        0.62,
    )
    jobs += _traffic_along(pen, street)
    for side in (-1, 1):
        if pen.chance(0.3):
            y = height * pen.between(0.72, 0.95)
            x = min(max(street.at(0.5 + side * 0.66, y), 30 * u), width - 30 * u)
            tall = pen.between(150, 230) * u
            jobs.append((y, partial(draw_thing.person, pen, x, y, tall)))
    _run(jobs)


def _roadside(pen: Pen, street: Street, side: int) -> None:
    """Fill one side of the street with a row of houses, trees or a fence."""
    canvas, u, sign = pen.canvas, pen.u, 2 * side - 1
    kind = pen.pick(("buildings", "buildings", "trees", "fence"))
    foot = 0.5 + sign * pen.between(0.80, 0.98)
    near, cuts = street.bottom, [0.95, 0.55, 0.3, 0.14]
    depths = [street.horizon + (near - street.horizon) * cut for cut in cuts]
    if kind == "buildings":
        spans = [(depths[i], depths[i + 1]) for i in range(3)]
        for front, back in reversed(spans):
            tall = pen.between(330, 560) * u
            corners = [
                (street.at(foot, front), front),
                (street.at(foot, front), front - tall * street.depth(front)),
                (street.at(foot, back), back - tall * street.depth(back)),
                (street.at(foot, back), back),
            ]
            # The first facade starts beyond the picture's edge, so that no gap shows beside it.
            if front == depths[0]:
                far_out = sign * canvas.width
                corners[:2] = [(x + far_out, y) for x, y in corners[:2]]
            draw_thing.building(
                pen, corners, int(pen.rng.integers(2, 5)), int(pen.rng.integers(2, 4))
            )
    elif kind == "fence":
        base = street.horizon + pen.between(40, 90) * u
        x = street.at(foot, base)
        left, right = (-4.0, x) if side == 0 else (x, canvas.width + 4.0)
        if pen.chance(0.5):
            tree(pen, (left + right) / 2, base, pen.between(180, 260) * u)
        if right - left > 40 * u:
            fence(pen, left, right, base, pen.between(65, 100) * u)
    if kind == "trees" or pen.chance(0.12):
        for share in (0.25, 0.5)[: int(pen.rng.integers(1, 3))]:
            y = street.horizon + (street.bottom - street.horizon) * share
            tree(
                pen,
                street.at(foot + sign * 0.05, y),
                y,
                pen.between(180, 260) * u * (0.7 + share * 0.6),
            )


def _lane_markings(pen: Pen, street: Street) -> None:
    """Paint dashes or solid lines as wide as a patch where they are near."""
    canvas, colour = pen.canvas, _marking_colour(pen)
    half = pen.between(44, 60) * pen.u / (street.right - street.left) / 2
    lines = pen.pick(((0.5,), (0.5,), (0.34, 0.67), ()))
    top = street.horizon + 0.2 * (street.bottom - street.horizon)
    shapes = []
    for share in lines:
        if pen.chance(0.3):
            shapes.append(street.quad(share - half, share + half, top, street.bottom + 2))
            continue
        phase = pen.between(0, 0.3)
        for start in (0.24, 0.45, 0.76):
            y0 = street.horizon + (street.bottom - street.horizon) * start * (1 + phase)
            y1 = y0 + (street.bottom - street.horizon) * start * 0.5
            shapes.append(street.quad(share - half, share + half, y0, y1))
    if pen.chance(0.35):
        for share in (0.07, 0.93):
            shapes.append(
                street.quad(share - half * 0.9, share + half * 0.9, top, street.bottom + 2)
            )
    if shapes:
        canvas.paint(canvas.polygons(shapes), colour, "lane marking")


def _zebra(pen: Pen, street: Street) -> None:
    """Paint a crossing over the whole road; stripes and gaps are both part of it."""
    canvas = pen.canvas
    span = street.bottom - street.horizon
    top = street.horizon + span * pen.between(0.42, 0.66)
    bottom = top + span * pen.between(0.24, 0.32)
    canvas.paint(
        canvas.polygon(street.quad(0.02, 0.98, top, bottom)), asphalt(pen), "zebra crossing"
    )
    count = int(pen.rng.integers(6, 10))
    bars = [
        street.quad(0.03 + 0.94 * i / count, 0.03 + 0.94 * (i + 0.58) / count, top, bottom)
        for i in range(count)
    ]
    canvas.decorate(
        canvas.polygons(bars), pen.pick(((0.95, 0.95, 0.93), (0.95, 0.95, 0.93), (0.95, 0.8, 0.25)))
    )


def _traffic_along(pen: Pen, street: Street) -> list[Job]:
    """Put one to three vehicles on the lanes, seen from behind or in front."""
    makers: dict[str, tuple[Callable[[Pen, float, float, float], None], float]] = {
        "car": (vehicles.car_end, 0.36),
        "bus": (vehicles.bus_end, 0.40),
        "truck": (vehicles.truck_end, 0.40),
        "bicycle": (vehicles.bicycle, 0.40),
    }
    jobs: list[Job] = []
    lanes = pen.rng.permutation([0.24, 0.76, 0.5])
    for lane in lanes[: int(pen.rng.integers(1, 4))]:
        name = str(pen.rng.choice(["car", "bus", "truck", "bicycle"], p=[0.37, 0.23, 0.23, 0.17]))
        maker, share = makers[name]
        y = street.horizon + (street.bottom - street.horizon) * pen.between(0.3, 0.9)
        smallest = (135 if name == "bicycle" else 96) * pen.u
        size = max(share * (street.right - street.left) * street.depth(y), smallest)
        jobs.append((y, partial(maker, pen, street.at(float(lane), y), y, size)))
    return jobs


def _furniture(pen: Pen, feet: list[Point], reach: float) -> list[Job]:
    """Put poles with lamps, signals or signs at some of ``feet``."""
    jobs: list[Job] = []
    width = pen.canvas.width
    for x, y in feet:
        if not pen.chance(reach):
            continue
        kind = pen.pick(("lamp", "light", "sign", "light", "sign"))
        safe = min(max(x, 50 * pen.u), width - 50 * pen.u)
        jobs.append((y, partial(_post, pen, kind, safe, y)))
    return jobs


def _post(pen: Pen, kind: str, x: float, base: float) -> None:
    u = pen.u
    thick = pen.between(30, 40) * u
    if kind == "lamp":
        draw_thing.pole(pen, x, base, base - pen.between(300, 380) * u, thick, pen.chance(0.6))
        return
    head = base - pen.between(200, 270) * u
    draw_thing.pole(pen, x, base, head, thick * 0.9)
    if kind == "light":
        draw_thing.traffic_light(pen, x, head, pen.between(110, 160) * u)
    else:
        draw_thing.traffic_sign(pen, x, head, pen.between(80, 120) * u)


def _across(pen: Pen) -> None:
    """Draw the view from the kerb: house fronts, pavement and traffic passing sideways."""
    canvas, u = pen.canvas, pen.u
    width, height = float(canvas.width), float(canvas.height)
    line = height * pen.between(0.48, 0.58)
    edges = [(-2.0, line), (width + 2.0, line)]
    ground(pen, edges, grass_surface(pen), "grass")
    _fronts(pen, line)
    kerb = line + pen.between(40, 90) * u
    lawn = pen.chance(0.35)
    start = line + pen.between(25, 40) * u if lawn else line - 2
    if pen.chance(0.85):
        ground(pen, [(-2.0, start), (width + 2.0, start)], pavement(pen), "pavement")
    ground(pen, [(-2.0, kerb), (width + 2.0, kerb)], asphalt(pen), "road")
    canvas.decorate(canvas.line([(0, kerb), (width, kerb)], 9 * u), (0.78, 0.77, 0.74))
    middle = kerb + (height - kerb) * pen.between(0.4, 0.6)
    if pen.chance(0.3):
        x0, wide = width * pen.between(0.1, 0.5), pen.between(150, 230) * u
        area = canvas.polygon(
            [
                (x0, kerb + 6 * u),
                (x0 + wide, kerb + 6 * u),
                (x0 + wide * 1.1, height),
                (x0 - wide * 0.1, height),
            ]
        )
        gray, step = jitter(pen.rng, (0.33, 0.33, 0.35)), pen.between(36, 52) * u
        canvas.paint(
            area,
            lambda size: stripes(size, gray, (0.95, 0.95, 0.93), step, np.pi / 2, 0.55),
            "zebra crossing",
        )
    elif pen.chance(0.75):
        step, thick = pen.between(110, 170) * u, pen.between(26, 34) * u
        dashes = [
            [
                (x, middle),
                (x + step * 0.62, middle),
                (x + step * 0.62, middle + thick),
                (x, middle + thick),
            ]
            for x in np.arange(-pen.between(0, 1) * step, width, step)
        ]
        canvas.paint(canvas.polygons(dashes), _marking_colour(pen), "lane marking")
    spots = pen.rng.permutation([0.12, 0.38, 0.63, 0.88]) * width
    feet = [(float(x), kerb - 6 * u) for x in spots[:2]]
    jobs = _furniture(pen, feet, 0.6)
    if pen.chance(0.6):
        y, tall = kerb - pen.between(4, 20) * u, pen.between(140, 200) * u
        jobs.append((y - 1, partial(draw_thing.person, pen, float(spots[2]), y, tall)))
    jobs += _traffic_across(pen, kerb, height)
    _run(jobs)


def _fronts(pen: Pen, line: float) -> None:
    """Line the far side of the street with house fronts, trees and fences."""
    x, width, u = -pen.between(0, 80) * pen.u, pen.canvas.width, pen.u
    while x < width:
        wide = pen.between(140, 240) * u
        kind = pen.pick(("building", "building", "tree", "fence"))
        if kind == "building":
            tall = pen.between(180, 300) * u
            corners = [(x, line), (x, line - tall), (x + wide, line - tall), (x + wide, line)]
            draw_thing.building(
                pen, corners, int(pen.rng.integers(2, 5)), int(pen.rng.integers(2, 4))
            )
        elif kind == "tree":
            tree(pen, x + wide / 2, line + 12 * u, wide * pen.between(1.0, 1.3))
        else:
            fence(pen, x, x + wide, line + 6 * u, pen.between(70, 110) * u)
        x += wide


def _traffic_across(pen: Pen, kerb: float, height: float) -> list[Job]:
    makers: tuple[tuple[Callable[[Pen, float, float, float], None], float, float], ...] = (
        (car_side, 170, 240), (vehicles.bus_side, 240, 320), (vehicles.truck_side, 230, 310),
        (vehicles.bicycle, 140, 200),
    )  # fmt: skip
    jobs: list[Job] = []
    xs = pen.rng.permutation([0.25, 0.75]) * pen.canvas.width
    for x in xs[: int(pen.rng.integers(1, 3))]:
        maker, small, large = makers[int(pen.rng.integers(len(makers)))]
        y = kerb + (height - kerb) * pen.between(0.3, 0.8)
        place, size = float(x) + pen.between(-40, 40) * pen.u, pen.between(small, large) * pen.u
        jobs.append((y, partial(maker, pen, place, y, size)))
    return jobs


def _run(jobs: list[Job]) -> None:
    """Draw the waiting things from far to near."""
    for _, job in sorted(jobs, key=lambda item: item[0]):
        job()

"""The everyday world: fields, beaches, streets, lakes and winter views."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.scenes import everyday_things as draw_thing
from training.scenes import landscape
from training.scenes.base import Canvas
from training.scenes.textures import finish
from training.scenes.things import (
    Pen,
    Surface,
    asphalt,
    car_side,
    cloud,
    fence,
    grass_surface,
    ground,
    sky,
    tree,
    wavy_edge,
)

WORDS: tuple[str, ...] = (
    "sky", "cloud", "sun", "mountain", "grass", "tree", "flower", "water", "sand", "road",
    "brick wall", "house", "fence", "car", "cow", "boat", "snow", "umbrella", "balloon",
)  # fmt: skip

SURFACES: dict[str, Callable[[Pen], Surface]] = {
    "grass": grass_surface,
    "sand": landscape.sand_surface,
    "snow": landscape.snow_surface,
    "water": landscape.water_surface,
    "road": asphalt,
}

# Grounds from far to near; repeated entries are more frequent.
LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("grass",), ("grass", "road"), ("grass", "road", "grass"), ("sand", "road"), ("snow", "road"),
    ("snow",), ("snow", "water"), ("water", "sand"), ("water", "sand"), ("grass", "water"),
    ("water", "grass"), ("sand",), ("snow", "road", "snow"), ("water", "snow"), ("grass", "sand"),
)  # fmt: skip

# Smallest and largest size (pixels of 512), how many at most, and how often it is chosen.
STANDING: dict[str, tuple[float, float, int, float]] = {
    "house": (150, 250, 1, 1.0),
    "tree": (130, 240, 2, 0.9),
    "car": (140, 230, 2, 1.1),
    "cow": (135, 220, 2, 1.0),
    "umbrella": (130, 210, 2, 1.0),
    "flower": (32, 56, 3, 1.0),
}


def draw(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """Draw one everyday scene of ``size`` (height, width)."""
    canvas = Canvas(size)
    pen = Pen(canvas, rng)
    horizon = canvas.height * pen.between(0.34, 0.5)
    sky(pen)
    _sky_things(pen, horizon)
    if pen.chance(0.46):
        landscape.mountains(pen, horizon, pen.between(110, 180) * pen.u)
    zones = _grounds(pen, horizon)
    if pen.chance(0.16) and len(zones) == 1 and zones[0][0] != "water":
        _lane(pen, horizon)
    _bands(pen, horizon, zones)
    _standing_things(pen, zones)
    finish(canvas, rng)
    return canvas


def _sky_things(pen: Pen, horizon: float) -> None:
    """Spread sun, clouds and balloons over separate columns of the sky."""
    wanted = ["sun"] * pen.chance(0.42) + ["cloud"] * int(
        pen.rng.choice([0, 1, 2], p=[0.42, 0.3, 0.28])
    )
    wanted += ["balloon"] * int(pen.rng.choice([0, 1, 2], p=[0.58, 0.28, 0.14]))
    wanted = [wanted[i] for i in pen.rng.permutation(len(wanted))][:3]
    for column, word in enumerate(wanted):
        x = (column + pen.between(0.3, 0.7)) * pen.canvas.width / len(wanted)
        if word == "sun":
            radius = pen.between(32, 56) * pen.u
            landscape.sun(pen, x, max(radius * 0.7, horizon * pen.between(0.2, 0.6)), radius)
        elif word == "cloud":
            cloud(pen, x, horizon * pen.between(0.25, 0.6), pen.between(120, 220) * pen.u)
        else:
            width = pen.between(80, 140) * pen.u
            draw_thing.balloon(pen, x, max(width * 0.6, horizon * pen.between(0.25, 0.55)), width)


def _grounds(pen: Pen, horizon: float) -> list[tuple[str, float, float]]:
    """Paint the grounds and return each one's word, top and bottom."""
    layout = pen.pick(LAYOUTS)
    span = pen.canvas.height - horizon
    weights = pen.rng.uniform(0.7, 1.3, len(layout))
    cuts = [0.0, *np.cumsum(weights / weights.sum()).tolist()]
    zones = []
    for i, word in enumerate(layout):
        top, bottom = horizon + cuts[i] * span, horizon + cuts[i + 1] * span
        swing = (
            0.0 if word == "road" or (i == 0 and word == "water") else pen.between(2, 10) * pen.u
        )
        ground(pen, wavy_edge(pen, top, swing), SURFACES[word](pen), word)
        zones.append((word, top, bottom))
        if word == "road" and pen.chance(0.5):
            _kerb(pen, top)
    return zones


def _kerb(pen: Pen, y: float) -> None:
    line = pen.canvas.line([(0, y + 4 * pen.u), (pen.canvas.width, y + 4 * pen.u)], 7 * pen.u)
    pen.canvas.decorate(line, (0.72, 0.71, 0.69))


def _lane(pen: Pen, horizon: float) -> None:
    """Paint a road that runs away from the viewer to the horizon."""
    width, height = pen.canvas.width, pen.canvas.height
    far, near = width * pen.between(0.3, 0.7), width * pen.between(0.2, 0.8)
    half = pen.between(80, 150) * pen.u
    edge = [
        (far - half * 0.2, horizon),
        (far + half * 0.2, horizon),
        (near + half, height + 2),
        (near - half, height + 2),
    ]
    pen.canvas.paint(pen.canvas.polygon(edge), asphalt(pen), "road")


def _bands(pen: Pen, horizon: float, zones: list[tuple[str, float, float]]) -> None:
    """Put a brick wall or a fence behind the other things."""
    canvas, width = pen.canvas, pen.canvas.width
    top = zones[0][2] if zones[0][0] == "water" and len(zones) > 1 else horizon
    for word, share in (("brick wall", 0.30), ("fence", 0.33)):
        if not pen.chance(share):
            continue
        length = width * pen.between(0.45, 1.1)
        left = (width - length) * pen.pick((0.0, 1.0, pen.between(0, 1)))
        base = top + pen.between(10, 60) * pen.u
        if word == "brick wall":
            tall = pen.between(90, 170) * pen.u if pen.chance(0.8) else base * 1.05
            draw_thing.brick_wall(pen, left, left + length, base, tall)
        else:
            base = min(base + pen.between(20, 80) * pen.u, canvas.height * 0.9)
            fence(pen, left, left + length, base, pen.between(60, 105) * pen.u)


def _standing_things(pen: Pen, zones: list[tuple[str, float, float]]) -> None:
    """Scatter things over the grounds so that they hide each other little; near ones come last."""
    names = list(STANDING)
    weights = np.array([STANDING[name][3] for name in names])
    chosen = pen.rng.choice(
        len(names), int(pen.rng.integers(2, 4)), replace=False, p=weights / weights.sum()
    )
    items = []
    for index in chosen:
        name = names[int(index)]
        items += [name] * int(pen.rng.integers(1, STANDING[name][2] + 1))
    afloat = [zone for zone in zones if zone[0] == "water"]
    items += ["boat"] * (int(pen.rng.integers(1, 3)) if afloat and pen.chance(0.85) else 0)
    dry = [zone for zone in zones if zone[0] != "water"]
    taken: list[float] = []
    todo = []
    for name in items[:7]:
        tries = pen.rng.uniform(0.08, 0.92, 8)
        gaps = [min((abs(float(t) - x) for x in taken), default=1.0) for t in tries]
        x = float(tries[int(np.argmax(gaps))])
        taken.append(x)
        todo.append((_base(pen, name, afloat, dry), x * pen.canvas.width, name))
    for base, x, name in sorted(todo):
        _stand(pen, name, x, base)


def _base(
    pen: Pen, name: str, afloat: list[tuple[str, float, float]], dry: list[tuple[str, float, float]]
) -> float:
    """Choose where a thing stands: boats on water, cars on roads if there are any."""
    options = afloat if name == "boat" else dry
    if name == "car":
        options = [zone for zone in dry if zone[0] == "road"] or dry
    if name == "flower":
        return pen.canvas.height * pen.between(0.84, 0.99)
    _, top, bottom = pen.pick(options)
    share = pen.between(0.1, 0.55) if name in ("house", "tree") else pen.between(0.35, 0.85)
    return top + (bottom - top) * share


def _stand(pen: Pen, name: str, x: float, base: float) -> None:
    if name == "boat":
        draw_thing.boat(pen, x, base, pen.between(150, 230) * pen.u)
        return
    small, large, _, _ = STANDING[name]
    near = 0.8 + 0.25 * base / pen.canvas.height
    size = pen.between(small, large) * near * pen.u
    things: dict[str, Callable[[Pen, float, float, float], None]] = {
        "house": draw_thing.house,
        "tree": tree,
        "car": car_side,
        "cow": draw_thing.cow,
        "umbrella": draw_thing.umbrella,
        "flower": draw_thing.flower,
    }
    things[name](pen, x, base, size)

"""Things on a microscope slide: each function draws one of them inside a circle of given radius."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.scenes.patch import (
    Field,
    Patch,
    blend,
    blob_distance,
    box_distance,
    disc_distance,
    inside,
    jitter,
    mix,
    pick,
    stripe_mask,
    toned,
)
from training.scenes.textures import rgb

_STAINED: dict[str, tuple[float, float, float]] = {
    "cell": (0.80, 0.66, 0.80),
    "cytoplasm": (0.92, 0.62, 0.74),
    "nucleus": (0.40, 0.20, 0.54),
    "bacteria": (0.46, 0.20, 0.62),
    "debris": (0.36, 0.26, 0.20),
    "red blood cell": (0.84, 0.34, 0.34),
    "yeast": (0.70, 0.64, 0.82),
    "pollen": (0.90, 0.68, 0.20),
    "algae": (0.34, 0.62, 0.26),
    "lipid droplet": (0.92, 0.50, 0.16),
    "parasite": (0.56, 0.42, 0.72),
}


@dataclass(frozen=True)
class Style:
    """How the slide is lit and stained.

    Attributes
    ----------
    name : str
        "stained", "unstained", "fluorescence" or "phase".
    ground : ndarray of float32
        Colour of the empty slide.
    """

    name: str
    ground: NDArray[np.float32]

    @property
    def dark(self) -> bool:
        """Whether things glow on a dark slide."""
        return self.name == "fluorescence"

    def tint(self, rng: np.random.Generator, word: str) -> NDArray[np.float32]:
        """Return the colour that this kind of microscope gives to ``word``."""
        natural = _STAINED[word]
        if self.dark:
            hue = rng.choice([0.0, 0.08, 0.15, 0.3, 0.36, 0.5, 0.58, 0.64, 0.8, 0.9])
            glow = colorsys.hsv_to_rgb(hue, rng.uniform(0.65, 0.95), rng.uniform(0.65, 0.9))
            return np.array(glow, np.float32)
        if self.name == "phase":
            # Keep away from the gray of the slide itself.
            gray = rng.uniform(0.24, 0.38) if rng.random() < 0.5 else rng.uniform(0.68, 0.84)
            return jitter(rng, np.full(3, gray), 0.02)
        if self.name == "unstained":
            plain = np.full(3, 0.8 * float(np.mean(natural)))
            return jitter(rng, mix(plain, natural, rng.uniform(0.25, 0.6)), 0.04)
        if rng.random() < 0.2:
            other = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.55), np.max(natural))
            return np.array(other, np.float32)
        return jitter(rng, natural, 0.06)

    @property
    def bright(self) -> NDArray[np.float32]:
        """Colour of light that a rim gathers."""
        return np.full(3, 0.97, np.float32)


Draw = Callable[[np.random.Generator, Patch, float, Style], None]


@dataclass(frozen=True)
class Thing:
    """How to draw a thing and the radii (512 px scene) of the circle that it needs."""

    draw: Draw
    low: float
    high: float


def _around(rng: np.random.Generator, count: int, away: float) -> list[tuple[float, float]]:
    """Return ``count`` points on a ring, or the middle for one."""
    if count == 1:
        return [(0.0, 0.0)]
    turn = rng.uniform(0, 6.28)
    angles = turn + np.arange(count) * 6.2832 / count
    return [(float(away * np.cos(a)), float(away * np.sin(a))) for a in angles]


def cell(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw one to three rounded cells: grainy inside, a bright halo around, no nucleus."""
    unit = patch.unit
    base = style.tint(rng, "cell") * np.float32(0.85)
    count = int(rng.choice([1, 2, 3], p=[0.35, 0.35, 0.3]))
    size = radius * {1: 0.86, 2: 0.52, 3: 0.46}[count]
    for du, dv in _around(rng, count, radius * 0.46):
        u, v = patch.u - np.float32(du), patch.v - np.float32(dv)
        distance = blob_distance(rng, u, v, size, 0.09, 4)
        tone = 0.95 + 0.42 * patch.noise(rng, 6, 1) + 0.1 * patch.noise(rng, 40, 1)
        tone = tone - 0.45 * inside(np.abs(distance + np.float32(11 * unit)) - 2 * unit, 4)
        halo = inside(np.abs(distance + np.float32(4 * unit)) - 3.5 * unit, 3)
        shine = mix(base, style.bright, 0.75) if style.dark else style.bright
        patch.paint(inside(distance), blend(toned(tone, base), shine, halo), "cell")


def nucleated(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a spread cell: streaky cytoplasm with a mottled nucleus that holds nucleoli."""
    u, v, unit = patch.u, patch.v, patch.unit
    wobble = rng.choice([0.1, 0.22, 0.3])
    distance = blob_distance(rng, u, v, radius * (0.92 - wobble), wobble, 6)
    body = style.tint(rng, "cytoplasm")
    core = style.tint(rng, "nucleus")
    if style.name == "phase":
        core = body * np.float32(rng.choice([0.62, 1.45]))
    elif style.dark and float(np.abs(core - body).sum()) < 0.5:
        core = np.roll(body, 1)
    streak = np.sin(np.arctan2(v, u) * int(rng.integers(20, 34)) + 4 * patch.noise(rng, 40, 1))
    tone = 0.93 + 0.09 * streak + 0.14 * patch.noise(rng, 18, 2)
    tone = tone - 0.25 * inside(np.abs(distance + 2 * unit) - 2 * unit, 2)
    veil = mix(body, style.ground, 0.2 if style.dark else 0.3)
    patch.paint(inside(distance), toned(tone, veil), "cytoplasm")
    a = max(radius * rng.uniform(0.36, 0.45), 36 * unit)
    b = a * rng.uniform(0.8, 1.0)
    du, dv = rng.uniform(-0.1, 0.1, 2) * radius
    place = disc_distance(u - np.float32(du), v - np.float32(dv), a, b)
    envelope = inside(np.abs(place + 2 * unit) - 2 * unit, 2)
    grain = 0.95 + 0.25 * patch.noise(rng, 12, 2) - 0.3 * envelope
    for _ in range(rng.integers(1, 4)):
        su, sv = rng.uniform(-0.45, 0.45, 2) * b
        spot = disc_distance(u - np.float32(du + su), v - np.float32(dv + sv), 0.17 * a, 0.17 * a)
        grain = grain * (1 + (0.5 if style.dark else -0.5) * inside(spot, 3))
    patch.paint(inside(place), toned(grain.astype(np.float32), core), "nucleus")


def bacteria(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a few thick smooth rods side by side, some of them dividing."""
    unit = patch.unit
    base = style.tint(rng, "bacteria")
    half_v = max(radius * 0.21, 19 * unit)
    count = int(rng.integers(2, 4))
    for k in range(count):
        offset = (k - (count - 1) / 2) * half_v * 2.12
        tilt = np.float32(rng.uniform(-0.12, 0.12))
        u = patch.u + np.float32(rng.uniform(-0.12, 0.12) * radius)
        v = patch.v - np.float32(offset) + tilt * u
        half_u = radius * rng.uniform(0.72, 0.85)
        distance = box_distance(u, v, half_u, half_v, half_v)
        pinch = 0.25 * half_v * np.exp(-((u / np.float32(0.3 * half_v)) ** 2))
        distance = distance + pinch * (rng.random() < 0.6)
        tone = 1.1 - 0.5 * (v / np.float32(half_v)) ** 2
        shine = box_distance(u, v + 0.3 * half_v, 0.6 * half_u, 0.1 * half_v)
        tone = tone + 0.25 * inside(shine, 4)
        pole = inside(half_u - half_v * 0.9 - np.abs(u), 8)
        tone = tone * (1 - 0.25 * pole)
        patch.paint(inside(distance), toned(tone.astype(np.float32), base), "bacteria")


def debris(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a ragged crumb of dirt with hard light and dark flecks."""
    base = style.tint(rng, "debris") * np.float32(0.55 if style.dark else 0.8)
    base = mix(base, (0.4, 0.33, 0.2), 0.5) if style.dark else base
    jag = patch.noise(rng, 26, 2)
    distance = blob_distance(rng, patch.u, patch.v, radius * 0.72, 0.28, 9)
    distance = distance + np.float32(0.18 * radius) * np.sign(jag) * np.sqrt(np.abs(jag))
    fleck = np.sign(patch.noise(rng, 13, 1)) * 0.35 + np.sign(patch.noise(rng, 6, 1)) * 0.3
    tone = np.maximum(0.8 + fleck, 0.12)
    patch.paint(inside(distance), toned(tone.astype(np.float32), base), "debris")


def red_blood_cell(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw one to four discs with a pale hollow in the middle."""
    base = style.tint(rng, "red blood cell")
    if style.name == "unstained":
        base = mix(base, (0.85, 0.5, 0.4), 0.5)
    count = int(rng.choice([1, 2, 3, 4], p=[0.2, 0.3, 0.3, 0.2]))
    size = radius * {1: 0.8, 2: 0.5, 3: 0.47, 4: 0.43}[count]
    for du, dv in _around(rng, count, radius * 0.48):
        u, v = patch.u - np.float32(du), patch.v - np.float32(dv)
        rv = size * rng.uniform(0.88, 1.0)
        far = np.hypot(u / np.float32(size), v / np.float32(rv))
        hollow = np.exp(-((far / np.float32(0.42)) ** 4))
        tone = 1.02 - 0.42 * np.clip((far - 0.8) / 0.2, 0, 1) + 0.12 * (far - 0.5)
        share = np.asarray(0.72 * hollow, np.float32)
        texture = blend(toned(tone.astype(np.float32), base), style.ground, share)
        patch.paint(inside((far - 1) * np.float32(rv)), texture, "red blood cell")


def crystal(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a straight-edged crystal: flat facets of unlike brightness, gleaming ridges."""
    unit = patch.unit
    sides = int(rng.choice([4, 5, 6, 8]))
    stretch = rng.uniform(0.55, 1.0)
    u, v = patch.u, patch.v / np.float32(stretch)
    angles = (np.arange(sides) + rng.uniform(-0.16, 0.16, sides)) * 6.2832 / sides
    planes = np.stack([u * np.float32(np.cos(a)) + v * np.float32(np.sin(a)) for a in angles])
    facet, reach = planes.argmax(axis=0), planes.max(axis=0)
    apothem = radius * (0.7 if sides == 4 else 0.82)
    light = rng.permutation(np.linspace(0.55, 1.4, sides)).astype(np.float32)
    top = reach < apothem * np.float32(rng.uniform(0.4, 0.62))
    tone = np.where(top, np.float32(rng.uniform(0.9, 1.3)), light[facet])
    second = np.partition(planes, -2, axis=0)[-2]
    ridge = np.minimum(np.where(top, 99, reach - second), apothem - reach)
    colour = None
    if style.name in ("stained", "unstained"):
        colour = pick(rng, "blue green yellow orange purple pink white gray red")
        base = rgb(colour, rng) * np.float32(0.85)
    elif style.dark:
        base = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.7), 0.75), np.float32)
    else:
        base = np.full(3, rng.uniform(0.5, 0.7), np.float32)
    gleam = inside(ridge.astype(np.float32) - 2 * unit, 2)
    texture = blend(toned(tone, base), style.bright, 0.8 * gleam)
    outline = inside(np.abs(reach - apothem + 1.5 * unit) - 1.5 * unit)
    texture *= (1 - 0.75 * outline)[..., None]
    patch.paint(inside((reach - apothem) * np.float32(stretch)), texture, "crystal", colour)


def air_bubble(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a perfect circle: thick black ring, bright empty middle, window reflections."""
    r = radius * 0.92
    far = np.hypot(patch.u, patch.v) / np.float32(r)
    thick = rng.uniform(0.66, 0.78)
    middle = np.minimum(style.ground * 1.08 + (0.16 if style.dark else 0.03), 1)
    texture = blend(middle, (0.03, 0.03, 0.04), np.clip((far - thick + 0.06) / 0.09, 0, 1))
    ring = np.exp(-(((far - thick + 0.07) / np.float32(0.035)) ** 2))
    texture = blend(texture, style.bright, (0.55 if style.dark else 0.85) * ring)
    outer = np.exp(-(((far - 0.95) / np.float32(0.03)) ** 2))
    texture = blend(texture, (0.75, 0.78, 0.8), 0.6 * outer)
    theta = np.arctan2(patch.v, patch.u)
    window = np.maximum(np.abs(far - 0.87) - 0.035, np.abs(theta - 0.6) - 0.5)
    texture = blend(texture, style.bright, inside(window * np.float32(r), 2))
    patch.paint(inside((far - 1) * np.float32(r)), texture, "air bubble")


def yeast(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a thick-walled oval with a bud or two and a round vacuole."""
    u, v, unit = patch.u, patch.v, patch.unit
    base = style.tint(rng, "yeast")
    mother = (-0.22 * radius, 0.0, 0.66 * radius, 0.52 * radius)
    bud = (0.62 * radius, rng.uniform(-0.15, 0.15) * radius, 0.34 * radius, 0.3 * radius)
    parts = [mother, bud]
    if rng.random() < 0.4:
        parts.append((-0.3 * radius, 0.64 * radius, 0.27 * radius, 0.27 * radius))
    wall = mix(base, style.bright, 0.75)
    for cu, cv, ru, rv in parts:
        du, dv = u - np.float32(cu), v - np.float32(cv)
        distance = disc_distance(du, dv, ru, rv)
        tone = 0.78 + 0.1 * patch.noise(rng, 24, 1)
        rim = inside(np.abs(distance + np.float32(7 * unit)) - 4.5 * unit, 2)
        tone = tone * (1 - 0.6 * inside(np.abs(distance + unit) - 1.6 * unit, 2))
        texture = blend(toned(tone.astype(np.float32), base), wall, rim)
        hole = disc_distance(du - 0.15 * ru, dv + 0.1 * rv, 0.38 * rv, 0.38 * rv)
        texture = blend(texture, mix(base, style.ground, 0.75), inside(hole, 3))
        texture *= (1 - 0.4 * inside(np.abs(hole) - 1.5 * unit, 2))[..., None]
        patch.paint(inside(distance), texture, "yeast")


def pollen(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a spiny ball with a honeycomb of pits."""
    u, v = patch.u, patch.v
    base = style.tint(rng, "pollen")
    r = radius * 0.8
    far = np.hypot(u, v)
    spines = int(rng.integers(14, 22))
    saw = np.abs(np.mod(np.arctan2(v, u) * np.float32(spines / 6.2832), 1) - 0.5) * 2
    distance = far - np.float32(r) - np.float32(0.17 * radius) * (saw * 1.3 - 0.3)
    # Pits crowd together towards the edge of a ball.
    slant = np.clip(far / np.float32(r), 0.01, 0.999)
    depth = np.arcsin(slant) / slant
    x, y = u / np.float32(r) * depth, v / np.float32(r) * depth
    k = np.float32(rng.uniform(12, 17))
    comb = np.cos(k * x) + np.cos(k * (0.5 * x + 0.866 * y)) + np.cos(k * (0.5 * x - 0.866 * y))
    ball = 1.12 - 0.3 * (far / np.float32(r)) ** 2 - 0.18 * patch.down / np.float32(r)
    tone = np.maximum(ball * (1 - 0.45 * np.clip(comb - 0.1, 0, 1)), 0.2)
    tone = tone * (1 - 0.35 * inside(np.abs(far - np.float32(r)) - 2 * patch.unit, 2))
    patch.paint(inside(distance), toned(tone.astype(np.float32), base), "pollen")


def algae(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a chain of box-shaped green cells, or a round colony of green beads."""
    u, v, unit = patch.u, patch.v, patch.unit
    base = style.tint(rng, "algae")
    if style.name in ("unstained", "stained"):
        base = jitter(rng, (0.36, 0.64, 0.24), 0.06)
    jelly = mix(base, style.ground, 0.55)
    bead: Field
    wall: Field
    if rng.random() < 0.65:
        half = max(radius * 0.3, 32 * unit)
        period = half * rng.uniform(1.1, 1.5)
        pitch = np.mod(u, np.float32(period)) - np.float32(period / 2)
        bend = np.float32(rng.uniform(-0.12, 0.12)) * u * u / np.float32(radius)
        across = v - bend
        distance = box_distance(u, across, radius * 0.95, half, 0.3 * half)
        bead = disc_distance(pitch, across, 0.4 * period, 0.72 * half)
        wall = np.minimum(np.abs(np.abs(pitch) - period / 2), np.abs(distance + 2 * unit))
    else:
        distance = disc_distance(u, v, 0.88 * radius, 0.88 * radius)
        step = 0.36 * radius
        row = np.round(v / (step * 0.866))
        shift = u + (np.mod(row, 2) * step / 2)
        pitch = np.asarray(np.mod(shift, step) - step / 2, np.float32)
        bead = disc_distance(pitch, v - row * step * 0.866, 0.42 * step, 0.42 * step)
        bead = np.maximum(bead, distance + 4 * unit)
        wall = np.abs(distance + 2 * unit)
    texture = blend(jelly, base * np.float32(0.85), inside(bead, 3))
    texture *= (1 + 0.2 * patch.noise(rng, 9, 1) * inside(bead))[..., None]
    line = inside(wall - 2 * unit, 2)
    texture = blend(texture, base * np.float32(1.25 if style.dark else 0.45), line)
    patch.paint(inside(distance), texture, "algae")


def lipid_droplet(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a bunch of smooth shining balls."""
    base = style.tint(rng, "lipid droplet")
    if style.name == "unstained":
        base = mix(base, (0.92, 0.8, 0.35), 0.7)
    count = int(rng.integers(3, 6))
    spots = [*_around(rng, count, radius * 0.52), (0.0, 0.0)]
    for du, dv in spots:
        r = radius * rng.uniform(0.34, 0.46)
        u, v = patch.u - np.float32(du), patch.v - np.float32(dv)
        far = np.hypot(u, v) / r
        lit = patch.down / np.float32(radius)
        tone = 1.12 - 0.62 * far**3 - 0.06 * lit
        glint = np.exp(-(((far - 0.1) / np.float32(0.26)) ** 2))
        texture = blend(toned(np.maximum(tone, 0.2), base), style.bright, 0.9 * glint)
        patch.paint(inside((far - 1) * r), texture, "lipid droplet")


def parasite(rng: np.random.Generator, patch: Patch, radius: float, style: Style) -> None:
    """Draw a wavy worm-like flagellate: tapered ends, a frilled edge, two dark bodies."""
    unit = patch.unit
    base = style.tint(rng, "parasite")
    length = 0.95 * radius
    wave = np.float32(0.2 * radius) * np.sin(patch.u * np.float32(4.6) / length + rng.uniform(0, 6))
    u, v = patch.u, patch.v - wave
    half = max(0.21 * radius, 21 * unit)
    width = half * np.clip(1 - np.abs(u / length + 0.12) ** 2.2, 0, 1)
    frill = (1 + 0.5 * np.sin(u * np.float32(13) / length)) * width * 0.45
    body = np.maximum(np.abs(v) - width, np.abs(u) - length)
    skin = np.maximum(np.abs(v + frill / 2) - width - frill / 2, np.abs(u) - length)
    lash = np.maximum(np.abs(v) - 3.5 * unit, np.abs(u - 0.2 * radius) - 0.78 * radius)
    distance = np.minimum(np.minimum(body, skin), lash).astype(np.float32)
    tone = 1.0 - 0.3 * (v / np.float32(half)) ** 2 + 0.14 * patch.noise(rng, 10, 2)
    texture = toned(tone.astype(np.float32), base)
    pale = inside(-body.astype(np.float32), 2)
    texture = blend(texture, mix(base, style.bright, 0.35), 0.8 * pale)
    dark = base * np.float32(0.35) if not style.dark else mix(base, style.bright, 0.7)
    for place, size in ((-0.08, 0.7), (-0.68, 0.3)):
        spot = disc_distance(u - place * length, v, 0.9 * size * half, 0.75 * size * half)
        texture = blend(texture, dark, inside(spot, 3))
    edge = inside(np.abs(distance + unit) - 1.5 * unit, 2)
    patch.paint(inside(distance), texture * (1 - 0.4 * edge)[..., None], "parasite")


def fibre_look(
    rng: np.random.Generator, patch: Patch, across: Field, half: float, style: Style
) -> tuple[NDArray[np.float32], str | None]:
    """Return the picture of a twisted thread bundle and its colour word, if any."""
    unit = patch.unit
    colour = None
    if style.name in ("stained", "unstained"):
        colour = pick(rng, "blue red green black brown gray purple pink yellow")
        base = rgb(colour, rng)
    elif style.dark:
        base = style.tint(rng, "algae")
    else:
        base = np.full(3, rng.uniform(0.3, 0.8), np.float32)
    place = across / np.float32(half)
    strands = np.sin(place * np.float32(rng.uniform(7, 11)) + 1.2 * patch.noise(rng, 80, 1))
    twist = stripe_mask(patch.u + across * np.float32(1.1), 46 * unit, 7 * unit)
    tone = (1.08 - 0.4 * place**2 + 0.17 * strands) * (1 - 0.4 * twist)
    if colour == "black":
        base = base + np.float32(0.06)
    return toned(np.maximum(tone, 0.15), base), colour


THINGS: dict[str, Thing] = {
    "cell": Thing(cell, 70, 115),
    "cytoplasm": Thing(nucleated, 105, 150),
    "bacteria": Thing(bacteria, 92, 120),
    "debris": Thing(debris, 70, 105),
    "red blood cell": Thing(red_blood_cell, 85, 120),
    "crystal": Thing(crystal, 75, 125),
    "air bubble": Thing(air_bubble, 60, 110),
    "yeast": Thing(yeast, 80, 115),
    "pollen": Thing(pollen, 75, 115),
    "algae": Thing(algae, 105, 145),
    "lipid droplet": Thing(lipid_droplet, 75, 110),
    "parasite": Thing(parasite, 105, 150),
}

"""Aerial world: coast, countryside and town as a low-flying drone sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.scenes.aerial_things import THINGS
from training.scenes.base import Canvas, FloatImage
from training.scenes.patch import (
    Field,
    Patch,
    between,
    blend,
    inside,
    lit,
    patch_at,
    stripe_mask,
    toned,
    unit_of,
    whole,
)
from training.scenes.placing import Room
from training.scenes.textures import finish

WORDS: tuple[str, ...] = (
    "building",
    "road",
    "car",
    "tree",
    "field",
    "bare soil",
    "river",
    "swimming pool",
    "sea",
    "beach",
    "ship",
    "tennis court",
    "railway",
    "solar panel",
    "storage tank",
    "greenhouse",
    "airplane",
    "grass",
)

_ON_LAND = (
    "building",
    "tree",
    "swimming pool",
    "tennis court",
    "solar panel",
    "storage tank",
    "greenhouse",
    "airplane",
    "car",
)


@dataclass(frozen=True)
class Band:
    """A gently winding strip across the picture: road, railway or river."""

    patch: Patch
    origin: tuple[float, float]
    angle: float
    half: float
    swing: float
    pace: float
    phase: float

    def bend(self, u: Field | float) -> Field:
        """Return the sideways offset of the centre line at ``u``."""
        wave = self.swing * np.sin(np.asarray(u, np.float32) * np.float32(self.pace) + self.phase)
        return np.asarray(wave, np.float32)

    def across(self) -> Field:
        """Return the signed distance of each pixel from the centre line."""
        return self.patch.v - self.bend(self.patch.u)

    def point(self, u: float, aside: float) -> tuple[float, float, float]:
        """Return x, y and heading at ``u`` along the strip, ``aside`` pixels off its middle."""
        v = float(self.bend(u)) + aside
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        slope = np.arctan(self.swing * self.pace * np.cos(u * self.pace + self.phase))
        x, y = self.origin[0] + u * cos - v * sin, self.origin[1] + u * sin + v * cos
        return float(x), float(y), float(self.angle + slope)


def draw(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """Draw one aerial picture of ``size`` (height, width)."""
    canvas = Canvas(size)
    _grounds(rng, canvas)
    room = Room(canvas)
    coast = rng.random() < 0.33
    if coast:
        _coast(rng, canvas, room)
    else:
        _bands(rng, canvas, room)
    _scatter(rng, canvas, room, 4 if coast else 5)
    finish(canvas, rng)
    return canvas


def _grounds(rng: np.random.Generator, canvas: Canvas) -> None:
    """Cover the land with two or three parcels of different ground."""
    kinds = [str(kind) for kind in rng.permutation(["field", "grass", "bare soil"])]
    patch = whole(canvas)
    textures = {"field": _field, "grass": _grass, "bare soil": _soil}
    canvas.paint(None, textures[kinds[0]](rng, patch), kinds[0])
    angle = rng.uniform(0, 6.28)
    for kind in kinds[1 : 2 + (rng.random() < 0.35)]:
        cut = whole(canvas, angle, (rng.uniform(0.35, 0.65), rng.uniform(0.35, 0.65)))
        mask = inside(cut.v + 2.0 * patch.unit * patch.noise(rng, 30, 1))
        patch.canvas.paint(mask, textures[kind](rng, patch), kind)
        angle += rng.uniform(1.2, 1.9)


def _field(rng: np.random.Generator, patch: Patch) -> FloatImage:
    """Return crop rows with soil between them."""
    crop = [
        between(rng, (0.22, 0.46, 0.12), (0.42, 0.62, 0.18)),
        between(rng, (0.80, 0.68, 0.22), (0.90, 0.78, 0.34)),
        between(rng, (0.50, 0.62, 0.16), (0.66, 0.72, 0.24)),
    ][int(rng.integers(3))]
    gap = between(rng, (0.34, 0.26, 0.14), (0.48, 0.38, 0.22))
    angle = rng.uniform(0, 3.14)
    along = patch.u * np.float32(np.cos(angle)) + patch.v * np.float32(np.sin(angle))
    period = rng.uniform(20, 32) * patch.unit
    leaf = patch.noise(rng, 6, 1)
    row = 0.5 + 0.5 * np.sin(along * np.float32(6.2832 / period)) + 0.25 * leaf
    lush = blend(gap, crop, 2 * row - 0.25)
    return lit(lush, 1 + 0.12 * leaf + 0.06 * patch.noise(rng, 120, 1))


def _grass(rng: np.random.Generator, patch: Patch) -> FloatImage:
    """Return a mottled lawn."""
    base = between(rng, (0.24, 0.46, 0.16), (0.42, 0.58, 0.24))
    dry = base * np.float32(0.7) + np.float32(0.3) * np.array([0.7, 0.66, 0.3], np.float32)
    mottle = patch.noise(rng, 90, 3)
    fine = patch.noise(rng, 2.5, 1)
    return lit(blend(base, dry, 0.5 + 0.7 * mottle), 1 + 0.13 * fine)


def _soil(rng: np.random.Generator, patch: Patch) -> FloatImage:
    """Return rough earth with clods and stones."""
    base = between(rng, (0.40, 0.26, 0.16), (0.62, 0.44, 0.30))
    clods = patch.noise(rng, 16, 3)
    stones = np.clip(patch.noise(rng, 7, 1) - 0.62, 0, 1)
    return toned(1 + 0.26 * clods + 1.1 * stones, base)


def _coast(rng: np.random.Generator, canvas: Canvas, room: Room) -> None:
    """Lay sea and beach over one side, put ships on the sea and book both."""
    angle = rng.uniform(0, 6.28)
    patch = whole(canvas, angle)
    unit = patch.unit
    wave = np.sin(patch.v * np.float32(rng.uniform(0.006, 0.012) / unit) + rng.uniform(0, 6))
    shore = patch.u + np.float32(25 * unit) * wave + np.float32(rng.uniform(-45, 10) * unit)
    sand_width = rng.uniform(75, 125) * unit
    sand = inside(-shore - np.float32(sand_width) + 5 * unit * patch.noise(rng, 24, 2))
    canvas.paint(sand, _sand(rng, patch, shore), "beach")
    canvas.paint(inside(-shore), _sea(rng, patch, shore), "sea")
    afloat = Room(canvas)
    afloat.block(shore < 26 * unit)
    for _ in range(1 + (rng.random() < 0.5)):
        _put(rng, canvas, afloat, "ship", 0.02)
    room.block(shore > -np.float32(sand_width * 0.75))


def _sand(rng: np.random.Generator, patch: Patch, shore: Field) -> FloatImage:
    base = between(rng, (0.84, 0.74, 0.54), (0.95, 0.89, 0.74))
    ripple = np.sin(shore * np.float32(0.35 / patch.unit) + 3 * patch.noise(rng, 50, 1))
    wet = inside(-shore - np.float32(20 * patch.unit), 18 * patch.unit)
    tone = (1 + 0.035 * ripple + 0.07 * patch.noise(rng, 2, 1)) * (1 - 0.22 * wet)
    return toned(tone.astype(np.float32), base)


def _sea(rng: np.random.Generator, patch: Patch, shore: Field) -> FloatImage:
    """Return waves that run towards the shore, foam along it."""
    unit = patch.unit
    base = between(rng, (0.04, 0.22, 0.40), (0.10, 0.44, 0.58))
    shoal = between(rng, (0.22, 0.60, 0.64), (0.34, 0.70, 0.70))
    wobble = patch.noise(rng, 70, 2)
    crest = np.sin(shore * np.float32(6.28 / (rng.uniform(20, 30) * unit)) + 3.2 * wobble)
    chop = patch.noise(rng, 12, 1)
    water = blend(base, shoal, 0.8 - shore / np.float32(110 * unit))
    lit(water, 1 + 0.16 * crest + 0.12 * chop)
    surf = inside(np.abs(shore - 8 * unit * (1 + wobble)) - 7 * unit, 5)
    foam = np.maximum(surf, np.clip(2 * (0.6 * crest + chop - 1.0), 0, 0.8))
    return blend(water, (0.95, 0.98, 0.98), foam)


def _bands(rng: np.random.Generator, canvas: Canvas, room: Room) -> None:
    """Lay one or two strips across the picture, the later one bridging the earlier."""
    chosen = rng.permutation(["river", "railway", "road"])[: 1 + (rng.random() < 0.55)]
    # Rails bridge rivers and roads bridge both.
    kinds = [kind for kind in ("river", "railway", "road") if kind in chosen]
    angle = rng.uniform(0, 3.14)
    for kind in kinds:
        band = _band(rng, canvas, kind, angle)
        across = band.across()
        room.block(np.abs(across) < band.half)
        painter = {"river": _river, "railway": _railway, "road": _road}[kind]
        canvas.paint(inside(np.abs(across) - band.half), painter(rng, band, across), kind)
        if kind == "road":
            _traffic(rng, canvas, band)
        angle += rng.uniform(1.1, 2.0)


def _band(rng: np.random.Generator, canvas: Canvas, kind: str, angle: float) -> Band:
    unit = unit_of(canvas)
    low, high = {"river": (50, 85), "railway": (34, 46), "road": (72, 88)}[kind]
    swing = {"river": 45, "railway": 14, "road": 25}[kind] * rng.random() * unit
    at = (rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75))
    return Band(
        patch=whole(canvas, angle, at),
        origin=(at[0] * canvas.width, at[1] * canvas.height),
        angle=angle,
        half=rng.uniform(low, high) * unit,
        swing=swing,
        pace=rng.uniform(0.006, 0.014) / unit,
        phase=rng.uniform(0, 6.28),
    )


def _river(rng: np.random.Generator, band: Band, across: Field) -> FloatImage:
    """Return calm water streaked along the current, pale at the banks."""
    patch = band.patch
    low, high = [
        ((0.16, 0.34, 0.30), (0.28, 0.46, 0.38)),
        ((0.30, 0.34, 0.20), (0.46, 0.46, 0.30)),
        ((0.18, 0.34, 0.44), (0.30, 0.46, 0.54)),
    ][int(rng.integers(3))]
    drift = across / np.float32(patch.unit) + 7 * patch.noise(rng, 60, 1)
    streak = np.sin(drift * np.float32(0.33)) + np.sin(drift * np.float32(0.71) + 1)
    tone = 1 + 0.045 * streak + 0.03 * patch.noise(rng, 8, 1)
    bank = inside(band.half - np.abs(across) - 6 * patch.unit, 6 * patch.unit)
    sky = np.clip(0.3 * patch.noise(rng, 110, 1) + 0.12 * streak, 0, 0.4)
    water = blend(toned(tone, between(rng, low, high)), (0.70, 0.78, 0.82), sky)
    return blend(water, (0.66, 0.60, 0.46), 0.7 * bank)


def _road(rng: np.random.Generator, band: Band, across: Field) -> FloatImage:
    """Return asphalt with a dashed middle line and solid edge lines."""
    patch, unit = band.patch, band.patch.unit
    base = between(rng, (0.24, 0.24, 0.26), (0.58, 0.57, 0.55))
    tone = 1 + 0.09 * patch.noise(rng, 2, 1) + 0.06 * patch.noise(rng, 50, 1)
    dash = stripe_mask(patch.u, 60 * unit, 34 * unit)
    middle = inside(np.abs(across) - np.float32(3 * unit)) * dash
    edges = inside(np.abs(np.abs(across) - np.float32(band.half - 7 * unit)) - 2 * unit)
    paint = (0.93, 0.93, 0.9) if rng.random() < 0.7 else (0.92, 0.78, 0.25)
    return blend(toned(tone, base), paint, np.maximum(middle, edges))


def _railway(rng: np.random.Generator, band: Band, across: Field) -> FloatImage:
    """Return ballast, sleepers and two steel rails."""
    patch, unit = band.patch, band.patch.unit
    ballast = between(rng, (0.38, 0.34, 0.32), (0.58, 0.54, 0.50))
    stones = 1 + 0.28 * patch.noise(rng, 3, 1)
    wood = between(rng, (0.22, 0.15, 0.10), (0.36, 0.27, 0.20))
    sleeper = stripe_mask(patch.u, 22 * unit, 10 * unit)
    sleeper *= inside(np.abs(across) - np.float32(band.half * 0.78))
    texture = blend(toned(stones, ballast), wood, sleeper)
    rail = np.abs(np.abs(across) - np.float32(band.half * 0.46))
    texture = blend(texture, (0.16, 0.14, 0.14), inside(rail - np.float32(4.5 * unit)))
    return blend(texture, (0.82, 0.83, 0.86), inside(rail - np.float32(2 * unit)))


def _traffic(rng: np.random.Generator, canvas: Canvas, band: Band) -> None:
    """Put cars on the road, one lane for each heading."""
    unit = unit_of(canvas)
    for lane in (-1, 1):
        u = rng.uniform(-260, -60) * unit
        while u < 260 * unit and rng.random() < 0.72:
            x, y, heading = band.point(u, lane * 0.49 * band.half)
            radius = rng.uniform(62, 66) * unit
            if 0 < x < canvas.width and 0 < y < canvas.height:
                turned = heading + (np.pi if lane < 0 else 0)
                spot = patch_at(canvas, x, y, radius * 1.25, turned, unit)
                THINGS["car"].draw(rng, spot, radius)
            u += rng.uniform(150, 330) * unit


def _scatter(rng: np.random.Generator, canvas: Canvas, room: Room, most: int) -> None:
    """Put ``most`` kinds of things where there is room, then fill gaps with small ones."""
    kinds = [str(kind) for kind in rng.permutation(_ON_LAND)[:most]]
    # Wide things first: they find no room later.
    kinds.sort(key=lambda kind: -THINGS[kind].high)
    for kind in [*kinds, kinds[-1], *rng.permutation(["tree", "swimming pool", "building"])[:2]]:
        _put(rng, canvas, room, str(kind), 0.06)


def _put(rng: np.random.Generator, canvas: Canvas, room: Room, kind: str, overlap: float) -> bool:
    """Draw one thing where there is room, as small as need be; return whether there was any."""
    unit = unit_of(canvas)
    thing = THINGS[kind]
    for growth in (rng.random(), 0.0):
        radius = (thing.low + growth * (thing.high - thing.low)) * unit
        spot = room.find(rng, radius, overlap)
        if spot is not None:
            reach = radius * 1.1 + 40 * unit
            thing.draw(rng, patch_at(canvas, *spot, reach, rng.uniform(0, 6.28), unit), radius)
            room.book(spot, radius)
            return True
    return False

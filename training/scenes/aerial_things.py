"""Things seen from above: each function draws one of them inside a circle of given radius."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.scenes.base import FloatImage, Mask
from training.scenes.patch import (
    Field,
    Patch,
    between,
    blend,
    blob_distance,
    box_distance,
    disc_distance,
    inside,
    pick,
    stripe_mask,
    toned,
)
from training.scenes.textures import rgb

Draw = Callable[[np.random.Generator, Patch, float], None]


@dataclass(frozen=True)
class Thing:
    """How to draw a thing and the radii (512 px scene) of the circle that it needs."""

    draw: Draw
    low: float
    high: float


def building(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a roof: gabled, hipped or flat with a parapet; sometimes L-shaped."""
    half_u = radius * rng.uniform(0.72, 0.8)
    half_v = half_u * rng.uniform(0.6, 0.85)
    colour = pick(rng, "red red brown gray gray black white orange blue green")
    base = rgb(colour, rng)
    distance = box_distance(patch.u, patch.v, half_u, half_v)
    style = pick(rng, "gable hip flat flat")
    if style == "flat" and rng.random() < 0.6:
        notch = box_distance(patch.u - half_u, patch.v - half_v, half_u * 0.8, half_v * 0.9)
        distance = np.maximum(distance, -notch)
    mask = inside(distance)
    patch.shadow(mask, 18)
    tone = (
        _flat_roof(rng, patch, distance)
        if style == "flat"
        else _pitched(rng, patch, half_u, half_v, style == "hip")
    )
    patch.paint(mask, toned(tone, base), "building", colour)
    for _ in range(rng.integers(1, 4)):
        u0 = rng.uniform(-0.55, 0.1) * half_u
        v0 = rng.uniform(-0.55, 0.1) * half_v
        half = radius * rng.uniform(0.06, 0.12)
        block = inside(box_distance(patch.u - u0, patch.v - v0, half, 0.8 * half))
        patch.shadow(block, 6)
        patch.canvas.decorate(block, rng.uniform(0.45, 0.8) * np.ones(3, np.float32))


def _flat_roof(rng: np.random.Generator, patch: Patch, distance: Field) -> Field:
    unit = patch.unit
    rim = inside(np.abs(distance + np.float32(5 * unit)) - np.float32(4 * unit))
    tone = 0.88 + 0.07 * patch.noise(rng, 3, 1) + 0.08 * patch.noise(rng, 60, 1)
    return np.asarray(tone * (1 + 0.3 * rim), np.float32)


def _pitched(
    rng: np.random.Generator, patch: Patch, half_u: float, half_v: float, hipped: bool
) -> Field:
    """Shade two or four roof planes, with rows of tiles parallel to each eave."""
    u, v, unit = patch.u, patch.v, patch.unit
    side = np.sign(v) * np.float32(rng.choice([-0.2, 0.2]))
    height = np.abs(v)
    if hipped:
        end = np.abs(u) - half_u > np.abs(v) - half_v
        side = np.where(end, np.sign(u) * np.float32(rng.choice([-0.1, 0.1])), side)
        height = np.where(end, np.abs(u), height)
    rows = stripe_mask(height, rng.uniform(9, 15) * unit, 3 * unit)
    ridge = inside(np.abs(v) - np.float32(3 * unit)) * (np.abs(u) < half_u - (hipped * half_v))
    tone = (0.95 + side) * (1 - 0.3 * rows) + 0.07 * patch.noise(rng, 5, 1) + 0.25 * ridge
    return np.asarray(tone, np.float32)


def car(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a car from above: glass at both ends of the cabin, lamps, mirrors."""
    a, b = radius * 0.9, radius * rng.uniform(0.485, 0.51)
    u, v = patch.u, patch.v
    colour = pick(rng, "red orange yellow green blue purple brown black white white gray gray")
    distance = box_distance(u, v, a, b, b * 0.55)
    mirror = box_distance(u - 0.25 * a, np.abs(v) - b, 0.06 * a, 0.18 * b)
    mask = inside(np.minimum(distance, mirror))
    patch.shadow(mask, 7)
    tone = 1.05 - 0.22 * (v / np.float32(b)) ** 2 + 0.08 * np.cos(3 * u / np.float32(a))
    patch.paint(mask, toned(tone.astype(np.float32), rgb(colour, rng)), "car", colour)
    back = rng.choice([-0.72, -0.5, -0.86])
    glass = np.array([0.13, 0.17, 0.22], np.float32) + np.float32(0.15 if colour == "black" else 0)
    slope = np.abs(v) - (0.6 * b + 0.5 * (u - 0.2 * a))
    front = np.maximum(np.abs(u - 0.3 * a) - 0.13 * a, slope)
    rear = box_distance(u - back * a, v, 0.09 * a, 0.66 * b, 0.05 * a)
    door = box_distance(u - (back + 0.3) * a / 2, np.abs(v) - 0.83 * b, 0.3 * a, 0.08 * b)
    for pane in (front, rear, door):
        patch.canvas.decorate(inside(pane), glass)
    ends = box_distance(np.abs(u) - 0.93 * a, np.abs(v) - 0.62 * b, 0.05 * a, 0.2 * b)
    lamp = inside(ends) * mask
    patch.canvas.decorate(lamp * (u > 0), (1.0, 0.97, 0.8))
    patch.canvas.decorate(lamp * (u < 0), (0.8, 0.08, 0.08))


def tree(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a clump of one to three crowns, leafy or with radiating boughs."""
    low, high = [
        ((0.10, 0.26, 0.08), (0.25, 0.46, 0.14)),
        ((0.06, 0.20, 0.12), (0.12, 0.34, 0.20)),
        ((0.30, 0.40, 0.10), (0.42, 0.52, 0.18)),
        ((0.62, 0.32, 0.08), (0.72, 0.50, 0.12)),
    ][int(rng.choice(4, p=[0.45, 0.25, 0.2, 0.1]))]
    spiky = rng.random() < 0.25
    count = 1 if spiky else int(rng.integers(1, 4))
    turn = rng.uniform(0, 6.28)
    for k in range(count):
        size = radius * (0.92 if count == 1 else 0.56)
        away = 0.0 if count == 1 else radius * 0.38
        theta = turn + k * 6.28 / count
        u = patch.u - np.float32(away * np.cos(theta))
        v = patch.v - np.float32(away * np.sin(theta))
        tone = np.asarray(0.9 - 0.35 * patch.down / radius, np.float32)
        if spiky:
            spoke = np.cos(int(rng.integers(9, 14)) * np.arctan2(v, u)) * 0.5
            distance = np.hypot(u, v) - np.float32(size) * (0.86 + 0.24 * spoke)
            tone = tone + 0.45 * spoke + 0.2 * patch.noise(rng, 8, 1)
        else:
            distance = blob_distance(rng, u, v, size * 0.92, 0.12, 9)
            distance = distance + np.float32(0.1 * size) * patch.noise(rng, 22, 1)
            tone = tone + 0.42 * patch.noise(rng, 18, 2)
        mask = inside(distance)
        patch.shadow(mask, 14)
        patch.paint(mask, toned(np.maximum(tone, 0.25), between(rng, low, high) * 1.15), "tree")


def caustics(rng: np.random.Generator, patch: Patch, base: Field) -> FloatImage:
    """Return clear water with the bright net that sunlight draws on the ground."""
    net = 1 - np.minimum(np.abs(patch.noise(rng, 22, 2)) * 3.5, 1)
    return blend(base, (0.85, 1.0, 1.0), 0.55 * net)


def swimming_pool(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a pool with a pale rim; the rim counts as pool."""
    u, v, unit = patch.u, patch.v, patch.unit
    shape = pick(rng, "box round kidney")
    distance: Field
    if shape == "kidney":
        left = disc_distance(u + 0.34 * radius, v, 0.55 * radius, 0.55 * radius)
        right = disc_distance(u - 0.4 * radius, v + 0.1 * radius, 0.48 * radius, 0.45 * radius)
        # A smooth minimum joins the two basins without a crease.
        soft = np.float32(0.3 * radius)
        part = np.maximum(soft - np.abs(left - right), 0) / soft
        distance = np.minimum(left, right) - part * part * soft * np.float32(0.25)
    else:
        half_u = radius * 0.86
        half_v = half_u * rng.uniform(0.5, 0.75)
        distance = box_distance(u, v, half_u, half_v, (0.1 if shape == "box" else 0.95) * half_v)
    stone = between(rng, (0.75, 0.7, 0.62), (0.95, 0.94, 0.92))
    tiles = 1 - 0.15 * stripe_mask(u + v, 14 * unit, 2 * unit)
    patch.paint(inside(distance), toned(tiles, stone), "swimming pool")
    base = between(rng, (0.10, 0.68, 0.80), (0.32, 0.82, 0.95))
    water = inside(distance + np.float32(9 * unit))
    patch.canvas.decorate(water, caustics(rng, patch, base))
    edge = inside(np.abs(distance + np.float32(12 * unit)) - np.float32(3 * unit))
    patch.canvas.shade(edge, 0.75)
    if shape != "kidney":
        board = box_distance(u - 0.78 * radius, v, 0.14 * radius, 0.07 * radius)
        patch.canvas.decorate(inside(board), (0.97, 0.97, 0.95))


def tennis_court(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a court with its white lines and net; the run-off around the lines belongs to it."""
    u, v, unit = np.abs(patch.u), np.abs(patch.v), patch.unit
    a, b = radius * 0.86, radius * 0.5
    colour = pick(rng, "blue blue green green red purple orange brown")
    inner = rgb(colour, rng) * np.float32(0.9)
    grainy = 1 + 0.05 * patch.noise(rng, 3, 1) + 0.06 * patch.noise(rng, 70, 1)
    outer = inner * np.float32(rng.choice([0.7, 0.8, 1.15]))
    base = blend(outer, inner, inside(box_distance(u, v, 0.8 * a, 0.76 * b)))
    court = inside(box_distance(patch.u, patch.v, a, b))
    patch.paint(court, base * grainy[..., None], "tennis court", colour)
    width = np.float32(2.4 * unit)
    lines = [
        np.abs(box_distance(u, v, 0.8 * a, 0.76 * b)) - width,
        np.maximum(np.abs(v - 0.57 * b) - width, u - 0.8 * a),
        np.maximum(np.abs(u - 0.42 * a) - width, v - 0.57 * b),
        np.maximum(v - width, u - 0.42 * a),
    ]
    patch.canvas.decorate(inside(np.minimum.reduce(lines)), (0.96, 0.96, 0.94))
    net = inside(np.maximum(u - width, v - 0.9 * b))
    patch.shadow(net, 4)
    patch.canvas.decorate(net, (0.2, 0.2, 0.22))


def solar_panel(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a solar array: dark glass cut by a fine bright grid."""
    u, v, unit = patch.u, patch.v, patch.unit
    half_u = radius * rng.uniform(0.72, 0.82)
    half_v = half_u * rng.uniform(0.55, 0.9)
    base = between(rng, (0.05, 0.08, 0.25), (0.10, 0.20, 0.48))
    if rng.random() < 0.25:
        base = between(rng, (0.06, 0.06, 0.09), (0.12, 0.13, 0.2))
    cell = rng.uniform(13, 19) * unit
    fine = np.maximum(stripe_mask(u, cell, 1.6 * unit), stripe_mask(v, cell, 1.6 * unit))
    bold = np.maximum(
        stripe_mask(u + cell, 3 * cell, 4 * unit), stripe_mask(v + cell, 4 * cell, 5 * unit)
    )
    gloss = np.clip(np.cos(patch.down / np.float32(radius * 0.6) + rng.uniform(0, 6)) - 0.5, 0, 1)
    texture = blend(toned(1 + 1.3 * gloss, base), (0.62, 0.68, 0.78), 0.5 * fine)
    texture = blend(texture, (0.86, 0.88, 0.9), bold)
    mask = inside(box_distance(u, v, half_u, half_v))
    patch.shadow(mask, 8)
    patch.paint(mask, texture, "solar panel")


def storage_tank(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a round tank: conical lid with seams, or a sunken floating lid, and a walkway."""
    u, v, unit = patch.u, patch.v, patch.unit
    r = radius * 0.92
    colour = pick(rng, "white white white gray gray red brown green blue yellow")
    distance = disc_distance(u, v, r, r)
    mask = inside(distance)
    patch.shadow(mask, 20, 0.5)
    across = patch.down / np.maximum(np.hypot(u, v), 1)
    tone = 0.87 - 0.15 * across + 0.05 * patch.noise(rng, 20, 2)
    if rng.random() < 0.6:
        seams = np.abs(np.sin(int(rng.integers(5, 9)) * np.arctan2(v, u))) * np.hypot(u, v)
        tone = tone - 0.18 * inside(seams - np.float32(9 * unit), 6)
    else:
        wall = inside(np.hypot(u, v) - np.float32(0.84 * r))
        lit = np.hypot(patch.u, patch.v) + 0.35 * patch.down
        tone = tone - 0.3 * wall * (lit < 0.62 * r)
    rim = inside(np.abs(distance + np.float32(5 * unit)) - np.float32(3 * unit))
    tone = tone + 0.22 * rim - 0.3 * inside(np.abs(distance) - np.float32(2 * unit))
    patch.paint(mask, toned(tone.astype(np.float32), rgb(colour, rng)), "storage tank", colour)
    cap = inside(disc_distance(u, v, 0.13 * r, 0.13 * r))
    walk = inside(np.maximum(np.abs(v) - 4 * unit, np.abs(u - r / 2) - r / 2)) * mask
    patch.shadow(walk, 4, 0.75)
    patch.canvas.decorate(np.maximum(walk, cap), rng.uniform(0.35, 0.6) * np.ones(3, np.float32))


def greenhouse(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw glass spans side by side: white ribs, plants showing through."""
    u, v, unit = patch.u, patch.v, patch.unit
    half_u = radius * 0.82
    half_v = half_u * rng.uniform(0.55, 0.75)
    span = 2 * half_v / int(rng.integers(2, 5))
    place = np.mod(v + np.float32(half_v), np.float32(span)) / np.float32(span)
    glass = between(rng, (0.66, 0.80, 0.80), (0.84, 0.92, 0.90))
    plants = between(rng, (0.20, 0.42, 0.16), (0.34, 0.58, 0.26))
    rows = np.clip(0.35 + 0.5 * patch.noise(rng, 9, 2), 0, 0.75)
    light = np.where(place < 0.5, 1.08, 0.86).astype(np.float32)
    texture = blend(glass, plants, rows) * light[..., None]
    ribs = stripe_mask(u, rng.uniform(18, 26) * unit, 3 * unit)
    beams = inside((0.5 - np.abs(place - 0.5)) * np.float32(span) - np.float32(4 * unit))
    ridge = inside(np.abs(place - 0.5) * np.float32(span) - np.float32(2.5 * unit))
    texture = blend(texture, (0.98, 0.99, 0.99), np.maximum(np.maximum(ribs, beams), ridge))
    mask = inside(box_distance(u, v, half_u, half_v))
    patch.shadow(mask, 9, 0.7)
    patch.paint(mask, texture, "greenhouse")


def airplane(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a plane: fuselage, wings, tail and engines, jet or propeller-driven."""
    u, v = patch.u / np.float32(radius), patch.v / np.float32(radius)
    side = np.abs(v)
    jet = rng.random() < 0.65
    sweep = rng.uniform(0.4, 0.65) if jet else 0.0
    width = rng.uniform(0.14, 0.17)
    body = side - width * np.sqrt(np.clip(1 - np.abs(u / 0.95) ** 3.5, 0, 1)) + 0.02
    wing = np.maximum(np.abs(u - 0.2 + sweep * side) - (0.25 - 0.13 * side), side - 0.93)
    tail = np.maximum(np.abs(u + 0.76 + 0.6 * sweep * side) - (0.15 - 0.12 * side), side - 0.38)
    engine = box_distance(u - 0.32 + 0.4 * sweep, side - 0.38, 0.14, 0.055, 0.05)
    shape = np.minimum.reduce([body, wing, tail, engine]) * np.float32(radius)
    mask = inside(shape)
    patch.shadow(mask, rng.uniform(12, 40), 0.65)
    colour = pick(rng, "white white white white gray gray red blue yellow")
    rounding = 0.35 * np.clip(side / width, 0, 1) ** 2 * (body < 0)
    tone = 0.93 - rounding + 0.04 * patch.noise(rng, 9, 1)
    seam = inside((np.abs(body) - 0.012) * np.float32(radius))
    tone = tone - 0.25 * seam * mask - 0.2 * inside(engine * np.float32(radius)) * (body > 0)
    patch.paint(mask, toned(tone.astype(np.float32), rgb(colour, rng)), "airplane", colour)
    nose = np.maximum(np.abs(u - 0.78) - 0.05, side - 0.09) * np.float32(radius)
    fin = np.maximum(np.abs(u + 0.78) - 0.16, side - 0.022) * np.float32(radius)
    patch.canvas.decorate(inside(nose) * mask, (0.1, 0.13, 0.18))
    patch.canvas.decorate(inside(fin) * mask, rgb(pick(rng, "red blue black orange"), rng))


def ship(rng: np.random.Generator, patch: Patch, radius: float) -> None:
    """Draw a ship with a pointed bow, hatches, a bridge and a wake behind it."""
    u, v, unit = patch.u, patch.v, patch.unit
    a, b = radius * 0.93, radius * rng.uniform(0.3, 0.36)
    colour = pick(rng, "red red blue black white white gray green orange brown")
    taper = np.clip((u - 0.25 * a) / np.float32(0.75 * a), 0, 1) ** 2
    distance = np.maximum(np.abs(v) - b * (1 - taper), np.abs(u) - a).astype(np.float32)
    churn = patch.noise(rng, 12, 2)
    wake = inside(np.abs(distance) - (7 * unit) * (1 + churn), 5)
    patch.canvas.decorate(0.7 * wake, (0.93, 0.97, 0.98))
    mask = inside(distance)
    base = rgb(colour, rng)
    deck = inside(distance + np.float32(6 * unit))
    tone = 0.8 + 0.25 * deck + 0.05 * patch.noise(rng, 5, 1)
    patch.paint(mask, toned(tone.astype(np.float32), base), "ship", colour)
    hatch: Mask = inside(np.maximum(np.abs(u - 0.05 * a) - 0.42 * a, np.abs(v) - 0.6 * b))
    cuts = stripe_mask(u, 0.2 * a, 0.05 * a)
    patch.canvas.shade(hatch * (1 - cuts), 0.62 if colour != "black" else 2.2)
    bridge = inside(box_distance(u + 0.68 * a, v, 0.16 * a, 0.78 * b))
    patch.shadow(bridge, 6)
    patch.canvas.decorate(bridge, (0.93, 0.93, 0.9) if colour != "white" else (0.7, 0.72, 0.75))
    funnel = inside(disc_distance(u + 0.74 * a, v, 0.07 * a, 0.07 * a))
    patch.canvas.decorate(funnel, (0.15, 0.15, 0.17))
    glass = inside(box_distance(u + 0.54 * a, v, 0.025 * a, 0.7 * b))
    patch.canvas.decorate(glass, (0.12, 0.16, 0.22))


THINGS: dict[str, Thing] = {
    "building": Thing(building, 92, 135),
    "car": Thing(car, 64, 80),
    "tree": Thing(tree, 72, 115),
    "swimming pool": Thing(swimming_pool, 80, 120),
    "tennis court": Thing(tennis_court, 110, 150),
    "solar panel": Thing(solar_panel, 92, 135),
    "storage tank": Thing(storage_tank, 60, 95),
    "greenhouse": Thing(greenhouse, 95, 140),
    "airplane": Thing(airplane, 110, 150),
    "ship": Thing(ship, 100, 140),
}

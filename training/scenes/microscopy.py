"""Microscopy world: slides under bright field, phase contrast and fluorescence."""

from __future__ import annotations

import numpy as np

from training.scenes.base import Canvas
from training.scenes.microscopy_things import THINGS, Style, fibre_look
from training.scenes.patch import between, inside, patch_at, toned, unit_of, whole
from training.scenes.placing import Room
from training.scenes.textures import finish

WORDS: tuple[str, ...] = (
    "background",
    "cell",
    "nucleus",
    "cytoplasm",
    "bacteria",
    "fibre",
    "debris",
    "red blood cell",
    "crystal",
    "air bubble",
    "yeast",
    "pollen",
    "algae",
    "lipid droplet",
    "parasite",
)

_GROUNDS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "stained": ((0.90, 0.84, 0.90), (0.97, 0.94, 0.92)),
    "unstained": ((0.78, 0.78, 0.70), (0.92, 0.91, 0.88)),
    "fluorescence": ((0.02, 0.02, 0.05), (0.07, 0.09, 0.09)),
    "phase": ((0.44, 0.45, 0.44), (0.58, 0.58, 0.60)),
}


def draw(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """Draw one slide of ``size`` (height, width)."""
    canvas = Canvas(size)
    name = str(rng.choice(list(_GROUNDS), p=[0.36, 0.2, 0.24, 0.2]))
    style = Style(name, np.clip(between(rng, *_GROUNDS[name]), 0, 1))
    patch = whole(canvas)
    haze = 1 + 0.04 * patch.noise(rng, 200, 2) + 0.02 * patch.noise(rng, 8, 1)
    canvas.paint(None, toned(haze, style.ground), "background")
    room = Room(canvas)
    kinds = [str(kind) for kind in rng.permutation([*THINGS, "fibre"])[:6]]
    if "fibre" in kinds:
        _fibre(rng, canvas, room, style)
        kinds.remove("fibre")
    # Wide things first: they find no room later.
    kinds.sort(key=lambda kind: -THINGS[kind].high)
    for kind in kinds + kinds[-2:]:
        _place(rng, canvas, room, kind, style)
    finish(canvas, rng)
    return canvas


def _place(rng: np.random.Generator, canvas: Canvas, room: Room, kind: str, style: Style) -> None:
    """Draw one thing where there is room, as small as need be; skip it where there is none."""
    unit = unit_of(canvas)
    thing = THINGS[kind]
    for growth in (rng.random(), 0.0):
        radius = (thing.low + growth * (thing.high - thing.low)) * unit
        spot = room.find(rng, radius, margin=0.7)
        if spot is not None:
            patch = patch_at(canvas, *spot, 1.12 * radius, rng.uniform(0, 6.28), unit)
            thing.draw(rng, patch, radius, style)
            room.book(spot, radius)
            return


def _fibre(rng: np.random.Generator, canvas: Canvas, room: Room, style: Style) -> None:
    """Draw a thick thread that winds across the whole picture."""
    at = (rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75))
    patch = whole(canvas, rng.uniform(0, 3.14), at)
    unit = patch.unit
    pace = np.float32(rng.uniform(0.008, 0.016) / unit)
    swing = np.float32(rng.uniform(10, 50) * unit)
    across = patch.v - swing * np.sin(patch.u * pace + np.float32(rng.uniform(0, 6.28)))
    half = rng.uniform(21, 34) * unit
    texture, colour = fibre_look(rng, patch, across, half, style)
    canvas.paint(inside(np.abs(across) - np.float32(half)), texture, "fibre", colour)
    room.block(np.abs(across) < half)

"""Procedural scenes with pixel-exact labels, grouped into worlds with a fixed vocabulary each."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.scenes import aerial, driving, everyday, microscopy
from training.scenes.base import Canvas, Region, Scene

__all__ = ["WORLDS", "Region", "Scene", "World", "draw_scene"]


@dataclass(frozen=True)
class World:
    """A kind of picture: its vocabulary and the function that draws one finished canvas."""

    name: str
    words: tuple[str, ...]
    draw: Callable[[np.random.Generator, tuple[int, int]], Canvas]


WORLDS: dict[str, World] = {
    "everyday": World("everyday", everyday.WORDS, everyday.draw),
    "driving": World("driving", driving.WORDS, driving.draw),
    "aerial": World("aerial", aerial.WORDS, aerial.draw),
    "microscopy": World("microscopy", microscopy.WORDS, microscopy.draw),
}


def draw_scene(world: str, seed: int, size: tuple[int, int] = (512, 512)) -> Scene:
    """Draw scene number ``seed`` of ``world``; the same arguments always give the same pixels."""
    rng = np.random.default_rng([zlib.crc32(world.encode()), seed])
    canvas = WORLDS[world].draw(rng, size)
    image = np.rint(canvas.image * 255).astype(np.uint8)
    return Scene(image, canvas.region_map, tuple(canvas.regions), world, seed)

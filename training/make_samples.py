"""Draw the sample scenes that ship with the package: ``python -m training.make_samples``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import typer
from PIL import Image

from training.pool import HELD_OUT
from training.scenes import WORLDS, draw_scene

SAMPLE_SEEDS = {
    "everyday": 2_000_021,
    "driving": 2_000_016,
    "aerial": 2_000_012,
    "microscopy": 2_000_010,
}
"""Held-out scenes that show many things at once."""

SIZE = (512, 640)
"""Height and width of the samples in pixels."""

_FOLDER = Path(__file__).parents[1] / "napari_itaclip" / "data" / "samples"


def main(folder: Path = _FOLDER) -> None:
    """Write pictures, ground truth and the list of words."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {}
    for world, seed in SAMPLE_SEEDS.items():
        assert seed >= HELD_OUT
        scene = draw_scene(world, seed, SIZE)
        words = WORLDS[world].words
        labels = scene.labels(words)
        present = [position for position in range(len(words)) if (labels == position).any()]
        compact = np.searchsorted(present, labels).astype(np.uint8)
        Image.fromarray(scene.image).save(folder / f"{world}.png", optimize=True)
        Image.fromarray(compact).save(folder / f"{world}_labels.png", optimize=True)
        table[world] = {"words": [words[position] for position in present], "seed": seed}
    text = json.dumps(table, indent=2) + "\n"
    (folder / "samples.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

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
    "everyday": 2_000_018,
    "driving": 2_000_031,
    "aerial": 2_000_043,
    "microscopy": 2_000_048,
}
"""Held-out scenes that show many things at once, none of them just a sliver."""

CLASS_COLORS = {
    "sky": "#6fb7ff",
    "cloud": "#e8f1fa",
    "sun": "#ffd21f",
    "mountain": "#8c7b6b",
    "grass": "#4caf3a",
    "house": "#b5483a",
    "fence": "#a9713c",
    "car": "#e0218a",
    "umbrella": "#9b3fd1",
    "balloon": "#00b8c4",
    "sand": "#ecd79a",
    "road": "#5a6072",
    "building": "#e07b39",
    "traffic light": "#ffe14d",
    "pole": "#3d2f78",
    "bicycle": "#00c2a8",
    "truck": "#c92a2a",
    "zebra crossing": "#f4f4f4",
    "pavement": "#c9a7c7",
    "tree": "#14733a",
    "tennis court": "#9c4f1f",
    "greenhouse": "#bfe8d8",
    "railway": "#6b3f2a",
    "field": "#d6c33a",
    "bare soil": "#8a5a33",
    "storage tank": "#2f6fdb",
    "background": "#d9d9e3",
    "algae": "#2fa84f",
    "pollen": "#e2a800",
    "cell": "#5b8def",
    "bacteria": "#8e24aa",
    "cytoplasm": "#f3a6b8",
    "nucleus": "#3f2b96",
    "air bubble": "#00bcd4",
}
"""Colours that suggest the thing where a thing has one, and stand apart within a scene."""

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
        shown = [words[position] for position in present]
        colors = [CLASS_COLORS[word] for word in shown]
        table[world] = {"words": shown, "colors": colors, "seed": seed}
    text = json.dumps(table, indent=2) + "\n"
    (folder / "samples.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

"""``python -m benchmarks.large``: label a large image in a process of its own, and note its peak.

The image is a tiled TIFF put together from the four sample scenes, each tile of it flipped and
turned by a fixed pattern; the model is the one that ships with the package.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tifffile
import torch
import typer
from numpy.typing import NDArray

from benchmarks.report import describe_machine
from napari_itaclip.sample_data import WORLDS, sample_image, sample_words

_ROOT = Path(__file__).parents[2]
_TILE = 512
LIMIT_GB = 4.0
"""What the peak has to stay under, in 1e9 bytes."""


def scene_tiles(side: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the tiles of a square image of ``side`` pixels, row by row."""
    scenes = [sample_image(world)[:_TILE, :_TILE] for world in WORLDS]
    padded = [
        np.pad(one, ((0, _TILE - one.shape[0]), (0, _TILE - one.shape[1]), (0, 0)), mode="reflect")
        for one in scenes
    ]
    across = -(-side // _TILE)
    for number in range(across * across):
        row, column = divmod(number, across)
        # Four tiles of a world lie together, so that scenes cross the tiles' borders.
        scene = padded[(row // 2 + column // 2) % len(padded)]
        scene = scene[:, ::-1] if column % 2 else scene
        yield np.ascontiguousarray(scene[::-1] if row % 2 else scene)


def write_scenes(path: Path, side: int) -> None:
    """Write the large image."""
    tifffile.imwrite(
        path,
        scene_tiles(side),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(_TILE, _TILE),
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 1},
        bigtiff=True,
        maxworkers=1,
    )


def main(
    side: Annotated[int, typer.Option(help="Height and width of the image in pixels.")] = 20_000,
    scale: Annotated[float, typer.Option(help="Working pixels per pixel.")] = 0.25,
    preset: Annotated[str, typer.Option()] = "balanced",
    full_size: Annotated[bool, typer.Option("--full-size")] = False,
    threads: Annotated[int, typer.Option()] = 1,
    folder: Annotated[Path | None, typer.Option(help="Where to put the files.")] = None,
    output: Annotated[Path | None, typer.Option(help="JSON file for the figures.")] = None,
) -> None:
    """Make the image, label it in a fresh process, and write the figures down."""
    torch.set_num_threads(threads)
    machine = describe_machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        image = Path(place) / "image.tif"
        write_scenes(image, side)
        options: dict[str, Any] = {"scale": scale, "preset": preset, "threads": threads}
        command = [sys.executable, "-m", "benchmarks.large.child", str(image)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        command += ["--full-size"] if full_size else []
        words = "; ".join(dict.fromkeys(word for world in WORLDS for word in sample_words(world)))
        command += ["--classes", words]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the measurement failed:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        image_bytes = image.stat().st_size
    figures = {
        "schema": 1,
        "command": _command_of(side, scale, preset, full_size=full_size, threads=threads),
        "machine": machine,
        "side": side,
        "full_size": full_size,
        **options,
        "image_gb_unpacked": side * side * 3 / 1e9,
        "image_gb_on_disk": round(image_bytes / 1e9, 3),
        "limit_gb": LIMIT_GB,
        "passed": found["peak_gb"] < LIMIT_GB,
        **found,
    }
    text = json.dumps(figures, indent=2) + "\n"
    if output is not None:
        output.write_text(text, encoding="utf-8")
    typer.echo(text)


def _command_of(side: int, scale: float, preset: str, *, full_size: bool, threads: int) -> str:
    """Return the command that measures this again; where its files lie does not matter."""
    parts = [f"--side {side}", f"--scale {scale:g}", f"--preset {preset}", f"--threads {threads}"]
    return " ".join(["python -m benchmarks.large", *parts, *["--full-size"] * full_size])


if __name__ == "__main__":
    typer.run(main)

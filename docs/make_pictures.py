"""Make the pictures of the documentation: ``python docs/make_pictures.py``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from napari_itaclip.cli import run
from napari_itaclip.sample_data import WORLDS

_FOLDER = Path(__file__).parent / "images"


def main() -> None:
    """Segment the sample scenes and keep their overlays as JPEG."""
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if run(["demo", "--scene", "all", "--output", folder]):
            raise SystemExit("the demo did not run")
        for world in WORLDS:
            picture = Image.open(Path(folder) / f"{world}_overlay.png").convert("RGB")
            picture.save(_FOLDER / f"{world}.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()

"""The image that the benchmark labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from benchmarks.large.__main__ import scene_tiles, write_scenes
from napari_itaclip.batch.large.sources import open_large


def test_the_image_is_tiled_and_made_of_scenes(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    write_scenes(path, 1100)
    image = open_large(path)
    assert image.shape == (1100, 1100)
    assert image.levels[0].chunk_rows == 512
    whole = tifffile.imread(path)
    tiles = list(scene_tiles(1100))
    assert len(tiles) == 9
    np.testing.assert_array_equal(whole[:512, 512:1024], tiles[1])
    np.testing.assert_array_equal(image.levels[0].rows(500, 530), whole[500:530])
    # Scenes go on across the borders of tiles: mirrored there, so that both sides are equal.
    np.testing.assert_array_equal(whole[511], whole[512])

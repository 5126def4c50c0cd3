"""Where a GeoTIFF lies, from its tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_itaclip.batch.georeference import read_georeference
from napari_itaclip.formats.model import Georeference

SCALE = (33550, "d", 3, (0.5, 0.25, 0.0))
TIEPOINT = (33922, "d", 6, (2.0, 4.0, 0.0, 1000.0, 2000.0, 0.0))
MATRIX = (34264, "d", 16, (1.0, 2.0, 0.0, 3.0, 4.0, 5.0, 0.0, 6.0, *[0.0] * 7, 1.0))


def keys(raster_type: int, crs: int) -> tuple[int, str, int, tuple[int, ...]]:
    values = (1, 1, 0, 2, 1025, 0, 1, raster_type, 3072, 0, 1, crs)
    return 34735, "H", len(values), values


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], None),
        ([SCALE], None),
        ([SCALE, TIEPOINT], Georeference((0.5, 0, 999, 0, -0.25, 2001))),
        (
            [SCALE, TIEPOINT, keys(1, 32633)],
            Georeference((0.5, 0, 999, 0, -0.25, 2001), "EPSG:32633"),
        ),
        ([SCALE, TIEPOINT, keys(2, 32767)], Georeference((0.5, 0, 998.75, 0, -0.25, 2001.125))),
        ([MATRIX], Georeference((1, 2, 3, 4, 5, 6))),
    ],
)
def test_tags(tmp_path: Path, tags: list[Any], expected: Georeference | None) -> None:
    path = tmp_path / "map.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), extratags=tags)
    assert read_georeference(path) == expected


def test_what_is_no_tiff_lies_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "text.tif"
    path.write_text("no image")
    assert read_georeference(path) is None
    assert read_georeference(tmp_path / "a.png") is None

"""Where a GeoTIFF lies, from its tags."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_itaclip.batch.georeference import from_tags
from napari_itaclip.batch.job import BatchJob, ExportTarget
from napari_itaclip.batch.run import run_batch
from napari_itaclip.batch.state import BatchState
from napari_itaclip.formats.model import ExportOptions, Georeference
from napari_itaclip.segmentation.segmenter import Segmenter
from tests.batch.world import picture

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
    assert from_tags(path) == expected


def test_what_is_no_tiff_lies_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "text.tif"
    path.write_text("no image")
    assert from_tags(path) is None
    assert from_tags(tmp_path / "a.png") is None


def save_map(path: Path, rasterio: Any) -> None:
    """Write a picture of a place in UTM zone 33, turned by a few degrees."""
    values = np.moveaxis(picture(3), 2, 0)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, dtype="uint8", height=values.shape[1],
        width=values.shape[2], crs="EPSG:32633", photometric="RGB",
        transform=rasterio.Affine(0.5, 0.01, 500000, 0.01, -0.5, 5500000),
    ) as file:  # fmt: skip
        file.write(values)


def test_a_map_goes_in_and_a_map_comes_out(
    job: Callable[..., BatchJob], segmenter: Segmenter, tmp_path: Path
) -> None:
    rasterio = pytest.importorskip("rasterio")
    given = tmp_path / "maps"
    given.mkdir()
    save_map(given / "town.tif", rasterio)
    target = ExportTarget("geotiff", tmp_path / "out", ExportOptions(images=False))
    report = run_batch(job(inputs=(given,), exports=(target,)), segmenter=segmenter)
    assert (report.done, report.failed) == (1, ())
    state = BatchState.find(tmp_path / "out")
    with (
        rasterio.open(given / "town.tif") as source,
        rasterio.open(tmp_path / "out" / "town.tif") as made,
    ):
        assert made.transform == source.transform
        assert made.crs == source.crs
        np.testing.assert_array_equal(made.read(1), state.load_labels(state.item("town")))


def test_without_rasterio_a_map_is_not_silently_put_nowhere(
    job: Callable[..., BatchJob],
    segmenter: Segmenter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "maps").mkdir()
    tags: list[Any] = [SCALE, TIEPOINT, keys(1, 32633)]
    tifffile.imwrite(tmp_path / "maps" / "town.tif", picture(3), extratags=tags)
    for name in [one for one in sys.modules if one.split(".")[0] == "rasterio"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    target = ExportTarget("geojson", tmp_path / "out", ExportOptions(images=False))
    given = job(inputs=(tmp_path / "maps",), exports=(target,))
    report = run_batch(given, segmenter=segmenter)
    assert "napari-itaclip[geo]" in dict(report.failed)["town"]

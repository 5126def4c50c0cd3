"""The files: tiled, compressed, with a pyramid, on the map, read by other libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from napari_itaclip.batch.large.geo_tags import scaled_geo_tags
from napari_itaclip.batch.large.resample import nearest
from napari_itaclip.batch.large.run import segment_large
from napari_itaclip.batch.large.sources import open_large
from napari_itaclip.batch.large.state import Raster
from napari_itaclip.batch.large.write import Plane, level_sizes, sampled_rows, write_plane
from napari_itaclip.errors import OutputError, SettingsError
from napari_itaclip.segmentation.segmenter import Segmenter
from tests.batch.large.conftest import QUICK, WORDS, Whole


def raster(folder: Path, values: NDArray[Any]) -> Raster:
    plane = Raster(folder / "plane.raw", (values.shape[0], values.shape[1]), values.dtype)
    plane.write(0, values)
    return plane


def nothing() -> None:
    pass


def test_tiles_levels_and_description(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 9, (700, 2300), np.uint8)
    target = tmp_path / "labels.tif"
    about = {"classes": ["Büro", "道"]}
    plane = Plane(raster(tmp_path, values), values.shape, about)
    write_plane(plane, tmp_path / "t.tif", target, nothing)
    with tifffile.TiffFile(target) as tiff:
        page = tiff.pages[0]
        assert tiff.is_bigtiff
        assert isinstance(page, tifffile.TiffPage)
        assert page.is_tiled
        assert page.compression != 1
        assert json.loads(page.description) == about
        levels = tiff.series[0].levels
        assert [level.shape for level in levels] == [(700, 2300), (350, 1150), (175, 575)]
        np.testing.assert_array_equal(levels[0].asarray(), values)
        expected = values[nearest(700, 175)][:, nearest(2300, 575)]
        np.testing.assert_array_equal(levels[2].asarray(), expected)
    assert not (tmp_path / "t.tif").exists()


def test_full_size_labels_are_those_of_the_nearest_working_pixel(
    photo: NDArray[np.uint8], segmenter: Segmenter, whole: Whole, tmp_path: Path
) -> None:
    small = whole(photo, 0.3, QUICK).labels
    report = segment_large(
        photo, WORDS, segmenter, scale=0.3, preset=QUICK, output=tmp_path / "l.tif", full_size=True
    )
    found = tifffile.imread(report.labels)
    assert found.shape == photo.shape[:2] == report.shape
    rows, columns = nearest(210, small.shape[0]), nearest(250, small.shape[1])
    np.testing.assert_array_equal(found, small[nearest(small.shape[0], 210)][:, nearest(75, 250)])
    np.testing.assert_array_equal(found[rows][:, columns], small)


def test_the_legend(photo: NDArray[np.uint8], segmenter: Segmenter, tmp_path: Path) -> None:
    report = segment_large(
        photo, WORDS, segmenter, scale=0.5, preset=QUICK, output=tmp_path / "l.tif"
    )
    legend = json.loads(report.legend.read_text(encoding="utf-8"))
    names = [row["name"] for row in legend["classes"]]
    assert names == ["face", "space suit", "flag", "wall"]
    counts = {row["id"]: row["working_pixels"] for row in legend["classes"]}
    assert {key: count for key, count in counts.items() if count} == report.pixels
    assert sum(row["share"] for row in legend["classes"]) == pytest.approx(1, abs=1e-5)
    assert (legend["width"], legend["height"], legend["scale"]) == (125, 105, 0.5)
    assert legend["settings"]["model"] == segmenter.model.identity
    with tifffile.TiffFile(report.labels) as tiff:
        page = tiff.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert json.loads(page.description) == legend


@pytest.mark.parametrize("full_size", [False, True])
def test_a_map_stays_where_it_is(
    photo: NDArray[np.uint8], segmenter: Segmenter, tmp_path: Path, full_size: bool
) -> None:
    rasterio = pytest.importorskip("rasterio")
    image = photo.copy()
    image[:50] = 0  # no data
    profile = {
        "driver": "GTiff", "height": 210, "width": 250, "count": 3, "dtype": "uint8",
        "photometric": "RGB", "crs": "EPSG:25832", "nodata": 0,
        "transform": rasterio.Affine(0.25, 0, 500_000, 0, -0.25, 5_000_000),
    }  # fmt: skip
    with rasterio.open(tmp_path / "map.tif", "w", **profile) as file:
        file.write(np.moveaxis(image, 2, 0))
    report = segment_large(
        tmp_path / "map.tif", WORDS, segmenter, pixel_size=0.5, preset=QUICK,
        output=tmp_path / "labels.tif", full_size=full_size, margin=True,
    )  # fmt: skip
    assert report.scale == 0.5
    for path in (report.labels, report.margin):
        with rasterio.open(path) as source, rasterio.open(tmp_path / "map.tif") as given:
            assert source.crs == given.crs
            assert source.bounds == given.bounds
            assert source.transform.a == (0.25 if full_size else 0.5)
    with rasterio.open(report.labels) as source:
        assert source.nodata == 0
        labels = source.read(1)
        assert source.overviews(1) == []
    np.testing.assert_array_equal(labels, tifffile.imread(report.labels))
    edge = 50 if full_size else 25
    assert (labels[:edge] == 0).all()
    assert (labels[edge + 2 :] > 0).any()
    assert "Pixels without an image have the label 0." in report.notes


def test_scaling_of_other_georeferences() -> None:
    keys = (3, 16, (1, 1, 0, 1, 1025, 0, 1, 2))
    matrix = (2.0, 0.5, 0, 100.0, 0.25, -2.0, 0, 900.0, 0, 0, 0, 0, 0, 0, 0, 1.0)
    tags = {34735: keys, 34264: (12, 16, matrix), 33922: (12, 6, (0.0, 0.0, 0, 7.0, 8.0, 0))}
    scaled = scaled_geo_tags(tags, (100, 80), (50, 20))
    new = scaled[34264][2]

    def place(values: tuple[float, ...], column: float, row: float) -> tuple[float, float]:
        return (
            values[0] * column + values[1] * row + values[3],
            values[4] * column + values[5] * row + values[7],
        )

    # Pixel is point: whole numbers are centres. The corner (-0.5, -0.5) must not move.
    assert place(new, -0.5, -0.5) == pytest.approx(place(matrix, -0.5, -0.5))
    assert place(new, 19.5, 49.5) == pytest.approx(place(matrix, 79.5, 99.5))
    assert scaled[33922][2] == pytest.approx((-0.375, -0.25, 0, 7, 8, 0))
    assert scaled_geo_tags({}, (9, 9), (3, 3)) == {}


def test_ome_zarr_labels(
    photo: NDArray[np.uint8], segmenter: Segmenter, whole: Whole, tmp_path: Path
) -> None:
    report = segment_large(
        photo, WORDS, segmenter, scale=1.0, preset=QUICK, output=tmp_path / "l.zarr", margin=True
    )
    group: Any = zarr.open_group(str(report.labels), mode="r")
    assert group["labels"].attrs["labels"] == ["classes"]
    labels = group["labels/classes"]
    np.testing.assert_array_equal(labels["0"][:], whole(photo, 1.0, QUICK).labels)
    table = labels.attrs["image-label"]
    assert [row["name"] for row in table["properties"]] == ["face", "space suit", "flag", "wall"]
    again = open_large(labels)
    assert again.shape == (210, 250)
    margin = open_large(report.margin)
    assert margin.levels[0].dtype == np.uint8
    with pytest.raises(OutputError, match="already there"):
        segment_large(photo, WORDS, segmenter, preset=QUICK, output=tmp_path / "l.zarr")
    segment_large(
        photo, WORDS, segmenter, scale=0.5, preset=QUICK, output=tmp_path / "l.zarr", overwrite=True
    )
    group = zarr.open_group(str(report.labels), mode="r")
    assert group["labels/classes/0"].shape == (105, 125)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "l.zarr",
        "l_legend.json",
        "l_margin.zarr",
    ]


def test_ome_zarr_is_valid(tmp_path: Path) -> None:
    reader = pytest.importorskip("ome_zarr.reader")
    parse = pytest.importorskip("ome_zarr.io").parse_url
    values = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    classes = ({"id": 300, "name": "a/b", "color": "#102030"},)
    plane = Plane(raster(tmp_path, values), (40, 50), classes=classes)
    target = tmp_path / "labels.zarr"
    write_plane(plane, tmp_path / "t.zarr", target, nothing)
    (node,) = reader.Reader(parse(str(target / "labels" / "classes")))()
    np.testing.assert_array_equal(np.asarray(node.data[0]), values)
    assert node.metadata["color"][300] == pytest.approx([16 / 255, 32 / 255, 48 / 255, 1])


def test_a_foreign_folder_is_never_replaced(
    photo: NDArray[np.uint8], segmenter: Segmenter, tmp_path: Path
) -> None:
    target = tmp_path / "mine.zarr"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="holds no labels"):
        segment_large(photo, WORDS, segmenter, preset=QUICK, output=target, overwrite=True)
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        segment_large(
            photo, WORDS, segmenter, preset=QUICK, output=tmp_path / "folder.tif", overwrite=True
        )
    with pytest.raises(SettingsError, match="must end in"):
        segment_large(photo, WORDS, segmenter, preset=QUICK, output=tmp_path / "labels.png")
    assert (target / "thesis.txt").read_text() == "years of work"


def test_an_interrupted_assembly_leaves_the_old_result(tmp_path: Path) -> None:
    target = tmp_path / "labels.tif"
    target.write_bytes(b"old")
    plane = Plane(raster(tmp_path, np.ones((600, 600), np.uint8)), (600, 600))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_plane(plane, tmp_path / "t.tif", target, stop)
    assert target.read_bytes() == b"old"
    write_plane(plane, tmp_path / "t.tif", target, nothing)
    assert tifffile.imread(target).all()


def test_small_copies_read_only_their_rows(tmp_path: Path) -> None:
    values = np.arange(400 * 3, dtype=np.int32).reshape(400, 3)
    plane = Plane(raster(tmp_path, values), (400, 3))
    found = sampled_rows(plane, (10, 3), 2, 9)
    np.testing.assert_array_equal(found, values[nearest(400, 10)[2:9]])
    assert level_sizes((3000, 5000)) == [(3000, 5000), (1500, 2500), (750, 1250), (375, 625)]
    assert level_sizes((1000, 1024)) == [(1000, 1024)]

"""GeoTIFF: label maps that keep their place on Earth, read by rasterio itself as well."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError, MissingExtraError
from napari_itaclip.formats.geotiff import GEOTIFF, read, read_georeference, sniff
from napari_itaclip.formats.model import ExportOptions, Georeference, LabelClass, LabelledImage
from tests.formats.difficult import (
    classes_named,
    difficult_image,
    images,
    kinds,
    lost,
    many_classes_image,
    opened,
    pixels_lost,
    round_trip,
    touching_image,
    write,
)

rasterio = pytest.importorskip("rasterio")

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

UTM = Georeference((0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0), "EPSG:32633")
TURNED = Georeference((0.4, 0.3, 500_000.0, 0.3, -0.4, 5_000_000.0), "EPSG:32633")


@settings(max_examples=40)
@given(images())
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, item: LabelledImage
) -> None:
    found, rendered = round_trip(GEOTIFF, item, tmp_path_factory.mktemp("tif"))
    assert found.classes == item.classes
    assert pixels_lost(item, found) == lost(rendered) == 0


@pytest.mark.parametrize("item", [difficult_image(), touching_image(), many_classes_image()])
def test_difficult_labels_lose_nothing(tmp_path: Path, item: LabelledImage) -> None:
    found, rendered = round_trip(GEOTIFF, item, tmp_path)
    assert found.classes == item.classes
    assert found.name == item.name
    assert pixels_lost(item, found) == lost(rendered) == 0
    assert ("instances left out" in kinds(rendered)) == (item.instances is not None)


@pytest.mark.parametrize("place", [UTM, TURNED])
def test_the_place_on_earth_is_kept(tmp_path: Path, place: Georeference) -> None:
    item = difficult_image("here", georeference=place)
    found, rendered = round_trip(GEOTIFF, item, tmp_path)
    assert not rendered.losses
    assert found.georeference is not None
    assert found.georeference.transform == pytest.approx(place.transform)
    with rasterio.open(tmp_path / "here.tif") as source:
        assert source.crs.to_epsg() == 32633
        assert tuple(source.transform)[:6] == pytest.approx(place.transform)
    again = read_georeference(tmp_path / "here.tif")
    assert again == found.georeference


def test_rasterio_reads_values_colours_and_nodata(tmp_path: Path) -> None:
    item = difficult_image("map", georeference=UTM)
    write(GEOTIFF, [item], tmp_path)
    with rasterio.open(tmp_path / "map.tif") as source:
        values, colors = source.read(1), source.colormap(1)
        assert source.nodata == 255
        assert source.profile["tiled"]
        assert source.profile["compress"] == "deflate"
        masked = source.read(1, masked=True)
    np.testing.assert_array_equal(np.ma.getmaskarray(masked), item.unlabelled)
    np.testing.assert_array_equal(values[~item.unlabelled], item.labels[~item.unlabelled])
    for one in item.classes:
        assert "#{:02x}{:02x}{:02x}".format(*colors[one.id][:3]) == one.color


def test_gdal_finds_the_names_in_the_side_file(tmp_path: Path) -> None:
    from rasterio.shutil import copy

    item = difficult_image("map", georeference=UTM)
    write(GEOTIFF, [item], tmp_path)
    # A virtual copy is text, and repeats what GDAL knows about the file.
    copy(tmp_path / "map.tif", tmp_path / "map.vrt", driver="VRT")
    known = (tmp_path / "map.vrt").read_text(encoding="utf-8")
    assert "<Category>🌲 forêt Straße</Category>" in known
    assert "<Category>tree, bush; shrub</Category>" in known
    assert known.count("<Row index=") == len(item.classes)
    assert "<F>شجرة كبيرة</F>" in known


@pytest.mark.parametrize(("highest", "dtype"), [(254, "uint8"), (300, "uint16"), (10**5, "uint32")])
def test_ids_of_any_size_are_held(tmp_path: Path, highest: int, dtype: str) -> None:
    classes = (LabelClass(highest, "high", "#ffffff"), LabelClass(255, "middle", "#000000"))
    item = LabelledImage("x", np.array([[highest, 255, 7]]), classes[: 1 if highest < 255 else 2])
    found, rendered = round_trip(GEOTIFF, item, tmp_path)
    assert pixels_lost(item, found) == lost(rendered) == 0
    with rasterio.open(tmp_path / "x.tif") as source:
        assert source.dtypes[0] == dtype
        assert source.nodata not in {one.id for one in item.classes}


def test_the_value_of_unlabelled_pixels_can_be_chosen(tmp_path: Path) -> None:
    item = difficult_image("x")
    found, _ = round_trip(GEOTIFF, item, tmp_path, ExportOptions(void=99))
    assert set(found.labels[item.unlabelled].tolist()) == {99}


def test_small_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    item = difficult_image()
    found, rendered = round_trip(GEOTIFF, item, tmp_path, ExportOptions(min_pixels=30))
    assert "small objects left out" in kinds(rendered)
    assert pixels_lost(item, found) == lost(rendered)


def foreign(path: Path, values: NDArray[Any], **more: object) -> Path:
    """Write a GeoTIFF as other programs do."""
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype=values.dtype, crs="EPSG:4326", transform=rasterio.Affine(0.1, 0, 9, 0, -0.1, 50),
        **more,
    ) as target:  # fmt: skip
        target.write(values, 1)
    return path


def test_maps_of_other_programs_get_names_from_their_values(tmp_path: Path) -> None:
    values = np.array([[1, 2, 0], [-1, 5, 5]], dtype=np.int16)
    dataset = read(foreign(tmp_path / "m.tif", values, nodata=0))
    assert [(one.id, one.name) for one in dataset.classes] == [
        (1, "class 1"), (2, "class 2"), (5, "class 5"),
    ]  # fmt: skip
    assert dataset.notes
    item = dataset.load("m")
    np.testing.assert_array_equal(item.labels, values)
    assert item.unlabelled.sum() == 2
    assert item.georeference is not None


def test_maps_of_other_programs_take_names_from_gdals_side_file_or_from_the_caller(
    tmp_path: Path,
) -> None:
    path = foreign(tmp_path / "m.tif", np.array([[1, 2]], dtype=np.uint8))
    (tmp_path / "m.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category/><Category>lake</Category>'
        "</CategoryNames></PAMRasterBand></PAMDataset>"
    )
    assert [one.name for one in read(path).classes] == ["lake", "class 2"]
    classes = classes_named(["a", "b", "c"])
    assert opened(GEOTIFF, path, classes=classes).classes == classes


def test_a_folder_is_a_data_set(tmp_path: Path) -> None:
    items = [difficult_image("b/1", georeference=UTM), difficult_image("a")]
    write(GEOTIFF, items, tmp_path)
    dataset = read(tmp_path)
    assert dataset.names == ("a", "b/1")
    assert all(pixels_lost(item, dataset.load(item.name)) == 0 for item in items)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"II*\0" + b"\xff" * 40)
    floating = foreign(tmp_path / "f.tif", np.zeros((2, 2), np.float32))
    many = foreign(tmp_path / "many.tif", np.arange(10_000, dtype=np.uint16).reshape(100, 100))
    for path, message in ((bad, "cannot read"), (floating, "whole"), (many, "different values")):
        with pytest.raises(FormatError, match=message):
            read(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="no files"):
        read(tmp_path / "empty")


def test_unknown_reference_systems_are_refused() -> None:
    item = difficult_image(georeference=Georeference(UTM.transform, "nonsense"))
    assert GEOTIFF.render is not None
    with pytest.raises(FormatError, match="nonsense"):
        GEOTIFF.render(item, ExportOptions())


def test_files_without_a_place_have_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8))
    (tmp_path / "a.txt").write_text("no picture")
    assert read_georeference(tmp_path / "a.tif") is None
    assert read_georeference(tmp_path / "a.txt") is None
    assert read_georeference(tmp_path / "missing.tif") is None


def test_without_rasterio_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rasterio", "rasterio.io", "rasterio.errors"):
        monkeypatch.setitem(sys.modules, name, None)
    assert GEOTIFF.render is not None
    with pytest.raises(MissingExtraError, match=r"napari-itaclip\[geo\]"):
        GEOTIFF.render(difficult_image(), ExportOptions())
    assert read_georeference(Path("x.tif")) is None


def test_its_files_are_recognised(tmp_path: Path) -> None:
    write(GEOTIFF, [difficult_image("deep/own")], tmp_path / "own")
    assert sniff(tmp_path / "own")
    assert sniff(foreign(tmp_path / "m.tif", np.zeros((2, 2), np.uint8)))
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 4), np.uint8))
    assert not sniff(tmp_path / "plain.tif")
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((4, 4, 3), np.uint8))
    assert not sniff(tmp_path / "rgb.tif")
    assert not sniff(tmp_path / "missing.tif")

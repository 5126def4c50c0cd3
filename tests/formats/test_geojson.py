"""GeoJSON: outlines with holes, in pixels or on Earth, checked with shapely and rasterio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.geojson import GEOJSON, read, sniff
from napari_itaclip.formats.geotiff import GEOTIFF
from napari_itaclip.formats.model import ExportOptions, Georeference, LabelledImage
from tests.formats.difficult import (
    classes_named,
    difficult_image,
    images,
    kinds,
    lost,
    many_classes_image,
    pixels_lost,
    round_trip,
    touching_image,
    write,
)

shapely = pytest.importorskip("shapely")
features = pytest.importorskip("rasterio.features")

UTM = Georeference((0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0), "EPSG:32633")
DRONE = Georeference((0.008, 0.003, 350_000.0, 0.003, -0.008, 6_700_000.0), "EPSG:25832")
COARSE = Georeference((1000.0, 0.0, 4_321_000.0, 0.0, -1000.0, 3_210_000.0), "EPSG:3035")


def content_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@settings(max_examples=40)
@given(images())
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, item: LabelledImage
) -> None:
    found, rendered = round_trip(GEOJSON, item, tmp_path_factory.mktemp("geojson"))
    assert found.classes == item.classes
    assert pixels_lost(item, found) == lost(rendered)
    if item.background is None or not item.unlabelled.any():
        assert lost(rendered) == 0


@pytest.mark.parametrize("place", [None, UTM, DRONE, COARSE])
@pytest.mark.parametrize("item", [difficult_image(), touching_image(), many_classes_image()])
def test_difficult_labels_lose_what_is_reported_and_no_more(
    tmp_path: Path, item: LabelledImage, place: Georeference | None
) -> None:
    located = LabelledImage(
        item.name, item.labels, item.classes, instances=item.instances, georeference=place
    )
    found, rendered = round_trip(GEOJSON, located, tmp_path)
    assert found.classes == item.classes
    assert "outlines moved" not in kinds(rendered)
    assert pixels_lost(item, found) == lost(rendered)
    assert found.georeference == place


def test_rasterio_draws_the_same_pixels_and_shapely_finds_valid_polygons(tmp_path: Path) -> None:
    item = difficult_image("x")
    write(GEOJSON, [item], tmp_path)
    content = content_of(tmp_path / "x.geojson")
    shapes = [(one["geometry"], one["properties"]["id"]) for one in content["features"]]
    drawn = features.rasterize(shapes, out_shape=item.shape, fill=0)
    np.testing.assert_array_equal(drawn, np.where(item.unlabelled, 0, item.labels))
    for one in content["features"]:
        geometry = shapely.geometry.shape(one["geometry"])
        assert geometry.is_valid
        assert geometry.area == one["properties"]["pixels"]
        for polygon in getattr(geometry, "geoms", [geometry]):
            assert polygon.exterior.is_ccw
            assert not any(ring.is_ccw for ring in polygon.interiors)
    assert sum(len(one["geometry"]["coordinates"]) > 1 for one in content["features"]) > 1


def test_coordinates_on_earth_lie_where_the_image_lies(tmp_path: Path) -> None:
    from rasterio.warp import transform_geom

    item = difficult_image("x", georeference=UTM)
    write(GEOJSON, [item], tmp_path)
    content = content_of(tmp_path / "x.geojson")
    xs = [
        x
        for one in content["features"]
        for x, _ in shapely.get_coordinates(shapely.geometry.shape(one["geometry"])).tolist()
    ]
    assert min(xs) == pytest.approx(15.0, abs=1e-3)
    shapes = [
        (transform_geom("EPSG:4326", "EPSG:32633", one["geometry"]), one["properties"]["id"])
        for one in content["features"]
    ]
    drawn = features.rasterize(shapes, out_shape=item.shape, fill=0, transform=UTM.transform)
    np.testing.assert_array_equal(drawn, np.where(item.unlabelled, 0, item.labels))


def test_files_say_what_their_coordinates_are(tmp_path: Path) -> None:
    write(GEOJSON, [difficult_image("a"), difficult_image("b", georeference=UTM)], tmp_path)
    said = [content_of(tmp_path / f"{name}.geojson")["napari-itaclip"] for name in "ab"]
    assert [one["coordinates"] for one in said] == ["pixels", "longitude and latitude"]


def test_features_say_what_they_are(tmp_path: Path) -> None:
    confidence = np.full((20, 30), 0.75, np.float32)
    item = LabelledImage(
        "x", touching_image().labels, touching_image().classes,
        instances=touching_image().instances, confidence=confidence,
    )  # fmt: skip
    rendered = write(GEOJSON, [item], tmp_path)["x"]
    found = [one["properties"] for one in content_of(tmp_path / "x.geojson")["features"]]
    assert [one["instance"] for one in found] == [1, 2, 3, 4]
    assert found[0] == {
        "class": "cell", "id": 1, "color": item.classes[1].color, "pixels": 50, "instance": 1,
        "confidence": 0.75,
    }  # fmt: skip
    assert kinds(rendered) == {"confidence left out"}


def test_tolerance_makes_outlines_simpler_and_the_loss_is_measured(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:60, :60]
    disc = ((rows - 30) ** 2 + (columns - 30) ** 2 < 500).astype(np.uint8)
    item = LabelledImage("disc", disc, classes_named(["background", "disc"]))
    exact, _ = round_trip(GEOJSON, item, tmp_path / "exact")
    found, rendered = round_trip(GEOJSON, item, tmp_path / "rough", ExportOptions(tolerance=2))
    assert pixels_lost(item, exact) == 0
    assert 0 < pixels_lost(item, found) == lost(rendered) < 200
    sizes = [(tmp_path / one / "disc.geojson").stat().st_size for one in ("exact", "rough")]
    assert sizes[1] < sizes[0] / 2


def test_small_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    item = difficult_image()
    found, rendered = round_trip(GEOJSON, item, tmp_path, ExportOptions(min_pixels=30))
    assert "small objects left out" in kinds(rendered)
    assert pixels_lost(item, found) == lost(rendered)


def square(x0: float, y0: float, x1: float, y1: float, **properties: str) -> dict[str, Any]:
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*entries: Any, **more: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(entries), **more})


def test_features_of_other_hands_are_drawn_onto_the_image_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    point = {"type": "Feature", "properties": None, "geometry": {"type": "Point"}}
    path.write_text(
        collection(square(0, 0, 4, 2, name="roof"), square(2, 1, 99, 99, label="road"), point)
    )
    with pytest.raises(FormatError, match="put its image beside it"):
        read(path).load("a")
    Image.new("L", (10, 8)).save(tmp_path / "a.png")
    item = read(path).load("a")
    names = {one.name: one.id for one in item.classes}
    expected = np.zeros((8, 10), dtype=int)
    expected[:2, :4], expected[1:, 2:] = names["roof"], names["road"]
    np.testing.assert_array_equal(item.labels, expected)
    assert item.image_path == tmp_path / "a.png"


@pytest.mark.parametrize(
    ("crs", "corners"),
    [
        ("urn:ogc:def:crs:EPSG::32633", (500_001.0, 4_999_998.0, 500_003.0, 5_000_000.0)),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", None),
    ],
)
def test_features_on_earth_need_an_image_that_lies_there(
    tmp_path: Path, crs: str, corners: tuple[float, float, float, float] | None
) -> None:
    from rasterio.warp import transform_bounds

    classes = classes_named(["a"])
    write(
        GEOTIFF, [LabelledImage("m", np.zeros((8, 10), int), classes, georeference=UTM)], tmp_path
    )
    box = (500_001.0, 4_999_998.0, 500_003.0, 5_000_000.0)
    corners = corners or transform_bounds("EPSG:32633", "EPSG:4326", *box)
    named = {"type": "name", "properties": {"name": crs}}
    (tmp_path / "m.geojson").write_text(collection(square(*corners, name="lake"), crs=named))
    item = read(tmp_path / "m.geojson").load("m")
    expected = np.zeros((8, 10), dtype=bool)
    expected[:4, 2:6] = True
    np.testing.assert_array_equal(item.labels == item.classes[0].id, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "must be an object"),
        ("{}", "no FeatureCollection"),
        ('{"type": "FeatureCollection"}', "features"),
        (collection(), "no features"),
        ('{"type": "FeatureCollection", "features": ' + "[" * 100_000, "nested"),
        ("{", "not valid JSON"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(content)
    with pytest.raises(FormatError, match=message):
        read(path)


@pytest.mark.parametrize(
    "coordinates",
    [1, [1], [[1, 2]], [[["a", "b"]]], [[[1], [2], [3]]], [[[1e999, 1], [2, 2], [3, 3]]], {}],
)
def test_bad_geometries_are_refused(tmp_path: Path, coordinates: Any) -> None:
    feature = square(0, 0, 1, 1, name="a")
    feature["geometry"]["coordinates"] = coordinates
    path = tmp_path / "a.geojson"
    path.write_text(collection(feature).replace("Infinity", "1e999"))
    Image.new("L", (10, 8)).save(tmp_path / "a.png")
    with pytest.raises(FormatError, match="feature 1"):
        read(path).load("a")


def test_impossible_sizes_are_refused(tmp_path: Path) -> None:
    own = {"height": 10**7, "width": 10**7, "classes": [{"id": 1, "name": "a"}]}
    path = tmp_path / "a.geojson"
    path.write_text(collection(**{"napari-itaclip": own}))
    with pytest.raises(FormatError, match="pixels"):
        read(path).load("a")


def test_its_files_are_recognised(tmp_path: Path) -> None:
    write(GEOJSON, [difficult_image()], tmp_path)
    assert sniff(tmp_path)
    assert sniff(tmp_path / "nasty/one.geojson")
    (tmp_path / "a.json").write_text('{"images": []}')
    assert not sniff(tmp_path / "a.json")

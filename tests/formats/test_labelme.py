from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.labelme import LABELME
from napari_itaclip.formats.model import ExportOptions, LabelledImage
from napari_itaclip.formats.shapes.regions import object_regions
from tests.formats.scenes_of_objects import (
    HOSTILE,
    classes,
    data_folder,
    item,
    items,
    read_back,
    real_item,
    real_labels,
    same_partition,
    write,
)

QUICK = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def shapes_in(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "one.json").read_bytes())["shapes"]
    return found


def filled_like_labelme(folder: Path, one: LabelledImage) -> NDArray[np.int64]:
    """Return labels from masks and polygons as LabelMe's ``shapes_to_label`` makes them."""
    ids = {known.name: known.id for known in one.classes}
    labels = np.zeros(one.shape, np.int64)
    for shape in shapes_in(folder):
        mask = np.zeros(one.shape, bool)
        if shape["shape_type"] == "mask":
            (x0, y0), (x1, y1) = np.array(shape["points"]).astype(int).tolist()
            png = Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
            mask[y0 : y1 + 1, x0 : x1 + 1] = np.asarray(png).astype(bool)
        else:
            image = Image.new("1", (one.shape[1], one.shape[0]))
            points = [(x, y) for x, y in shape["points"]]
            ImageDraw.Draw(image).polygon(points, fill=1, outline=1)
            mask = np.asarray(image)
        labels[mask] = ids[shape["label"]]
    return labels


@QUICK
@given(one=items())
def test_labels_read_back_as_they_were_and_labelme_agrees(
    one: LabelledImage, tmp_path: Path
) -> None:
    (rendered,) = write(tmp_path, LABELME, one).values()
    again = read_back(tmp_path, LABELME)
    np.testing.assert_array_equal(again.labels, one.labels)
    assert {*again.classes} == {*one.classes}
    assert rendered.losses == ()
    np.testing.assert_array_equal(filled_like_labelme(tmp_path, one), one.labels)
    drawn = np.zeros(one.shape, int)
    for number, region in enumerate(object_regions(one), start=1):
        drawn[region.window][region.mask] = number
    assert again.instances is not None
    assert same_partition(again.instances, drawn)


@QUICK
@given(one=items(background=False), random=st.randoms(use_true_random=False))
def test_instances_in_parts_stay_one(one: LabelledImage, random: Any, tmp_path: Path) -> None:
    values = np.array([random.randrange(1, 3) for _ in range(one.labels.size)])
    instances = one.labels.astype(int) * 10 + values.reshape(one.shape)
    write(tmp_path, LABELME, replace(one, instances=instances))
    again = read_back(tmp_path, LABELME)
    assert again.instances is not None
    assert same_partition(again.instances, instances)
    assert {shape["group_id"] for shape in shapes_in(tmp_path)} == {*instances.ravel().tolist()}


@pytest.mark.parametrize(("path", "zero"), real_labels())
def test_real_labels_are_exact(path: Path, zero: bool, tmp_path: Path) -> None:
    one = real_item(path, zero=zero)
    write(tmp_path, LABELME, one)
    again = read_back(tmp_path, LABELME)
    known = ~one.unlabelled
    np.testing.assert_array_equal(again.labels[known], one.labels[known])


def test_touching_nuclei_stay_apart(tmp_path: Path) -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("no real data beside the checkout")
    for path in sorted((folder / "dsb2018_nuclei/instances").glob("*.png"))[:3]:
        numbers = np.asarray(Image.open(path)).astype(np.int64)
        write(
            tmp_path,
            LABELME,
            item(np.minimum(numbers, 1), classes("nucleus"), instances=numbers),
        )
        again = read_back(tmp_path, LABELME)
        assert again.instances is not None
        assert same_partition(again.instances, numbers)


def test_polygons_lose_what_is_reported(tmp_path: Path) -> None:
    y, x = np.indices((50, 70))
    labels = np.where(np.hypot(y - 25, x - 30) < 20, 1, 0)
    labels[np.hypot(y - 25, x - 30) < 6] = 2
    one = item(labels, classes("disk", "core"))
    (rendered,) = write(tmp_path, LABELME, one, ExportOptions(tolerance=1.5)).values()
    again = read_back(tmp_path, LABELME)
    lost = {loss.kind: loss.pixels for loss in rendered.losses}
    assert lost == {
        "outlines simplified": int(np.count_nonzero(again.labels != labels)),
        "holes bridged": 0,
    }
    assert 0 < lost["outlines simplified"] < 150
    assert {shape["shape_type"] for shape in shapes_in(tmp_path)} == {"polygon"}
    independent = filled_like_labelme(tmp_path, one)
    assert np.count_nonzero(independent != labels) < 200


def test_300_classes_with_difficult_names(tmp_path: Path) -> None:
    known = classes(*HOSTILE, *(f"class {at}" for at in range(293)))
    labels = np.arange(301).reshape(7, 43)
    write(tmp_path, LABELME, item(labels, known))
    again = read_back(tmp_path, LABELME)
    np.testing.assert_array_equal(again.labels, labels)
    assert {*again.classes} == {*known}
    lines = (tmp_path / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["__ignore__", "_background_"]
    assert len(lines) == 302


def test_pictures_lie_beside_and_names_come_back(tmp_path: Path) -> None:
    names = ["../../evil", "day 1/field 3", "LPT1", "🦊", "a\x00b"]
    picture = np.zeros((1, 2, 3), np.uint8)
    many = {name: item([[1, 0]], classes("a"), name, image=picture) for name in names}
    write(tmp_path / "in", LABELME, many)
    assert [one.name for one in tmp_path.iterdir()] == ["in"]
    assert LABELME.read is not None
    data = LABELME.read(tmp_path / "in")
    assert sorted(data.names) == sorted(names)
    for name in names:
        found = data.load(name).image_path
        assert found is not None
        assert found.resolve().is_relative_to((tmp_path / "in").resolve())
    beside = json.loads((tmp_path / "in/day 1/field 3.json").read_bytes())["imagePath"]
    assert beside == "field 3.png"


def test_losses_are_reported() -> None:
    assert LABELME.render is not None
    one = item(
        [[1, 1, 9, 2]],
        classes("a", "b"),
        instances=np.array([[5, 5, 0, 5]]),
        confidence=np.ones((1, 4)),
    )
    lost = {x.kind: x.pixels for x in LABELME.render(one, ExportOptions(min_pixels=2)).losses}
    assert lost == {
        "small objects left out": 1,
        "unlabelled left out": 1,
        "confidence left out": 0,
        "instances divided": 0,
    }


def foreign(folder: Path, *shapes: dict[str, Any], **changes: Any) -> Path:
    """Write a file of somebody else."""
    data: dict[str, Any] = {
        "version": "4.5.6",
        "shapes": list(shapes),
        "imagePath": "..\\a.jpg",
        "imageData": None,
        "imageHeight": 6,
        "imageWidth": 8,
    }
    path = folder / "a.json"
    path.write_text(json.dumps({**data, **changes}))
    return path


def shape(kind: str, points: Any, label: str = "cat", **rest: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, **rest}


def test_files_of_others_with_every_kind_of_shape(tmp_path: Path) -> None:
    first = shape("polygon", [[0, 0], [7, 0], [7, 5], [0, 5]], group_id=1)
    del first["shape_type"]
    path = foreign(
        tmp_path,
        first,
        shape("rectangle", [[4.9, 3], [2.2, 1.7]], "dog"),
        shape("circle", [[6, 4], [6, 5]], group_id=1),
        shape("line", [[0, 0], [5, 5]]),
        shape("point", [[0, 0]]),
        shape("rectangle", [[0, 0], [0, 0]], "__ignore__"),
    )
    assert LABELME.read is not None
    assert LABELME.sniff is not None
    assert LABELME.sniff(path)
    assert LABELME.sniff(tmp_path)
    data = LABELME.read(path)
    assert [(one.id, one.name) for one in data.classes] == [(1, "cat"), (2, "dog")]
    assert data.notes == (
        "1 shapes of the kind 'line' have no area and were left out",
        "1 shapes of the kind 'point' have no area and were left out",
    )
    again = data.load("a")
    expected = np.ones((6, 8))
    expected[1:4, 2:5] = 2
    np.testing.assert_array_equal(again.labels, expected)
    assert again.instances is not None
    np.testing.assert_array_equal(again.instances, expected)
    assert again.image_path is None


def png(width: int, height: int) -> str:
    stream = io.BytesIO()
    Image.new("L", (width, height), 1).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_a_mask_that_reaches_over_the_edge_is_cut(tmp_path: Path) -> None:
    path = foreign(tmp_path, shape("mask", [[-1, 4], [1, 6]], mask=png(3, 3)))
    assert LABELME.read is not None
    labels = LABELME.read(path).load("a").labels
    assert labels[4:, :2].all()
    assert np.count_nonzero(labels) == 4


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (shape("polygon", [[0, 0], [1, float("inf")], [2, 2]]), "Infinity"),
        (shape("polygon", [[0, 0], [1, 1e12], [2, 2]]), "far outside"),
        (shape("polygon", [[0, 0], [1, 10**400], [2, 2]]), "finite|number"),
        (shape("polygon", []), "at least 3 points"),
        (shape("polygon", [[0], [1, 1], [2, 2]]), "must be"),
        (shape("polygon", None), "list"),
        (shape("rectangle", [[0, 0]]), "2 points"),
        (shape("circle", [[0, 0], [1e9, 0]]), "far outside"),
        (shape("mask", [[0, 0], [1, 1]]), "must be text"),
        (shape("mask", [[0, 0], [1, 1]], mask="%%%"), "not a PNG"),
        (shape("mask", [[0, 0], [1, 1]], mask="aGVsbG8="), "not a PNG"),
        (shape("mask", [[0, 0], [99, 1]], mask=png(100, 2)), "larger than the image"),
        (shape("mask", [[1e9, 0], [99, 1]], mask=png(2, 2)), "far outside"),
        (shape(7, [[0, 0]]), "shape_type"),  # type: ignore[arg-type]
        ({"points": []}, "label"),
    ],
)
def test_damaged_shapes_are_refused(tmp_path: Path, bad: dict[str, Any], message: str) -> None:
    assert LABELME.read is not None
    with pytest.raises(FormatError, match=message):
        LABELME.read(foreign(tmp_path, bad)).load("a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imageHeight": 10**9, "imageWidth": 10**9}, "more than the"),
        ({"imageHeight": None}, "imageHeight"),
        ({"shapes": {}}, "'shapes'"),
        ({"napari_itaclip": {"classes": [{"name": "a"}]}}, "id"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, changes: Any, message: str) -> None:
    assert LABELME.read is not None
    with pytest.raises(FormatError, match=message):
        LABELME.read(foreign(tmp_path, **changes)).load("a")


def test_folders_without_files_and_unknown_names_are_refused(tmp_path: Path) -> None:
    assert LABELME.read is not None
    with pytest.raises(FormatError, match="no LabelMe files"):
        LABELME.read(tmp_path)
    with pytest.raises(FormatError, match="no image 'b'"):
        LABELME.read(foreign(tmp_path)).load("b")

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import coco as reference

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.coco import COCO, COCO_INSTANCES, COCO_POLYGONS
from napari_itaclip.formats.coco_panoptic import COCO_PANOPTIC
from napari_itaclip.formats.model import ExportOptions, Format, LabelClass, LabelledImage
from napari_itaclip.formats.shapes.regions import object_regions
from tests.formats.scenes_of_objects import (
    HOSTILE,
    classes,
    data_folder,
    item,
    items,
    lost_pixels,
    read_back,
    real_item,
    real_labels,
    same_partition,
    write,
)

ALL = (COCO, COCO_INSTANCES, COCO_POLYGONS)
QUICK = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = "annotations/instances_train.json"


@pytest.fixture(params=ALL, ids=lambda one: one.name)
def format(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


def reference_labels(folder: Path, one: LabelledImage) -> NDArray[np.int64]:
    """Return labels as pycocotools reads them; every pixel may belong to one annotation."""
    data = reference.COCO(str(folder / JSON))
    (image,) = data.getImgIds()
    labels: NDArray[np.int64] = np.zeros(one.shape, np.int64)
    for row in data.loadAnns(data.getAnnIds(imgIds=image, iscrowd=False)):
        mask = data.annToMask(row).astype(bool)
        assert not labels[mask].any()
        assert row["area"] == np.count_nonzero(mask)
        y, x = np.nonzero(mask)
        left, top, width, height = row["bbox"]
        assert (left, top) == (x.min(), y.min())
        assert (left + width, top + height) == (x.max() + 1, y.max() + 1)
        labels[mask] = row["category_id"]
    return labels


@QUICK
@given(one=items())
def test_labels_read_back_as_they_were_and_pycocotools_agrees(
    one: LabelledImage, format: Format, tmp_path: Path
) -> None:
    rendered = write(tmp_path, format, one)
    again = read_back(tmp_path, format)
    np.testing.assert_array_equal(again.labels, one.labels)
    assert {*again.classes} == {*one.classes}
    assert lost_pixels(rendered["one"]) == 0
    if one.labels.any():
        np.testing.assert_array_equal(reference_labels(tmp_path, one), one.labels)
    if format.instances and again.instances is not None:
        drawn = np.zeros(one.shape, int)
        for number, region in enumerate(object_regions(one), start=1):
            drawn[region.window][region.mask] = number
        assert same_partition(again.instances, drawn)


@QUICK
@given(one=items(background=False), numbers=st.randoms(use_true_random=False))
def test_instances_that_touch_stay_apart(one: LabelledImage, numbers: Any, tmp_path: Path) -> None:
    values = np.array([numbers.randrange(3) for _ in range(one.labels.size)])
    # Of one class each, so that none has to be divided.
    values = values.reshape(one.shape)
    instances = np.where(values > 0, one.labels * 10 + values, 0)
    given_item = replace(one, instances=instances)
    for format in (COCO_INSTANCES, COCO_POLYGONS):
        write(tmp_path, format, given_item)
        again = read_back(tmp_path, format)
        np.testing.assert_array_equal(again.labels, one.labels)
        assert again.instances is not None
        assert same_partition(again.instances[instances > 0], instances[instances > 0])


def test_simplified_polygons_lose_what_is_reported(tmp_path: Path) -> None:
    y, x = np.indices((50, 70))
    labels = np.where(np.hypot(y - 25, x - 30) < 20, 1, 0)
    labels[np.hypot(y - 25, x - 30) < 6] = 0
    labels[20:40, 48:66] = 2
    one = item(labels, classes("disk", "box"))
    rendered = write(tmp_path, COCO_POLYGONS, one, ExportOptions(tolerance=1.5))["one"]
    again = read_back(tmp_path, COCO_POLYGONS)
    kinds = {loss.kind: loss.pixels for loss in rendered.losses}
    assert kinds == {
        "outlines simplified": int(np.count_nonzero(again.labels != labels)),
        "holes bridged": 0,
    }
    assert 0 < kinds["outlines simplified"] < 150
    points = [len(row["polygons"][0]) for row in rendered.record["annotations"]]
    assert max(points) < 120


@pytest.mark.parametrize(("path", "zero"), real_labels())
def test_real_labels_are_exact(path: Path, zero: bool, format: Format, tmp_path: Path) -> None:
    one = real_item(path, zero=zero)
    write(tmp_path, format, one)
    again = read_back(tmp_path, format)
    known = ~one.unlabelled
    np.testing.assert_array_equal(again.labels[known], one.labels[known])
    expected = np.where(one.unlabelled | (one.labels == 0), 0, one.labels)
    np.testing.assert_array_equal(reference_labels(tmp_path, one), expected)


def test_touching_nuclei_stay_apart(tmp_path: Path) -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("no real data beside the checkout")
    from PIL import Image

    for path in sorted((folder / "dsb2018_nuclei/instances").glob("*.png"))[:3]:
        numbers = np.asarray(Image.open(path)).astype(np.int64)
        one = item(np.minimum(numbers, 1), classes("nucleus"), instances=numbers)
        write(tmp_path, COCO_POLYGONS, one)
        again = read_back(tmp_path, COCO_POLYGONS)
        assert again.instances is not None
        assert same_partition(again.instances, numbers)


def test_unlabelled_pixels_and_other_losses_are_reported(format: Format) -> None:
    one = item(
        [[1, 9], [0, 2]],
        classes("a", "b"),
        instances=np.array([[5, 0], [0, 5]]),
        confidence=np.ones((2, 2)),
    )
    assert format.render is not None
    losses = {loss.kind: loss.pixels for loss in format.render(one, ExportOptions()).losses}
    expected = {"unlabelled left out": 1, "confidence left out": 0}
    own = {"instances divided": 0} if format.instances else {"instances left out": 0}
    assert losses == expected | own
    small = format.render(one, ExportOptions(min_pixels=2))
    assert {loss.kind: loss.pixels for loss in small.losses}["small objects left out"] == 2
    assert small.record["annotations"] == []


def test_a_class_0_gets_another_category_and_its_id_back(format: Format, tmp_path: Path) -> None:
    known = classes("sky", "road", background=False, first=0)
    rendered = write(tmp_path, format, item([[0, 1], [1, 7]], known))["one"]
    assert [loss.kind for loss in rendered.losses] == ["ids changed"]
    again = read_back(tmp_path, format)
    assert again.labels.tolist() == [[0, 1], [1, 255]]
    rows = json.loads((tmp_path / JSON).read_bytes())["categories"]
    assert [row["id"] for row in rows] == [2, 1]


def test_300_classes_with_difficult_names(format: Format, tmp_path: Path) -> None:
    known = classes(*HOSTILE, *(f"class {at}" for at in range(293)))
    labels = np.arange(301).reshape(7, 43)
    write(tmp_path, format, item(labels, known))
    again = read_back(tmp_path, format)
    np.testing.assert_array_equal(again.labels, labels)
    assert {*again.classes} == {*known}


def test_hostile_image_names_stay_in_the_folder_and_come_back(
    format: Format, tmp_path: Path
) -> None:
    names = ["../../evil", "/etc/passwd", "C:\\x", "day 1/field 3", "CON", "🦊", "a\x00b", ".."]
    picture = np.zeros((2, 2, 3), np.uint8)
    many = {name: item([[1, 0], [0, 1]], classes("a"), name, image=picture) for name in names}
    folder = tmp_path / "in"
    rendered = write(folder, format, many)
    assert not any(".." in path.split("/") for one in rendered.values() for path in one.files)
    assert [one.name for one in tmp_path.iterdir()] == ["in"]
    assert format.read is not None
    data = format.read(folder)
    assert sorted(data.names) == sorted(names)
    for name in names:
        found = data.load(name).image_path
        assert found is not None
        assert found.resolve().is_relative_to(folder.resolve())


def test_ids_stay_when_the_data_set_grows_and_empty_images_are_listed(
    format: Format, tmp_path: Path
) -> None:
    known = classes("a", "b")
    first = {name: item([[1, 2]], known, name) for name in ("m", "z")}
    write(tmp_path, format, first)
    before = json.loads((tmp_path / JSON).read_bytes())
    content = (tmp_path / JSON).read_bytes()
    write(tmp_path, format, first)
    assert (tmp_path / JSON).read_bytes() == content
    write(tmp_path, format, {**first, "b": item([[0, 0]], known, "b")})
    after = json.loads((tmp_path / JSON).read_bytes())
    assert [one for one in after["images"] if one["file_name"] != "b.png"] == before["images"]
    assert after["annotations"] == before["annotations"]
    ids = [one["id"] for one in [*after["images"], *after["annotations"]]]
    assert len({*ids}) == len(ids)
    assert not read_back(tmp_path, format, "b").labels.any()


def test_splits_have_a_file_each(tmp_path: Path) -> None:
    assert COCO.assemble is not None
    record = {"file": "images/a.png", "width": 1, "height": 1, "annotations": []}
    records = {"a": {**record, "split": "val"}, "b": {**record, "split": "train"}}
    files = COCO.assemble(records, classes("x"), ExportOptions(split="test"), {})
    assert [*files] == ["annotations/instances_train.json", "annotations/instances_val.json"]
    assert [*COCO.assemble({}, classes("x"), ExportOptions(split="test"), {})] == [
        "annotations/instances_test.json"
    ]


def foreign(folder: Path, **changes: Any) -> Path:
    """Write a file of other people."""
    data: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "p/q.jpg", "width": 6, "height": 4}],
        "annotations": [],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog", "color": [1, 2, 3]}],
    }
    path = folder / "instances_val2017.json"
    path.write_text(json.dumps({**data, **changes}))
    return path


def annotation(segmentation: Any, category: int = 3, **rest: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": category, "segmentation": segmentation, **rest}


def test_files_of_others_with_every_kind_of_mask(tmp_path: Path) -> None:
    rows = [
        annotation({"size": [4, 6], "counts": [0, 24]}, 5, iscrowd=1),
        annotation([[1, 1, 3, 1, 3, 3, 1, 3]]),
        annotation([[0, 0, 5, 0, 5, 4, 0, 4]], 5),
        annotation({"size": [4, 6], "counts": "g01"}),
        annotation([], 3),
    ]
    path = foreign(tmp_path, annotations=rows)
    assert COCO.read is not None
    assert COCO.sniff is not None
    assert COCO_PANOPTIC.sniff is not None
    assert COCO.sniff(path)
    assert COCO.sniff(tmp_path)
    assert not COCO_PANOPTIC.sniff(path)
    data = COCO.read(path)
    assert [(one.id, one.name) for one in data.classes] == [(3, "cat"), (5, "dog")]
    assert data.classes[1].color == "#010203"
    assert data.notes == ("1 annotations have a box but no outline and were left out",)
    again = data.load("p/q")
    expected = np.full((4, 6), 5)
    expected[1:3, 1:3] = 3
    numbers = np.array([[3] * 5 + [1]] * 4)
    numbers[1:3, 1:3] = 2
    # The fourth annotation has one pixel, after 23 others.
    expected[3, 5], numbers[3, 5] = 3, 4
    np.testing.assert_array_equal(again.labels, expected)
    np.testing.assert_array_equal(again.instances, numbers)


def test_given_classes_keep_their_ids(tmp_path: Path) -> None:
    path = foreign(tmp_path, annotations=[annotation([[1, 1, 3, 1, 3, 3, 1, 3]])])
    assert COCO.read is not None
    given_classes = (LabelClass(8, "cat", "#ff0000"),)
    again = COCO.read(path, classes=given_classes).load("p/q")
    assert again.labels[1, 1] == 8
    assert again.classes[0] == given_classes[0]


SQUARE = [1, 1, 3, 1, 3, 3]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 1, 2, 2]], "at least 3 points"),
        ([[1, 1, 2, 2, 3, 1e11]], "far outside"),
        ([[1, 1, 2, 2, 3, None]], "number"),
        ("text", "list"),
        ({"size": [4, 6], "counts": [1, 2]}, "make 3 pixels"),
        ({"size": [6, 4], "counts": [24]}, "size"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "size"),
        ({"size": [4, 6], "counts": "ééé"}, "no meaning"),
        ({"size": [4, 6], "counts": "ooo"}, "break off"),
        ({"size": [4, 6], "counts": {"a": 1}}, "list or text"),
        ({"counts": [24]}, "size"),
    ],
)
def test_damaged_masks_are_refused(tmp_path: Path, segmentation: Any, message: str) -> None:
    path = foreign(tmp_path, annotations=[annotation(segmentation)])
    assert COCO.read is not None
    with pytest.raises(FormatError, match=message):
        COCO.read(path).load("p/q")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 1, "file_name": "a.png", "width": 10**9, "height": 10**9}]}, "more"),
        ({"images": [{"id": 1, "file_name": "a.png", "width": 5}]}, "height"),
        ({"images": [{"id": 1, "file_name": "a.png", "width": 5, "height": -2}]}, "height"),
        ({"images": [{"id": 1, "file_name": 7, "width": 5, "height": 2}]}, "file_name"),
        ({"images": [{"id": 1}, {"id": 1}]}, "two images have the id 1"),
        ({"images": [{"id": []}]}, "id"),
        ({"images": {}}, "images"),
        ({"annotations": [5]}, "annotation"),
        ({"annotations": [annotation([SQUARE], 4)]}, "category 4"),
        ({"categories": []}, "no categories"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "two categories"),
        ({"categories": [{"id": 1, "name": "a\ud800"}]}, "half of a character"),
        ({"categories": [{"id": 2.5, "name": "a"}]}, "id"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, changes: Any, message: str) -> None:
    path = foreign(tmp_path, **changes)

    def read_all() -> None:
        assert COCO.read is not None
        data = COCO.read(path)
        data.load(data.names[0])

    with pytest.raises(FormatError, match=message):
        read_all()


def test_pictures_outside_the_folder_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    folder = tmp_path / "set"
    folder.mkdir()
    row = {"id": 1, "file_name": "../secret.png", "width": 6, "height": 4}
    path = foreign(folder, images=[row])
    assert COCO.read is not None
    data = COCO.read(path)
    assert data.load(data.names[0]).image_path is None


def test_lost_annotations_are_noted_and_unknown_names_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path, annotations=[{**annotation([SQUARE]), "image_id": 9}])
    assert COCO.read is not None
    data = COCO.read(path)
    assert data.notes == ("1 annotations belong to no image and were left out",)
    with pytest.raises(FormatError, match="no image 'x'"):
        data.load("x")
    with pytest.raises(FormatError, match="no COCO instance"):
        COCO.read(tmp_path / "nothing")

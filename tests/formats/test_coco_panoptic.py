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
from PIL import Image

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.coco import COCO
from napari_itaclip.formats.coco_panoptic import COCO_PANOPTIC
from napari_itaclip.formats.model import ExportOptions, LabelledImage
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

JSON = "annotations/panoptic_train.json"
PNG = "annotations/panoptic_train/one.png"


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / JSON).read_bytes())
    return found


def numbers_in(path: Path) -> NDArray[np.int64]:
    """Return segment numbers as panopticapi's ``rgb2id`` does."""
    rgb = np.asarray(Image.open(path)).astype(np.int64)
    found: NDArray[np.int64] = rgb[..., 0] + 256 * rgb[..., 1] + 256**2 * rgb[..., 2]
    return found


def check_segments(folder: Path) -> None:
    """Check what panopticapi's evaluation checks: the file and the PNG tell the same."""
    (annotation,) = document(folder)["annotations"]
    numbers = numbers_in(folder / "annotations/panoptic_train" / annotation["file_name"])
    present = {*np.unique(numbers).tolist()} - {0}
    assert present == {one["id"] for one in annotation["segments_info"]}
    for one in annotation["segments_info"]:
        y, x = np.nonzero(numbers == one["id"])
        left, top = int(x.min()), int(y.min())
        assert one["area"] == len(x)
        assert one["bbox"] == [left, top, int(x.max()) - left + 1, int(y.max()) - top + 1]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=items(), random=st.randoms(use_true_random=False), with_numbers=st.booleans())
def test_every_pixel_reads_back(
    one: LabelledImage, random: Any, with_numbers: bool, tmp_path: Path
) -> None:
    valid = np.array([random.random() < 0.8 for _ in range(one.labels.size)]).reshape(one.shape)
    one = replace(one, valid=valid)
    instances = np.zeros(one.shape, int)
    if with_numbers:
        values = np.array([random.randrange(3) for _ in range(one.labels.size)])
        values = values.reshape(one.shape)
        instances = np.where((values > 0) & valid & (one.labels > 0), one.labels * 9 + values, 0)
        one = replace(one, instances=instances)
    (rendered,) = write(tmp_path, COCO_PANOPTIC, one).values()
    assert rendered.losses == ()
    check_segments(tmp_path)
    again = read_back(tmp_path, COCO_PANOPTIC)
    np.testing.assert_array_equal(again.labels, np.where(valid, one.labels, 255))
    if instances.any():
        assert again.instances is not None
        assert same_partition(again.instances[instances > 0], instances[instances > 0])
    else:
        assert again.instances is None


def test_only_classes_with_instances_are_things(tmp_path: Path) -> None:
    known = classes("cat", "grass")
    numbers = np.array([[1, 2, 0], [0, 0, 0]])
    one = item([[1, 1, 1], [2, 2, 0]], known, instances=numbers)
    write(tmp_path, COCO_PANOPTIC, one)
    rows = document(tmp_path)["categories"]
    assert {row["name"]: row["isthing"] for row in rows} == {"nothing": 0, "cat": 1, "grass": 0}
    # Two cats, pixels of cats that belong to none, grass, nothing.
    assert len(document(tmp_path)["annotations"][0]["segments_info"]) == 5


@pytest.mark.parametrize(("path", "zero"), real_labels())
def test_real_labels_are_exact(path: Path, zero: bool, tmp_path: Path) -> None:
    one = real_item(path, zero=zero)
    write(tmp_path, COCO_PANOPTIC, one)
    check_segments(tmp_path)
    again = read_back(tmp_path, COCO_PANOPTIC)
    np.testing.assert_array_equal(again.unlabelled, one.unlabelled)
    known = ~one.unlabelled
    np.testing.assert_array_equal(again.labels[known], one.labels[known])


def test_real_panoptic_segments_become_instances_and_segments_again(tmp_path: Path) -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("no real data beside the checkout")
    for path in sorted((folder / "coco_panoptic_train2017/panoptic").glob("*.png"))[:3]:
        numbers = numbers_in(path)
        labels = np.asarray(Image.open(path.parents[1] / "masks" / path.name))
        known = classes(*map(str, range(1, 201)), background=False)
        things = np.where(labels <= 90, numbers, 0)
        write(tmp_path, COCO_PANOPTIC, item(labels, known, instances=things))
        check_segments(tmp_path)
        again = read_back(tmp_path, COCO_PANOPTIC)
        np.testing.assert_array_equal(again.labels, labels)
        if things.any():
            assert again.instances is not None
            inside = things > 0
            assert same_partition(again.instances[inside], things[inside])


def test_300_classes_with_difficult_names_and_a_class_0(tmp_path: Path) -> None:
    known = classes(*HOSTILE, *(f"class {at}" for at in range(293)), background=False, first=0)
    labels = np.arange(300).reshape(12, 25)
    (rendered,) = write(tmp_path, COCO_PANOPTIC, item(labels, known)).values()
    assert [loss.kind for loss in rendered.losses] == ["ids changed"]
    again = read_back(tmp_path, COCO_PANOPTIC)
    np.testing.assert_array_equal(again.labels, labels)
    assert {*again.classes} == {*known}


def test_small_objects_become_unlabelled(tmp_path: Path) -> None:
    one = item([[1, 0, 2, 2]], classes("a", "b"))
    (rendered,) = write(tmp_path, COCO_PANOPTIC, one, ExportOptions(min_pixels=2)).values()
    assert [(loss.kind, loss.pixels) for loss in rendered.losses] == [("small objects left out", 1)]
    assert read_back(tmp_path, COCO_PANOPTIC).labels.tolist() == [[255, 0, 2, 2]]


def test_hostile_image_names_come_back(tmp_path: Path) -> None:
    names = ["../../evil", "day 1/field 3", "NUL", "🦊"]
    many = {name: item([[1, 0]], classes("a"), name) for name in names}
    write(tmp_path / "in", COCO_PANOPTIC, many)
    assert [one.name for one in tmp_path.iterdir()] == ["in"]
    assert COCO_PANOPTIC.read is not None
    data = COCO_PANOPTIC.read(tmp_path / "in")
    assert sorted(data.names) == sorted(names)
    assert all(data.load(name).labels.tolist() == [[1, 0]] for name in names)


def test_it_is_known_from_coco_of_objects(tmp_path: Path) -> None:
    assert COCO.sniff is not None
    assert COCO_PANOPTIC.sniff is not None
    write(tmp_path, COCO_PANOPTIC, item([[1, 0]], classes("a")))
    for place in (tmp_path, tmp_path / JSON):
        assert COCO_PANOPTIC.sniff(place)
        assert not COCO.sniff(place)


def test_damaged_data_sets_are_refused(tmp_path: Path) -> None:
    def attempt(message: str, **changes: Any) -> None:
        data = document(tmp_path)
        data["annotations"][0].update(changes.pop("annotation", {}))
        data["images"][0].update(changes)
        (tmp_path / JSON).write_text(json.dumps(data))
        with pytest.raises(FormatError, match=message):
            read_back(tmp_path, COCO_PANOPTIC)
        write(tmp_path, COCO_PANOPTIC, one)

    one = item([[1, 0]], classes("a"))
    write(tmp_path, COCO_PANOPTIC, one)
    attempt("leaves the data set", annotation={"file_name": "../panoptic_train.json"})
    attempt("cannot be read as a PNG", annotation={"file_name": "missing.png"})
    attempt("segments_info", annotation={"segments_info": None})
    attempt("a segment of", annotation={"segments_info": [3]})
    attempt("category 77", annotation={"segments_info": [{"id": 1, "category_id": 77}]})
    attempt("instead of one", annotation={"image_id": 1})
    attempt("pixels, but its image", width=3)
    attempt("more than the", width=10**9, height=10**9)
    (tmp_path / PNG).write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(FormatError, match="cannot be read as a PNG"):
        read_back(tmp_path, COCO_PANOPTIC)

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import ExportOptions, LabelledImage
from napari_itaclip.formats.yolo import YOLO
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

LABELS = "labels/train/one.txt"


def filled_like_ultralytics(folder: Path, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Fill the polygons by cutting coordinates to whole pixels and drawing the edges."""
    image = Image.new("L", (shape[1], shape[0]))
    size = np.array([shape[1], shape[0]], np.float32)
    for line in (folder / LABELS).read_text().splitlines():
        place, *values = line.split()
        points = (np.array(values, np.float32).reshape(-1, 2) * size).astype(np.int32)
        corners = [(int(x), int(y)) for x, y in points]
        ImageDraw.Draw(image).polygon(corners, fill=int(place) + 1, outline=int(place) + 1)
    return np.asarray(image)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=items())
def test_labels_read_back_as_they_were(one: LabelledImage, tmp_path: Path) -> None:
    (rendered,) = write(tmp_path, YOLO, one).values()
    again = read_back(tmp_path, YOLO)
    np.testing.assert_array_equal(again.labels, one.labels)
    assert {*again.classes} == {*one.classes}
    assert lost_pixels(rendered) == 0


@pytest.mark.parametrize(("path", "zero"), real_labels())
def test_real_labels_are_exact(path: Path, zero: bool, tmp_path: Path) -> None:
    one = real_item(path, zero=zero)
    (rendered,) = write(tmp_path, YOLO, one).values()
    again = read_back(tmp_path, YOLO)
    known = ~one.unlabelled
    np.testing.assert_array_equal(again.labels[known], one.labels[known])
    lost = {loss.kind: loss.pixels for loss in rendered.losses}
    assert "outlines simplified" not in lost
    # Without overlaps, the order of filling does not matter.
    expected = np.where(one.unlabelled, 0, one.labels)
    np.testing.assert_array_equal(filled_like_ultralytics(tmp_path, one.shape), expected)


def test_touching_nuclei_stay_apart(tmp_path: Path) -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("no real data beside the checkout")
    for path in sorted((folder / "dsb2018_nuclei/instances").glob("*.png"))[:3]:
        numbers = np.asarray(Image.open(path)).astype(np.int64)
        one = item(np.minimum(numbers, 1), classes("nucleus"), instances=numbers)
        (rendered,) = write(tmp_path, YOLO, one).values()
        again = read_back(tmp_path, YOLO)
        assert again.instances is not None
        np.testing.assert_array_equal(again.labels, one.labels)
        if "instances divided" not in [loss.kind for loss in rendered.losses]:
            assert same_partition(again.instances, numbers)


def test_simplified_polygons_lose_what_is_reported(tmp_path: Path) -> None:
    y, x = np.indices((50, 70))
    labels = np.where(np.hypot(y - 25, x - 30) < 20, 1, 0)
    labels[np.hypot(y - 25, x - 30) < 6] = 0
    one = item(labels, classes("disk"))
    (rendered,) = write(tmp_path, YOLO, one, ExportOptions(tolerance=1.5)).values()
    again = read_back(tmp_path, YOLO)
    lost = {loss.kind: loss.pixels for loss in rendered.losses}
    assert lost == {
        "outlines simplified": int(np.count_nonzero(again.labels != labels)),
        "holes bridged": 0,
        "ids changed": 0,
    }
    assert 0 < lost["outlines simplified"] < 150


def test_parts_that_lie_apart_are_lines_of_their_own(tmp_path: Path) -> None:
    one = item([[1, 0, 1]], classes("a"), instances=np.array([[3, 0, 3]]))
    (rendered,) = write(tmp_path, YOLO, one).values()
    assert "instances divided" in [loss.kind for loss in rendered.losses]
    assert len((tmp_path / LABELS).read_text().splitlines()) == 2
    assert read_back(tmp_path, YOLO).labels.tolist() == [[1, 0, 1]]


def test_data_yaml_lists_all_splits_and_quotes_names(tmp_path: Path) -> None:
    known = classes(*HOSTILE, *(f"class {at}" for at in range(293)))
    labels = np.arange(301).reshape(7, 43)
    write(tmp_path, YOLO, item(labels, known))
    data = yaml.safe_load((tmp_path / "data.yaml").read_bytes())
    assert data["names"] == {at: one.name for at, one in enumerate(known[1:])}
    assert (data["train"], data["val"], data["nc"]) == ("images/train", "images/train", 300)
    again = read_back(tmp_path, YOLO)
    np.testing.assert_array_equal(again.labels, labels)
    assert {*again.classes} == {*known}
    assert YOLO.assemble is not None
    records = {name: {"split": name, "file": "x"} for name in ("val", "train", "extra")}
    grown = yaml.safe_load(YOLO.assemble(records, known, ExportOptions(), {})["data.yaml"])
    paths = {key: value for key, value in grown.items() if str(value).startswith("images/")}
    assert paths == {one: f"images/{one}" for one in ("train", "val", "extra")}


def test_images_without_objects_have_an_empty_file(tmp_path: Path) -> None:
    picture = np.full((2, 3, 3), 7, np.uint8)
    write(tmp_path, YOLO, item(np.zeros((2, 3), int), classes("a"), image=picture))
    assert (tmp_path / LABELS).read_bytes() == b""
    again = read_back(tmp_path, YOLO)
    assert again.labels.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert again.image_path == tmp_path / "images/train/one.png"


def test_small_objects_and_instances_of_two_classes_are_reported() -> None:
    assert YOLO.render is not None
    one = item([[1, 1, 0, 2]], classes("a", "b"), instances=np.array([[5, 5, 0, 5]]))
    rendered = YOLO.render(one, ExportOptions(min_pixels=2))
    lost = {loss.kind: loss.pixels for loss in rendered.losses}
    assert lost == {"small objects left out": 1, "instances divided": 0, "ids changed": 0}
    unlabelled = YOLO.render(replace(one, labels=np.array([[1, 1, 0, 9]])), ExportOptions())
    assert {loss.kind: loss.pixels for loss in unlabelled.losses}["unlabelled left out"] == 1


def test_hostile_image_names_stay_in_the_folder(tmp_path: Path) -> None:
    names = ["../../evil", "/etc/passwd", "images/a", "day 1/field 3", "COM1", "🦊"]
    many = {name: item([[1, 0]], classes("a"), name) for name in names}
    rendered = write(tmp_path / "in", YOLO, many)
    assert [one.name for one in tmp_path.iterdir()] == ["in"]
    assert YOLO.read is not None
    data = YOLO.read(tmp_path / "in")
    assert len(data.names) == len(names)
    assert {"day 1/field 3", "🦊"} < {*data.names}
    assert all(data.load(name).labels.tolist() == [[1, 0]] for name in data.names)
    changed = {
        name
        for name, one in rendered.items()
        if "names changed" in [loss.kind for loss in one.losses]
    }
    assert changed == {*names} - {*data.names}


def foreign(folder: Path, text: str, names: str = "[cat, dog]", picture: bool = True) -> Path:
    """Write a data set as Roboflow does it."""
    for part in ("images", "labels"):
        (folder / "train" / part).mkdir(parents=True, exist_ok=True)
    (folder / "train/labels/a.txt").write_text(text)
    if picture:
        Image.new("RGB", (10, 5)).save(folder / "train/images/a.jpg")
    (folder / "data.yaml").write_text(
        f"train: ../train/images\nval: ../valid/images\nnames: {names}"
    )
    return folder


def test_data_sets_of_others(tmp_path: Path) -> None:
    whole, part = "1 0 0 0.99 0 0.99 0.99 0 0.99", "0 0.2 0.2 0.45 0.2 0.45 0.5 0.2 0.5"
    folder = foreign(tmp_path, f"{part}\n{whole}\n0 0.5 0.5 0.1 0.1\n\n")
    assert YOLO.read is not None
    assert YOLO.sniff is not None
    assert YOLO.sniff(folder)
    data = YOLO.read(folder / "data.yaml")
    assert [(one.id, one.name) for one in data.classes] == [(1, "cat"), (2, "dog")]
    again = data.load("a")
    expected = np.full((5, 10), 2)
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(again.labels, expected)
    assert again.instances is not None
    assert (again.instances[1, 2], again.instances[0, 0]) == (1, 2)
    assert again.image_path is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 1", "at least 3 points"),
        ("0 0 0 1 0 1 nan", "not a finite number"),
        ("0 0 0 1 0 1 1e9", "far outside"),
        ("0 0 0 1 0 1", "at least 3 points"),
        ("0 0 0 1 0 1 x", "could not convert"),
        ("7 0 0 1 0 1 1", "no class '7'"),
        ("-1 0 0 1 0 1 1", "no class '-1'"),
        (f"{'1' * 99} 0 0 1 0 1 1", "no class"),
    ],
)
def test_damaged_label_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    assert YOLO.read is not None
    with pytest.raises(FormatError, match=message):
        YOLO.read(foreign(tmp_path, text)).load("a")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("{}", "no 'names'"),
        ("{-1: a}", "not a class's number"),
        ("[[a]]", "must be text"),
        ("&a [*a]", "cannot be read"),
        ("!!python/object/apply:os.system [ls]", "cannot be read"),
        ("[" * 5000, "cannot be read"),
        ("[a, b]\nnapari_itaclip: {classes: [{name: a, id: x}]}", "not a number"),
    ],
)
def test_damaged_yaml_is_refused(tmp_path: Path, names: str, message: str) -> None:
    assert YOLO.read is not None
    with pytest.raises(FormatError, match=message):
        YOLO.read(foreign(tmp_path, "", names))


def test_label_files_without_a_picture_are_noted(tmp_path: Path) -> None:
    assert YOLO.read is not None
    data = YOLO.read(foreign(tmp_path, "", picture=False))
    assert data.notes == ("1 label files have no picture, so their size is unknown",)
    with pytest.raises(FormatError, match="no picture"):
        data.load("a")
    with pytest.raises(FormatError, match="no image 'b'"):
        data.load("b")
    with pytest.raises(FormatError, match=r"no data\.yaml"):
        YOLO.read(tmp_path / "train")


def test_folders_outside_the_data_set_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "outside", YOLO, item([[1, 0]], classes("a")))
    folder = tmp_path / "in"
    folder.mkdir()
    place = tmp_path / "outside/images/train"
    (folder / "data.yaml").write_text(
        f"train: {place}\nval: ../../outside/images/train\nnames: [a]"
    )
    assert YOLO.read is not None
    assert YOLO.read(folder).names == ()

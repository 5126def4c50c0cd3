"""VOC, Cityscapes, PNG and TIFF: equal pixel for pixel, also for independent readers."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.cityscapes import CITYSCAPES
from napari_itaclip.formats.dataset import DatasetWriter
from napari_itaclip.formats.model import ExportOptions, Format, LabelClass, LabelledImage
from napari_itaclip.formats.png import PNG
from napari_itaclip.formats.tiff import TIFF
from napari_itaclip.formats.voc import VOC, voc_values
from tests.formats.difficult import (
    NASTY_NAMES,
    UNLABELLED,
    classes_named,
    difficult_image,
    images,
    kinds,
    many_classes_image,
    named,
    opened,
    pixels_lost,
    round_trip,
    touching_image,
    write,
)

DATA = Path(os.environ.get("ITACLIP_DATA", Path(__file__).parents[3] / "shared" / "data"))
ALL = [VOC, CITYSCAPES, PNG, TIFF]
WITH_OBJECTS = [VOC, PNG, TIFF]
LABELS = {
    "voc": "SegmentationClass/{}.png",
    "cityscapes": "gtFine/train/{}_gtFine_labelIds.png",
    "png": "labels/{}.png",
    "tiff": "labels/{}.tif",
}

formats = pytest.mark.parametrize("format_", ALL, ids=lambda one: one.name)


def independently(format_: Format, folder: Path, name: str) -> NDArray[np.int64]:
    """Read the values with Pillow or tifffile alone."""
    path = folder / LABELS[format_.name].format(name)
    if path.suffix == ".tif":
        return np.asarray(tifffile.imread(path)).astype(np.int64)
    return np.asarray(Image.open(path)).astype(np.int64)


@formats
def test_difficult_labels_come_back(format_: Format, tmp_path: Path) -> None:
    item = difficult_image()
    found, rendered = round_trip(format_, item, tmp_path)
    assert found.classes == item.classes
    assert found.name == item.name
    assert pixels_lost(item, found) == 0
    assert sum(loss.pixels for loss in rendered.losses) == 0
    values = independently(format_, tmp_path, item.name)
    for one in item.classes:
        assert ((values == one.id) == item.mask(one.id)).all()


@formats
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # each example overwrites the files of the one before
@given(item=images(), hidden=st.booleans())
def test_every_label_image_comes_back(
    format_: Format, tmp_path: Path, item: LabelledImage, hidden: bool
) -> None:
    if hidden:
        valid = np.ones(item.shape, dtype=bool)
        valid[0] = False
        item = replace(item, valid=valid)
    found, _ = round_trip(format_, item, tmp_path)
    assert found.classes == item.classes
    assert pixels_lost(item, found) == 0


@formats
def test_writing_twice_gives_the_same_bytes(format_: Format, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 83, 3), dtype=np.uint8)
    item = difficult_image(image=picture)
    one, two = (dict(write(format_, [item], tmp_path)[item.name].files) for _ in range(2))
    assert one == two
    found = opened(format_, tmp_path)
    loaded = found.load(found.names[0])
    assert loaded.image_path is not None
    assert np.array_equal(np.asarray(Image.open(loaded.image_path)), picture)
    without = ExportOptions(images=False)
    assert format_.render is not None
    assert not any("image" in path.lower() for path in format_.render(item, without).files)


@pytest.mark.parametrize("format_", [PNG, TIFF], ids=lambda one: one.name)
def test_300_classes_and_objects(format_: Format, tmp_path: Path) -> None:
    many = many_classes_image()
    found, _ = round_trip(format_, many, tmp_path / "many")
    assert pixels_lost(many, found) == 0
    assert (independently(format_, tmp_path / "many", "many") == many.labels).all()


@pytest.mark.parametrize("format_", WITH_OBJECTS, ids=lambda one: one.name)
def test_touching_objects_stay_apart(format_: Format, tmp_path: Path) -> None:
    item = touching_image()
    found, rendered = round_trip(format_, item, tmp_path)
    assert found.instances is not None
    assert item.instances is not None
    assert (found.instances == item.instances).all()
    assert kinds(rendered) == set()


def test_what_is_left_out_is_said() -> None:
    item = replace(touching_image(), confidence=np.ones((20, 30), np.float32))
    for format_ in ALL:
        assert format_.render is not None
        found = kinds(format_.render(item, ExportOptions()))
        assert "confidence left out" in found
        assert ("instances left out" in found) == (format_ is CITYSCAPES)


def test_small_objects_are_left_out_if_wanted(tmp_path: Path) -> None:
    labels = np.zeros((8, 8), np.uint8)
    labels[1:4, 1:4] = 1
    labels[6, 6] = 1
    item = LabelledImage("x", labels, classes_named(["rest", "a"]))
    for format_ in ALL:
        found, rendered = round_trip(
            format_, item, tmp_path / format_.name, ExportOptions(min_pixels=2)
        )
        assert found.mask(1).sum() == 9
        assert found.mask(0).sum() == 55
        assert [(loss.kind, loss.pixels) for loss in rendered.losses] == [
            ("small objects left out", 1)
        ]


def test_voc_has_a_colour_table_void_and_lists(tmp_path: Path) -> None:
    item = difficult_image("one")
    with_val = ExportOptions(split="val")
    writer = DatasetWriter(tmp_path, VOC, item.classes)
    writer.add(item)
    writer.finish()
    second = DatasetWriter(tmp_path, VOC, item.classes, with_val)
    second.add(replace(item, name="two"))
    second.finish()
    image = Image.open(tmp_path / "SegmentationClass" / "one.png")
    assert image.mode == "P"
    table = np.array(image.getpalette()).reshape(-1, 3)
    for one in item.classes:
        assert "#" + bytes(table[one.id].tolist()).hex() == one.color
    assert table[255].tolist() == [224, 224, 192]
    assert (np.asarray(image)[36:38, 60:70] == 255).all()
    lists = tmp_path / "ImageSets" / "Segmentation"
    assert (lists / "train.txt").read_text() == "one\n"
    assert (lists / "val.txt").read_text() == "two\n"
    lines = (tmp_path / "labelmap.txt").read_text().splitlines()
    assert len(lines) == 2 + len(NASTY_NAMES)
    assert lines[1].startswith("background:")
    assert lines[-1] == "__void__:224,224,192::"
    (tmp_path / "labelmap.json").unlink()
    found = opened(VOC, tmp_path)
    assert [one.color for one in found.classes] == [one.color for one in item.classes]
    assert (found.load("one").unlabelled == item.unlabelled).all()


def test_voc_gives_objects_the_colours_of_voc(tmp_path: Path) -> None:
    item = touching_image()
    write(VOC, [item], tmp_path)
    with Image.open(tmp_path / "SegmentationObject" / "touching.png") as image:
        table = np.array(image.getpalette()).reshape(-1, 3)
        assert (np.asarray(image) == item.instances).all()
    assert table[[0, 1, 2, 3, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [224, 224, 192],
    ]


def test_voc_keeps_a_class_that_has_the_colour_of_void(tmp_path: Path) -> None:
    classes = (LabelClass(0, "rest", "#000000", True), LabelClass(1, "__void__", "#e0e0c0"))
    item = LabelledImage("x", np.array([[0, 1, 9]], np.uint8), classes)
    found, rendered = round_trip(VOC, item, tmp_path)
    assert found.classes == classes
    assert pixels_lost(item, found) == 0
    assert kinds(rendered) == {"colours shared"}
    assert "__void__:224,224,192::\n__void__" not in (tmp_path / "labelmap.txt").read_text()


def test_void_in_a_list_of_colours_is_no_class(tmp_path: Path) -> None:
    """Datumaro writes colours, and void as a class among the others."""
    (tmp_path / "SegmentationClass").mkdir()
    colors = np.array([[[0, 0, 0], [224, 224, 192], [9, 9, 9], [1, 2, 3]]], np.uint8)
    Image.fromarray(colors).save(tmp_path / "SegmentationClass" / "a.png")
    (tmp_path / "labelmap.txt").write_text(
        "background:0,0,0::\n__void__:224,224,192::\ncar:9,9,9::\n"
    )
    found = opened(VOC, tmp_path)
    assert [(one.id, one.name) for one in found.classes] == [(0, "background"), (2, "car")]
    assert named(found.load("a")).tolist() == [["background", UNLABELLED, "car", UNLABELLED]]


def test_voc_gives_other_values_where_ids_do_not_fit(tmp_path: Path) -> None:
    classes = (
        LabelClass(5, "rest", "#000000", True),
        LabelClass(300, "a: b", "#ff0000"),
        LabelClass(255, "c", "#00ff00"),
        LabelClass(7, "d", "#0000ff"),
    )
    assert voc_values(classes, 255) == {5: 0, 300: 254, 255: 253, 7: 7}
    assert voc_values(classes[:2], 255) == {5: 0, 300: 254}  # later classes change nothing
    labels = np.array([[5, 300, 255, 7, 9]], dtype=np.uint16)
    item = LabelledImage("x", labels, classes)
    found, rendered = round_trip(VOC, item, tmp_path)
    assert independently(VOC, tmp_path, "x").tolist() == [[0, 254, 253, 7, 255]]
    assert pixels_lost(item, found) == 0
    assert found.classes == classes
    assert kinds(rendered) == {"ids changed", "names changed"}


def test_voc_refuses_more_classes_than_it_holds_and_names_a_way_out() -> None:
    assert VOC.render is not None
    with pytest.raises(FormatError, match="254 classes, not 300; write png, tiff or coco"):
        VOC.render(many_classes_image(), ExportOptions())
    VOC.render(many_classes_image(254), ExportOptions())


def test_voc_says_which_objects_do_not_fit(tmp_path: Path) -> None:
    instances = np.arange(1, 301).reshape(10, 30)
    item = LabelledImage(
        "x", np.ones((10, 30), np.uint8), classes_named(["rest", "a"]), instances=instances
    )
    found, rendered = round_trip(VOC, item, tmp_path)
    assert [(loss.kind, loss.pixels) for loss in rendered.losses] == [("objects left out", 46)]
    assert found.instances is not None
    assert len(np.unique(found.instances)) == 255
    assert pixels_lost(item, found) == 0


def test_voc_folders_of_others_are_understood(tmp_path: Path) -> None:
    """CVAT's: colours in labelmap.txt, values of any kind; VOC's own: no list of classes."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    (root / "SegmentationClass").mkdir(parents=True)
    values = np.array([[0, 15, 255]], dtype=np.uint8)
    Image.fromarray(values).save(root / "SegmentationClass" / "a.png")
    found = opened(VOC, tmp_path)
    assert found.classes[15].name == "person"
    assert found.classes[15].color == "#c08080"
    assert found.load("a").mask(15).tolist() == [[False, True, False]]
    assert found.load("a").unlabelled.tolist() == [[False, False, True]]
    assert "VOC 2012" in found.notes[0]
    (root / "labelmap.txt").write_text("# x\nbackground:0,0,0::\ncar:10,20,30::\n")
    colors = np.array([[[0, 0, 0], [10, 20, 30], [9, 9, 9]]], dtype=np.uint8)
    swapped = Image.fromarray(np.array([[1, 0, 255]], np.uint8))
    swapped.putpalette([10, 20, 30, *[0] * 765])
    for image in (Image.fromarray(colors), swapped):
        image.save(root / "SegmentationClass" / "a.png")
        loaded = opened(VOC, root).load("a")
        assert [one.name for one in loaded.classes] == ["background", "car"]
        assert loaded.labels[0, :2].tolist() == [0, 1]
        assert loaded.unlabelled.tolist() == [[False, False, True]]


def test_cityscapes_writes_the_values_of_the_id_map(tmp_path: Path) -> None:
    classes = classes_named(["road", "car, red", "x"], background=False)
    item = LabelledImage("town/one", np.array([[0, 1, 2, 9]], np.uint8), classes)
    options = ExportOptions(id_map={"road": 7, "car, red": 26}, split="val")
    found, rendered = round_trip(CITYSCAPES, item, tmp_path, options)
    path = tmp_path / "gtFine/val/town/one_gtFine_labelIds.png"
    assert np.asarray(Image.open(path)).tolist() == [[7, 26, 2, 255]]
    color = np.asarray(Image.open(tmp_path / "gtFine/val/town/one_gtFine_color.png"))
    assert "#" + color[0, 1].tobytes().hex() == classes[1].color
    table = json.loads((tmp_path / "gtFine/label_ids.json").read_text())
    assert {row["name"]: row["value"] for row in table["classes"]} == {
        "road": 7, "car, red": 26, "x": 2
    }  # fmt: skip
    assert kinds(rendered) == {"ids changed"}
    assert pixels_lost(item, found) == 0


@pytest.mark.parametrize(
    ("id_map", "message"),
    [
        ({"rod": 7}, "'rod', which is no class; did you mean 'road'"),
        ({"road": 256}, "0 to 255; 'road' has 256"),
        ({"road": 1}, "'car' and 'road' have the same value 1"),
        ({"car": 255}, "'car' and unlabelled pixels have the same value 255"),
    ],
)
def test_cityscapes_refuses_bad_maps(id_map: dict[str, int], message: str) -> None:
    item = LabelledImage(
        "x", np.zeros((1, 1), np.uint8), classes_named(["road", "car"], background=False)
    )
    assert CITYSCAPES.render is not None
    with pytest.raises(FormatError, match=message):
        CITYSCAPES.render(item, ExportOptions(id_map=id_map))


def test_cityscapes_refuses_ids_above_255() -> None:
    classes = (LabelClass(256, "far", "#ff0000"),)
    item = LabelledImage("x", np.full((1, 1), 256, np.uint16), classes)
    assert CITYSCAPES.render is not None
    with pytest.raises(FormatError, match="has 256: give it another one in the id map, or write"):
        CITYSCAPES.render(item, ExportOptions())
    CITYSCAPES.render(item, ExportOptions(id_map={"far": 9}))


def test_cityscapes_own_ids_without_a_map(tmp_path: Path) -> None:
    folder = tmp_path / "gtFine" / "val" / "town"
    folder.mkdir(parents=True)
    Image.fromarray(np.array([[0, 7, 26]], np.uint8)).save(folder / "a_gtFine_labelIds.png")
    found = opened(CITYSCAPES, tmp_path)
    item = found.load("town/a")
    names = {one.id: one.name for one in item.classes}
    assert [names.get(value) for value in item.labels[0].tolist()] == [None, "road", "car"]


def test_png_depth_follows_the_classes_and_ids_have_a_limit(tmp_path: Path) -> None:
    classes = (LabelClass(1, "a", "#ff0000"), LabelClass(70000, "b", "#00ff00"))
    item = LabelledImage("x", np.array([[1, 70000, 3]], np.int32), classes)
    assert PNG.render is not None
    with pytest.raises(FormatError, match="up to 65535; write tiff instead"):
        PNG.render(item, ExportOptions())
    found, _ = round_trip(TIFF, item, tmp_path / "tiff")
    assert pixels_lost(item, found) == 0
    wide = replace(item, classes=(classes[0], LabelClass(256, "b", "#00ff00")))
    assert Image.open(io.BytesIO(PNG.render(wide, ExportOptions()).files["labels/x.png"])).mode in (
        "I;16", "I"
    )  # fmt: skip


def test_a_single_file_names_its_classes(tmp_path: Path) -> None:
    item = difficult_image("one")
    for format_ in (PNG, TIFF):
        assert format_.render is not None
        path = tmp_path / f"alone{format_.suffixes[0]}"
        path.write_bytes(next(iter(format_.render(item, ExportOptions()).files.values())))
        found = opened(format_, path)
        assert found.names == ("alone",)
        assert found.classes == item.classes
        assert pixels_lost(item, found.load("alone")) == 0


@pytest.mark.parametrize(
    "table",
    [
        '{"ignore": 9, "classes": {"1": "a", "2": "b"}}',
        '{"ignore": [0, 9, 255], "classes": {"1": "a", "2": "b"}}',
        '{"ignore": [[9], {}, "x", null], "void": {}, "classes": {"1": "a", "2": "b"}}',
        '{"classes": [{"id": 1, "name": "a"}, {"id": 2, "name": "b", "color": "#123456"}]}',
        '{"categories": [{"id": 1, "name": "a", "color": [1, 2, 3]}, {"id": 2, "name": "b"}]}',
        '["a", "b"]',
        '{"a": 1, "b": 2}',
        '[{"id": 0, "name": "unlabelled"}, {"id": 1, "name": "a"}, {"id": 2, "name": "b"}]',
    ],
)
def test_tables_of_classes_as_people_have_them(tmp_path: Path, table: str) -> None:
    Image.fromarray(np.array([[1, 2, 9]], np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "classes.json").write_text(table)
    found = opened(PNG, tmp_path)
    assert [(one.id, one.name) for one in found.classes] == [(1, "a"), (2, "b")]
    assert found.load("x").unlabelled.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "deep"),
        ('{"classes": []}', "no classes"),
        ('{"classes": [{"id": -1, "name": "a"}]}', "whole number from 0"),
        ('{"classes": [{"id": 1}]}', "no 'name'"),
        ('{"classes": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}', "the id 1"),
        ('{"classes": {"one": "a"}}', "'one' is neither"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, table: str, message: str) -> None:
    Image.fromarray(np.ones((1, 1), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "classes.json").write_text(table)
    with pytest.raises(FormatError, match=message) as caught:
        opened(PNG, tmp_path)
    assert "classes.json" in str(caught.value)


def test_lines_of_names(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1]], np.uint8)).save(tmp_path / "x.png")
    for text, ids in (("_background_\na\n", [0, 1]), ("__ignore__\n_background_\na", [0, 1]),
                      ("a\nb", [1, 2])):  # fmt: skip
        (tmp_path / "classes.txt").write_text(text)
        assert [one.id for one in opened(PNG, tmp_path).classes] == ids


def test_files_without_names(tmp_path: Path) -> None:
    colors = np.array([[[0, 0, 0], [255, 0, 0], [0, 0, 255]]], dtype=np.uint8)
    Image.fromarray(colors).save(tmp_path / "x.png")
    found = opened(PNG, tmp_path)
    assert [(one.id, one.name, one.background) for one in found.classes] == [
        (0, "background", True), (1, "#0000ff", False), (2, "#ff0000", False)
    ]  # fmt: skip
    assert found.load("x").labels.tolist() == [[0, 2, 1]]
    given = (LabelClass(4, "red", "#ff0000"),)
    assert opened(PNG, tmp_path, classes=given).load("x").mask(4).tolist() == [[False, True, False]]
    Image.fromarray(np.array([[0, 3]], np.uint8)).save(tmp_path / "x.png")
    assert [(one.id, one.name) for one in opened(PNG, tmp_path).classes] == [(3, "class 3")]
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    with pytest.raises(FormatError, match="is no label image"):
        opened(PNG, tmp_path)


def test_damaged_and_wrong_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('["a"]')
    good = io.BytesIO()
    Image.fromarray(np.ones((50, 50), np.uint8)).save(good, "PNG")
    (tmp_path / "cut.png").write_bytes(good.getvalue()[:60])
    Image.fromarray(np.ones((8, 8), np.uint8)).save(tmp_path / "photo.png", "JPEG")
    tifffile.imwrite(tmp_path / "float.tif", np.ones((3, 3), np.float32))
    tifffile.imwrite(tmp_path / "stack.tif", np.ones((4, 3, 3), np.uint8))
    data = opened(PNG, tmp_path)
    for name, message in (("cut", "cut.png"), ("photo", "is a JPEG"), ("gone", "no image 'gone'")):
        with pytest.raises(FormatError, match=message):
            data.load(name)
    for name in ("float", "stack"):
        with pytest.raises(FormatError, match=name):
            opened(TIFF, tmp_path).load(name)


def test_size_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "classes.json").write_text('["a"]')
    Image.fromarray(np.ones((30, 30), np.uint8)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(FormatError, match="too large to open"):
        opened(PNG, tmp_path).load("x")


def test_links_out_of_the_data_set_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    Image.fromarray(np.ones((2, 2), np.uint8)).save(tmp_path / "secret" / "s.png")
    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    (data / "images").mkdir()
    Image.fromarray(np.ones((2, 2), np.uint8)).save(data / "labels" / "x.png")
    (data / "classes.json").write_text('["a"]')
    (data / "labels" / "out.png").symlink_to(tmp_path / "secret" / "s.png")
    (data / "images" / "x.png").symlink_to(tmp_path / "secret" / "s.png")
    found = opened(PNG, data)
    assert found.names == ("x",)
    assert found.load("x").image_path is None


@pytest.mark.skipif(not DATA.is_dir(), reason="no shared data beside the checkout")
@pytest.mark.parametrize("name", ["voc2012_train", "camvid_val", "dsb2018_nuclei"])
@formats
def test_real_ground_truth(format_: Format, name: str, tmp_path: Path) -> None:
    source = opened(PNG, DATA / name)
    items = [source.load(one) for one in source.names[:2]]
    assert all(item.image_path is not None for item in items)
    writer = DatasetWriter(tmp_path, format_, source.classes)
    for item in items:
        writer.add(item)
    writer.finish()
    read_back = opened(format_, tmp_path)
    assert read_back.classes == source.classes
    for item in items:
        truth = np.asarray(Image.open(DATA / name / "masks" / f"{item.name}.png"))
        values = independently(format_, tmp_path, item.name)
        for one in item.classes:
            assert ((values == one.id) == (truth == one.id)).all()
        found = read_back.load(item.name)
        assert pixels_lost(item, found) == 0
        if item.instances is not None and format_ is not CITYSCAPES:
            assert found.instances is not None
            assert (found.instances == item.instances).all() or format_ is VOC

"""CVAT for images 1.1: masks exactly, other shapes drawn, and XML that is up to no good."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.cvat import CVAT, describe, read, sniff
from napari_itaclip.formats.model import ExportOptions, LabelClass, LabelledImage
from napari_itaclip.formats.reading.cvat import decode_mask
from napari_itaclip.formats.shapes.regions import connected
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

HEAD = "<annotations><meta><task><labels>{labels}</labels></task></meta>"


def xml_file(folder: Path, shapes: str, labels: str = "", size: tuple[int, int] = (8, 10)) -> Path:
    """Write a file with one image."""
    head = HEAD.format(labels=labels)
    image = f'<image id="0" name="a.png" width="{size[1]}" height="{size[0]}">{shapes}</image>'
    path = folder / "annotations.xml"
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>{head}{image}</annotations>')
    return path


@settings(max_examples=40)
@given(images())
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, item: LabelledImage
) -> None:
    found, rendered = round_trip(CVAT, item, tmp_path_factory.mktemp("cvat"))
    assert found.classes == item.classes
    assert pixels_lost(item, found) == lost(rendered)
    if item.background is None or not item.unlabelled.any():
        assert lost(rendered) == 0


@pytest.mark.parametrize("item", [difficult_image(), touching_image(), many_classes_image()])
def test_difficult_labels_lose_what_is_reported_and_no_more(
    tmp_path: Path, item: LabelledImage
) -> None:
    found, rendered = round_trip(CVAT, item, tmp_path)
    assert found.classes == item.classes
    assert (
        pixels_lost(item, found)
        == lost(rendered)
        == int(item.unlabelled.sum() if item.background else 0)
    )


def test_touching_objects_stay_apart(tmp_path: Path) -> None:
    item = touching_image()
    found, _ = round_trip(CVAT, item, tmp_path)
    assert item.instances is not None
    assert found.instances is not None
    pairs = set(zip(item.instances.ravel().tolist(), found.instances.ravel().tolist(), strict=True))
    assert len(pairs) == 5


def test_runs_begin_outside_and_go_along_rows() -> None:
    mask = np.array([[0, 1, 1], [1, 0, 1]], dtype=bool)
    assert describe(connected(mask)[0]) == {
        "class": 1, "rle": "1, 3, 1, 1", "left": 0, "top": 0, "width": 3, "height": 2,
    }  # fmt: skip
    full = describe(connected(np.ones((2, 2), dtype=bool))[0])
    assert full["rle"] == "0, 4"
    np.testing.assert_array_equal(decode_mask("1, 3, 1, 1", 3, 2), mask)


def test_the_file_has_what_the_documentation_of_the_format_asks_for(tmp_path: Path) -> None:
    image = np.zeros((64, 83, 3), np.uint8)
    write(CVAT, [difficult_image(image=image)], tmp_path, about={"made_by": "a <test> & more"})
    root = ElementTree.parse(tmp_path / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    names = [one.text for one in root.findall("meta/task/labels/label/name")]
    assert names == [one.name for one in difficult_image().classes]
    element = root.find("image")
    assert element is not None
    assert (tmp_path / "images" / element.attrib["name"]).is_file()
    assert (element.attrib["width"], element.attrib["height"]) == ("83", "64")
    mask = element.find("mask")
    assert mask is not None
    assert {"label", "rle", "left", "top", "width", "height", "occluded", "z_order"} <= set(
        mask.attrib
    )


def test_a_picture_is_written_only_if_wanted_and_found_again(tmp_path: Path) -> None:
    image = np.zeros((64, 83, 3), np.uint8)
    found, rendered = round_trip(CVAT, difficult_image(image=image), tmp_path / "with")
    assert list(rendered.files) == ["images/nasty/one.png"]
    assert found.image_path == tmp_path / "with/images/nasty/one.png"
    rendered = round_trip(
        CVAT, difficult_image(image=image), tmp_path / "without", ExportOptions(images=False)
    )[1]
    assert not rendered.files


def test_small_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    item = difficult_image()
    found, rendered = round_trip(CVAT, item, tmp_path, ExportOptions(min_pixels=30))
    assert "small objects left out" in kinds(rendered)
    assert pixels_lost(item, found) == lost(rendered)


def test_names_that_xml_cannot_hold_are_reported_and_stay_different(tmp_path: Path) -> None:
    item = LabelledImage("x", np.array([[1, 2]]), classes_named(["background", "a\x00", "a\ufffd"]))
    found, rendered = round_trip(CVAT, item, tmp_path)
    assert kinds(rendered) == {"names changed"}
    assert [one.name for one in found.classes] == ["background", "a\ufffd", "a\ufffd (2)"]
    np.testing.assert_array_equal(found.labels, item.labels)


def test_shapes_of_other_hands_are_drawn_in_their_order(tmp_path: Path) -> None:
    path = xml_file(
        tmp_path,
        '<box label="b" xtl="0" ytl="0" xbr="4" ybr="2" z_order="1"/>'
        '<polygon label="p" points="0,0;10,0;10,8;0,8" z_order="0"/>'
        '<mask label="m" rle="0,1" left="9" top="7" width="1" height="1" z_order="0"/>'
        '<ellipse label="e" cx="6" cy="5" rx="1" ry="1" z_order="2"/>'
        '<points label="t" points="1,1"/><tag label="t"/>',
        "<label><name>p</name><color>#102030</color></label>",
    )
    dataset = read(path)
    assert [one.name for one in dataset.classes] == ["p", "b", "m", "e"]
    assert dataset.classes[0].color == "#102030"
    assert len(dataset.notes) == 2
    p, b, m, e = (one.id for one in dataset.classes)
    expected = np.full((8, 10), p)
    expected[:2, :4], expected[7, 9], expected[4:6, 5:7] = b, m, e
    np.testing.assert_array_equal(dataset.load("a").labels, expected)


def test_a_turned_box(tmp_path: Path) -> None:
    shape = '<box label="b" xtl="2" ytl="3" xbr="8" ybr="5" rotation="90"/>'
    expected = np.zeros((8, 10), dtype=bool)
    expected[1:7, 4:6] = True
    item = read(xml_file(tmp_path, shape)).load("a")
    np.testing.assert_array_equal(item.labels == item.classes[0].id, expected)


def test_given_classes_keep_their_ids(tmp_path: Path) -> None:
    path = xml_file(tmp_path, '<box label="b" xtl="0" ytl="0" xbr="4" ybr="2"/>')
    given_ = (LabelClass(7, "b", "#ff0000"), LabelClass(1, "c", "#00ff00"))
    dataset = opened(CVAT, path, classes=given_)
    assert dataset.classes == given_
    assert (dataset.load("a").labels == 7).sum() == 8


def test_several_images_are_read_one_by_one_in_any_encoding(tmp_path: Path) -> None:
    items = [difficult_image(f"a/é{at}") for at in range(3)] + [
        LabelledImage("empty", np.zeros((5, 6), np.uint8), difficult_image().classes)
    ]
    write(CVAT, items, tmp_path)
    content = (tmp_path / "annotations.xml").read_text(encoding="utf-8")
    other = tmp_path / "other.xml"
    other.write_bytes(content.replace("utf-8", "utf-16").encode("utf-16"))
    for path in (tmp_path, other):
        dataset = read(path)
        assert dataset.names == tuple(sorted(one.name for one in items))
        for item in reversed(items):
            found = dataset.load(item.name)
            assert pixels_lost(item, found) == int(item.unlabelled.sum())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations/>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "document type"),
        ("<annotations>" + "<a>" * 100, "nested deeper"),
        ("<annotations><image", "not valid XML"),
        ("<other/>", "is not CVAT's"),
        ("<annotations><track id='1'/></annotations>", "for video"),
        ("<annotations></annotations>", "no labels"),
        ("", "not valid XML"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.xml"
    path.write_text(content)
    with pytest.raises(FormatError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<mask label="m" rle="1,2" left="0" top="0" width="2" height="2"/>', "add up"),
        ('<mask label="m" rle="-1,5" left="0" top="0" width="2" height="2"/>', "add up"),
        ('<mask label="m" rle="0,99999999999999999999" left="0" top="0" width="2" height="2"/>',
         "whole numbers"),
        ('<mask label="m" rle="x" left="0" top="0" width="2" height="2"/>', "whole numbers"),
        ('<mask label="m" rle="0,4" left="9" top="0" width="2" height="2"/>', "outside the image"),
        ('<mask label="m" rle="0,4" left="-1" top="0" width="2" height="2"/>', "outside the image"),
        ('<mask label="m" rle="0,4" left="q" top="0" width="2" height="2"/>', "not a number"),
        ('<polygon label="m" points="1,2;3"/>', "pairs of numbers"),
        ('<polygon label="m" points="nan,1;2,2;3,1"/>', "finite"),
    ],
)  # fmt: skip
def test_bad_shapes_are_refused_and_the_image_is_named(
    tmp_path: Path, shape: str, message: str
) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        read(xml_file(tmp_path, shape)).load("a")
    assert "'a'" in str(caught.value)


@pytest.mark.parametrize("size", [(10**6, 10**6), (0, 5), (-1, 5)])
def test_impossible_sizes_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    shape = '<box label="b" xtl="0" ytl="0" xbr="4" ybr="2"/>'
    with pytest.raises(FormatError, match=r"pixels|size"):
        read(xml_file(tmp_path, shape, size=size)).load("a")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.xml"
    path.write_bytes(content)
    with pytest.raises(FormatError):
        read(path)


def test_pictures_outside_the_folder_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    folder = tmp_path / "set"
    folder.mkdir()
    path = xml_file(folder, '<box label="b" xtl="0" ytl="0" xbr="4" ybr="2"/>')
    path.write_text(path.read_text().replace("a.png", "../secret.png"))
    dataset = read(path)
    assert dataset.load(dataset.names[0]).image_path is None


def test_its_files_are_recognised(tmp_path: Path) -> None:
    write(CVAT, [touching_image()], tmp_path)
    assert sniff(tmp_path)
    assert sniff(tmp_path / "annotations.xml")
    (tmp_path / "other.xml").write_text("<!-- a --><annotation><object/></annotation>")
    assert not sniff(tmp_path / "other.xml")
    assert not sniff(tmp_path / "missing.xml")

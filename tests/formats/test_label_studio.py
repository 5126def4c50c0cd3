"""Label Studio: the brush's run lengths, tasks, the labelling interface."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.label_studio import LABEL_STUDIO, read, sniff
from napari_itaclip.formats.model import ExportOptions, LabelledImage
from napari_itaclip.formats.shapes.brush import decode_brush, encode_brush
from napari_itaclip.formats.shapes.regions import class_regions
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


def encoded(mask: NDArray[np.bool_]) -> bytes:
    item = LabelledImage("x", mask.astype(np.uint8), classes_named(["no", "yes"]))
    return encode_brush(class_regions(item)[0], item.shape)


def bits(*parts: tuple[int, int]) -> list[int]:
    """Return bytes of numbers of different widths."""
    text = "".join(f"{number:0{width}b}" for number, width in parts)
    text += "0" * (-len(text) % 8)
    return [int(text[at : at + 8], 2) for at in range(0, len(text), 8)]


def tasks_file(folder: Path, results: list[dict[str, Any]], **more: Any) -> Path:
    path = folder / "tasks.json"
    task = {"data": {"image": "/upload/a.png"}, "annotations": [{"result": results}], **more}
    path.write_text(json.dumps([task]))
    return path


def area(kind: str, label: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "value": {**value, kind: [label]},
        "original_width": 10,
        "original_height": 8,
    }


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_brush_masks_come_back(mask: NDArray[np.bool_]) -> None:
    mask[0, 0] = True
    np.testing.assert_array_equal(decode_brush(list(encoded(mask)), mask.shape), mask)


def test_long_runs_are_cut_into_pieces_that_fit() -> None:
    mask = np.zeros((300, 200), dtype=bool)
    mask[1:299] = True
    np.testing.assert_array_equal(decode_brush(list(encoded(mask)), mask.shape), mask)


def test_brush_masks_are_packed_as_the_format_says() -> None:
    # A row: one pixel outside, two inside, as 4 and 8 equal bytes.
    expected = bits(
        (12, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4),
        (1, 1), (0, 2), (3, 3), (0, 8),
        (1, 1), (0, 2), (7, 3), (255, 8),
    )  # fmt: skip
    assert list(encoded(np.array([[False, True, True]]))) == expected


def test_packets_of_single_words_are_read() -> None:
    # Label Studio's own editor writes them for the soft edge of its brush.
    alpha = [0, 0, 0, 255, 0, 0, 0, 127, 9, 9, 9, 128]
    rle = bits(
        (12, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4),
        (0, 1), (1, 2), (11, 4), *((value, 8) for value in alpha),
    )  # fmt: skip
    assert decode_brush(rle, (1, 3)).tolist() == [[True, False, True]]


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ([], "too early"),
        ([0, 0, 0, 12, 57, 27], "too early"),
        ([0, 0, 0, 13, 57, 27, 255, 255], "made for 13 bytes"),
        ([300], "no list of bytes"),
        (["a"], "no list of bytes"),
    ],
)
def test_bad_brush_masks_are_refused(rle: list[Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        decode_brush(rle, (1, 3))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_mask_or_refused(rest: bytes) -> None:
    try:
        mask = decode_brush(list(b"\0\0\0\x0c" + rest), (1, 3))
    except FormatError:
        return
    assert mask.shape == (1, 3)


@settings(max_examples=40)
@given(images())
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, item: LabelledImage
) -> None:
    found, rendered = round_trip(LABEL_STUDIO, item, tmp_path_factory.mktemp("ls"))
    assert found.classes == item.classes
    assert found.name == item.name
    assert pixels_lost(item, found) == lost(rendered)
    if item.background is None or not item.unlabelled.any():
        assert lost(rendered) == 0


@pytest.mark.parametrize("item", [difficult_image(), touching_image(), many_classes_image()])
def test_difficult_labels_lose_what_is_reported_and_no_more(
    tmp_path: Path, item: LabelledImage
) -> None:
    found, rendered = round_trip(LABEL_STUDIO, item, tmp_path)
    assert found.classes == item.classes
    assert pixels_lost(item, found) == lost(rendered)
    assert (found.instances is None) == (item.instances is None)


def test_labels_are_predictions_unless_a_person_has_seen_them(tmp_path: Path) -> None:
    item = difficult_image(confidence=np.full((64, 83), 0.25, np.float32))
    rendered = write(LABEL_STUDIO, [item], tmp_path / "a", about={"made_by": "test 1"})[item.name]
    assert "confidence left out" in kinds(rendered)
    (task,) = json.loads((tmp_path / "a/tasks.json").read_text())
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "test 1"
    assert prediction["score"] == 0.25
    assert {one["type"] for one in prediction["result"]} == {"brushlabels"}
    assert {one["value"]["format"] for one in prediction["result"]} == {"rle"}
    assert len({one["id"] for one in prediction["result"]}) == len(prediction["result"])
    write(LABEL_STUDIO, [item], tmp_path / "b", about={"reviewed": True})
    (task,) = json.loads((tmp_path / "b/tasks.json").read_text())
    assert "predictions" not in task
    assert len(task["annotations"]) == 1


def test_the_labelling_interface_fits_the_tasks(tmp_path: Path) -> None:
    write(LABEL_STUDIO, [difficult_image()], tmp_path)
    root = ElementTree.parse(tmp_path / "label_config.xml").getroot()
    brush, image = root.find("BrushLabels"), root.find("Image")
    assert brush is not None
    assert image is not None
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    for result in task["predictions"][0]["result"]:
        assert result["from_name"] == brush.attrib["name"]
        assert result["to_name"] == image.attrib["name"] == brush.attrib["toName"]
    assert image.attrib["value"].lstrip("$") in task["data"]
    names = [one.attrib["value"] for one in brush]
    assert names == [one.name for one in difficult_image().classes]


def test_pictures_with_difficult_names_are_found_again(tmp_path: Path) -> None:
    item = difficult_image("a b/ü&c=d#e", image=np.zeros((64, 83, 3), np.uint8))
    found, _ = round_trip(LABEL_STUDIO, item, tmp_path)
    assert found.image_path == tmp_path / "images/a b/ü&c=d#e.png"


def test_small_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    item = difficult_image()
    found, rendered = round_trip(LABEL_STUDIO, item, tmp_path, ExportOptions(min_pixels=30))
    assert "small objects left out" in kinds(rendered)
    assert pixels_lost(item, found) == lost(rendered)


def test_shapes_of_other_hands_are_drawn_in_their_order(tmp_path: Path) -> None:
    path = tasks_file(
        tmp_path,
        [
            area("polygonlabels", "p", {"points": [[0, 0], [100, 0], [100, 100], [0, 100]]}),
            area("rectanglelabels", "r", {"x": 0, "y": 0, "width": 40, "height": 25}),
            area("ellipselabels", "e", {"x": 60, "y": 62.5, "radiusX": 10, "radiusY": 12.5}),
            {"type": "choices", "value": {"choices": ["good"]}},
        ],
    )
    dataset = read(path)
    p, r, e = (one.id for one in dataset.classes)
    expected = np.full((8, 10), p)
    expected[:2, :4], expected[4:6, 5:7] = r, e
    np.testing.assert_array_equal(dataset.load("upload/a").labels, expected)
    assert len(dataset.notes) == 1


def test_a_cancelled_annotation_does_not_count(tmp_path: Path) -> None:
    box = area("rectanglelabels", "r", {"x": 0, "y": 0, "width": 40, "height": 25})
    path = tmp_path / "tasks.json"
    task = {
        "data": {"image": "a.png"},
        "annotations": [{"result": [], "was_cancelled": True}],
        "predictions": [{"result": [box]}],
    }
    path.write_text(json.dumps([task]))
    item = read(path).load("a")
    assert (item.labels == item.classes[0].id).sum() == 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "no list of Label Studio's tasks"),
        ('[{"image": "a.png"}]', "no list of Label Studio's tasks"),
        ("[", "not valid JSON"),
        ("[" * 100_000, "nested"),
        ('[{"data": {"image": "a.png"}}]', "no labels"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(content)
    with pytest.raises(FormatError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (area("brushlabels", "m", {"rle": [1, 2]}), "too early"),
        (area("brushlabels", "m", {}), "no run lengths"),
        (area("polygonlabels", "m", {"points": [1]}), "pairs of numbers"),
        (area("rectanglelabels", "m", {"x": "a"}), "not a number"),
        ({**area("brushlabels", "m", {}), "original_width": "x"}, "whole numbers"),
        ({**area("brushlabels", "m", {}), "original_width": 10**9}, "pixels"),
    ],
)
def test_bad_areas_are_refused(tmp_path: Path, result: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read(tasks_file(tmp_path, [result])).load("upload/a")


def test_its_files_are_recognised(tmp_path: Path) -> None:
    write(LABEL_STUDIO, [touching_image()], tmp_path)
    assert sniff(tmp_path)
    assert sniff(tmp_path / "tasks.json")
    (tmp_path / "coco.json").write_text('{"images": [], "annotations": []}')
    assert not sniff(tmp_path / "coco.json")
    assert not sniff(tmp_path / "label_config.xml")

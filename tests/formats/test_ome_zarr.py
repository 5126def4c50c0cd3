"""OME-Zarr labels, checked with ome-zarr's own reader and the models of the specification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import ExportOptions, Georeference, LabelClass, LabelledImage
from napari_itaclip.formats.ome_zarr import OME_ZARR, read, sniff
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

zarr = pytest.importorskip("zarr")


def large_image(height: int = 700, width: int = 1500) -> LabelledImage:
    labels = (np.arange(height)[:, None] // 50 + np.arange(width)[None] // 70) % 5
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return LabelledImage("large", labels, classes_named("abcde"), image=image)


@settings(max_examples=20)
@given(images())
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, item: LabelledImage
) -> None:
    found, rendered = round_trip(OME_ZARR, item, tmp_path_factory.mktemp("zarr"))
    assert found.classes == item.classes
    assert pixels_lost(item, found) == lost(rendered) == 0


@pytest.mark.parametrize("item", [difficult_image(), touching_image(), many_classes_image()])
def test_difficult_labels_lose_nothing(tmp_path: Path, item: LabelledImage) -> None:
    found, rendered = round_trip(OME_ZARR, item, tmp_path)
    assert found.classes == item.classes
    assert found.name == item.name
    assert pixels_lost(item, found) == 0
    assert not rendered.losses
    if item.instances is None:
        assert found.instances is None
    else:
        np.testing.assert_array_equal(found.instances, item.instances)


def test_the_reader_of_ome_zarr_finds_picture_labels_and_colours(tmp_path: Path) -> None:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    item = large_image()
    write(OME_ZARR, [item], tmp_path)
    location = io.parse_url(str(tmp_path / "large.ome.zarr"))
    nodes = list(reader.Reader(location)())
    picture = nodes[0]
    assert item.image is not None
    np.testing.assert_array_equal(np.asarray(picture.data[0]), np.moveaxis(item.image, -1, 0))
    assert len(picture.data) == 4
    location = io.parse_url(str(tmp_path / "large.ome.zarr/labels/classes"))
    # The image that the labels belong to comes first.
    nodes = list(reader.Reader(location)())
    labels = next(node for node in nodes if node.data and node.data[0].ndim == 2)
    np.testing.assert_array_equal(np.asarray(labels.data[0]), item.labels)
    np.testing.assert_array_equal(np.asarray(labels.data[1]), item.labels[::2, ::2])
    assert labels.metadata["properties"][3]["class"] == "d"
    assert set(labels.metadata["color"]) == {0, 1, 2, 3, 4}


def test_the_metadata_follow_the_specification(tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05")
    item = large_image()
    with_objects = LabelledImage(
        "objects", item.labels, item.classes, image=item.image, instances=item.labels
    )
    write(OME_ZARR, [with_objects], tmp_path)
    root = zarr.open_group(tmp_path / "objects.ome.zarr", mode="r")
    models.Image.from_zarr(root)
    models.Labels.from_zarr(root["labels"])
    for name in ("classes", "objects"):
        label = models.ImageLabel.from_zarr(root["labels"][name])
        assert label.attributes.ome.image_label is not None


def test_the_same_labels_give_the_same_bytes() -> None:
    assert OME_ZARR.render is not None
    once, again = (OME_ZARR.render(large_image(), ExportOptions()) for _ in range(2))
    assert once.files == again.files


def test_the_picture_is_written_only_if_wanted() -> None:
    assert OME_ZARR.render is not None
    files = OME_ZARR.render(large_image(), ExportOptions(images=False)).files
    assert all("/labels/" in path or path.count("/") == 1 for path in files)


def test_ids_of_any_size_and_what_is_left_out(tmp_path: Path) -> None:
    item = LabelledImage(
        "x", np.array([[10**5, 0, 7]]),
        (LabelClass(10**5, "high", "#ffffff"), LabelClass(0, "zero", "#000001")),
        confidence=np.ones((1, 3)), georeference=Georeference((1, 0, 0, 0, 1, 0)),
        instances=np.array([[-5, 2**40, 3]]),
    )  # fmt: skip
    found, rendered = round_trip(OME_ZARR, item, tmp_path)
    assert pixels_lost(item, found) == 0
    assert kinds(rendered) == {
        "confidence left out", "georeference left out", "objects renumbered",
    }  # fmt: skip
    assert found.instances is not None
    assert len(np.unique(found.instances)) == 3


def foreign(folder: Path, array: NDArray[Any], label: dict[str, Any], version: str = "0.4") -> Path:
    """Write an OME-Zarr as other programs do."""
    group = zarr.create_group(folder, zarr_format=2 if version == "0.4" else 3)
    datasets = [{"path": "s0"}]
    inner = {"multiscales": [{"datasets": datasets}], "image-label": label}
    group.create_group("labels").attrs.update({"labels": ["cells", "other"]})
    cells = group["labels"].create_group("cells")
    cells.attrs.update(inner if version == "0.4" else {"ome": inner})
    cells.create_array("s0", shape=array.shape, dtype=array.dtype, chunks=array.shape)[...] = array
    return folder


def test_version_0_4_is_read(tmp_path: Path) -> None:
    values = np.array([[[[[1, 2], [0, 9]]]]], dtype=np.int32)
    label = {
        "colors": [{"label-value": 1, "rgba": [255, 0, 16, 255]}, {"label-value": 2}],
        "properties": [{"label-value": 1, "name": "nucleus"}, {"label-value": 9, "area": 4}],
    }
    dataset = read(foreign(tmp_path / "a.zarr", values, label))
    assert [(one.id, one.name) for one in dataset.classes] == [(1, "nucleus"), (9, "class 9")]
    assert dataset.classes[0].color == "#ff0010"
    assert "other" in dataset.notes[0]
    np.testing.assert_array_equal(dataset.load("a").labels, values[0, 0, 0])


def test_labels_without_names_get_them_from_their_values(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.zarr", np.array([[1, 2], [0, 9]], dtype=np.uint8), {})
    assert [one.name for one in read(path).classes] == ["class 1", "class 2", "class 9"]
    classes = classes_named(["a", "b"])
    assert opened(OME_ZARR, path, classes=classes).classes == classes


def test_a_folder_of_images_is_a_data_set(tmp_path: Path) -> None:
    items = [difficult_image("b/1"), difficult_image("a")]
    write(OME_ZARR, items, tmp_path)
    assert read(tmp_path).names == ("a", "b/1")
    assert sniff(tmp_path)
    assert sniff(tmp_path / "a.ome.zarr")
    (tmp_path / "none").mkdir()
    assert not sniff(tmp_path / "none")


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds none"):
        read(tmp_path / "empty")
    stack = foreign(tmp_path / "stack.zarr", np.zeros((3, 4, 4), np.uint8), {})
    with pytest.raises(FormatError, match="several planes"):
        read(stack)
    floating = foreign(tmp_path / "float.zarr", np.zeros((4, 4), np.float32), {})
    with pytest.raises(FormatError, match="whole numbers"):
        read(floating)
    zarr.create_group(tmp_path / "bare.zarr")
    with pytest.raises(FormatError, match="no labels"):
        read(tmp_path / "bare.zarr")


@pytest.mark.parametrize("path", ["../../other", "/etc", "a/../../b", "..\\x"])
def test_paths_in_metadata_do_not_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    folder = foreign(tmp_path / "a.zarr", np.ones((4, 4), np.uint8), {})
    attributes = folder / "labels/cells/.zattrs"
    content = json.loads(attributes.read_text())
    content["multiscales"][0]["datasets"][0]["path"] = path
    attributes.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="leads out"):
        read(folder)


def test_impossible_sizes_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    folder = foreign(tmp_path / "a.zarr", np.ones((4, 4), np.uint8), {})
    array = folder / "labels/cells/s0/.zarray"
    array.write_text(array.read_text().replace("4", "40000000"))
    with pytest.raises(FormatError):
        read(folder)


@pytest.mark.parametrize("inner", ["labels", "labels/cells", "labels/cells/s0"])
def test_links_out_of_the_folder_are_not_followed(tmp_path: Path, inner: str) -> None:
    folder = foreign(tmp_path / "a.zarr", np.ones((4, 4), np.uint8), {})
    (folder / inner).rename(tmp_path / "elsewhere")
    (folder / inner).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(FormatError, match="leads out"):
        read(folder).load("a")

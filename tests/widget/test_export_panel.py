"""Labels are written into annotation files from the dock, and opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_itaclip._widget.panels.export_options import ALL_OPTIONS, USED
from napari_itaclip.formats.export import import_labels
from napari_itaclip.formats.model import ExportOptions, LabelClass, LabelledImage
from napari_itaclip.formats.registry import FORMATS
from napari_itaclip.sample_data import sample_image
from tests.widget.person import Person


class Exporter:
    """A person at the sections "Export" and "Import"."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.dock = person.dock
        self.panel = person.dock.export_panel
        self.dock.export_section.expand()
        self.dock.import_section.expand()

    def choose(self, format_name: str, folder: Path) -> None:
        box = self.panel.format_box
        box.setCurrentIndex(box.findData(format_name))
        self.panel.folder.line.clear()
        self.person.qtbot.keyClicks(self.panel.folder.line, str(folder))

    def choose_source(self, beginning: str) -> None:
        box = self.panel.source_box
        [at] = [at for at in range(box.count()) if box.itemText(at).startswith(beginning)]
        box.setCurrentIndex(at)

    def click(self, button: Any) -> None:
        assert button.isEnabled(), button.toolTip()
        button.click()
        self.wait()

    def export(self, format_name: str, folder: Path) -> None:
        self.choose(format_name, folder)
        self.click(self.panel.button)
        assert "unexpected" not in self.message

    def open(self, path: Path) -> None:
        self.dock.import_panel.open_requested.emit(path, None)
        self.wait()

    def wait(self) -> None:
        model = self.dock.data_sets
        self.person.qtbot.waitUntil(lambda: not model.busy, timeout=20_000)
        self.person.qtbot.wait(20)

    @property
    def message(self) -> str:
        return self.dock.status_line.message or ""

    @property
    def asks(self) -> bool:
        return bool(self.panel.question.isVisibleTo(self.panel))


@pytest.fixture
def exporter(person: Person) -> Exporter:
    """Return a person with a scene of one window, segmented and corrected."""
    picture = sample_image("everyday")[:120, :160]
    person.viewer.add_image(picture, name="scene", rgb=True)
    person.type_classes("sky, grass, house")
    person.segment()
    person.paint((20, 20), (20, 60), label=person.class_id("house"))
    return Exporter(person)


def read(folder: Path, name: str = "scene") -> LabelledImage:
    return import_labels(folder).load(name)


def same_classes(item: LabelledImage, person: Person) -> None:
    """Assert that labels that were read are those of the labels layer, class by class."""
    names = {prompt.name: prompt.id for prompt in person.dock.editor.classes}
    assert {one.name for one in item.classes} == set(names)
    for one in item.classes:
        np.testing.assert_array_equal(item.mask(one.id), person.labels == names[one.name])


def test_what_was_painted_is_what_is_exported(exporter: Exporter, tmp_path: Path) -> None:
    person = exporter.person
    exporter.export("png", tmp_path / "png")
    assert f"Exported 1 image: 3 files in {tmp_path / 'png'}" in exporter.message
    same_classes(read(tmp_path / "png"), person)
    with Image.open(tmp_path / "png" / "images" / "scene.png") as picture:
        np.testing.assert_array_equal(picture, person.viewer.layers["scene"].data)
    exporter.export("coco", tmp_path / "coco")
    same_classes(read(tmp_path / "coco"), person)


def test_a_data_set_is_extended_refused_or_replaced(exporter: Exporter, tmp_path: Path) -> None:
    person, panel = exporter.person, exporter.panel
    exporter.export("png", tmp_path)
    before = person.labels
    # The same once more does no harm.
    exporter.click(panel.button)
    assert not exporter.asks
    person.paint((20, 20), (20, 60), label=person.class_id("sky"))
    exporter.click(panel.button)
    assert exporter.asks
    assert "already in the data set" in panel.question.full_text()
    exporter.click(panel.keep_button)
    assert not exporter.asks
    np.testing.assert_array_equal(read(tmp_path).labels, before)
    exporter.click(panel.button)
    exporter.click(panel.replace_button)
    assert not exporter.asks
    same_classes(read(tmp_path), person)
    # Somebody corrects the file: that is not lost by one careless click.
    file = tmp_path / "labels" / "scene.png"
    corrected = file.read_bytes()[:-1] + b"x"
    file.write_bytes(corrected)
    exporter.click(panel.button)
    exporter.click(panel.replace_button)
    assert file.read_bytes() == corrected
    assert panel.replace_button.text() == "Replace edited files"
    exporter.click(panel.replace_button)
    same_classes(read(tmp_path), person)
    # A class that was removed and one that was added: the data set has both.
    person.dock.editor.remove([person.class_id("grass")])
    person.type_classes("car")
    person.wait()
    exporter.click(panel.button)
    exporter.click(panel.replace_button)
    assert [one.name for one in read(tmp_path).classes] == ["sky", "grass", "house", "car"]
    # Files of somebody else are never touched.
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "classes.json").write_text("{}")
    exporter.export("png", tmp_path / "other")
    assert "was not written by this data set" in exporter.message
    assert (tmp_path / "other" / "classes.json").read_text() == "{}"


def test_an_export_comes_back_as_a_layer(exporter: Exporter, tmp_path: Path) -> None:
    person, viewer = exporter.person, exporter.person.viewer
    viewer.layers["scene"].translate = (5, 7)
    exporter.export("voc", tmp_path)
    before = len(viewer.layers)
    exporter.open(tmp_path)
    layer = viewer.layers["scene labels (voc)"]
    assert len(viewer.layers) == before + 1
    assert person.layer.name == "scene labels"
    np.testing.assert_array_equal(layer.translate, (5, 7))
    names = dict(zip(layer.features["index"], layer.features["class"], strict=True))
    for prompt in person.dock.editor.classes:
        [value] = [value for value, name in names.items() if name == prompt.name]
        np.testing.assert_array_equal(layer.data == value, person.labels == prompt.id)
        color = layer.colormap.color_dict[value]
        assert "#" + bytes(round(255 * part) for part in color[:3]).hex() == prompt.color
    # Compare it with what the dock has now.
    person.paint((90, 90), (90, 120), label=person.class_id("sky"))
    person.dock.status_line.message_box.action_button.click()
    person.wait()
    assert person.dock.exploration.comparing
    # And export it: labels of any origin can be.
    exporter.choose_source("layer: scene labels (voc)")
    exporter.export("tiff", tmp_path / "again")
    again = read(tmp_path / "again")  # under the name that it had
    np.testing.assert_array_equal(again.labels, layer.data)


def test_a_stack_becomes_an_image_for_each_slice(person: Person, tmp_path: Path) -> None:
    exporter = Exporter(person)
    stack = np.zeros((4, 20, 30), np.uint8)
    person.viewer.add_image(stack, name="stack")
    labels = np.zeros((4, 20, 30), np.int32)
    labels[1, :5], labels[3, :9] = 2, 7
    features = {"index": [0, 2, 7], "class": ["unlabelled", "a", "b"]}
    person.viewer.add_labels(labels, name="mine", features=features)
    exporter.choose_source("layer: mine")
    exporter.export("png", tmp_path / "all")
    dataset = import_labels(tmp_path / "all")
    assert dataset.names == ("mine/p0002", "mine/p0004")
    np.testing.assert_array_equal(dataset.load("mine/p0004").labels, labels[3])
    person.viewer.dims.set_point(0, 1)
    exporter.panel.slices_box.setCurrentIndex(1)
    exporter.export("png", tmp_path / "one")
    assert import_labels(tmp_path / "one").names == ("mine/p0002",)
    # Called like the open image, all slices come back into one layer.
    person.viewer.layers["mine"].name = "other"
    person.viewer.layers["stack"].name = "mine"
    exporter.open(tmp_path / "all")
    np.testing.assert_array_equal(person.viewer.layers["mine labels (png)"].data, labels)


def test_pictures_are_not_guessed(person: Person, tmp_path: Path) -> None:
    exporter, viewer = Exporter(person), person.viewer
    for name, value in (("day", 50), ("day 2", 90)):
        viewer.add_image(np.full((12, 14, 3), value, np.uint8), name=name, rgb=True)
    for name in ("day 2 mine", "unknown"):
        viewer.add_labels(np.ones((12, 14), np.uint8), name=name)
        exporter.choose_source(f"layer: {name}")
        exporter.export("png", tmp_path)
    [picture] = (tmp_path / "images").iterdir()
    assert picture.stem == "day 2 mine"
    with Image.open(picture) as found:
        assert np.unique(np.asarray(found)).tolist() == [90]


def test_all_images_are_exported_at_once(person: Person, tmp_path: Path) -> None:
    exporter, viewer = Exporter(person), person.viewer
    scene = sample_image("everyday")
    person.type_classes("sky, grass")
    for name, place in (("one", 0), ("two", 60)):
        viewer.add_image(scene[place : place + 112, :112], name=name, rgb=True)
        person.segment()
    exporter.choose_source("all images with labels (2)")
    exporter.export("labelme", tmp_path)
    assert "Exported 2 images" in exporter.message
    dataset = import_labels(tmp_path)
    assert dataset.names == ("one", "two")
    # What a format cannot hold is said.
    exporter.choose_source("current")
    exporter.export("yolo", tmp_path / "yolo")
    assert "cannot hold everything: ids changed" in exporter.message


def test_images_of_other_names_are_offered(person: Person, tmp_path: Path) -> None:
    exporter, panel = Exporter(person), person.dock.import_panel
    for name in ("one", "two", "three"):
        labels = np.ones((12, 14), np.uint8)
        layer = person.viewer.add_labels(labels, name=name)
        exporter.choose_source(f"layer: {name}")
        exporter.export("png", tmp_path)
        person.viewer.layers.remove(layer)
    exporter.open(tmp_path)
    assert [panel.list.item(at).text() for at in range(3)] == ["one", "three", "two"]
    assert not panel.choose_button.isEnabled()
    panel.list.setCurrentRow(2)
    exporter.click(panel.choose_button)
    person.qtbot.waitUntil(lambda: "two" in person.viewer.layers)
    assert not panel.list.isVisibleTo(panel)
    assert "No open image fits two" in exporter.message
    # What is none is said, and nothing is opened.
    (tmp_path / "text.json").write_text("[]")
    count = len(person.viewer.layers)
    exporter.open(tmp_path / "text.json")
    person.qtbot.waitUntil(lambda: "text.json" in exporter.message)
    assert len(person.viewer.layers) == count


def test_formats_without_their_library_cannot_be_chosen(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_itaclip._widget.parts.choosing.find_spec", lambda name: None)
    box = Exporter(person).panel.format_box
    item = box.model().item(box.findData("geotiff"))
    assert not item.isEnabled()
    assert "pip install 'napari-itaclip[geo]'" in item.toolTip()
    assert box.model().item(box.findData("voc")).isEnabled()


def test_options_are_shown_where_they_matter() -> None:
    """A change of an option changes what is written if, and only if, the form shows it."""
    classes = (LabelClass(0, "rest", "#000000", True), LabelClass(1, "a", "#ff0000"))
    labels = np.zeros((20, 30), np.uint8)
    labels[3:9, 4:12], labels[18, 28], labels[0, 0] = 1, 1, 9
    for place in range(4):
        labels[9 + place, 4 + place] = 1
    picture = np.full((20, 30, 3), 7, np.uint8)
    item = LabelledImage("a", labels, classes, image=picture)
    others = {"images": False, "split": "val", "void": 200, "min_pixels": 3, "tolerance": 2.0}
    assert set(others) == set(ALL_OPTIONS)

    def written(name: str, options: ExportOptions) -> dict[str, bytes]:
        one = FORMATS[name]
        assert one.render is not None
        made = one.render(item, options)
        whole = one.assemble and one.assemble({"a": made.record}, classes, options, {})
        return {**made.files, **(whole or {})}

    assert set(USED) == set(FORMATS)
    for name, used in USED.items():
        if FORMATS[name].extra is not None:
            continue  # its library may be missing
        usual = written(name, ExportOptions())
        found = {
            option
            for option, value in others.items()
            if written(name, ExportOptions(**{option: value})) != usual  # type: ignore[arg-type]
        }
        assert found == set(used), name

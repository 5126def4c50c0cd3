"""Whatever holds labels goes into files, and comes back as labels with names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats import napari_files
from napari_itaclip.formats.export import export_labels, import_labels, parse_target
from napari_itaclip.formats.model import ExportOptions, LabelClass, classes_of
from napari_itaclip.formats.napari_files import (
    MAX_LAYERS,
    get_reader,
    read_layers,
    write_png,
    write_tiff,
    write_voc_png,
)
from napari_itaclip.formats.registry import (
    FORMATS,
    format_names,
    formats_for_suffix,
    get_format,
    guess_format,
)
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from tests.formats.difficult import classes_named, difficult_image, pixels_lost

WORDS = Vocabulary([ClassPrompt("rest", background=True), "palm tree", ClassPrompt("car", id=7)])
LABELS = np.array([[0, 1, 7, 3], [1, 1, 7, 0]], dtype=np.uint8)


def layer(**more: Any) -> Any:
    """Return what looks like a labels layer of the dock."""
    made = {
        "data": LABELS,
        "name": "street [1]",
        "features": {"index": [0, 1, 7], "class": ["rest", "palm tree", "car"]},
        "colormap": SimpleNamespace(
            color_dict={None: np.zeros(4), 0: np.zeros(4), 1: np.array([1, 0.5, 0, 1])}
        ),
        "metadata": {
            "napari-itaclip": {
                "vocabulary": WORDS.to_dict(),
                "settings": {"model": "demo@1", "notice": "For trying out only."},
            }
        },
    }
    return SimpleNamespace(**{**made, **more})


@pytest.mark.parametrize("name", format_names())
def test_every_format_is_there_under_its_name(name: str) -> None:
    format_ = get_format(name.upper().replace("-", "_"))
    assert format_.name == name
    assert format_ is FORMATS[name]
    assert format_.title
    assert format_.read is not None
    if format_.assemble is not None:  # without images, for the check of a folder
        assert isinstance(format_.assemble({}, classes_named(["a"]), ExportOptions(), {}), dict)


def test_unknown_formats_and_targets_are_explained() -> None:
    with pytest.raises(FormatError, match=r"did you mean 'coco'\?.*formats are: voc"):
        get_format("cocco")
    assert "nothing" not in FORMATS
    for text in ("voc", ":out", "voc:", ""):
        with pytest.raises(FormatError, match="FORMAT:FOLDER"):
            parse_target(text)
    assert parse_target("voc:C:\\x")[1] == Path("C:\\x")
    assert {one.name for one in formats_for_suffix(".PNG")} == {"voc", "png"}


@pytest.mark.parametrize("name", ["voc", "cityscapes", "png", "tiff"])
def test_formats_are_recognised(tmp_path: Path, name: str) -> None:
    item = difficult_image()
    export_labels(item, tmp_path, name)
    assert guess_format(tmp_path).name == name
    (tmp_path / ".itaclip").rename(tmp_path.with_suffix(".state"))
    assert guess_format(tmp_path).name == name
    data = import_labels(tmp_path)
    assert pixels_lost(item, data.load(data.names[0])) == 0


def test_what_cannot_be_recognised(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no file or folder"):
        guess_format(tmp_path / "gone")
    with pytest.raises(FormatError, match="none of the annotation formats"):
        guess_format(tmp_path)
    export_labels(LABELS, tmp_path, "png", classes=WORDS)
    export_labels(LABELS, tmp_path, "voc", classes=WORDS)
    with pytest.raises(FormatError, match=r"several data sets \(voc, png\)"):
        import_labels(tmp_path)
    assert import_labels(tmp_path, "voc").format == "voc"


def test_arrays_need_classes(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="give the classes"):
        export_labels(LABELS, tmp_path, "png")
    report = export_labels(LABELS, tmp_path, "png", classes=WORDS, name="day/one")
    assert (report.images, report.losses) == (1, ())
    found = import_labels(tmp_path)
    assert found.classes == classes_of(WORDS)
    assert (found.load("day/one").mask(7) == (LABELS == 7)).all()
    with pytest.raises(OutputError, match="already in the data set"):
        export_labels(LABELS + 1, tmp_path, "png", classes=WORDS, name="day/one")


def test_a_layer_brings_its_classes_colours_and_background(tmp_path: Path) -> None:
    export_labels(layer(), tmp_path, "png")
    found = import_labels(tmp_path)
    assert found.names == ("street [1]",)
    assert found.classes == (
        LabelClass(0, "rest", "#000000", True),
        LabelClass(1, "palm tree", "#ff8000"),
        LabelClass(7, "car", WORDS["car"].color or ""),
    )
    assert "For trying out only." in (tmp_path / "classes.json").read_text()


def test_layers_in_other_states(tmp_path: Path) -> None:
    bare = layer(features={}, colormap=None, metadata={}, name="bare")
    export_labels(bare, tmp_path / "bare", "png")
    assert [one.name for one in import_labels(tmp_path / "bare").classes] == [
        "class 1", "class 3", "class 7"
    ]  # fmt: skip
    twice = layer(features={"index": [0, 1, 2], "class": ["unlabelled", "a", "a"]}, metadata={})
    export_labels(twice, tmp_path / "twice", "png")
    assert [(one.id, one.name) for one in import_labels(tmp_path / "twice").classes] == [
        (1, "a"), (2, "a (2)")
    ]  # fmt: skip
    deep = layer(data=LABELS[None, None])
    assert export_labels(deep, tmp_path / "deep", "png").images == 1
    with pytest.raises(FormatError, match="one slice at a time"):
        export_labels(layer(data=np.stack([LABELS, LABELS])), tmp_path / "stack", "png")
    with pytest.raises(FormatError, match="no table of classes"):
        export_labels(layer(features={}, data=LABELS * 0), tmp_path / "none", "png")


def test_one_file(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    for name in ("png", "voc"):  # an image file is replaced, as it is by every program
        report = export_labels(layer(), path, name)
        assert report.written == ("x.png",)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.png"]
    assert np.asarray(Image.open(path))[0].tolist() == [0, 1, 7, 255]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_napari_saves_and_opens(tmp_path: Path, suffix: str) -> None:
    write = {".png": write_png, ".tif": write_tiff}[suffix]
    made = layer()
    attributes = {"features": made.features, "colormap": made.colormap, "metadata": made.metadata}
    written = write(str(tmp_path / f"mine{suffix}"), LABELS, attributes)
    assert written == [str(tmp_path / f"mine{suffix}")]
    assert get_reader(written[0]) is read_layers
    ((data, kwargs, kind),) = read_layers(written[0])
    assert kind == "labels"
    assert kwargs["name"] == "mine"
    assert kwargs["features"] == {"index": [0, 1, 7], "class": ["rest", "palm tree", "car"]}
    assert kwargs["colormap"][1] == "#ff8000"
    assert kwargs["colormap"][0] == "transparent"
    assert (data == np.where(LABELS == 3, data[0, 3], LABELS)).all()
    again = write(str(tmp_path / f"again{suffix}"), data, kwargs)
    assert import_labels(again[0]).classes == import_labels(written[0]).classes


@pytest.mark.parametrize(
    ("write", "ending", "name"),
    [
        (napari_files.write_coco, ".json", "coco"),
        (napari_files.write_coco_instances, ".json", "coco"),
        (napari_files.write_labelme, ".json", "labelme"),
        (napari_files.write_cvat, ".xml", "cvat"),
        (napari_files.write_geojson, ".geojson", "geojson"),
        (napari_files.write_geotiff, ".tif", "geotiff"),
    ],
)
def test_napari_saves_and_opens_other_formats(
    tmp_path: Path, write: Any, ending: str, name: str
) -> None:
    if name.startswith("geo"):
        pytest.importorskip("rasterio")
    data = np.kron(LABELS, np.ones((6, 6), np.uint8))
    place = {"transform": [0.5, 0, 1000, 0, -0.5, 2000], "crs": "EPSG:32633"}
    made = layer(metadata={"napari-itaclip": {"georeference": place, "background": 0}})
    attributes = {"features": made.features, "colormap": made.colormap, "metadata": made.metadata}
    (path,) = write(str(tmp_path / "mine"), data, attributes)
    assert path == str(tmp_path / f"mine{ending}")
    assert get_reader(path) is read_layers
    ((found, kwargs, _),) = read_layers(path)
    names = dict(zip(kwargs["features"]["index"], kwargs["features"]["class"], strict=True))
    for wanted, value in (("palm tree", 1), ("car", 7)):
        own = next(index for index, called in names.items() if called == wanted)
        assert ((found == own) == (data == value)).all()
    about = kwargs["metadata"]["napari-itaclip"]
    assert about["format"] == name
    if name == "geotiff":
        assert about["georeference"]["transform"] == place["transform"]


def test_napari_saves_voc_and_adds_an_ending(tmp_path: Path) -> None:
    made = layer()
    (path,) = write_voc_png(str(tmp_path / "mine"), LABELS, {"features": made.features})
    assert path.endswith("mine.png")
    assert np.asarray(Image.open(path))[0].tolist() == [0, 1, 7, 255]


def test_pictures_are_not_taken_for_labels(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "gray.png")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "photo.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "gray.tif")
    (tmp_path / "broken.json").write_text("[[[")
    for name in ("gray.png", "photo.png", "gray.tif", "broken.json", "gone.png", "."):
        assert get_reader(str(tmp_path / name)) is None
    assert get_reader([str(tmp_path / "gray.png")]) is None
    with pytest.raises(FormatError, match="no annotations"):
        read_layers(str(tmp_path / "gray.png"))


def test_huge_data_sets_are_not_opened_as_layers(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.json").write_text('["a"]')
    for number in range(MAX_LAYERS + 1):
        Image.fromarray(np.ones((1, 1), np.uint8)).save(tmp_path / "labels" / f"{number}.png")
    assert get_reader(str(tmp_path)) is read_layers
    with pytest.raises(FormatError, match="33 images, too many to open at once"):
        read_layers(str(tmp_path))

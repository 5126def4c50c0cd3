"""``napari-itaclip export`` and ``import``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from napari_itaclip._cli.export import export, parse_id_map
from napari_itaclip._cli.import_labels import import_labels
from napari_itaclip.errors import FormatError, ItaclipError, OutputError, SettingsError
from napari_itaclip.formats import export as api
from tests.formats.difficult import difficult_image, pixels_lost

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the commands, run in a folder of their own; errors come out as they are raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(export)
    app.command("import")(import_labels)

    def call(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(result.exception, ItaclipError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout

    return call


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Return what `segment` leaves: labels with a legend."""
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(tmp_path / "a_labels.png")
    Image.fromarray(np.zeros((1, 3, 3), np.uint8)).save(tmp_path / "a_overlay.png")
    legend = {
        "width": 3,
        "classes": [
            {"id": 1, "name": "palm, tree", "color": "#ff0000", "pixels": 1},
            {"id": 2, "name": "car", "color": "#00ff00", "pixels": 1},
            {"id": 0, "name": "unlabelled", "color": "#000000", "pixels": 1},
        ],
        "vocabulary": {"classes": [{"name": "palm, tree"}, {"name": "car"}]},
    }
    (tmp_path / "a_legend.json").write_text(json.dumps(legend))
    return tmp_path / "a_labels.png"


def test_labels_of_segment_become_voc_and_more(run: Run, labels: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((1, 3, 3), 9, np.uint8)).save(tmp_path / "a.png")
    said = run("export", labels, "--to", "voc:voc", "-t", "png:png", "--images", tmp_path)
    assert "Pascal VOC: 1 images" in said
    values = np.asarray(Image.open(tmp_path / "voc/SegmentationClass/a.png"))
    assert values.tolist() == [[255, 1, 2]]
    assert (np.asarray(Image.open(tmp_path / "voc/JPEGImages/a.png")) == 9).all()
    found = api.import_labels(tmp_path / "png")
    assert [one.name for one in found.classes] == ["palm, tree", "car"]


def test_losses_are_data(run: Run, labels: Path) -> None:
    said = run(
        "export", labels, "--to", "cityscapes:out", "--id-map", "car=26", "--void", 0,
        "--split", "val", "--json",
    )  # fmt: skip
    (document,) = json.loads(said)["exports"]
    assert document["format"] == "cityscapes"
    assert [loss["kind"] for loss in document["losses"]] == ["ids changed"]
    values = np.asarray(Image.open("out/gtFine/val/a_gtFine_labelIds.png"))
    assert values.tolist() == [[0, 1, 26]]
    assert "ids changed" in run("export", labels, "--to", "cityscapes:two", "--id-map", "car=26")


def test_formats_are_converted_and_imported(run: Run, tmp_path: Path) -> None:
    item = difficult_image("deep/one")
    api.export_labels(item, tmp_path / "voc", "voc")
    run("export", "voc", "--to", "tiff:tiff")
    said = run("import", "tiff", "--to", "png")
    assert "tiff: 1 images" in said
    assert pixels_lost(item, api.import_labels(tmp_path / "png").load("deep/one")) == 0
    listed = json.loads(run("import", "voc", "--json"))
    assert listed["images"] == ["deep/one"]
    assert listed["classes"][0] == {
        "id": 0, "name": "background", "color": item.classes[0].color, "background": True
    }  # fmt: skip


def test_sources_with_other_ids_are_joined_by_name(run: Run, tmp_path: Path) -> None:
    for name, classes in (("one", ["a", "b"]), ("two", ["b", "c"])):
        Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(tmp_path / f"{name}_labels.png")
        (tmp_path / f"{name}_classes.json").write_text(json.dumps(classes))
    run("export", "one_labels.png", "two_labels.png", "--to", "png:out")
    found = api.import_labels(tmp_path / "out")
    assert [(one.id, one.name) for one in found.classes] == [(1, "a"), (2, "b"), (3, "c")]
    assert found.load("two").labels.tolist() == [[0, 2, 3]]


def test_damaged_images_do_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.ones((2, 2), np.uint8)).save(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    document = json.loads(
        run("export", "in", "--from", "png", "--classes", "a; b", "--to", "png:out", "--json",
            code=1)
    )  # fmt: skip
    assert [one["image"] for one in document["failed"]] == ["bad"]
    assert document["exports"][0]["images"] == 1
    run("import", "in", "--format", "png", "--classes", "a; b", "--to", "again", code=1)
    assert api.import_labels(tmp_path / "again").names == ("good",)


def test_existing_images_are_kept_unless_told(run: Run, labels: Path) -> None:
    run("export", labels, "--to", "voc:out")
    Image.fromarray(np.array([[1, 1, 1]], np.uint8)).save(labels)
    with pytest.raises(OutputError, match="already in the data set"):
        run("export", labels, "--to", "voc:out")
    Path("out/SegmentationClass/a.png").write_bytes(b"edited")
    with pytest.raises(OutputError, match="was edited"):
        run("export", labels, "--to", "voc:out", "--replace")
    run("export", labels, "--to", "voc:out", "--replace-edited")
    values = np.asarray(Image.open("out/SegmentationClass/a.png"))
    assert values.tolist() == [[1, 1, 1]]


def test_bad_arguments_say_what_is_right(run: Run, labels: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="there is no format 'vocc'"):
        run("export", labels, "--to", "vocc:out")
    with pytest.raises(FormatError, match="no file or folder"):
        run("export", "gone", "--to", "voc:out")
    with pytest.raises(SettingsError, match="either --classes or --vocabulary"):
        run("export", labels, "--to", "voc:out", "--classes", "a", "--vocabulary", labels)
    with pytest.raises(SettingsError, match="is no folder"):
        run("export", labels, "--to", "voc:out", "--images", "gone")
    with pytest.raises(FormatError, match="two images are called 'a'"):
        run("export", labels, labels, "--to", "voc:out")
    assert not (tmp_path / "out").exists()


def test_id_maps(tmp_path: Path) -> None:
    assert parse_id_map(None) == {}
    assert parse_id_map("a b=7, c=d=8") == {"a b": 7, "c=d": 8}
    path = tmp_path / "map.json"
    path.write_text('{"car, red": 26}')
    assert parse_id_map(str(path)) == {"car, red": 26}
    path.write_text('{"car": "26"}')
    for text in (str(path), "car", "car=x", "=7", ""):
        with pytest.raises(SettingsError):
            parse_id_map(text)

"""``napari-itaclip segment-large``, from the shell's side."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from napari_itaclip._cli.large import large
from napari_itaclip.clip.embedding_cache import CACHE_VARIABLE
from napari_itaclip.errors import OutputError, SettingsError
from tests.batch.large.conftest import WORDS
from tests.tiny import make_tiny_clip, save_tiny_clip

app = typer.Typer()
app.command()(large)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = make_tiny_clip(64, 1, 32, 224, 32, 64, 1)
    return save_tiny_clip(network, tmp_path_factory.mktemp("model") / "mine.safetensors")


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_labels_an_image(photo: NDArray[np.uint8], checkpoint: Path, tmp_path: Path) -> None:
    tifffile.imwrite("image.tif", photo, photometric="rgb", tile=(64, 64))
    common: list[object] = ["image.tif", "--classes", WORDS, "--checkpoint", checkpoint]
    common += ["--preset", "draft", "--scale", 0.5, "--device", "cpu", "--precision", "float32"]
    result = call(*common, "--output", "out/labels.tif", "--uncertainty")
    assert result.exit_code == 0
    assert "space suit" in result.stdout
    assert "out/labels.tif" in result.stdout
    assert tifffile.imread("out/labels.tif").shape == (105, 125)
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "labels.tif",
        "labels_legend.json",
        "labels_margin.tif",
    ]
    with pytest.raises(OutputError, match="--overwrite"):
        call(*common, "--output", "out/labels.tif")
    result = call(*common, "--output", "full.tif", "--full-size", "--json")
    found = json.loads(result.stdout)
    assert found["labels"] == "full.tif"
    assert found["shape"] == [210, 250]
    assert found["windows"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "l.tif"], "either --classes or --vocabulary"),
        (["-o", "l.tif", "-c", "a", "--memory", "0"], "--memory"),
        (["-o", "l.png", "-c", "a"], "must end in"),
        (["-o", "l.tif", "-c", "a", "--preset", "voc21"], "area_threshold"),
        (["-o", "l.tif", "-c", "a", "--model", "x", "--checkpoint", "y"], "not both"),
    ],
)
def test_wrong_commands_fail_before_a_model_is_loaded(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_itaclip.segmentation.segmenter import Segmenter

    monkeypatch.delattr(Segmenter, "from_pretrained")
    with pytest.raises(SettingsError, match=message):
        call("image.tif", *arguments)

"""The command line: results, messages and exit codes, run in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import napari_itaclip
from napari_itaclip.clip import weights_cache
from napari_itaclip.clip.registry import DEFAULT_MODEL, MODELS
from napari_itaclip.segmentation.image_files import read_image
from tests.cli_runner import Run, outputs
from tests.cli_runner import _own_world as _own_world
from tests.cli_runner import checkpoint as checkpoint
from tests.cli_runner import photo as photo
from tests.cli_runner import run as run
from tests.cli_runner import segment as segment

# ---- results ---------------------------------------------------------------------------------


def test_segment(segment: Run, photo: NDArray[np.uint8], tmp_path: Path) -> None:
    ran = segment("photo.png", "--output", "out")
    assert ran.code == 0
    names = ["photo_labels.png", "photo_legend.json", "photo_overlay.png"]
    assert outputs(tmp_path / "out") == names
    with Image.open("out/photo_labels.png") as picture:
        labels = np.asarray(picture)
    assert labels.shape == photo.shape[:2]
    assert set(np.unique(labels)) <= {1, 2, 3}
    legend = json.loads(Path("out/photo_legend.json").read_text("utf-8"))
    assert [row["name"] for row in legend["classes"]] == ["face", "space suit", "flag"]
    assert read_image("out/photo_overlay.png").shape[0] >= photo.shape[0]
    for name in names:
        assert str(Path("out") / name) in ran.out
    for word in ("face", "space suit", "flag"):
        assert word in ran.out
    assert "mine.safetensors" in ran.err
    assert "cpu" in ran.err


def test_json_is_all_of_stdout(segment: Run, photo: NDArray[np.uint8]) -> None:
    ran = segment("photo.png", "--json")
    assert ran.code == 0
    [entry] = json.loads(ran.out)
    assert set(entry) == {
        "image",
        "files",
        "classes",
        "vocabulary",
        "settings",
        "notes",
        "seconds",
    }
    assert entry["image"] == "photo.png"
    assert set(entry["files"]) == {"labels", "overlay", "legend"}
    assert all(Path(path).is_file() for path in entry["files"].values())
    assert [row["id"] for row in entry["classes"]] == [1, 2, 3]
    assert set(entry["classes"][0]) == {"id", "name", "color", "pixels", "share", "confidence"}
    assert sum(row["pixels"] for row in entry["classes"]) == photo[..., 0].size
    assert {"model", "model_name", "encode", "refine", "decide"} <= set(entry["settings"])
    assert entry["settings"]["encode"]["short_side"] == 224
    assert entry["notes"] == []
    assert "mine.safetensors" in ran.err


def test_options_reach_the_settings(segment: Run) -> None:
    ran = segment(
        *("photo.png", "--json", "--recipe", "clearclip", "--stride", 100),
        *("--margin", 0.3, "--short-side", 256, "--preset", "balanced"),
    )
    [entry] = json.loads(ran.out)
    assert entry["settings"]["encode"]["recipe"]["name"] == "clearclip"
    assert entry["settings"]["encode"]["stride"] == 100
    assert entry["settings"]["encode"]["short_side"] == 256
    assert entry["settings"]["decide"]["margin_threshold"] == 0.3
    assert entry["settings"]["refine"]["iterations"] == 10


def test_a_vocabulary_file_and_alpha(segment: Run, tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text(
        "schema: 1\ntemplates: word\nclasses:\n  - name: face\n    auxiliary: [a part of a head]\n"
        "    color: '#ff0000'\n    id: 9\n  - name: all the rest\n    background: true\n"
    )
    reports = []
    for alpha in (0, 1):
        ran = segment(
            *("photo.png", "--vocabulary", "words.yaml", "--json", "--overwrite"),
            *("--alpha", alpha),
            words=None,
        )
        assert ran.code == 0
        reports += json.loads(ran.out)
    rows = reports[0]["classes"]
    assert [(row["id"], row["name"]) for row in rows] == [(9, "face"), (0, "all the rest")]
    assert rows[0]["color"] == "#ff0000"
    assert reports[0]["classes"] != reports[1]["classes"]


def test_long_texts_are_noted(segment: Run) -> None:
    long_word = " ".join(["an astronaut with a helmet and"] * 20)
    ran = segment("photo.png", words=f"{long_word}; flag")
    assert ran.code == 0
    assert "Note: Cut to fit the model's context" in ran.said


def test_several_images(segment: Run, photo: NDArray[np.uint8], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    Image.fromarray(photo[::-1]).save("other/photo.bmp")
    Image.fromarray(photo[:, :, 0]).save("gray.tif")
    ran = segment("photo.png", "other/photo.bmp", "gray.tif", "photo.png", "--output", "out")
    assert ran.code == 0
    assert [name for name in outputs(tmp_path / "out") if name.endswith("_labels.png")] == [
        "gray_labels.png",
        "photo.bmp_labels.png",
        "photo.png_labels.png",
    ]


def test_names_with_brackets_are_printed_as_they_are(
    segment: Run, photo: NDArray[np.uint8]
) -> None:
    Image.fromarray(photo).save("[bold] a[0].png")
    ran = segment("[bold] a[0].png", words="sky [red]; tree")
    assert ran.code == 0
    assert "[bold] a[0]_labels.png" in ran.out
    assert "sky [red]" in ran.out


# ---- models ----------------------------------------------------------------------------------


def test_models_are_listed(run: Run) -> None:
    ran = run("models")
    assert ran.code == 0
    for spec in MODELS.values():
        assert spec.name in ran.out
        assert spec.licence in ran.out
    assert "default" in ran.out
    assert "fetch" in ran.err


def test_models_as_json(run: Run) -> None:
    ran = run("models", "--json")
    assert ran.code == 0
    rows = json.loads(ran.out)
    assert [row["name"] for row in rows] == list(MODELS)
    assert [row["name"] for row in rows if row["default"]] == [DEFAULT_MODEL]
    assert all({"licence", "size_mb", "cached", "path", "title"} <= set(row) for row in rows)
    assert not any(row["cached"] for row in rows if row["name"] != "demo")
    assert ran.err == ""


@pytest.mark.parametrize("known", [False, True])
def test_fetching(run: Run, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    asked = []

    def fetch(name: str, progress: Callable[[int, int | None], None]) -> Path:
        asked.append(name)
        progress(1, None)
        progress(5, 10)
        return Path("weights.bin")

    monkeypatch.setattr(weights_cache, "cached", lambda name: known)
    monkeypatch.setattr(weights_cache, "fetch", fetch)
    ran = run("models", "fetch", DEFAULT_MODEL)
    assert ran.code == 0
    assert asked == [DEFAULT_MODEL]
    assert ran.out == "weights.bin\n"
    assert ("already" in ran.err) == known


# ---- the rest --------------------------------------------------------------------------------


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"{napari_itaclip.__version__}\n", "")


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ([], ["segment", "demo", "models"]),
        (["segment"], ["--classes", "--vocabulary", "--preset", "--json", "--output"]),
        (["demo"], ["--scene", "--view"]),
        (["models"], ["fetch", "--json"]),
        (["models", "fetch"], ["name"]),
    ],
)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(run: Run, command: list[str], named: list[str], flag: str) -> None:
    ran = run(*command, flag)
    assert ran.code == 0
    assert "Usage: napari-itaclip" in ran.out
    assert all(name in ran.out for name in named)
    assert ran.err == ""


def test_python_m_is_the_command() -> None:
    root = Path(napari_itaclip.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "napari_itaclip", "segment", "x.png", "--classes", ""],
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: the vocabulary is empty")

"""The command line: results, messages and exit codes, run in this process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import skimage.data
import tifffile
import torch
from huggingface_hub import constants
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

import napari_itaclip
from napari_itaclip import cli
from napari_itaclip._cli import segment as segment_module
from napari_itaclip.clip import weights_cache
from napari_itaclip.clip.embedding_cache import CACHE_VARIABLE
from napari_itaclip.clip.registry import DEFAULT_MODEL, MODELS
from napari_itaclip.segmentation.image_files import read_image
from tests.tiny import make_tiny_clip, save_tiny_clip

WORDS = "face, head; space suit; flag"


class Ran(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Return the messages in one line, without a box's border."""
        return " ".join(re.sub(r"[│╭╮╰╯─]", " ", self.err).split())


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a folder of its own, empty caches, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(weights_cache, "_direct_cache", lambda: tmp_path / "direct")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = make_tiny_clip(64, 2, 32, 224, 32, 64, 1)
    return save_tiny_clip(network, tmp_path_factory.mktemp("model") / "mine.safetensors")


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    pictures: Any = skimage.data
    return np.ascontiguousarray(pictures.astronaut()[0:160, 140:340:2])


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def segment(run: Run, checkpoint: Path, photo: NDArray[np.uint8], tmp_path: Path) -> Run:
    """Return a quick ``segment`` command; photo.png is there."""
    Image.fromarray(photo).save(tmp_path / "photo.png")

    def call(*arguments: object, words: str | None = WORDS, model: bool = True) -> Ran:
        common: list[object] = ["--short-side", 224, "--preset", "draft", "--device", "cpu"]
        common += ["--precision", "float32"]
        if words is not None:
            common += ["--classes", words]
        if model:
            common += ["--checkpoint", checkpoint]
        return run("segment", *common, *arguments)

    return call


def outputs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


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
    assert set(entry) == {"image", "files", "classes", "settings", "notes", "seconds"}
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


def test_a_short_side_beyond_the_longest_side_lifts_the_limit(segment: Run) -> None:
    ran = segment("photo.png", "--stride", 0, "--short-side", 3000)
    assert "stride" in ran.said  # not max_long_side
    assert ran.code == 2


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


def test_one_bad_image_among_good_ones(segment: Run, tmp_path: Path) -> None:
    Path("text.png").write_text("this is no picture, but a letter")
    Path("cut.png").write_bytes(Path("photo.png").read_bytes()[:2000])
    ran = segment("text.png", "photo.png", "gone.png", "cut.png", "--output", "out")
    assert ran.code == 1
    assert len(outputs(tmp_path / "out")) == 3
    for name in ("text.png", "gone.png", "cut.png"):
        assert name in ran.err
        assert name not in ran.out
    assert "3 of 4 images could not be segmented" in ran.said

    ran = segment("text.png", "photo.png", "--json", "--overwrite", "--output", "out")
    assert ran.code == 1
    bad, good = json.loads(ran.out)
    assert set(bad) == {"image", "error"}
    assert "text.png" in bad["error"]
    assert good["image"] == "photo.png"


def test_names_with_brackets_are_printed_as_they_are(
    segment: Run, photo: NDArray[np.uint8]
) -> None:
    Image.fromarray(photo).save("[bold] a[0].png")
    ran = segment("[bold] a[0].png", words="sky [red]; tree")
    assert ran.code == 0
    assert "[bold] a[0]_labels.png" in ran.out
    assert "sky [red]" in ran.out


# ---- a user's mistakes -----------------------------------------------------------------------

COMMAND_MISTAKES: list[tuple[list[object], str | None, str]] = [
    (["photo.png"], "", "vocabulary is empty"),
    (["photo.png"], " ; ", "vocabulary is empty"),
    (["photo.png"], "cat; dog; Cat", "'Cat'"),
    (["photo.png"], "cat, puss; dog, puss", "'puss'"),
    (["photo.png"], None, "either --classes or --vocabulary"),
    (["photo.png", "--vocabulary", "words.yaml"], WORDS, "either --classes or --vocabulary"),
    (["photo.png", "--vocabulary", "gone.yaml"], None, "gone.yaml"),
    (["photo.png", "--stride", 0], WORDS, "stride is 0"),
    (["photo.png", "--stride", -5], WORDS, "stride is -5"),
    (["photo.png", "--stride", 1000], WORDS, "stride is 1000, but must lie between 1 and the"),
    (["photo.png", "--stride", 10**6], WORDS, "stride is 1000000"),
    (["photo.png", "--short-side", 5], WORDS, "short_side is 5"),
    (["photo.png", "--alpha", 2], WORDS, "alpha"),
    (["photo.png", "--margin", -1], WORDS, "margin_threshold is -1"),
    (["photo.png", "--margin", "nan"], WORDS, "margin_threshold is nan"),
    (["photo.png", "--preset", "best"], WORDS, "no preset 'best'; choose from draft, balanced"),
    (["photo.png", "--recipe", "x"], WORDS, "no recipe 'x'; choose from clip, maskclip"),
    (["photo.png", "--device", "tpu"], WORDS, "'tpu'"),
    (["photo.png", "--precision", "int8"], WORDS, "'int8'"),
    (["photo.png", "--activation", "relu"], WORDS, "'relu'"),
    (["photo.png", "--model", "demo"], WORDS, "either --model or --checkpoint"),
    (["a/photo.png", "b/photo.png"], WORDS, "Several images are named 'photo.png'"),
    ([], WORDS, "Missing argument"),
    (["photo.png", "--strid", 5], WORDS, "No such option: --strid"),
    (["photo.png", "--stride", "wide"], WORDS, "Invalid value for '--stride'"),
]


@pytest.mark.parametrize(("arguments", "words", "cause"), COMMAND_MISTAKES)
def test_a_wrong_command(
    segment: Run, tmp_path: Path, arguments: list[object], words: str | None, cause: str
) -> None:
    ran = segment(*arguments, words=words)
    assert ran.code == 2
    assert cause in ran.said
    assert ran.out == ""
    assert not (tmp_path / "itaclip-output").exists()


BAD_IMAGES: dict[str, tuple[NDArray[Any], str]] = {
    "one pixel": (np.zeros((1, 1), np.uint8), "1×1"),
    "a line": (np.zeros((1, 300), np.uint8), "1×300"),
    "all NaN": (np.full((20, 20), np.nan, np.float32), "NaN"),
    "five channels": (np.zeros((5, 20, 20), np.uint8), "(5, 20, 20)"),
    "complex": (np.zeros((20, 20), np.complex64), "complex"),
    "a stack": (np.zeros((12, 20, 20), np.uint8), "stack"),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_an_image_that_cannot_be_segmented(segment: Run, tmp_path: Path, kind: str) -> None:
    array, cause = BAD_IMAGES[kind]
    tifffile.imwrite(tmp_path / "bad.tif", array, photometric="minisblack")
    ran = segment("bad.tif")
    assert ran.code == 1
    assert cause in ran.said
    assert ran.out == ""


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("gone.png", None, "no file gone.png"),
        ("text.png", b"Dear reader,", "text.png is not an image: it is text"),
        ("empty.png", b"", "empty.png is empty"),
        ("noise.jpg", bytes(range(256)), "noise.jpg is not an image"),
        (".", None, "folder"),
    ],
)
def test_a_file_that_is_no_image(
    segment: Run, name: str, content: bytes | None, cause: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    ran = segment(name)
    assert ran.code == 1
    assert cause in ran.said
    assert ran.out == ""


def test_existing_results_stay(segment: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    legend = tmp_path / "out" / "photo_legend.json"
    legend.write_text("my corrections")
    ran = segment("photo.png", "--output", "out")
    assert ran.code == 1
    assert "photo_legend.json is already there" in ran.said
    assert "--overwrite" in ran.said
    assert legend.read_text() == "my corrections"
    assert len(outputs(tmp_path / "out")) == 1
    assert segment("photo.png", "--output", "out", "--overwrite").code == 0
    assert json.loads(legend.read_text("utf-8"))["classes"]


@pytest.mark.parametrize("place", ["taken", "taken/deeper"])
def test_an_output_folder_that_is_a_file(segment: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").write_text("mine")
    ran = segment("photo.png", "--output", place)
    assert ran.code == 1
    assert "taken" in ran.said
    assert ran.out == ""
    assert (tmp_path / "taken").read_text() == "mine"


def resnet(path: Path) -> None:
    save_file(
        {
            "visual.layer1.0.conv1.weight": torch.zeros(8, 8, 1, 1),
            "visual.attnpool.c_proj.weight": torch.zeros(8, 8),
            "token_embedding.weight": torch.zeros(8, 8),
        },
        path,
    )


@pytest.mark.parametrize(
    ("name", "make", "cause"),
    [
        ("resnet.safetensors", resnet, "ResNet CLIP"),
        ("gone.safetensors", lambda path: None, "gone.safetensors"),
        ("text.pt", lambda path: path.write_text("weights? no."), "text.pt"),
        ("empty.pt", lambda path: path.write_bytes(b""), "empty.pt"),
    ],
)
def test_a_checkpoint_that_is_none(
    segment: Run, name: str, make: Callable[[Path], object], cause: str
) -> None:
    make(Path(name))
    ran = segment("photo.png", "--checkpoint", name, model=False)
    assert ran.code == 1
    assert cause in ran.said
    assert ran.out == ""


def test_a_truncated_checkpoint(segment: Run, checkpoint: Path) -> None:
    Path("cut.safetensors").write_bytes(checkpoint.read_bytes()[:100_000])
    ran = segment("photo.png", "--checkpoint", "cut.safetensors", model=False)
    assert ran.code == 1
    assert "cut.safetensors" in ran.said


def test_the_default_model_offline_names_the_ways_out(segment: Run) -> None:
    ran = segment("photo.png", model=False)
    assert ran.code == 1
    assert ran.out == ""
    for part in (DEFAULT_MODEL, "HF_HUB_CACHE", "--checkpoint", "--model", "demo", "models fetch"):
        assert part in ran.said


def test_an_unknown_model_names_the_known_ones(segment: Run) -> None:
    ran = segment("photo.png", "--model", "openai-vit-b16", model=False)
    assert ran.code == 1
    assert "Did you mean 'openai-vit-b-16'?" in ran.said
    assert "demo" in ran.said


def test_an_interrupt_is_no_crash(segment: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segment_module, "run_one", interrupt)
    assert segment("photo.png").code not in (0, 2)


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


def test_fetching_an_unknown_model(run: Run) -> None:
    ran = run("models", "fetch", "openai-vit-b-17")
    assert ran.code == 1
    assert "unknown model 'openai-vit-b-17'" in ran.said
    assert ran.out == ""


def test_fetching_offline(run: Run) -> None:
    ran = run("models", "fetch", DEFAULT_MODEL)
    assert ran.code == 1
    assert "HF_HUB_OFFLINE" in ran.said
    assert ran.out == ""


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


@pytest.mark.parametrize("arguments", [["frobnicate"], ["--nope"], ["models", "frob"], []])
def test_a_command_that_is_none(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Usage: napari-itaclip" in ran.out + ran.err


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

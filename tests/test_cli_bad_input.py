"""The command line on a user's mistakes: the cause is named, nothing is written, the code tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from napari_itaclip._cli import segment as segment_module
from napari_itaclip.clip.registry import DEFAULT_MODEL
from tests.cli_runner import WORDS, Run, outputs
from tests.cli_runner import _own_world as _own_world
from tests.cli_runner import checkpoint as checkpoint
from tests.cli_runner import photo as photo
from tests.cli_runner import run as run
from tests.cli_runner import segment as segment


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


def test_a_short_side_beyond_the_longest_side_lifts_the_limit(segment: Run) -> None:
    ran = segment("photo.png", "--stride", 0, "--short-side", 3000)
    assert "stride" in ran.said  # not max_long_side
    assert ran.code == 2


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
    assert ran.code == 2
    assert "Did you mean 'openai-vit-b-16'?" in ran.said
    assert "demo" in ran.said


def test_an_interrupt_is_no_crash(segment: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segment_module, "run_one", interrupt)
    assert segment("photo.png").code not in (0, 2)


def test_fetching_an_unknown_model(run: Run) -> None:
    ran = run("models", "fetch", "openai-vit-b-17")
    assert ran.code == 2
    assert "unknown model 'openai-vit-b-17'" in ran.said
    assert ran.out == ""


def test_fetching_offline(run: Run) -> None:
    ran = run("models", "fetch", DEFAULT_MODEL)
    assert ran.code == 1
    assert "HF_HUB_OFFLINE" in ran.said
    assert ran.out == ""


@pytest.mark.parametrize("arguments", [["frobnicate"], ["--nope"], ["models", "frob"], []])
def test_a_command_that_is_none(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Usage: napari-itaclip" in ran.out + ran.err

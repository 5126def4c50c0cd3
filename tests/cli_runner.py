"""The command line run in this process, with a tiny model, in a folder of its own.

A test module imports the fixtures by name (``from … import run as run``); `_own_world` then applies
to each of its tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import skimage.data
from huggingface_hub import constants
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip import cli
from napari_itaclip.clip import weights_cache
from napari_itaclip.clip.embedding_cache import CACHE_VARIABLE
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

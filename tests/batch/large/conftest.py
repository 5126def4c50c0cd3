"""A small model, pictures to label, and what the engine says of them as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from open_clip.model import CLIP

from napari_itaclip.clip.checkpoints import load_clip
from napari_itaclip.segmentation.image import PreparedImage, prepare_image
from napari_itaclip.segmentation.resize import resize_picture
from napari_itaclip.segmentation.result import Segmentation
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import EncodeSettings, Preset, RefineSettings
from tests.tiny import save_tiny_clip

WORDS = "face, head; space suit; flag; wall"

QUICK = Preset(
    "quick",
    "Windows half over each other, one view, refined twice.",
    encode=EncodeSettings(stride=32, image_engineering=False),
    refine=RefineSettings(iterations=2, dilations=(1, 3)),
)
"""Settings that suit the tiny model: window 64, patch 16."""

Whole = Callable[[Any, float, Preset], Segmentation]


@pytest.fixture(scope="session")
def segmenter(tiny_clip: CLIP, tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """Return a segmenter with a random model that remembers its words across the tests."""
    path = save_tiny_clip(tiny_clip, tmp_path_factory.mktemp("model") / "tiny.safetensors")
    return Segmenter(load_clip(path, device="cpu", precision="float32"))


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """Return a photograph, 210 x 250 pixels."""
    pictures: Any = skimage.data
    return np.ascontiguousarray(pictures.astronaut()[0:420:2, 0:500:2])


@pytest.fixture(scope="session")
def whole(segmenter: Segmenter) -> Whole:
    """Return what labels an image shrunk at once and held in memory as a whole."""

    def label(image: Any, scale: float, preset: Preset) -> Segmentation:
        prepared = prepare_image(image)
        size = tuple(int(side * scale + 0.5) for side in prepared.shape)
        small = resize_picture(prepared.rgb, (size[0], size[1]), antialias=True)
        encode = replace(preset.encode, short_side=min(size), max_long_side=max(size))
        return segmenter.segment(PreparedImage(small), WORDS, replace(preset, encode=encode))

    return label


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where a result may go."""
    return tmp_path / "out" / "labels.tif"

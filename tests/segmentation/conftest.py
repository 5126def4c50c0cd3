"""A small model, loaded once, and a photograph to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from open_clip.model import CLIP

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.vision import patch_features
from napari_itaclip.segmentation import encode as encode_module
from napari_itaclip.segmentation.segmenter import Segmenter
from tests.tiny import save_tiny_clip


@pytest.fixture(scope="session")
def model(tiny_clip: CLIP, tmp_path_factory: pytest.TempPathFactory) -> ClipModel:
    """Return a random model of patch 16 and window 64 in float32."""
    path = save_tiny_clip(tiny_clip, tmp_path_factory.mktemp("model") / "tiny.safetensors")
    return load_clip(path, device="cpu", precision="float32")


@pytest.fixture(scope="session")
def segmenter(model: ClipModel) -> Segmenter:
    """Return a segmenter that remembers its words across the tests."""
    return Segmenter(model)


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """Return a photograph, 100 x 150 pixels."""
    pictures: Any = skimage.data
    return np.ascontiguousarray(pictures.astronaut()[50:250:2, 100:400:2])


@pytest.fixture
def network_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many crops each run of the image tower sees."""
    calls: list[int] = []
    original = patch_features

    def counting(network: CLIP, windows: Any, recipe: Any) -> Any:
        calls.append(len(windows))
        return original(network, windows, recipe)

    monkeypatch.setattr(encode_module, "patch_features", counting)
    return calls

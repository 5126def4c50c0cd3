"""A small network, made once, and no way to the network for any test here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from open_clip.model import CLIP
from torch import Tensor

from tests.clip.small_clips import small_clip


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test its own, empty caches and keep it off the network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(
        "napari_itaclip.clip.weights_cache._direct_cache", lambda: tmp_path / "direct"
    )


@pytest.fixture(scope="session")
def network() -> Iterator[CLIP]:
    """Return a small network with random weights."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield small_clip()
    torch.set_num_threads(threads)


@pytest.fixture
def state(network: CLIP) -> dict[str, Tensor]:
    """Return its weights."""
    return dict(network.state_dict())

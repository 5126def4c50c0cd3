"""Fixtures shared by all tests; nothing here reaches the network."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from pathlib import Path

import pytest
import torch
from hypothesis import settings as hypothesis_settings
from open_clip.model import CLIP

from tests import golden_format
from tests.tiny import make_tiny_clip

hypothesis_settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, print_blob=False
)
hypothesis_settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    """Small tensors are slower on many threads."""
    torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(scope="session")
def golden() -> Path:
    """Return the folder of golden outputs."""
    folder = golden_format.golden_folder()
    if folder is None:
        pytest.skip("no golden folder beside the checkout and none named by ITACLIP_GOLDEN")
    return folder


@pytest.fixture(scope="session")
def golden_network(golden: Path) -> CLIP:
    """Return the golden folder's CLIP, built with open_clip alone."""
    return golden_format.read_network(golden)


@pytest.fixture(scope="session")
def tiny_clip() -> CLIP:
    """Return a random CLIP of four visual layers, patch 16, 64 pixels."""
    return make_tiny_clip()

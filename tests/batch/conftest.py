"""What the tests of batches share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_itaclip.batch.job import BatchJob
from napari_itaclip.clip.embedding_cache import CACHE_VARIABLE
from napari_itaclip.segmentation.segmenter import Segmenter
from tests.batch.world import make_job, save_pictures, save_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def segmenter(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    patch = pytest.MonkeyPatch()
    with patch.context() as world:
        world.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        return Segmenter.from_pretrained(weights, device="cpu", precision="float32")


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Return a folder with four pictures."""
    save_pictures(tmp_path / "in", 4)
    return tmp_path / "in"


@pytest.fixture
def job(weights: Path, given: Path, tmp_path: Path) -> Callable[..., BatchJob]:
    def make(**changes: Any) -> BatchJob:
        return make_job(weights, given, tmp_path / "out", **changes)

    return make

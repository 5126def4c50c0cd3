"""Batches killed with SIGKILL and run again end like undisturbed ones, byte for byte."""

from __future__ import annotations

import random
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from napari_itaclip.batch.job import BatchJob
from napari_itaclip.batch.state import BatchState
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.batch.killing import count_changes, run_in_child, start_server
from tests.batch.world import make_job, save_pictures, tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

IMAGES = 60
KILLS = 20


@dataclass(frozen=True)
class Ground:
    """Where batches run."""

    context: Any
    weights: Path
    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def job(self, given: str, name: str, **changes: Any) -> BatchJob:
        return make_job(self.weights, self.folder / given, self.folder / name, **changes)

    def run(self, job: BatchJob, kill_at: int | None = None) -> bool:
        """Run a batch; say whether it was killed."""
        code = run_in_child(self.context, job, self.cache, kill_at)
        assert code in (0, -signal.SIGKILL)
        return code != 0


@pytest.fixture(scope="module")
def ground(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("killed")
    save_pictures(folder / "many", IMAGES)
    (folder / "many" / "image 005.png").write_bytes(b"not a picture")
    save_pictures(folder / "few", 2)
    return Ground(start_server(), weights, folder)


def test_sixty_images_killed_at_twenty_random_moments(ground: Ground) -> None:
    whole = count_changes(ground.context, ground.job("many", "undisturbed"), ground.cache)
    moments = random.Random(6)
    killed = ground.job("many", "disturbed")
    kills = 0
    while ground.run(killed, moments.randint(1, 2 * whole // KILLS) if kills < KILLS else None):
        kills += 1
    assert kills == KILLS
    found = tree(ground.folder / "disturbed")
    assert found == tree(ground.folder / "undisturbed")
    state = BatchState.find(ground.folder / "disturbed" / "png")
    assert len(state.items()) == IMAGES - 1


def test_killed_at_any_change_of_a_file(ground: Ground) -> None:
    whole = count_changes(ground.context, ground.job("few", "whole"), ground.cache)
    expected = tree(ground.folder / "whole")
    for moment in range(3, whole + 1, 15):
        job = ground.job("few", f"at {moment}")
        assert ground.run(job, moment)
        assert not ground.run(job)
        assert tree(ground.folder / f"at {moment}") == expected


def test_killed_while_everything_is_done_again_with_other_classes(ground: Ground) -> None:
    other = Vocabulary.parse("water; sky; grass")
    before, after = (
        ground.job("few", "again", **changes) for changes in ({}, {"vocabulary": other})
    )
    assert not ground.run(before)
    began = tree(ground.folder / "again")
    assert not ground.run(after)
    expected = tree(ground.folder / "again")
    assert began != expected
    for moment in range(1, 60, 19):
        shutil.rmtree(ground.folder / "again")
        assert not ground.run(before)
        assert ground.run(after, moment)
        assert not ground.run(after)
        assert tree(ground.folder / "again") == expected

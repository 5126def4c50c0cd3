"""The scene generators keep their promises: deterministic, fully labelled, every word frequent."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from training.scenes import WORLDS, Scene, draw_scene
from training.scenes.textures import COLOURS

# Small pictures keep the survey fast; layouts scale with the picture.
SURVEY_SIZE = (256, 256)
SURVEY_SEEDS = 60
SMALLEST_SHARE = 0.002


@functools.cache
def survey(world: str) -> tuple[Scene, ...]:
    """Draw the scenes that several tests look at."""
    return tuple(draw_scene(world, seed, SURVEY_SIZE) for seed in range(SURVEY_SEEDS))


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest) -> str:
    """Return each world's name in turn."""
    return str(request.param)


def test_same_seed_gives_the_same_scene(world: str) -> None:
    """Pictures, label maps and regions depend on the seed only."""
    first, second = (draw_scene(world, 5, SURVEY_SIZE) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.region_map, second.region_map)
    assert first.regions == second.regions
    assert not np.array_equal(first.image, draw_scene(world, 6, SURVEY_SIZE).image)


def test_every_pixel_has_a_word_of_the_world(world: str) -> None:
    """No pixel is unlabelled and no region has a foreign word."""
    words = WORLDS[world].words
    assert len(set(words)) == len(words)
    for scene in survey(world):
        assert scene.labels(words).max() < len(words)
        assert {region.word for region in scene.regions} <= set(words)


def test_every_word_occurs_often(world: str) -> None:
    """Each word visibly covers some of the picture in at least 15 % of the scenes."""
    words = WORLDS[world].words
    counts = np.zeros(len(words))
    for scene in survey(world):
        shares = np.bincount(scene.labels(words).ravel(), minlength=len(words))
        counts += shares / scene.region_map.size > SMALLEST_SHARE
    rare = {word: n for word, n in zip(words, counts, strict=True) if n < 0.15 * SURVEY_SEEDS}
    assert not rare


def test_colours_come_from_the_list(world: str) -> None:
    """Regions have a colour word of the fixed list or none."""
    used = {region.colour for scene in survey(world) for region in scene.regions}
    assert used <= {None, *COLOURS}


@pytest.mark.parametrize("size", [(512, 640), (256, 256), (300, 211)])
def test_any_size(world: str, size: tuple[int, int]) -> None:
    """Odd and oblong pictures work and are uint8 RGB."""
    scene = draw_scene(world, 3, size)
    assert scene.image.shape == (*size, 3)
    assert scene.image.dtype == np.uint8
    assert scene.region_map.shape == size
    assert scene.image.std() > 5

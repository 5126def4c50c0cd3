"""PAMR: an average along edges, whatever the words and the size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation import refine
from napari_itaclip.segmentation.refine import (
    affinities,
    neighbour_offsets,
    pamr,
    refinement_guide,
)
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import EncodeSettings


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def edge_guide(height: int, width: int) -> Tensor:
    """Return a picture with an edge in the middle."""
    guide = torch.zeros(3, height, width)
    guide[:, :, width // 2 :] = 200
    return guide + random(3, height, width)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    value=st.floats(-5, 5, width=32),
    dilations=st.lists(st.integers(1, 50), min_size=1, max_size=3, unique=True),
)
def test_constant_scores_stay_constant(
    shape: tuple[int, int], value: float, dilations: list[int]
) -> None:
    scores = torch.full((2, *shape), value)
    found = pamr(scores, random(3, *shape) * 255, 5, dilations)
    torch.testing.assert_close(found, scores, atol=1e-5, rtol=1e-5)


@given(shape=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 99))
def test_an_average_stays_between_the_extremes(shape: tuple[int, int], seed: int) -> None:
    scores = random(2, *shape, seed=seed)
    found = pamr(scores, random(3, *shape, seed=seed + 1) * 255, 4, (1, 5))
    for before, after in zip(scores, found, strict=True):
        assert float(after.min()) >= float(before.min()) - 1e-5
        assert float(after.max()) <= float(before.max()) + 1e-5


def test_no_iterations_change_nothing() -> None:
    scores = random(3, 10, 12)
    assert torch.equal(pamr(scores, random(3, 10, 12), 0), scores)


@pytest.mark.parametrize("iterations", [0, 1, 10])
def test_the_input_is_not_changed(iterations: int) -> None:
    scores, guide = random(3, 20, 30), edge_guide(20, 30)
    given_scores, given_guide = scores.clone(), guide.clone()
    pamr(scores, guide, iterations)
    assert torch.equal(scores, given_scores)
    assert torch.equal(guide, given_guide)


@pytest.mark.parametrize("words", [1, 31, 32, 33, 70])
def test_words_are_refined_one_by_one(words: int) -> None:
    """Chunks of words and bands of rows are only a matter of memory."""
    scores, guide = random(words, 12, 17), edge_guide(12, 17)
    together = pamr(scores, guide, 3)
    for index in (0, words // 2, words - 1):
        alone = pamr(scores[index : index + 1], guide, 3)
        torch.testing.assert_close(alone[0], together[index], atol=1e-6, rtol=0)


@pytest.mark.parametrize("elements", [1, 100, 1000])
def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    scores, guide = random(3, 25, 18), edge_guide(25, 18)
    expected = pamr(scores, guide, 3, (1, 4))
    monkeypatch.setattr(refine, "_BAND_ELEMENTS", elements)
    torch.testing.assert_close(pamr(scores, guide, 3, (1, 4)), expected, atol=1e-6, rtol=0)


def test_edges_hold() -> None:
    scores = torch.zeros(1, 30, 40)
    scores[:, :, 20:] = 1
    noisy = scores + 0.5 * (random(1, 30, 40) - 0.5)
    guide = 200 * scores.expand(3, -1, -1)
    refined = pamr(noisy, guide, 10, (1, 2))
    assert float((refined - scores).abs().mean()) < 0.3 * float((noisy - scores).abs().mean())
    assert float(refined[..., 19].max()) < 0.3
    assert float(refined[..., 20].min()) > 0.7


@pytest.mark.parametrize("dilations", [(1,), (8, 16), (1, 3, 7)])
def test_affinities_are_shares(dilations: Sequence[int]) -> None:
    weights = affinities(edge_guide(20, 30), dilations)
    assert weights.shape == (8 * len(dilations), 20, 30)
    assert float(weights.min()) >= 0
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(20, 30))
    flat = affinities(torch.full((3, 20, 30), 77.0), dilations)
    torch.testing.assert_close(flat, torch.full_like(flat, 1 / len(flat)))


def test_neighbours() -> None:
    offsets = neighbour_offsets((2, 5))
    assert len(offsets) == len(set(offsets)) == 16
    assert {max(abs(dy), abs(dx)) for dy, dx in offsets} == {2, 5}


@pytest.mark.parametrize(
    ("scores", "guide"),
    [
        ((2, 10, 12), (3, 12, 10)),
        ((2, 10, 12), (3, 10, 11)),
        ((10, 12), (3, 10, 12)),
        ((2, 10, 12), (10, 12)),
    ],
)
def test_shapes_that_do_not_belong_together(
    scores: tuple[int, ...], guide: tuple[int, ...]
) -> None:
    with pytest.raises(SettingsError) as caught:
        pamr(torch.zeros(scores), torch.zeros(guide))
    assert str(scores) in str(caught.value)
    assert str(guide) in str(caught.value)


def test_the_guide_is_the_working_picture_at_the_original_size(
    segmenter: Segmenter, photo: NDArray[np.uint8]
) -> None:
    features = segmenter.encode(photo, EncodeSettings(short_side=50, window=64, stride=64))
    guide = refinement_guide(features)
    assert guide.shape == (3, 100, 150)
    expected = torch.nn.functional.interpolate(
        torch.tensor(features.picture).permute(2, 0, 1)[None].double(),
        size=(100, 150),
        mode="bilinear",
        align_corners=False,
    )[0]
    torch.testing.assert_close(guide.double(), expected, atol=1e-4, rtol=0)

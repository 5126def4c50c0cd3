"""Scores as two small matrices: sizes, bands, what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.scores import (
    axis_operator,
    factored_scores,
    interpolation_matrix,
    patch_scores,
    score_map,
)
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import EncodeSettings
from napari_itaclip.segmentation.windows import plan_axis

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def features(segmenter: Segmenter, photo: NDArray[np.uint8]) -> ImageFeatures:
    return segmenter.encode(photo, EncodeSettings(short_side=70, window=64, stride=32))


def embeddings(count: int, width: int = 64) -> torch.Tensor:
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(0))
    return functional.normalize(rows, dim=-1)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("original", (100, 150)), ("resized", (70, 105)), ((3, 500), (3, 500)), ((1, 1), (1, 1))],
)
def test_the_size_of_a_score_map(
    features: ImageFeatures, size: Any, expected: tuple[int, int]
) -> None:
    scores = score_map(features, embeddings(3), size)
    assert scores.shape == (3, *expected)
    assert scores.dtype == torch.float32
    assert float(scores.abs().max()) <= 1 + 1e-5


@pytest.mark.parametrize(
    "size", ["big", None, 5, (5,), (1, 2, 3), (0, 5), (5, -1), (2.5, 5), (5, 10**9)]
)
def test_a_bad_size_is_refused(features: ImageFeatures, size: Any) -> None:
    with pytest.raises(SettingsError, match="size"):
        score_map(features, embeddings(3), size)


@pytest.mark.parametrize("shape", [(3, 63), (64,), (1, 3, 64)])
def test_embeddings_of_another_model_are_refused(
    features: ImageFeatures, shape: tuple[int, ...]
) -> None:
    with pytest.raises(SettingsError, match="64 dimensions"):
        patch_scores(features, torch.zeros(shape))


@pytest.mark.parametrize("words", [1, 7])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(13, 57), slice(99, 100), slice(None)])
def test_a_band_is_those_rows_of_the_whole(
    features: ImageFeatures, words: int, rows: slice
) -> None:
    factored = factored_scores(features, embeddings(words))
    assert factored.shape == (words, 100, 150)
    assert factored.device == CPU
    whole = score_map(features, embeddings(words))
    torch.testing.assert_close(factored.band(rows), whole[:, rows], atol=1e-6, rtol=0)


def test_words_do_not_see_each_other(features: ImageFeatures) -> None:
    words = embeddings(5)
    together = score_map(features, words)
    for index in range(5):
        alone = score_map(features, words[index : index + 1])
        torch.testing.assert_close(alone[0], together[index], atol=1e-6, rtol=0)


@given(
    length=st.integers(1, 200),
    patches=st.integers(1, 6),
    target=st.integers(1, 250),
    data=st.data(),
)
def test_constant_scores_stay_constant(
    length: int, patches: int, target: int, data: st.DataObject
) -> None:
    """Every operator is an average: its rows are not negative and add up to 1."""
    window = 16 * patches
    axis = plan_axis(length, window, data.draw(st.integers(1, window)), 16)
    operator = axis_operator(axis, target, CPU)
    assert operator.shape == (target, len(axis.starts) * axis.grid)
    assert float(operator.min()) >= 0
    torch.testing.assert_close(operator.sum(dim=1), torch.ones(target))


@given(st.integers(1, 60), st.integers(1, 60))
def test_interpolation_is_torchs(source: int, target: int) -> None:
    values = torch.randn(1, 1, source, generator=torch.Generator().manual_seed(0)).double()
    expected = functional.interpolate(values, size=target, mode="linear", align_corners=False)
    found = interpolation_matrix(source, target) @ values[0, 0]
    torch.testing.assert_close(found, expected[0, 0])

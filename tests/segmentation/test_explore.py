"""Heat maps and the values at one pixel agree with what is decided."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_itaclip.clip.text import ClassEmbeddings
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.explore import (
    class_probability,
    class_similarity,
    class_values_at,
)
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.scores import score_map
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    EncodeSettings,
    Pooling,
    RefineSettings,
)
from napari_itaclip.segmentation.windows import plan_axis
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

ENCODE = EncodeSettings(short_side=70, window=64, stride=32)
WORDS = Vocabulary(
    [
        ClassPrompt("face", ["head", "hair"], bias=0.6, threshold=0.9),
        "space suit",
        ClassPrompt("the rest", background=True, bias=-0.4),
    ],
    templates="word",
)
POOLINGS: list[Pooling] = ["max_score", "log_mean_exp", "max_probability"]
REFINE = RefineSettings(iterations=2, dilations=(2,))


@pytest.fixture(scope="module")
def features(segmenter: Segmenter, photo: NDArray[np.uint8]) -> ImageFeatures:
    return segmenter.encode(photo, ENCODE)


@pytest.fixture(scope="module")
def embeddings(segmenter: Segmenter) -> ClassEmbeddings:
    return segmenter.embed(WORDS)


def with_hole(features: ImageFeatures) -> ImageFeatures:
    valid = np.ones(features.shape, bool)
    valid[10:20, 30:60] = False
    return dataclasses.replace(features, valid=valid)


@pytest.mark.parametrize("refine", [None, REFINE, RefineSettings(0)])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("area", [None, 0.3])
def test_a_classs_probability_is_the_one_of_the_decision(
    segmenter: Segmenter,
    features: ImageFeatures,
    embeddings: ClassEmbeddings,
    refine: RefineSettings | None,
    pooling: Pooling,
    area: float | None,
) -> None:
    decision = DecisionSettings(pooling=pooling, area_threshold=area)
    features = with_hole(features)
    whole = segmenter.segment_embedded(
        features,
        WORDS,
        embeddings,
        refine=refine or RefineSettings(0),
        decision=decision,
        probabilities=True,
    ).probabilities
    assert whole is not None
    for position in range(3):
        found = class_probability(features, embeddings, WORDS, position, decision, refine=refine)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, whole[position], atol=1e-6)
        assert not found[10:20, 30:60].any()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_values_at_a_pixel_are_those_of_the_whole_image(
    features: ImageFeatures, embeddings: ClassEmbeddings, pooling: Pooling
) -> None:
    decision = DecisionSettings(pooling=pooling)
    whole = np.stack(
        [class_probability(features, embeddings, WORDS, at, decision) for at in range(3)]
    )
    for y, x in ((0, 0), (99, 149), (0, 149), (41, 77), (50, 3)):
        found = class_values_at(features, embeddings, WORDS, decision, y, x)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, whole[:, y, x], atol=1e-6)


def test_a_pixel_without_a_value_has_no_classes(
    features: ImageFeatures, embeddings: ClassEmbeddings
) -> None:
    found = class_values_at(with_hole(features), embeddings, WORDS, DecisionSettings(), 12, 40)
    assert found.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("y", "x"), [(-1, 0), (0, -1), (100, 0), (0, 150)])
def test_a_pixel_outside_is_refused(
    features: ImageFeatures, embeddings: ClassEmbeddings, y: int, x: int
) -> None:
    with pytest.raises(SettingsError, match=rf"row {y}, column {x}.*100×150"):
        class_values_at(features, embeddings, WORDS, DecisionSettings(), y, x)


def test_the_values_under_a_cursor_come_at_once() -> None:
    """Forty classes on a large image; the target is a millisecond, the limit allows for others."""
    words = Vocabulary([ClassPrompt(f"w{i}", [f"x{i}"], bias=0.1) for i in range(40)])
    features, embeddings = made_up(words, (2048, 2048))
    decision = DecisionSettings()
    class_values_at(features, embeddings, words, decision, 0, 0)  # the operators are kept
    took = []
    for place in range(20):
        start = time.perf_counter()
        class_values_at(features, embeddings, words, decision, 100 * place, 77 * place)
        took.append(time.perf_counter() - start)
    assert np.median(took) < 5e-3


def made_up(words: Vocabulary, shape: tuple[int, int]) -> tuple[ImageFeatures, ClassEmbeddings]:
    """Return random features and embeddings of length one."""
    axis = plan_axis(336, 224, 112, 16)
    count, grid = len(axis.starts), axis.grid
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(count, count, grid, grid, 64, generator=generator)
    features = ImageFeatures(
        torch.nn.functional.normalize(patches, dim=-1),
        axis,
        axis,
        np.zeros((336, 336, 3), np.uint8),
        shape,
        None,
        "made up",
        ENCODE,
    )
    rows = torch.randn(len(words.words), 64, generator=generator)
    rows = torch.nn.functional.normalize(rows, dim=-1)
    return features, ClassEmbeddings(rows, words.word_class_index, words.words, {})


@pytest.mark.parametrize("refine", [None, REFINE])
def test_similarity_is_the_best_words_score(
    segmenter: Segmenter, features: ImageFeatures, refine: RefineSettings | None
) -> None:
    rows = segmenter.embed_texts(["face", "a white flag"], "word")
    found = class_similarity(features, rows, refine=refine)
    if refine is None:
        expected = score_map(features, rows).amax(dim=0).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)
    one = class_similarity(features, rows[:1], refine=refine)
    assert (found >= one - 1e-6).all()
    assert (found > one + 1e-6).any()
    assert np.abs(found).max() <= 1 + 1e-5
    assert found.dtype == np.float32
    assert found.shape == features.shape


def test_similarity_where_the_image_has_no_value_is_the_lowest(
    segmenter: Segmenter, features: ImageFeatures
) -> None:
    rows = segmenter.embed_texts(["face"], "word")
    plain = class_similarity(features, rows)
    found = class_similarity(with_hole(features), rows)
    valid = with_hole(features).valid
    assert valid is not None
    np.testing.assert_array_equal(found[valid], plain[valid])
    assert (found[~valid] == plain[valid].min()).all()


def test_what_does_not_belong_together_is_refused(
    features: ImageFeatures, embeddings: ClassEmbeddings
) -> None:
    decision = DecisionSettings()
    other = WORDS.add("flag")
    with pytest.raises(SettingsError, match=r"space suit.*flag.*embed the vocabulary again"):
        class_probability(features, embeddings, other, 0, decision)
    with pytest.raises(SettingsError, match="embed the vocabulary again"):
        class_values_at(features, embeddings, other, decision, 0, 0)
    for position in (-1, 3):
        with pytest.raises(SettingsError, match=f"no class {position}; there are 3"):
            class_probability(features, embeddings, WORDS, position, decision)
    with pytest.raises(SettingsError, match="no word"):
        class_similarity(features, torch.empty(0, 64))
    with pytest.raises(SettingsError, match="64 dimensions"):
        class_similarity(features, torch.ones(1, 5))
    narrow = dataclasses.replace(embeddings, embeddings=embeddings.embeddings[:, :9])
    with pytest.raises(SettingsError, match="64 dimensions"):
        class_values_at(features, narrow, WORDS, decision, 0, 0)

"""Classes that compete, over an image and in the text space."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.confusions import (
    ClassPair,
    competing_classes,
    text_similarity,
)
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import DecisionSettings, EncodeSettings
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

DECISION = DecisionSettings(logit_scale=40)


@pytest.fixture(scope="module")
def features(segmenter: Segmenter, photo: NDArray[np.uint8]) -> ImageFeatures:
    return segmenter.encode(photo, EncodeSettings(short_side=70, window=64, stride=32))


def pairs_of(
    segmenter: Segmenter, features: ImageFeatures, vocabulary: Vocabulary
) -> tuple[ClassPair, ...]:
    embeddings = segmenter.embed(vocabulary)
    return competing_classes(segmenter, features, vocabulary, embeddings, DECISION)


def words(*classes: ClassPrompt | str) -> Vocabulary:
    return Vocabulary(classes, templates="word", allow_shared_words=True)


def test_twins_contest_everything_and_the_hint_says_so(
    segmenter: Segmenter, features: ImageFeatures
) -> None:
    pair = pairs_of(segmenter, features, words("face", ClassPrompt("look", ("face",))))[0]
    assert {pair.first, pair.second} == {"face", "look"}
    assert pair.similarity == pytest.approx(1)
    assert "synonym" in pair.hint


def test_shares_add_up_to_what_is_contested(segmenter: Segmenter, features: ImageFeatures) -> None:
    vocabulary = words("face", "space suit", "flag")
    pairs = pairs_of(segmenter, features, vocabulary)
    assert [pair.pixels for pair in pairs] == sorted((p.pixels for p in pairs), reverse=True)
    height, width = features.shape
    for pair in pairs:
        assert pair.pixels == pytest.approx(pair.share * height * width)
        assert "definition" in pair.hint
    margin = segmenter.segment(
        features, vocabulary, "draft", decision=DECISION
    ).margin  # unrefined, at every pixel
    assert sum(pair.share for pair in pairs) == pytest.approx(1 - margin.mean(), abs=0.03)


def test_a_bias_settles_the_contest(segmenter: Segmenter, features: ImageFeatures) -> None:
    assert pairs_of(segmenter, features, words("face", "space suit"))
    assert not pairs_of(segmenter, features, words(ClassPrompt("face", bias=20), "space suit"))


def test_hints_suit_the_classes(segmenter: Segmenter, features: ImageFeatures) -> None:
    ground = ClassPrompt("the rest", background=True)
    (pair,) = pairs_of(segmenter, features, words("face", ground))
    assert pair.hint.startswith("“face”")
    described = [ClassPrompt(name, auxiliary=(f"it is a {name}",)) for name in ("face", "suit")]
    (pair,) = pairs_of(segmenter, features, words(*described))
    assert f"“{pair.second}”" in pair.hint


def test_one_class_and_empty_images_have_no_pairs(
    segmenter: Segmenter, features: ImageFeatures
) -> None:
    assert pairs_of(segmenter, features, words("face")) == ()
    nothing = dataclasses.replace(features, valid=np.zeros(features.shape, bool))
    assert pairs_of(segmenter, nothing, words("face", "flag")) == ()


def test_only_pixels_with_a_value_count(segmenter: Segmenter, features: ImageFeatures) -> None:
    valid = np.ones(features.shape, bool)
    valid[:50] = False
    half = dataclasses.replace(features, valid=valid)
    vocabulary = words("face", "space suit", "flag")
    whole_share = sum(pair.share for pair in pairs_of(segmenter, features, vocabulary))
    assert 0 < sum(pair.share for pair in pairs_of(segmenter, half, vocabulary)) < whole_share


def test_text_similarity_takes_the_nearest_words(segmenter: Segmenter) -> None:
    alike = text_similarity(segmenter, words("face", ClassPrompt("look", ("face",)), "flag"))
    assert alike.shape == (3, 3)
    assert np.allclose(alike, alike.T)
    assert np.array_equal(alike.diagonal(), np.ones(3, np.float32))
    assert alike[0, 1] == pytest.approx(1)
    assert alike[0, 2] < 1


def test_foreign_features_and_words_are_refused(
    segmenter: Segmenter, features: ImageFeatures
) -> None:
    foreign = dataclasses.replace(features, model="another")
    with pytest.raises(SettingsError, match="another"):
        pairs_of(segmenter, foreign, words("face", "flag"))
    embeddings = segmenter.embed(words("face", "flag"))
    with pytest.raises(SettingsError, match="embed the vocabulary again"):
        competing_classes(segmenter, features, words("face", "sky"), embeddings, DECISION)

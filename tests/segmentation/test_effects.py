"""A preview is what acceptance does, and a text's fit says where it pulls."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.errors import SettingsError, VocabularyError
from napari_itaclip.segmentation.effects import effect_of, fit_of
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    EncodeSettings,
    RefineSettings,
)
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

REFINE = RefineSettings(iterations=2, dilations=(2,))
DECISION = DecisionSettings(logit_scale=40)
BEFORE = Vocabulary(["face", "space suit", "flag"], templates="plain")
AFTER = BEFORE.replace("face", ClassPrompt("face", ("flagship", "head"), ("a round thing",)))


@pytest.fixture(scope="module")
def features(segmenter: Segmenter, photo: NDArray[np.uint8]) -> ImageFeatures:
    return segmenter.encode(photo, EncodeSettings(short_side=70, window=64, stride=32))


def test_preview_equals_acceptance(segmenter: Segmenter, features: ImageFeatures) -> None:
    effect = effect_of(segmenter, features, BEFORE, AFTER, 1, refine=REFINE, decision=DECISION)
    old = segmenter.segment(features, BEFORE, refine=REFINE, decision=DECISION)
    new = segmenter.segment(features, AFTER, refine=REFINE, decision=DECISION)
    assert np.array_equal(effect.after.labels, new.labels)
    assert np.array_equal(effect.changed, old.labels != new.labels)
    assert effect.changed.any()
    assert effect.changed_share == effect.changed.mean()
    rows = {row.id: row for row in old.classes}, {row.id: row for row in new.classes}
    assert effect.share_before == pytest.approx(rows[0][1].share)
    assert effect.share_after == pytest.approx(rows[1][1].share)
    assert effect.confidence_before == pytest.approx(rows[0][1].confidence, nan_ok=True)
    assert effect.confidence_after == pytest.approx(rows[1][1].confidence, nan_ok=True)


def test_a_known_segmentation_is_used_only_if_it_fits(
    segmenter: Segmenter, features: ImageFeatures
) -> None:
    known = segmenter.segment(features, BEFORE, refine=REFINE, decision=DECISION)

    def effect(before: Vocabulary, decision: DecisionSettings) -> object:
        return effect_of(
            segmenter, features, before, AFTER, 1, refine=REFINE, decision=decision, known=known
        ).before

    assert effect(BEFORE, DECISION) is known
    assert effect(BEFORE.remove("flag"), DECISION) is not known
    assert effect(BEFORE, DecisionSettings(logit_scale=30)) is not known


def test_a_class_may_be_new_but_not_unknown(segmenter: Segmenter, features: ImageFeatures) -> None:
    added = BEFORE.add("rocket")
    effect = effect_of(segmenter, features, BEFORE, added, 4, refine=REFINE, decision=DECISION)
    assert effect.share_before == 0
    assert math.isnan(effect.confidence_before)
    with pytest.raises(VocabularyError, match="id 9"):
        effect_of(segmenter, features, BEFORE, added, 9, refine=REFINE, decision=DECISION)


def test_fit_lists_the_rivals_from_near_to_far(segmenter: Segmenter) -> None:
    fit = fit_of(segmenter, AFTER, 1, "face", "synonym")
    assert fit.similarity == pytest.approx(1)
    assert [name for name, _ in fit.rivals] == sorted(
        ["space suit", "flag"], key=lambda name: -dict(fit.rivals)[name]
    )
    assert fit.nearest_rival == fit.rivals[0][0]
    assert not fit.pulls_to_rival
    assert fit.cut_to is None


def test_a_rival_s_word_pulls_to_it(segmenter: Segmenter) -> None:
    fit = fit_of(segmenter, AFTER, 1, "flag", "synonym")
    assert fit.nearest_rival == "flag"
    assert fit.pulls_to_rival


def test_a_long_text_says_what_is_read_of_it(segmenter: Segmenter) -> None:
    text = " ".join(["a very long description of it"] * 40)
    cut = fit_of(segmenter, BEFORE, 1, text, "definition").cut_to
    assert cut is not None
    assert text.startswith(cut)


def test_a_class_without_rivals(segmenter: Segmenter) -> None:
    fit = fit_of(segmenter, Vocabulary(["face"], templates="plain"), 1, "head", "synonym")
    assert fit.rivals == ()
    assert fit.nearest_rival is None
    assert not fit.pulls_to_rival


def test_fit_refuses_what_it_cannot_judge(segmenter: Segmenter) -> None:
    with pytest.raises(SettingsError, match="antonym"):
        fit_of(segmenter, BEFORE, 1, "head", "antonym")
    with pytest.raises(VocabularyError, match="id 9"):
        fit_of(segmenter, BEFORE, 9, "head", "synonym")
    with pytest.raises(VocabularyError, match="empty"):
        fit_of(segmenter, BEFORE, 1, "  ", "synonym")

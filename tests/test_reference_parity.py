"""The package reproduces the reference implementations' outputs in any folder of goldens.

The folder is the one named by the environment variable ``ITACLIP_GOLDEN``, else
``../shared/golden`` beside the checkout. Its files, recipes, sizes and settings are discovered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.recipes import RECIPES, Recipe
from napari_itaclip.clip.text import ClassEmbeddings, TextEncoder
from napari_itaclip.clip.vision import visual_tokens
from napari_itaclip.segmentation.decide import Decision, decide
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.refine import pamr, refinement_guide
from napari_itaclip.segmentation.scores import score_map
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    EncodeSettings,
    RefineSettings,
)
from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary
from tests import golden_format as gf

FOLDER = gf.golden_folder()
CASES = gf.case_names(FOLDER) if FOLDER else []
FEATURES = list(gf.feature_keys(FOLDER)) if FOLDER else []

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="no golden folder beside the checkout and none named by ITACLIP_GOLDEN"
)


@dataclasses.dataclass(frozen=True)
class Run:
    """One case, run by the package; class 0 takes what is under the threshold, as stored."""

    case: gf.GoldenCase
    vocabulary: Vocabulary
    embedded: ClassEmbeddings
    features: ImageFeatures
    decision: Decision


Runner = Callable[[str], Run]


def recipe_of(name: str, depth: int) -> Recipe:
    """Return a recipe by name; the reference takes blocks 7, 8 and 10 whatever the depth."""
    recipe = RECIPES[name]
    if not recipe.middle_layers:
        return recipe
    fractions = tuple(layer / depth for layer in (7, 8, 10) if layer < depth)
    if recipe.middle_blocks(depth) == tuple(round(f * depth) - 1 for f in fractions):
        return recipe
    return dataclasses.replace(recipe, middle_layers=fractions)


def vocabulary_of(case: gf.GoldenCase) -> Vocabulary:
    """Return the case's classes with their positions as ids."""
    prompts = [
        ClassPrompt(
            name=words[0],
            synonyms=words[1:],
            auxiliary=() if text is None else (AuxiliaryText(text),),
            background=position == 0 and text is None,
            id=position,
        )
        for position, (words, text) in enumerate(
            zip(case.classes, case.class_auxiliary, strict=True)
        )
    ]
    return Vocabulary(prompts, alpha=case.alpha)


def decision_settings(case: gf.GoldenCase) -> DecisionSettings:
    return DecisionSettings(
        logit_scale=case.logit_scale,
        pooling="max_probability",
        probability_threshold=case.prob_threshold,
        area_threshold=case.area_threshold,
        closing="labels",
    )


@pytest.fixture(scope="module")
def model(golden: Path) -> ClipModel:
    return load_clip(gf.checkpoint_path(golden), device="cpu", precision="float32")


@pytest.fixture(scope="module")
def segmenter(model: ClipModel) -> Segmenter:
    return Segmenter(model)


@pytest.fixture(scope="module")
def package_run(golden: Path, model: ClipModel, segmenter: Segmenter) -> Runner:
    @cache
    def run(name: str) -> Run:
        case = gf.read_case(golden, name)
        settings = EncodeSettings(
            short_side=case.short_side,
            max_long_side=gf.LONG_SIDE,
            window=case.window,
            stride=case.stride,
            recipe=recipe_of("itaclip", model.depth),
            lam=case.lam,
            antialias=False,
        )
        vocabulary = vocabulary_of(case)
        embedded = segmenter.embed(vocabulary)
        features = segmenter.encode(case.arrays["image"], settings)
        scores = score_map(features, embedded.embeddings)
        guide = refinement_guide(features)
        decision = decide(
            pamr(scores, guide, case.pamr_iterations, gf.PAMR_DILATIONS),
            embedded.word_class_index,
            decision_settings(case),
            background=0,
            keep_probabilities=True,
        )
        return Run(case, vocabulary, embedded, features, decision)

    return run


def relative_error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest error of a token relative to its length."""
    error = np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    return float(error.max())


@pytest.mark.parametrize(("name", "key"), FEATURES)
def test_features_of_every_recipe(golden: Path, model: ClipModel, name: str, key: str) -> None:
    stored = gf.read_features(golden, name)
    expected = stored[key]
    base, full = gf.split_feature_key(key)
    recipe = recipe_of(base, model.depth)
    if full is not None:
        recipe = dataclasses.replace(recipe, residual=full, feed_forward=full)
    pixels = (stored["image"] - np.array(gf.PIXEL_MEAN)) / np.array(gf.PIXEL_STD)
    window = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    tokens = visual_tokens(cast(CLIP, model.network), window, recipe)[0].numpy()
    assert len(tokens) - len(expected) == (0 if key in gf.WITH_CLS else 1)
    assert relative_error(tokens[len(tokens) - len(expected) :], expected) < 1e-4


def test_text_embeddings(golden: Path, model: ClipModel) -> None:
    prompts, expected = gf.read_text(golden)
    found = TextEncoder(model).encode(prompts, "imagenet-80")
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_fused_embeddings(package_run: Runner, name: str) -> None:
    run = package_run(name)
    expected = run.case.arrays["query_embeddings"]
    np.testing.assert_allclose(run.embedded.embeddings, expected, atol=1e-5, rtol=0)
    assert tuple(run.embedded.word_class_index) == tuple(run.case.arrays["query_index"])


@pytest.mark.parametrize("name", CASES)
def test_resized_picture(package_run: Runner, name: str) -> None:
    run = package_run(name)
    np.testing.assert_array_equal(run.features.picture, run.case.arrays["resized"])


@pytest.mark.parametrize("name", CASES)
def test_scores(package_run: Runner, name: str) -> None:
    run = package_run(name)
    step = gf.SCORES_STEP
    found = score_map(run.features, run.embedded.embeddings, "resized")[:, ::step, ::step]
    np.testing.assert_allclose(found, run.case.arrays["scores"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_probabilities(package_run: Runner, name: str) -> None:
    run = package_run(name)
    step = gf.PROBABILITIES_STEP
    assert run.decision.probabilities is not None
    found = run.decision.probabilities[:, ::step, ::step]
    expected = run.case.arrays["probabilities"].astype(np.float32)
    np.testing.assert_allclose(found, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_labels(package_run: Runner, name: str) -> None:
    run = package_run(name)
    agreement = (run.decision.positions == run.case.arrays["labels"]).mean()
    assert agreement >= 0.999


@pytest.mark.parametrize("name", CASES)
def test_public_api_gives_the_same_labels(
    package_run: Runner, segmenter: Segmenter, name: str
) -> None:
    run = package_run(name)
    has_background = any(prompt.background for prompt in run.vocabulary)
    decides_as_stored = has_background or (
        run.case.prob_threshold == 0 and run.case.area_threshold is None
    )
    if not decides_as_stored:
        pytest.skip("the stored run treats a class that is no background as one")
    result = segmenter.segment(
        run.features,
        run.vocabulary,
        refine=RefineSettings(run.case.pamr_iterations, gf.PAMR_DILATIONS),
        decision=decision_settings(run.case),
    )
    assert (result.labels == run.case.arrays["labels"]).mean() >= 0.999

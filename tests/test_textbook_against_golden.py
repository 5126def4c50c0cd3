"""The textbook version agrees with the outputs of the reference implementations.

This makes it a judge of the fast path, and pins down what the formulas leave open: the arithmetic
of resizing, the picture that guides PAMR, the area rule and the border of the closing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP
from torch import Tensor

from tests import golden_format as gf
from tests import textbook as tb

FOLDER = gf.golden_folder()
CASES = gf.case_names(FOLDER) if FOLDER else []
FEATURES = list(gf.feature_keys(FOLDER)) if FOLDER else []

pytestmark = pytest.mark.skipif(FOLDER is None, reason="no golden folder")


@dataclass(frozen=True)
class Run:
    case: gf.GoldenCase
    scores: Tensor
    decision: tb.Decision


Runner = Callable[[str], Run]


@pytest.fixture(scope="module")
def textbook_run(golden: Path, golden_network: CLIP) -> Runner:
    """Return what runs the textbook on a case by name, from the stored resized image on."""

    @cache
    def run(name: str) -> Run:
        case = gf.read_case(golden, name)
        image = case.arrays["image"]
        size = (image.shape[0], image.shape[1])
        pixels = tb.normalise(case.arrays["resized"], gf.PIXEL_MEAN, gf.PIXEL_STD)
        scores = tb.slide_scores(
            golden_network,
            pixels,
            torch.from_numpy(case.arrays["query_embeddings"]),
            tb.TEXTBOOK_RECIPES["itaclip"],
            window=case.window,
            stride=case.stride,
            lam=case.lam,
        )
        refined = tb.pamr(
            tb.resize_scores(scores, size),
            tb.pamr_guide(case.arrays["resized"], size),
            case.pamr_iterations,
            gf.PAMR_DILATIONS,
        )
        decision = tb.decide(
            refined,
            case.word_class,
            logit_scale=case.logit_scale,
            prob_threshold=case.prob_threshold,
            area_threshold=case.area_threshold,
        )
        return Run(case, scores, decision)

    return run


def _relative_error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    error = np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    return float(error.max())


@pytest.mark.parametrize(("name", "key"), FEATURES)
def test_features(golden: Path, golden_network: CLIP, name: str, key: str) -> None:
    stored = gf.read_features(golden, name)
    base, full = gf.split_feature_key(key)
    recipe = tb.TEXTBOOK_RECIPES[base]
    if full is not None:
        recipe = replace(recipe, residual=full, feed_forward=full)
    window = tb.normalise(stored["image"], gf.PIXEL_MEAN, gf.PIXEL_STD)
    tokens = tb.visual_tokens(golden_network, window[None], recipe)[0].numpy()
    tokens = tokens[len(tokens) - len(stored[key]) :]
    assert _relative_error(tokens, stored[key]) < 1e-5


def test_text(golden: Path, golden_network: CLIP) -> None:
    prompts, expected = gf.read_text(golden)
    templates = open_clip.OPENAI_IMAGENET_TEMPLATES
    found = tb.text_embeddings(golden_network, prompts, templates, gf.tokenize).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_query_embeddings(golden: Path, golden_network: CLIP, name: str) -> None:
    case = gf.read_case(golden, name)
    templates = open_clip.OPENAI_IMAGENET_TEMPLATES
    texts = [*dict.fromkeys([*case.words, *(text for text in case.auxiliary if text)])]
    rows = tb.text_embeddings(golden_network, texts, templates, gf.tokenize)
    known = dict(zip(texts, rows, strict=True))
    words = torch.stack([known[word] for word in case.words])
    fused = tb.fuse(words, [known[t] if t else None for t in case.auxiliary], case.alpha)
    np.testing.assert_allclose(fused, case.arrays["query_embeddings"], atol=1e-6, rtol=0)
    assert case.word_class == tuple(case.arrays["query_index"])


@pytest.mark.parametrize("name", CASES)
def test_resizing_is_exact(golden: Path, name: str) -> None:
    case = gf.read_case(golden, name)
    image = case.arrays["image"]
    size = tb.resized_shape(image.shape[0], image.shape[1], case.short_side, gf.LONG_SIDE)
    np.testing.assert_array_equal(tb.resize_image(image, size), case.arrays["resized"])


@pytest.mark.parametrize("name", CASES)
def test_scores(textbook_run: Runner, name: str) -> None:
    run = textbook_run(name)
    step = gf.SCORES_STEP
    expected = run.case.arrays["scores"]
    np.testing.assert_allclose(run.scores[:, ::step, ::step], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_probabilities(textbook_run: Runner, name: str) -> None:
    run = textbook_run(name)
    step = gf.PROBABILITIES_STEP
    expected = run.case.arrays["probabilities"].astype(np.float32)
    found = run.decision.probabilities[:, ::step, ::step].numpy()
    # Half a step of float16 below 1 is 2.4e-4.
    np.testing.assert_allclose(found, expected, atol=3e-4, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_labels(textbook_run: Runner, name: str) -> None:
    run = textbook_run(name)
    agreement = (run.decision.labels == run.case.arrays["labels"]).mean()
    assert agreement >= 0.9999

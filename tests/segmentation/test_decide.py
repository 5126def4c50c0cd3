"""From scores to labels: both paths, every threshold, both closings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation import decide as decide_module
from napari_itaclip.segmentation.decide import (
    UNDECIDED,
    class_probabilities,
    close_each_class,
    close_labels,
    decide,
)
from napari_itaclip.segmentation.scores import FactoredScores
from napari_itaclip.segmentation.settings import DecisionSettings, Pooling
from napari_itaclip.segmentation.windows import plan_axis

POOLINGS: list[Pooling] = ["max_score", "log_mean_exp", "max_probability"]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) / 8


def words_of(synonyms: Sequence[int]) -> tuple[int, ...]:
    return tuple(c for c, count in enumerate(synonyms) for _ in range(count))


# ---- probabilities ---------------------------------------------------------------------------


@given(
    synonyms=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    pooling=st.sampled_from(POOLINGS),
    logit_scale=st.floats(0.1, 200),
    thresholds=st.tuples(st.sampled_from([0.0, 0.2, 0.6]), st.sampled_from([0.0, 0.1, 0.5])),
    background=st.booleans(),
    biased=st.booleans(),
    seed=st.integers(0, 99),
)
def test_both_paths_decide_alike(
    synonyms: list[int],
    pooling: Pooling,
    logit_scale: float,
    thresholds: tuple[float, float],
    background: bool,
    biased: bool,
    seed: int,
) -> None:
    """Without probabilities, classes are chosen by their logits; the result is the same."""
    scores = random(sum(synonyms), 9, 13, seed=seed)
    settings = DecisionSettings(
        logit_scale=logit_scale,
        pooling=pooling,
        probability_threshold=thresholds[0],
        margin_threshold=thresholds[1],
    )
    ground = len(synonyms) - 1 if background else None
    bias, own = np.random.default_rng(seed).uniform([[-9], [0]], [[9], [1]], (2, len(synonyms)))
    fast, slow = (
        decide(
            scores,
            words_of(synonyms),
            settings,
            background=ground,
            keep_probabilities=keep,
            class_bias=bias.tolist() if biased else None,
            class_threshold=own.tolist() if biased else None,
        )
        for keep in (False, True)
    )
    assert fast.probabilities is None
    assert slow.probabilities is not None
    np.testing.assert_allclose(fast.confidence, slow.confidence, atol=1e-5)
    np.testing.assert_allclose(fast.margin, slow.margin, atol=1e-5)
    near = np.minimum(np.abs(slow.confidence - thresholds[0]), np.abs(slow.margin - thresholds[1]))
    for threshold in own if biased else ():
        near = np.minimum(near, np.abs(slow.confidence - threshold))
    clear = (near > 1e-4) & (slow.margin > 1e-4) if len(synonyms) > 1 else near > 1e-4
    np.testing.assert_array_equal(fast.positions[clear], slow.positions[clear])
    best = np.sort(slow.probabilities, axis=0)
    np.testing.assert_allclose(slow.confidence, best[-1], atol=1e-6)


@pytest.mark.parametrize("pooling", ["max_score", "log_mean_exp"])
def test_values_add_up_to_one(pooling: Pooling) -> None:
    values = class_probabilities(
        random(6, 4, 5), words_of([1, 3, 2]), DecisionSettings(pooling=pooling)
    )
    torch.testing.assert_close(values.sum(dim=0), torch.ones(4, 5))


def test_a_class_loses_nothing_by_its_synonyms_but_in_the_published_pooling() -> None:
    """Two equal scores, one of them for a class with three equally good words."""
    scores = torch.full((4, 1, 1), 0.25)
    values = {
        pooling: class_probabilities(scores, (0, 1, 1, 1), DecisionSettings(pooling=pooling))
        for pooling in POOLINGS
    }
    assert values["max_score"].flatten().tolist() == pytest.approx([0.5, 0.5])
    assert values["log_mean_exp"].flatten().tolist() == pytest.approx([0.5, 0.5])
    assert values["max_probability"].flatten().tolist() == pytest.approx([0.25, 0.25])


def test_poolings_by_hand() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0])[:, None, None]

    def values(pooling: Pooling) -> list[float]:
        settings = DecisionSettings(logit_scale=1, pooling=pooling)
        found: list[float] = class_probabilities(scores, (0, 0, 1), settings).flatten().tolist()
        return found

    e1, e2, e3 = np.exp([1, 2, 3])
    assert values("max_score") == pytest.approx([e3 / (e3 + e2), e2 / (e3 + e2)])
    mean = (e1 + e3) / 2
    assert values("log_mean_exp") == pytest.approx([mean / (mean + e2), e2 / (mean + e2)])
    total = e1 + e2 + e3
    assert values("max_probability") == pytest.approx([e3 / total, e2 / total])


@pytest.mark.parametrize("call", [class_probabilities, decide])
def test_words_and_scores_must_belong_together(call: Any) -> None:
    with pytest.raises(SettingsError, match=r"3 score maps.*2 words"):
        call(random(3, 4, 5), (0, 1), DecisionSettings())


# ---- choosing --------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_single_class_is_sure(pooling: Pooling, keep: bool) -> None:
    settings = DecisionSettings(pooling=pooling, probability_threshold=0.9, margin_threshold=0.9)
    found = decide(random(1, 6, 7), (0,), settings, keep_probabilities=keep)
    assert (found.positions == 0).all()
    assert (found.confidence == 1).all()
    assert (found.margin == 1).all()


def test_three_hundred_classes() -> None:
    wanted = np.arange(300).reshape(15, 20)
    scores = torch.zeros(300, 15, 20)
    scores.view(300, 300)[wanted.ravel(), range(300)] = 1
    for keep in (False, True):
        found = decide(scores, tuple(range(300)), DecisionSettings(), keep_probabilities=keep)
        np.testing.assert_array_equal(found.positions, wanted)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_of_equal_classes_the_first_wins(pooling: Pooling, keep: bool) -> None:
    scores = torch.zeros(4, 3, 3)
    scores[1:3] = 0.5
    found = decide(scores, (0, 1, 2, 3), DecisionSettings(pooling=pooling), keep_probabilities=keep)
    assert (found.positions == 1).all()
    np.testing.assert_allclose(found.margin, 0, atol=1e-6)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_extreme_scales_stay_finite(scale: float, keep: bool) -> None:
    found = decide(
        random(5, 8, 8) * 8, range(5), DecisionSettings(logit_scale=scale), keep_probabilities=keep
    )
    for values in (found.confidence, found.margin):
        assert np.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-6


@pytest.mark.parametrize("elements", [1, 64, 500])
@pytest.mark.parametrize("area", [None, 0.2])
def test_bands_do_not_show(
    monkeypatch: pytest.MonkeyPatch, elements: int, area: float | None
) -> None:
    scores = random(6, 17, 23)
    settings = DecisionSettings(area_threshold=area, closing="per_class")
    expected = decide(scores, range(6), settings, keep_probabilities=True)
    monkeypatch.setattr(decide_module, "_BAND_ELEMENTS", elements)
    found = decide(scores, range(6), settings, keep_probabilities=True)
    np.testing.assert_array_equal(found.positions, expected.positions)
    assert found.probabilities is not None
    assert expected.probabilities is not None
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)


def test_factored_scores_are_decided_like_whole_ones_and_nothing_is_changed() -> None:
    axis = plan_axis(30, 16, 7, 8)
    wide = random(len(axis.starts) * axis.grid, 4, 20)
    factored = FactoredScores(axis, 50, wide)
    whole = factored.band(slice(None))
    before = whole.clone()
    for pooling in POOLINGS:
        settings = DecisionSettings(pooling=pooling, logit_scale=300)
        one, two = (decide(scores, (0, 1, 1, 2), settings) for scores in (factored, whole))
        np.testing.assert_array_equal(one.positions, two.positions)
        np.testing.assert_allclose(one.confidence, two.confidence, atol=1e-5)
    assert torch.equal(whole, before)


# ---- biases of single classes ----------------------------------------------------------------


@given(
    synonyms=st.lists(st.integers(1, 3), min_size=2, max_size=6),
    pooling=st.sampled_from(["max_score", "log_mean_exp"]),
    logit_scale=st.floats(0.1, 200),
    bias=st.floats(-20, 20),
    seed=st.integers(0, 99),
)
def test_a_bias_adds_to_the_log_odds(
    synonyms: list[int], pooling: Pooling, logit_scale: float, bias: float, seed: int
) -> None:
    """Against every other class alike, and those keep their odds among each other."""
    scores = random(sum(synonyms), 5, 6, seed=seed)
    settings = DecisionSettings(logit_scale=logit_scale, pooling=pooling)
    words = words_of(synonyms)
    biases = [0.0] * len(synonyms)
    biases[-1] = bias
    plain = class_probabilities(scores.double(), words, settings).log()
    plain[-1] += bias
    expected = torch.softmax(plain, dim=0)
    found = decide(scores, words, settings, keep_probabilities=True, class_bias=biases)
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)


def test_a_bias_of_the_published_pooling_acts_before_the_softmax_over_words() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0])[:, None, None]
    settings = DecisionSettings(logit_scale=1, pooling="max_probability")
    found = decide(scores, (0, 0, 1), settings, keep_probabilities=True, class_bias=[0, 1.5])
    e1, e3, biased = np.exp([1, 3, 3.5])
    total = e1 + e3 + biased
    assert found.probabilities is not None
    assert found.probabilities.flatten().tolist() == pytest.approx([e3 / total, biased / total])
    assert found.positions.tolist() == [[1]]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("keep", [False, True])
def test_no_bias_changes_nothing_and_an_equal_one_next_to_nothing(
    pooling: Pooling, keep: bool
) -> None:
    scores, words = random(6, 9, 8), words_of([1, 3, 2])
    settings = DecisionSettings(pooling=pooling, area_threshold=0.1)
    plain, zero, equal = (
        decide(scores, words, settings, keep_probabilities=keep, class_bias=bias)
        for bias in (None, [0, 0, 0], [3, 3, 3])
    )
    np.testing.assert_array_equal(plain.confidence, zero.confidence)
    np.testing.assert_array_equal(plain.positions, zero.positions)
    np.testing.assert_allclose(plain.confidence, equal.confidence, atol=1e-5)


def test_factored_scores_are_biased_like_whole_ones_and_nothing_is_changed() -> None:
    axis = plan_axis(30, 16, 7, 8)
    factored = FactoredScores(axis, 50, random(len(axis.starts) * axis.grid, 4, 20))
    before, whole = factored.wide.clone(), factored.band()
    biases, thresholds = [1.0, -2.0, 0.5], [0.3, 0.6, 0.9]
    for pooling, area in itertools.product(POOLINGS, (None, 0.2)):
        settings = DecisionSettings(pooling=pooling, area_threshold=area)
        one, two = (
            decide(scores, (0, 1, 1, 2), settings, class_bias=biases, class_threshold=thresholds)
            for scores in (factored, whole)
        )
        np.testing.assert_array_equal(one.positions, two.positions)
        np.testing.assert_allclose(one.confidence, two.confidence, atol=1e-5)
    assert torch.equal(factored.wide, before)
    assert torch.equal(whole, factored.band())


def test_a_class_that_its_bias_makes_small_is_removed() -> None:
    settings = DecisionSettings(logit_scale=1, area_threshold=0.1)
    scores = areas(50, 50)
    assert set(decide(scores, (0, 1), settings).positions.flatten().tolist()) == {0, 1}
    found = decide(scores, (0, 1), settings, class_bias=[2, 0])
    assert (found.positions == 0).all()


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("background", "expected"), [(0, 0), (None, UNDECIDED), (2, 2)])
def test_a_classs_threshold_is_its_own(background: int | None, expected: int, keep: bool) -> None:
    """The torn pixel goes to class 1 with 0.55; the others are won with certainty."""

    def labels(*thresholds: float, **more: Any) -> list[list[int]]:
        found = decide(
            THREE,
            (0, 1, 2),
            DecisionSettings(logit_scale=20),
            background=background,
            keep_probabilities=keep,
            class_threshold=thresholds,
            **more,
        )
        positions: list[list[int]] = found.positions.tolist()
        return positions

    assert labels(0.99, 0, 0.99) == [[1, 1, 2]]
    assert labels(0, 0.5, 0) == [[1, 1, 2]]
    assert labels(0, 0.7, 0) == [[1, expected, 2]]
    assert labels(0, 0.5, 0, class_bias=[0, -0.4, 0])[0][1] == 2
    assert labels(0, 0.7, 0, class_bias=[0, 2, 0]) == [[1, 1, 2]]


def test_a_threshold_leaves_removed_pixels_where_they_are() -> None:
    settings = DecisionSettings(logit_scale=1e4, area_threshold=0.1)
    scores = areas(*[5] * 11)
    found = decide(scores, range(11), settings, class_threshold=[0.9] * 11)
    assert set(found.positions.flatten().tolist()) == {UNDECIDED}


@pytest.mark.parametrize("name", ["class_bias", "class_threshold"])
@pytest.mark.parametrize(
    ("values", "says"), [([0.0], "1 class .*3 classes"), ([0.0, 1.0, np.nan], "finite")]
)
def test_biases_and_thresholds_fit_the_classes(name: str, values: Any, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        decide(THREE, (0, 1, 2), DecisionSettings(), **{name: values})


# ---- thresholds ------------------------------------------------------------------------------

# Three pixels: sure of class 1, torn between 1 and 2, sure of class 2.
THREE = torch.tensor([[[0.0, 0.0, 0.0]], [[1.0, 0.51, 0.0]], [[0.0, 0.5, 1.0]]])


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("threshold", [{"probability_threshold": 0.7}, {"margin_threshold": 0.5}])
@pytest.mark.parametrize(("background", "expected"), [(0, 0), (None, UNDECIDED), (2, 2)])
def test_unsure_pixels_fall_to_the_background_or_to_nobody(
    threshold: dict[str, float], background: int | None, expected: int, keep: bool
) -> None:
    settings = DecisionSettings(logit_scale=20, **threshold)  # type: ignore[arg-type]
    found = decide(THREE, (0, 1, 2), settings, background=background, keep_probabilities=keep)
    assert found.positions.tolist() == [[1, expected, 2]]
    assert found.confidence[0, 1] < 0.7
    assert found.margin[0, 1] < 0.2


def areas(*shares: int) -> Tensor:
    """Return scores of one row of pixels in which class i covers ``shares[i]`` of them."""
    winner = np.repeat(np.arange(len(shares)), shares)
    return torch.tensor(winner[None] == np.arange(len(shares))[:, None])[:, None].float()


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_small_classes_are_erased_and_others_kept(pooling: Pooling, keep: bool) -> None:
    scores = areas(50, 44, 5, 1)
    scores[0, 0, -6:] = 0.5  # the background is second where the small ones are first
    settings = DecisionSettings(pooling=pooling, area_threshold=0.1)
    found = decide(scores, range(4), settings, background=0, keep_probabilities=keep)
    # The foreground is 50 pixels: 5 are no more than a tenth of it, 44 are.
    assert found.positions.tolist() == [[0] * 50 + [1] * 44 + [0] * 6]
    if keep:
        assert found.probabilities is not None
        assert not found.probabilities[2:].any()
    kept = decide(scores, range(4), DecisionSettings(area_threshold=0.09), background=0)
    assert kept.positions.tolist() == [[0] * 50 + [1] * 44 + [2] * 5 + [0]]


def test_without_a_background_all_classes_are_foreground() -> None:
    found = decide(areas(10, 80, 10), range(3), DecisionSettings(area_threshold=0.1))
    assert set(found.positions.flatten().tolist()) == {1}


@pytest.mark.parametrize("threshold", [0.0, 0.1])
@pytest.mark.parametrize(("background", "expected"), [(None, UNDECIDED), (11, 11)])
def test_where_every_class_is_erased_none_comes_back(
    background: int | None, expected: int, threshold: float
) -> None:
    """More than ten classes that share the foreground evenly."""
    scores = areas(*[5] * 11) if background is None else areas(*[5] * 11, 0)
    settings = DecisionSettings(
        logit_scale=1e4, area_threshold=0.1, probability_threshold=threshold
    )
    found = decide(scores, range(len(scores)), settings, background=background)
    assert set(found.positions.flatten().tolist()) == {expected}
    assert not found.confidence.any()


# ---- closing ---------------------------------------------------------------------------------


def picture(*rows: str) -> NDArray[np.int32]:
    """Read positions from text; "." is undecided."""
    return np.array(
        [[UNDECIDED if sign == "." else int(sign) for sign in row] for row in rows], np.int32
    )


def test_closing_the_label_numbers_by_hand() -> None:
    """A line of a lower number between higher ones vanishes, as in the reference."""
    before = picture(
        "2220222",
        "2220222",
        "2220222",
        "0000000",
        "0000000",
        "0000000",
        "0001000",
        "0000000",
        "0000000",
    )
    after = picture(
        "2222222",
        "2222222",
        "2222222",
        "0000000",
        "0000000",
        "0000000",
        "0001000",
        "0000000",
        "0000000",
    )
    np.testing.assert_array_equal(close_labels(before), after)
    found = decide(
        torch.tensor(before[None] == np.arange(3)[:, None, None]).float(),
        range(3),
        DecisionSettings(closing="labels"),
    )
    np.testing.assert_array_equal(found.positions, after)


def test_closing_each_class_by_hand() -> None:
    before = picture(
        "11111222",
        "1.111222",
        "11111222",
        "00000.00",
        "000000..",
        "........",
        "........",
    )
    after = picture(
        "11111222",
        "11111222",
        "11111222",
        "00000000",
        "000000..",
        "........",
        "........",
    )
    np.testing.assert_array_equal(close_each_class(before), after)


def test_a_class_does_not_grow_over_its_border() -> None:
    before = np.zeros((12, 12), np.int32)
    before[4:7, 5:9] = 1
    np.testing.assert_array_equal(close_each_class(before), before)
    np.testing.assert_array_equal(close_each_class(before - 1), before - 1)


def by_definition(positions: NDArray[np.int32]) -> NDArray[np.int32]:
    """Close every class on the whole image; a pixel that two classes gain stays as it was."""
    square = np.ones((3, 3), bool)
    gains = {}
    for position in set(positions.ravel().tolist()) - {UNDECIDED}:
        own = positions == position
        grown = ndimage.binary_dilation(own, square)
        gains[position] = ndimage.binary_erosion(grown, square, border_value=1) & ~own
    result = positions.copy()
    for index in np.ndindex(positions.shape):
        claims = [position for position, gained in gains.items() if gained[index]]
        if len(claims) == 1:
            result[index] = claims[0]
    return result


@given(
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    classes=st.integers(1, 4),
    block=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_closing_each_class_is_what_it_says(
    shape: tuple[int, int], classes: int, block: int, seed: int
) -> None:
    coarse = np.random.default_rng(seed).integers(UNDECIDED, classes, shape)
    positions = np.kron(coarse, np.ones((block, block), int)).astype(np.int32)
    positions = positions[: shape[0], : shape[1]]
    np.testing.assert_array_equal(close_each_class(positions), by_definition(positions))


@given(seed=st.integers(0, 99))
def test_closing_each_class_prefers_no_number(seed: int) -> None:
    random_state = np.random.default_rng(seed)
    positions = random_state.choice(4, (15, 20), p=[0.55, 0.25, 0.1, 0.1]).astype(np.int32)
    expected = close_each_class(positions)
    for order in itertools.permutations(range(4)):
        renamed = np.array(order, np.int32)
        np.testing.assert_array_equal(close_each_class(renamed[positions]), renamed[expected])


@pytest.mark.parametrize("closing", ["off", "per_class", "labels"])
def test_closing_leaves_uniform_images_alone(closing: Any) -> None:
    for scores in (areas(7), torch.zeros(3, 1, 1), torch.zeros(2, 5, 1)):
        found = decide(scores, range(len(scores)), DecisionSettings(closing=closing))
        assert (found.positions == 0).all()

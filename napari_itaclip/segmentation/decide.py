"""From scores to labels, confidence and margin.

Works through the image in bands of rows, so that no second copy of all probabilities is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.scores import FactoredScores
from napari_itaclip.segmentation.settings import DecisionSettings

UNDECIDED = -1
"""Position given to pixels under a threshold when there is no background class."""

_BAND_ELEMENTS = 1 << 19
"""Elements per band on a CPU: two megabytes in float32, to stay within the caches."""


@dataclass(frozen=True)
class Decision:
    """What was decided for every pixel.

    Attributes
    ----------
    positions : ndarray of int32, shape (H, W)
        Position of the winning class in the vocabulary; `UNDECIDED` where a threshold left a pixel
        without a class.
    confidence : ndarray of float32, shape (H, W)
        Value of the best class, in [0, 1].
    margin : ndarray of float32, shape (H, W)
        Lead of the best class over the second, in [0, 1].
    probabilities : ndarray of float32, shape (C, H, W), or None
        Value of every class, if asked for.
    """

    positions: NDArray[np.int32]
    confidence: NDArray[np.float32]
    margin: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None


def class_probabilities(
    scores: Tensor, word_class_index: Sequence[int], settings: DecisionSettings
) -> Tensor:
    """Return the value of every class at every pixel.

    Parameters
    ----------
    scores : Tensor, shape (W, ...)
        Scores of the words.
    word_class_index : sequence of int, length W
        Position of each word's class; every class 0 … C - 1 has at least one word.
    settings : DecisionSettings
        Scale and pooling.

    Returns
    -------
    Tensor, shape (C, ...)
        Softmax over classes, except with "max_probability": there the best word's share of the
        softmax over all words, which need not add up to 1.

    Raises
    ------
    SettingsError
        If the words and scores do not belong together.
    """
    _check_words(len(scores), word_class_index)
    logits = scores * settings.logit_scale
    if settings.pooling == "max_probability":
        return _pool(torch.softmax(logits, dim=0), word_class_index, soft=False)
    soft = settings.pooling == "log_mean_exp"
    return torch.softmax(_pool(logits, word_class_index, soft=soft), dim=0)


def _check_words(words: int, word_class_index: Sequence[int]) -> None:
    if words != len(word_class_index):
        raise SettingsError(f"There are {words} score maps, but {len(word_class_index)} words.")


def _pool(values: Tensor, word_class_index: Sequence[int], *, soft: bool) -> Tensor:
    """Return the maximum (or log-mean-exp) over the words of each class."""
    classes = max(word_class_index) + 1
    if list(word_class_index) == list(range(classes)):
        return values
    pooled = values.new_empty(classes, *values.shape[1:])
    for position in range(classes):
        own = [word for word, owner in enumerate(word_class_index) if owner == position]
        group = values[own]
        if soft:
            pooled[position] = group.logsumexp(dim=0) - float(np.log(len(own)))
        else:
            torch.amax(group, dim=0, out=pooled[position])
    return pooled


@torch.inference_mode()
def decide(
    scores: Tensor | FactoredScores,
    word_class_index: Sequence[int],
    settings: DecisionSettings,
    *,
    background: int | None = None,
    keep_probabilities: bool = False,
) -> Decision:
    """Choose a class for every pixel.

    Parameters
    ----------
    scores : Tensor or FactoredScores, shape (W, H, W'), float32
        Scores of the words.
    word_class_index : sequence of int, length W
        Position of each word's class.
    settings : DecisionSettings
        Scale, pooling, thresholds and closing.
    background : int, optional
        Position of the background class: it is never removed for its area, and pixels under a
        threshold fall to it. Without one they become `UNDECIDED`.
    keep_probabilities : bool
        Whether the values of all classes are returned, ``(C, H, W)`` float32.

    Returns
    -------
    Decision
        On the CPU.

    Raises
    ------
    SettingsError
        If the words and scores do not belong together.
    """
    words, height, width = scores.shape
    _check_words(words, word_class_index)
    classes = max(word_class_index) + 1
    fallback = UNDECIDED if background is None else background
    removed: Tensor | None = None
    if settings.area_threshold is not None:
        removed = _too_small(scores, word_class_index, settings, background)
    positions = torch.empty(height, width, dtype=torch.int32)
    confidence = torch.empty(height, width)
    margin = torch.empty(height, width)
    kept = torch.empty(classes, height, width) if keep_probabilities else None
    for rows in _bands(scores):
        band = _band(scores, rows)
        if kept is None and removed is None and settings.pooling != "max_probability":
            best, lead, winner = _decide_by_logits(band, word_class_index, settings)
        else:
            values = class_probabilities(band, word_class_index, settings)
            if removed is not None:
                values[removed] = 0
            if kept is not None:
                kept[:, rows] = values
            best, second = _best_and_second(values)
            winner = _winner(values - best)
            second.clamp_(min=0)  # a single class has no rival
            lead = best - second
            if removed is not None:
                # Where nothing else is left, the first of many zeros must not win.
                winner[removed[winner.long()]] = fallback
        if settings.probability_threshold > 0 or settings.margin_threshold > 0:
            under = best < settings.probability_threshold
            under |= lead < settings.margin_threshold
            winner[under] = fallback
        positions[rows], confidence[rows], margin[rows] = winner, best, lead
    labels = positions.numpy()
    if settings.closing == "labels":
        labels = close_labels(labels)
    elif settings.closing == "per_class":
        labels = close_each_class(labels)
    return Decision(
        positions=labels,
        confidence=confidence.numpy(),
        margin=margin.numpy(),
        probabilities=None if kept is None else kept.numpy(),
    )


def _decide_by_logits(
    scores: Tensor, word_class_index: Sequence[int], settings: DecisionSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best class's probability, its lead and its position, without a softmax of all.

    The softmax of the best class is ``1 / Σ exp(logit - best)``, and the second follows from it.
    ``scores`` is used up. Written with maxima, minima and powers of two alone: comparisons, masked
    fills and ``exp`` cost several times as much.
    """
    octaves = math.log2(math.e)  # exp(x) = exp2(x · log2 e)
    if settings.pooling == "log_mean_exp":
        values = _pool(scores.mul_(settings.logit_scale), word_class_index, soft=True)
    else:
        values = _pool(scores, word_class_index, soft=False)
        octaves *= settings.logit_scale
    best, second = _best_and_second(values)
    behind = values.sub_(best)
    winner = _winner(behind)
    rest = second.sub_(best).mul_(octaves).exp2_()
    confidence = behind.mul_(octaves).exp2_().sum(dim=0).reciprocal_()
    return confidence, rest.neg_().add_(1).mul_(confidence), winner


def _winner(behind: Tensor) -> Tensor:
    """Return the position of the first zero over the first axis, the others being below zero."""
    # Only a winner keeps its rank, and of several equals the first has the highest.
    ranks = torch.arange(len(behind), 0, -1, dtype=behind.dtype, device=behind.device)
    highest = torch.add(ranks[:, None, None], behind, alpha=1e30).amax(dim=0)
    return highest.neg_().add_(len(behind)).int()


def _best_and_second(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best and the second value over the first axis; -inf as the second of one."""
    if len(values) == 1:
        return values[0].clone(), torch.full_like(values[0], -math.inf)
    best = torch.maximum(values[0], values[1])
    second = torch.minimum(values[0], values[1])
    lower = torch.empty_like(best)
    for value in values[2:]:
        torch.minimum(best, value, out=lower)
        torch.maximum(second, lower, out=second)
        torch.maximum(best, value, out=best)
    return best, second


def _band(scores: Tensor | FactoredScores, rows: slice) -> Tensor:
    """Return the scores of some rows as a tensor of their own, which may be changed."""
    return scores.band(rows) if isinstance(scores, FactoredScores) else scores[:, rows].clone()


def _bands(scores: Tensor | FactoredScores) -> list[slice]:
    """Return slices of rows that are worth working on together."""
    words, height, width = scores.shape
    rows = height if scores.device.type != "cpu" else max(1, _BAND_ELEMENTS // (words * width))
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _too_small(
    scores: Tensor | FactoredScores,
    word_class_index: Sequence[int],
    settings: DecisionSettings,
    background: int | None,
) -> Tensor:
    """Return which classes ``(C,)`` cover no more than the threshold's share of the foreground."""
    classes = max(word_class_index) + 1
    areas = torch.zeros(classes, dtype=torch.int64)
    for rows in _bands(scores):
        values = class_probabilities(_band(scores, rows), word_class_index, settings)
        areas += torch.bincount(values.argmax(dim=0).flatten(), minlength=classes).cpu()
    foreground = torch.ones(classes, dtype=torch.bool)
    if background is not None:
        foreground[background] = False
    total = int(areas[foreground].sum())
    assert settings.area_threshold is not None
    return (foreground & ~(areas > settings.area_threshold * total)).to(scores.device)


def close_labels(positions: NDArray[np.int32]) -> NDArray[np.int32]:
    """Close the label numbers themselves, 3x3, as the reference does; the border does not count."""
    closed: NDArray[np.int32] = ndimage.grey_erosion(
        ndimage.grey_dilation(positions, size=(3, 3), mode="nearest"), size=(3, 3), mode="nearest"
    )
    return closed


def close_each_class(positions: NDArray[np.int32]) -> NDArray[np.int32]:
    """Fill the 3x3 gaps of each class where no other class claims the same pixel.

    No class is preferred, whatever its number.
    """
    claims = np.zeros(positions.shape, np.uint8)
    result = positions.copy()
    square = np.ones((3, 3), bool)
    for position, where in enumerate(ndimage.find_objects(positions + 1)):
        if where is None:
            continue
        # Two pixels around, so that only the image's own border counts as filled below.
        padded = tuple(slice(max(0, extent.start - 2), extent.stop + 2) for extent in where)
        own = positions[padded] == position
        grown = ndimage.binary_dilation(own, square)
        gained = ndimage.binary_erosion(grown, square, border_value=1) & ~own
        claims[padded] = np.minimum(claims[padded] + gained, 2)
        result[padded][gained] = position
    return np.where(claims == 1, result, positions).astype(np.int32)

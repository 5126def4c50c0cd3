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
        return pool_words(torch.softmax(logits, dim=0), word_class_index, soft=False)
    soft = settings.pooling == "log_mean_exp"
    return torch.softmax(pool_words(logits, word_class_index, soft=soft), dim=0)


def word_offsets(
    class_bias: Sequence[float] | None,
    word_class_index: Sequence[int],
    settings: DecisionSettings,
) -> Tensor | None:
    """Return what class biases add to the words' scores.

    Every word of a class gets the class's bias, so that it acts on the pooled logit of the class
    alike, whichever pooling follows ("max_probability" sees it in the softmax over words).

    Parameters
    ----------
    class_bias : sequence of float, length C, or None
        Added to each class's log-odds (natural logarithm).
    word_class_index : sequence of int, length W
        Position of each word's class.
    settings : DecisionSettings
        Its scale turns log-odds into scores.

    Returns
    -------
    Tensor, shape (W, 1, 1), float32, or None
        None where there is nothing to add.

    Raises
    ------
    SettingsError
        If there is not one finite number for each class.
    """
    biases = _per_class(class_bias, word_class_index, "biases")
    if biases is None:
        return None
    return (biases[list(word_class_index)] / settings.logit_scale).float()[:, None, None]


def _per_class(
    values: Sequence[float] | None, word_class_index: Sequence[int], what: str
) -> Tensor | None:
    """Return the checked values ``(C,)`` in float64; None if all are zero."""
    if values is None:
        return None
    classes = max(word_class_index) + 1
    if len(values) != classes:
        raise SettingsError(f"There are {len(values)} class {what}, but {classes} classes.")
    if not all(math.isfinite(value) for value in values):
        raise SettingsError(f"The class {what} must be finite numbers: {list(values)}.")
    return torch.tensor(values, dtype=torch.float64) if any(values) else None


def _check_words(words: int, word_class_index: Sequence[int]) -> None:
    if words != len(word_class_index):
        raise SettingsError(f"There are {words} score maps, but {len(word_class_index)} words.")


def pool_words(values: Tensor, word_class_index: Sequence[int], *, soft: bool) -> Tensor:
    """Return the maximum (or log-mean-exp) over the words of each class."""
    classes = max(word_class_index) + 1
    if list(word_class_index) == list(range(classes)):
        return values
    words: list[list[int]] = [[] for _ in range(classes)]
    for word, owner in enumerate(word_class_index):
        words[owner].append(word)
    pooled = values.new_empty(classes, *values.shape[1:])
    for position, own in enumerate(words):
        together = own[-1] - own[0] == len(own) - 1  # as a rule: a view instead of a copy
        group = values[own[0] : own[-1] + 1] if together else values[own]
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
    class_bias: Sequence[float] | None = None,
    class_threshold: Sequence[float] | None = None,
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
    class_bias : sequence of float, length C, optional
        Added to each class's log-odds (natural logarithm), before anything is decided.
    class_threshold : sequence of float, length C, optional
        Pixels that a class wins with less than this value fall like those under the general
        thresholds.

    Returns
    -------
    Decision
        On the CPU.

    Raises
    ------
    SettingsError
        If the words and scores do not belong together, or there is not one finite bias and
        threshold for each class.
    """
    words, height, width = scores.shape
    _check_words(words, word_class_index)
    classes = max(word_class_index) + 1
    fallback = UNDECIDED if background is None else background
    offsets = word_offsets(class_bias, word_class_index, settings)
    thresholds = _per_class(class_threshold, word_class_index, "thresholds")
    if thresholds is not None:
        thresholds = thresholds.float().to(scores.device)
    if offsets is not None:
        offsets = offsets.to(scores.device)
    removed: Tensor | None = None
    if settings.area_threshold is not None:
        removed = small_classes(scores, word_class_index, settings, background, offsets)
    positions = torch.empty(height, width, dtype=torch.int32)
    confidence = torch.empty(height, width)
    margin = torch.empty(height, width)
    kept = torch.empty(classes, height, width) if keep_probabilities else None
    for rows in row_bands(scores):
        band = biased_band(scores, rows, offsets)
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
        if thresholds is not None:
            # Pixels without a class stay so: whatever threshold they meet, they fall to the same.
            winner[best < thresholds[winner.long()]] = fallback
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
        values = pool_words(scores.mul_(settings.logit_scale), word_class_index, soft=True)
    else:
        values = pool_words(scores, word_class_index, soft=False)
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


def biased_band(scores: Tensor | FactoredScores, rows: slice, offsets: Tensor | None) -> Tensor:
    """Return the biased scores of some rows as a tensor of their own, which may be changed."""
    if isinstance(scores, FactoredScores):
        band = scores.band(rows)
        return band if offsets is None else band.add_(offsets)
    part = scores[:, rows]
    return part.clone() if offsets is None else part + offsets


def row_bands(scores: Tensor | FactoredScores) -> list[slice]:
    """Return slices of rows that are worth working on together."""
    words, height, width = scores.shape
    rows = height if scores.device.type != "cpu" else max(1, _BAND_ELEMENTS // (words * width))
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def small_classes(
    scores: Tensor | FactoredScores,
    word_class_index: Sequence[int],
    settings: DecisionSettings,
    background: int | None,
    offsets: Tensor | None,
) -> Tensor:
    """Return which classes ``(C,)`` cover no more than the threshold's share of the foreground."""
    classes = max(word_class_index) + 1
    areas = torch.zeros(classes, dtype=torch.int64)
    for rows in row_bands(scores):
        values = class_probabilities(biased_band(scores, rows, offsets), word_class_index, settings)
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

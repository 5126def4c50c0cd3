"""From scores to class probabilities and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def class_probabilities(
    scores: Tensor,
    word_class: Sequence[int],
    logit_scale: float,
    class_bias: Sequence[float] | None = None,
) -> Tensor:
    """Return (classes, H, W): softmax over the words, then the largest of a class's words.

    A class's bias is added to the logits of all its words.
    """
    owner = torch.as_tensor(np.asarray(word_class), device=scores.device)
    logits = scores * logit_scale
    if class_bias is not None:
        biases = torch.as_tensor(class_bias, dtype=scores.dtype, device=scores.device)
        logits = logits + biases[owner][:, None, None]
    words = logits.softmax(dim=0)
    count = int(owner.max()) + 1
    return torch.stack([words[owner == c].amax(dim=0) for c in range(count)])


def remove_small_classes(probabilities: Tensor, area_threshold: float) -> Tensor:
    """Set classes (but the first) to 0 whose share of the foreground is not over the threshold."""
    winner = probabilities.argmax(dim=0)
    count = len(probabilities)
    areas = torch.tensor([int((winner == c).sum()) for c in range(1, count)], dtype=torch.float64)
    keep = areas > area_threshold * areas.sum()
    kept = probabilities.clone()
    kept[1:][~keep.to(kept.device)] = 0
    return kept


def grey_closing(labels: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Close label numbers with a 3 x 3 square: largest, then smallest, of what is in the image."""
    for pick, outside in ((np.maximum, labels.min()), (np.minimum, labels.max())):
        height, width = labels.shape
        padded = np.pad(labels, 1, constant_values=outside)
        copies = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
        labels = copies[0]
        for copy in copies[1:]:
            labels = pick(labels, copy)
    return labels


@dataclass(frozen=True)
class Decision:
    """What `decide` returns: (classes, H, W) probabilities and (H, W) labels (class positions)."""

    probabilities: Tensor
    labels: NDArray[np.int64]


def decide(
    scores: Tensor,
    word_class: Sequence[int],
    *,
    logit_scale: float,
    prob_threshold: float = 0.0,
    area_threshold: float | None = None,
    closing: bool = True,
    class_bias: Sequence[float] | None = None,
    class_threshold: Sequence[float] | None = None,
) -> Decision:
    """Turn (words, H, W) scores into class probabilities and labels, as the reference does.

    Biases and thresholds of single classes are not in the reference: a class that wins a pixel
    with less than its own threshold gives it to the first class.
    """
    probabilities = class_probabilities(scores, word_class, logit_scale, class_bias)
    if area_threshold is not None:
        probabilities = remove_small_classes(probabilities, area_threshold)
    best, winner = probabilities.max(dim=0)
    under = best < prob_threshold
    for position, threshold in enumerate(class_threshold or ()):
        under |= (winner == position) & (best < threshold)
    labels = winner.masked_fill(under, 0).cpu().numpy()
    if closing:
        labels = grey_closing(labels)
    return Decision(probabilities, np.asarray(labels, dtype=np.int64))

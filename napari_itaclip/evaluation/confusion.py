"""Confusion matrix and the measures that follow from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError

Labels = NDArray[np.integer[Any]]


def confusion_matrix(truth: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Count how often each true class was labelled as each class.

    Parameters
    ----------
    truth : ndarray of int, shape (H, W)
        True classes 0 … ``classes - 1``; pixels with any other value are left out.
    predicted : ndarray of int, shape (H, W)
        Predicted classes; any other value counts as a miss of its own.
    classes : int
        Number of classes C.

    Returns
    -------
    ndarray of int64, shape (C, C + 1)
        Rows are true classes, columns predicted ones; the last column counts pixels that were
        given none of the classes.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ImageError(
            f"The labels have the shape {predicted.shape}, the ground truth {truth.shape}; "
            "they must cover the same pixels."
        )
    counted = (truth >= 0) & (truth < classes)
    found = np.where((predicted >= 0) & (predicted < classes), predicted, classes)[counted]
    pairs = truth[counted].astype(np.int64) * (classes + 1) + found
    counts = np.bincount(pairs, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1).astype(np.int64)


def intersection_over_union(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each class's IoU ``(C,)``; NaN for classes in neither truth nor prediction."""
    classes = len(confusion)
    hits = np.diagonal(confusion)
    union = confusion.sum(axis=1) + confusion[:, :classes].sum(axis=0) - hits
    with np.errstate(invalid="ignore"):
        ratio: NDArray[np.float64] = np.where(union > 0, hits / np.maximum(union, 1), np.nan)
    return ratio


def pixel_accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the share of counted pixels with the right class; NaN if there are none."""
    total = int(confusion.sum())
    return float(np.trace(confusion[:, : len(confusion)]) / total) if total else float("nan")

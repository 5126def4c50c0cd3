"""The measures that follow from counts: per class, and their means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.evaluation.boundary import boundary_iou
from napari_itaclip.evaluation.confusion import intersection_over_union, pixel_accuracy
from napari_itaclip.evaluation.counts import Counts


@dataclass(frozen=True)
class ClassMeasures:
    """How well one class was found. NaN where there is nothing to divide by.

    Attributes
    ----------
    pixels : int
        Its pixels in the truth.
    predicted : int
        Pixels labelled as it (of those that are counted).
    iou : float
        Pixels in both, as a share of pixels in either; NaN if it is in neither.
    accuracy : float
        The share of its pixels that were found; NaN if it has none.
    boundary_iou : float
        IoU of its boundaries.
    """

    pixels: int
    predicted: int
    iou: float
    accuracy: float
    boundary_iou: float


@dataclass(frozen=True)
class Measures:
    """How well a data set was labelled. Means leave classes without a value (NaN) out.

    Attributes
    ----------
    classes : tuple of ClassMeasures
        In the order of the classes.
    mean_iou : float
        Mean of the classes' IoU over the data set (mIoU).
    pixel_accuracy : float
        The share of counted pixels with the right class.
    mean_accuracy : float
        Mean of the classes' accuracies.
    mean_boundary_iou : float
        Mean of the classes' boundary IoU.
    """

    classes: tuple[ClassMeasures, ...]
    mean_iou: float
    pixel_accuracy: float
    mean_accuracy: float
    mean_boundary_iou: float


@dataclass(frozen=True)
class Confusion:
    """Two classes that were taken for each other.

    Attributes
    ----------
    truth, predicted : int
        Positions of the classes; ``predicted`` is the number of classes where none was given.
    pixels : int
        How many pixels.
    share : float
        Their share of the true class's pixels.
    """

    truth: int
    predicted: int
    pixels: int
    share: float


def class_accuracy(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each class's pixels that were found ``(C,)``; NaN without pixels."""
    total = confusion.sum(axis=1)
    hits = np.diagonal(confusion)
    ratio: NDArray[np.float64] = np.where(total > 0, hits / np.maximum(total, 1), np.nan)
    return ratio


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def measures(counts: Counts) -> Measures:
    """Return all measures of ``counts``."""
    confusion = counts.confusion
    iou = intersection_over_union(confusion)
    accuracy = class_accuracy(confusion)
    boundary = boundary_iou(counts.boundary)
    rows = zip(
        confusion.sum(axis=1).tolist(),
        confusion[:, :-1].sum(axis=0).tolist(),
        iou.tolist(),
        accuracy.tolist(),
        boundary.tolist(),
        strict=True,
    )
    return Measures(
        classes=tuple(ClassMeasures(*row) for row in rows),
        mean_iou=mean_of_known(iou),
        pixel_accuracy=pixel_accuracy(confusion),
        mean_accuracy=mean_of_known(accuracy),
        mean_boundary_iou=mean_of_known(boundary),
    )


def most_confused(confusion: NDArray[np.int64], number: int = 20) -> tuple[Confusion, ...]:
    """Return the pairs of different classes that share most pixels, most first.

    Parameters
    ----------
    confusion : ndarray of int64, shape (C, C + 1)
        See `confusion.confusion_matrix`.
    number : int
        How many pairs at most.
    """
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    totals = confusion.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:number]
    found = []
    for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        pixels = int(wrong[row, column])
        if pixels:
            found.append(Confusion(int(row), int(column), pixels, pixels / int(totals[row])))
    return tuple(found)

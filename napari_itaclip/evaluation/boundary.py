"""Boundary IoU: how well outlines lie (Cheng et al., "Boundary IoU", CVPR 2021).

A class's boundary is the part of its pixels that lies within a distance d of its contour; boundary
IoU is the IoU of the boundaries of truth and prediction. d is a share of the image's diagonal.
A pixel is no boundary exactly if the square of side 2d + 1 around it holds one class only, so one
pass over the label image gives the boundaries of all classes at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError

Labels = NDArray[np.integer[Any]]

DILATION_RATIO = 0.02
"""Distance from the contour as a share of the image's diagonal, as published."""


def boundary_distance(shape: tuple[int, int], ratio: float = DILATION_RATIO) -> int:
    """Return the distance d in pixels for an image of ``shape`` (H, W); at least 1."""
    return max(1, round(ratio * math.hypot(*shape)))


def boundary_pixels(labels: Labels, distance: int) -> NDArray[np.bool_]:
    """Return the pixels within ``distance`` of the contour of their own class.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Any class numbers.
    distance : int
        Chebyshev distance in pixels, at least 1. What lies outside the image belongs to no class,
        so a class that touches the image's edge has a contour there.

    Returns
    -------
    ndarray of bool, shape (H, W)
        True on the boundaries of all classes.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    side = 2 * distance + 1
    plain = labels.astype(np.int32)
    found: NDArray[np.bool_] = maximum_filter(plain, side, mode="nearest") != minimum_filter(
        plain, side, mode="nearest"
    )
    found[:distance] = found[-distance:] = True
    found[:, :distance] = found[:, -distance:] = True
    return found


def boundary_counts(
    truth: Labels, predicted: Labels, classes: int, ratio: float = DILATION_RATIO
) -> NDArray[np.int64]:
    """Count the boundary pixels of every class.

    Contours are those of the whole label images; pixels without a true class are then left out of
    all counts.

    Parameters
    ----------
    truth : ndarray of int, shape (H, W)
        True classes 0 … ``classes - 1``; pixels with any other value are not counted.
    predicted : ndarray of int, shape (H, W)
        Predicted classes; any other value is no class.
    classes : int
        Number of classes C.
    ratio : float
        Distance from the contour as a share of the diagonal.

    Returns
    -------
    ndarray of int64, shape (3, C)
        Per class the pixels on both boundaries, on the true one, on the predicted one.

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
    distance = boundary_distance((truth.shape[0], truth.shape[1]), ratio)
    counted = (truth >= 0) & (truth < classes)
    named = counted & (predicted >= 0) & (predicted < classes)
    on_truth = counted & boundary_pixels(truth, distance)
    on_predicted = named & boundary_pixels(predicted, distance)
    on_both = on_truth & on_predicted & (truth == predicted)
    pairs = ((truth, on_both), (truth, on_truth), (predicted, on_predicted))
    counts = [np.bincount(labels[where], minlength=classes) for labels, where in pairs]
    return np.stack(counts).astype(np.int64)


def boundary_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each class's boundary IoU ``(C,)`` from counts; NaN for classes without any."""
    both, true, predicted = counts
    union = true + predicted - both
    ratio: NDArray[np.float64] = np.where(union > 0, both / np.maximum(union, 1), np.nan)
    return ratio

"""Boundary IoU: cases made by hand, and a plain implementation with one erosion for each class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from napari_itaclip.errors import ImageError
from napari_itaclip.evaluation.boundary import (
    boundary_counts,
    boundary_distance,
    boundary_iou,
    boundary_pixels,
)

Labels = NDArray[np.integer[Any]]
RATIOS = (0.02, 0.05, 0.2)


def plain_counts(truth: Labels, predicted: Labels, classes: int, ratio: float) -> list[list[int]]:
    """Do what the paper says: erode each class's mask d times, and subtract."""
    distance = max(1, round(ratio * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2)))

    def boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        inner = binary_erosion(mask, np.ones((3, 3)), iterations=distance, border_value=0)
        ring: NDArray[np.bool_] = mask & ~inner
        return ring

    counted = (truth >= 0) & (truth < classes)
    rows = []
    for one in range(classes):
        true = boundary(truth == one) & counted
        found = boundary(predicted == one) & counted
        rows.append([int((true & found).sum()), int(true.sum()), int(found.sum())])
    return [list(column) for column in zip(*rows, strict=True)]


def test_the_distance_is_two_percent_of_the_diagonal() -> None:
    assert boundary_distance((300, 400)) == 10
    assert boundary_distance((1024, 2048)) == round(0.02 * math.hypot(1024, 2048)) == 46
    assert boundary_distance((5, 5)) == 1


def test_a_square_has_a_ring_as_its_boundary() -> None:
    labels = np.zeros((9, 9), np.uint8)
    labels[2:7, 2:7] = 1
    found = boundary_pixels(labels, 1)
    ring = np.zeros((9, 9), bool)
    ring[2:7, 2:7] = True
    ring[3:6, 3:6] = False
    assert (found & (labels == 1)).sum() == ring.sum() == 16
    # Outside: the ring around the square, corners as well, and the image's edge.
    assert not found[3:6, 3:6].any()
    assert found[1, 1]
    assert found[0].all()


def test_worked_example() -> None:
    """A 4 x 4 square moved by one pixel, boundaries one pixel wide."""
    truth = np.full((10, 10), -1)
    truth[:] = 0
    truth[3:7, 3:7] = 1
    found = np.zeros((10, 10), int)
    found[3:7, 4:8] = 1
    counts = boundary_counts(truth, found, 2, ratio=0.01)
    # Two rings of 12 pixels: columns 3..6 and 4..7. They share rows 3 and 6 in columns 4..6 (6
    # pixels); the sides at columns 4 and 7, 3 and 6 meet nothing of each other.
    assert counts[:, 1].tolist() == [6, 12, 12]
    assert boundary_iou(counts)[1] == pytest.approx(6 / 18)


def test_equal_labels_have_one_and_absent_classes_none() -> None:
    labels = np.arange(36).reshape(6, 6) // 12
    iou = boundary_iou(boundary_counts(labels, labels, 4))
    assert iou[:3].tolist() == [1, 1, 1]
    assert np.isnan(iou[3])


def test_pixels_without_truth_are_left_out_but_make_a_contour() -> None:
    truth = np.zeros((20, 20), int)
    truth[:, 10:] = -1
    found = np.zeros((20, 20), int)
    both, true, predicted = boundary_counts(truth, found, 1, ratio=0.05)[:, 0].tolist()
    # The true class ends at column 10, the predicted one goes on: that column is true boundary
    # only. Nothing right of it is counted.
    assert true == 20 + 20 + 2 * 8
    assert predicted == 20 + 2 * 9
    assert both == predicted


@given(st.data())
def test_agrees_with_one_erosion_for_each_class(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24))
    classes = data.draw(st.integers(1, 4))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    size = data.draw(st.integers(1, 8))
    coarse = random.integers(-1, classes + 1, (2, height // size + 1, width // size + 1))
    truth, predicted = np.kron(coarse, np.ones((size, size), int))[:, :height, :width]
    ratio = data.draw(st.sampled_from(RATIOS))
    assert boundary_counts(truth, predicted, classes, ratio).tolist() == plain_counts(
        truth, predicted, classes, ratio
    )


def test_shapes_must_agree() -> None:
    with pytest.raises(ImageError, match="same pixels"):
        boundary_counts(np.zeros((2, 2), int), np.zeros((2, 3), int), 1)

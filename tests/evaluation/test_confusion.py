"""Measures against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_itaclip.errors import ImageError
from napari_itaclip.evaluation.confusion import (
    confusion_matrix,
    intersection_over_union,
    pixel_accuracy,
)


def test_worked_example() -> None:
    truth = np.array([[0, 0, 1], [1, 1, 255]])
    found = np.array([[0, 1, 1], [1, 7, 0]])
    matrix = confusion_matrix(truth, found, 3)
    # Row 0: one hit, one taken for 1. Row 1: two hits, one given no class. 255 is left out.
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 2, 0, 1], [0, 0, 0, 0]]
    iou = intersection_over_union(matrix)
    assert iou[0] == pytest.approx(1 / 2)
    assert iou[1] == pytest.approx(2 / 4)
    assert np.isnan(iou[2])
    assert pixel_accuracy(matrix) == pytest.approx(3 / 5)


def test_perfect_and_empty() -> None:
    labels = np.array([[0, 1], [2, 2]])
    assert intersection_over_union(confusion_matrix(labels, labels, 3)).tolist() == [1, 1, 1]
    nothing = confusion_matrix(np.full((2, 2), 255), labels, 3)
    assert np.isnan(pixel_accuracy(nothing))


def test_shapes_must_agree() -> None:
    with pytest.raises(ImageError, match="same pixels"):
        confusion_matrix(np.zeros((2, 2), int), np.zeros((2, 3), int), 1)

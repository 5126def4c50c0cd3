"""What is counted in one image, and the sum over many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.evaluation.boundary import DILATION_RATIO, boundary_counts
from napari_itaclip.evaluation.confusion import Labels, confusion_matrix


@dataclass(frozen=True, eq=False)
class Counts:
    """Pixels counted in one image or in many.

    Attributes
    ----------
    confusion : ndarray of int64, shape (C, C + 1)
        See `confusion.confusion_matrix`.
    boundary : ndarray of int64, shape (3, C)
        See `boundary.boundary_counts`.
    ignored : int
        Pixels without a true class, which are in neither.
    """

    confusion: NDArray[np.int64]
    boundary: NDArray[np.int64]
    ignored: int

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return len(self.confusion)

    @property
    def pixels(self) -> int:
        """Number of pixels counted."""
        return int(self.confusion.sum())

    def to_data(self) -> dict[str, Any]:
        """Return everything as JSON values; the confusion matrix by its entries above zero."""
        rows, columns = np.nonzero(self.confusion)
        entries = zip(
            rows.tolist(), columns.tolist(), self.confusion[rows, columns].tolist(), strict=True
        )
        return {
            "confusion": [list(entry) for entry in entries],
            "boundary": self.boundary.tolist(),
            "ignored": self.ignored,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], classes: int) -> Counts:
        """Return the counts that `to_data` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError, IndexError, OverflowError
            If ``data`` is something else.
        """
        confusion = np.zeros((classes, classes + 1), np.int64)
        for row, column, number in data["confusion"]:
            if min(row, column) < 0 or number < 0:
                raise ValueError("negative counts")
            confusion[row, column] = number
        boundary = np.array(data["boundary"], np.int64)
        if boundary.shape != (3, classes) or (boundary < 0).any():
            raise ValueError(f"boundary counts of shape {boundary.shape}")
        return cls(confusion, boundary, int(data["ignored"]))


def count_image(
    truth: Labels, predicted: Labels, classes: int, ratio: float = DILATION_RATIO
) -> Counts:
    """Compare the labels of one image with the truth.

    Parameters
    ----------
    truth : ndarray of int, shape (H, W)
        True classes 0 … ``classes - 1``; any other value is left out.
    predicted : ndarray of int, shape (H, W)
        Predicted classes; any other value counts as a miss.
    classes : int
        Number of classes.
    ratio : float
        See `boundary.boundary_counts`.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    confusion = confusion_matrix(truth, predicted, classes)
    return Counts(
        confusion=confusion,
        boundary=boundary_counts(truth, predicted, classes, ratio),
        ignored=truth.size - int(confusion.sum()),
    )


def add_counts(parts: Iterable[Counts], classes: int) -> Counts:
    """Return the sum of all parts; zeros if there are none."""
    confusion = np.zeros((classes, classes + 1), np.int64)
    boundary = np.zeros((3, classes), np.int64)
    ignored = 0
    for part in parts:
        confusion += part.confusion
        boundary += part.boundary
        ignored += part.ignored
    return Counts(confusion, boundary, ignored)

"""Scores on a coarse grid: enough to say which words matter in an image, and quick for hundreds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.scores import factored_scores

CELLS_PER_PATCH = 2
"""Cells along a patch's side: a word's score hardly changes over less than half a patch."""

MAX_CELLS = 1 << 13
"""More cells say nothing new about which words matter; a panorama gets coarser ones."""


def cell_shape(features: ImageFeatures) -> tuple[int, int]:
    """Return how many cells an image is looked at with, down and across."""
    sides = [
        axis.length * CELLS_PER_PATCH / axis.patch for axis in (features.rows, features.columns)
    ]
    shrink = min(1.0, math.sqrt(MAX_CELLS / (sides[0] * sides[1])))
    height, width = (max(1, round(side * shrink)) for side in sides)
    return height, width


def cell_scores(features: ImageFeatures, embeddings: Tensor) -> Tensor:
    """Return the score of every word in every cell.

    Parameters
    ----------
    features : ImageFeatures
        Features of the image.
    embeddings : Tensor, shape (W, D)
        Word embeddings.

    Returns
    -------
    Tensor, shape (W, h, w), float32
        On the CPU; ``(h, w)`` as `cell_shape` says.

    Raises
    ------
    SettingsError
        If the embeddings are of another model's dimension.
    """
    return factored_scores(features, embeddings, cell_shape(features)).band().cpu()


def valid_cells(features: ImageFeatures) -> NDArray[np.bool_]:
    """Return which cells ``(h, w)`` have a value in the original image at their centre."""
    height, width = cell_shape(features)
    if features.valid is None:
        return np.ones((height, width), bool)
    sides = zip(features.shape, (height, width), strict=True)
    centres = [((2 * np.arange(cells) + 1) * length) // (2 * cells) for length, cells in sides]
    found: NDArray[np.bool_] = features.valid[np.ix_(*centres)]
    return found

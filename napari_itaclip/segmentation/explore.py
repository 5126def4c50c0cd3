"""Looking behind the labels: heat maps of phrases and classes, and the values at one pixel.

Everything is computed from features at hand, as quickly as an edit of the vocabulary; no network
runs. Biases count as in `decide`; thresholds do not, as they change labels and not values.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_itaclip.clip.text import ClassEmbeddings
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.decide import (
    biased_band,
    class_probabilities,
    pool_words,
    row_bands,
    small_classes,
    word_offsets,
)
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.refine import pamr, refinement_guide
from napari_itaclip.segmentation.scores import (
    FactoredScores,
    axis_operator,
    factored_scores,
    patch_scores,
)
from napari_itaclip.segmentation.settings import DecisionSettings, RefineSettings
from napari_itaclip.vocabulary.classes import Vocabulary


@torch.inference_mode()
def class_similarity(
    features: ImageFeatures, embeddings: Tensor, *, refine: RefineSettings | None = None
) -> NDArray[np.float32]:
    """Return how much every pixel is like the best of some words: a heat map without rivals.

    Parameters
    ----------
    features : ImageFeatures
        Features of the image.
    embeddings : Tensor, shape (W, D)
        Embeddings of one or more words or phrases, see `Segmenter.embed_texts`.
    refine : RefineSettings, optional
        Refinement along the image's edges; None leaves it out.

    Returns
    -------
    ndarray of float32, shape (H, W')
        The best word's score (a cosine for embeddings of length one) at the original size; where
        the image has no value, the lowest score of the others.

    Raises
    ------
    SettingsError
        If there is no word, or the embeddings are of another model.
    """
    if not len(embeddings):
        raise SettingsError("There is no word to look for; give at least one embedding.")
    scores = _scores(features, embeddings, refine)
    _, height, width = scores.shape
    best = torch.empty(height, width)
    for rows in row_bands(scores):
        best[rows] = biased_band(scores, rows, None).amax(dim=0)
    found: NDArray[np.float32] = best.numpy()
    if features.valid is not None and features.valid.any():
        found[~features.valid] = found[features.valid].min()
    return found


@torch.inference_mode()
def class_probability(
    features: ImageFeatures,
    embeddings: ClassEmbeddings,
    vocabulary: Vocabulary,
    position: int,
    decision: DecisionSettings,
    *,
    refine: RefineSettings | None = None,
) -> NDArray[np.float32]:
    """Return the value of one class at every pixel, as the decision sees it.

    Parameters
    ----------
    features : ImageFeatures
        Features of the image.
    embeddings : ClassEmbeddings
        Embeddings of ``vocabulary``.
    vocabulary : Vocabulary
        The classes with their biases.
    position : int
        Position of the class in the vocabulary.
    decision : DecisionSettings
        Scale, pooling and area threshold (a class that it removes is 0 everywhere).
    refine : RefineSettings, optional
        Refinement along the image's edges; None leaves it out.

    Returns
    -------
    ndarray of float32, shape (H, W')
        In [0, 1], at the original size; 0 where the image has no value.

    Raises
    ------
    SettingsError
        If there is no such class, or features, embeddings and vocabulary do not belong together.
    """
    index = embeddings.word_class_index
    if not 0 <= position < len(vocabulary):
        raise SettingsError(f"There is no class {position}; there are {len(vocabulary)}.")
    scores = _scores(features, embeddings.embeddings, refine)
    offsets = _offsets(embeddings, vocabulary, decision, scores.device)
    _, height, width = scores.shape
    values = torch.zeros(height, width)
    if decision.area_threshold is not None:
        ground = next((at for at, prompt in enumerate(vocabulary) if prompt.background), None)
        if small_classes(scores, index, decision, ground, offsets)[position]:
            return values.numpy()
    for rows in row_bands(scores):
        band = biased_band(scores, rows, offsets).mul_(decision.logit_scale)
        values[rows] = _one_value(band, index, position, decision)
    found: NDArray[np.float32] = values.numpy()
    if features.valid is not None:
        found[~features.valid] = 0
    return found


@torch.inference_mode()
def class_values_at(
    features: ImageFeatures,
    embeddings: ClassEmbeddings,
    vocabulary: Vocabulary,
    decision: DecisionSettings,
    y: int,
    x: int,
) -> NDArray[np.float32]:
    """Return the values of all classes at one pixel, without refinement: what a cursor is over.

    Only the few patches around the pixel are looked at, so this takes less than a millisecond. The
    area threshold, which depends on the whole image, is left out.

    Parameters
    ----------
    features : ImageFeatures
        Features of the image.
    embeddings : ClassEmbeddings
        Embeddings of ``vocabulary``.
    vocabulary : Vocabulary
        The classes with their biases.
    decision : DecisionSettings
        Scale and pooling.
    y, x : int
        Row and column in the original image.

    Returns
    -------
    ndarray of float32, shape (C,)
        In the vocabulary's order, each in [0, 1]; all 0 where the image has no value.

    Raises
    ------
    SettingsError
        If the pixel lies outside the image, or features, embeddings and vocabulary do not belong
        together.
    """
    height, width = features.shape
    if not (0 <= y < height and 0 <= x < width):
        raise SettingsError(
            f"There is no pixel in row {y}, column {x}; the image has {height}×{width} pixels."
        )
    device = features.features.device
    offsets = _offsets(embeddings, vocabulary, decision, device)
    words = embeddings.embeddings
    if features.valid is not None and not features.valid[y, x]:
        return np.zeros(len(vocabulary), np.float32)
    down = axis_operator(features.rows, height, device)[y]
    across = axis_operator(features.columns, width, device)[x]
    rows, columns = down.nonzero()[:, 0], across.nonzero()[:, 0]
    # Scores are linear in the features, so the patches are averaged before any word is looked at.
    window_y, patch_y = (place[:, None] for place in _split(rows, features.rows.grid))
    window_x, patch_x = (place[None] for place in _split(columns, features.columns.grid))
    at = window_y, window_x, patch_y, patch_x
    weights = down[rows][:, None] * across[columns][None]
    pixel = weights.flatten() @ features.features[at].flatten(0, 1)
    scores = patch_scores(replace(features, features=pixel[None, None, None, None]), words)
    if offsets is not None:
        scores += offsets
    values = class_probabilities(scores, embeddings.word_class_index, decision)
    found: NDArray[np.float32] = values.flatten().cpu().numpy()
    return found


def _split(places: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """Return window and patch within it of places along an axis of stacked windows."""
    return places // grid, places % grid


def _one_value(
    logits: Tensor, word_class_index: tuple[int, ...], position: int, decision: DecisionSettings
) -> Tensor:
    """Return one class of `class_probabilities` ``(h, W')``, without writing the others down."""
    if decision.pooling == "max_probability":
        own = [word for word, owner in enumerate(word_class_index) if owner == position]
        best = logits[own].amax(dim=0)
    else:
        logits = pool_words(logits, word_class_index, soft=decision.pooling == "log_mean_exp")
        best = logits[position].clone()
    return best.sub_(logits.logsumexp(dim=0)).exp_()


def _scores(
    features: ImageFeatures, embeddings: Tensor, refine: RefineSettings | None
) -> Tensor | FactoredScores:
    """Return the scores of the words, refined if so wished."""
    factored = factored_scores(features, embeddings)
    if refine is None or not refine.iterations:
        return factored
    guide = refinement_guide(features)
    return pamr(factored.band(), guide, refine.iterations, refine.dilations)


def _offsets(
    embeddings: ClassEmbeddings,
    vocabulary: Vocabulary,
    decision: DecisionSettings,
    device: torch.device,
) -> Tensor | None:
    """Return what the vocabulary's biases add to the words' scores."""
    embeddings.check_for(vocabulary)
    offsets = word_offsets(vocabulary.biases, embeddings.word_class_index, decision)
    return None if offsets is None else offsets.to(device)

"""Which classes compete, over an image and in the text space, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_itaclip.clip.text import ClassEmbeddings
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation._cells import cell_scores, valid_cells
from napari_itaclip.segmentation._closeness import close_limit
from napari_itaclip.segmentation.decide import class_probabilities, word_offsets
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import DecisionSettings
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

MIN_PAIR_SHARE = 0.001
"""Pairs that compete for less of an image than this are left out: every border has a few pixels."""


@dataclass(frozen=True)
class ClassPair:
    """Two classes that compete for the same pixels.

    Attributes
    ----------
    first, second : str
        Their names; the first wins more of what is contested.
    pixels : float
        Contested pixels of the original image: each counts one minus the lead of the winner, so
        that an even pixel counts whole and a clear one hardly.
    share : float
        Their part of the image, in [0, 1].
    similarity : float
        Cosine of the nearest two words of the classes, see `text_similarity`.
    hint : str
        What a person may do.
    """

    first: str
    second: str
    pixels: float
    share: float
    similarity: float
    hint: str


@torch.inference_mode()
def competing_classes(
    segmenter: Segmenter,
    features: ImageFeatures,
    vocabulary: Vocabulary,
    embeddings: ClassEmbeddings,
    decision: DecisionSettings,
) -> tuple[ClassPair, ...]:
    """Return the pairs of classes that compete in an image.

    Looked at before the refinement, which settles many a contest by colour, on a coarse grid.

    Parameters
    ----------
    segmenter : Segmenter
        The model; it must be the one of the features.
    features : ImageFeatures
        Features of the image.
    vocabulary : Vocabulary
        The classes with their biases.
    embeddings : ClassEmbeddings
        Embeddings of ``vocabulary``.
    decision : DecisionSettings
        Scale and pooling; thresholds play no part.

    Returns
    -------
    tuple of ClassPair
        Those that contest the most first; pairs under `MIN_PAIR_SHARE` are left out.

    Raises
    ------
    SettingsError
        If features, model, embeddings and vocabulary do not belong together.
    """
    embeddings.check_for(vocabulary)
    if features.model != segmenter.model.identity:
        raise SettingsError(
            f"These features were computed by {features.model}, but the model is "
            f"{segmenter.model.identity}; encode the image again."
        )
    valid = torch.from_numpy(valid_cells(features))
    count = len(vocabulary)
    if count < 2 or not valid.any():
        return ()
    scores = cell_scores(features, embeddings.embeddings)
    offsets = word_offsets(vocabulary.biases, embeddings.word_class_index, decision)
    if offsets is not None:
        scores += offsets
    values = class_probabilities(scores[:, valid], embeddings.word_class_index, decision)
    best, order = values.topk(2, dim=0)
    weight = (1 - (best[0] - best[1])).double()
    contested = torch.zeros(count * count, dtype=torch.float64)
    contested.index_add_(0, order[0] * count + order[1], weight)
    won = contested.view(count, count).numpy()  # [winner, loser]
    close = _similarity(embeddings, count)
    limit = close_limit(segmenter, embeddings.embeddings, vocabulary.templates)
    pairs = []
    for a, b in zip(*np.triu_indices(count, 1), strict=True):
        share = float((won[a, b] + won[b, a]) / valid.numel())
        if share < MIN_PAIR_SHARE:
            continue
        first, second = (a, b) if won[a, b] >= won[b, a] else (b, a)
        likeness = float(close[a, b])
        pairs.append(
            ClassPair(
                first=vocabulary[int(first)].name,
                second=vocabulary[int(second)].name,
                pixels=share * features.shape[0] * features.shape[1],
                share=share,
                similarity=likeness,
                hint=_hint(vocabulary[int(first)], vocabulary[int(second)], likeness > limit),
            )
        )
    return tuple(sorted(pairs, key=lambda pair: -pair.pixels))


def text_similarity(segmenter: Segmenter, vocabulary: Vocabulary) -> NDArray[np.float32]:
    """Return how alike the classes are in the text space.

    Parameters
    ----------
    segmenter : Segmenter
        Embeds the words; those that it knows cost nothing.
    vocabulary : Vocabulary
        The classes, with their auxiliary texts.

    Returns
    -------
    ndarray of float32, shape (C, C)
        Symmetric: the largest cosine between a word of the one and a word of the other; 1 on the
        diagonal.
    """
    return _similarity(segmenter.embed(vocabulary), len(vocabulary))


@torch.inference_mode()
def _similarity(embeddings: ClassEmbeddings, count: int) -> NDArray[np.float32]:
    """Return the largest cosine between the words of each two of ``count`` classes."""
    rows: Tensor = functional.normalize(embeddings.embeddings.float(), dim=-1).cpu()
    owners = np.array(embeddings.word_class_index)
    alike = np.full((count, count), -1, np.float32)
    words = (rows @ rows.t()).clamp(-1, 1).numpy()
    np.maximum.at(alike, (owners[:, None], owners[None]), words)
    np.fill_diagonal(alike, 1)
    return alike


def _hint(first: ClassPrompt, second: ClassPrompt, close: bool) -> str:
    """Return what helps to tell two classes apart, of which the first wins more."""
    a, b = f"“{first.name}”", f"“{second.name}”"
    if first.background or second.background:
        thing = b if first.background else a
        return f"{thing} is hardly told from the background: add words that say what it is."
    if close:
        return (
            f"{a} and {b} are close in meaning to the model: if they are one thing here, make one "
            "a synonym of the other; if not, use narrower words."
        )
    for prompt, name, other in ((second, b, a), (first, a, b)):
        if not prompt.auxiliary_texts:
            return f"Sharpen {name}: add a definition that says how it looks unlike {other}."
    return f"Where {a} takes what is {b}, give {b} a narrower word or raise its bias."

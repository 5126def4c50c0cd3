"""What a text would do to a class, before it is accepted.

The preview is computed by the very functions that label the image after the text has been accepted,
from the same features, so the two agree pixel for pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_itaclip.errors import SettingsError, VocabularyError
from napari_itaclip.segmentation._closeness import close_limit
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.result import Segmentation
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import DecisionSettings, RefineSettings
from napari_itaclip.vocabulary._checks import clean_text
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.prompts import KINDS


@dataclass(frozen=True)
class Effect:
    """What an edit of the vocabulary changes, seen from one class.

    Attributes
    ----------
    changed : ndarray of bool, shape (H, W)
        Pixels whose label changes, of whatever class.
    changed_share : float
        Their part of the image, in [0, 1].
    before, after : Segmentation
        The labels without and with the edit.
    class_id : int
        The class that is edited.
    share_before, share_after : float
        The class's part of the image, in [0, 1].
    confidence_before, confidence_after : float
        Mean confidence over the class's pixels; NaN where it has none.
    """

    changed: NDArray[np.bool_]
    changed_share: float
    before: Segmentation
    after: Segmentation
    class_id: int
    share_before: float
    share_after: float
    confidence_before: float
    confidence_after: float


def effect_of(
    segmenter: Segmenter,
    features: ImageFeatures,
    before: Vocabulary,
    after: Vocabulary,
    class_id: int,
    *,
    refine: RefineSettings,
    decision: DecisionSettings,
    known: Segmentation | None = None,
) -> Effect:
    """Return what replacing one vocabulary by another does to the labels.

    Parameters
    ----------
    segmenter : Segmenter
        Embeds the words; those that it knows cost nothing.
    features : ImageFeatures
        Features of the image.
    before, after : Vocabulary
        The vocabulary without and with the edit.
    class_id : int
        The edited class; it may be missing in one of the two.
    refine, decision : RefineSettings, DecisionSettings
        The settings with which the image is labelled.
    known : Segmentation, optional
        The segmentation with ``before``, to save computing it again for every suggestion. It is
        used only if it was made with the same vocabulary, model and settings.

    Raises
    ------
    SettingsError
        If the features are of another model.
    VocabularyError
        If neither vocabulary has the class.
    """
    if class_id not in before.ids and class_id not in after.ids:
        raise VocabularyError(f"There is no class with the id {class_id} before or after the edit.")

    def labelled(vocabulary: Vocabulary) -> Segmentation:
        embeddings = segmenter.embed(vocabulary)
        return segmenter.segment_embedded(
            features, vocabulary, embeddings, refine=refine, decision=decision
        )

    fits = known is not None and _made_with(known, segmenter, features, before, refine, decision)
    old = known if known is not None and fits else labelled(before)
    new = labelled(after)
    changed = old.labels != new.labels
    share_before, confidence_before = _part(old, class_id)
    share_after, confidence_after = _part(new, class_id)
    return Effect(
        changed=changed,
        changed_share=float(changed.mean()),
        before=old,
        after=new,
        class_id=class_id,
        share_before=share_before,
        share_after=share_after,
        confidence_before=confidence_before,
        confidence_after=confidence_after,
    )


def _made_with(
    result: Segmentation,
    segmenter: Segmenter,
    features: ImageFeatures,
    vocabulary: Vocabulary,
    refine: RefineSettings,
    decision: DecisionSettings,
) -> bool:
    """Say whether a segmentation is the one that these inputs give, as far as it can tell."""
    used = result.settings
    return (
        result.vocabulary == vocabulary
        and result.labels.shape == features.shape
        and (used.model, used.encode) == (segmenter.model.identity, features.settings)
        and (used.refine, used.decide) == (refine, decision)
    )


def _part(result: Segmentation, class_id: int) -> tuple[float, float]:
    """Return a class's share of the image and its mean confidence."""
    own = result.labels == class_id
    pixels = int(own.sum())
    if not pixels:
        return 0.0, math.nan
    return pixels / own.size, float(result.confidence[own].mean(dtype=np.float64))


@dataclass(frozen=True)
class TextFit:
    """How well a text suits a class, judged by the text space alone.

    Attributes
    ----------
    similarity : float
        Cosine between the text and the class's nearest word.
    rivals : tuple of (str, float)
        The other classes and the cosine to the nearest word of each, nearest first.
    nearest_rival : str or None
        The nearest other class; None if there is no other.
    pulls_to_rival : bool
        Whether the text is close to a rival, and closer than to the class itself. Being the nearer
        one is not enough: to a rare name that the model does not know nothing is near.
    cut_to : str or None
        What the model reads of the text if it is too long for its context; None if it fits.
    """

    similarity: float
    rivals: tuple[tuple[str, float], ...]
    nearest_rival: str | None
    pulls_to_rival: bool
    cut_to: str | None


@torch.inference_mode()
def fit_of(
    segmenter: Segmenter, vocabulary: Vocabulary, class_id: int, text: str, kind: str
) -> TextFit:
    """Return how a text lies among the classes' words.

    Parameters
    ----------
    segmenter : Segmenter
        Embeds the words; those that it knows cost nothing.
    vocabulary : Vocabulary
        The classes. The words count, not the auxiliary texts: those would make a text look nearer
        to a class that already has it.
    class_id : int
        The class that the text is suggested for.
    text : str
        The text.
    kind : "definition" or "synonym"
        What it is suggested as.

    Raises
    ------
    SettingsError
        If the kind is none of the two.
    VocabularyError
        If there is no such class, or the text is empty.
    """
    if kind not in KINDS:
        raise SettingsError(f"The kind is {kind!r}; use one of {', '.join(KINDS)}.")
    text = clean_text(text, "the suggested text")
    at = next((at for at, prompt in enumerate(vocabulary) if prompt.id == class_id), None)
    if at is None:
        raise VocabularyError(f"There is no class with the id {class_id}.")
    templates = vocabulary.templates
    rows = segmenter.text.encode([text, *vocabulary.words], templates)
    near = _nearest_words(rows, vocabulary)
    others = [(prompt.name, near[i]) for i, prompt in enumerate(vocabulary) if i != at]
    rivals = tuple(sorted(others, key=lambda rival: -rival[1]))
    nearest = rivals[0][1] if rivals else -1.0
    fitted = segmenter.text.fit_to_context(text, templates)
    return TextFit(
        similarity=near[at],
        rivals=rivals,
        nearest_rival=rivals[0][0] if rivals else None,
        pulls_to_rival=nearest > max(near[at], close_limit(segmenter, rows[1:], templates)),
        cut_to=None if fitted == text else fitted,
    )


def _nearest_words(rows: Tensor, vocabulary: Vocabulary) -> list[float]:
    """Return for every class the largest cosine of the first row and one of its words, the rest."""
    cosines = (rows[1:] @ rows[0]).tolist()
    nearest = [-1.0] * len(vocabulary)
    for at, cosine in zip(vocabulary.word_class_index, cosines, strict=True):
        nearest[at] = max(nearest[at], cosine)
    return nearest

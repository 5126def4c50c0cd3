"""The front door: an image and a vocabulary in, a segmentation out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.clip.registry import DEFAULT_MODEL
from napari_itaclip.clip.text import (
    ClassEmbeddings,
    TextEncoder,
    embed_vocabulary,
    vocabulary_texts,
)
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.decide import Decision, decide
from napari_itaclip.segmentation.encode import EncodeProgress, iter_encode
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.image import PreparedImage, prepare_image
from napari_itaclip.segmentation.refine import pamr, refinement_guide
from napari_itaclip.segmentation.result import ClassSummary, Segmentation, SettingsUsed
from napari_itaclip.segmentation.scores import FactoredScores, factored_scores
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    EncodeSettings,
    Preset,
    RefineSettings,
    get_preset,
)
from napari_itaclip.vocabulary._checks import clean_text
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.templates import DEFAULT_TEMPLATES

__all__ = [
    "DEFAULT_PRESET",
    "ClassSummary",
    "Segmentation",
    "Segmenter",
    "SettingsUsed",
    "VocabularyLike",
]

VocabularyLike = Vocabulary | Sequence[str | ClassPrompt] | str | Path
"""What `Vocabulary.parse` accepts."""

DEFAULT_PRESET = "balanced"


class Segmenter:
    """Segments images with one model and remembers the words it has embedded.

    Parameters
    ----------
    model : ClipModel
        The network; see `from_pretrained`.
    cache : EmbeddingCache, optional
        Where word embeddings are kept; by default in memory only.

    Examples
    --------
    >>> segmenter = Segmenter.from_pretrained("demo")  # doctest: +SKIP
    >>> features = segmenter.encode(image)  # doctest: +SKIP
    >>> result = segmenter.segment(features, "sky; tree, oak; grass")  # doctest: +SKIP
    """

    def __init__(self, model: ClipModel, cache: EmbeddingCache | None = None) -> None:
        self.model = model
        self.text = TextEncoder(model, cache)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = DEFAULT_MODEL,
        *,
        device: str = "auto",
        precision: str = "auto",
        activation: str = "auto",
    ) -> Segmenter:
        """Load a model by name or from a local file.

        Parameters
        ----------
        name_or_path : str or Path
            A registered name (see `napari_itaclip.clip.registry.MODELS`) or a checkpoint file.
        device : str
            "auto", "cuda", "cuda:N", "mps" or "cpu".
        precision : str
            "auto", "float32", "bfloat16" or "float16".
        activation : str
            "auto", "quick_gelu" or "gelu"; only local files need it.

        Raises
        ------
        CheckpointError
            If the weights cannot be had or read.
        SettingsError
            If device or precision do not exist here.
        """
        model = load_clip(name_or_path, device=device, precision=precision, activation=activation)
        return cls(model, EmbeddingCache.on_disk())

    def iter_encode(
        self,
        image: Any,
        preset: str | Preset | EncodeSettings = DEFAULT_PRESET,
        *,
        contrast_limits: tuple[float, float] | None = None,
        channel_axis: int | None = None,
    ) -> Iterator[EncodeProgress]:
        """Compute an image's features step by step; close the generator to stop.

        Parameters
        ----------
        image : array-like
            2-D gray, RGB or RGBA image, or a `PreparedImage`.
        preset : str, Preset or EncodeSettings
            How to look at it.
        contrast_limits : (float, float), optional
            Gray values shown as black and white.
        channel_axis : int, optional
            Axis of the colours, if it is not the last.

        Yields
        ------
        EncodeProgress
            After every batch of windows, coarse to fine; the last carries the final features.

        Raises
        ------
        ImageError
            If the image cannot be segmented.
        SettingsError
            If the settings do not suit the model.
        """
        settings = preset if isinstance(preset, EncodeSettings) else get_preset(preset).encode
        if not isinstance(image, PreparedImage):
            image = prepare_image(image, contrast_limits=contrast_limits, channel_axis=channel_axis)
        return iter_encode(self.model, image, settings)

    def encode(
        self,
        image: Any,
        preset: str | Preset | EncodeSettings = DEFAULT_PRESET,
        *,
        contrast_limits: tuple[float, float] | None = None,
        channel_axis: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ImageFeatures:
        """Return an image's features; parameters and errors are those of `iter_encode`.

        ``progress`` is called with the windows done and their number.
        """
        features: ImageFeatures | None = None
        for step in self.iter_encode(
            image, preset, contrast_limits=contrast_limits, channel_axis=channel_axis
        ):
            features = step.features
            if progress is not None:
                progress(step.done, step.total)
        assert features is not None  # there is at least one window
        return features

    def embed(
        self,
        vocabulary: VocabularyLike,
        progress: Callable[[int, int], None] | None = None,
        *,
        templates: str | Sequence[str] | None = None,
        quick: str | Sequence[str] | None = None,
    ) -> ClassEmbeddings:
        """Return the word embeddings of ``vocabulary``; known words cost nothing.

        Parameters
        ----------
        vocabulary : Vocabulary, list, str or Path
            The classes; see `Vocabulary.parse`.
        progress : callable, optional
            Called with prompts done and total. An exception that it raises ends the work and is
            passed on; the words done by then are remembered.
        templates : str or sequence of str, optional
            Templates to use instead of the vocabulary's.
        quick : str or sequence of str, optional
            Fewer templates, for words that are not known yet: a preview that leaves the other
            classes as they are.

        Raises
        ------
        VocabularyError
            If the vocabulary or the templates cannot be used.
        """
        return embed_vocabulary(self.text, Vocabulary.parse(vocabulary), progress, templates, quick)

    def knows(self, vocabulary: Vocabulary) -> bool:
        """Say whether `embed` would run the network for nothing in ``vocabulary``."""
        return self.text.knows(vocabulary_texts(vocabulary), vocabulary.templates)

    def embed_texts(
        self, words: Sequence[str], templates: str | Sequence[str] = DEFAULT_TEMPLATES
    ) -> Tensor:
        """Return the embeddings of words or phrases that belong to no vocabulary.

        Parameters
        ----------
        words : sequence of str
            The texts; what exceeds the model's context is cut.
        templates : str or sequence of str
            Template set by name, or prompts with a ``{}``.

        Returns
        -------
        Tensor, shape (len(words), D), float32
            L2-normalised rows on the model's device.

        Raises
        ------
        VocabularyError
            If a text is empty or the templates cannot be used.
        """
        return self.text.encode([clean_text(word, "a phrase") for word in words], templates)

    def segment(
        self,
        image: Any,
        vocabulary: VocabularyLike,
        preset: str | Preset = DEFAULT_PRESET,
        *,
        refine: RefineSettings | None = None,
        decision: DecisionSettings | None = None,
        probabilities: bool = False,
    ) -> Segmentation:
        """Label every pixel of an image with one of the classes.

        Parameters
        ----------
        image : array-like or ImageFeatures
            The image, or its features from `encode`, which saves running the network again.
        vocabulary : Vocabulary, list, str or Path
            The classes; see `Vocabulary.parse`.
        preset : str or Preset
            Settings of all steps (of the steps after encoding, for features).
        refine, decision : RefineSettings, DecisionSettings, optional
            Settings that replace the preset's.
        probabilities : bool
            Whether to keep the value of every class at every pixel.

        Returns
        -------
        Segmentation
            Labels, confidence and margin at the original size.

        Raises
        ------
        ImageError, VocabularyError, SettingsError
            If an input cannot be used.
        """
        chosen = get_preset(preset)
        vocabulary = Vocabulary.parse(vocabulary)
        features = image if isinstance(image, ImageFeatures) else self.encode(image, chosen)
        return self.segment_embedded(
            features,
            vocabulary,
            self.embed(vocabulary),
            refine=refine or chosen.refine,
            decision=decision or chosen.decide,
            probabilities=probabilities,
        )

    @torch.inference_mode()
    def segment_embedded(
        self,
        features: ImageFeatures,
        vocabulary: Vocabulary,
        embeddings: ClassEmbeddings,
        *,
        refine: RefineSettings,
        decision: DecisionSettings,
        probabilities: bool = False,
    ) -> Segmentation:
        """Label every pixel from features and embeddings at hand; no network runs.

        Parameters are those of `segment`.

        Raises
        ------
        SettingsError
            If features and model, or embeddings and vocabulary, do not belong together.
        """
        embeddings.check_for(vocabulary)
        if features.model != self.model.identity:
            raise SettingsError(
                f"These features were computed by {features.model}, but the model is "
                f"{self.model.identity}; encode the image again."
            )
        factored = factored_scores(features, embeddings.embeddings)
        scores: Tensor | FactoredScores = factored
        if refine.iterations:
            guide = refinement_guide(features)
            scores = pamr(factored.band(), guide, refine.iterations, refine.dilations)
        decided = decide(
            scores,
            embeddings.word_class_index,
            decision,
            background=_background_position(vocabulary),
            keep_probabilities=probabilities,
            class_bias=vocabulary.biases,
            class_threshold=vocabulary.thresholds,
        )
        notice = self.model.spec.notice
        used = SettingsUsed(
            model=self.model.identity,
            model_name=self.model.spec.name,
            notice=notice,
            encode=features.settings,
            refine=refine,
            decide=decision,
        )
        notes = [notice] if notice else []
        notes += [
            f"Cut to fit the model's context: {text!r} was read as {cut!r}."
            for text, cut in embeddings.cut_texts.items()
        ]
        return _finish(features, vocabulary, decided, used, tuple(notes))


def _background_position(vocabulary: Vocabulary) -> int | None:
    for position, prompt in enumerate(vocabulary):
        if prompt.background:
            return position
    return None


def _finish(
    features: ImageFeatures,
    vocabulary: Vocabulary,
    decided: Decision,
    used: SettingsUsed,
    notes: tuple[str, ...],
) -> Segmentation:
    """Turn positions into ids and clear the pixels that hold no image."""
    ids = np.array([*vocabulary.ids, 0])
    # The last entry serves the undecided, whose position is -1.
    labels = ids.astype(np.min_scalar_type(int(ids.max())))[decided.positions]
    if labels.dtype.kind == "u" and labels.dtype.itemsize > 2:
        labels = labels.astype(np.int32)
    confidence, margin = decided.confidence, decided.margin
    if features.valid is not None:
        labels[~features.valid] = 0
        confidence[~features.valid] = 0
        margin[~features.valid] = 0
        if decided.probabilities is not None:
            decided.probabilities[:, ~features.valid] = 0
    return Segmentation(
        labels=labels,
        vocabulary=vocabulary,
        confidence=confidence,
        margin=margin,
        probabilities=decided.probabilities,
        settings=used,
        notes=notes,
    )

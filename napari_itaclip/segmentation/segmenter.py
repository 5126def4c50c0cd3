"""The front door: an image and a vocabulary in, a segmentation out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.clip.registry import DEFAULT_MODEL
from napari_itaclip.clip.text import ClassEmbeddings, TextEncoder, embed_vocabulary
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.decide import Decision, decide
from napari_itaclip.segmentation.encode import EncodeProgress, iter_encode
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.image import PreparedImage, prepare_image
from napari_itaclip.segmentation.refine import pamr, refinement_guide
from napari_itaclip.segmentation.scores import FactoredScores, factored_scores
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    EncodeSettings,
    Preset,
    RefineSettings,
    get_preset,
)
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

VocabularyLike = Vocabulary | Sequence[str | ClassPrompt] | str | Path
"""What `Vocabulary.parse` accepts."""

DEFAULT_PRESET = "balanced"


@dataclass(frozen=True)
class ClassSummary:
    """One row of a segmentation's class table.

    Attributes
    ----------
    id : int
        Value in the label image.
    name : str
        Class name; "unlabelled" for pixels that no class won.
    color : str
        ``#rrggbb``.
    pixels : int
        Number of pixels.
    share : float
        Part of the image, in [0, 1].
    confidence : float
        Mean confidence over the class's pixels; NaN where it has none.
    """

    id: int
    name: str
    color: str
    pixels: int
    share: float
    confidence: float


@dataclass(frozen=True)
class SettingsUsed:
    """How a segmentation was made.

    Attributes
    ----------
    model : str
        Identity of the model: its name and a digest of its weights.
    model_name : str
        Name of the model for people.
    notice : str
        What everyone who sees a result of this model should know; empty for most.
    encode, refine, decide : EncodeSettings, RefineSettings, DecisionSettings
        The settings.
    """

    model: str
    model_name: str
    notice: str
    encode: EncodeSettings
    refine: RefineSettings
    decide: DecisionSettings


@dataclass(frozen=True)
class Segmentation:
    """The labels of an image and how sure they are.

    Attributes
    ----------
    labels : ndarray of uint8, uint16 or int32, shape (H, W)
        Class ids; 0 is the background class or, without one, "unlabelled".
    vocabulary : Vocabulary
        The classes.
    confidence : ndarray of float32, shape (H, W)
        Value of the best class, in [0, 1]; 0 where the image has no value.
    margin : ndarray of float32, shape (H, W)
        Lead over the second class, in [0, 1].
    probabilities : ndarray of float32, shape (C, H, W), or None
        Value of every class in the vocabulary's order, if asked for; 0 where the image has no
        value.
    settings : SettingsUsed
        How it was made.
    notes : tuple of str
        What a person should know: texts that were cut, a model for demonstration only.
    """

    labels: NDArray[np.integer[Any]]
    vocabulary: Vocabulary
    confidence: NDArray[np.float32]
    margin: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None
    settings: SettingsUsed
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[ClassSummary, ...]:
        """The class table, in the vocabulary's order; "unlabelled" last if it occurs."""
        ranks = self.labels.ravel()
        if ranks.dtype.itemsize > 2:  # ids of any size: no table up to the largest
            values, ranks = np.unique(ranks, return_inverse=True)
        else:
            values = np.arange(int(ranks.max()) + 1)
        pixels = np.bincount(ranks)
        weight = np.bincount(ranks, weights=self.confidence.ravel())
        found = dict(
            zip(values.tolist(), zip(pixels.tolist(), weight.tolist(), strict=True), strict=True)
        )
        prompts = self.vocabulary
        named = zip(prompts.ids, prompts.names, prompts.colors, strict=True)
        known = {id_: (name, color) for id_, name, color in named}
        if 0 not in known and found.get(0, (0, 0.0))[0]:
            known[0] = ("unlabelled", "#000000")
        rows = []
        for id_, (name, color) in known.items():
            count, total = found.get(id_, (0, 0.0))
            mean = total / count if count else float("nan")
            rows.append(ClassSummary(id_, name, color, count, count / ranks.size, mean))
        return tuple(rows)

    def provenance(self) -> dict[str, Any]:
        """Return what it takes to make this again, and what to know about it, as JSON values."""
        return {
            "vocabulary": self.vocabulary.to_dict(),
            "settings": asdict(self.settings),
            "notes": list(self.notes),
        }


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
        self, vocabulary: VocabularyLike, progress: Callable[[int, int], None] | None = None
    ) -> ClassEmbeddings:
        """Return the word embeddings of ``vocabulary``; known words cost nothing.

        Raises
        ------
        VocabularyError
            If the vocabulary cannot be used.
        """
        return embed_vocabulary(self.text, Vocabulary.parse(vocabulary), progress)

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
            If features and model do not belong together.
        """
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

"""What a segmentation gives: labels, how sure they are, and how they were made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.segmentation.settings import DecisionSettings, EncodeSettings, RefineSettings
from napari_itaclip.vocabulary.classes import Vocabulary


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

"""Looking closer at a result: heat maps, doubt, and the classes at a pixel; no network runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.annotation.review import UncertainRegion, least_certain_regions
from napari_itaclip.segmentation.settings import DecisionSettings
from napari_itaclip.session.outcome import Outcome
from napari_itaclip.session.pictures import Plane, Region
from napari_itaclip.session.target import Target
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.prompts import ClassPrompt

if TYPE_CHECKING:  # torch takes a second to load: not before there is work for it
    from napari_itaclip.clip.text import ClassEmbeddings
    from napari_itaclip.segmentation.features import ImageFeatures
    from napari_itaclip.segmentation.segmenter import Segmenter

READOUT_CLASSES = 5
"""Classes that are named at a pixel."""

Readout = Sequence[tuple[str, str, float]]
"""Name, colour and probability of the likeliest classes at a pixel, likeliest first."""


@dataclass(frozen=True)
class Shown:
    """What the read-outs of a plane are computed from: its newest result.

    Attributes
    ----------
    outcome : Outcome
        The result.
    features : tuple of ImageFeatures
        One for each part of the outcome.
    embeddings : ClassEmbeddings
        Of the outcome's vocabulary.
    """

    outcome: Outcome
    features: tuple[ImageFeatures, ...]
    embeddings: ClassEmbeddings

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes of the result."""
        return self.outcome.parts[-1].segmentation.vocabulary


class ShownPlanes:
    """The newest results of the planes seen last.

    Parameters
    ----------
    most : int
        How many are kept.

    Attributes
    ----------
    pinned : (Target, Plane) or None
        The plane in view, whose result is never dropped for others'.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.pinned: tuple[Target, Plane] | None = None
        self._known: OrderedDict[tuple[int, Plane], Shown] = OrderedDict()

    def get(self, target: Target, plane: Plane) -> Shown | None:
        """Return the newest result of a plane, if it is kept."""
        return self._known.get((id(target), plane))

    def put(self, shown: Shown) -> None:
        """Keep a result, in place of what was known of its plane."""
        at = id(shown.outcome.target), shown.outcome.plane
        self._known[at] = shown
        self._known.move_to_end(at)
        pinned = None if self.pinned is None else (id(self.pinned[0]), self.pinned[1])
        for old in [each for each in self._known if each not in (at, pinned)]:
            if len(self._known) <= self._most:
                break
            del self._known[old]

    def of(self, target: Target) -> tuple[Shown, ...]:
        """Return everything that is kept of an image."""
        return tuple(shown for at, shown in self._known.items() if at[0] == id(target))

    def forget(self, target: Target) -> None:
        """Drop everything of an image."""
        for at in [at for at in self._known if at[0] == id(target)]:
            del self._known[at]

    def clear(self) -> None:
        """Drop everything."""
        self._known.clear()


def composed(
    shown: Shown, values: Sequence[NDArray[np.float32]], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], Region | None]:
    """Lay the values of a plane's pictures over each other.

    Parameters
    ----------
    shown : Shown
        The result that the values belong to.
    values : sequence of ndarray of float32, each (h, w)
        One for each part.
    shape : (int, int)
        Of the plane.

    Returns
    -------
    values : ndarray of float32, shape (H, W)
        Of the plane or of its region, NaN where nothing covers it.
    region : Region or None
        The part that they cover; None for the plane.
    """
    regions = [part.picture.region for part in shown.outcome.parts]
    if len(values) == 1:
        return values[0], regions[0]
    whole = np.full(shape, np.nan, np.float32)
    for value, region in zip(values, regions, strict=True):
        whole[region.slices if region is not None else ...] = value
    return whole, None


def margins(shown: Shown) -> list[NDArray[np.float32]]:
    """Return by how much the best class leads at each pixel of each part, 0 to 1."""
    return [part.segmentation.margin for part in shown.outcome.parts]


def heat_maps(
    segmenter: Segmenter,
    shown: Shown,
    subject: str,
    *,
    rivals: bool,
    decision: DecisionSettings,
    check: Callable[[int, int], None],
) -> list[NDArray[np.float32]]:
    """Return where a class or phrase is found, for each part of a result.

    Parameters
    ----------
    segmenter : Segmenter
        The model that made the result.
    shown : Shown
        The result.
    subject : str
        The name of a class, one of its words, or any phrase.
    rivals : bool
        Whether the vocabulary's classes compete: then the values are probabilities, and a phrase
        that is no class is tried as one more. Otherwise they are similarities.
    decision : DecisionSettings
        How scores become probabilities.
    check : callable
        Progress of embedding; may raise to stop.

    Returns
    -------
    list of ndarray of float32, each (h, w)
        Not refined.

    Raises
    ------
    VocabularyError
        If the phrase cannot be used.
    """
    from napari_itaclip.segmentation.explore import class_probability, class_similarity

    vocabulary, embeddings = shown.vocabulary, shown.embeddings
    owner = _owner(vocabulary, subject)
    if not rivals:
        named = owner is not None and vocabulary[owner].name.casefold() == subject.casefold()
        words = vocabulary[owner].words if owner is not None and named else (subject,)
        rows = segmenter.embed_texts(words, vocabulary.templates)
        return [class_similarity(each, rows) for each in shown.features]
    if owner is None:
        vocabulary = vocabulary.add(ClassPrompt(subject))
        embeddings = segmenter.embed(vocabulary, check)
        owner = len(vocabulary) - 1
    return [
        class_probability(each, embeddings, vocabulary, owner, decision) for each in shown.features
    ]


def _owner(vocabulary: Vocabulary, subject: str) -> int | None:
    """Return the position of the class that has a word; None if none has."""
    wanted = " ".join(subject.split()).casefold()
    for word, position in zip(vocabulary.words, vocabulary.word_class_index, strict=True):
        if word.casefold() == wanted:
            return position
    return None


def readout_at(shown: Shown, y: int, x: int) -> Readout:
    """Return the likeliest classes at a pixel of a plane; empty where nothing covers it.

    Parameters
    ----------
    shown : Shown
        The result.
    y, x : int
        Row and column in the plane.
    """
    from napari_itaclip.segmentation.explore import class_values_at

    for part, features in reversed(list(zip(shown.outcome.parts, shown.features, strict=True))):
        region = part.picture.region or Region(0, 0, *part.picture.shape)
        row, column = y - region.top, x - region.left
        if not (0 <= row < region.height and 0 <= column < region.width):
            continue
        vocabulary, settings = part.segmentation.vocabulary, part.segmentation.settings.decide
        values = class_values_at(features, shown.embeddings, vocabulary, settings, row, column)
        best = np.argsort(-values, kind="stable")[:READOUT_CLASSES]
        names, colors = vocabulary.names, vocabulary.colors
        return tuple((names[at], colors[at], float(values[at])) for at in best.tolist())
    return ()


def uncertain_regions(
    shown: Shown, shape: tuple[int, int], painted: NDArray[np.bool_] | None
) -> tuple[UncertainRegion, ...]:
    """Return the regions of a plane that are worth a look, least certain first.

    Parameters
    ----------
    shown : Shown
        The result.
    shape : (int, int)
        Of the plane.
    painted : ndarray of bool, shape (H, W), or None
        Pixels of the plane that a person has painted: they need no review.
    """
    margin, region = composed(shown, margins(shown), shape)
    inside = region.slices if region is not None else ...
    found = least_certain_regions(margin, skip=None if painted is None else painted[inside])
    top, left = (region.top, region.left) if region is not None else (0, 0)

    def moved(where: Region) -> Region:
        return replace(where, top=where.top + top, left=where.left + left)

    return tuple(replace(each, region=moved(each.region)) for each in found)

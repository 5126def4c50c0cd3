"""From features to labels, quick answers first; runs in the worker's thread.

Words that are new to the model are first embedded with a few templates and then again with all of
them; labels are first computed without the refinement and at once again with it. Each answer is
told as soon as it is there, and work that has been overtaken stops in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_itaclip.segmentation.settings import DecisionSettings, RefineSettings
from napari_itaclip.session.feature_store import FeatureStore
from napari_itaclip.session.outcome import Outcome, Part, Stage
from napari_itaclip.session.pictures import Picture, Plane
from napari_itaclip.session.settings import SessionSettings
from napari_itaclip.session.target import Target
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.session.worker import Ticket
from napari_itaclip.vocabulary.classes import Vocabulary

if TYPE_CHECKING:  # torch takes a second to load: not before there is work for it
    from napari_itaclip.clip.text import ClassEmbeddings
    from napari_itaclip.segmentation.features import ImageFeatures
    from napari_itaclip.segmentation.segmenter import Segmenter

QUICK_TEMPLATES = "imagenet-7"
"""The templates of the first answer for a new word: a tenth of the work of all 80."""

UNREFINED = RefineSettings(iterations=0)


@dataclass(frozen=True)
class Words:
    """What to look for and how to decide: a snapshot of the table and the settings.

    Attributes
    ----------
    vocabulary : Vocabulary
        The classes.
    lineage : int
        Of the vocabulary, see `VocabularyEditor.lineage`.
    refine, decision : RefineSettings, DecisionSettings
        The steps after the network.
    quick : bool
        Whether new words are answered with few templates first.
    step : hashable
        The undo step that resulting labels belong to.
    """

    vocabulary: Vocabulary
    lineage: int
    refine: RefineSettings
    decision: DecisionSettings
    quick: bool
    step: Hashable


def words_of(editor: VocabularyEditor, settings: SessionSettings, step: Hashable) -> Words | None:
    """Return a snapshot of the table and the settings; None while the table is empty."""
    if editor.vocabulary is None:
        return None
    preset = settings.resolved()
    return Words(
        vocabulary=editor.vocabulary,
        lineage=editor.lineage,
        refine=preset.refine,
        decision=preset.decide,
        quick=settings.fast_words,
        step=step,
    )


@dataclass(frozen=True)
class PlaneFeatures:
    """The encoded pictures of a plane, the lowest first."""

    plane: Plane
    pictures: tuple[tuple[Picture, ImageFeatures], ...]


def known_planes(
    target: Target,
    first: Plane | None,
    store: FeatureStore,
    model: str,
    coarse: Mapping[Picture, ImageFeatures],
) -> tuple[PlaneFeatures, ...]:
    """Return the planes of an image that can be labelled without running the network.

    Parameters
    ----------
    target : Target
        The image.
    first : Plane or None
        The plane that comes first.
    store : FeatureStore
        Features of finished runs.
    model : str
        Identity of the model; what others computed is of no use.
    coarse : mapping of Picture to ImageFeatures
        What a run of this image has so far; it lies over the rest.
    """
    found: dict[Plane, list[tuple[Picture, ImageFeatures]]] = {}
    for plane in target.planes(first):
        for patch in target.of_plane(plane):
            features = store.get(patch.features_key)
            if features is not None and features.model == model:
                found.setdefault(plane, []).append((patch.picture, features))
    for picture, features in coarse.items():
        if picture.region is None:
            found[picture.plane] = []
        found.setdefault(picture.plane, []).append((picture, features))
    return tuple(PlaneFeatures(plane, tuple(pictures)) for plane, pictures in found.items())


Tell = Callable[["Outcome", "ClassEmbeddings"], None]
"""Takes a result and the embeddings it was made with."""


def label_planes(
    segmenter: Segmenter,
    target: Target,
    planes: tuple[PlaneFeatures, ...],
    words: Words,
    ticket: Ticket,
    tell: Tell,
) -> None:
    """Label planes, the first one quickly, and tell each result.

    Raises
    ------
    Stopped
        When the ticket is stopped.
    ItaclipError
        If the words or features cannot be used.
    """
    if words.quick and planes and not segmenter.knows(words.vocabulary):
        embeddings = segmenter.embed(words.vocabulary, ticket.check, quick=QUICK_TEMPLATES)
        _label(segmenter, target, planes[0], words, embeddings, Stage.COARSE, ticket, tell)
    embeddings = segmenter.embed(words.vocabulary, ticket.check)
    stages = (Stage.UNREFINED, Stage.FINAL) if words.refine.iterations else (Stage.FINAL,)
    for plane in planes:
        for stage in stages:
            _label(segmenter, target, plane, words, embeddings, stage, ticket, tell)


def label_coarsely(
    segmenter: Segmenter,
    target: Target,
    plane: PlaneFeatures,
    words: Words,
    ticket: Ticket,
    tell: Tell,
) -> None:
    """Label a plane from features that are still coarse; errors as for `label_planes`."""
    quick = QUICK_TEMPLATES if words.quick else None
    embeddings = segmenter.embed(words.vocabulary, ticket.check, quick=quick)
    _label(segmenter, target, plane, words, embeddings, Stage.COARSE, ticket, tell)


def _label(
    segmenter: Segmenter,
    target: Target,
    plane: PlaneFeatures,
    words: Words,
    embeddings: ClassEmbeddings,
    stage: Stage,
    ticket: Ticket,
    tell: Tell,
) -> None:
    start = time.perf_counter()
    parts = []
    for picture, features in plane.pictures:
        ticket.check()
        segmentation = segmenter.segment_embedded(
            features,
            words.vocabulary,
            embeddings,
            refine=words.refine if stage is Stage.FINAL else UNREFINED,
            decision=words.decision,
        )
        parts.append(Part(picture, segmentation, segmentation.classes))
    ticket.check()
    outcome = Outcome(
        target=target,
        plane=plane.plane,
        parts=tuple(parts),
        stage=stage,
        step=words.step,
        lineage=words.lineage,
        seconds=time.perf_counter() - start,
    )
    tell(outcome, embeddings)

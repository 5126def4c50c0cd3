"""One press of Segment: load the model, encode picture by picture, label what is there so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.clip.registry import MODELS
from napari_itaclip.session.labelling import (
    PlaneFeatures,
    Words,
    label_coarsely,
    label_planes,
)
from napari_itaclip.session.looking import Shown
from napari_itaclip.session.outcome import Outcome, Progress
from napari_itaclip.session.pictures import Picture
from napari_itaclip.session.settings import SessionSettings
from napari_itaclip.session.target import Patch, Target
from napari_itaclip.session.worker import Steps, Ticket
from napari_itaclip.session.worker_thread import load_libraries
from napari_itaclip.vocabulary.classes import Vocabulary

if TYPE_CHECKING:  # torch takes a second to load: not before there is work for it
    from napari_itaclip.clip.text import ClassEmbeddings
    from napari_itaclip.segmentation.features import ImageFeatures
    from napari_itaclip.segmentation.segmenter import Segmenter


Load = Callable[[SessionSettings, Ticket, Callable[[Progress], None]], "Segmenter"]
"""Loads a model, see `load_segmenter`."""


def features_key(picture: Picture, settings: SessionSettings) -> Hashable:
    """Return what the features of a picture are kept under: everything that they depend on."""
    loading = settings.model, settings.device, settings.precision
    return picture.key, loading, settings.resolved().encode


@dataclass(eq=False)
class Run:
    """A run: what it was asked for, and what has become of it.

    Attributes
    ----------
    target : Target
        Whose labels are made.
    pictures : tuple of Picture
        What is encoded, in this order.
    settings : SessionSettings
        As they were when it began.
    segmenter : Segmenter or None
        The loaded model, if it is the right one.
    known : mapping of Picture to ImageFeatures
        What need not be encoded again.
    words : Words
        The newest words. The owner replaces them when the table is edited; the worker looks at
        them whenever it labels something.
    load : callable
        Loads the model, as `load_segmenter` does.
    coarse : dict of Picture to ImageFeatures
        The newest features of each picture, complete or not (the owner's).
    complete : dict of Picture to Patch
        Pictures whose features are complete (the owner's).
    before : (Vocabulary or None, int or None)
        Vocabulary and lineage of the labels before the run.
    shown_before : tuple of Shown
        Results that were known before the run.
    """

    target: Target
    pictures: tuple[Picture, ...]
    settings: SessionSettings
    segmenter: Segmenter | None
    known: Mapping[Picture, ImageFeatures]
    words: Words
    load: Load
    coarse: dict[Picture, ImageFeatures] = field(default_factory=dict)
    complete: dict[Picture, Patch] = field(default_factory=dict)
    before: tuple[Vocabulary | None, int | None] = (None, None)
    shown_before: tuple[Shown, ...] = ()

    def __post_init__(self) -> None:
        """Remember what the labels were made with."""
        self.before = self.target.vocabulary, self.target.lineage


@dataclass(frozen=True)
class RunReport:
    """What a run tells, from the worker's thread.

    Attributes
    ----------
    progress : callable
        Takes a `Progress`.
    model : callable
        Takes the loaded `Segmenter`.
    features : callable
        Takes a picture, its features so far, and whether they are complete.
    outcome : callable
        Takes an `Outcome`, the features and the embeddings that it was made from.
    """

    progress: Callable[[Progress], None]
    model: Callable[[Segmenter], None]
    features: Callable[[Picture, ImageFeatures, bool], None]
    outcome: Callable[[Outcome, tuple[ImageFeatures, ...], ClassEmbeddings], None]


def run_steps(run: Run, ticket: Ticket, report: RunReport) -> Steps:
    """Do the work of a run step by step; the worker may do other things between two steps.

    Raises
    ------
    Stopped
        When the ticket is stopped within a step.
    ItaclipError
        If the model cannot be had, or a picture cannot be segmented.
    """
    segmenter = run.segmenter
    if segmenter is None:
        report.progress(Progress(f"Loading {run.settings.model_title}", None, None))
        yield
        segmenter = run.load(run.settings, ticket, report.progress)
        report.model(segmenter)
        yield
    clock = _Clock(run, report)
    for picture in run.pictures:
        features = run.known.get(picture)
        if features is None:
            clock.begin(picture)
            image = picture.read()
            yield
            for step in segmenter.iter_encode(image, run.settings.resolved()):
                clock.advance(step.done, step.total)
                features = step.features
                if features is not None and step.done < step.total:
                    report.features(picture, features, False)
                    label = label_coarsely
                    _label(label, segmenter, run, picture, features, ticket, report)
                yield
        assert features is not None  # the last step of encoding carries them
        report.features(picture, features, True)
        yield
        _label(_label_finally, segmenter, run, picture, features, ticket, report)
        clock.finish()
        yield


def load_segmenter(
    settings: SessionSettings, ticket: Ticket, progress: Callable[[Progress], None]
) -> Segmenter:
    """Load a model, downloading it first where that is needed.

    Raises
    ------
    Stopped
        When the ticket is stopped while downloading.
    CheckpointError, SettingsError
        If it cannot be had, or not on this device.
    """
    load_libraries()
    from napari_itaclip.clip.checkpoints import load_clip
    from napari_itaclip.clip.weights_cache import fetch
    from napari_itaclip.segmentation.segmenter import Segmenter

    if settings.model in MODELS:

        def downloaded(done: int, total: int | None) -> None:
            ticket.check()
            fraction = done / total if total else None
            size = f"{done / 1e6:.0f}" + (f" of {total / 1e6:.0f}" if total else "")
            label = f"Downloading {settings.model_title} ({size} MB)"
            progress(Progress(label, fraction, None))

        fetch(settings.model, downloaded)
    ticket.check()
    model = load_clip(settings.model, device=settings.device, precision=settings.precision)
    return Segmenter(model, EmbeddingCache.on_disk())


Labeller = Callable[..., None]


def _label_finally(
    segmenter: Segmenter,
    target: Target,
    plane: PlaneFeatures,
    words: Words,
    ticket: Ticket,
    tell: Callable[[Outcome, ClassEmbeddings], None],
) -> None:
    label_planes(segmenter, target, (plane,), words, ticket, tell)


def _label(
    labeller: Labeller,
    segmenter: Segmenter,
    run: Run,
    picture: Picture,
    features: ImageFeatures,
    ticket: Ticket,
    report: RunReport,
) -> None:
    """Label one picture with the newest words."""
    plane = PlaneFeatures(picture.plane, ((picture, features),))

    def tell(outcome: Outcome, embeddings: ClassEmbeddings) -> None:
        report.outcome(outcome, (features,), embeddings)

    labeller(segmenter, run.target, plane, run.words, ticket, tell)


class _Clock:
    """Measures a run and estimates the time that is left."""

    def __init__(self, run: Run, report: RunReport) -> None:
        self._report = report
        self._total = sum(picture not in run.known for picture in run.pictures)
        self._done = 0
        self._name = run.target.name
        self._start: float | None = None

    def begin(self, picture: Picture) -> None:
        self._name = picture.name
        self._tell(0.0)

    def advance(self, done: int, total: int) -> None:
        if self._start is None:
            # The first step carries what is done only once: no rate can be told from it.
            self._start, self._first = time.monotonic(), self._done + done / total
        self._tell(done / total)

    def finish(self) -> None:
        self._done += 1

    def _tell(self, part: float) -> None:
        if not self._total:
            return
        done = self._done + part
        left = None
        if self._start is not None and done > self._first:
            rate = (done - self._first) / (time.monotonic() - self._start)
            left = (self._total - done) / rate
        self._report.progress(Progress(self._name, min(1.0, done / self._total), left))

"""The controller behind the dock: knows what runs, what is known, and where results belong.

Everything public is called in one thread, the owner's, and tells what happens by signals in that
thread. The network runs in a worker thread (see `worker`); its results come back through ``post``
and are dropped when they have been overtaken or their image is gone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.feature_store import FeatureStore
from napari_itaclip.session.labelling import (
    PlaneFeatures,
    Words,
    known_planes,
    label_planes,
    words_of,
)
from napari_itaclip.session.looking import Shown, ShownPlanes
from napari_itaclip.session.outcome import Message, Outcome, Progress, message_of
from napari_itaclip.session.pictures import Picture, PictureLabels, Plane
from napari_itaclip.session.run import (
    Load,
    Run,
    RunReport,
    features_key,
    load_segmenter,
    run_steps,
)
from napari_itaclip.session.settings import Effect, SessionSettings, effect_of_change
from napari_itaclip.session.target import Patch, Target
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.session.worker import Post, Stopped, Ticket, Worker
from napari_itaclip.session.worker_thread import load_libraries

if TYPE_CHECKING:  # torch takes a second to load: the worker does that
    from napari_itaclip.clip.text import ClassEmbeddings
    from napari_itaclip.segmentation.features import ImageFeatures
    from napari_itaclip.segmentation.segmenter import Segmenter

MEGABYTE = 1_000_000

SHOWN_PLANES = 8
"""Planes whose newest result is kept for the read-outs. A result holds features, confidence and
margin: of all slices of a stack they would be more than the memory budget allows."""


class Session:
    """Segments images with the words of a table, and again whenever they change.

    Parameters
    ----------
    editor : VocabularyEditor
        The table of classes.
    settings : SessionSettings
        Model, preset and what differs from it.
    post : callable
        Brings a function into the owner's thread, see `worker.Post`.
    prepare : callable, optional
        Called once in the worker's thread before any work.
    load : callable
        Loads a model, see `run.load_segmenter`.

    Attributes
    ----------
    store : FeatureStore
        The features of images seen before.
    segmenter : Segmenter or None
        The model; None before the first run.
    edit_ms : float or None
        Milliseconds from the newest edit to its first labels; None before the first one.
    """

    progressed = Signal(object)
    """`Progress` while a run is under way; None when it is over."""

    labelled = Signal(object)
    """`Outcome` that has just been written to its labels."""

    said = Signal(object)
    """`Message` for the person."""

    settings_changed = Signal(object)
    """The new `SessionSettings`."""

    model_loaded = Signal()
    """`segmenter` is another one."""

    def __init__(
        self,
        editor: VocabularyEditor,
        settings: SessionSettings,
        post: Post,
        prepare: Callable[[], None] | None = None,
        load: Load = load_segmenter,
    ) -> None:
        self._load = load
        self.editor = editor
        self.store = FeatureStore(settings.memory_budget_mb * MEGABYTE)
        self.segmenter: Segmenter | None = None
        self._settings = settings
        self._worker = Worker(post, prepare)
        self._run: Run | None = None
        self._loaded_for: SessionSettings | None = None
        self._active: Target | None = None
        self._plane: Plane | None = None
        self._shown = ShownPlanes(SHOWN_PLANES)
        self._steps = itertools.count()
        self._asked: tuple[Hashable, float] | None = None
        self.edit_ms: float | None = None
        editor.changed.connect(self._on_words_changed)
        self._locked = editor.locked
        editor.display_changed.connect(self._on_display_changed)

    def warm_up(self) -> None:
        """Load the libraries that the network needs, in the worker's thread, before they are.

        Loading them takes a second or two, in which the interface stutters: better when the dock
        opens than in the middle of a stroke.
        """
        self._worker.request("libraries", lambda ticket: load_libraries(), self._on_failure)

    # ---- what the owner asks for ----------------------------------------------------------------

    @property
    def settings(self) -> SessionSettings:
        """Model, preset and what differs from it."""
        return self._settings

    def change_settings(self, settings: SessionSettings) -> None:
        """Use other settings: at once where the network is not concerned, else at the next run."""
        before, self._settings = self._settings, settings
        effect = effect_of_change(before, settings)
        self.store.budget = settings.memory_budget_mb * MEGABYTE
        self.settings_changed.emit(settings)
        if self._run is None and effect >= Effect.FEATURES and self._active is not None:
            if self._active.patches:
                self._say("Press Segment to use the new settings.")
        elif settings.live and (effect is Effect.LABELS or not before.live):
            self.relabel()

    @property
    def running(self) -> Target | None:
        """The image that is being segmented."""
        return None if self._run is None else self._run.target

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return self._run is not None or not self._worker.idle

    def activate(self, target: Target | None, plane: Plane | None) -> None:
        """Say which image and plane a person is looking at; edits concern these first."""
        changed = target is not self._active
        moved = plane != self._plane
        self._active, self._plane = target, plane
        self._shown.pinned = None if target is None or plane is None else (target, plane)
        self.store.pin(self._pinned())
        if target is None:
            self._worker.withdraw("labels")
        elif changed and target.patches:
            self._restyle()
            self._follow(target)
        elif moved and plane is not None and self._lacks_readouts(target, plane):
            self.relabel(only=plane)

    def segment(self, target: Target, pictures: Sequence[Picture]) -> None:
        """Encode pictures where they are not known yet, and label them.

        Raises
        ------
        ItaclipError
            When there is no class to look for, or another run is under way.
        """
        if self._run is not None:
            raise ItaclipError(f"{self._run.target.name} is being segmented: cancel that first.")
        words = self._words(("run", next(self._steps)))
        if words is None:
            raise ItaclipError('Type what to look for first, such as "building, road, palm tree".')
        settings = self._settings
        known = {
            picture: features
            for picture in pictures
            if (features := self.store.get(features_key(picture, settings))) is not None
        }
        run = Run(
            target, tuple(pictures), settings, self.usable_segmenter, known, words, self._load
        )
        run.shown_before = self._shown.of(target)
        self._run = run
        self._worker.withdraw("labels")
        report = RunReport(
            progress=lambda progress: self._worker.post(lambda: self._on_progress(run, progress)),
            model=lambda segmenter: self._worker.post(lambda: self._on_model(run, segmenter)),
            features=lambda picture, features, complete: self._worker.post(
                lambda: self._on_features(run, picture, features, complete)
            ),
            outcome=lambda outcome, features, embeddings: self._worker.post(
                lambda: self._on_outcome(run, outcome, features, embeddings)
            ),
        )
        self.progressed.emit(Progress(f"Preparing {target.name}", None, None))
        self._worker.start(
            lambda ticket: run_steps(run, ticket, report),
            lambda ending: self._on_run_over(run, ending),
        )

    def cancel(self) -> None:
        """Stop the run; the labels become what they were before it."""
        self._worker.cancel()

    def _lacks_readouts(self, target: Target, plane: Plane) -> bool:
        """Say whether a labelled plane's result was dropped, and the table is still its own."""
        return (
            self._run is None
            and bool(target.of_plane(plane))
            and target.vocabulary == self.editor.vocabulary
            and self.shown(target, plane) is None
        )

    def relabel(self, *, step: Hashable | None = None, only: Plane | None = None) -> None:
        """Label the image in view again from its features; nothing happens before its first run.

        Parameters
        ----------
        step : hashable, optional
            The undo step that the labels belong to; one of its own if not given.
        only : Plane, optional
            Just this plane; all of them if not given.
        """
        target = self._active
        step = ("relabel", next(self._steps)) if step is None else step
        words = self._words(step)
        if target is None or words is None or self.segmenter is None:
            return
        if self._run is not None:
            self._run.words = replace(words, step=self._run.words.step)
        planes = self._known_planes(target)
        planes = tuple(each for each in planes if only in (None, each.plane))
        if not planes:
            return
        if self._run is not None and self._run.target is target:
            words = self._run.words
        self._asked = words.step, time.perf_counter()
        segmenter = self.segmenter
        features = {plane.plane: tuple(f for _, f in plane.pictures) for plane in planes}

        def work(ticket: Ticket) -> None:
            def tell(outcome: Outcome, embeddings: ClassEmbeddings) -> None:
                def arrive() -> None:
                    if not ticket.stopped:
                        self._show(outcome, features[outcome.plane], embeddings)

                self._worker.post(arrive)

            label_planes(segmenter, target, planes, words, ticket, tell)

        self._worker.request("labels", work, self._on_failure)

    def drop(self, target: Target) -> None:
        """Forget an image that is gone; a run of it ends, and late results are dropped."""
        target.alive = False
        if self._run is not None and self._run.target is target:
            self.cancel()
        if self._active is target:
            self.activate(None, None)
        own = {patch.features_key for patch in target.patches.values()}
        self.store.discard(lambda key: key in own)
        self._shown.forget(target)

    def shown(self, target: Target, plane: Plane) -> Shown | None:
        """Return the newest result of a plane, if it is one of the `SHOWN_PLANES` newest."""
        return self._shown.get(target, plane)

    def ask(
        self, kind: str, work: Callable[[Ticket], Callable[[], None]], *, quiet: bool = False
    ) -> None:
        """Compute something else in the worker's thread; a newer one of its kind replaces it.

        Parameters
        ----------
        kind : str
            What is asked for, such as "heat map".
        work : callable
            Runs in the worker's thread and returns what the owner's thread then does.
        quiet : bool
            Whether an error is kept from the person.
        """

        def run(ticket: Ticket) -> None:
            then = work(ticket)
            self._worker.post(lambda: None if ticket.stopped else then())

        self._worker.request(kind, run, (lambda error: None) if quiet else self._on_failure)

    def withdraw(self, kind: str) -> None:
        """Drop what was asked for of a kind."""
        self._worker.withdraw(kind)

    def close(self) -> bool:
        """Stop everything; returns whether the worker's thread has ended."""
        self.editor.changed.disconnect(self._on_words_changed, missing_ok=True)
        self.editor.display_changed.disconnect(self._on_display_changed, missing_ok=True)
        ended = self._worker.close()
        self._run = self._active = self._plane = None
        self._shown.clear()
        self.store.discard(lambda key: True)
        return ended

    # ---- what happens ---------------------------------------------------------------------------

    def _on_words_changed(self) -> None:
        self._restyle()
        if self.settings.live:
            self.relabel(step=("edit", self.editor.lineage, self.editor.revision))
        elif self._run is not None:
            words = self._words(self._run.words.step)
            self._run.words = words or self._run.words

    def _on_display_changed(self) -> None:
        self._restyle()
        freed, self._locked = self._locked - self.editor.locked, self.editor.locked
        if freed and self.settings.live:
            self.relabel()

    def _follow(self, target: Target) -> None:
        """Bring labels up to date that were made with other words of the same table."""
        vocabulary = self.editor.vocabulary
        if vocabulary is None or target.vocabulary == vocabulary or self._run is not None:
            return
        if target.lineage == self.editor.lineage:
            if self.settings.live:
                self.relabel()
        else:
            self._say(
                f"The labels of {target.name} were made with another vocabulary and stay as they "
                "are. Press Segment to use the words in the table."
            )

    def _restyle(self) -> None:
        target, vocabulary = self._active, self.editor.vocabulary
        if target is not None and vocabulary is not None and target.lineage == self.editor.lineage:
            target.labels.style(vocabulary, self.editor.hidden, lineage=target.lineage)

    def _on_progress(self, run: Run, progress: Progress) -> None:
        if run is self._run:
            self.progressed.emit(progress)

    def _on_model(self, run: Run, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self._loaded_for = run.settings
        self.model_loaded.emit()

    def _on_features(
        self, run: Run, picture: Picture, features: ImageFeatures, complete: bool
    ) -> None:
        if run is not self._run or not run.target.alive:
            return
        run.coarse[picture] = features
        if complete:
            key = features_key(picture, run.settings)
            self.store.put(key, features)
            run.complete[picture] = Patch(picture, key)
            self.store.pin(self._pinned())
            if self.store.over_budget:
                self._say(
                    f"The features of {picture.name} alone need more than the memory budget of "
                    f"{run.settings.memory_budget_mb} MB; those of other images were dropped.",
                    "warning",
                )

    def _on_outcome(
        self,
        run: Run,
        outcome: Outcome,
        features: tuple[ImageFeatures, ...],
        embeddings: ClassEmbeddings,
    ) -> None:
        # A result for words that have been edited since is answered by the edit's own request.
        if run is self._run:
            self._show(outcome, features, embeddings)

    def _on_run_over(self, run: Run, ending: BaseException | None) -> None:
        if run is not self._run:
            return
        self._run = None
        target = run.target
        if target.alive:
            if ending is None:
                for patch in run.complete.values():
                    target.add(patch)
            else:
                self._take_back(run)
        self.progressed.emit(None)
        if isinstance(ending, Stopped):
            if target.alive:
                self._say(f"Cancelled; the labels of {target.name} are as before.")
        elif ending is not None:
            self._on_failure(ending)
        self.store.pin(self._pinned())
        if ending is None and target is self._active and self._words_moved_on(run):
            self.relabel(step=run.words.step)

    def _words_moved_on(self, run: Run) -> bool:
        """Tell whether the newest result of a run was made with older words than the table's."""
        return self.settings.live and run.target.vocabulary != self.editor.vocabulary

    def _take_back(self, run: Run) -> None:
        """Bring back the labels from before a run that did not end."""
        target = run.target
        reverted = target.labels.revert(run.words.step)
        target.vocabulary, target.lineage = run.before
        self._shown.forget(target)
        for shown in run.shown_before:
            self._shown.put(shown)
        if not reverted and target is self._active:
            # Strokes lie on top of the run's labels: around them, label as before.
            self.relabel(step=run.words.step)

    def _show(
        self,
        outcome: Outcome,
        features: tuple[ImageFeatures, ...],
        embeddings: ClassEmbeddings,
    ) -> None:
        target = outcome.target
        if not target.alive:
            return
        newest = outcome.parts[-1].segmentation
        target.labels.write(
            [
                PictureLabels(outcome.plane, part.picture.region, part.segmentation.labels)
                for part in outcome.parts
            ],
            step=outcome.step,
            vocabulary=newest.vocabulary,
            lineage=outcome.lineage,
            provenance=newest.provenance(),
            locked=self.editor.locked if outcome.lineage == self.editor.lineage else frozenset(),
        )
        if self._asked is not None and self._asked[0] == outcome.step:
            self.edit_ms = 1000 * (time.perf_counter() - self._asked[1])
            self._asked = None
        if target.lineage != outcome.lineage or target.vocabulary != newest.vocabulary:
            target.lineage, target.vocabulary = outcome.lineage, newest.vocabulary
            self._restyle()
        self._shown.put(Shown(outcome, features, embeddings))
        self.labelled.emit(outcome)

    def _on_failure(self, error: BaseException) -> None:
        self.said.emit(message_of(error))

    def _say(self, text: str, level: str = "info") -> None:
        self.said.emit(Message(text, level))

    # ---- what is known --------------------------------------------------------------------------

    def _words(self, step: Hashable) -> Words | None:
        return words_of(self.editor, self._settings, step)

    @property
    def usable_segmenter(self) -> Segmenter | None:
        """The loaded model, if it is the one that the settings ask for."""
        if self._loaded_for is None:
            return None
        same = effect_of_change(self._loaded_for, self._settings) < Effect.MODEL
        return self.segmenter if same else None

    def _known_planes(self, target: Target) -> tuple[PlaneFeatures, ...]:
        """Return what can be labelled without the network, the plane in view first."""
        assert self.segmenter is not None
        running = self._run is not None and self._run.target is target
        coarse = self._run.coarse if self._run is not None and running else {}
        model = self.segmenter.model.identity
        planes = known_planes(target, self._plane, self.store, model, coarse)
        lost = len(target.planes(None)) - len(planes)
        if lost > 0 and not running:
            what = "What was computed" if not planes else f"What was computed for {lost} slices"
            self._say(
                f"{what} of {target.name} is no longer in memory, or belongs to another model, and "
                "does not follow. Press Segment to compute it again.",
                "warning",
            )
        return planes

    def _pinned(self) -> frozenset[Hashable]:
        """Return the keys of the features of the plane in view: they are never dropped."""
        if self._active is None or self._plane is None:
            return frozenset()
        return frozenset(patch.features_key for patch in self._active.of_plane(self._plane))

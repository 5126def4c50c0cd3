"""Which classes compete: in the image in view, and by their words alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.in_view import InView, in_view
from napari_itaclip.session.outcome import Outcome, Stage
from napari_itaclip.session.session import Session
from napari_itaclip.session.worker import Ticket

if TYPE_CHECKING:
    from napari_itaclip.segmentation.confusions import ClassPair

_KIND = "confusions"


class Competing:
    """Keeps the list of competing classes and the similarity of their words up to date.

    Parameters
    ----------
    session : Session
        Computes.
    controller : Controller
        Tells which image and plane is looked at.

    Attributes
    ----------
    pairs_changed : Signal(object)
        Tuple of `ClassPair`, the strongest first; None before there is a result.
    similarity_changed : Signal(object, object)
        Names of the classes and their similarity, ndarray (C, C); empty without a result.
    """

    pairs_changed = Signal(object)
    similarity_changed = Signal(object, object)

    def __init__(self, session: Session, controller: Controller) -> None:
        self.session = session
        self.controller = controller
        self.pairs: tuple[ClassPair, ...] | None = None
        self._active = False
        self._stamp: tuple[object, ...] | None = None
        session.labelled.connect(self._on_labelled)
        controller.image_changed.connect(self._refresh)

    def close(self) -> None:
        """Let go of everything."""
        self.session.labelled.disconnect(self._on_labelled, missing_ok=True)
        self.controller.image_changed.disconnect(self._refresh, missing_ok=True)
        self.session.withdraw(_KIND)

    def set_active(self, active: bool) -> None:
        """Say whether anybody can see it: nothing is computed for nobody."""
        self._active = active
        self._stamp = None
        if active:
            self._refresh()
        else:
            self.session.withdraw(_KIND)

    def select(self, name: str) -> None:
        """Select a class in the table, to sharpen its words."""
        for prompt in self.session.editor.classes:
            if prompt.name == name:
                self.session.editor.select(prompt.id)

    def _on_labelled(self, outcome: Outcome) -> None:
        if outcome.stage is Stage.FINAL:
            self._refresh()

    def _refresh(self) -> None:
        if not self._active:
            return
        view, segmenter = in_view(self.session, self.controller), self.session.segmenter
        if view is None or segmenter is None:
            self._stamp = None
            self.session.withdraw(_KIND)
            self._show(None, (), np.zeros((0, 0), np.float32))
            return
        stamp = self._stamp_of(view)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        shown, at = view.shown, view.widest
        decision = self.session.settings.resolved().decide

        def work(ticket: Ticket) -> Callable[[], None]:
            from napari_itaclip.segmentation.confusions import competing_classes, text_similarity

            vocabulary = shown.vocabulary
            pairs = competing_classes(
                segmenter, shown.features[at], vocabulary, shown.embeddings, decision
            )
            ticket.check()
            similarity = np.asarray(text_similarity(segmenter, vocabulary), np.float32)
            return lambda: self._show(tuple(pairs), vocabulary.names, similarity)

        self.session.ask(_KIND, work)

    def _stamp_of(self, view: InView) -> tuple[object, ...]:
        part = view.shown.outcome.parts[view.widest]
        decision = self.session.settings.resolved().decide
        return view.stamp, view.plane, part.segmentation.vocabulary, decision

    def _show(
        self,
        pairs: tuple[ClassPair, ...] | None,
        names: tuple[str, ...],
        similarity: NDArray[np.float32],
    ) -> None:
        self.pairs = pairs
        self.pairs_changed.emit(pairs)
        self.similarity_changed.emit(names, similarity)

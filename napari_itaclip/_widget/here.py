"""What is in this image? The words of a pack, ranked by what they win in the image in view."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.in_view import InView, in_view
from napari_itaclip._widget.layers.look_at import look_at
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import Message, message_of
from napari_itaclip.session.pictures import Region
from napari_itaclip.session.session import Session
from napari_itaclip.session.trials import add_classes
from napari_itaclip.session.worker import Stopped, Ticket
from napari_itaclip.vocabulary._checks import word_key
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.files import load_vocabulary
from napari_itaclip.vocabulary.packs import PACKS, load_pack
from napari_itaclip.vocabulary.templates import DEFAULT_TEMPLATES

if TYPE_CHECKING:
    from napari_itaclip.segmentation.proposals import Proposal

ALL_PACKS = "all packs"
"""Stands for the words of all packs that are no benchmark's."""

Choice = str | Path | Vocabulary
"""What to look with: a pack's name, `ALL_PACKS`, a vocabulary file, or a vocabulary."""

Candidates = Mapping[str, Vocabulary]
"""The words that are ranked, by the name of their source."""

_CLASSES_AT_ONCE = 6
"""Classes that are embedded in one go: labels of an edited table come in between."""

_AROUND = 0.25
"""A thumbnail shows this part of the region's size around it."""

_LEAST = 24
"""Height and width in pixels of the resized image that a thumbnail shows at least."""


@dataclass(frozen=True)
class Finding:
    """A class that is proposed for the table.

    Attributes
    ----------
    proposal : Proposal
        The class, how much it wins, and where most of that is.
    thumbnail : ndarray of uint8, shape (h, w, 3)
        The picture there.
    region : Region
        The same place in the plane.
    known_as : str or None
        The class of the table that has its word already.
    """

    proposal: Proposal
    thumbnail: NDArray[np.uint8]
    region: Region
    known_as: str | None


class WhatIsHere:
    """Finds out which words of a pack win in the image in view.

    Parameters
    ----------
    viewer : ViewerModel
        Is moved to where a class was found.
    session : Session
        Computes.
    controller : Controller
        Tells which image and plane is looked at.

    Attributes
    ----------
    progressed : Signal(object)
        Part that is done, 0 to 1; None when nothing is under way.
    found : Signal(object)
        Tuple of `Finding`, best first; None when what was found is of no use any more.
    state_changed : Signal()
        `ready` may be another.
    said : Signal(Message)
        Something that a person should read.
    """

    progressed = Signal(object)
    found = Signal(object)
    state_changed = Signal()
    said = Signal(object)

    def __init__(self, viewer: Any, session: Session, controller: Controller) -> None:
        self.viewer = viewer
        self.session = session
        self.controller = controller
        self.findings: tuple[Finding, ...] = ()
        self._candidates: Candidates = {}
        self._view: InView | None = None
        self._run = 0
        controller.image_changed.connect(self._on_image)
        session.editor.changed.connect(self._on_words)

    def close(self) -> None:
        """Let go of everything."""
        self.controller.image_changed.disconnect(self._on_image, missing_ok=True)
        self.session.editor.changed.disconnect(self._on_words, missing_ok=True)
        self.stop()
        self._view = None

    @property
    def ready(self) -> bool:
        """Whether the plane in view has features to look at."""
        return self._look() is not None

    def look(self, choice: Choice) -> None:
        """Rank the words of a pack, of `ALL_PACKS`, of a file, or of a vocabulary."""
        view, segmenter = self._look(), self.session.segmenter
        if view is None or segmenter is None:
            self._say("Press Segment first: the image has to be encoded once.", "warning")
            return
        self._run += 1
        run, self._view = self._run, view
        self.progressed.emit(0.0)

        def work(ticket: Ticket) -> Callable[[], None]:
            try:
                candidates = read_candidates(choice)
                pieces = in_pieces(candidates)
            except ItaclipError as error:
                return self._failing(run, error)
            return lambda: self._embed(run, candidates, pieces, 0)

        self._ask(work)

    def stop(self) -> None:
        """Stop looking."""
        self._run += 1
        self.session.withdraw("what is here")
        self.progressed.emit(None)

    def go_to(self, position: int) -> None:
        """Move the view to where a proposed class wins most."""
        if self._view is not None and position < len(self.findings):
            view = self._view
            region = self.findings[position].region
            look_at(self.viewer, view.plane, region, view.entry.labels.geometry)

    def add(self, positions: Collection[int]) -> None:
        """Add proposed classes to the table; one step that can be undone."""
        chosen = [self.findings[at].proposal for at in sorted(positions)]
        if not chosen:
            return
        like = self._candidates[chosen[0].source]
        try:
            names = add_classes(self.session.editor, [each.prompt for each in chosen], like)
        except ItaclipError as error:
            self._say(str(error), "warning")
        else:
            self._say(f"Added {', '.join(names)}.", "info")

    # ---- step by step ---------------------------------------------------------------------------

    def _embed(
        self, run: int, candidates: Candidates, pieces: Sequence[Vocabulary], done: int
    ) -> None:
        """Embed the next words, or rank when all are; each step is a request of its own."""
        if run != self._run or self.session.segmenter is None:
            return
        self.progressed.emit(done / (len(pieces) + 1))
        if done == len(pieces):
            self._rank(run, candidates)
            return
        segmenter, piece = self.session.segmenter, pieces[done]

        def work(ticket: Ticket) -> Callable[[], None]:
            try:
                segmenter.embed(piece, ticket.check)
            except Stopped:
                raise
            except Exception as error:
                return self._failing(run, error)
            return lambda: self._embed(run, candidates, pieces, done + 1)

        self._ask(work)

    def _rank(self, run: int, candidates: Candidates) -> None:
        view, segmenter = self._view, self.session.segmenter
        assert view is not None
        assert segmenter is not None
        at = view.widest
        features, decision = view.shown.features[at], self.session.settings.resolved().decide

        def work(ticket: Ticket) -> Callable[[], None]:
            from napari_itaclip.segmentation.proposals import what_is_here

            try:
                proposals = what_is_here(
                    segmenter, features, candidates, decision=decision, progress=ticket.check
                )
            except Stopped:
                raise
            except Exception as error:
                return self._failing(run, error)
            around = view.region_of(at)
            cut = [_thumbnail(features.picture, features.shape, each.region) for each in proposals]

            def arrive() -> None:
                if run != self._run:
                    return
                self._candidates = candidates
                self.findings = tuple(
                    Finding(proposal, thumbnail, _within(around, proposal.region), None)
                    for proposal, thumbnail in zip(proposals, cut, strict=True)
                )
                self.progressed.emit(None)
                self._on_words()

            return arrive

        self._ask(work)

    def _ask(self, work: Callable[[Ticket], Callable[[], None]]) -> None:
        self.session.ask("what is here", work)

    def _failing(self, run: int, error: BaseException) -> Callable[[], None]:
        def fail() -> None:
            if run == self._run:
                self.progressed.emit(None)
                self.said.emit(message_of(error))

        return fail

    # ---- what happens ---------------------------------------------------------------------------

    def _on_words(self) -> None:
        """Mark what the table has already."""
        owners = {
            word_key(word): prompt.name
            for prompt in self.session.editor.classes
            for word in prompt.words
        }
        self.findings = tuple(
            Finding(
                each.proposal,
                each.thumbnail,
                each.region,
                owners.get(word_key(each.proposal.prompt.name)),
            )
            for each in self.findings
        )
        if self._view is not None:
            self.found.emit(self.findings)

    def _on_image(self) -> None:
        view, before = self._look(), self._view
        if before is not None and (view is None or view.stamp != before.stamp):
            self._view, self.findings = None, ()
            self.stop()
            self.found.emit(None)
        self.state_changed.emit()

    def _look(self) -> InView | None:
        return in_view(self.session, self.controller, same_words=False)

    def _say(self, text: str, level: str) -> None:
        self.said.emit(Message(text, level))


def read_candidates(choice: Choice) -> Candidates:
    """Return the words that are ranked, by the name of their source.

    Parameters
    ----------
    choice : str, Path or Vocabulary
        Name of a pack, `ALL_PACKS`, a vocabulary file, or a vocabulary.

    Raises
    ------
    VocabularyError
        If there is no such pack, or the file cannot be read.
    """
    if isinstance(choice, Vocabulary):
        return {choice.domain or "words": choice}
    if isinstance(choice, Path):
        return {choice.name: load_vocabulary(choice)}
    if choice == ALL_PACKS:
        names = [name for name, info in PACKS.items() if not info.benchmark]
    else:
        names = [choice]
    return {PACKS[name].title if name in PACKS else name: load_pack(name) for name in names}


def in_pieces(candidates: Candidates) -> list[Vocabulary]:
    """Return the candidates in vocabularies of a few classes, to be embedded one by one.

    They have the templates with which `what_is_here` then finds them embedded.
    """
    from napari_itaclip.segmentation.proposals import SMALL_TEMPLATES

    pieces = []
    for vocabulary in candidates.values():
        eighty = vocabulary.templates == DEFAULT_TEMPLATES
        templates = SMALL_TEMPLATES if eighty else vocabulary.templates
        for start in range(0, len(vocabulary), _CLASSES_AT_ONCE):
            some = vocabulary.classes[start : start + _CLASSES_AT_ONCE]
            pieces.append(Vocabulary(some, vocabulary.alpha, templates, allow_shared_words=True))
    return pieces


def _thumbnail(
    picture: NDArray[np.uint8], shape: tuple[int, int], region: Any
) -> NDArray[np.uint8]:
    """Cut a region of the original image, and some of its surroundings, from the resized one."""
    slices = []
    for size, full, start, extent in zip(
        picture.shape[:2],
        shape,
        (region.top, region.left),
        (region.height, region.width),
        strict=True,
    ):
        scale = size / full
        middle = (start + extent / 2) * scale
        half = max(extent * scale * (0.5 + _AROUND), _LEAST / 2)
        low = int(max(0, min(middle - half, size - 2 * half)))
        slices.append(slice(low, int(min(size, np.ceil(low + 2 * half)))))
    return np.array(picture[slices[0], slices[1]])


def _within(around: Region, region: Any) -> Region:
    """Return a region of a picture as one of the plane that the picture lies in."""
    return Region(around.top + region.top, around.left + region.left, region.height, region.width)

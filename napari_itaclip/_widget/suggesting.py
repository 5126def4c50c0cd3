"""Suggestions for the selected class: ask for them, try them, accept or reject them.

Nothing is asked before a person presses the button, and nothing is applied before they accept it.
Providers answer in threads of their own; what a suggestion would do is computed in the session's
worker, one suggestion at a time, so that edits of the table never wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from psygnal import Signal

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.in_view import InView, in_view
from napari_itaclip._widget.previewing import Previewing
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import Message, Outcome, Stage, message_of
from napari_itaclip.session.session import Session
from napari_itaclip.session.sources import Answer, Question, Sources
from napari_itaclip.session.trials import (
    Offer,
    accept,
    after_accepting,
    effects,
    is_used,
    measured,
)
from napari_itaclip.session.worker import Stopped, Ticket
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.prompts import KINDS, ClassPrompt

Key = tuple[str, str]
"""What tells an offer from the others for its class, see `Offer.key`."""

_EFFECTS = "suggestion effects"

_KEPT_BYTES = 1 << 23
"""Labels of an offer that are kept for its preview: a plane of 2048 by 2048, with some to spare."""


class Suggesting:
    """Keeps suggestions, their effects and the preview layer.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the preview layer.
    session : Session
        Computes.
    controller : Controller
        Tells which image and plane is looked at.
    sources : Sources
        Whom to ask; closed by `close`.

    Attributes
    ----------
    offers_changed : Signal(object)
        The offers for the selected class, a tuple of `Offer`; the order stays.
    subject_changed : Signal(object)
        The selected class's name, or None.
    answered : Signal(object)
        `Answer` of one provider that has just come.
    preview_changed : Signal(object)
        Key of the offer that is previewed; None for none.
    said : Signal(Message)
        Something that a person should read.
    """

    offers_changed = Signal(object)
    subject_changed = Signal(object)
    answered = Signal(object)
    preview_changed = Signal(object)
    said = Signal(object)

    def __init__(
        self, viewer: Any, session: Session, controller: Controller, sources: Sources
    ) -> None:
        self.session = session
        self.controller = controller
        self.sources = sources
        self.preview = Previewing(viewer, session, controller)
        self.previewed: Key | None = None
        self._offers: dict[int, list[Offer]] = {}
        self._rejected: set[tuple[int, Key]] = set()
        self._lineage = session.editor.lineage
        self._selected: int | None = None
        self._active = False
        self._stamp: tuple[object, ...] = ()
        self._pending: Key | None = None
        sources.answered.connect(self._on_answer)
        session.labelled.connect(self._on_labelled)
        session.settings_changed.connect(self._refresh)
        session.editor.changed.connect(self._refresh)
        session.editor.selection_changed.connect(self._refresh)
        controller.image_changed.connect(self._on_image)
        self.preview.closed.connect(self._on_preview_closed)

    def close(self) -> None:
        """Remove the preview, stop asking and let go of everything."""
        session, editor, controller = self.session, self.session.editor, self.controller
        self.sources.answered.disconnect(self._on_answer, missing_ok=True)
        session.labelled.disconnect(self._on_labelled, missing_ok=True)
        session.settings_changed.disconnect(self._refresh, missing_ok=True)
        editor.changed.disconnect(self._refresh, missing_ok=True)
        editor.selection_changed.disconnect(self._refresh, missing_ok=True)
        controller.image_changed.disconnect(self._on_image, missing_ok=True)
        self.preview.close()
        self.sources.close()

    def set_active(self, active: bool) -> None:
        """Say whether anybody can see the suggestions: nothing is computed for nobody."""
        self._active = active
        if active:
            if not self.sources.sources:
                self.sources.look()
        else:
            self.set_preview(None)
            self.session.withdraw(_EFFECTS)
            self._pending = None
        self._refresh()

    # ---- asking ---------------------------------------------------------------------------------

    @property
    def prompt(self) -> ClassPrompt | None:
        """The selected class."""
        selected = self.session.editor.selected
        return None if selected is None else self.session.editor.find(selected)

    def ask(self, names: Collection[str], kinds: Collection[str] = KINDS) -> None:
        """Ask providers by name for texts for the selected class."""
        prompt, editor = self.prompt, self.session.editor
        if prompt is None or prompt.id is None:
            self._say("Select a class in the table first.", "warning")
            return
        # The background takes no texts, so a definition would have no effect.
        wanted = tuple(kind for kind in kinds if not prompt.background or kind == "synonym")
        if not wanted:
            self._say("The background takes no definitions: ask for synonyms.", "warning")
            return
        domain = editor.vocabulary.domain if editor.vocabulary is not None else None
        question = Question(editor.lineage, prompt.id, prompt.name, domain, wanted)
        self.sources.ask(question, names)

    def stop(self) -> None:
        """Wait for no answer any more."""
        self.sources.stop()

    def _on_answer(self, answer: Answer) -> None:
        question = answer.question
        if question.lineage == self.session.editor.lineage:
            offers = self._offers.setdefault(question.class_id, [])
            known = {offer.key for offer in offers}
            for suggestion in answer.suggestions:
                offer = Offer(suggestion, question.class_id)
                if offer.key not in known:
                    known.add(offer.key)
                    offers.append(offer)
            self._tell_offers()
            self._measure_next()
        self.answered.emit(answer)

    # ---- what is offered ------------------------------------------------------------------------

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The offers for the selected class that are neither in use nor rejected."""
        prompt = self.prompt
        if prompt is None or prompt.id is None:
            return ()
        return tuple(
            offer
            for offer in self._offers.get(prompt.id, ())
            if (prompt.id, offer.key) not in self._rejected
            and not is_used(prompt, offer.suggestion)
        )

    def find(self, key: Key | None) -> Offer | None:
        """Return an offer for the selected class by its key."""
        return next((offer for offer in self.offers if offer.key == key), None)

    def accept(self, key: Key) -> None:
        """Give the class the text; one step that can be undone."""
        offer = self.find(key)
        if offer is None:
            return
        try:
            accept(self.session.editor, offer.class_id, offer.suggestion)
        except ItaclipError as error:
            self._say(str(error), "warning")

    def reject(self, key: Key) -> None:
        """Put an offer away: it does not come back while this vocabulary is open."""
        offer = self.find(key)
        if offer is None:
            return
        self._rejected.add((offer.class_id, key))
        if self._pending == key:
            self._pending = None
        self._match_preview()
        self._tell_offers()
        self._measure_next()

    def bring_back(self) -> None:
        """Offer again what was rejected for the selected class."""
        selected = self.session.editor.selected
        self._rejected = {each for each in self._rejected if each[0] != selected}
        self._tell_offers()
        self._measure_next()

    @property
    def rejected_count(self) -> int:
        """How many offers for the selected class were rejected."""
        selected = self.session.editor.selected
        return sum(each[0] == selected for each in self._rejected)

    # ---- effects --------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether there is a result that effects can be measured on."""
        return self._view() is not None

    def _refresh(self, *_: object) -> None:
        """Bring everything up to date with the table, the settings and the image."""
        editor = self.session.editor
        if editor.lineage != self._lineage:
            self._lineage = editor.lineage
            self._offers.clear()
            self._rejected.clear()
            self.sources.stop()
        if editor.selected != self._selected:
            self._selected = editor.selected
            self._pending = None
            self.session.withdraw(_EFFECTS)
        stamp = self._present_stamp()
        if stamp != self._stamp:
            self._stamp, self._pending = stamp, None
            for offers in self._offers.values():
                offers[:] = [offer.unmeasured() for offer in offers]
        prompt = self.prompt
        self.subject_changed.emit(None if prompt is None else prompt.name)
        self._match_preview()
        self._tell_offers()
        self._measure_next()

    def _present_stamp(self) -> tuple[object, ...]:
        """Return all that effects depend on."""
        view, preset = self._view(), self.session.settings.resolved()
        own = None if view is None else (view.stamp, view.plane)
        return self.session.editor.vocabulary, preset.refine, preset.decide, own

    def _measure_next(self) -> None:
        """Measure the first offer that is not measured yet; the others follow one by one."""
        if not self._active or self._pending is not None:
            return
        vocabulary, segmenter = self.session.editor.vocabulary, self.session.segmenter
        waiting = (each for each in self.offers if each.fit is None and each.problem is None)
        offer = next(waiting, None)
        if vocabulary is None or segmenter is None or offer is None:
            return
        try:
            after = after_accepting(vocabulary, offer.class_id, offer.suggestion)
        except ItaclipError as error:
            self._replace(replace(offer, problem=str(error), acceptable=False))
            self._measure_next()
            return
        self._pending = offer.key
        self.session.ask(_EFFECTS, self._measuring(offer, vocabulary, after), quiet=True)

    def _measuring(
        self, offer: Offer, before: Vocabulary, after: Vocabulary
    ) -> Callable[[Ticket], Callable[[], None]]:
        view, segmenter, stamp = self._view(), self.session.segmenter, self._stamp
        preset, suggestion = self.session.settings.resolved(), offer.suggestion
        assert segmenter is not None  # or nothing would be measured

        def work(ticket: Ticket) -> Callable[[], None]:
            from napari_itaclip.segmentation.effects import fit_of

            measure, labels = None, None
            try:
                fit = fit_of(segmenter, before, offer.class_id, suggestion.text, suggestion.kind)
                if view is not None:
                    found = effects(
                        segmenter,
                        view.shown,
                        before,
                        after,
                        offer.class_id,
                        refine=preset.refine,
                        decision=preset.decide,
                        check=ticket.check,
                    )
                    measure = measured(found)
                    labels = tuple(effect.after.labels for effect in found)
                    if sum(each.nbytes for each in labels) > _KEPT_BYTES:
                        labels = None  # a preview then computes them again
                done = replace(offer, fit=fit, measure=measure, after=labels)
            except Stopped:
                raise
            # One text that cannot be measured is not to keep the others from being measured.
            except Exception as error:
                done = replace(offer, problem=message_of(error).text)

            def arrive() -> None:
                self._pending = None
                if stamp == self._stamp:
                    self._replace(done)
                self._measure_next()

            return arrive

        return work

    def _replace(self, offer: Offer) -> None:
        offers = self._offers.get(offer.class_id, [])
        for at, old in enumerate(offers):
            if old.key == offer.key:
                offers[at] = offer
        self._tell_offers()

    # ---- preview --------------------------------------------------------------------------------

    def set_preview(self, key: Key | None) -> None:
        """Show what accepting an offer would change, or nothing."""
        offer = self.find(key)
        before, self.previewed = self.previewed, None if offer is None else key
        self.preview.show(offer)
        if before != self.previewed:
            self.preview_changed.emit(self.previewed)

    def _match_preview(self) -> None:
        """Follow the offers: one that is gone is not previewed any more."""
        if self.previewed is not None:
            self.set_preview(self.previewed)

    def _on_preview_closed(self) -> None:
        self.previewed = None
        self.preview_changed.emit(None)

    # ---- what happens ---------------------------------------------------------------------------

    def _on_labelled(self, outcome: Outcome) -> None:
        if outcome.stage is Stage.FINAL:
            self._refresh()

    def _on_image(self) -> None:
        if self._present_stamp() != self._stamp:
            self.preview.hide()  # of the image or plane before
            self._refresh()

    def _view(self) -> InView | None:
        return in_view(self.session, self.controller)

    def _tell_offers(self) -> None:
        self.offers_changed.emit(self.offers)

    def _say(self, text: str, level: str) -> None:
        self.said.emit(Message(text, level))

"""Suggestions for the selected class: who is asked, what came, what each would do."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QMenu, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_itaclip._widget.panels.suggestion_card import SuggestionCard
from napari_itaclip._widget.parts.form import add_choice, make_combo, make_row
from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip._widget.suggesting import Key, Suggesting
from napari_itaclip.session.sources import Answer, Source
from napari_itaclip.session.trials import Offer

_ASK_TIP = "Ask for other words and for definitions of the selected class. Nothing is applied."
_STOP_TIP = "Wait for no more answers."
_SOURCES_TIP = "Who is asked. Those marked “network” send the word to a server."
_KINDS = (
    ("all kinds", ("synonym", "definition"), "Ask for synonyms and for definitions."),
    ("words", ("synonym",), "Ask for other words for the same thing."),
    ("texts", ("definition",), "Ask for sentences that tell how the thing looks."),
)
_NO_CLASS = "Select a class in the table first."
_NO_SOURCE = "Nobody can be asked: choose at least one source."
_HINT = "Press Suggest: nothing is changed until you accept it."


class SuggestPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What goes into the dock's section "Suggest".

    It shows what it is told and says what a person wants; the setters emit nothing.
    """

    asked = Signal(object, object)
    """Names of the sources, and the kinds."""
    stopped = Signal()
    preview_requested = Signal(object)
    """Key of the offer to preview; None for none."""
    accepted = Signal(object)
    """Key of an offer."""
    rejected = Signal(object)
    """Key of an offer."""
    bring_back_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("suggest_panel")
        self._subject: str | None = None
        self._sources: tuple[Source, ...] = ()
        self._waiting: tuple[str, ...] = ()
        self._off: set[str] | None = None
        self._measurable = False
        self._offers: tuple[Offer, ...] = ()
        self._note = ""
        self._rejected = 0
        self.cards: dict[Key, SuggestionCard] = {}
        self._make_controls()
        self.note_label = WrappedLabel(_HINT, max_lines=5)
        self.note_label.setObjectName("suggest_note")
        self.back_button = QPushButton()
        self.back_button.setObjectName("suggest_bring_back")
        self.back_button.setToolTip("Show again what was rejected for this class.")
        self.back_button.clicked.connect(lambda: self.bring_back_requested.emit())
        self._column = QVBoxLayout()
        self._column.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(make_row([(self.ask_button, 1), (self.kind_box, 1), self.sources_button]))
        layout.addWidget(self.note_label)
        layout.addLayout(self._column)
        layout.addWidget(self.back_button)
        self._update()

    def _make_controls(self) -> None:
        self.ask_button = QPushButton("Suggest")
        self.ask_button.setObjectName("suggest_button")
        self.ask_button.setAutoDefault(False)
        self.ask_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.ask_button.clicked.connect(self._on_ask)
        self.kind_box = make_combo("suggest_kind_box", "What is asked for", "")
        for text, kinds, tooltip in _KINDS:
            add_choice(self.kind_box, text, kinds, tooltip)
        self.kind_box.currentIndexChanged.connect(self._update)
        self.sources_menu = QMenu(self)
        self.sources_menu.setObjectName("suggest_sources_menu")
        self.sources_menu.setToolTipsVisible(True)
        self.sources_button = QToolButton()
        self.sources_button.setObjectName("suggest_sources_button")
        self.sources_button.setText("from …")
        self.sources_button.setAccessibleName("Sources of suggestions")
        self.sources_button.setToolTip(_SOURCES_TIP)
        self.sources_button.setMenu(self.sources_menu)
        self.sources_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.sources_button.setStyleSheet(
            "QToolButton::menu-indicator { image: none; width: 0px; }"
        )

    # ---- what is shown --------------------------------------------------------------------------

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the sources that will be asked."""
        off = self._off or set()
        return tuple(
            each.name for each in self._sources if each.reason is None and each.name not in off
        )

    def set_subject(self, name: str | None) -> None:
        """Say which class is selected."""
        if name != self._subject:
            self._subject, self._note = name, ""
            self._update()

    def set_sources(self, sources: Sequence[Source]) -> None:
        """Show who can be asked; who cannot says why."""
        self._sources = tuple(sources)
        if self._off is None and sources:
            # A server is asked once a person has chosen it: the word leaves this machine.
            self._off = {each.name for each in sources if each.needs_network}
        self.sources_menu.clear()
        for each in self._sources:
            title = f"{each.title} (network)" if each.needs_network else each.title
            action = self.sources_menu.addAction(title.replace("&", "&&"))
            action.setObjectName(f"suggest_source_{each.name}")
            action.setCheckable(True)
            action.setChecked(each.name in self.chosen)
            action.setEnabled(each.reason is None)
            action.setToolTip(each.reason or f"Ask {each.title}")
            action.toggled.connect(lambda on, name=each.name: self._choose(name, on))
        self._update()

    def set_waiting(self, titles: Sequence[str]) -> None:
        """Say who has not answered yet."""
        self._waiting = tuple(titles)
        self._update()

    def set_note(self, text: str) -> None:
        """Say what became of the question, such as that nothing was found."""
        self._note = text
        self._update()

    def set_measurable(self, measurable: bool) -> None:
        """Say whether there is a result that effects are measured on."""
        if measurable != self._measurable:
            self._measurable = measurable
            self.set_offers(self._offers)

    def set_rejected_count(self, count: int) -> None:
        """Say how many offers for this class were rejected."""
        self._rejected = count
        self.back_button.setVisible(count > 0)
        self.back_button.setText(f"Show {count} rejected")

    def set_offers(self, offers: Sequence[Offer]) -> None:
        """Show offers in their order; cards that stay are kept, so that nothing flickers."""
        self._offers = tuple(offers)
        keys = [offer.key for offer in offers]
        for key in [key for key in self.cards if key not in keys]:
            card = self.cards.pop(key)
            self._column.removeWidget(card)
            card.hide()
            card.deleteLater()
        for at, offer in enumerate(offers):
            card = self.cards.get(offer.key) or self._card(offer)
            card.show_offer(offer, self._subject or "", measurable=self._measurable)
            if self._column.indexOf(card) != at:
                self._column.insertWidget(at, card)
        self._update()

    def set_previewed(self, key: Key | None) -> None:
        """Say which offer is previewed."""
        for each, card in self.cards.items():
            card.set_previewed(each == key)

    # ---- inside ---------------------------------------------------------------------------------

    def _card(self, offer: Offer) -> SuggestionCard:
        card, key = SuggestionCard(offer, self._subject or ""), offer.key
        card.preview_toggled.connect(lambda on: self.preview_requested.emit(key if on else None))
        card.accepted.connect(lambda: self.accepted.emit(key))
        card.rejected.connect(lambda: self.rejected.emit(key))
        self.cards[key] = card
        return card

    def _choose(self, name: str, on: bool) -> None:
        off = self._off or set()
        self._off = off - {name} if on else off | {name}
        self._update()

    def _on_ask(self) -> None:
        if self._waiting:
            self.stopped.emit()
        else:
            self._note = ""
            self.asked.emit(self.chosen, self.kind_box.currentData())

    def _update(self) -> None:
        waiting = bool(self._waiting)
        self.ask_button.setText("Stop" if waiting else "Suggest")
        self.ask_button.setAccessibleName(self.ask_button.text())
        reason = None if self._subject is not None else _NO_CLASS
        if reason is None and not self.chosen:
            reason = _NO_SOURCE
        self.ask_button.setEnabled(waiting or reason is None)
        self.ask_button.setToolTip(_STOP_TIP if waiting else reason or _ASK_TIP)
        self.kind_box.setToolTip(_KINDS[self.kind_box.currentIndex()][2])
        if waiting:
            note = f"Asking {', '.join(self._waiting)} …"
        elif self._subject is None:
            note = _NO_CLASS
        else:
            note = self._note or (_HINT if not self._offers else "")
        if self.note_label.full_text() != note:
            self.note_label.setText(note)
        self.note_label.setVisible(bool(note))


def connect_suggest(panel: SuggestPanel, model: Suggesting, section: QCollapsible) -> None:
    """Wire the panel, what is behind it, and the section that it stands in.

    Parameters
    ----------
    panel : SuggestPanel
        The view.
    model : Suggesting
        The decisions; the caller connects its ``said`` and closes it.
    section : QCollapsible
        Open: effects are computed. Folded: nothing is.
    """
    panel.asked.connect(model.ask)
    panel.stopped.connect(model.stop)
    panel.preview_requested.connect(model.set_preview)
    panel.accepted.connect(model.accept)
    panel.rejected.connect(model.reject)
    panel.bring_back_requested.connect(model.bring_back)

    def show_offers(offers: tuple[Offer, ...]) -> None:
        panel.set_measurable(model.ready)
        panel.set_offers(offers)
        panel.set_previewed(model.previewed)
        panel.set_rejected_count(model.rejected_count)

    def show_answer(answer: Answer) -> None:
        if answer.error is not None:
            panel.set_note(f"{answer.title}: {answer.error}")
        elif not model.offers and not model.sources.waiting:
            panel.set_note(f"No suggestions for “{answer.question.term}”.")

    model.offers_changed.connect(show_offers)
    model.subject_changed.connect(panel.set_subject)
    model.preview_changed.connect(panel.set_previewed)
    model.answered.connect(show_answer)
    model.sources.waiting_changed.connect(lambda: panel.set_waiting(model.sources.waiting))
    model.sources.sources_changed.connect(lambda: panel.set_sources(model.sources.sources))
    layers = model.preview.layers
    # Not now: napari is in the middle of removing their image.
    layers.orphaned.connect(lambda: QTimer.singleShot(0, layers.sweep))
    section.toggled.connect(model.set_active)
    model.set_active(section.isExpanded())

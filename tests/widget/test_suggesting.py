"""Suggestions, "What is here?" and confusions, in front of the demo model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMenu, QVBoxLayout, QWidget

from napari_itaclip._widget.competing import Competing
from napari_itaclip._widget.here import WhatIsHere
from napari_itaclip._widget.panels.confusion_panel import ConfusionPanel, connect_confusions
from napari_itaclip._widget.panels.here_panel import HerePanel, connect_here
from napari_itaclip._widget.panels.suggest_panel import SuggestPanel, connect_suggest
from napari_itaclip._widget.panels.suggestion_card import SuggestionCard
from napari_itaclip._widget.parts.main_thread import MainThread
from napari_itaclip._widget.parts.section import make_section
from napari_itaclip._widget.suggesting import Suggesting
from napari_itaclip._widget.vocabulary.pack_menu import PackMenu
from napari_itaclip.sample_data import sample_image
from napari_itaclip.session.sources import Sources
from napari_itaclip.session.trials import GAINED, LOST
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.session.suggesters import Suggester
from tests.widget.person import Person

LEFT = Qt.MouseButton.LeftButton


class Desk:
    """A person whose dock has the three parts that help with words."""

    def __init__(self, person: Person) -> None:
        self.person, dock = person, person.dock
        self.book = Suggester("book", ("meadow", "sky"), ("a green field of blades",))
        self.server = Suggester("server", needs_network=True, error="no answer: start the server")
        sources = Sources(MainThread(dock).post, lambda: (self.book, self.server))
        self.suggesting = Suggesting(dock.viewer, dock.session, dock.controller, sources)
        self.here = WhatIsHere(dock.viewer, dock.session, dock.controller)
        self.competing = Competing(dock.session, dock.controller)
        self.panel, self.here_panel = SuggestPanel(), HerePanel()
        self.confusion_panel = ConfusionPanel()
        panels = (self.panel, self.here_panel, self.confusion_panel)
        self.window = QWidget()
        person.qtbot.addWidget(self.window)
        column = QVBoxLayout(self.window)
        self.sections = [
            make_section(name, panel, tooltip=name, name=name)
            for name, panel in zip(("suggest", "here", "confusions"), panels, strict=True)
        ]
        for section in self.sections:
            column.addWidget(section)
        connect_suggest(self.panel, self.suggesting, self.sections[0])
        connect_here(self.here_panel, self.here, self.sections[1])
        connect_confusions(self.confusion_panel, self.competing, self.sections[2])
        self.window.resize(300, 900)
        self.window.show()

    def segment(self, words: str) -> None:
        self.person.viewer.add_image(sample_image("everyday")[:280, :350], name="scene", rgb=True)
        self.person.type_classes(words)
        dock = self.person.dock
        dock.run_bar.preset_box.setCurrentIndex(dock.run_bar.preset_box.findData("draft"))
        self.person.segment()

    def open(self, position: int) -> None:
        self.sections[position].expand(animate=False)
        self.person.wait()

    def suggest(self) -> None:
        waiting = self.suggesting.sources
        self.person.qtbot.waitUntil(lambda: bool(self.panel.chosen), timeout=10_000)
        self.person.qtbot.mouseClick(self.panel.ask_button, LEFT)
        self.person.qtbot.waitUntil(lambda: not waiting.waiting, timeout=10_000)
        self.settle()

    def settle(self) -> None:
        offers = self.suggesting
        self.person.qtbot.waitUntil(
            lambda: all(each.fit or each.problem for each in offers.offers), timeout=60_000
        )
        self.person.wait()

    def card(self, text: str) -> SuggestionCard:
        return next(card for key, card in self.panel.cards.items() if key[1] == text)

    def click(self, widget: Any) -> None:
        self.person.qtbot.mouseClick(widget, LEFT)
        self.person.wait()


@pytest.fixture
def desk(person: Person) -> Iterator[Desk]:
    made = Desk(person)
    yield made
    for part in (made.suggesting, made.here, made.competing):
        part.close()


def test_a_preview_is_what_acceptance_does(desk: Desk) -> None:
    person = desk.person
    desk.segment("grass, mountain, sky")
    grass = person.class_id("grass")
    person.paint((30, 30), (60, 200), label=grass)
    person.dock.editor.select(grass)
    desk.open(0)
    desk.suggest()
    assert [key[1] for key in desk.panel.cards] == ["meadow", "sky", "a green field of blades"]
    words, before = person.dock.editor.vocabulary, person.labels
    card = desk.card("a green field of blades")
    desk.click(card.preview_button)
    person.qtbot.waitUntil(lambda: "preview: grass" in person.viewer.layers, timeout=20_000)
    marks = np.array(person.viewer.layers["preview: grass"].data)
    assert person.dock.editor.vocabulary is words
    np.testing.assert_array_equal(person.labels, before)
    desk.click(card.accept_button)
    person.wait()
    after = person.labels
    np.testing.assert_array_equal(marks != 0, after != before)
    assert (after[marks == GAINED] == grass).all()
    assert (before[marks == LOST] == grass).all()
    assert marks.any()
    assert not person.viewer.layers["preview: grass"].visible
    prompt = person.dock.editor.find(grass)
    assert prompt is not None
    assert prompt.auxiliary[0].source == "the book book"
    person.dock.editor.undo()
    person.wait()
    np.testing.assert_array_equal(person.labels, before)
    assert ("definition", "a green field of blades") in desk.panel.cards


def test_what_cannot_be_accepted_says_why(desk: Desk) -> None:
    desk.segment("grass, sky")
    desk.person.dock.editor.select(desk.person.class_id("grass"))
    desk.open(0)
    desk.suggest()
    card = desk.card("sky")
    assert not card.accept_button.isEnabled()
    assert "sky" in card.accept_button.toolTip()
    assert desk.card("meadow").accept_button.isEnabled()
    assert "→" in desk.card("meadow").effect.text()


def test_rejected_offers_can_be_brought_back(desk: Desk) -> None:
    desk.person.type_classes("grass, sky")
    desk.open(0)
    desk.person.qtbot.waitUntil(lambda: bool(desk.panel.chosen), timeout=10_000)
    desk.click(desk.panel.ask_button)
    desk.person.qtbot.waitUntil(lambda: len(desk.panel.cards) == 3, timeout=10_000)
    card = desk.card("meadow")
    assert not card.preview_button.isEnabled()
    assert "Press Segment" in card.preview_button.toolTip()
    desk.click(card.reject_button)
    assert ("synonym", "meadow") not in desk.panel.cards
    desk.click(desk.panel.back_button)
    assert ("synonym", "meadow") in desk.panel.cards


def test_a_server_is_asked_only_when_chosen_and_its_error_is_shown(desk: Desk) -> None:
    desk.person.type_classes("grass")
    desk.open(0)
    desk.person.qtbot.waitUntil(lambda: bool(desk.panel.chosen), timeout=10_000)
    assert list(desk.panel.chosen) == ["book"]
    action = desk.panel.sources_menu.actions()[1]
    assert "(network)" in action.text()
    action.trigger()
    assert list(desk.panel.chosen) == ["book", "server"]
    desk.click(desk.panel.ask_button)
    desk.person.qtbot.waitUntil(
        lambda: desk.panel.note_label.full_text() == "Server: no answer: start the server",
        timeout=10_000,
    )


def test_the_preview_goes_with_its_eye_its_class_and_its_section(desk: Desk) -> None:
    person = desk.person
    desk.segment("grass, mountain")
    grass, mountain = person.class_id("grass"), person.class_id("mountain")
    person.dock.editor.select(grass)
    desk.open(0)
    desk.suggest()
    card = desk.card("meadow")
    desk.click(card.preview_button)
    person.viewer.layers["preview: grass"].visible = False
    assert not card.preview_button.isChecked()
    desk.click(card.preview_button)
    assert person.viewer.layers["preview: grass"].visible
    person.dock.editor.select(mountain)
    person.wait()
    assert not person.viewer.layers["preview: grass"].visible
    person.dock.editor.select(grass)
    desk.click(desk.card("meadow").preview_button)
    desk.sections[0].collapse(animate=False)
    assert not person.viewer.layers["preview: grass"].visible


def test_what_is_here_adds_what_is_chosen(desk: Desk) -> None:
    person = desk.person
    desk.open(1)
    assert not desk.here_panel.look_button.isEnabled()
    desk.segment("sky")
    desk.here.look(Vocabulary(["grass", "sky, heaven", "sun, star", "mountain", "umbrella"]))
    person.qtbot.waitUntil(lambda: bool(desk.here_panel.rows), timeout=60_000)
    rows = {row.name: row for row in desk.here_panel.rows}
    assert not rows["sky"].box.isEnabled()
    assert "in the table" in rows["sky"].detail.text()
    rows["sun"].choose(True)
    assert desk.here_panel.add_button.text() == "Add 1 chosen"
    desk.click(desk.here_panel.add_button)
    vocabulary = person.dock.editor.vocabulary
    assert vocabulary is not None
    assert vocabulary.names == ("sky", "sun")
    assert vocabulary["sun"].synonyms == ("star",)
    assert not rows["sun"].box.isEnabled()
    camera = person.viewer.scene.camera
    before = tuple(camera.center), camera.zoom
    desk.click(rows["sun"].picture)
    assert (tuple(camera.center), camera.zoom) != before
    person.dock.editor.undo()
    assert rows["sun"].box.isEnabled()


def test_packs_can_be_looked_with(desk: Desk) -> None:
    desk.open(1)
    box = desk.here_panel.pack_box
    assert box.count() > 4
    assert box.itemData(0) == "everyday"
    assert desk.here_panel.look_button.toolTip().startswith("Press Segment")


def test_packs_open_in_place_or_add_to_the_words(desk: Desk) -> None:
    dock = desk.person.dock
    desk.person.type_classes("zeppelin")
    menu = PackMenu(dock.editor, desk.window)
    menu.fill()
    texts = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert texts[0] == "Everyday scenes"
    assert texts[-2:] == ["Add to these words", "Benchmarks"]
    menu.findChild(QMenu, "pack_additions").actions()[0].trigger()
    vocabulary = dock.editor.vocabulary
    assert vocabulary is not None
    assert vocabulary.names[0] == "zeppelin"
    assert len(vocabulary) > 40
    dock.editor.undo()
    assert [each.name for each in dock.editor.classes] == ["zeppelin"]
    menu.actions()[0].trigger()
    assert dock.editor.title == "Everyday scenes"
    dock.editor.undo()
    assert [each.name for each in dock.editor.classes] == ["zeppelin"]


def test_confusions_name_pairs_and_select_classes(desk: Desk) -> None:
    person = desk.person
    desk.open(2)
    assert "Press Segment" in desk.confusion_panel.note.full_text()
    desk.segment("grass, mountain, sky, cloud")
    person.qtbot.waitUntil(lambda: desk.competing.pairs is not None, timeout=30_000)
    matrix = desk.confusion_panel.matrix
    assert "Most alike" in matrix.accessibleDescription()
    assert matrix.pair_at(1, 1) == (0, 0)
    assert matrix.pair_at(matrix.height() - 2, 1) == (0, 3)
    assert matrix.describe(0, 3).startswith("“grass” and “cloud”")
    matrix.chosen.emit("sky")
    assert person.dock.editor.selected == person.class_id("sky")

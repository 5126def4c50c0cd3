"""Asking for suggestions without anybody waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from napari_itaclip.session.sources import Answer, Question, Sources
from tests.session.pump import Pump
from tests.session.suggesters import Suggester

BOTH = ("synonym", "definition")
QUESTION = Question(1, 4, "boat", "harbours", BOTH)


class Desk:
    def __init__(self) -> None:
        self.pump = Pump()
        self.quick = Suggester("quick", ("ship",), ("a hull on water",))
        self.gate = threading.Event()
        self.server = Suggester("server", ("vessel",), needs_network=True, gate=self.gate)
        self.broken = Suggester("broken", error="the book is closed: open it")
        self.off = Suggester("off", reason="not installed: install it")
        self.sources = Sources(
            self.pump.post, lambda: (self.server, self.quick, self.broken, self.off)
        )
        self.answers: list[Answer] = []
        self.sources.answered.connect(self.answers.append)

    def look(self) -> None:
        self.sources.look()
        self.pump.until(lambda: bool(self.sources.sources))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    made.look()
    yield made
    made.gate.set()
    made.sources.close()


def test_sources_say_why_they_cannot_be_asked(desk: Desk) -> None:
    reasons = {each.name: each.reason for each in desk.sources.sources}
    assert reasons == {
        "server": None, "quick": None, "broken": None, "off": "not installed: install it",
    }  # fmt: skip
    assert [each.needs_network for each in desk.sources.sources] == [True, False, False, False]


def test_a_slow_server_holds_nobody_up(desk: Desk) -> None:
    desk.sources.ask(QUESTION, ("server", "quick"))
    assert list(desk.sources.waiting) == ["Server", "Quick"]
    desk.pump.until(lambda: len(desk.answers) == 1)
    assert list(desk.sources.waiting) == ["Server"]
    assert [each.text for each in desk.answers[0].suggestions] == ["ship", "a hull on water"]
    assert desk.quick.asked == [("boat", "harbours", kind) for kind in BOTH]
    desk.gate.set()
    desk.pump.until(lambda: not desk.sources.waiting)
    assert [each.text for each in desk.answers[1].suggestions] == ["vessel"]


def test_an_error_is_told_and_the_others_answer(desk: Desk) -> None:
    desk.sources.ask(QUESTION, ("broken", "quick"))
    desk.pump.until(lambda: not desk.sources.waiting)
    told = {each.title: each.error for each in desk.answers}
    assert told == {"Quick": None, "Broken": "the book is closed: open it"}
    assert len(desk.broken.asked) == 1


def test_an_answer_nobody_waits_for_is_dropped(desk: Desk) -> None:
    desk.sources.ask(QUESTION, ("server",))
    desk.pump.until(lambda: bool(desk.server.asked))
    desk.sources.stop()
    assert desk.sources.waiting == ()
    desk.pump.until(lambda: desk.server.gave_up)
    desk.sources.ask(QUESTION, ("quick",))
    desk.pump.until(lambda: not desk.sources.waiting)
    assert [each.title for each in desk.answers] == ["Quick"]


def test_closing_does_not_wait_for_a_server(desk: Desk) -> None:
    desk.sources.ask(QUESTION, ("server",))
    desk.pump.until(lambda: bool(desk.server.asked))
    start = time.monotonic()
    desk.sources.close()
    assert time.monotonic() - start < 1
    assert desk.answers == []


def test_closing_starts_no_thread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends "soon" may still be there when the program looks, or is ending."""
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self.name))
    desk.sources.close()
    assert started == []

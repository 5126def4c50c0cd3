"""Providers of suggestions for tests: quick, slow, broken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from napari_itaclip.suggestion.provider import Availability, Suggestion, SuggestionError


@dataclass
class Suggester:
    """Answers with given texts, in words and definitions."""

    name: str = "quick"
    words: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    needs_network: bool = False
    reason: str | None = None
    error: str | None = None
    gate: threading.Event | None = None
    asked: list[tuple[str, str | None, str]] = field(default_factory=list)
    gave_up: bool = False

    @property
    def title(self) -> str:
        return self.name.title()

    def available(self) -> Availability:
        return Availability(self.reason is None, self.reason or "ready")

    def suggest(
        self,
        term: str,
        *,
        domain: str | None,
        kind: str,
        n: int,
        timeout: float,
        cancel: Callable[[], bool],
    ) -> tuple[Suggestion, ...]:
        self.asked.append((term, domain, kind))
        while self.gate is not None and not self.gate.wait(0.01):
            if cancel():
                self.gave_up = True
                break
        if self.error is not None:
            raise SuggestionError(self.error)
        texts = self.words if kind == "synonym" else self.texts
        return tuple(Suggestion(text, kind, f"the {self.name} book", "CC0") for text in texts)

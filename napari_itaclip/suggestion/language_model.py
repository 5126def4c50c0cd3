"""Suggestions from a language model behind an OpenAI-compatible server; off until configured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from napari_itaclip.suggestion.answer_cache import AnswerCache, Question
from napari_itaclip.suggestion.chat_answer import read_texts, reject
from napari_itaclip.suggestion.cleaning import plain_line, tidy
from napari_itaclip.suggestion.exchange import Answer, post_json
from napari_itaclip.suggestion.provider import (
    Availability,
    Suggestion,
    SuggestionCancelledError,
    SuggestionError,
    check_question,
)
from napari_itaclip.suggestion.provider_settings import MODEL_VARIABLE, ProviderSettings
from napari_itaclip.suggestion.questions import answer_schema, messages

PATH = "/chat/completions"
"""What is asked of the server, after its address."""

MAX_TOKENS = 1500
"""The longest answer that is asked for; servers that do not know the limit are asked without."""

_NOT_UNDERSTOOD = (400, 422, 501)  # statuses of servers that do not know structured output


class LanguageModelProvider:
    """Definitions and synonyms that a language model writes.

    Parameters
    ----------
    settings
        Which server and model. Without a model's name it is off.
    cache
        Where answers are kept; None takes the one in the user's cache folder.
    fresh
        Ask again even if the answer is known; the new one replaces it.
    """

    name = "language-model"
    title = "Language model"

    def __init__(
        self,
        settings: ProviderSettings | None = None,
        *,
        cache: AnswerCache | None = None,
        fresh: bool = False,
    ) -> None:
        self._settings = settings or ProviderSettings()
        self._cache = AnswerCache.on_disk() if cache is None else cache
        self._fresh = fresh

    @property
    def needs_network(self) -> bool:
        """Whether the model runs on another computer."""
        return not self._settings.local

    def available(self) -> Availability:
        """Tell whether it is configured; does not ask the server."""
        settings = self._settings
        if not settings.model:
            return Availability(
                False,
                "no language model is configured: name one, such as 'llama3.2' with Ollama "
                f"(--model, {MODEL_VARIABLE}, or the settings)",
            )
        if not settings.local and not settings.allow_remote:
            return Availability(
                False,
                f"{settings.host} is another computer, to which class names would be sent: allow "
                "it explicitly (--allow-remote), or use a server at 127.0.0.1",
            )
        return Availability(True, f"{settings.model} at {settings.url}")

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
        """Return what the model writes about a term; see `Provider.suggest`.

        A question that was asked before is answered from the cache, also without the server.
        """
        term = check_question(term, kind, n, timeout)
        domain = (plain_line(domain)[:100].strip() or None) if domain is not None else None
        state = self.available()
        if not state.available:
            raise SuggestionError(state.reason)
        question = Question(self._settings.url, self._settings.model, term, domain, kind, n)
        texts = None if self._fresh else self._cache.get(question)
        if cancel():
            raise SuggestionCancelledError("cancelled")
        remembered = texts is not None
        if texts is None:
            texts = self._ask(question, timeout, cancel)
        source = f"language model {self._settings.model}"
        # The licence stays open: whose text a model's output is, nobody has settled.
        found = tidy([Suggestion(text, kind, source) for text in texts], term, n)
        if found and not remembered:
            self._cache.put(question, [suggestion.text for suggestion in found])
        return found

    def _ask(self, question: Question, timeout: float, cancel: Callable[[], bool]) -> list[str]:
        """Ask the server; once more in plain words if it does not know structured output."""
        end = time.monotonic() + timeout
        answer = self._post(_request(question, structured=True), timeout, cancel)
        if answer.status in _NOT_UNDERSTOOD:
            left = max(end - time.monotonic(), 0.01)
            answer = self._post(_request(question, structured=False), left, cancel)
        reject(answer, self._settings)
        return read_texts(answer, self._settings)

    def _post(self, request: dict[str, Any], timeout: float, cancel: Callable[[], bool]) -> Answer:
        """Send a request."""
        body = json.dumps(request).encode("utf-8")
        return post_json(self._settings, PATH, body, timeout=timeout, cancel=cancel)


def _request(question: Question, *, structured: bool) -> dict[str, Any]:
    """Return the request for a question; plain, it holds only what every server knows."""
    request: dict[str, Any] = {
        "model": question.model,
        "messages": messages(question.term, question.domain, question.kind, question.n),
        "stream": False,
    }
    if structured:
        schema = {"name": "texts", "strict": True, "schema": answer_schema(question.n)}
        request |= {
            "temperature": 0.2,
            "max_tokens": MAX_TOKENS,
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
    return request

"""Asking providers in tests, with what most tests do not care about filled in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_itaclip.suggestion.answer_cache import AnswerCache
from napari_itaclip.suggestion.language_model import LanguageModelProvider
from napari_itaclip.suggestion.provider import Provider, Suggestion, never
from napari_itaclip.suggestion.provider_settings import ProviderSettings
from tests.suggestion.chat_server import ChatServer


def ask(
    provider: Provider,
    term: str = "crane",
    *,
    kind: str = "synonym",
    domain: str | None = None,
    n: int = 5,
    timeout: float = 20.0,
    cancel: Callable[[], bool] = never,
) -> tuple[Suggestion, ...]:
    """Ask a provider."""
    return provider.suggest(term, domain=domain, kind=kind, n=n, timeout=timeout, cancel=cancel)


def texts(*arguments: Any, **options: Any) -> list[str]:
    """Ask a provider and return the texts alone."""
    return [suggestion.text for suggestion in ask(*arguments, **options)]


def model_of(
    server: ChatServer, cache: AnswerCache | None = None, **settings: Any
) -> LanguageModelProvider:
    """Return a provider that asks the server."""
    configured = ProviderSettings(**{"model": "tiny", "url": server.url, **settings})
    return LanguageModelProvider(configured, cache=cache or AnswerCache())

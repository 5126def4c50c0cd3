"""Asking for suggestions: every provider in a thread where it keeps nobody waiting.

Providers on this machine share one thread, those that go through a network another one: a server
that hangs delays neither the packs nor the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_itaclip.session.outcome import message_of
from napari_itaclip.session.worker import Post, Stopped, Ticket, Worker

if TYPE_CHECKING:
    from napari_itaclip.suggestion.provider import Provider, Suggestion

TIMEOUT = 60.0
"""Seconds that a provider may take: a language model on a laptop needs half a minute."""

PER_KIND = 4
"""Suggestions of one kind that a provider is asked for: as many as can be looked through."""


@dataclass(frozen=True)
class Question:
    """What is asked for.

    Attributes
    ----------
    lineage, class_id : int
        The class, and the vocabulary that the id belongs to.
    term : str
        Its name.
    domain : str or None
        The vocabulary's domain.
    kinds : tuple of str
        Of "synonym" and "definition".
    """

    lineage: int
    class_id: int
    term: str
    domain: str | None
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What one provider said.

    Attributes
    ----------
    question : Question
        What was asked.
    title : str
        The provider's name for people.
    suggestions : tuple of Suggestion
        What it suggests; may be some even where there is an error.
    error : str or None
        What went wrong, and the way out.
    """

    question: Question
    title: str
    suggestions: tuple[Suggestion, ...]
    error: str | None


@dataclass(frozen=True)
class Source:
    """A provider as a person sees it.

    Attributes
    ----------
    name, title : str
        Its name for programs and for people.
    needs_network : bool
        Whether the word leaves this process for a server.
    reason : str or None
        Why it cannot be asked; None if it can.
    """

    name: str
    title: str
    needs_network: bool
    reason: str | None


LoadProviders = Callable[[], tuple["Provider", ...]]


def registered_providers() -> tuple[Provider, ...]:
    """Return all providers, set up by the environment (see `provider_settings`)."""
    from napari_itaclip.suggestion.provider_settings import ProviderSettings
    from napari_itaclip.suggestion.registry import providers

    return providers(ProviderSettings.from_environment())


class Sources:
    """The providers of suggestions.

    Parameters
    ----------
    post : callable
        Brings a function into the owner's thread, see `worker.Post`.
    load : callable
        Returns the providers; called in a worker's thread.

    Attributes
    ----------
    answered : Signal(object)
        `Answer` of one provider.
    waiting_changed : Signal()
        `waiting` is another.
    sources_changed : Signal()
        `sources` is another.
    """

    answered = Signal(object)
    waiting_changed = Signal()
    sources_changed = Signal()

    def __init__(self, post: Post, load: LoadProviders = registered_providers) -> None:
        self._load = load
        self._local = Worker(post)
        self._remote = Worker(post)
        self._providers: tuple[Provider, ...] | None = None
        self._waiting: dict[str, str] = {}
        self._closed = False
        self.sources: tuple[Source, ...] = ()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Titles of the providers that have not answered yet."""
        return tuple(self._waiting.values())

    def look(self) -> None:
        """Find out which providers there are and whether they can be asked."""

        def work(ticket: Ticket) -> None:
            providers = self._providers or self._load()
            found = tuple(_source_of(provider) for provider in providers)

            def arrive() -> None:
                self._providers, self.sources = providers, found
                self.sources_changed.emit()

            if not ticket.stopped:
                self._local.post(arrive)

        self._local.request("look", work, self._on_failure)

    def ask(self, question: Question, names: Collection[str]) -> None:
        """Ask providers by name; what was asked before is not waited for any more."""
        self.stop()
        for provider in self._providers or ():
            if provider.name in names:
                self._waiting[provider.name] = provider.title
                self._ask_one(provider, question)
        self.waiting_changed.emit()

    def stop(self) -> None:
        """Wait for no answer any more."""
        for name in self._waiting:
            self._local.withdraw(name)
            self._remote.withdraw(name)
        if self._waiting:
            self._waiting.clear()
            self.waiting_changed.emit()

    def close(self) -> None:
        """Stop everything, without waiting for a server that hangs."""
        self.stop()
        self._closed = True
        self._local.close()
        self._remote.close(wait=False)

    def _ask_one(self, provider: Provider, question: Question) -> None:
        worker = self._remote if provider.needs_network else self._local

        def work(ticket: Ticket) -> None:
            answer = _answer_of(provider, question, ticket)
            worker.post(lambda: None if ticket.stopped else self._arrive(provider.name, answer))

        worker.request(provider.name, work, self._on_failure)

    def _arrive(self, name: str, answer: Answer) -> None:
        if self._closed:
            return
        self._waiting.pop(name, None)
        self.answered.emit(answer)
        self.waiting_changed.emit()

    def _on_failure(self, error: BaseException) -> None:
        nobody = Question(-1, -1, "", None, ())
        self.answered.emit(Answer(nobody, "Suggestions", (), message_of(error).text))


def _source_of(provider: Provider) -> Source:
    try:
        availability = provider.available()
        reason = None if availability.available else availability.reason
    # Someone else's library may raise anything; one broken provider must not hide the others.
    except Exception as error:
        reason = message_of(error).text
    return Source(provider.name, provider.title, provider.needs_network, reason)


def _answer_of(provider: Provider, question: Question, ticket: Ticket) -> Answer:
    found: list[Suggestion] = []
    errors: dict[str, None] = {}
    for kind in question.kinds:
        ticket.check()
        try:
            found += provider.suggest(
                question.term,
                domain=question.domain,
                kind=kind,
                n=PER_KIND,
                timeout=TIMEOUT,
                cancel=lambda: ticket.stopped,
            )
        except Stopped:
            raise
        except Exception as error:
            errors[message_of(error).text] = None
            break  # a dead server is not asked a second time
    return Answer(question, provider.title, tuple(found), "\n".join(errors) or None)

"""What a source of suggestions is, and what it gives.

A provider only gives texts. Nothing it says is applied, run or followed; a person decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from napari_itaclip.errors import ItaclipError
from napari_itaclip.vocabulary.prompts import KINDS, AuxiliaryText

MOST = 20
"""The most suggestions that one question may ask for."""

LONGEST_WAIT_S = 600.0
"""The longest time-out in seconds."""


class SuggestionError(ItaclipError, RuntimeError):
    """A provider cannot suggest anything now; the message says why and what to do."""


class SuggestionCancelledError(SuggestionError):
    """The caller's ``cancel`` said so while the provider was waiting."""


@dataclass(frozen=True)
class Suggestion:
    """A text that might help a class.

    Parameters
    ----------
    text
        One line of plain text, at most `cleaning.MAX_CHARACTERS` long.
    kind
        ``"definition"`` or ``"synonym"``.
    source
        Where it comes from, fit to be kept in a vocabulary file.
    licence
        The licence of the text, if known.
    note
        What helps to judge it: the sense of a word, or that the text was shortened.
    """

    text: str
    kind: str
    source: str
    licence: str | None = None
    note: str = ""

    @property
    def credit(self) -> str:
        """Source and licence in one, as a class keeps them for a synonym."""
        return self.source if self.licence is None else f"{self.source} · {self.licence}"

    def as_auxiliary(self) -> AuxiliaryText:
        """Return it as a class's auxiliary text, with its source and licence."""
        return AuxiliaryText(self.text, self.kind, self.source, self.licence)


@dataclass(frozen=True)
class Availability:
    """Whether a provider can be asked.

    Parameters
    ----------
    available
        Whether `Provider.suggest` has a chance.
    reason
        Why not and what to do about it; if available, what will be asked.
    """

    available: bool
    reason: str


class Provider(Protocol):
    """A source of suggestions. Safe to call from any thread, by one caller at a time."""

    @property
    def name(self) -> str:
        """The name by which it is chosen, such as ``"wordnet"``."""

    @property
    def title(self) -> str:
        """The name that a person reads."""

    @property
    def needs_network(self) -> bool:
        """Whether the term leaves this computer."""

    def available(self) -> Availability:
        """Tell whether it can be asked; quick, without the network and without waiting."""

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
        """Return suggestions for a term, the best first.

        Parameters
        ----------
        term
            The word to find others for.
        domain
            What the images show; None if unknown.
        kind
            ``"definition"`` or ``"synonym"``.
        n
            How many at most, 1 to `MOST`.
        timeout
            Seconds after which to give up.
        cancel
            Asked several times a second; True ends the wait.

        Returns
        -------
        tuple of Suggestion
            Cleaned, without the term itself and without repetitions; empty if nothing is known.

        Raises
        ------
        SuggestionError
            If it cannot be asked or its answer cannot be used.
        SuggestionCancelledError
            If ``cancel`` returned True.
        """


def never() -> bool:
    """Return False: the ``cancel`` of a caller who waits."""
    return False


def check_question(term: str, kind: str, n: int, timeout: float) -> str:
    """Return the term in one line, or say what is wrong with a question.

    Raises
    ------
    SuggestionError
        If a value is out of its range.
    """
    from napari_itaclip.suggestion.cleaning import plain_line

    cleaned = plain_line(term)[:100].strip()
    if not cleaned:
        raise SuggestionError(f"{term!r} is no word to look up: give a word such as 'crane'")
    if kind not in KINDS:
        raise SuggestionError(f"there is no kind {kind!r}: choose {' or '.join(KINDS)}")
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise SuggestionError(f"the number of suggestions is {n!r}: choose 1 to {MOST}")
    if not math.isfinite(timeout) or not 0 < timeout <= LONGEST_WAIT_S:
        raise SuggestionError(
            f"the time-out is {timeout!r} s: choose more than 0 and at most {LONGEST_WAIT_S:.0f} s"
        )
    return cleaned

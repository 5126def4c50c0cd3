"""One class: its words, extra texts, colour and id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary._checks import (
    check_color,
    check_id,
    check_number,
    clean_text,
    word_key,
)
from napari_itaclip.vocabulary._frozen import FrozenMapping

KINDS = ("definition", "synonym")

MAX_BIAS = 20.0
"""The largest class bias: it makes a class 500 million times as likely."""

CLASS_SEPARATOR = re.compile(r"[;\r\n]+")


@dataclass(frozen=True)
class AuxiliaryText:
    """A definition or synonym that is mixed into a class's words.

    Parameters
    ----------
    text
        The text; white space is squashed.
    kind
        ``"definition"`` or ``"synonym"``.
    source, licence
        Where the text comes from and under which licence, if known.
    enabled
        Whether it is mixed in; a text that is not is only kept.

    Raises
    ------
    VocabularyError
        When a value is not of its kind.
    """

    text: str
    kind: str = "definition"
    source: str | None = None
    licence: str | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        """Check and clean the values."""
        object.__setattr__(self, "text", clean_text(self.text, "an auxiliary text"))
        if self.kind not in KINDS:
            raise VocabularyError(
                f"the auxiliary text {self.text!r} has the kind {self.kind!r}: "
                f"use one of {', '.join(KINDS)}"
            )
        if not isinstance(self.enabled, bool):
            raise VocabularyError(
                f"enabled of the auxiliary text {self.text!r} must be true or false: "
                f"{self.enabled!r}"
            )
        for name in ("source", "licence"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(
                    self, name, clean_text(value, f"{name} of the auxiliary text {self.text!r}")
                )


@dataclass(frozen=True, init=False)
class ClassPrompt:
    """One class and the words that stand for it.

    Parameters
    ----------
    name
        The class's name, which is also its first word. White space is squashed.
    synonyms
        Other words for the same class.
    auxiliary
        Definitions or synonyms mixed into all the class's words; plain strings are definitions.
    color
        ``"#rrggbb"`` (also ``"#rgb"``); None lets the vocabulary choose.
    background
        Whether this is the class of everything that is not looked for.
    id
        The value of the class in label images; None lets the vocabulary choose.
    alpha
        Share of the auxiliary text, 0 to 1; None takes the vocabulary's.
    bias
        Added to the class's log-odds (natural logarithm), -20 to 20: 0.69 doubles its odds
        against each other class, -0.69 halves them.
    threshold
        Pixels that the class wins with less than this probability, 0 to 1, go to the background
        class or, without one, to 0 ("unlabelled").
    synonym_sources
        Where synonyms come from and under which licence, such as
        ``{"motorcar": "WordNet 3.1 · WordNet licence"}``. Words that are no synonyms of the class
        are left out, so that an edit of the synonyms needs no edit of this.

    Raises
    ------
    VocabularyError
        When a value is out of its range or a word occurs twice; the class is named.
    """

    name: str
    synonyms: tuple[str, ...]
    auxiliary: tuple[AuxiliaryText, ...]
    color: str | None
    background: bool
    id: int | None
    alpha: float | None
    bias: float
    threshold: float
    synonym_sources: Mapping[str, str]

    def __init__(
        self,
        name: str,
        synonyms: Iterable[str] = (),
        auxiliary: Iterable[AuxiliaryText | str] = (),
        color: str | None = None,
        background: bool = False,
        id: int | None = None,  # the word users know from label images
        alpha: float | None = None,
        bias: float = 0.0,
        threshold: float = 0.0,
        synonym_sources: Mapping[str, str] | None = None,
    ) -> None:
        name = clean_text(name, "the name of a class")
        called = f"class {name!r}"
        synonyms = as_list(synonyms, f"the synonyms of {called}")
        words = tuple(clean_text(word, f"a synonym of {called}") for word in synonyms)
        keys = [word_key(word) for word in (name, *words)]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise VocabularyError(f"{called} has the word {words[position - 1]!r} twice")
        texts = tuple(
            _as_auxiliary(text, called)
            for text in as_list(auxiliary, f"the auxiliary texts of {called}", AuxiliaryText)
        )
        if not isinstance(background, bool):
            raise VocabularyError(f"background of {called} must be true or false: {background!r}")
        values: dict[str, Any] = {
            "name": name,
            "synonyms": words,
            "auxiliary": texts,
            "color": None if color is None else check_color(color, f"the colour of {called}"),
            "background": background,
            "id": None if id is None else check_id(id, f"the id of {called}"),
            "alpha": None if alpha is None else check_number(alpha, f"alpha of {called}"),
            "bias": check_number(bias, f"bias of {called}", -MAX_BIAS, MAX_BIAS),
            "threshold": check_number(threshold, f"threshold of {called}"),
            "synonym_sources": _checked_sources(synonym_sources, words, called),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @classmethod
    def parse(cls, item: ClassPrompt | str) -> ClassPrompt:
        """Make a class from ``"dog"`` or ``"dog, puppy"`` (name, then synonyms).

        Raises
        ------
        VocabularyError
            When the text is empty or names several classes (``;`` or a line end).
        """
        if isinstance(item, ClassPrompt):
            return item
        if not isinstance(item, str):
            raise VocabularyError(f"a class is text like 'dog, puppy' or a ClassPrompt: {item!r}")
        if CLASS_SEPARATOR.search(item.strip()):
            raise VocabularyError(
                f"{item!r} names several classes where one is expected: give them one by one"
            )
        words = [word for word in item.split(",") if word.strip()]
        if not words:
            raise VocabularyError(f"the name of a class is empty: {item!r}")
        return cls(words[0], words[1:])

    @property
    def words(self) -> tuple[str, ...]:
        """The name and the synonyms."""
        return (self.name, *self.synonyms)

    @property
    def auxiliary_texts(self) -> tuple[str, ...]:
        """The texts to mix in: the enabled ones; none for the background, as in the paper."""
        if self.background:
            return ()
        return tuple(text.text for text in self.auxiliary if text.enabled)


def as_list(values: object, what: str, single: type | None = None) -> list[Any]:
    """Return a list, refusing a bare string (its letters would become the items)."""
    if isinstance(values, str) or (single is not None and isinstance(values, single)):
        raise VocabularyError(f"{what} must be a list, not {values!r}")
    if not isinstance(values, Iterable) or isinstance(values, Mapping):
        raise VocabularyError(f"{what} must be a list, not {values!r}")
    return list(values)


def _checked_sources(
    sources: Mapping[str, str] | None, synonyms: tuple[str, ...], called: str
) -> FrozenMapping[str]:
    """Return the sources of the present synonyms, in their order and spelling."""
    if sources is None:
        return FrozenMapping()
    if not isinstance(sources, Mapping):
        raise VocabularyError(
            f"the sources of the synonyms of {called} must be a mapping from words to texts, "
            f"not {sources!r}"
        )
    given = {
        word_key(clean_text(word, f"a synonym of {called}")): clean_text(
            source, f"the source of the synonym {word!r} of {called}"
        )
        for word, source in sources.items()
    }
    return FrozenMapping(
        (word, given[word_key(word)]) for word in synonyms if word_key(word) in given
    )


def _as_auxiliary(text: AuxiliaryText | str, called: str) -> AuxiliaryText:
    """Make an `AuxiliaryText`, naming the class in errors."""
    if isinstance(text, AuxiliaryText):
        return text
    return AuxiliaryText(clean_text(text, f"an auxiliary text of {called}"))

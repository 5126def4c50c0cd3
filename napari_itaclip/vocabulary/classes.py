"""The classes to look for: words, synonyms, extra texts, colours and stable ids.

Everything here is immutable: an edit returns a new `Vocabulary`, so that a result can keep the
vocabulary it was made with.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import index as as_index
from typing import Any

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary._checks import (
    check_id,
    check_number,
    clean_text,
    word_key,
)
from napari_itaclip.vocabulary._class_rules import (
    check_words,
    checked_about,
    with_colors,
    with_ids,
)
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR
from napari_itaclip.vocabulary.prompts import (
    CLASS_SEPARATOR,
    AuxiliaryText,
    ClassPrompt,
    as_list,
)
from napari_itaclip.vocabulary.templates import DEFAULT_TEMPLATES, Templates, validate_templates

__all__ = ["DEFAULT_ALPHA", "AuxiliaryText", "ClassPrompt", "Vocabulary"]

DEFAULT_ALPHA = 0.15
"""Share of the auxiliary text in a class embedding (ITACLIP, table of (lambda, alpha))."""


@dataclass(frozen=True, init=False)
class Vocabulary:
    """The classes to look for, in order, with their ids and colours.

    The background class gets id 0 and black. The others get the smallest free ids from 1 on and
    palette colours; explicit ids and colours are kept. 0 without a background class means
    "unlabelled" and is given to another class only explicitly.

    Parameters
    ----------
    classes
        `ClassPrompt` objects, or strings as in `ClassPrompt.parse`.
    alpha
        Share of the auxiliary texts in the embeddings, 0 to 1.
    templates
        The name of a set (`templates.TEMPLATE_SETS`) or sentences with ``{}``.
    domain
        What the images show, for example ``"street scenes"``; None when unknown.
    allow_shared_words
        Whether two classes may hold the same word. Such a word cannot tell them apart, so this
        is for the published benchmarks only (COCO-Object has "bed" in its background, too).
    next_id
        The id the next added class gets; None takes the one after the largest. Kept by edits, so
        that the id of a removed class is never handed out again.
    about
        What the vocabulary is: title, description, licence, … Kept, shown to people, and without
        any effect on results. Names and texts or truth values.

    Raises
    ------
    VocabularyError
        For no classes, a word twice, an id twice, or a second background class.
    """

    classes: tuple[ClassPrompt, ...]
    alpha: float
    templates: Templates
    domain: str | None
    allow_shared_words: bool
    next_id: int
    about: Mapping[str, str | bool]
    _positions: dict[str, int] = field(repr=False, compare=False)

    def __init__(
        self,
        classes: Iterable[ClassPrompt | str],
        alpha: float = DEFAULT_ALPHA,
        templates: str | Iterable[str] = DEFAULT_TEMPLATES,
        domain: str | None = None,
        allow_shared_words: bool = False,
        next_id: int | None = None,
        about: Mapping[str, str | bool] | None = None,
    ) -> None:
        prompts = [ClassPrompt.parse(item) for item in as_list(classes, "the classes")]
        if not prompts:
            raise VocabularyError(
                "the vocabulary is empty: name at least one class, like 'cat; dog'"
            )
        first = 1 if next_id is None else check_id(next_id, "next_id")
        prompts = with_colors(with_ids(prompts, first))
        check_words(prompts, allow_shared_words)
        after = max(first, 1 + max(prompt.id or 0 for prompt in prompts))
        values: dict[str, Any] = {
            "classes": tuple(prompts),
            "alpha": check_number(alpha, "alpha of the vocabulary"),
            "templates": validate_templates(templates),
            "domain": None if domain is None else clean_text(domain, "the domain"),
            "allow_shared_words": bool(allow_shared_words),
            "next_id": after,
            "about": checked_about(about),
            "_positions": {word_key(prompt.name): at for at, prompt in enumerate(prompts)},
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    # ---- making one ---------------------------------------------------------------------------

    @classmethod
    def parse(cls, source: object) -> Vocabulary:
        """Make a vocabulary from whatever a person is likely to have.

        Parameters
        ----------
        source
            A `Vocabulary`; a list of strings and `ClassPrompt` objects; text as in `from_string`;
            a path object, or text that ends like a file (``.yaml``, ``.json``, ``.xml``, ``.txt``,
            ``.csv``), naming one; a mapping as in `from_dict`; a labels layer of napari, or any
            other tool's class list, see `importers.read_vocabulary`.

        Raises
        ------
        VocabularyError
            When it is none of these, or its content is wrong.
        """
        if isinstance(source, Vocabulary):
            return source
        if isinstance(source, ClassPrompt):
            return cls((source,))
        if isinstance(source, str) and not _names_a_file(source):
            return cls.from_string(source)
        foreign = hasattr(source, "features") or hasattr(source, "columns")  # a layer, a table
        if foreign or isinstance(source, str | os.PathLike | Mapping):
            from napari_itaclip.vocabulary.importers import read_vocabulary

            return read_vocabulary(source)
        if isinstance(source, Iterable) and not isinstance(source, bytes):
            return cls.from_list(source)
        raise VocabularyError(
            f"a vocabulary is text like 'cat; dog, puppy', a list, or a YAML file, not {source!r}"
        )

    @classmethod
    def from_list(cls, items: Iterable[ClassPrompt | str], **options: Any) -> Vocabulary:
        """Make a vocabulary from classes; ``options`` as for `Vocabulary`."""
        return cls(items, **options)

    @classmethod
    def from_string(cls, text: str, **options: Any) -> Vocabulary:
        """Make a vocabulary from text; ``options`` as for `Vocabulary`.

        ``;`` or a line end separates classes and ``,`` separates a class's synonyms:
        ``"cat; dog, puppy"``. Text with commas only lists classes: ``"building, road, palm tree"``.
        One class with synonyms ends in ``;``: ``"dog, puppy;"``. Empty pieces are passed over.
        """
        text = text.strip()
        parts = CLASS_SEPARATOR.split(text)
        if len(parts) == 1:
            parts = text.split(",")
        return cls([part for part in parts if part.replace(",", "").strip()], **options)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read a vocabulary file, see `files.load_vocabulary`."""
        from napari_itaclip.vocabulary.files import load_vocabulary

        return load_vocabulary(path)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Vocabulary:
        """Make a vocabulary from what `to_dict` gave."""
        from napari_itaclip.vocabulary.files import vocabulary_from_data

        return vocabulary_from_data(data)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON and YAML can hold."""
        from napari_itaclip.vocabulary.files import vocabulary_to_data

        return vocabulary_to_data(self)

    # ---- looking at it ------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names, in order."""
        return tuple(prompt.name for prompt in self.classes)

    @property
    def ids(self) -> tuple[int, ...]:
        """The classes' values in label images, in order."""
        return tuple(prompt.id or 0 for prompt in self.classes)

    @property
    def colors(self) -> tuple[str, ...]:
        """The classes' colours as ``"#rrggbb"``, in order."""
        return tuple(prompt.color or BACKGROUND_COLOR for prompt in self.classes)

    @property
    def words(self) -> tuple[str, ...]:
        """All classes' words, in class order."""
        return tuple(word for prompt in self.classes for word in prompt.words)

    @property
    def word_class_index(self) -> tuple[int, ...]:
        """For each of `words` the position of its class in `classes`."""
        return tuple(at for at, prompt in enumerate(self.classes) for _ in prompt.words)

    @property
    def biases(self) -> tuple[float, ...]:
        """The classes' biases (log-odds), in order."""
        return tuple(prompt.bias for prompt in self.classes)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The classes' thresholds (probabilities), in order."""
        return tuple(prompt.threshold for prompt in self.classes)

    @property
    def background(self) -> ClassPrompt | None:
        """The background class, if there is one."""
        return next((prompt for prompt in self.classes if prompt.background), None)

    def position(self, name: str) -> int:
        """Return the place of a class by its name (upper and lower case are the same).

        Raises
        ------
        VocabularyError
            When no class has this name.
        """
        found = self._positions.get(word_key(name)) if isinstance(name, str) else None
        if found is None:
            near = difflib.get_close_matches(word_key(str(name)), self._positions, 1)
            hint = (
                f"; did you mean {self.classes[self._positions[near[0]]].name!r}?" if near else ""
            )
            raise VocabularyError(f"there is no class named {name!r}{hint}")
        return found

    def __getitem__(self, key: str | int) -> ClassPrompt:
        """Return a class by its name or its position."""
        if isinstance(key, str):
            return self.classes[self.position(key)]
        try:
            return self.classes[as_index(key)]
        except (IndexError, TypeError):
            raise VocabularyError(
                f"there is no class at position {key!r}; there are {len(self.classes)}"
            ) from None

    def __contains__(self, name: object) -> bool:
        """Tell whether a class has this name."""
        return isinstance(name, str) and word_key(name) in self._positions

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassPrompt]:
        """Iterate over the classes in order."""
        return iter(self.classes)

    # ---- editing: every method returns a new vocabulary ----------------------------------------

    def add(self, item: ClassPrompt | str) -> Vocabulary:
        """Return a vocabulary with one more class at the end, under a fresh id."""
        return self._with((*self.classes, ClassPrompt.parse(item)))

    def remove(self, name: str) -> Vocabulary:
        """Return a vocabulary without a class; its id is not handed out again."""
        at = self.position(name)
        if len(self.classes) == 1:
            raise VocabularyError(
                f"{name!r} is the only class: add another before it is removed, or replace it"
            )
        return self._with(self.classes[:at] + self.classes[at + 1 :])

    def replace(self, name: str, item: ClassPrompt | str) -> Vocabulary:
        """Return a vocabulary with another class in the place of one.

        The new class takes over id and colour where it brings none of its own; when it becomes
        the background, or stops being it, it gets a new id and colour instead.
        """
        at = self.position(name)
        old, new = self.classes[at], ClassPrompt.parse(item)
        if old.background == new.background:
            new = replace(
                new,
                id=old.id if new.id is None else new.id,
                color=new.color or old.color,
            )
        return self._with((*self.classes[:at], new, *self.classes[at + 1 :]))

    def reorder(self, names: Iterable[str]) -> Vocabulary:
        """Return the same classes in another order, each with its id and colour.

        Raises
        ------
        VocabularyError
            When the names are not exactly this vocabulary's.
        """
        order = [self.position(name) for name in as_list(names, "the names")]
        if sorted(order) != list(range(len(self.classes))):
            raise VocabularyError("a new order must name every class exactly once")
        return self._with(tuple(self.classes[at] for at in order))

    def with_alpha(self, alpha: float) -> Vocabulary:
        """Return the same vocabulary with another weight of auxiliary texts.

        Raises
        ------
        VocabularyError
            If ``alpha`` is not in [0, 1].
        """
        return Vocabulary(
            self.classes,
            alpha=alpha,
            templates=self.templates,
            domain=self.domain,
            allow_shared_words=self.allow_shared_words,
            next_id=self.next_id,
            about=self.about,
        )

    def _with(self, classes: tuple[ClassPrompt, ...]) -> Vocabulary:
        """Return the same vocabulary with other classes."""
        return Vocabulary(classes, *self.__reduce__()[1][1:])

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the constructor."""
        return Vocabulary, (
            self.classes,
            self.alpha,
            self.templates,
            self.domain,
            self.allow_shared_words,
            self.next_id,
            self.about,
        )


def _names_a_file(text: str) -> bool:
    """Tell whether text is the name of a file rather than words."""
    endings = (".yaml", ".yml", ".json", ".xml", ".txt", ".csv", ".tsv")
    return "\n" not in text.strip() and text.strip().lower().endswith(endings)

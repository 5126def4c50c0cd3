"""Edits of a list of classes: functions from classes to classes.

None of them checks that words are different across classes: `Vocabulary` does, when the edited
classes are put into one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary._checks import word_key
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR
from napari_itaclip.vocabulary.prompts import CLASS_SEPARATOR, ClassPrompt

Classes = tuple[ClassPrompt, ...]

_BULLET = re.compile(r"^\s*[-*•‣–]\s+")  # noqa: RUF001  (a dash that lists are written with)


@dataclass(frozen=True)
class Addition:
    """What adding text to classes gives.

    Attributes
    ----------
    classes : tuple of ClassPrompt
        All classes, old and new; new ones have no id and no colour yet.
    added : tuple of str
        Names of the new classes.
    notice : str or None
        What a person should know: words that were there already, synonyms that went to a class
        which was there.
    """

    classes: Classes
    added: tuple[str, ...]
    notice: str | None


def add_text(classes: Classes, text: str) -> Addition:
    """Add the classes that ``text`` lists, by the rules of `Vocabulary.from_string`.

    A class that is there already gets the synonyms that are new; other words that are there
    already are left out. Marks of a bulleted list are passed over.

    Raises
    ------
    VocabularyError
        When the text names no class, or nothing that is new.
    """
    result = list(classes)
    owners = {word_key(word): at for at, prompt in enumerate(classes) for word in prompt.words}
    added: list[str] = []
    extended: list[str] = []
    known: dict[str, str] = {}
    for item in _split(text):
        prompt = ClassPrompt.parse(_without_repeats(item))
        for word in prompt.words:
            if (owner := owners.get(word_key(word))) is not None:
                known[word] = result[owner].name
        fresh = tuple(word for word in prompt.synonyms if word_key(word) not in owners)
        at = owners.get(word_key(prompt.name))
        if at is None:
            at = len(result)
            result.append(replace(prompt, synonyms=fresh))
            added.append(prompt.name)
        elif fresh:
            result[at] = replace(result[at], synonyms=(*result[at].synonyms, *fresh))
            extended += [f"{word!r} was added to {result[at].name!r}" for word in fresh]
        owners.update((word_key(word), at) for word in (prompt.name, *fresh))
    there = _already_there(known)
    if not added and not extended:
        if there is None:
            raise VocabularyError(
                "no class is named: type words such as 'building, road, palm tree'"
            )
        raise VocabularyError(f"nothing new: {there}")
    notes = extended if there is None or not added else [*extended, there]
    return Addition(tuple(result), tuple(added), "; ".join(notes) or None)


def rename(prompt: ClassPrompt, text: str) -> ClassPrompt:
    """Return a class under another name; ``"name, synonym"`` adds synonyms, too.

    Raises
    ------
    VocabularyError
        When the text is empty or names several classes.
    """
    new = ClassPrompt.parse(text)
    taken = {word_key(word) for word in new.words}
    kept = tuple(word for word in prompt.synonyms if word_key(word) not in taken)
    return replace(prompt, name=new.name, synonyms=(*kept, *new.synonyms))


def move(classes: Classes, ids: Collection[int], position: int) -> Classes:
    """Return the classes with those of ``ids`` put before the one that is at ``position``.

    Parameters
    ----------
    classes
        The classes in their present order.
    ids
        Which to move; they keep their order among each other.
    position
        A place in the present order, 0 to ``len(classes)`` (the end); clipped to that.
    """
    position = min(max(position, 0), len(classes))
    before = [prompt for prompt in classes[:position] if prompt.id not in ids]
    after = [prompt for prompt in classes[position:] if prompt.id not in ids]
    return (*before, *(prompt for prompt in classes if prompt.id in ids), *after)


def duplicate(classes: Classes, ids: Collection[int], shared_words: bool) -> Classes:
    """Return the classes with a copy after each of ``ids``, without id and colour.

    A copy is named ``"road 2"``. It has no synonyms unless words may be shared: two classes with
    the same word could not be told apart. It is never the background, which there is only once.
    """
    taken = {word_key(word) for prompt in classes for word in prompt.words}
    result: list[ClassPrompt] = []
    for prompt in classes:
        result.append(prompt)
        if prompt.id not in ids:
            continue
        name = _free_name(prompt.name, taken)
        taken.add(word_key(name))
        synonyms = prompt.synonyms if shared_words else ()
        result.append(
            replace(prompt, name=name, synonyms=synonyms, id=None, color=None, background=False)
        )
    return tuple(result)


def mark_background(classes: Classes, id: int, background: bool) -> Classes:
    """Return the classes with or without the background mark on one.

    The mark moves: there is one background. Ids and colours stay, except that a class which stops
    being the background gives up id 0, which means "unlabelled" then, and its black.
    """

    def marked(prompt: ClassPrompt) -> ClassPrompt:
        if prompt.id == id and background:
            return replace(prompt, background=True)
        if not prompt.background or (prompt.id != id and not background):
            return prompt
        color = None if prompt.color == BACKGROUND_COLOR else prompt.color
        return replace(prompt, background=False, id=prompt.id or None, color=color)

    return tuple(marked(prompt) for prompt in classes)


def change(
    classes: Classes, id: int, edit: Callable[[ClassPrompt], ClassPrompt]
) -> tuple[Classes, str]:
    """Return the classes with one edited, and the name that this one had.

    Raises
    ------
    VocabularyError
        When no class has this id, or whatever ``edit`` raises.
    """
    at = position_of(classes, id)
    return (*classes[:at], edit(classes[at]), *classes[at + 1 :]), classes[at].name


def position_of(classes: Classes, id: int) -> int:
    """Return the place of the class with an id.

    Raises
    ------
    VocabularyError
        When there is none.
    """
    for at, prompt in enumerate(classes):
        if prompt.id == id:
            return at
    raise VocabularyError(f"there is no class with the id {id}")


def as_text(classes: Iterable[ClassPrompt]) -> str:
    """Return classes as text that `add_text` reads: a line each, ``name, synonym, synonym``."""
    lines = [", ".join(prompt.words) for prompt in classes]
    # A single line would be read as a list of classes.
    return f"{lines[0]};\n" if len(lines) == 1 else "".join(f"{line}\n" for line in lines)


def _split(text: str) -> list[str]:
    """Return the pieces of text that name a class each."""
    parts = CLASS_SEPARATOR.split(text.strip())
    if len(parts) == 1:
        parts = text.split(",")
    parts = [_BULLET.sub("", part) for part in parts]
    return [part for part in parts if part.replace(",", "").strip()]


def _without_repeats(item: str) -> str:
    """Return ``"a, b"`` for ``"a, b, A"``: pasted lists repeat words."""
    words: dict[str, str] = {}
    for word in item.split(","):
        if word.strip():
            words.setdefault(word_key(word), word)
    return ",".join(words.values())


def _already_there(known: Mapping[str, str]) -> str | None:
    """Return ``"'street' (in class 'road') is there already"`` for words and their classes."""
    if not known:
        return None
    shown = [
        repr(word) if word_key(word) == word_key(owner) else f"{word!r} (in class {owner!r})"
        for word, owner in list(known.items())[:3]
    ]
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    return f"{', '.join(shown)}{more} {'is' if len(known) == 1 else 'are'} there already"


def _free_name(name: str, taken: Collection[str]) -> str:
    """Return ``"name 2"``, or the next number that is free."""
    stem = re.sub(r" \d+$", "", name)
    number = 2
    while word_key(f"{stem} {number}") in taken:
        number += 1
    return f"{stem} {number}"

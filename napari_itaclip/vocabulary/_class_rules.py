"""The rules that the classes of one vocabulary keep to together: ids, colours, words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary._checks import MAX_ID, clean_text, word_key
from napari_itaclip.vocabulary._frozen import FrozenMapping
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR, free_color
from napari_itaclip.vocabulary.prompts import ClassPrompt


def checked_about(about: Mapping[str, str | bool] | None) -> FrozenMapping[str | bool]:
    """Return clean names with clean texts or truth values."""
    if about is None:
        return FrozenMapping()
    if not isinstance(about, Mapping):
        raise VocabularyError(f"'about' must be a mapping such as title: Streets, not {about!r}")
    checked: dict[str, str | bool] = {}
    for key, value in about.items():
        name = clean_text(key, "a key of 'about'")
        if name in checked:
            raise VocabularyError(f"'about' has the key {name!r} twice")
        what = f"{name!r} of 'about'"
        checked[name] = value if isinstance(value, bool) else clean_text(value, what)
    return FrozenMapping(checked)


def with_ids(prompts: list[ClassPrompt], first: int) -> list[ClassPrompt]:
    """Give ids to the classes that have none: 0 to the background, the others from ``first``."""
    background = [prompt.name for prompt in prompts if prompt.background]
    if len(background) > 1:
        raise VocabularyError(
            f"{background[0]!r} and {background[1]!r} are both marked as background: "
            "keep one, and give it the other's words as synonyms"
        )
    owner: dict[int, str] = {}
    for prompt in prompts:
        number = 0 if prompt.background and prompt.id is None else prompt.id
        if number is None:
            continue
        if number in owner:
            raise VocabularyError(
                f"the classes {owner[number]!r} and {prompt.name!r} have the same id {number}"
            )
        owner[number] = prompt.name
    given: list[ClassPrompt] = []
    candidate = max(first, 1)
    for prompt in prompts:
        if prompt.id is None and not prompt.background:
            while candidate in owner:
                candidate += 1
            if candidate > MAX_ID:
                raise VocabularyError(f"no id is left for class {prompt.name!r}: give it one")
            given.append(replace(prompt, id=candidate))
            candidate += 1
        else:
            given.append(replace(prompt, id=0) if prompt.id is None else prompt)
    return given


def with_colors(prompts: list[ClassPrompt]) -> list[ClassPrompt]:
    """Give colours to the classes that have none: by id, so that they do not depend on order."""
    taken = {prompt.color for prompt in prompts if prompt.color} | {BACKGROUND_COLOR}
    coloured: list[ClassPrompt] = []
    for prompt in prompts:
        color = prompt.color
        if color is None:
            is_ground = prompt.background
            color = (
                BACKGROUND_COLOR if is_ground else free_color(max((prompt.id or 0) - 1, 0), taken)
            )
            taken.add(color)
        coloured.append(prompt if prompt.color else replace(prompt, color=color))
    return coloured


def check_words(prompts: list[ClassPrompt], allow_shared_words: bool) -> None:
    """Refuse a name twice, and a word in two classes unless that is allowed."""
    names: dict[str, str] = {}
    words: dict[str, str] = {}
    for prompt in prompts:
        key = word_key(prompt.name)
        if key in names:
            raise VocabularyError(f"the class {prompt.name!r} is listed twice")
        names[key] = prompt.name
    for prompt in prompts:
        for word in prompt.words:
            other = words.setdefault(word_key(word), prompt.name)
            if other != prompt.name and not allow_shared_words:
                raise VocabularyError(
                    f"the word {word!r} stands in class {other!r} and in class {prompt.name!r}: "
                    "leave it in one of them"
                )

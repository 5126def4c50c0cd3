"""Vocabularies as the plain values that files and saved settings hold."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary._checks import check_id, clean_text
from napari_itaclip.vocabulary._yaml_text import LocatedError, located
from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary

SCHEMA = 1
"""Version of the file format."""

TOP_KEYS = (
    "schema", "about", "alpha", "templates", "domain", "classes", "next_id", "allow_shared_words",
)  # fmt: skip
CLASS_KEYS = (
    "name", "synonyms", "auxiliary", "color", "background", "id", "alpha", "bias", "threshold",
)  # fmt: skip
SYNONYM_KEYS = ("word", "source")
TEXT_KEYS = ("text", "kind", "source", "licence", "enabled")


def vocabulary_to_data(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return a vocabulary as plain values; what has its default value is left out."""
    templates = vocabulary.templates
    data: dict[str, Any] = {
        "schema": SCHEMA,
        **({"about": dict(vocabulary.about)} if vocabulary.about else {}),
        "alpha": vocabulary.alpha,
        "templates": templates if isinstance(templates, str) else list(templates),
    }
    if vocabulary.domain is not None:
        data["domain"] = vocabulary.domain
    if vocabulary.allow_shared_words:
        data["allow_shared_words"] = True
    if vocabulary.next_id != 1 + max(vocabulary.ids):
        data["next_id"] = vocabulary.next_id
    data["classes"] = [_class_to_data(prompt) for prompt in vocabulary]
    return data


def vocabulary_from_data(data: object) -> Vocabulary:
    """Make a vocabulary from plain values.

    Parameters
    ----------
    data
        A mapping as `vocabulary_to_data` gives, or a list of classes. Numbers and truth values
        may also be text, as they are in YAML.

    Raises
    ------
    VocabularyError
        When a key is unknown or a value is wrong; the message names the key and the class.
    """
    if isinstance(data, list | tuple):
        data = {"classes": data}
    if not isinstance(data, Mapping):
        raise LocatedError((), "expected a mapping with the key 'classes', or a list of classes")
    _check_keys(data, TOP_KEYS, "the vocabulary")
    schema = data.get("schema")
    if schema is not None and str(schema) != str(SCHEMA):
        raise LocatedError(
            ("schema",), f"schema {schema!r} is not known; this version reads schema {SCHEMA}"
        )
    items = data.get("classes")
    if not isinstance(items, list | tuple):
        raise LocatedError(("classes",), "'classes' must be a list of classes")
    options: dict[str, Any] = {}
    for key in ("alpha", "templates", "domain"):
        if not _blank(data.get(key)):
            with located(key):
                options[key] = data[key]
                Vocabulary(("_",), **{key: data[key]})  # alone, so that an error belongs to the key
    if not _blank(data.get("about")):
        options["about"] = _about_from_data(data["about"])
    if not _blank(data.get("allow_shared_words")):
        with located("allow_shared_words"):
            options["allow_shared_words"] = _truth(data["allow_shared_words"], "allow_shared_words")
    if not _blank(data.get("next_id")):
        with located("next_id"):
            options["next_id"] = check_id(data["next_id"], "next_id")
    classes = []
    for at, item in enumerate(items):
        with located("classes", at):
            classes.append(_class_from_data(item))
    try:
        return Vocabulary(classes, **options)
    except VocabularyError as error:
        raise LocatedError(("classes", _first_bad(classes, options)), str(error)) from error


def _first_bad(classes: list[ClassPrompt], options: dict[str, Any]) -> int:
    """Return the position of the first class that does not go with those before it."""
    low, high = 0, len(classes)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            Vocabulary(classes[:middle], **options)
        except VocabularyError:
            high = middle
        else:
            low = middle
    return max(high - 1, 0)


def _class_to_data(prompt: ClassPrompt) -> dict[str, Any]:
    """Return one class as plain values."""
    data: dict[str, Any] = {"name": prompt.name}
    if prompt.synonyms:
        sources = prompt.synonym_sources
        data["synonyms"] = [
            {"word": word, "source": sources[word]} if word in sources else word
            for word in prompt.synonyms
        ]
    if prompt.auxiliary:
        data["auxiliary"] = [_text_to_data(text) for text in prompt.auxiliary]
    if prompt.background:
        data["background"] = True
    if prompt.alpha is not None:
        data["alpha"] = prompt.alpha
    if prompt.bias:
        data["bias"] = prompt.bias
    if prompt.threshold:
        data["threshold"] = prompt.threshold
    return {**data, "color": prompt.color, "id": prompt.id}


def _text_to_data(text: AuxiliaryText) -> dict[str, Any]:
    """Return one auxiliary text as plain values."""
    values = {key: getattr(text, key) for key in TEXT_KEYS}
    if text.enabled:
        del values["enabled"]
    return {key: value for key, value in values.items() if value is not None}


def _class_from_data(item: object) -> ClassPrompt:
    """Make one class from text or a mapping."""
    if isinstance(item, str):
        return ClassPrompt.parse(item)
    if not isinstance(item, Mapping):
        raise VocabularyError(f"a class is text or a mapping with the key 'name', not {item!r}")
    _check_keys(item, CLASS_KEYS, "a class")
    if "name" not in item:
        raise VocabularyError("a class has no 'name'")
    with located("name"):
        prompt = ClassPrompt(item["name"])
    called = f"class {prompt.name!r}"
    for key, value in item.items():
        if key == "name" or value is None or (_blank(value) and key != "color"):
            continue
        with located(key):
            if key == "color" and value == "":
                raise VocabularyError(
                    f"the colour of {called} is empty; '#' begins a comment in YAML, so write "
                    'the colour in quotes: color: "#1f77b4"'
                )
            more: dict[str, Any] = {}
            if key == "synonyms":
                value, more["synonym_sources"] = _synonyms_from_data(value, called)
            elif key == "background":
                value = _truth(value, f"background of {called}")
            elif key == "auxiliary":
                value = _texts_from_data(value, called)
            prompt = ClassPrompt(**{**_fields(prompt), key: value, **more})
    return prompt


def _fields(prompt: ClassPrompt) -> dict[str, Any]:
    """Return the constructor's arguments of a class."""
    return {key: getattr(prompt, key) for key in (*CLASS_KEYS, "synonym_sources")}


def _about_from_data(value: object) -> Mapping[str, str | bool]:
    """Make the mapping `Vocabulary.about`, each mistake at its key."""
    if not isinstance(value, Mapping):
        with located("about"):
            Vocabulary(("_",), about=value)  # type: ignore[arg-type]  # says what is wrong
    given = {key: item for key, item in value.items() if not _blank(item)}  # type: ignore[attr-defined]
    for key, item in given.items():
        with located("about", key):
            Vocabulary(("_",), about={key: item})
    with located("about"):
        return Vocabulary(("_",), about=given).about


def _synonyms_from_data(value: object, called: str) -> tuple[object, dict[str, str]]:
    """Split a class's synonyms into words and their sources."""
    if isinstance(value, str):
        return [word for word in value.split(",") if word.strip()], {}
    if not isinstance(value, list | tuple):
        return value, {}  # ClassPrompt says what is wrong
    words: list[object] = []
    sources: dict[str, str] = {}
    for at, item in enumerate(value):
        with located(at):
            if not isinstance(item, Mapping):
                words.append(clean_text(item, f"a synonym of {called}"))
                continue
            _check_keys(item, SYNONYM_KEYS, f"a synonym of {called}")
            if "word" not in item:
                raise VocabularyError(f"a synonym of {called} has no 'word'")
            words.append(clean_text(item["word"], f"a synonym of {called}"))
            if not _blank(item.get("source")):
                with located("source"):
                    what = f"the source of the synonym {words[-1]!r} of {called}"
                    sources[str(words[-1])] = clean_text(item["source"], what)
    return words, sources


def _texts_from_data(value: object, called: str) -> object:
    """Make a class's auxiliary texts from a list or a single one."""
    items = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(items, list | tuple):
        return items  # ClassPrompt says what is wrong
    texts = []
    for at, item in enumerate(items):
        with located(at):
            texts.append(_text_from_data(item, called))
    return texts


def _text_from_data(item: object, called: str) -> object:
    """Make one auxiliary text from text or a mapping."""
    if not isinstance(item, Mapping):
        return item  # ClassPrompt checks what it is
    _check_keys(item, TEXT_KEYS, f"an auxiliary text of {called}")
    if "text" not in item:
        raise VocabularyError(f"an auxiliary text of {called} has no 'text'")
    values = {key: value for key, value in item.items() if not _blank(value)}
    if "enabled" in values:
        with located("enabled"):
            what = f"enabled of an auxiliary text of {called}"
            values["enabled"] = _truth(values["enabled"], what)
    return AuxiliaryText(**values)


def _blank(value: object) -> bool:
    """Tell whether a value was left out: None, or a key with nothing after it in YAML."""
    return value is None or value == ""


def _truth(value: object, what: str) -> bool:
    """Return a truth value that may be written as text."""
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise VocabularyError(f"{what} must be true or false, not {value!r}")


def _check_keys(data: Mapping[Any, Any], known: tuple[str, ...], what: str) -> None:
    """Refuse keys that the format does not have: they are most often slips of the pen."""
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise LocatedError((key,), f"{what} has an unknown key {key!r}; {hint}")

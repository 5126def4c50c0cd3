"""Vocabulary files (YAML) and the plain values that they and saved settings hold.

Words are taken as a person wrote them: ``- no``, ``- null`` and ``- 1`` are the words "no", "null"
and "1". Only YAML's events are read, so no tag can build an object; anchors, aliases, deep nesting
and keys given twice are refused with their line.
"""

from __future__ import annotations

import codecs
import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from napari_itaclip.errors import VocabularyError
from napari_itaclip.files import write_atomically
from napari_itaclip.vocabulary._checks import check_id
from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary

SCHEMA = 1
"""Version of the file format."""

MAX_BYTES = 4 * 1024 * 1024
"""Larger files are refused: ten thousand classes with definitions need less."""

MAX_DEPTH = 8
"""Deeper nesting is refused; the format needs five levels."""

TOP_KEYS = (
    "schema", "alpha", "templates", "domain", "classes", "next_id", "allow_shared_words",
)  # fmt: skip
CLASS_KEYS = (
    "name", "synonyms", "auxiliary", "color", "background", "id", "alpha", "bias", "threshold",
)  # fmt: skip
TEXT_KEYS = ("text", "kind", "source", "licence", "enabled")

# Under these keys `null` and `~` are words; elsewhere they mean "not given".
_WORD_KEYS = {"classes", "name", "synonyms", "auxiliary", "text", "templates"}
_STANDARD_TAGS = tuple(
    f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map", "int", "float")
)

_Where = tuple[str | int, ...]


def load_vocabulary(path: str | os.PathLike[str]) -> Vocabulary:
    """Read a vocabulary from a YAML (or JSON) file.

    Parameters
    ----------
    path
        The file: a mapping with ``classes`` (see `dump_vocabulary`), or a bare list of classes.
        A class is a mapping or text such as ``dog, puppy``.

    Returns
    -------
    Vocabulary
        Its classes, with ids and colours given to those that have none.

    Raises
    ------
    VocabularyError
        When the file is missing, is not text, or its content is wrong; the message names the
        file, and where possible the line and the key.
    """
    return loads_vocabulary(_read_text(Path(path)), str(path))


def loads_vocabulary(text: str, called: str = "vocabulary") -> Vocabulary:
    """Read a vocabulary from YAML text; ``called`` names it in errors."""
    lines: dict[_Where, int] = {}
    try:
        data = _parse_yaml(text, lines)
        return vocabulary_from_data(data)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error)
        raise VocabularyError(f"{called}{line}: this is not valid YAML: {problem}") from error
    except _LocatedError as error:
        where = error.where
        while where and where not in lines:
            where = where[:-1]
        line = f", line {lines[where]}" if where in lines else ""
        raise VocabularyError(f"{called}{line}: {error}") from error
    except VocabularyError as error:
        raise VocabularyError(f"{called}: {error}") from error


def dump_vocabulary(vocabulary: Vocabulary, path: str | os.PathLike[str]) -> Path:
    """Write a vocabulary as a YAML file, whole or not at all.

    Parameters
    ----------
    vocabulary
        What to write.
    path
        The file. Missing folders are made.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    target = Path(path)
    write_atomically(target, dumps_vocabulary(vocabulary).encode("utf-8"))
    return target


def dumps_vocabulary(vocabulary: Vocabulary) -> str:
    """Return a vocabulary as YAML text."""
    return yaml.safe_dump(
        vocabulary_to_data(vocabulary), allow_unicode=True, sort_keys=False, width=96
    )


def vocabulary_to_data(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return a vocabulary as plain values; what has its default value is left out."""
    templates = vocabulary.templates
    data: dict[str, Any] = {
        "schema": SCHEMA,
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
        raise _LocatedError((), "expected a mapping with the key 'classes', or a list of classes")
    _check_keys(data, TOP_KEYS, "the vocabulary")
    schema = data.get("schema")
    if schema is not None and str(schema) != str(SCHEMA):
        raise _LocatedError(
            ("schema",), f"schema {schema!r} is not known; this version reads schema {SCHEMA}"
        )
    items = data.get("classes")
    if not isinstance(items, list | tuple):
        raise _LocatedError(("classes",), "'classes' must be a list of classes")
    options: dict[str, Any] = {}
    for key in ("alpha", "templates", "domain"):
        if not _blank(data.get(key)):
            with _located(key):
                options[key] = data[key]
                Vocabulary(("_",), **{key: data[key]})  # alone, so that an error belongs to the key
    if not _blank(data.get("allow_shared_words")):
        with _located("allow_shared_words"):
            options["allow_shared_words"] = _truth(data["allow_shared_words"], "allow_shared_words")
    if not _blank(data.get("next_id")):
        with _located("next_id"):
            options["next_id"] = check_id(data["next_id"], "next_id")
    classes = []
    for at, item in enumerate(items):
        with _located("classes", at):
            classes.append(_class_from_data(item))
    try:
        return Vocabulary(classes, **options)
    except VocabularyError as error:
        raise _LocatedError(("classes", _first_bad(classes, options)), str(error)) from error


class _LocatedError(VocabularyError):
    """An error that knows the keys and positions leading to the place it is about."""

    def __init__(self, where: _Where, message: str) -> None:
        super().__init__(message)
        self.where = where


@contextmanager
def _located(*where: str | int) -> Iterator[None]:
    """Put ``where`` before the place of any vocabulary error raised inside."""
    try:
        yield
    except VocabularyError as error:
        inner = error.where if isinstance(error, _LocatedError) else ()
        raise _LocatedError((*where, *inner), str(error)) from error


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
        data["synonyms"] = list(prompt.synonyms)
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
    with _located("name"):
        prompt = ClassPrompt(item["name"])
    called = f"class {prompt.name!r}"
    for key, value in item.items():
        if key == "name" or value is None or (_blank(value) and key != "color"):
            continue
        with _located(key):
            if key == "color" and value == "":
                raise VocabularyError(
                    f"the colour of {called} is empty; '#' begins a comment in YAML, so write "
                    'the colour in quotes: color: "#1f77b4"'
                )
            if key == "synonyms" and isinstance(value, str):
                value = [word for word in value.split(",") if word.strip()]
            elif key == "background":
                value = _truth(value, f"background of {called}")
            elif key == "auxiliary":
                value = _texts_from_data(value, called)
            prompt = ClassPrompt(**{**_fields(prompt), key: value})
    return prompt


def _fields(prompt: ClassPrompt) -> dict[str, Any]:
    """Return the constructor's arguments of a class."""
    return {key: getattr(prompt, key) for key in CLASS_KEYS}


def _texts_from_data(value: object, called: str) -> object:
    """Make a class's auxiliary texts from a list or a single one."""
    items = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(items, list | tuple):
        return items  # ClassPrompt says what is wrong
    texts = []
    for at, item in enumerate(items):
        with _located(at):
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
        with _located("enabled"):
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
            raise _LocatedError((key,), f"{what} has an unknown key {key!r}; {hint}")


def _read_text(path: Path) -> str:
    """Read a text file of limited size; UTF-8, or UTF-16 with a byte order mark."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise VocabularyError(f"there is no vocabulary file {path}") from None
    except IsADirectoryError:
        raise VocabularyError(f"{path} is a folder, not a vocabulary file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VocabularyError(f"cannot read the vocabulary file {path}: {reason}") from error
    if len(raw) > MAX_BYTES:
        raise VocabularyError(f"{path} is larger than {MAX_BYTES >> 20} MiB: not a vocabulary file")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise VocabularyError(
            f"{path}, line {line}: not UTF-8 text; save the file as UTF-8"
        ) from error
    if not text.strip():
        raise VocabularyError(f"{path} is empty: list at least one class")
    return text


def _parse_yaml(text: str, lines: dict[_Where, int]) -> object:
    """Read one YAML document as mappings, lists and text; note each value's line (from 1)."""
    events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
    result: Any = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _LocatedError((), "the file holds more than one YAML document ('---')")
            root = next(events)
            if isinstance(root, yaml.SequenceStartEvent):  # a bare list of classes
                result = {"classes": _value(root, events, ("classes",), lines)}
            else:
                result = _value(root, events, (), lines)
    if documents == 0:
        raise _LocatedError((), "the file holds no YAML, only comments: list at least one class")
    return result


def _value(
    event: Any,  # PyYAML's event classes share no useful base
    events: Iterator[Any],
    where: _Where,
    lines: dict[_Where, int],
) -> object:
    """Build the value that begins with ``event``."""
    line = _line(event)
    lines[where] = line
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise _LocatedError(
            where, "anchors and aliases ('&', '*') are not read: write the value out, in quotes"
        )
    if event.tag not in (None, "!", *_STANDARD_TAGS):
        raise _LocatedError(
            where, f"the tag {event.tag!r} is not read: write plain text, in quotes"
        )
    if len(where) > MAX_DEPTH:
        raise _LocatedError(where, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(event, yaml.ScalarEvent):
        plain = event.style is None
        is_word = any(key in _WORD_KEYS for key in where[-2:])
        if plain and not is_word and event.value in ("~", "null", "Null", "NULL"):
            return None
        return event.value
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(event, events, (*where, len(items)), lines))
        return items
    pairs: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent):
            lines[(*where, "?")] = _line(event)
            raise _LocatedError((*where, "?"), "a key must be plain text")
        key, key_line = event.value, _line(event)
        if key in pairs:
            first = lines[(*where, key)]
            lines[(*where, key)] = key_line
            raise _LocatedError(
                (*where, key), f"the key {key!r} is given twice (first in line {first})"
            )
        pairs[key] = _value(next(events), events, (*where, key), lines)
        lines[(*where, key)] = key_line
    return pairs


def _line(event: Any) -> int:  # see `_value`
    """Return the line (from 1) that a YAML event begins in."""
    return int(event.start_mark.line) + 1

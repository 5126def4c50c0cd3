"""Tables of classes beside label images: written as JSON, read in the forms that people have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, check_classes
from napari_itaclip.formats.parts.bounded import MAX_TEXT_BYTES, read_bounded, read_text
from napari_itaclip.formats.parts.exchange import FoundClass, resolve_classes
from napari_itaclip.formats.parts.json_files import parse_json
from napari_itaclip.vocabulary._checks import MAX_ID

TABLE_NAMES = ("classes.json", "labels.json", "classes.txt", "class_names.txt", "labels.txt")
"""Files in which the classes of a folder are looked for, in this order."""

_UNLABELLED = frozenset({"unlabelled", "unlabeled", "__ignore__", "ignore", "void"})
_BACKGROUND = frozenset({"background", "_background_", "__background__"})


@dataclass(frozen=True)
class _Row:
    """A class as it is listed."""

    name: str
    id: int | None = None
    color: str | None = None
    background: bool = False
    value: int | None = None


@dataclass(frozen=True)
class ClassTable:
    """Classes and what stands for none of them.

    Attributes
    ----------
    classes : tuple of LabelClass
        The classes with the ids that labels will have.
    value_by_id : mapping of int to int
        The values in the files, where they differ from the ids.
    unlabelled : frozenset of int
        Values that mean "no class".
    """

    classes: tuple[LabelClass, ...]
    value_by_id: Mapping[int, int]
    unlabelled: frozenset[int] = frozenset()


def table_text(
    classes: Sequence[LabelClass],
    unlabelled: int,
    *,
    values: Mapping[int, int] | None = None,
    about: Mapping[str, Any] | None = None,
    indent: int | None = None,
) -> str:
    """Return a table of classes as JSON.

    Parameters
    ----------
    classes
        The classes.
    unlabelled
        The value of unlabelled pixels.
    values
        Values by id, if they are others than the ids.
    about
        More for the top level.
    indent
        As in `json.dumps`.
    """
    rows = []
    for one in classes:
        row: dict[str, Any] = {"id": one.id, "name": one.name, "color": one.color}
        if values is not None:
            row["value"] = values[one.id]
        if one.background:
            row["background"] = True
        rows.append(row)
    data = {**(about or {}), "unlabelled": unlabelled, "classes": rows}
    return json.dumps(data, ensure_ascii=True, indent=indent)


def find_table(folder: Path) -> Path | None:
    """Return the file with the classes of a folder, from it or the folder above."""
    for place in (folder, folder.parent):
        for name in TABLE_NAMES:
            if (place / name).is_file():
                return place / name
    return None


def read_table(path: Path) -> ClassTable:
    """Read a file of classes: JSON, or text with one name for each line.

    JSON: what `table_text` wrote; ``{"classes": …}`` or ``{"categories": …}`` with a list of names,
    a list of ``{"id", "name", "color"}`` or names by value; or one of these alone. ``"ignore"`` is
    the value of no class, or a list of such values.

    Text: the first line is 0 if it says "background", -1 if it says "ignore", 1 otherwise.

    Raises
    ------
    FormatError
        If it holds no classes, or cannot be read.
    """
    if path.suffix.lower() == ".json":
        return parse_table(read_bounded(path, MAX_TEXT_BYTES * 4), path)
    return _from_lines(read_text(path).splitlines(), path)


def parse_table(content: str | bytes, called: object) -> ClassTable:
    """Read a table of classes from JSON; see `read_table`."""
    data = parse_json(content.encode() if isinstance(content, str) else content, str(called))
    top: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    rows = _rows(top.get("classes", top.get("categories", data)), called)
    own = "unlabelled" in top
    vocabulary = _vocabulary_rows(top.get("vocabulary"))
    nothing: set[int | None]
    if vocabulary is not None:
        nothing = {row.id for row in rows if row.id == 0 and row.name not in vocabulary}
        rows = [replace(row, background=vocabulary.get(row.name, False)) for row in rows]
    elif own:
        nothing = set()
    else:
        nothing = {row.id for row in rows if row.name.strip().lower() in _UNLABELLED}
    rows = [row for row in rows if row.id is None or row.id not in nothing]
    ignored = nothing | {
        one for key in ("unlabelled", "ignore", "void") for one in _numbers(top.get(key))
    }
    return _table(rows, ignored, called, exact=own or vocabulary is not None)


def _from_lines(lines: Sequence[str], called: object) -> ClassTable:
    """Read names from lines; see `read_table`."""
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise FormatError(f"{called} names no class")
    if any(not name for name in names):
        raise FormatError(f"{called}: line {names.index('') + 1} is empty")
    first = names[0].lower()
    start = 0 if first in _BACKGROUND else -1 if first in _UNLABELLED else 1
    rows = [_Row(name, at) for at, name in enumerate(names, start) if at >= 0]
    return _table(rows, (), called)


def _table(
    rows: Sequence[_Row], ignored: Iterable[object], called: object, *, exact: bool = False
) -> ClassTable:
    """Give classes the colours and ids that they lack; ``exact`` tables say what background is."""
    if not rows:
        raise FormatError(f"{called} names no class")
    for what, found in (
        ("name", [row.name for row in rows]),
        ("id", [row.id for row in rows if row.id is not None]),
    ):
        twice = next((value for value, n in Counter(found).items() if n > 1), None)
        if twice is not None:
            raise FormatError(f"{called}: two classes have the {what} {twice!r}")
    classes = resolve_classes(
        FoundClass(row.name, row.color, row.id, row.background) for row in rows
    )
    if exact:
        classes = tuple(
            replace(one, background=row.background) for one, row in zip(classes, rows, strict=True)
        )
    try:
        check_classes(classes)
    except FormatError as error:
        raise FormatError(f"{called}: {error}") from error
    values = {
        one.id: one.id if row.value is None else row.value
        for one, row in zip(classes, rows, strict=True)
    }
    taken = set(values.values())
    if len(taken) < len(values):
        raise FormatError(f"{called}: two classes have the same value")
    nothing = frozenset(one for one in ignored if _is_id(one) and one not in taken)
    return ClassTable(classes, values, nothing)  # type: ignore[arg-type]  # `_is_id` looked


def _rows(listed: object, called: object) -> list[_Row]:
    """Return the rows of a list or mapping of classes."""
    if isinstance(listed, Mapping):
        return [_pair(key, value, called) for key, value in listed.items()]
    if not isinstance(listed, list) or not listed:
        raise FormatError(
            f"{called} holds no classes: expected names, names by value, or objects with 'id', "
            "'name' and 'color'"
        )
    if all(isinstance(one, str) for one in listed):
        first = listed[0].strip().lower()
        start = 0 if first in _BACKGROUND else -1 if first in _UNLABELLED else 1
        return [_Row(name, at) for at, name in enumerate(listed, start) if at >= 0]
    return [_row(one, f"{called}: class {at + 1}") for at, one in enumerate(listed)]


def _pair(key: object, value: object, called: object) -> _Row:
    """Return the row of ``{"7": "car"}``, ``{"7": {"name": "car"}}`` or ``{"car": 7}``."""
    text = str(key)
    if text.isascii() and text.isdigit() and len(text) < 11:
        inner = {"name": value} if isinstance(value, str) else value
        if isinstance(inner, Mapping):
            return _row({**inner, "id": int(text)}, f"{called}: class {text}")
    elif _is_id(value):
        return _row({"name": text, "id": value}, f"{called}: class {text!r}")
    raise FormatError(f"{called}: {text!r} is neither a class's value nor its name with a value")


def _row(one: object, where: str) -> _Row:
    """Return the row of an object with ``name`` and perhaps ``id``, ``color`` and ``value``."""
    if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
        raise FormatError(f"{where} has no 'name'")
    for key in ("id", "value"):
        if one.get(key) is not None and not _is_id(one[key]):
            raise FormatError(
                f"{where}: {key!r} must be a whole number from 0 to {MAX_ID}, not {one[key]!r}"
            )
    return _Row(
        name=one["name"],
        id=one.get("id"),
        color=_hex_color(one.get("color")),
        background=one.get("background") is True,
        value=one.get("value"),
    )


def _hex_color(value: object) -> str | None:
    """Return ``#rrggbb`` from text or from three numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) >= 3:
        parts = value[:3]
        if all(type(part) is int and 0 <= part <= 255 for part in parts):
            return "#" + "".join(f"{part:02x}" for part in parts)
    return None


def _numbers(value: object) -> list[int]:
    """Return the ids in a value that is one, or a list of some; whatever else is left out."""
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if type(one) is int and _is_id(one)]


def _vocabulary_rows(data: object) -> dict[str, bool] | None:
    """Return the names of the vocabulary in a legend, and whether each is the background."""
    listed = data.get("classes") if isinstance(data, Mapping) else None
    if not isinstance(listed, list):
        return None
    return {
        str(one["name"]): one.get("background") is True
        for one in listed
        if isinstance(one, Mapping) and "name" in one
    }


def _is_id(value: object) -> bool:
    """Tell whether a decoded value is a class id."""
    return type(value) is int and 0 <= value <= MAX_ID

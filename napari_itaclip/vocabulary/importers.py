"""Class lists of other tools: plain text, COCO, CVAT, Label Studio, a labels layer's table.

Everything here is data: nothing is executed, and no file is opened but the one that was named.
Names from tools that allow no blanks ("traffic_light") get them back: words are read by a network.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary._checks import MAX_ID, word_key
from napari_itaclip.vocabulary._data import vocabulary_from_data
from napari_itaclip.vocabulary._label_xml import labels_in_xml
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.files import loads_vocabulary, read_text_file
from napari_itaclip.vocabulary.palette import normalize_color
from napari_itaclip.vocabulary.prompts import ClassPrompt

__all__ = ["OWN_ENDINGS", "READABLE_ENDINGS", "is_own_file", "read_vocabulary"]

OWN_ENDINGS = (".yaml", ".yml")
"""Endings of the files that a vocabulary is saved to."""

READABLE_ENDINGS = (*OWN_ENDINGS, ".json", ".xml", ".txt", ".csv", ".tsv")
"""Endings by which a text is taken for the name of a file."""

MAX_JSON_BYTES = 64 * 1024 * 1024
"""Larger JSON files are refused; COCO files hold annotations, too."""

_NAME_COLUMNS = ("class", "name", "label", "class_name", "category")
_ID_COLUMNS = ("index", "id", "value", "label_id")
_YAML_SIGNS = re.compile(r"^\s*(?:schema|classes|about|- *name) *:", re.MULTILINE)


def is_own_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether a vocabulary read from this file may be saved over it."""
    return Path(path).suffix.lower() in OWN_ENDINGS


def read_vocabulary(source: object, *, shared_words: bool = False) -> Vocabulary:
    """Read a vocabulary from whatever holds a list of classes.

    Parameters
    ----------
    source
        A path, or the text or the decoded content of a file, in one of these forms:

        - a vocabulary file (YAML or JSON), see `files.load_vocabulary`;
        - text with a class per line, ``name, synonym, synonym``; lines that begin with ``#`` are
          passed over;
        - COCO: a mapping with ``categories``, or the list of categories. Ids and colours are kept;
          id 0, which means "unlabelled" in a label image, is replaced;
        - CVAT: its labels as JSON ("raw" editor) or a task's XML. Its ids number database entries
          and are not taken over;
        - Label Studio: a labelling configuration (XML), or a project (JSON) with ``label_config``;
        - a table with a column ``class`` (or ``name``, ``label``, ``category``) and perhaps
          ``index`` (or ``id``, ``value``) and ``color``: CSV, a mapping of columns, a data frame,
          or a napari labels layer, whose colours are taken over as well.
    shared_words
        Whether a word may stand in two classes, as in a published benchmark's list.

    Returns
    -------
    Vocabulary
        A class named "background" is marked as the background, except in plain text.

    Raises
    ------
    VocabularyError
        When nothing of this can be read from it; the message names the file, and the line or the
        key of the mistake.
    """
    if isinstance(source, Vocabulary):
        return source
    if isinstance(source, os.PathLike):
        return _read_file(Path(source), shared_words)
    if isinstance(source, str):
        if "\n" not in source and source.strip().lower().endswith(READABLE_ENDINGS):
            return _read_file(Path(source.strip()), shared_words)
        return _from_text(source, "", "vocabulary", shared_words)
    return _from_data(source, shared_words)


def _read_file(path: Path, shared_words: bool) -> Vocabulary:
    """Read a file by its ending, or by its content where the ending says nothing."""
    ending = path.suffix.lower()
    if ending == ".json":
        return _from_text(read_text_file(path, MAX_JSON_BYTES), ending, str(path), shared_words)
    return _from_text(read_text_file(path), ending, str(path), shared_words)


def _from_text(text: str, ending: str, called: str, shared_words: bool) -> Vocabulary:
    """Read text; ``called`` names it in errors."""
    if ending in OWN_ENDINGS:
        return loads_vocabulary(text, called)
    start = text.lstrip("\ufeff \t\r\n")[:1]
    try:
        if ending == ".xml" or (ending != ".txt" and start == "<"):
            return _from_records(labels_in_xml(text.lstrip("\ufeff")), shared_words)
        if ending in (".csv", ".tsv"):
            return _from_csv(text, "\t" if ending == ".tsv" else ",", shared_words)
        if ending == ".json" or (ending != ".txt" and start in ("{", "[")):
            return _from_json(text, called, shared_words)
    except VocabularyError as error:
        said = str(error)
        raise (
            error
            if said.startswith(called)
            else VocabularyError(f"{called}{', ' if said.startswith('line ') else ': '}{said}")
        ) from error
    if ending != ".txt" and _YAML_SIGNS.search(text):
        return loads_vocabulary(text, called)
    return _from_lines(text, called, shared_words)


def _from_lines(text: str, called: str, shared_words: bool) -> Vocabulary:
    """Read a class per line; a single line is read by the rules of `Vocabulary.from_string`."""
    lines = [
        (number, line.strip().rstrip(";"))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip(" \t,;") and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise VocabularyError(f"{called} names no class: write one per line")
    if len(lines) == 1 or any(";" in line for _, line in lines):
        content = "\n".join(line for _, line in lines)
        try:
            return Vocabulary.from_string(content, allow_shared_words=shared_words)
        except VocabularyError as error:
            raise VocabularyError(f"{called}: {error}") from error
    prompts: list[ClassPrompt] = []
    owners: dict[str, str] = {}
    for number, line in lines:
        try:
            prompt = ClassPrompt.parse(line)
            for word in prompt.words:
                _check_owner(owners, prompt, word, shared_words)
        except VocabularyError as error:
            raise VocabularyError(f"{called}, line {number}: {error}") from error
        prompts.append(prompt)
    return Vocabulary(prompts, allow_shared_words=shared_words)


def _check_owner(
    owners: dict[str, str], prompt: ClassPrompt, word: str, shared_words: bool
) -> None:
    """Refuse a name twice, and a word of another class unless words may be shared."""
    is_name = word == prompt.name
    owner = owners.setdefault(word_key(word), prompt.name)
    if owner is prompt.name or (shared_words and not is_name):
        return
    if word_key(owner) == word_key(prompt.name):
        raise VocabularyError(f"the class {prompt.name!r} is listed twice")
    if not shared_words:
        raise VocabularyError(
            f"the word {word!r} stands in class {owner!r} and in class {prompt.name!r}: "
            "leave it in one of them"
        )


def _from_json(text: str, called: str, shared_words: bool) -> Vocabulary:
    """Read JSON: one of the tools' forms, or a vocabulary file."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise VocabularyError(
            f"line {error.lineno}: this is not valid JSON: {error.msg.lower()}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise VocabularyError("this JSON is nested too deeply, or its numbers are too long") from (
            error
        )
    if _is_foreign(data):
        return _from_data(data, shared_words)
    return loads_vocabulary(text, called)  # again, for the lines of mistakes


def _from_csv(text: str, delimiter: str, shared_words: bool) -> Vocabulary:
    """Read a table with a header."""
    try:
        rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter))
    except csv.Error as error:
        raise VocabularyError(f"this is not a table: {error}") from error
    header = list(rows[0]) if rows else []
    columns = {str(name): [row.get(name) for row in rows] for name in header}
    return _from_columns(columns, {}, shared_words)


def _is_foreign(data: object) -> bool:
    """Tell whether data has the form of another tool."""
    if isinstance(data, Mapping):
        return "classes" not in data and bool({"categories", "labels", "label_config"} & set(data))
    if not isinstance(data, list | tuple) or not data:
        return False
    keys = {key for item in data if isinstance(item, Mapping) for key in item}
    return bool(keys & {"supercategory", "attributes", "type", "isthing", "sublabels"}) or (
        keys <= {"name", "id", "color"} and bool(keys)
    )


def _from_data(data: object, shared_words: bool) -> Vocabulary:
    """Read decoded content, or a table in memory."""
    if hasattr(data, "features") and hasattr(data, "data"):  # a napari layer
        return _from_columns(_columns_of(data.features), _layer_colors(data), shared_words)
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        return _from_columns(_columns_of(data), {}, shared_words)
    if isinstance(data, Mapping) and "classes" not in data:
        for key in ("categories", "labels"):
            if key in data:
                if not isinstance(data[key], list | tuple):
                    raise VocabularyError(f"{key!r} must be a list, not {_short(data[key])}")
                return _from_records(data[key], shared_words, key)
        if "label_config" in data:
            if not isinstance(data["label_config"], str):
                raise VocabularyError("'label_config' must be Label Studio's XML as text")
            return _from_records(labels_in_xml(data["label_config"]), shared_words)
        if any(column in data for column in _NAME_COLUMNS):
            return _from_columns(data, {}, shared_words)
    if _is_foreign(data):
        return _from_records(data, shared_words)  # type: ignore[arg-type]  # `_is_foreign` looked
    if isinstance(data, Mapping | list | tuple):
        if isinstance(data, list | tuple) and any(isinstance(item, ClassPrompt) for item in data):
            return Vocabulary(data, allow_shared_words=shared_words)
        return vocabulary_from_data(data)
    raise VocabularyError(
        "classes are read from text, a file (YAML, JSON, XML, CSV), a list, a mapping or a labels "
        f"layer, not from {_short(data)}"
    )


def _from_records(
    records: Iterable[object], shared_words: bool, called: str = "label"
) -> Vocabulary:
    """Make classes from mappings with ``name`` and perhaps ``id`` and ``color``."""
    records = list(records)
    coco = called == "categories" or any(
        isinstance(item, Mapping) and "supercategory" in item for item in records
    )
    merged: dict[str, ClassPrompt] = {}
    owner: dict[int, str] = {}
    for at, item in enumerate(records):
        where = f"{called}[{at}]"
        if not isinstance(item, Mapping):
            raise VocabularyError(f"{where} must be a mapping with 'name', not {_short(item)}")
        if not isinstance(item.get("name"), str):
            raise VocabularyError(f"{where} has no 'name'")
        id = item.get("id") if coco else None
        try:
            prompt = _prompt(item["name"], id, item.get("color"))
        except VocabularyError as error:
            raise VocabularyError(f"{where}: {error}") from error
        key = word_key(prompt.name)
        if coco and key in merged:
            raise VocabularyError(f"{where}: the class {prompt.name!r} is listed twice")
        if prompt.id is not None and owner.setdefault(prompt.id, prompt.name) != prompt.name:
            raise VocabularyError(
                f"{where}.id: {owner[prompt.id]!r} and {prompt.name!r} have the same id {prompt.id}"
            )
        merged.setdefault(key, prompt)
    if not merged:
        raise VocabularyError(f"{called!r} is empty: there is no class to read")
    return Vocabulary(merged.values(), allow_shared_words=shared_words)


def _prompt(name: str, id: object, color: object) -> ClassPrompt:
    """Make one class from a tool's values; an id of 0 is kept for the background only."""
    clean = " ".join(name.replace("_", " ").split())
    is_background = word_key(clean) == "background"
    if not is_background and str(id) in ("0", "0.0"):
        id = None
    shown = _color(color)
    return ClassPrompt(
        clean,
        id=id,  # type: ignore[arg-type]  # checked by ClassPrompt
        color=shown,
        background=is_background,
    )


def _from_columns(
    table: Mapping[Any, Any], colors: Mapping[int, str], shared_words: bool
) -> Vocabulary:
    """Make classes from the columns of a table; rows without a name are passed over."""
    columns = {str(key).strip().lower(): list(values) for key, values in table.items()}
    name_key = next((key for key in _NAME_COLUMNS if key in columns), None)
    if name_key is None:
        raise VocabularyError(
            f"the table has no column {_NAME_COLUMNS[0]!r} with the classes' names; it has "
            f"{', '.join(map(repr, columns)) or 'none'}"
        )
    id_key = next((key for key in _ID_COLUMNS if key in columns), None)
    records = []
    for at, name in enumerate(columns[name_key]):
        if not isinstance(name, str) or not name.strip():
            continue  # a missing value is None or NaN
        number = _row_id(columns[id_key], at) if id_key is not None else None
        if number == 0 and word_key(name) in ("unlabelled", "unlabeled", "none"):
            continue
        color = columns["color"][at] if at < len(columns.get("color", ())) else None
        record = {"name": name, "id": number, "color": color or colors.get(number or -1)}
        records.append({**record, "supercategory": ""})  # ids mean label values here
    if not records:
        raise VocabularyError(f"the column {name_key!r} names no class")
    return _from_records(records, shared_words, "row")


def _row_id(values: Sequence[object], at: int) -> int | None:
    """Return the label value in a row."""
    value: Any = values[at] if at < len(values) else None
    if value is None or value == "":
        return None
    try:
        number = float(value)
        if number != number:  # missing in a data frame
            return None
        if number == int(number) and 0 <= number <= MAX_ID:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise VocabularyError(
        f"row {at + 1}: the index must be a whole number from 0 to {MAX_ID}, not {_short(value)}"
    )


def _columns_of(frame: Any) -> dict[str, list[Any]]:  # a data frame, or what looks like one
    """Return a table's columns as lists; without a column for ids its index may be named so."""
    if isinstance(frame, Mapping):
        return {str(key): list(values) for key, values in frame.items()}
    columns = {str(key): list(frame[key]) for key in frame.columns}
    if not any(key.lower() in _ID_COLUMNS for key in columns) and hasattr(frame, "index"):
        columns["index"] = list(frame.index)  # napari: row n describes label n
    return columns


def _layer_colors(layer: Any) -> dict[int, str]:  # duck-typed: napari is not imported here
    """Return the colours that a labels layer gives to single labels, if it does."""
    table = getattr(getattr(layer, "colormap", None), "color_dict", None)
    if not isinstance(table, Mapping):
        return {}
    colors = {}
    for key, rgba in table.items():
        parts = [float(part) for part in rgba]
        if key is None or (len(parts) == 4 and parts[3] == 0.0):
            continue  # hidden, or "all others"
        if color := _color(parts, unit=True):
            colors[int(key)] = color
    return colors


def _color(value: object, *, unit: bool = False) -> str | None:
    """Return a colour as ``"#rrggbb"``; None for one that cannot be told."""
    if isinstance(value, str):
        return normalize_color(value) or _named_color(value)
    if isinstance(value, list | tuple) and len(value) in (3, 4):
        try:
            parts = [round(float(part) * (255 if unit else 1)) for part in value[:3]]
        except (TypeError, ValueError, OverflowError):
            return None
        if all(0 <= part <= 255 for part in parts):
            return "#" + "".join(f"{part:02x}" for part in parts)
    return None


def _named_color(text: str) -> str | None:
    """Return the colour of a CSS name or ``rgb(…)``, as Label Studio's configurations have."""
    from PIL import ImageColor

    text = re.sub(r"^rgba\((.*),[^,]*\)$", r"rgb(\1)", text.strip().lower())
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        return None
    return _color([red, green, blue])


def _short(value: object) -> str:
    """Return a value for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"

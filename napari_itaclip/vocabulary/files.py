"""Vocabulary files (YAML): reading, and writing so that comments stay.

Words are taken as a person wrote them, and nothing in a file is executed: see `_yaml_text`.
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import yaml

from napari_itaclip.errors import VocabularyError
from napari_itaclip.files import write_atomically
from napari_itaclip.vocabulary._data import SCHEMA, vocabulary_from_data, vocabulary_to_data
from napari_itaclip.vocabulary._revise import WIDTH, NotPlainError, revise
from napari_itaclip.vocabulary._yaml_text import LocatedError, Where, parse_yaml
from napari_itaclip.vocabulary.classes import Vocabulary

__all__ = [
    "MAX_BYTES",
    "SCHEMA",
    "dump_vocabulary",
    "dumps_vocabulary",
    "load_vocabulary",
    "loads_vocabulary",
    "read_text_file",
    "vocabulary_from_data",
    "vocabulary_to_data",
]

MAX_BYTES = 4 * 1024 * 1024
"""Larger files are refused: ten thousand classes with definitions need less."""


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
    return loads_vocabulary(read_text_file(Path(path)), str(path))


def loads_vocabulary(text: str, called: str = "vocabulary") -> Vocabulary:
    """Read a vocabulary from YAML text; ``called`` names it in errors."""
    lines: dict[Where, int] = {}
    try:
        data = parse_yaml(text, lines)
        return vocabulary_from_data(data)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error)
        raise VocabularyError(f"{called}{line}: this is not valid YAML: {problem}") from error
    except LocatedError as error:
        where = error.where
        while where and where not in lines:
            where = where[:-1]
        line = f", line {lines[where]}" if where in lines else ""
        raise VocabularyError(f"{called}{line}: {error}") from error
    except VocabularyError as error:
        raise VocabularyError(f"{called}: {error}") from error


def dump_vocabulary(vocabulary: Vocabulary, path: str | os.PathLike[str]) -> Path:
    """Write a vocabulary as a YAML file, whole or not at all.

    A vocabulary file that is there already keeps its comments, its order and the layout of
    everything that did not change.

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
    try:
        previous = read_text_file(target) if target.is_file() else None
    except VocabularyError:
        previous = None  # not a vocabulary: nothing of it is kept
    write_atomically(target, dumps_vocabulary(vocabulary, previous).encode("utf-8"))
    return target


def dumps_vocabulary(vocabulary: Vocabulary, previous: str | None = None) -> str:
    """Return a vocabulary as YAML text.

    Parameters
    ----------
    vocabulary
        What to write.
    previous
        The text of a vocabulary file whose comments, order and layout are kept where they can be.
        Its ids and colours stay implied where they come out the same.
    """
    if previous is not None:
        # Ids and colours that follow from the order are written out when they no longer do.
        for pinned in (False, True):
            text = _revised(previous, vocabulary, pinned)
            if text is not None:
                return text
    return yaml.safe_dump(
        vocabulary_to_data(vocabulary), allow_unicode=True, sort_keys=False, width=WIDTH
    )


def _revised(previous: str, vocabulary: Vocabulary, pinned: bool) -> str | None:
    """Return a file's text with a vocabulary written into it; None where that is not possible."""
    try:
        old = vocabulary_to_data(loads_vocabulary(previous))
        new = vocabulary_to_data(vocabulary)
        text = revise(
            previous,
            old,
            new,
            pinned=lambda where, key: pinned and len(where) == 2 and key in ("id", "color"),
        )
        # Lines were spliced, so only reading them again tells that they mean what they should.
        return text if loads_vocabulary(text) == vocabulary else None
    except (VocabularyError, NotPlainError, yaml.YAMLError):
        return None


def read_text_file(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a text file of limited size; UTF-8, or UTF-16 with a byte order mark.

    Raises
    ------
    VocabularyError
        When it is missing, empty, larger than ``limit`` bytes, or is not text.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except FileNotFoundError:
        raise VocabularyError(f"there is no vocabulary file {path}") from None
    except IsADirectoryError:
        raise VocabularyError(f"{path} is a folder, not a vocabulary file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VocabularyError(f"cannot read the vocabulary file {path}: {reason}") from error
    if len(raw) > limit:
        raise VocabularyError(f"{path} is larger than {limit >> 20} MiB: not a vocabulary file")
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

"""What an evaluation has counted so far, on disk: one file for each image.

A file holds the counts of one image with the hashes of what they were counted from, and is written
whole or not at all. So an evaluation can be killed at any moment, and several processes can count
different images into one folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.evaluation.counts import Counts
from napari_itaclip.files import sweep_unfinished, write_atomically

SCHEMA = 1
_RUN = "run.json"
_IMAGES = "images"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Run:
    """What is evaluated, and how.

    Attributes
    ----------
    about : mapping
        Data set, classes, model, settings, words: JSON values on which every count depends.
    images : tuple of str
        The names of the data set's images, in order.
    """

    about: Mapping[str, Any]
    images: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ``about``: what counts must share to be added."""
        return digest_of(self.about)


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """The counts of one image.

    Attributes
    ----------
    name : str
        Its name.
    content : mapping of str to str
        SHA-256 of the files that took part.
    counts : Counts
        The counts.
    """

    name: str
    content: Mapping[str, str]
    counts: Counts


def digest_of(values: Any) -> str:
    """Return the SHA-256 of JSON values, the same for equal values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    FormatError
        If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


class EvaluationState:
    """The folder with the counts of one evaluation.

    Parameters
    ----------
    folder : Path
        Where it is; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_run(self) -> Run | None:
        """Return what is being evaluated here; None in a folder that is new.

        Raises
        ------
        FormatError
            If the file cannot be read.
        """
        path = self.folder / _RUN
        if not path.is_file():
            return None
        data = self._read(path)
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']!r}")
            return Run(dict(data["about"]), tuple(map(str, data["images"])))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{path} was not written by this version of napari-itaclip ({error}); start again "
                "with --restart or another --output"
            ) from error

    def write_run(self, run: Run) -> None:
        """Write down what is being evaluated here, unless that is there already.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        data = {"schema": SCHEMA, "about": dict(run.about), "images": list(run.images)}
        content = _json_bytes(data)
        path = self.folder / _RUN
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)

    def save(self, run: Run, image: ImageCounts) -> None:
        """Write down the counts of an image.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        data = {
            "schema": SCHEMA,
            "digest": run.digest,
            "name": image.name,
            "content": dict(image.content),
            **image.counts.to_data(),
        }
        write_atomically(self._path(image.name), _json_bytes(data))

    def load(self, run: Run, name: str, classes: int) -> ImageCounts | None:
        """Return the counts of an image; None if there are none of this evaluation."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            data = self._read(path)
            if (data["schema"], data["digest"], data["name"]) != (SCHEMA, run.digest, name):
                return None
            content = {str(key): str(value) for key, value in data["content"].items()}
            return ImageCounts(name, content, Counts.from_data(data, classes))
        except (FormatError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            return None  # damaged: counted again

    def clear(self) -> None:
        """Remove the counts and what a killed process left of them, and nothing else.

        Raises
        ------
        OutputError
            If they cannot be removed.
        """
        try:
            for path in sorted((self.folder / _IMAGES).glob("*.json")):
                path.unlink()
            (self.folder / _RUN).unlink(missing_ok=True)
            sweep_unfinished(self.folder)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be cleared: {error.strerror}") from error

    def _path(self, name: str) -> Path:
        """Return the file of an image: readable, and different for every name."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        shown = _UNSAFE.sub("_", name)[-60:].lstrip(".") or "image"
        return self.folder / _IMAGES / f"{shown}-{digest}.json"

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        """Return the mapping in a JSON file."""
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError("it is too large")
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"cannot read {path}: {error}") from error
        if not isinstance(data, dict):
            raise FormatError(f"cannot read {path}: it holds no mapping")
        return data


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Sequence[str]:
    """Return the names of the values that differ, nested ones with dots."""
    found: list[str] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping) and key == "settings":
            found += differences(before, after, f"{key}.")
        else:
            found.append(f"{prefix}{key}")
    return found


def _json_bytes(data: Any) -> bytes:
    """Return JSON as a file's content; equal values give equal bytes."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()

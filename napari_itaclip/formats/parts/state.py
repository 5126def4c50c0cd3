"""What a data set's state folder remembers: its classes, and which files belong to which image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats.model import ExportOptions, LabelClass, Loss
from napari_itaclip.formats.parts.bounded import json_bytes
from napari_itaclip.formats.parts.json_files import read_json
from napari_itaclip.formats.parts.staging import replace_files
from napari_itaclip.formats.paths import file_name, inside
from napari_itaclip.formats.registry import STATE_FOLDER

SCHEMA = 1

GONE = "-"
"""Stands before the hash of a file that is to be deleted."""


@dataclass(frozen=True)
class ImageRecord:
    """What is known of one image's files.

    Attributes
    ----------
    name : str
        The image.
    files : mapping of str to str
        SHA-256 of each file, by its path in the data set. While they are being written, those
        that will be deleted are among them, with `GONE` before the hash.
    record : JSON value
        What the format needs to write the files of the whole data set.
    losses : tuple of Loss
        What the format could not hold.
    """

    name: str
    files: Mapping[str, str]
    record: Any = None
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class DatasetRecord:
    """What is known of a data set as a whole."""

    format: str
    classes: tuple[LabelClass, ...]
    options: ExportOptions
    about: Mapping[str, Any] = field(default_factory=dict)


class DatasetState:
    """The files below ``.itaclip/<format>/`` of a data set's folder."""

    def __init__(self, folder: Path, format_name: str) -> None:
        self.folder = inside(folder, f"{STATE_FOLDER}/{format_name}")

    def read_dataset(self) -> DatasetRecord | None:
        """Return what is known of the data set; None if there is none yet."""
        path = self.folder / "dataset.json"
        if not path.exists():
            return None
        data = _checked(path)
        try:
            return DatasetRecord(
                format=str(data["format"]),
                classes=tuple(LabelClass(**one) for one in data["classes"]),
                options=ExportOptions(**data["options"]),
                about=dict(data["about"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, error) from error

    def write_dataset(self, dataset: DatasetRecord) -> None:
        """Remember the data set's classes and options."""
        self._write(self.folder / "dataset.json", {"schema": SCHEMA, **asdict(dataset)})

    def read_assembled(self) -> dict[str, list[str]]:
        """Return the hashes that each file about the whole data set may have."""
        path = self.folder / "assembled.json"
        if not path.exists():
            return {}
        data = _checked(path)
        try:
            return {str(key): [str(one) for one in value] for key, value in data["files"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error

    def write_assembled(self, files: Mapping[str, Sequence[str]]) -> None:
        """Remember the hashes of the files about the whole data set."""
        known = {path: list(hashes) for path, hashes in sorted(files.items())}
        self._write(self.folder / "assembled.json", {"schema": SCHEMA, "files": known})

    def read_image(self, name: str, part: str = "records") -> ImageRecord | None:
        """Return what is known of an image; ``part`` is "records" or "pending"."""
        path = self._image_path(name, part)
        if not path.exists():
            return None
        found = _read_image(path)
        if found.name != name:
            raise OutputError(
                f"the images {found.name!r} and {name!r} would get the same files; rename one"
            )
        return found

    def write_image(
        self, image: ImageRecord, part: str = "records", files: Mapping[Path, bytes] | None = None
    ) -> None:
        """Remember an image's files, and write ``files`` before; all of it or nothing."""
        record = json_bytes({"schema": SCHEMA, **asdict(image)}, ascii_only=True)
        replace_files(self.folder, {**(files or {}), self._image_path(image.name, part): record})

    def drop_image(self, name: str, part: str = "records") -> None:
        """Forget an image."""
        try:
            self._image_path(name, part).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"the image {name!r} cannot be forgotten: {error}.") from error

    def images(self, part: str = "records") -> Iterator[ImageRecord]:
        """Return what is known of every image, in the order of their names."""
        found = [_read_image(path) for path in (self.folder / part).rglob("*.json")]
        return iter(sorted(found, key=lambda one: one.name))

    def _image_path(self, name: str, part: str) -> Path:
        return inside(self.folder, f"{part}/{file_name(name)}.json")

    def _write(self, path: Path, value: Any) -> None:
        replace_files(self.folder, {path: json_bytes(value, ascii_only=True)})


def digest(content: bytes) -> str:
    """Return the SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path} cannot be compared: {error.strerror or error}.") from error


def _read_image(path: Path) -> ImageRecord:
    data = _checked(path)
    try:
        return ImageRecord(
            name=str(data["name"]),
            files={str(file): str(value) for file, value in data["files"].items()},
            record=data["record"],
            losses=tuple(Loss(**one) for one in data["losses"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def _checked(path: Path) -> dict[str, Any]:
    """Read a file of the state folder."""
    try:
        data = read_json(path)
    except FormatError as error:
        raise _damaged(path, error) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise _damaged(path, f"its schema is not {SCHEMA}")
    return data


def _damaged(path: Path, reason: object) -> OutputError:
    return OutputError(
        f"{path}, which says what was written into this data set, cannot be used ({reason}); "
        "export into another folder"
    )

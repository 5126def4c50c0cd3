"""What a data set's state folder remembers: its classes, and which files belong to which image."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats.model import ExportOptions, LabelClass, Loss
from napari_itaclip.formats.parts.json_files import json_bytes, read_json
from napari_itaclip.formats.parts.staging import replace_files
from napari_itaclip.formats.paths import file_name, inside
from napari_itaclip.formats.registry import STATE_FOLDER

SCHEMA = 1

MAX_BYTES = 2**28
"""Larger files of the state are neither written nor read: they take ten times as much memory."""

_PATIENCE = 60.0
"""Seconds to wait for another process that writes into the same data set."""

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

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other threads and processes from writing into the data set; ends with the process.

        Where the file system has no locks, or the folder cannot be written to, there is none: then
        writing shows what is wrong.

        Raises
        ------
        OutputError
            If another process does not let go of it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / "lock", poll_interval=0.002, thread_local=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            raise OutputError(
                f"another process is writing into the data set in {self.folder.parent.parent}; "
                "wait for it to end"
            ) from None
        except (OSError, NotImplementedError):
            pass  # as said above
        try:
            yield
        finally:
            lock.release()

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
        if len(record) > MAX_BYTES:
            raise OutputError(
                f"what the data set has to remember of {image.name!r} takes {len(record):,} bytes, "
                f"more than the {MAX_BYTES:,} that are read again; write the image in parts, or as "
                "png or tiff"
            )
        replace_files(self.folder, {**(files or {}), self._image_path(image.name, part): record})

    def drop_image(self, name: str, part: str = "records") -> None:
        """Forget an image."""
        try:
            self._image_path(name, part).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"the image {name!r} cannot be forgotten: {error}.") from error

    def images(self, part: str = "records") -> Iterator[ImageRecord]:
        """Return what is known of every image, in the order of their names."""
        found = []
        for path in (self.folder / part).rglob("*.json"):
            if path.is_file():  # an image "a.json/b" makes a folder
                found.append(_read_image(path))
                if self._image_path(found[-1].name, part) != path:
                    raise _damaged(path, f"it is about {found[-1].name!r}")
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
            losses=tuple(
                Loss(str(one["kind"]), str(one["detail"]), int(one["pixels"]))
                for one in data["losses"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error


def _checked(path: Path) -> dict[str, Any]:
    """Read a file of the state folder."""
    try:
        data = read_json(path, max_bytes=MAX_BYTES)
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

"""A batch's folder: what is finished, its labels, its reviews, and who may write to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch._json import write_json
from napari_itaclip.batch._stored import (
    count_classes,
    mask_png,
    read_png,
    read_record,
    remove_file,
    sha256_of,
)
from napari_itaclip.batch.places import as_place, from_place
from napari_itaclip.batch.records import ItemRecord, ReviewRecord, StoredJob
from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.files import write_atomically
from napari_itaclip.vocabulary.classes import Vocabulary

if TYPE_CHECKING:
    from filelock import BaseFileLock

STATE_PLACE = (".itaclip", "batch")
"""Where a batch's state lies inside its first export folder."""

_SUFFIX = ".json"


class BatchState:
    """The state folder of a batch.

    Reading needs nothing; whoever writes holds the `lock`. Every file is written whole or not at
    all, so a killed process leaves a state that can be gone on with.

    Parameters
    ----------
    folder : Path
        The state folder. It need not exist before something is written.

    Attributes
    ----------
    folder : Path
        The state folder.
    home : Path
        What places in the records are relative to: the export folder that the state lies in, or
        the state folder itself where it was put elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        inside = self.folder.parts[-len(STATE_PLACE) :] == STATE_PLACE
        self.home = self.folder.parents[len(STATE_PLACE) - 1] if inside else self.folder

    @classmethod
    def find(cls, path: Path | str) -> BatchState:
        """Return the batch at ``path``: an export folder, its ``.itaclip``, or the state folder.

        Raises
        ------
        FormatError
            If there is none.
        """
        start = Path(path)
        for folder in (start, start / STATE_PLACE[1], start.joinpath(*STATE_PLACE)):
            if (folder / "job.json").is_file():
                return cls(folder)
        raise FormatError(
            f"there is no batch in {start}; name a folder that `napari-itaclip batch` has exported "
            "to, or the folder given to it by --state"
        )

    # ---- the whole batch -----------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether a batch has been started here."""
        return (self.folder / "job.json").is_file()

    @property
    def job(self) -> StoredJob:
        """The settings.

        Raises
        ------
        FormatError
            If they are missing or damaged.
        """
        return read_record(self.folder / "job.json", StoredJob.from_json)

    def save_job(self, job: StoredJob, vocabulary: Vocabulary) -> None:
        """Write settings and vocabulary; the settings last, for they say that a batch is here.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        from napari_itaclip.vocabulary.files import dumps_vocabulary

        write_atomically(self.folder / "vocabulary.yaml", dumps_vocabulary(vocabulary).encode())
        write_json(self.folder / "job.json", job.to_json())

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes.

        Raises
        ------
        VocabularyError
            If their file is missing or damaged.
        """
        from napari_itaclip.vocabulary.files import load_vocabulary

        return load_vocabulary(self.folder / "vocabulary.yaml")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from writing: one batch or review at a time. It ends with the process.

        Raises
        ------
        OutputError
            If another process holds it, or the folder cannot be written to.
        """
        lock = self._lock()
        try:
            yield
        finally:
            lock.release()

    def _lock(self) -> BaseFileLock:
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Whoever ends in the background lets go in another thread.
            lock = FileLock(self.folder / "lock", thread_local=False)
            lock.acquire(timeout=0)
        except Timeout:
            raise OutputError(
                f"another batch or review is working on {self.home}; wait for it to end, or use "
                "another folder"
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"{self.folder} cannot be written to: {reason}.") from error
        return lock

    # ---- images ----------------------------------------------------------------------------------

    def finished_keys(self) -> tuple[str, ...]:
        """Return the keys of all finished images, in order."""
        return self._keys("items")

    def items(self) -> tuple[ItemRecord, ...]:
        """Return the records of all finished images, in the order of their keys.

        Raises
        ------
        FormatError
            If one is damaged.
        """
        return tuple(self.item(key) for key in self.finished_keys())

    def item(self, key: str) -> ItemRecord:
        """Return the record of an image.

        Raises
        ------
        FormatError
            If there is none, or it is damaged.
        """
        path = self.path("items", key, _SUFFIX)
        record = read_record(path, ItemRecord.from_json)
        own = (key, f"labels/{key}.png", f"margins/{key}.png", record.valid and f"valid/{key}.png")
        if (record.key, record.labels, record.margin, record.valid) != own:
            raise FormatError(f"{path} cannot be used: it names the files of another image")
        return record

    def has_item(self, key: str) -> bool:
        """Say whether an image is finished."""
        return self.path("items", key, _SUFFIX).is_file()

    def save_item(self, record: ItemRecord) -> None:
        """Write the record of an image: from then on it is finished.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_json(self.path("items", record.key, _SUFFIX), record.to_json())

    def remove_item(self, key: str) -> None:
        """Forget that an image is finished; its files stay.

        Raises
        ------
        OutputError
            If its record cannot be deleted.
        """
        remove_file(self.path("items", key, _SUFFIX))

    def files_of(self, record: ItemRecord, folders: Mapping[str, Path]) -> tuple[Path, ...]:
        """Return all files of an image; ``folders`` holds the data sets' by format."""
        own = [
            self._inside(place) for place in (record.labels, record.margin, record.valid) if place
        ]
        return (
            *own,
            *(
                folders[name] / relative
                for name, files in record.exports.items()
                if name in folders
                for relative in files
            ),
        )

    def source_path(self, record: ItemRecord) -> Path:
        """Return the file that an image came from."""
        return from_place(record.source.path, self.home)

    def place(self, path: Path) -> str:
        """Return a path as the records hold it."""
        return as_place(path, self.home)

    def export_folder(self, format_name: str) -> Path:
        """Return the folder that a format is exported to.

        Raises
        ------
        FormatError
            If the batch does not export it.
        """
        for export in self.job.exports:
            if export.format == format_name:
                return from_place(export.folder, self.home)
        raise FormatError(f"the batch in {self.home} does not export {format_name!r}")

    # ---- label images ----------------------------------------------------------------------------

    def load_labels(self, record: ItemRecord) -> NDArray[np.integer[Any]]:
        """Return the class ids ``(H, W)`` of an image.

        Raises
        ------
        FormatError
            If their file is missing, damaged, or of another size.
        """
        return read_png(self._inside(record.labels), record.shape)

    def save_labels(self, record: ItemRecord, labels: NDArray[Any]) -> ItemRecord:
        """Write an image's labels; return its record with their hash and counts (not yet saved).

        Raises
        ------
        OutputError
            If they cannot be written.
        FormatError
            If they do not have the image's shape.
        """
        from napari_itaclip.segmentation.image_files import write_label_png

        if labels.shape != tuple(record.shape):
            raise FormatError(
                f"the labels of {record.name!r} have the shape {labels.shape}, not {record.shape}"
            )
        vocabulary = self.vocabulary
        colors = dict(zip(vocabulary.ids, vocabulary.colors, strict=True))
        path = self._inside(record.labels)
        write_label_png(path, labels, colors)
        return replace(record, labels_sha256=sha256_of(path), classes=count_classes(labels))

    def load_margin(self, record: ItemRecord) -> NDArray[np.float32]:
        """Return by how much the best class led at each pixel: ``(H, W)``, 0 to 1.

        Raises
        ------
        FormatError
            If the file is missing, damaged, or of another size.
        """
        values = read_png(self._inside(record.margin), record.shape)
        return values.astype(np.float32) / np.float32(255)

    def load_valid(self, record: ItemRecord) -> NDArray[np.bool_] | None:
        """Return the pixels ``(H, W)`` that show something; None for all.

        Raises
        ------
        FormatError
            If the file is missing, damaged, or of another size.
        """
        if not record.valid:
            return None
        return read_png(self._inside(record.valid), record.shape).astype(bool)

    # ---- reviews ---------------------------------------------------------------------------------

    def reviews(self) -> dict[str, ReviewRecord]:
        """Return what was decided about images, by key.

        Raises
        ------
        FormatError
            If a record is damaged.
        """
        return {key: self._review(key) for key in self._keys("reviews")}

    def review(self, key: str) -> ReviewRecord | None:
        """Return what was decided about an image; None if nothing was.

        Raises
        ------
        FormatError
            If the record is damaged.
        """
        return self._review(key) if self.path("reviews", key, _SUFFIX).is_file() else None

    def _review(self, key: str) -> ReviewRecord:
        path = self.path("reviews", key, _SUFFIX)
        review = read_record(path, ReviewRecord.from_json)
        if review.key != key:
            raise FormatError(f"{path} cannot be used: it is about another image")
        return review

    def save_review(self, review: ReviewRecord) -> None:
        """Write a decision.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_json(self.path("reviews", review.key, _SUFFIX), review.to_json())

    def drop_review(self, key: str) -> None:
        """Forget decision, hand edits and autosave of an image."""
        remove_file(self.path("reviews", key, _SUFFIX))
        remove_file(self.path("edits", key, ".png"))
        remove_file(self.path("autosave", key, ".png"))

    def has_edits(self, key: str) -> bool:
        """Say whether pixels of an image were changed by hand."""
        return self.path("edits", key, ".png").is_file()

    def load_edits(self, record: ItemRecord) -> NDArray[np.bool_] | None:
        """Return the pixels ``(H, W)`` that were changed by hand; None where there are none.

        Raises
        ------
        FormatError
            If the file is damaged or of another size.
        """
        if not self.has_edits(record.key):
            return None
        return read_png(self.path("edits", record.key, ".png"), record.shape).astype(bool)

    def save_edits(self, record: ItemRecord, edits: NDArray[np.bool_]) -> None:
        """Write the pixels that were changed by hand.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        write_atomically(self.path("edits", record.key, ".png"), mask_png(edits))

    # ---- files -----------------------------------------------------------------------------------

    def path(self, what: str, key: str, suffix: str) -> Path:
        """Return the file of an image in one of the state's folders.

        Raises
        ------
        OutputError
            If it would lie elsewhere.
        """
        return self._inside(f"{what}/{key}{suffix}")

    def _inside(self, relative: str) -> Path:
        from napari_itaclip.formats.paths import inside

        return inside(self.folder, relative)

    def _keys(self, what: str) -> tuple[str, ...]:
        folder = self.folder / what
        found = (path.relative_to(folder) for path in folder.rglob("*.json") if path.is_file())
        return tuple(sorted(path.as_posix().removesuffix(_SUFFIX) for path in found))

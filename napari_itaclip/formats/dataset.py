"""Data sets on disk: extended or refused, never half overwritten, the same bytes every time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    check_classes,
)
from napari_itaclip.formats.parts.refusals import check_classes_added, edited_by_hand, foreign
from napari_itaclip.formats.parts.staging import clear_staging, replace_files
from napari_itaclip.formats.parts.state import (
    GONE,
    DatasetRecord,
    DatasetState,
    ImageRecord,
    digest,
    file_digest,
)
from napari_itaclip.formats.paths import inside
from napari_itaclip.formats.registry import STATE_FOLDER, get_format
from napari_itaclip.formats.report import Added, ExportReport, summed_losses

__all__ = ["Added", "DatasetWriter", "ExportReport", "Replace"]

Replace = Literal[False, True, "edited"]
"""Whether files that are there may be replaced: never, only those that are as they were written
here, or also those that a person has edited since."""


class DatasetWriter:
    """Writes labelled images into one data set.

    What belongs to it is remembered in ``.itaclip/<format>/`` inside the folder, so that it can be
    extended later and files that a person has edited are noticed. `add` may be called from several
    threads and processes at once, for different images; `finish` by one.

    Parameters
    ----------
    folder
        The data set's folder; made if need be.
    format
        A `Format` or its name.
    classes
        All classes. A data set that is there already must have the same, or these but for the last
        ones.
    options
        The choices of a person. A data set that is there already must have the same, except for
        the split.
    about
        Facts for the files about the whole data set, such as ``"made_by"``; empty takes those that
        are remembered.

    Raises
    ------
    FormatError
        If the format cannot be written.
    OutputError
        If the folder holds another data set.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        format: str | Format,
        classes: Sequence[LabelClass],
        options: ExportOptions | None = None,
        *,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.format = format if isinstance(format, Format) else get_format(format)
        if self.format.render is None:
            raise FormatError(f"{self.format.title} can only be read; choose another format")
        self.classes = tuple(classes)
        check_classes(self.classes)
        self.options = options or ExportOptions()
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder} is a file; name a folder for the data set")
        self._state = DatasetState(self.folder, self.format.name)
        before = self._state.read_dataset()
        if before is not None:
            self._check_same(before)
        self.about = dict(about or (before.about if before is not None else {}))
        self._check_targets(self._assembled({}), edited=True)
        now = DatasetRecord(self.format.name, self.classes, self.options, self.about)
        if now != before:
            self._open(now, before)

    def has(self, name: str) -> bool:
        """Tell whether an image is in the data set with all its files."""
        record = self._state.read_image(name)
        return record is not None and all(self._path(one).is_file() for one in record.files)

    def add(self, item: LabelledImage, *, replace: Replace = False) -> Added:
        """Write one image's files.

        Parameters
        ----------
        item
            The image with its labels; its classes must be the data set's.
        replace
            What may happen to files that are there already, see `Replace`. Writing the same
            content once more is always fine.

        Raises
        ------
        FormatError
            If the format cannot hold these labels at all.
        OutputError
            If a file is there that must not be replaced, or one cannot be written. What was there
            before is untouched.
        """
        if item.classes != self.classes:
            raise FormatError(
                f"the classes of {item.name!r} are not those of the data set in {self.folder}"
            )
        assert self.format.render is not None  # checked when opened
        rendered = self.format.render(item, self.options)
        new = ImageRecord(
            name=item.name,
            files={path: digest(content) for path, content in sorted(rendered.files.items())},
            record=rendered.record,
            losses=tuple(rendered.losses),
        )
        with self._state.lock():
            old = self._state.read_image(item.name)
            begun = self._state.read_image(item.name, "pending")
            self._check_free(new, old, begun, replace)
            self._commit(new, rendered.files, (old, begun))
        return Added(new.files, new.losses)

    def remove(self, name: str, *, replace: Replace = True) -> None:
        """Delete an image's files and forget it; nothing happens if it is not there.

        Raises
        ------
        OutputError
            If a person has edited a file and ``replace`` is not "edited", or if the record was
            changed and names files outside the folder; nothing is deleted then.
        """
        with self._state.lock():
            record = self._state.read_image(name)
            if record is None:
                return
            edited = [one for one in record.files if self._isedited_by_hand(one, record)]
            if edited and replace != "edited":
                raise edited_by_hand(self.folder / edited[0])
            self._delete(record.files)
            self._state.drop_image(name)

    def changed_by_hand(self) -> tuple[str, ...]:
        """Return the files whose content is no longer what was written here, as paths."""
        found = []
        for record in self._state.images():
            begun = self._state.read_image(record.name, "pending")
            found += [path for path in record.files if self._isedited_by_hand(path, record, begun)]
        for path, hashes in self._state.read_assembled().items():
            if file_digest(self._path(path)) not in (None, *hashes):
                found.append(path)
        return tuple(sorted(found))

    def finish(self, *, replace: Replace = True) -> ExportReport:
        """Write the files about the whole data set.

        Call it again after more images were added: the same images give the same bytes.

        Parameters
        ----------
        replace
            "edited" also replaces files that a person has edited.

        Raises
        ------
        OutputError
            If one of the files is there and was not written here, or cannot be written.
        """
        with self._state.lock():
            return self._finish(replace)

    def _finish(self, replace: Replace) -> ExportReport:
        """Do what `finish` says; nobody else writes meanwhile."""
        self._settle()
        records = tuple(self._state.images())
        content = self._assembled({one.name: one.record for one in records})
        self._check_targets(content, edited=replace == "edited")
        known = self._state.read_assembled()
        new = {path: digest(data) for path, data in content.items()}
        if any(file_digest(self._path(path)) != value for path, value in new.items()):
            both = {path: [*known.get(path, ()), value] for path, value in new.items()}
            self._state.write_assembled({**known, **both})
            replace_files(
                self._state.folder, {self._path(path): data for path, data in content.items()}
            )
        self._delete([path for path in known if path not in new])
        once = {path: [value] for path, value in new.items()}
        if self._state.read_assembled() != once:
            self._state.write_assembled(once)
        return ExportReport(
            images=len(records),
            files=len(new) + len({path for one in records for path in one.files}),
            losses=summed_losses(loss for one in records for loss in one.losses),
            written=tuple(sorted(new)),
        )

    def _open(self, now: DatasetRecord, before: DatasetRecord | None) -> None:
        """Remember what the data set is, unless another process made another one meanwhile."""
        with self._state.lock():
            found = self._state.read_dataset()
            if found is not None and found != before:
                self._check_same(found)
            if found != now:
                self._state.write_dataset(now)

    # ---- checks -------------------------------------------------------------------------------

    def _check_same(self, before: DatasetRecord) -> None:
        """Refuse to mix data sets."""
        check_classes_added(self.folder, before.classes, self.classes)
        if replace(before.options, split=self.options.split) != self.options:
            raise OutputError(
                f"the data set in {self.folder} was written with other options; choose another "
                "folder or the same options"
            )
        if before.options.split != self.options.split and not self._knows_splits():
            raise OutputError(
                f"the data set in {self.folder} has the split {before.options.split!r}; "
                f"{self.format.title} cannot hold {self.options.split!r} beside it: choose another "
                "folder"
            )

    def _knows_splits(self) -> bool:
        """Tell whether the format remembers each image's split."""
        return all(
            isinstance(one.record, Mapping) and "split" in one.record
            for one in self._state.images()
        )

    def _check_targets(self, content: Mapping[str, bytes], *, edited: bool) -> None:
        """Refuse to replace files about another data set and, unless told to, edited ones."""
        known = self._state.read_assembled()
        for path, data in content.items():
            target = self._path(path)
            found = file_digest(target)
            if found is None or found == digest(data) or found in known.get(path, ()):
                continue
            if path not in known:
                raise foreign(target)
            if not edited:
                raise edited_by_hand(target)

    def _check_free(
        self,
        new: ImageRecord,
        old: ImageRecord | None,
        begun: ImageRecord | None,
        replace: Replace,
    ) -> None:
        """Refuse to overwrite what must stay."""
        for path in {**_files(old), **_files(begun), **new.files}:
            found = file_digest(self._path(path))
            if found is None or found == new.files.get(path):
                continue
            ours = {_files(one)[path].removeprefix(GONE) for one in (old, begun)
                    if path in _files(one)}  # fmt: skip
            if not ours:
                raise foreign(self._path(path))
            if found not in ours and replace != "edited":
                raise edited_by_hand(self._path(path))
            if replace is False and begun is None:
                raise OutputError(
                    f"the image {new.name!r} is already in the data set in {self.folder} with "
                    "other labels; ask for it to be replaced, or rename it"
                )

    def _isedited_by_hand(self, path: str, *records: ImageRecord | None) -> bool:
        """Tell whether a file is there with content that none of the records has."""
        known = {one.files[path] for one in records if one is not None and path in one.files}
        return file_digest(self._path(path)) not in (None, *known)

    # ---- writing ------------------------------------------------------------------------------

    def _commit(
        self,
        new: ImageRecord,
        files: Mapping[str, bytes],
        before: tuple[ImageRecord | None, ImageRecord | None],
    ) -> None:
        """Write an image's files, then the record by which they count, and delete other files."""
        stale = {
            path: value.removeprefix(GONE)
            for one in before
            for path, value in _files(one).items()
            if path not in new.files
        }
        changed = {
            self._path(path): files[path]
            for path, value in new.files.items()
            if file_digest(self._path(path)) != value
        }
        if changed or stale:
            # Should the process be killed now, this tells later which of the files are ours.
            gone = {path: GONE + value for path, value in stale.items()}
            begun = ImageRecord(new.name, {**new.files, **gone}, new.record, new.losses)
            self._state.write_image(begun, "pending")
        try:
            if changed or self._state.read_image(new.name) != new:
                self._state.write_image(new, files=changed)
        except OutputError:
            with contextlib.suppress(OutputError):
                if before[1] is None:
                    self._state.drop_image(new.name, "pending")
                else:
                    self._state.write_image(before[1], "pending")
            raise
        self._delete(stale)
        self._state.drop_image(new.name, "pending")

    def _settle(self) -> None:
        """Bring what killed processes left to an end: complete images count, the others do not."""
        for begun in tuple(self._state.images("pending")):
            new = {path: one for path, one in begun.files.items() if not one.startswith(GONE)}
            there = {path: file_digest(self._path(path)) for path in begun.files}
            if all(there[path] == value for path, value in new.items()):
                self._state.write_image(
                    ImageRecord(begun.name, new, begun.record, begun.losses)
                )  # fmt: skip
                self._delete(
                    path for path, one in begun.files.items() if one == f"{GONE}{there[path]}"
                )
            elif self._state.read_image(begun.name) is None:
                self._delete(path for path, value in new.items() if there[path] == value)
            else:
                continue  # half replaced: only the new labels can bring it to an end
            self._state.drop_image(begun.name, "pending")
        clear_staging(self._state.folder)

    def _delete(self, paths: Iterable[str]) -> None:
        """Delete files of the data set, and folders that become empty."""
        for path in paths:
            target = self._path(path)
            try:
                target.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"{target} cannot be deleted: {error.strerror}.") from error
            with contextlib.suppress(OSError):  # not empty
                for parent in target.parents:
                    if parent == self.folder:
                        break
                    parent.rmdir()

    def _assembled(self, records: Mapping[str, Any]) -> Mapping[str, bytes]:
        """Return the files about the whole data set."""
        if self.format.assemble is None:
            return {}
        try:
            return self.format.assemble(records, self.classes, self.options, self.about)
        except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            if not records:
                raise
            raise OutputError(
                f"the records in {self._state.folder} are not as they were written here "
                f"({error!r}); export into another folder"
            ) from error

    def _path(self, relative: str) -> Path:
        """Return the place of a file that an image or the data set has."""
        path = inside(self.folder, relative)
        if path.parts[len(self.folder.parts)].casefold() == STATE_FOLDER:
            raise OutputError(
                f"the path {relative!r} lies in {STATE_FOLDER}, where the data set's records are; "
                "rename the image, or export into another folder"
            )
        return path


def _files(record: ImageRecord | None) -> Mapping[str, str]:
    return {} if record is None else record.files

"""Annotation files from the labels of a batch: written at first, and again after a correction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch.context import stored_targets
from napari_itaclip.batch.georeference import read_georeference
from napari_itaclip.batch.plan import changed_exports
from napari_itaclip.batch.records import ItemRecord, StoredJob
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import OutputError
from napari_itaclip.files import sync_files
from napari_itaclip.formats.model import LabelClass, LabelledImage, classes_of

if TYPE_CHECKING:
    from napari_itaclip.batch.context import JobContext
    from napari_itaclip.batch.inputs import BatchInput
    from napari_itaclip.batch.job import ExportTarget
    from napari_itaclip.formats.dataset import DatasetWriter
    from napari_itaclip.formats.report import ExportReport


def refresh_exports(
    state: BatchState, record: ItemRecord, labels: NDArray[np.integer[Any]]
) -> ItemRecord:
    """Write an image's labels and its files in all formats after a correction.

    The caller holds the state's lock. Files about the whole data set follow with `finish_exports`.

    Parameters
    ----------
    state : BatchState
        The batch.
    record : ItemRecord
        The image.
    labels : ndarray of int, shape (H, W)
        The corrected class ids.

    Returns
    -------
    ItemRecord
        The record as it was saved, marked as edited if the labels are other than before.

    Raises
    ------
    FormatError
        If the labels do not fit, or a format cannot hold them.
    ImageError
        If the image is needed for its picture and cannot be read; the labels are saved already.
    OutputError
        If a file cannot be written; the labels are saved first. Also if a person has changed a
        format's files in another program: they stay, everything else is written.
    """
    changed = state.save_labels(record, labels)
    edited = record.edited or changed.labels_sha256 != record.labels_sha256
    record = replace(changed, edited=edited)
    targets = _own_targets(state)
    kept = changed_exports(targets, record)
    renewed = tuple(target for target in targets if target.format not in kept)
    # From here on the labels count; files between old and new are no one's edits.
    state.save_item(record.without_exports([target.format for target in renewed]))
    classes, about = classes_of(state.vocabulary), {"made_by": state.job.made_by}
    wanted = any(target.options.images for target in renewed)
    image = input_of(state, record).prepare().rgb if wanted else None
    picture = image_of_record(state, record, classes, image=image)
    for target in renewed:
        added = open_writer(target, classes, about).add(picture, replace=True)
        digest = target.digest(classes)
        record = record.with_export(target.format, added.files, digest, added.losses)
    sync_files(state.files_of(record, {target.format: target.folder for target in targets}))
    state.save_item(record)
    if kept:
        raise OutputError(
            f"the {', '.join(kept)} files of {record.name!r} were changed in another program and "
            "stay as they are; delete them to have them written from these labels"
        )
    return record


def finish_exports(state: BatchState) -> dict[str, ExportReport]:
    """Write the files about each whole data set of a batch; return what each holds.

    Raises
    ------
    OutputError
        If one of them cannot be written, or was changed by a person.
    """
    classes, about = classes_of(state.vocabulary), {"made_by": state.job.made_by}
    return {
        target.format: open_writer(target, classes, about).finish()
        for target in _own_targets(state)
    }


def _own_targets(state: BatchState) -> tuple[ExportTarget, ...]:
    """Return the data sets of a batch.

    The settings that name them may have come with a folder from somebody else: whatever they say,
    nothing is written outside that folder where there is no data set of the format yet.

    Raises
    ------
    OutputError
        If one of them is not there.
    """
    targets = stored_targets(state)
    home = state.home.resolve()
    for target in targets:
        inside = target.folder.resolve().is_relative_to(home)
        known = target.folder / ".itaclip" / target.format / "dataset.json"
        if not inside and not known.is_file():
            raise OutputError(
                f"there is no {target.format} data set of this batch in {target.folder}: put it "
                "back there, or run the batch again"
            )
    return targets


def open_writer(
    target: ExportTarget, classes: Sequence[LabelClass], about: dict[str, Any]
) -> DatasetWriter:
    """Open the data set of a target."""
    from napari_itaclip.formats.dataset import DatasetWriter

    return DatasetWriter(target.folder, target.format, classes, target.options, about=about)


def input_of(state: BatchState, record: ItemRecord) -> BatchInput:
    """Return the image that a record is about, to read it again."""
    from napari_itaclip.batch.inputs import BatchInput

    source = record.source
    path = state.source_path(record)
    return BatchInput(record.name, path, source.page, source.array, source.scale)


def image_of_record(
    state: BatchState,
    record: ItemRecord,
    classes: tuple[LabelClass, ...],
    *,
    image: NDArray[np.uint8] | None,
) -> LabelledImage:
    """Return an image with the labels that are stored.

    Raises
    ------
    FormatError
        If they are missing or damaged.
    """
    margin = np.rint(state.load_margin(record) * 255).astype(np.uint8)
    edits = state.load_edits(record)
    if edits is not None:
        margin[edits] = 255  # a person is sure
    return labelled_image(
        state.job,
        record,
        state.source_path(record),
        classes,
        state.load_labels(record),
        margin,
        image=image,
        valid=state.load_valid(record),
    )


def labelled_image(
    job: StoredJob,
    record: ItemRecord,
    path: Path,
    classes: tuple[LabelClass, ...],
    labels: NDArray[np.integer[Any]],
    margin: NDArray[np.uint8],
    *,
    image: NDArray[np.uint8] | None,
    valid: NDArray[np.bool_] | None,
) -> LabelledImage:
    """Return what the formats render: the same from fresh labels and from stored ones."""
    whole = record.source.scale == 1 and not path.is_dir()
    return LabelledImage(
        name=record.name,
        labels=labels,
        classes=classes,
        image=image,
        image_path=path if whole else None,
        page=record.source.page if whole else None,
        valid=valid,
        confidence=margin.astype(np.float32) / np.float32(255),
        georeference=read_georeference(path) if whole and record.source.page is None else None,
        made_by=job.made_by,
    )


def write_exports(
    context: JobContext, record: ItemRecord, picture: LabelledImage, formats: Collection[str]
) -> ItemRecord:
    """Write an image's files in some formats; return its record with them (not yet saved).

    Raises
    ------
    OutputError
        If a file cannot be written.
    FormatError
        If a format cannot hold these labels.
    """
    for target in context.job.exports:
        if target.format in formats:
            added = context.writer(target).add(
                picture, replace="edited" if context.job.redo_edited else True
            )
            digest = context.export_digests[target.format]
            record = record.with_export(target.format, added.files, digest, added.losses)
    return record

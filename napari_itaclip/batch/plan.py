"""What an image still needs: nothing, new files of a format, or labels; and what must stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_itaclip.batch._stored import sha256_of
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import FormatError
from napari_itaclip.formats.paths import file_name, inside

if TYPE_CHECKING:
    from napari_itaclip.batch.context import JobContext
    from napari_itaclip.batch.inputs import BatchInput
    from napari_itaclip.batch.job import ExportTarget
    from napari_itaclip.batch.records import ItemRecord

Action = Literal["skip", "label", "render", "keep"]


@dataclass(frozen=True)
class Plan:
    """What to do with an image.

    Attributes
    ----------
    action : {"skip", "label", "render", "keep"}
        Nothing is missing; run the model; write files from the labels that are there; a person has
        worked on it.
    record : ItemRecord or None
        What is known of it.
    formats : tuple of str
        Formats whose files are to be written.
    reason : str
        Why it is kept, for a person.
    """

    action: Action
    record: ItemRecord | None
    formats: tuple[str, ...] = ()
    reason: str = ""


def plan_item(context: JobContext, item: BatchInput, input_sha256: str) -> Plan:
    """Say what an image still needs.

    Parameters
    ----------
    context : JobContext
        The job.
    item : BatchInput
        The image.
    input_sha256 : str
        Hash of its content.

    Raises
    ------
    FormatError
        If its record is damaged.
    """
    state, every = context.state, tuple(one.format for one in context.job.exports)
    key = file_name(item.name)
    if not state.has_item(key):
        return Plan("label", None, every)
    record = state.item(key)
    if record.name != item.name:
        raise FormatError(f"the images {record.name!r} and {item.name!r} would get the same files")
    edited = changed_exports(context.job.exports, record)
    reason = "" if context.job.redo_edited else worked_on(state, record)
    if not reason and edited and not context.job.redo_edited:
        reason = f"a person has changed the {', '.join(edited)} files"
    if not reason and (
        record.input_sha256 != input_sha256
        or record.digest != context.digest
        or not _labels_intact(state, record)
        or (context.job.redo_edited and (edited or worked_on(state, record)))
    ):
        return Plan("label", record, every)
    # Files by other settings, or that are gone, are written from the labels; edited ones stay.
    labels = inside(state.folder, record.labels).is_file()
    missing = tuple(
        name for name in every if labels and name not in edited and _lacks(context, record, name)
    )
    if reason:
        return Plan("keep", record, missing, reason)
    return Plan("render", record, missing) if missing else Plan("skip", record)


def worked_on(state: BatchState, record: ItemRecord) -> str:
    """Return what a person did to an image's labels; empty when nothing.

    Raises
    ------
    FormatError
        If its review is damaged.
    """
    review = state.review(record.key)
    if review is not None and review.final:
        return f"a person has {review.state} it"
    if record.edited or state.has_edits(record.key):
        return "a person has corrected it"
    labels = inside(state.folder, record.labels)
    if labels.is_file() and sha256_of(labels) != record.labels_sha256:
        return "a person has changed its labels"
    return ""


def changed_exports(targets: Sequence[ExportTarget], record: ItemRecord) -> tuple[str, ...]:
    """Return the formats of which a person has changed a file."""
    return tuple(
        target.format
        for target in targets
        if any(
            _is_changed(target.folder, path, sha256)
            for path, sha256 in record.exports.get(target.format, {}).items()
        )
    )


def _is_changed(folder: Path, relative: str, sha256: str) -> bool:
    path = inside(folder, relative)
    return path.is_file() and sha256_of(path) != sha256


def _labels_intact(state: BatchState, record: ItemRecord) -> bool:
    places = [record.labels, record.margin, *filter(None, [record.valid])]
    return all(inside(state.folder, place).is_file() for place in places)


def _lacks(context: JobContext, record: ItemRecord, format_name: str) -> bool:
    """Say whether a format's files are missing, or were made with other choices."""
    target = next(one for one in context.job.exports if one.format == format_name)
    return (
        record.export_digests.get(format_name) != context.export_digests[format_name]
        or any(
            not inside(target.folder, path).is_file()
            for path in record.exports.get(format_name, ())
        )
        or not context.writer(target).has(record.name)
    )

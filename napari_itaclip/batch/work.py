"""One image's work, step by step: look what is missing, encode, decide, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch._stored import (
    count_classes,
    gray_png,
    mask_png,
    remove_file,
    sha256_of,
)
from napari_itaclip.batch.plan import Plan, plan_item
from napari_itaclip.batch.records import ItemRecord, Source
from napari_itaclip.batch.refresh import image_of_record, labelled_image, write_exports
from napari_itaclip.files import sync_files, write_atomically
from napari_itaclip.formats.paths import file_name, inside

if TYPE_CHECKING:
    from napari_itaclip.batch.context import JobContext
    from napari_itaclip.batch.inputs import BatchInput
    from napari_itaclip.segmentation.features import ImageFeatures
    from napari_itaclip.segmentation.image import PreparedImage

Ending = Literal["done", "skipped", "kept", "failed", "left"]
"""How it ended: labelled or written now; was finished before; a person's work that stays; could not
be labelled; the batch was stopped first."""


@dataclass(frozen=True)
class Outcome:
    """What became of an image.

    Attributes
    ----------
    name : str
        The image.
    ending : {"done", "skipped", "kept", "failed", "left"}
        How it ended.
    record : ItemRecord or None
        Its record, if it has one.
    reason : str
        Why it was kept or failed, for a person.
    """

    name: str
    ending: Ending
    record: ItemRecord | None = None
    reason: str = ""


@dataclass(frozen=True)
class LabelResult:
    """Labels before they are written.

    Attributes
    ----------
    labels : ndarray of int, shape (H, W)
        Class ids.
    margin : ndarray of uint8, shape (H, W)
        Lead of the best class, 0 to 255.
    notes : tuple of str
        What a person should know.
    """

    labels: NDArray[np.integer[Any]]
    margin: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """An image on its way through the steps.

    Attributes
    ----------
    item : BatchInput
        The image.
    sha256 : str
        Hash of its content.
    plan : Plan
        What it needs.
    image : PreparedImage, optional
        The picture, where it is needed.
    features : ImageFeatures, optional
        What the network says.
    result : LabelResult, optional
        The labels.
    """

    item: BatchInput
    sha256: str
    plan: Plan
    image: PreparedImage | None = None
    features: ImageFeatures | None = None
    result: LabelResult | None = None


def never() -> bool:
    """Say that nobody has asked to stop."""
    return False


def process_one(
    context: JobContext, item: BatchInput, stopping: Callable[[], bool] = never
) -> Outcome:
    """Do everything that an image needs: read, label, write its files, and last its record.

    Safe to repeat and to be killed in: an image counts as finished when its record is there.

    Parameters
    ----------
    context : JobContext
        The job.
    item : BatchInput
        The image.
    stopping : callable, optional
        Returns True when the work is to be left.

    Raises
    ------
    ImageError, FormatError
        If this image cannot be labelled or written.
    OutputError
        If nothing more can be written (a full disk).
    StopBatchError
        If no image can be labelled.
    """
    task = decide(context, encode(context, examine(context, item), stopping))
    return commit(context, task)


def examine(context: JobContext, item: BatchInput) -> Task:
    """Find out what an image needs, and read it if need be."""
    sha256 = item.sha256()
    plan = plan_item(context, item, sha256)
    pictures = any(one.options.images for one in context.job.exports if one.format in plan.formats)
    wanted = plan.action == "label" or (plan.formats and pictures)
    return Task(item, sha256, plan, item.prepare() if wanted else None)


def encode(context: JobContext, task: Task, stopping: Callable[[], bool] = never) -> Task:
    """Run the network over an image that needs it."""
    if task.plan.action != "label":
        return task
    context.embeddings()  # what is wrong with model or words stops the batch, not this image
    assert task.image is not None
    features = None
    for step in context.segmenter.iter_encode(task.image, context.preset):
        features = step.features
        if stopping():
            return replace(task, image=None)
    return replace(task, features=features)


def decide(context: JobContext, task: Task) -> Task:
    """Turn features into labels."""
    if task.features is None:
        return task
    found = context.segmenter.segment_embedded(
        task.features,
        context.job.vocabulary,
        context.embeddings(),
        refine=context.preset.refine,
        decision=context.preset.decide,
    )
    margin = np.rint(found.margin * 255).astype(np.uint8)
    result = LabelResult(found.labels, margin, found.notes)
    return replace(task, features=None, result=result)


def commit(context: JobContext, task: Task) -> Outcome:
    """Write an image's files, and last the record by which it is finished."""
    plan, name = task.plan, task.item.name
    if plan.action == "skip":
        return Outcome(name, "skipped", plan.record)
    if plan.action == "label":
        if task.result is None:
            return Outcome(name, "left")
        return Outcome(name, "done", _commit_labels(context, task, task.result))
    assert plan.record is not None
    record = plan.record
    if plan.formats:
        record = _commit_exports(context, task, record)
    if plan.action == "keep":
        return Outcome(name, "kept", record, plan.reason)
    return Outcome(name, "done", record)


def _commit_labels(context: JobContext, task: Task, result: LabelResult) -> ItemRecord:
    from napari_itaclip.segmentation.image_files import write_label_png

    state, item, old = context.state, task.item, task.plan.record
    key = file_name(item.name)
    assert task.image is not None
    if old is not None:
        # From here on the image is unfinished: files between old and new are no one's edits.
        if context.job.redo_edited:
            state.drop_review(key)
        state.remove_item(key)
    valid = task.image.valid
    record = ItemRecord(
        key=key,
        name=item.name,
        source=Source(state.place(item.path), item.page, item.array, item.scale),
        input_sha256=task.sha256,
        digest=context.digest,
        shape=(result.labels.shape[0], result.labels.shape[1]),
        labels=f"labels/{key}.png",
        labels_sha256="",
        margin=f"margins/{key}.png",
        valid="" if valid is None else f"valid/{key}.png",
        uncertainty=uncertainty(result.margin, valid),
        classes=count_classes(result.labels),
        notes=result.notes,
    )
    colors = {one.id: one.color for one in context.classes}
    labels = inside(state.folder, record.labels)
    write_label_png(labels, result.labels, colors)
    write_atomically(inside(state.folder, record.margin), gray_png(result.margin))
    if valid is not None:
        write_atomically(inside(state.folder, record.valid), mask_png(valid))
    elif old is not None and old.valid:
        remove_file(inside(state.folder, old.valid))
    record = replace(record, labels_sha256=sha256_of(labels))
    picture = labelled_image(
        context.stored(), record, item.path, context.classes, result.labels, result.margin,
        image=task.image.rgb, valid=valid,
    )  # fmt: skip
    record = write_exports(context, record, picture, task.plan.formats)
    sync_files(state.files_of(record, context.folders))
    state.save_item(record)
    return record


def _commit_exports(context: JobContext, task: Task, record: ItemRecord) -> ItemRecord:
    """Write files from labels that are there."""
    picture = image_of_record(
        context.state, record, context.classes, image=task.image.rgb if task.image else None
    )
    # While they are being written, these files are no one's edits: the record does without them.
    context.state.save_item(record.without_exports(task.plan.formats))
    record = write_exports(context, record, picture, task.plan.formats)
    sync_files(context.state.files_of(record, context.folders))
    context.state.save_item(record)
    return record


def uncertainty(margin: NDArray[np.uint8], valid: NDArray[np.bool_] | None) -> float:
    """Return the mean of 1 - margin over the valid pixels, 0 to 1, to six digits."""
    values = margin if valid is None else margin[valid]
    return round(1 - float(values.mean(dtype=np.float64)) / 255, 6) if values.size else 0.0

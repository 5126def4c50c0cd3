"""A batch that is run again with other classes: when that is fine, and when it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_itaclip.batch._stored import remove_file
from napari_itaclip.batch.context import stored_targets
from napari_itaclip.batch.plan import changed_exports, worked_on
from napari_itaclip.batch.refresh import open_writer
from napari_itaclip.errors import OutputError, VocabularyError
from napari_itaclip.formats.model import classes_of
from napari_itaclip.formats.paths import inside

if TYPE_CHECKING:
    from napari_itaclip.batch.context import JobContext
    from napari_itaclip.batch.inputs import BatchInput
    from napari_itaclip.batch.job import ExportTarget
    from napari_itaclip.formats.dataset import Replace
    from napari_itaclip.formats.model import LabelClass


def prepare_exports(context: JobContext, items: Sequence[BatchInput]) -> None:
    """Open all data sets and write the job down; begin data sets anew where that is called for.

    That is where classes or options have changed.

    It is safe when classes were only added at the end, or when every image that is finished will
    be labelled again. Labels that a person has worked on are not made again, so their class ids
    must keep their meaning.

    Raises
    ------
    VocabularyError
        If ids in labels that stay would mean other classes.
    OutputError
        If a folder holds another data set.
    """
    state, anew = context.state, []
    if state.exists and state.finished_keys():
        before = classes_of(state.vocabulary)
        grown = context.classes[: len(before)] == before
        if not grown:
            _check_nothing_stays(context, items, before)
        targets = {one.format: one for one in stored_targets(state)}
        for target in context.job.exports:
            old = targets.get(target.format)
            same_place = old is not None and old.folder.absolute() == target.folder.absolute()
            if old is not None and same_place and not (grown and old.options == target.options):
                anew.append(old)
    # What may be refused comes first: then a refused batch leaves the one before as it was.
    for target in context.job.exports:
        if target.format not in {old.format for old in anew}:
            context.writer(target)
    for old in anew:
        _begin_anew(context, old, before)
    # Emptied data sets belong to the classes before until this, and to the new ones after it.
    state.save_job(context.stored(), context.job.vocabulary)
    for target in context.job.exports:
        context.writer(target)


def _check_nothing_stays(
    context: JobContext, items: Sequence[BatchInput], before: tuple[LabelClass, ...]
) -> None:
    """Refuse other classes while there are labels that would keep the old ids."""
    state = context.state
    again = {item.name for item in items}
    stays = [
        record.name
        for record in state.items()
        if record.name not in again
        or (
            not context.job.redo_edited
            and (worked_on(state, record) or changed_exports(context.job.exports, record))
        )
    ]
    if not stays:
        return
    there = {one.id: one for one in before}
    other = next((one for one in context.classes if there.get(one.id, one) != one), None)
    gone = next((one for one in before if one not in context.classes), before[0])
    what = (
        f"the id {other.id} was {there[other.id].name!r} ({there[other.id].color}) and would be "
        f"{other.name!r} ({other.color})"
        if other is not None
        else f"{gone.name!r} is missing or stands in another place"
    )
    raise VocabularyError(
        f"the classes have changed ({what}), but {len(stays)} images keep their labels, such as "
        f"{stays[0]!r}: a person has worked on them, or they are not among the inputs. Add new "
        "classes at the end only, export to another folder, or lose those edits with --redo-edited"
    )


def _begin_anew(context: JobContext, old: ExportTarget, before: tuple[LabelClass, ...]) -> None:
    """Empty a data set, so that it can be written with other classes or options."""
    from napari_itaclip.formats.registry import STATE_FOLDER

    state = context.state
    replace: Replace = "edited" if context.job.redo_edited else True
    writer = open_writer(old, before, {})
    by_hand = writer.changed_by_hand()
    if by_hand and not context.job.redo_edited:
        raise OutputError(
            f"{old.folder / by_hand[0]} was changed by a person, so the data set cannot be written "
            "anew with other classes or options; export to another folder, move that file away, or "
            "lose the change with --redo-edited"
        )
    for record in state.items():
        state.save_item(record.without_exports([old.format]))
        writer.remove(record.name, replace=replace)
    remove_file(inside(old.folder, f"{STATE_FOLDER}/{old.format}/dataset.json"))

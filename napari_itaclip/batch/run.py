"""Running a batch on this computer."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_itaclip.batch import work
from napari_itaclip.batch._json import write_json
from napari_itaclip.batch.changes import prepare_exports
from napari_itaclip.batch.context import JobContext, StopBatchError
from napari_itaclip.batch.inputs import BatchInput, find_inputs
from napari_itaclip.batch.pipeline import Step, run_steps
from napari_itaclip.batch.progress import BatchReport, ShowProgress, Tally
from napari_itaclip.batch.records import SCHEMA
from napari_itaclip.batch.state import BatchState
from napari_itaclip.batch.work import Outcome
from napari_itaclip.errors import FormatError, ItaclipError, OutputError
from napari_itaclip.files import sweep_unfinished
from napari_itaclip.formats.paths import file_name

if TYPE_CHECKING:
    from napari_itaclip.batch.job import BatchJob
    from napari_itaclip.batch.naming import Plane
    from napari_itaclip.formats.dataset import Replace
    from napari_itaclip.segmentation.segmenter import Segmenter

_MANY_CORES = 4
"""From here on reading and writing get two threads each."""

_ONE_FILE = frozenset(
    (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EILSEQ, errno.EINVAL)
)
"""Errors in writing that are about one file's name or place."""


@dataclass(frozen=True)
class Preparation:
    """A batch that is ready to run; its lock is held.

    Attributes
    ----------
    context : JobContext
        The job with what is loaded for it.
    items : tuple of BatchInput
        The images of this run.
    total : int
        All images, those included that a limit leaves for later.
    """

    context: JobContext
    items: tuple[BatchInput, ...]
    total: int


def run_batch(
    job: BatchJob,
    *,
    segmenter: Segmenter | None = None,
    progress: ShowProgress | None = None,
    stop: Callable[[], bool] | None = None,
) -> BatchReport:
    """Label all images of a job that are not finished yet.

    Parameters
    ----------
    job : BatchJob
        What to do.
    segmenter : Segmenter, optional
        A model that is loaded already; it must be the job's.
    progress : callable, optional
        Called with a `BatchProgress` after every image, in the caller's thread.
    stop : callable, optional
        Asked several times a second; when it returns True, the images under way are left or
        finished, whatever is quicker, and the batch ends as usual. The next run goes on.

    Returns
    -------
    BatchReport
        What was done. Images that could not be read are listed there and in ``problems.json``.

    Raises
    ------
    SettingsError, VocabularyError, ImageError
        If there is nothing to label, or the words do not fit corrections that are there.
    CheckpointError
        If the model cannot be loaded.
    OutputError
        If nothing can be written (a full disk), the folder holds something else, or another batch
        is working there. What is finished stays finished.
    KeyboardInterrupt
        After everything was brought to an end as for ``stop``.
    """
    with prepared(job, segmenter=segmenter) as ready:
        tally = Tally(ready.total, progress)
        interrupt: KeyboardInterrupt | None = None
        halt = threading.Event()

        def glance() -> None:
            if stop is not None and stop():
                halt.set()

        def interrupted(error: KeyboardInterrupt) -> None:
            nonlocal interrupt
            if interrupt is not None:  # a person who is in a hurry
                raise error
            interrupt = error
            halt.set()

        outcomes = label_images(ready.context, ready.items, halt, tally, glance, interrupted)
        for outcome in outcomes:
            try:
                tally.count(outcome)
            except KeyboardInterrupt as error:
                interrupted(error)
        report = finish(ready.context, tally)
        if interrupt is not None:
            raise interrupt
        return report


@contextlib.contextmanager
def prepared(job: BatchJob, *, segmenter: Segmenter | None = None) -> Iterator[Preparation]:
    """Lock the batch's folder, find the images, and write down what is about to be done.

    Raises are those of `run_batch`.
    """
    state = BatchState(job.state_folder)
    _check_folders(job)
    # What is wrong with a new batch shows before a folder is made for it.
    items = None if state.exists else find_inputs(job)
    with state.lock():
        sweep_unfinished(state.folder)
        if items is None or state.exists:
            items = find_inputs(job, known_names(state))
        context = JobContext(job, segmenter=segmenter)
        prepare_exports(context, items)
        yield Preparation(context, limited(state, items, job.limit), len(items))


def label_images(
    context: JobContext,
    items: Iterable[BatchInput],
    halt: threading.Event,
    tally: Tally,
    glance: Callable[[], None] | None = None,
    interrupted: Callable[[KeyboardInterrupt], None] | None = None,
) -> Iterator[Outcome]:
    """Yield what becomes of each image; reading, encoding, deciding and writing overlap.

    Parameters
    ----------
    context : JobContext
        The job.
    items : iterable of BatchInput
        The images.
    halt : Event
        When set, no further image is begun.
    tally : Tally
        Told when the model begins.
    glance, interrupted : callable, optional
        See `run_steps`.
    """

    def encode(task: work.Task) -> work.Task:
        if halt.is_set() or task.plan.action != "label":
            return task
        context.embeddings()
        tally.begin_labelling()
        encoded = work.encode(context, task, halt.is_set)
        # On a card one image is encoded while the processor decides about the one before. Without
        # one, a second thread would only be in the way of the first, which uses all cores.
        return encoded if context.on_accelerator else work.decide(context, encoded)

    def decide(task: work.Task) -> work.Task:
        return work.decide(context, task)

    several = 2 if (os.cpu_count() or 1) >= _MANY_CORES else 1
    steps = [
        Step(guarded(lambda item: work.examine(context, item)), several),
        Step(guarded(encode)),
        Step(guarded(decide)),
        Step(guarded(lambda task: work.commit(context, task)), several),
    ]

    def until_halted() -> Iterator[BatchInput]:
        for item in items:
            if halt.is_set():
                return
            yield item

    return run_steps(until_halted(), steps, glance=glance, interrupted=interrupted)


def guarded(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a step in which an error is one image's affair, unless no other would fare better.

    Damaged images fail in all ways that decoders know, so every error counts as the image's own,
    except for those in writing and those that say so.
    """

    def call(task: Any) -> Any:
        if isinstance(task, Outcome):
            return task
        name = task.name if isinstance(task, BatchInput) else task.item.name
        try:
            return step(task)
        except StopBatchError as error:
            raise error.reason from None
        except OutputError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno not in _ONE_FILE:
                raise  # the disk is full, or nothing may be written
            return Outcome(name, "failed", reason=str(error))
        except ItaclipError as error:
            return Outcome(name, "failed", reason=str(error))
        except MemoryError:
            return Outcome(name, "failed", reason="it does not fit into memory")
        except Exception as error:
            return Outcome(name, "failed", reason=f"{type(error).__name__}: {error}")

    return call


def finish(context: JobContext, tally: Tally) -> BatchReport:
    """Write the files about whole data sets and the list of problems; return the report.

    Raises
    ------
    OutputError
        If one cannot be written, or was changed by a person.
    """
    report = tally.report()
    write_json(
        context.state.folder / "problems.json",
        {
            "schema": SCHEMA,
            "problems": [{"name": name, "reason": reason} for name, reason in report.failed],
        },
    )
    replace: Replace = "edited" if context.job.redo_edited else True
    exports = tuple(
        (target.format, context.writer(target).finish(replace=replace))
        for target in context.job.exports
    )
    return tally.report(exports)


def known_names(state: BatchState) -> dict[Plane, str]:
    """Return the names that images have already, by where they come from."""
    names: dict[Plane, str] = {}
    for key in state.finished_keys():
        with contextlib.suppress(FormatError):  # its image will be told of when its turn comes
            record = state.item(key)
            source = record.source
            names[state.source_path(record), source.page, source.array] = record.name
    return names


def limited(
    state: BatchState, items: Sequence[BatchInput], limit: int | None
) -> tuple[BatchInput, ...]:
    """Return all images that are finished and the first ``limit`` of the others."""
    if limit is None:
        return tuple(items)
    chosen: list[BatchInput] = []
    for item in items:
        if not state.has_item(file_name(item.name)):
            if limit == 0:
                continue
            limit -= 1
        chosen.append(item)
    return tuple(chosen)


def _check_folders(job: BatchJob) -> None:
    """Refuse what would only show after the model was loaded."""
    for target in job.exports:
        if target.folder.exists() and not target.folder.is_dir():
            raise OutputError(f"{target.folder} is a file; name a folder for the data set")

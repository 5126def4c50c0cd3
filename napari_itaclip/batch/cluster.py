"""Running a batch on many machines, with Dask: the head decides, workers label.

The head is the process that was started: it finds the images, holds the lock, decides what is
finished and what a person has edited, hands out one image per task, and writes the files about
whole data sets. A worker does what `process_one` does: the record of an image is written last, so
that a task can die at any moment and be done again elsewhere.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from napari_itaclip.batch._cluster_checks import (
    check_folders,
    check_workers,
    connected,
    shared_job,
    wait_for_workers,
)
from napari_itaclip.batch._cluster_desk import Desk
from napari_itaclip.batch._cluster_worker import ClusterError
from napari_itaclip.batch.context import known_model, source_of
from napari_itaclip.batch.progress import BatchReport, ShowProgress, Tally
from napari_itaclip.batch.run import Preparation, finish, prepared
from napari_itaclip.batch.state import BatchState
from napari_itaclip.batch.work import Outcome
from napari_itaclip.files import sweep_unfinished

if TYPE_CHECKING:
    from napari_itaclip.batch.job import BatchJob
    from napari_itaclip.segmentation.segmenter import Segmenter

__all__ = ["PATIENCE_S", "ClusterError", "run_on_cluster"]

PATIENCE_S = 120.0
"""How long to wait for a worker where there is none."""


def run_on_cluster(
    job: BatchJob,
    address: str,
    *,
    progress: ShowProgress | None = None,
    stop: Callable[[], bool] | None = None,
    patience: float = PATIENCE_S,
) -> BatchReport:
    """Label all images of a job that are not finished yet, on the workers of a Dask cluster.

    Files, resuming, and what happens to edited files are those of `run_batch`. Inputs, outputs and
    a local weights file must have the same paths on all machines. When a worker dies, its images
    are done again elsewhere; an image that ends one worker after the other is listed as a problem.

    Parameters
    ----------
    job : BatchJob
        What to do. ``device`` is looked for on each worker.
    address : str
        The scheduler's address, such as ``tcp://192.168.0.5:8786``, or its scheduler file.
    progress, stop : callable, optional
        See `run_batch`.
    patience : float
        Seconds to wait for a worker while there is none.

    Returns
    -------
    BatchReport
        What was done.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    ClusterError
        If there is no scheduler or no worker, or a worker cannot do this batch. What is finished
        stays finished.
    ItaclipError, KeyboardInterrupt
        As `run_batch`.
    """
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

    with connected(address) as client:
        wait_for_workers(client, patience)
        check_workers(client, job)
        with prepared(job, segmenter=_model_of_head(job)) as ready:
            tally = Tally(ready.total, progress)
            with _outcomes(client, ready, tally, halt, patience, glance, interrupted) as outcomes:
                for outcome in outcomes:
                    try:
                        tally.count(outcome)
                    except KeyboardInterrupt as error:
                        interrupted(error)
            sweep_unfinished(ready.context.state.folder)  # what killed workers have left
            report = finish(ready.context, tally)
    if interrupt is not None:
        raise interrupt
    return report


def _model_of_head(job: BatchJob) -> Segmenter | None:
    """Return the model if its identity is not known yet: all workers must have the same.

    The head computes nothing, so it needs neither the workers' device nor their precision.
    """
    if known_model(job, BatchState(job.state_folder)) is not None:
        return None
    from napari_itaclip.segmentation.segmenter import Segmenter

    return Segmenter.from_pretrained(
        source_of(job), device="cpu", precision="float32", activation=job.activation
    )


@contextlib.contextmanager
def _outcomes(
    client: Any,
    ready: Preparation,
    tally: Tally,
    halt: threading.Event,
    patience: float,
    glance: Callable[[], None],
    interrupted: Callable[[KeyboardInterrupt], None],
) -> Iterator[Iterator[Outcome]]:
    """Yield what yields what becomes of each image; nothing is under way any more afterwards."""
    with shared_job(ready.context) as shared:
        check_folders(client, shared, ready.items)
        desk = Desk(client, shared, ready, tally, halt, patience)

        def outcomes() -> Iterator[Outcome]:
            while not desk.over:
                try:
                    glance()
                    found = desk.step()
                except KeyboardInterrupt as error:
                    interrupted(error)
                    continue
                yield from found

        try:
            yield outcomes()
        finally:
            desk.close()

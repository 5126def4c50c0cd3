"""What runs on the workers of a cluster: one model per process, and one image per task."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_itaclip import __version__
from napari_itaclip.batch import work
from napari_itaclip.batch._plain import input_from_values, job_from_values
from napari_itaclip.batch.context import JobContext
from napari_itaclip.batch.run import guarded
from napari_itaclip.batch.work import Outcome
from napari_itaclip.errors import ItaclipError

if TYPE_CHECKING:
    from napari_itaclip.batch.inputs import BatchInput
    from napari_itaclip.batch.job import BatchJob
    from napari_itaclip.segmentation.segmenter import Segmenter

AT_ONCE = 2
"""Images in memory per process: while one is computed, another is read or written."""

SAME_PATHS = (
    "input and output must lie in folders that all machines see under the same path, such as a "
    "network drive"
)


class ClusterError(ItaclipError, RuntimeError):
    """The cluster, or one of its workers, cannot do this batch."""


class WorkerContext(JobContext):
    """A job on a worker: its model is kept for the next batch, too.

    Parameters
    ----------
    values : mapping
        What the head has written down for all workers.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(job_from_values(values["job"]), model=values["model"])
        self._notice = values["notice"]
        encoding = threading.Lock()
        # On a card one image is encoded while the processor decides about the one before.
        self.encoding = encoding
        self.deciding = threading.Lock() if self.on_accelerator else encoding

    @property
    def segmenter(self) -> Segmenter:
        """The model; loaded when first asked for, once per process."""
        with self._lock:
            if self._segmenter is None:
                self._segmenter = _kept_model(self.job, self.model, self._load)
            return self._segmenter

    def _load(self) -> Segmenter:
        return super().segmenter

    @property
    def notice(self) -> str:
        """What the head says that everyone should know."""
        return str(self._notice)


_lock = threading.RLock()
_models: dict[tuple[str, ...], Segmenter] = {}
_contexts: dict[str, WorkerContext] = {}
_stopped: set[str] = set()
_places = threading.BoundedSemaphore(AT_ONCE)


def label_image(shared: str, sha256: str, item: Mapping[str, Any]) -> dict[str, str]:
    """Do everything that one image needs, see `napari_itaclip.batch.work.process_one`.

    Parameters
    ----------
    shared : str
        File with the job, in a folder that all machines see.
    sha256 : str
        Its hash: it names the run, and tells the folder from another of the same name.
    item : mapping
        The image, see `input_to_values`.

    Returns
    -------
    dict
        ``name``, ``ending`` and ``reason`` of an `Outcome`; or ``stop``, the name of an error
        class, and ``reason``, where no other image would fare better.
    """
    image = input_from_values(item)
    try:
        with _places:
            if sha256 in _stopped:
                return _values(Outcome(image.name, "left"))
            context = open_context(shared, sha256)
            found: Outcome = guarded(lambda one: _process(context, one, sha256))(image)
            return _values(found)
    except ItaclipError as error:
        return {"stop": type(error).__name__, "reason": f"{error} (on {own_name()})"}


def check_worker(shared: str, sha256: str, files: Sequence[tuple[str, int]]) -> str:
    """Say what is wrong with this worker for a batch; nothing when all is well.

    Parameters
    ----------
    shared, sha256 : str
        See `label_image`.
    files : sequence of (str, int)
        Some images, and their sizes in bytes as the head sees them.
    """
    try:
        open_context(shared, sha256)
    except ItaclipError as error:
        return str(error)
    for path, size in files:
        try:
            if Path(path).is_dir() or Path(path).stat().st_size == size:
                continue
            return f"it sees another file at {path}; {SAME_PATHS}"
        except OSError as error:
            return f"it cannot see {path} ({error.strerror or error}); {SAME_PATHS}"
    return ""


def missing_paths(paths: Sequence[str]) -> list[str]:
    """Return the paths that this worker does not see."""
    return [path for path in paths if not Path(path).exists()]


async def stop_run(sha256: str) -> None:
    """Leave a run's images that are not begun, and those being encoded."""
    _stopped.add(sha256)


def open_context(shared: str, sha256: str) -> WorkerContext:
    """Return the job that the head has written down; read once.

    Raises
    ------
    ClusterError
        If it is not the one that the head means, or of another version of the package.
    """
    with _lock:
        if sha256 not in _contexts:
            _contexts.clear()
            _contexts[sha256] = WorkerContext(_read(Path(shared), sha256))
        return _contexts[sha256]


def own_name() -> str:
    """Return the worker's address."""
    worker = _worker()
    return f"the worker {worker.address}" if worker is not None else f"process {os.getpid()}"


def _read(path: Path, sha256: str) -> Mapping[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ClusterError(
            f"it cannot see {path.parent} as the head does ({error.strerror or error}); "
            f"{SAME_PATHS}"
        ) from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise ClusterError(f"it sees another folder at {path.parent}; {SAME_PATHS}")
    values: Mapping[str, Any] = json.loads(raw)
    if values["version"] != __version__:
        raise ClusterError(
            f"it has napari-itaclip {__version__}, but the head has {values['version']}; install "
            "the same version everywhere and restart the workers"
        )
    return values


def _process(context: WorkerContext, item: BatchInput, run: str) -> Outcome:
    """Do the steps, computing for one image at a time."""
    task = work.examine(context, item)
    if task.plan.action == "label":
        _use_own_cores()
        with context.encoding:
            if run in _stopped:
                return Outcome(item.name, "left")
            task = work.encode(context, task, lambda: run in _stopped)
        with context.deciding:
            task = work.decide(context, task)
    return work.commit(context, task)


def _values(outcome: Outcome) -> dict[str, str]:
    return {"name": outcome.name, "ending": outcome.ending, "reason": outcome.reason}


def _kept_model(job: BatchJob, model: str, load: Callable[[], Segmenter]) -> Segmenter:
    """Return a model that an earlier batch has loaded, or load it in its place."""
    key = (model, job.model_source, job.device, job.precision, job.activation)
    with _lock:
        if key not in _models:
            _models.clear()  # two models need twice the memory
            _models[key] = load()
        found = _models[key]
        if found.model.identity != model:  # other weights: they may be put right
            _models.clear()
        return found


def _use_own_cores() -> None:
    """Let torch use as many cores as the worker was given; a nanny leaves it one.

    OpenMP and MKL count for every thread of Python's by itself, so each that computes has to ask.
    """
    worker = _worker()
    if worker is not None and not worker.address.startswith("inproc"):
        import torch

        torch.set_num_threads(max(1, worker.state.nthreads))


def _worker() -> Any:
    """Return the Dask worker that this runs on, if any."""
    with contextlib.suppress(ImportError, ValueError):
        from distributed import get_worker

        return get_worker()
    return None

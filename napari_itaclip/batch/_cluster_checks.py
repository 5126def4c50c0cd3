"""Before a batch begins on a cluster: whether it is there and its workers can do the work."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import importlib.metadata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_itaclip import __version__
from napari_itaclip.batch import _cluster_worker
from napari_itaclip.batch._cluster_worker import SAME_PATHS, ClusterError
from napari_itaclip.batch._json import canonical, read_json
from napari_itaclip.batch._plain import job_to_values
from napari_itaclip.batch.places import absolute
from napari_itaclip.files import write_atomically
from napari_itaclip.formats.parts.extras import needed

if TYPE_CHECKING:
    from napari_itaclip.batch.context import JobContext
    from napari_itaclip.batch.inputs import BatchInput
    from napari_itaclip.batch.job import BatchJob

_PACKAGE = "napari-itaclip"
_MOST_NAMED = 3
_MOST_SAMPLES = 50
_CONNECT_S = 15.0
_CLOSE_S = 5.0

Answers = Mapping[str, Any]
"""What each worker says, by its address; an exception where it could not."""


@dataclass(frozen=True)
class SharedJob:
    """The job as it lies in the state folder while the cluster works.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Its hash; different in every run.
    """

    path: Path
    sha256: str


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Yield a client of the scheduler at an address, or of the one that a scheduler file names.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    FormatError
        If the scheduler file is damaged.
    ClusterError
        If no scheduler answers.
    """
    distributed = needed("distributed", "running on a cluster", "dask")
    if Path(address).is_file():
        address = str(read_json(Path(address)).get("address", ""))
    try:
        client = distributed.Client(
            address, timeout=_CONNECT_S, set_as_default=False, name=_PACKAGE
        )
    except (OSError, ValueError, ImportError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address!r} ({str(error) or type(error).__name__}). "
            "Start one with `dask scheduler`, workers with `dask worker ADDRESS`, and give the "
            "address that the scheduler prints, such as tcp://192.168.0.5:8786"
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=_CLOSE_S)


def wait_for_workers(client: Any, patience: float) -> None:
    """Wait until there is a worker.

    Raises
    ------
    ClusterError
        If none comes.
    """
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise no_workers(client.scheduler.address, patience) from error


def no_workers(address: str, patience: float) -> ClusterError:
    """Return the error about a cluster without workers."""
    return ClusterError(
        f"the scheduler at {address} has had no workers for {patience:.0f} s; start some with "
        f"`dask worker {address}` (a cluster that grows by itself needs at least one to begin "
        "with), and run the same command again"
    )


def check_workers(client: Any, job: BatchJob) -> None:
    """Check what can be checked before anything is written: the package, and the inputs.

    Raises
    ------
    ClusterError
        If a worker lacks the package, has another version of it, or does not see the inputs.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        # A function of Python's own: one of ours could not say that the package is missing.
        own = importlib.metadata.version(_PACKAGE)
        there = client.run(importlib.metadata.version, _PACKAGE, on_error="return")
        refuse_some(
            {
                name: ""
                if version == own
                else f"it has {_PACKAGE} {version}, but the head has {own}"
                if isinstance(version, str)
                else f"it has no {_PACKAGE}"
                for name, version in there.items()
            },
            f"Install the same version on all machines (pip install '{_PACKAGE}=={own}') and "
            "restart the workers",
        )
    paths = [str(absolute(Path(one))) for one in job.inputs if not glob.has_magic(str(one))]
    if isinstance(job.model, Path):
        paths.append(job.model_source)
    # What is missing here, too, is told of in other words.
    paths = [path for path in paths if Path(path).exists()]
    unseen = client.run(_cluster_worker.missing_paths, paths, on_error="return")
    refuse_some(
        {
            name: str(found)
            if isinstance(found, BaseException)
            else f"it cannot see {found[0]}"
            if found
            else ""
            for name, found in unseen.items()
        },
        SAME_PATHS[0].upper() + SAME_PATHS[1:],
    )


@contextlib.contextmanager
def shared_job(context: JobContext) -> Iterator[SharedJob]:
    """Write the job down for the workers, for as long as they work.

    The file has a new name each time, so that no machine takes an older one for it; a killed
    process's is swept away by the next run.
    """
    raw = canonical(
        {
            "run": uuid.uuid4().hex,
            "version": __version__,
            "job": job_to_values(context.job),
            "model": context.model,
            "notice": context.notice,
        }
    )
    sha256 = hashlib.sha256(raw).hexdigest()
    path = absolute(context.state.folder) / f".itaclip-{sha256[:16]}.part"
    write_atomically(path, raw)
    try:
        yield SharedJob(path, sha256)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def check_folders(client: Any, shared: SharedJob, items: Sequence[BatchInput]) -> None:
    """Check that all workers see the same files as the head.

    Raises
    ------
    ClusterError
        If one does not.
    """
    files = sample_files(items)
    found = client.run(
        _cluster_worker.check_worker, str(shared.path), shared.sha256, files, on_error="return"
    )
    refuse_some({name: str(problem) for name, problem in found.items()}, "")


def sample_files(items: Sequence[BatchInput]) -> list[tuple[str, int]]:
    """Return an image of each folder, with its size; not too many."""
    chosen: dict[Path, tuple[str, int]] = {}
    for item in items:
        if len(chosen) == _MOST_SAMPLES:
            break
        if item.path.parent not in chosen:
            with contextlib.suppress(OSError):  # a problem of that image
                chosen[item.path.parent] = (str(item.path), item.path.stat().st_size)
    return list(chosen.values())


def refuse_some(problems: Mapping[str, str], way_out: str) -> None:
    """Raise an error that names some workers and what is wrong with them, if anything is."""
    bad = {name: problem for name, problem in problems.items() if problem}
    if not bad:
        return
    named = "; ".join(f"worker {name}: {bad[name]}" for name in sorted(bad)[:_MOST_NAMED])
    more = f"; and {len(bad) - _MOST_NAMED} more workers" if len(bad) > _MOST_NAMED else ""
    raise ClusterError(f"{named}{more}." + (f" {way_out}." if way_out else ""))

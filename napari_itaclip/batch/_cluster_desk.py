"""The head's desk: hands images to the workers of a cluster, and takes back what became of them."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_itaclip import errors
from napari_itaclip.batch import _cluster_worker
from napari_itaclip.batch._cluster_checks import SharedJob, no_workers
from napari_itaclip.batch._cluster_worker import AT_ONCE, ClusterError
from napari_itaclip.batch._plain import input_to_values
from napari_itaclip.batch.plan import plan_item
from napari_itaclip.batch.run import Preparation, guarded
from napari_itaclip.batch.work import Outcome
from napari_itaclip.errors import ItaclipError
from napari_itaclip.formats.paths import file_name

if TYPE_CHECKING:
    from napari_itaclip.batch.inputs import BatchInput
    from napari_itaclip.batch.progress import Tally

_GLANCE_S = 0.1
_COUNT_S = 1.0
"""How often workers are counted."""

_RESULT_S = 5.0

_DRAIN_S = 60.0
"""How long workers may take to leave their images when something has gone wrong."""


@dataclass(frozen=True)
class _Flight:
    """An image that is with the cluster.

    Attributes
    ----------
    item : BatchInput
        The image.
    future : Future
        Dask's handle of it.
    """

    item: BatchInput
    future: Any


class Desk:
    """Hands images to the cluster, a few per worker at a time, and takes the outcomes.

    Parameters
    ----------
    client : Client
        Dask's client.
    shared : SharedJob
        The job as the workers read it.
    ready : Preparation
        The images.
    tally : Tally
        Told when labelling begins.
    halt : Event
        When set, no further image is handed out, and those that wait come back.
    patience : float
        Seconds to wait for a worker.
    """

    def __init__(
        self,
        client: Any,
        shared: SharedJob,
        ready: Preparation,
        tally: Tally,
        halt: threading.Event,
        patience: float,
    ) -> None:
        self._client, self._shared, self._tally = client, shared, tally
        self._halt, self._patience = halt, patience
        self._context = ready.context
        self._items = iter(ready.items)
        self._suspects: list[BatchInput] = []
        self._all_begun = False
        self._flying: dict[str, _Flight] = {}
        self._landed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._numbers = iter(range(1 << 62))
        self._told = False
        self._room = 0
        self._counted = self._served = float("-inf")

    @property
    def over(self) -> bool:
        """Whether nothing is under way and nothing will be."""
        begun = self._all_begun and not self._suspects
        return not self._flying and (begun or self._halt.is_set())

    def step(self) -> list[Outcome]:
        """Hand out what there is room for, and wait a moment; return what has ended.

        Raises
        ------
        ClusterError
            If the cluster is gone, or a worker cannot do this batch.
        ItaclipError
            What a worker says that concerns all images.
        """
        self._count_workers()
        if self._halt.is_set():
            self._tell_workers()
        else:
            found = self._hand_out()
            if found is not None:
                return [found]
        try:
            key = self._landed.get(timeout=_GLANCE_S)
        except queue.Empty:
            return []
        return self._land(key)

    def close(self) -> None:
        """Call back everything that is still under way, and wait until no worker writes."""
        if not self._flying:
            return
        deadline = time.monotonic() + _DRAIN_S
        try:
            with contextlib.suppress(Exception):  # the reason for ending counts, not this
                self._tell_workers()
                while self._flying and time.monotonic() < deadline and self._is_served():
                    with contextlib.suppress(queue.Empty):
                        self._flying.pop(self._landed.get(timeout=_GLANCE_S), None)
        finally:
            self._cancel()

    # ---- handing out -----------------------------------------------------------------------------

    def _hand_out(self) -> Outcome | None:
        """Hand out images while there is room; return an outcome that needed no worker."""
        while not self._all_begun and len(self._flying) < self._room:
            item = next(self._items, None)
            if item is None:
                self._all_begun = True
                break
            found: Outcome | None = guarded(self._settled)(item)
            if found is not None:
                return found
            self._submit(item)
        if self._all_begun and self._suspects and not self._flying and self._room:
            # Alone with the cluster: now a worker that dies dies of this image.
            self._submit(self._suspects.pop(), alone=True)
        return None

    def _settled(self, item: BatchInput) -> Outcome | None:
        """Return the outcome of an image that needs nothing; None for the others."""
        context = self._context
        if not context.state.has_item(file_name(item.name)):
            return None
        plan = plan_item(context, item, item.sha256())
        if plan.action == "skip":
            return Outcome(item.name, "skipped", plan.record)
        if plan.action == "keep" and not plan.formats:
            return Outcome(item.name, "kept", plan.record, plan.reason)
        return None

    def _submit(self, item: BatchInput, *, alone: bool = False) -> None:
        self._tally.begin_labelling()
        name = "label-alone" if alone else "label"
        key = f"{name}-{self._shared.sha256[:16]}-{next(self._numbers)}"
        future = self._client.submit(
            _cluster_worker.label_image,
            str(self._shared.path),
            self._shared.sha256,
            input_to_values(item),
            key=key,
            pure=False,
        )
        self._flying[key] = _Flight(item, future)
        future.add_done_callback(lambda done: self._landed.put(done.key))

    # ---- taking back -----------------------------------------------------------------------------

    def _land(self, key: str) -> list[Outcome]:
        """Return what became of a task."""
        flight = self._flying.get(key)
        if flight is None:
            return []
        status = flight.future.status
        if status == "finished":
            try:
                values = flight.future.result(timeout=_RESULT_S)
            except (TimeoutError, OSError):  # the worker died with it: it is done once more
                self._landed.put(key)
                return []
            except Exception as error:
                values = self._broken(flight, key, error)
        elif status == "error":
            values = self._broken(flight, key, flight.future.exception())
        elif status == "pending":
            flight.future.add_done_callback(lambda done: self._landed.put(done.key))
            return []
        else:
            raise _lost(status)
        del self._flying[key]
        return self._judged(flight.item, values) if values else []

    def _broken(self, flight: _Flight, key: str, error: Any) -> dict[str, str] | None:
        """Return what a task that could not be run amounts to; None if it is tried again."""
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            raise ClusterError(
                f"a worker could not run its task ({type(error).__name__}: {error}); are the same "
                "packages installed on all machines?"
            ) from error
        if not key.startswith("label-alone"):
            self._suspects.append(flight.item)  # perhaps it only stood beside the one to blame
            return None
        reason = (
            f"{error.allowed_failures + 1} workers ended while they worked on it: it may need more "
            "memory than they have (see the workers' logs)"
        )
        return {"ending": "failed", "reason": reason}

    def _judged(self, item: BatchInput, values: dict[str, str]) -> list[Outcome]:
        if "stop" in values:
            known = {ClusterError.__name__: ClusterError, **vars(errors)}
            kind = known.get(values["stop"], ItaclipError)
            raise kind(values["reason"])
        ending: Any = values["ending"]
        if ending == "skipped":  # a worker that died had finished it in this run
            ending = "done"
        return [Outcome(item.name, ending, reason=values["reason"])]

    # ---- the cluster -----------------------------------------------------------------------------

    def _count_workers(self) -> None:
        """Find out now and then how many images may be with the workers.

        Raises
        ------
        ClusterError
            If there have been none for too long, or the scheduler is gone.
        """
        now = time.monotonic()
        if now - self._counted < _COUNT_S:
            return
        self._counted = now
        try:
            threads = self._client.nthreads().values()
        except (OSError, TimeoutError) as error:
            raise _lost(error) from error
        # As many as are worked on at once, and one that waits, so that nobody waits for the head.
        self._room = sum(min(count, AT_ONCE) + 1 for count in threads)
        if threads or self._served == float("-inf"):
            self._served = now
        if now - self._served <= self._patience:
            return
        if self._halt.is_set():
            self._cancel()
        else:
            raise no_workers(self._client.scheduler.address, self._patience)

    def _is_served(self) -> bool:
        return self._client.status == "running" and bool(self._client.nthreads())

    def _tell_workers(self) -> None:
        """Have the workers leave what they have not begun, and stop encoding."""
        if not self._told and self._client.status == "running":
            self._told = True
            self._client.run(
                _cluster_worker.stop_run, self._shared.sha256, wait=False, on_error="ignore"
            )

    def _cancel(self) -> None:
        """Take back what is still with the cluster."""
        futures = [flight.future for flight in self._flying.values()]
        self._flying.clear()
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):  # the cluster may be gone
                self._client.cancel(futures)


def _lost(what: object) -> ClusterError:
    return ClusterError(
        f"the cluster has dropped the work ({what}): the scheduler was ended or restarted, or the "
        "connection to it is lost. Finished images are kept; run the same command again to go on"
    )

"""One background thread: a long job, taken step by step, and short requests between its steps.

The network, the embedding of words and the labelling all run here, one after the other, so no two
of them compete for the processor. A long job (encoding an image) is a generator whose steps are
short; between two steps the newest request of each kind (labels for an edited vocabulary, a heat
map) is answered first. That keeps edits fast while an image is being encoded.

Nothing here knows Qt. Results go to the owner's thread through ``post``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

Post = Callable[[Callable[[], None]], None]
"""Runs a function in the owner's thread, later; the order of calls is kept."""

Steps = Generator[None, None, None]

_JOIN_SECONDS = 10.0
"""How long closing waits for the thread: a step is a second at most, a blocked connection more."""


class Stopped(Exception):  # noqa: N818 - not an error: the way out of work that is not wanted
    """Raised inside work that was cancelled or overtaken."""


@dataclass
class Ticket:
    """Tells work whether it is still wanted.

    Attributes
    ----------
    stopped : bool
        Whether the work was cancelled, or a newer request has taken its place.
    """

    _event: threading.Event = field(default_factory=threading.Event)

    @property
    def stopped(self) -> bool:
        """Whether the result is not wanted any more."""
        return self._event.is_set()

    def stop(self) -> None:
        """Say that the result is not wanted any more."""
        self._event.set()

    def check(self, *_: object) -> None:
        """Raise `Stopped` when stopped; takes any arguments, to serve as a progress callback."""
        if self.stopped:
            raise Stopped


@dataclass
class _Job:
    steps: Callable[[Ticket], Steps]
    finished: Callable[[BaseException | None], None]
    ticket: Ticket = field(default_factory=Ticket)
    running: Steps | None = None


@dataclass
class _Request:
    work: Callable[[Ticket], None]
    failed: Callable[[BaseException], None]
    ticket: Ticket = field(default_factory=Ticket)


class Worker:
    """Runs a long job and short requests in one thread of its own.

    Parameters
    ----------
    post : callable
        Brings a function into the owner's thread.
    prepare : callable, optional
        Called once in the new thread, before any work.
    """

    def __init__(self, post: Post, prepare: Callable[[], None] | None = None) -> None:
        self._post_to_owner = post
        self._prepare = prepare
        self._wake = threading.Condition()
        self._job: _Job | None = None
        self._requests: dict[str, _Request] = {}
        self._current: dict[str, _Request] = {}
        self._closed = False
        self._thread: threading.Thread | None = None

    # ---- the owner's side -----------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a long job is under way."""
        return self._job is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        with self._wake:
            return self._job is None and not self._requests and not self._current

    def start(
        self,
        steps: Callable[[Ticket], Steps],
        finished: Callable[[BaseException | None], None],
    ) -> Ticket:
        """Start a long job; only one at a time.

        Parameters
        ----------
        steps : callable
            Makes the generator of the job's steps; runs in the thread.
        finished : callable
            Called in the owner's thread with None, with `Stopped` after a cancel, or with the
            error that ended the job.

        Raises
        ------
        RuntimeError
            When a job is under way, or after `close`.
        """
        job = _Job(steps, finished)
        with self._wake:
            if self._job is not None or self._closed:
                raise RuntimeError("a job is under way, or the worker is closed")
            self._job = job
            self._start_thread()
            self._wake.notify()
        return job.ticket

    def cancel(self) -> None:
        """Stop the long job at its next step; without one, nothing happens."""
        with self._wake:
            if self._job is not None:
                self._job.ticket.stop()
            self._wake.notify()

    def request(
        self,
        kind: str,
        work: Callable[[Ticket], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Ask for something short; a newer request of the same kind takes an older one's place.

        Parameters
        ----------
        kind : str
            What is asked for. Kinds that were asked for first are answered first.
        work : callable
            Runs in the thread; looks at its ticket now and then.
        failed : callable
            Called in the owner's thread with the error, if there is one.
        """
        with self._wake:
            if self._closed:
                return
            self._drop(kind)
            self._requests[kind] = _Request(work, failed)
            self._start_thread()
            self._wake.notify()

    def withdraw(self, kind: str) -> None:
        """Drop what was asked for of a kind."""
        with self._wake:
            self._drop(kind)

    def close(self, *, wait: bool = True) -> bool:
        """Stop everything; nothing is posted any more.

        Parameters
        ----------
        wait : bool
            Whether to wait for the thread, a few seconds at most.

        Returns
        -------
        bool
            Whether the thread has ended. It may not have when a connection is blocked or it was not
            waited for; then it ends by itself, and silently, as soon as that returns.
        """
        with self._wake:
            self._closed = True
            if self._job is not None:
                self._job.ticket.stop()
            for kind in (*self._requests, *self._current):
                self._drop(kind)
            self._wake.notify()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        if wait:
            thread.join(_JOIN_SECONDS)
        return not thread.is_alive()

    def _drop(self, kind: str) -> None:
        for waiting in (self._requests.pop(kind, None), self._current.get(kind)):
            if waiting is not None:
                waiting.ticket.stop()

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="itaclip", daemon=True)
            self._thread.start()

    # ---- the thread's side ----------------------------------------------------------------------

    def post(self, function: Callable[[], None]) -> None:
        """Run ``function`` in the owner's thread, unless the worker is closed by then."""

        def run() -> None:
            if not self._closed:
                function()

        if not self._closed:
            self._post_to_owner(run)

    def _run(self) -> None:
        if self._prepare is not None:
            self._prepare()
        while True:
            with self._wake:
                while not (self._closed or self._requests or self._job):
                    self._wake.wait()
                if self._closed:
                    break
                kind = next(iter(self._requests), None)
                if kind is not None:
                    request = self._requests.pop(kind)
                    self._current[kind] = request
                job = self._job
            if kind is not None:
                self._answer(kind, request)
            elif job is not None:
                self._advance(job)
        if self._job is not None and self._job.running is not None:
            self._job.running.close()
        self._job = None

    def _answer(self, kind: str, request: _Request) -> None:
        failure: BaseException | None = None
        try:
            request.work(request.ticket)
        except Stopped:
            pass
        # Whatever goes wrong is shown to the person; a dead thread would only look frozen.
        except Exception as error:
            failure = error
        with self._wake:
            self._current.pop(kind, None)
        if failure is not None and not request.ticket.stopped:
            told = failure
            self.post(lambda: request.failed(told))

    def _advance(self, job: _Job) -> None:
        """Take one step of the long job, and end it when it is over, cancelled or broken."""
        ending: BaseException | None = None
        try:
            job.ticket.check()
            if job.running is None:
                job.running = job.steps(job.ticket)
            next(job.running)
            return
        except StopIteration:
            pass
        except Exception as error:
            ending = error
        if job.running is not None:
            job.running.close()
        with self._wake:
            self._job = None
        self.post(lambda: job.finished(ending))

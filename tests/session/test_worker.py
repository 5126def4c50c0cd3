"""The worker: steps, requests in between, cancelling, failing, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from napari_itaclip.session.worker import Steps, Stopped, Ticket, Worker
from tests.session.pump import Pump


class Log:
    """Remembers what happened, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.endings: list[BaseException | None] = []

    def end(self, ending: BaseException | None) -> None:
        self.endings.append(ending)


@pytest.fixture
def pump() -> Pump:
    return Pump()


def test_a_job_runs_in_another_thread_and_its_end_is_told_in_the_owners(pump: Pump) -> None:
    threads = []
    worker = Worker(pump.post)

    def steps(ticket: Ticket) -> Steps:
        threads.append(threading.current_thread())
        yield
        threads.append(threading.current_thread())

    ended: list[threading.Thread] = []
    worker.start(steps, lambda ending: ended.append(threading.current_thread()))
    assert worker.busy
    pump.until(lambda: bool(ended))
    assert threads[0] is threads[1] is not threading.main_thread()
    assert ended == [threading.main_thread()]
    assert not worker.busy
    assert worker.idle
    assert worker.close()


def test_requests_are_answered_between_two_steps(pump: Pump) -> None:
    worker, log = Worker(pump.post), Log()
    first_step, asked = threading.Event(), threading.Event()

    def steps(ticket: Ticket) -> Steps:
        first_step.set()
        assert asked.wait(10)
        log.lines.append("step 1")
        yield
        log.lines.append("step 2")

    worker.start(steps, log.end)
    assert first_step.wait(10)
    worker.request("labels", lambda ticket: log.lines.append("labels"), log.end)
    worker.request("heat", lambda ticket: log.lines.append("heat"), log.end)
    asked.set()
    pump.until(lambda: log.endings == [None])
    assert log.lines == ["step 1", "labels", "heat", "step 2"]
    worker.close()


def test_a_newer_request_takes_the_place_of_one_that_waits_and_stops_one_that_runs(
    pump: Pump,
) -> None:
    worker, log = Worker(pump.post), Log()
    started, go_on = threading.Event(), threading.Event()

    def slow(ticket: Ticket) -> None:
        started.set()
        assert go_on.wait(10)
        ticket.check()
        log.lines.append("slow went on")

    worker.request("labels", slow, log.end)
    assert started.wait(10)

    def answer(number: int) -> Callable[[Ticket], None]:
        return lambda ticket: log.lines.append(f"answer {number}")

    for number in range(3):
        worker.request("labels", answer(number), log.end)
    go_on.set()
    pump.until(lambda: worker.idle)
    assert log.lines == ["answer 2"]
    assert log.endings == []
    worker.close()


def test_cancel_ends_the_job_and_closes_its_generator(pump: Pump) -> None:
    worker, log = Worker(pump.post), Log()
    running = threading.Event()

    def steps(ticket: Ticket) -> Steps:
        try:
            while True:
                running.set()
                yield
        finally:
            log.lines.append("closed")

    worker.start(steps, log.end)
    assert running.wait(10)
    worker.cancel()
    pump.until(lambda: bool(log.endings))
    assert isinstance(log.endings[0], Stopped)
    assert log.lines == ["closed"]
    assert worker.idle
    worker.start(lambda ticket: iter_nothing(), log.end)
    pump.until(lambda: len(log.endings) == 2)
    assert log.endings[1] is None
    worker.close()


def iter_nothing() -> Steps:
    yield


def test_errors_reach_the_owner_and_the_thread_goes_on(pump: Pump) -> None:
    worker, log = Worker(pump.post), Log()

    def broken(ticket: Ticket) -> Steps:
        yield
        raise ValueError("no luck")

    worker.start(broken, log.end)
    pump.until(lambda: bool(log.endings))
    assert str(log.endings[0]) == "no luck"

    def broken_request(ticket: Ticket) -> None:
        raise OSError("none here either")

    worker.request("labels", broken_request, log.end)
    pump.until(lambda: len(log.endings) == 2)
    assert str(log.endings[1]) == "none here either"
    worker.request("labels", lambda ticket: log.lines.append("alive"), log.end)
    pump.until(lambda: log.lines == ["alive"])
    worker.close()


def test_two_jobs_at_once_are_refused(pump: Pump) -> None:
    worker, log = Worker(pump.post), Log()
    hold = threading.Event()

    def steps(ticket: Ticket) -> Steps:
        hold.wait(10)
        yield

    worker.start(steps, log.end)
    with pytest.raises(RuntimeError, match="a job is under way"):
        worker.start(steps, log.end)
    hold.set()
    worker.close()


def test_nothing_is_told_after_closing_and_no_thread_is_left(pump: Pump) -> None:
    before = set(threading.enumerate())
    worker, log = Worker(pump.post), Log()
    running = threading.Event()

    def steps(ticket: Ticket) -> Steps:
        try:
            while True:
                running.set()
                worker.post(lambda: log.lines.append("late"))
                yield
        finally:
            log.lines.append("closed")

    worker.start(steps, log.end)
    assert running.wait(10)
    worker.request("labels", lambda ticket: None, log.end)
    assert worker.close()
    pump.run()
    assert log.lines == ["closed"]
    assert log.endings == []
    assert set(threading.enumerate()) <= before
    worker.request("labels", lambda ticket: log.lines.append("never"), log.end)
    with pytest.raises(RuntimeError, match="closed"):
        worker.start(steps, log.end)
    assert worker.close()


def test_closing_need_not_wait_for_work_that_cannot_be_stopped(pump: Pump) -> None:
    worker, log = Worker(pump.post), Log()
    started, go_on = threading.Event(), threading.Event()

    def blocked(ticket: Ticket) -> None:
        started.set()
        assert go_on.wait(30)
        raise ValueError("told to nobody")

    worker.request("server", blocked, log.end)
    assert started.wait(30)
    assert not worker.close(wait=False)
    go_on.set()
    assert worker.close()
    pump.run()
    assert log.endings == []


def test_the_thread_is_prepared_once(pump: Pump) -> None:
    threads: list[str] = []
    worker, log = Worker(pump.post, lambda: threads.append(threading.current_thread().name)), Log()
    for _ in range(2):
        worker.request("labels", lambda ticket: log.lines.append("done"), log.end)
        pump.until(lambda: worker.idle)
    assert threads == ["itaclip"]
    worker.close()


def test_withdrawing_drops_what_waits(pump: Pump) -> None:
    worker, log = Worker(pump.post), Log()
    started, go_on = threading.Event(), threading.Event()

    def slow(ticket: Ticket) -> None:
        started.set()
        go_on.wait(10)

    worker.request("heat", slow, log.end)
    assert started.wait(10)
    worker.request("labels", lambda ticket: log.lines.append("labels"), log.end)
    worker.withdraw("labels")
    go_on.set()
    pump.until(lambda: worker.idle)
    assert log.lines == []
    worker.close()

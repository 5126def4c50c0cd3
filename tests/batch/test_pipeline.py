"""Steps that overlap."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_itaclip.batch.pipeline import Step, run_steps


@given(st.integers(0, 30), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 3))
def test_every_task_goes_through_every_step_once(
    count: int, threads: list[int], capacity: int
) -> None:
    steps = [Step(lambda path: (*path, "x"), number) for number in threads]
    found = list(run_steps(((at,) for at in range(count)), steps, capacity=capacity))
    assert sorted(found) == [(at, *"x" * len(threads)) for at in range(count)]


def test_steps_work_at_the_same_time() -> None:
    early, late = threading.Event(), threading.Event()

    def first(task: int) -> int:
        if task == 1:
            early.set()
            assert late.wait(20)
        return task

    def second(task: int) -> int:
        if task == 0:
            late.set()
            assert early.wait(20)
        return task

    assert list(run_steps(range(3), [Step(first), Step(second)])) == [0, 1, 2]


def test_few_tasks_wait_between_steps() -> None:
    taken: list[int] = []
    done: list[int] = []

    def tasks() -> Iterator[int]:
        for at in range(50):
            taken.append(at)
            # One in each thread's hand, two before each step and two before the reader.
            assert len(taken) - len(done) <= 2 * (1 + 2) + 1 + 1
            yield at

    for task in run_steps(tasks(), [Step(int), Step(int)], capacity=2):
        done.append(task)
    assert len(done) == 50


@pytest.mark.parametrize("step", [0, 1, 2])
def test_an_error_ends_everything_and_is_raised(step: int) -> None:
    done: list[int] = []

    def work(at: int, task: int) -> int:
        if at == step and task == 5:
            raise ZeroDivisionError("this one")
        return task

    steps = [Step(lambda task, at=at: work(at, task)) for at in range(3)]  # type: ignore[misc]
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match="this one"):
        done.extend(run_steps(range(1000), steps))
    assert threading.active_count() == before


def test_an_error_in_the_tasks_is_raised() -> None:
    def tasks() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(run_steps(tasks(), [Step(int)]))


def test_leaving_early_ends_the_threads() -> None:
    before = threading.active_count()
    work = run_steps(iter(int, 1), [Step(int, 2), Step(int, 2)])
    assert next(work) == 0
    work.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_ctrl_c_while_waiting_is_passed_on() -> None:
    pressed: list[KeyboardInterrupt] = []
    looks = []

    def glance() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt

    found = list(run_steps(range(20), [Step(int)], glance=glance, interrupted=pressed.append))
    assert len(pressed) == 1
    assert len(found) >= 19

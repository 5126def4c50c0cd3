"""Taking times so that two versions can be compared on a computer that does other things too."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


@dataclass
class Clock:
    """Measures wall time on a device, waiting for what is queued there.

    Attributes
    ----------
    device : torch.device
        Where the work is done.
    """

    device: torch.device

    def now(self) -> float:
        """Return the time in seconds at which all work so far is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    def time(self, task: Callable[[], Result]) -> tuple[float, Result]:
        """Run ``task``; return its seconds and its result."""
        start = self.now()
        result = task()
        return self.now() - start, result


@dataclass
class Stages:
    """Seconds of the named stages of one run.

    Attributes
    ----------
    clock : Clock
        Takes the times.
    seconds : dict of str to float
        What was measured so far, in order.
    """

    clock: Clock
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, task: Callable[[], Result]) -> Result:
        """Run one stage and note its time."""
        self.seconds[name], result = self.clock.time(task)
        return result

    @property
    def total(self) -> float:
        """Sum of all stages."""
        return sum(self.seconds.values())


def alternate(
    clock: Clock,
    tasks: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: Collection[str] = (),
) -> dict[str, list[float]]:
    """Run the tasks in turns, so that other work on the computer slows all of them alike.

    Parameters
    ----------
    clock : Clock
        Takes the times.
    tasks : mapping of str to callable
        What to time.
    rounds : int
        Times that each task runs.
    warm_up : collection of str
        Tasks that run once more beforehand, without being timed.

    Returns
    -------
    dict of str to list of float
        Seconds of each task in each round.
    """
    for name in warm_up:
        tasks[name]()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(clock.time(task)[0])
    return times


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median over the rounds of one task's time over the other's."""
    return median(a / b for a, b in zip(slow, fast, strict=True))


def summary(times: Mapping[str, list[float]]) -> dict[str, Any]:
    """Return median, minimum and all seconds of each task."""
    return {
        name: {
            "median_s": median(seconds),
            "min_s": min(seconds),
            "all_s": [round(value, 6) for value in seconds],
        }
        for name, seconds in times.items()
    }

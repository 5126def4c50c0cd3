"""What a benchmark found: figures with targets, as a table and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Unit = Literal["times", "fraction", "GB"]
"""``times``: a ratio of two times of the same run. ``fraction``: between 0 and 1. ``GB``: 1e9."""

Comparison = Literal[">=", "<"]

NOTHING = "-"
"""In the table where there is no number."""


@dataclass(frozen=True)
class Figure:
    """One number and what it should be.

    Attributes
    ----------
    section : str
        The part of the benchmark that measured it.
    name : str
        Short and stable, unique within the section.
    meaning : str
        One line for a person.
    value : float or None
        The number; None if it could not be had, and ``note`` says why.
    unit : {"times", "fraction", "GB"}
        What the number counts.
    target : float or None
        What it is held against; None for a figure that only informs.
    comparison : {">=", "<"}
        Which side of the target is good.
    note : str
        Anything a reader of the table must know.
    details : mapping of str to JSON values
        The measurements behind the number.
    """

    section: str
    name: str
    meaning: str
    value: float | None
    unit: Unit = "times"
    target: float | None = None
    comparison: Comparison = ">="
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        if self.target is None or self.value is None:
            return None
        return self.value >= self.target if self.comparison == ">=" else self.value < self.target

    def as_json(self, judge: bool) -> dict[str, Any]:
        """Return plain values; without ``judge`` nothing is said about the target."""
        return {
            "section": self.section,
            "name": self.name,
            "meaning": self.meaning,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "comparison": None if self.target is None else self.comparison,
            "passed": self.passed if judge else None,
            "note": self.note,
            "details": dict(self.details),
        }


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return what the numbers depend on: processor, versions, threads, and how busy it was."""
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": str(device),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if hasattr(os, "getloadavg"):
        found["load_before"] = round(os.getloadavg()[0], 2)
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _processor() -> str:
    """Return the processor's name; the standard library does not know it on Linux."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def print_table(
    console: Console, figures: Sequence[Figure], machine: Mapping[str, Any], *, judge: bool
) -> None:
    """Print all figures, a line each."""
    table = Table(title="Engine benchmark", caption=_caption(machine), title_justify="left")
    table.add_column("section")
    table.add_column("figure")
    for heading in ("measured", "target", "met"):
        table.add_column(heading, justify="right", no_wrap=True)
    previous = ""
    for figure in figures:
        verdict = {True: "[green]yes[/]", False: "[red]no[/]", None: NOTHING}
        table.add_row(
            figure.section if figure.section != previous else "",
            figure.meaning + (f"\n[dim]{escape(figure.note)}[/]" if figure.note else ""),
            NOTHING if figure.value is None else _written(figure.value, figure.unit),
            _target(figure),
            verdict[figure.passed if judge else None],
        )
        previous = figure.section
    console.print(table)


def _caption(machine: Mapping[str, Any]) -> str:
    parts = [machine.get("gpu", machine["processor"]), f"{machine['threads']} threads"]
    parts.append(f"torch {machine['torch']}")
    if "load_before" in machine:
        parts.append(f"load before the run {machine['load_before']}")
    return ", ".join(map(str, parts))


def _target(figure: Figure) -> str:
    if figure.target is None:
        return NOTHING
    sign = {">=": "≥", "<": "<"}[figure.comparison]
    return f"{sign} {_written(figure.target, figure.unit, short=True)}"


def _written(value: float, unit: Unit, *, short: bool = False) -> str:
    """Return a number for the table; a target needs no more digits than it has."""
    if unit == "fraction":
        return f"{value * 100:g} %" if short else f"{value * 100:.1f} %"
    if unit == "GB":
        return f"{value:g} GB" if short else f"{value:.2f} GB"
    if short or value >= 100:
        return f"{value:,.0f}×" if value >= 100 else f"{value:g}×"
    return f"{value:.1f}×" if value >= 10 else f"{value:.2f}×"

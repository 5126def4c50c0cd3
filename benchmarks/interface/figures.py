"""What the benchmark of the interface found: rates and times with targets, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.report import NOTHING

Unit = Literal["frames/s", "ms", "s"]


@dataclass(frozen=True)
class Reading:
    """One number and what it should be.

    Attributes
    ----------
    section : str
        The part of the benchmark that measured it.
    network : str
        The network that was at work; empty for none.
    name : str
        Short and stable, unique for section and network.
    meaning : str
        One line for a person.
    value : float or None
        The number; None if it could not be had, and ``note`` says why.
    unit : {"frames/s", "ms", "s"}
        What the number counts. Frames per second should be many, times short.
    target : float or None
        What it is held against; None for a reading that only informs.
    note : str
        Anything a reader of the table must know.
    details : mapping of str to JSON values
        The measurements behind the number.
    """

    section: str
    network: str
    name: str
    meaning: str
    value: float | None
    unit: Unit
    target: float | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        if self.target is None or self.value is None:
            return None
        return self.value >= self.target if self.unit == "frames/s" else self.value < self.target

    def as_json(self, judge: bool) -> dict[str, Any]:
        """Return plain values; without ``judge`` nothing is said about the target."""
        return {
            "section": self.section,
            "network": self.network,
            "name": self.name,
            "meaning": self.meaning,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "passed": self.passed if judge else None,
            "note": self.note,
            "details": dict(self.details),
        }


def print_readings(
    console: Console, readings: Sequence[Reading], caption: str, *, judge: bool
) -> None:
    """Print all readings, a line each."""
    table = Table(title="Interface benchmark", caption=caption, title_justify="left")
    table.add_column("section")
    table.add_column("network")
    table.add_column("reading")
    for heading in ("measured", "target", "met"):
        table.add_column(heading, justify="right", no_wrap=True)
    previous = ("", "")
    for reading in readings:
        section, network = reading.section, reading.network
        verdict = {True: "[green]yes[/]", False: "[red]no[/]", None: NOTHING}
        table.add_row(
            section if section != previous[0] else "",
            network if (section, network) != previous else "",
            reading.meaning + (f"\n[dim]{escape(reading.note)}[/]" if reading.note else ""),
            NOTHING if reading.value is None else f"{reading.value:,.3g} {reading.unit}",
            _target(reading),
            verdict[reading.passed if judge else None],
        )
        previous = (section, network)
    console.print(table)


def _target(reading: Reading) -> str:
    if reading.target is None:
        return NOTHING
    return f"{'≥' if reading.unit == 'frames/s' else '<'} {reading.target:g} {reading.unit}"

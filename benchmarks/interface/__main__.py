"""Measure frames and edits: ``python -m benchmarks.interface --help``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from benchmarks.interface.dock import measure_dock
from benchmarks.interface.edits import measure_edits
from benchmarks.interface.figures import Reading, print_readings
from benchmarks.interface.frames import measure_frames
from benchmarks.interface.subjects import FULL, QUICK, Size, Subject, subjects
from benchmarks.interface.window import has_screen, open_window
from benchmarks.report import describe_machine
from napari_itaclip.clip.device import resolve_device
from napari_itaclip.errors import ItaclipError

SCHEMA = 1
"""Version of the JSON's structure."""

FRAMES = "frames"
"""The section that needs a window."""

SECTIONS: Mapping[str, Callable[[Subject], Iterator[Reading]]] = MappingProxyType(
    {"edit": measure_edits, "dock": measure_dock}
)
"""The other sections, in the order in which they run for each network."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A tiny network, to try the benchmark; judges nothing."),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything to this file.")
    ] = None,
    only: Annotated[
        str, typer.Option(help=f"Parts to run, with commas: {','.join((FRAMES, *SECTIONS))}.")
    ] = ",".join((FRAMES, *SECTIONS)),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the processor.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Measure how smooth the interface is while encoding, and how soon an edit shows.

    Ends with 1 if a target is missed, with 2 if something asked for does not exist.
    """
    console = Console(stderr=True, highlight=False)
    chosen = {name.strip() for name in only.split(",") if name.strip()}
    if not chosen or chosen - {FRAMES, *SECTIONS}:
        console.print(f"--only: choose from {', '.join((FRAMES, *SECTIONS))}.", style="red")
        raise typer.Exit(2)
    try:
        where = resolve_device(device)
    except ItaclipError as error:
        console.print(f"--device: {error}", style="red")
        raise typer.Exit(2) from None
    if FRAMES in chosen and not has_screen():
        console.print("There is no screen to draw on; use scripts/with-display.", style="red")
        raise typer.Exit(2)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    machine = describe_machine(where)
    start = time.perf_counter()
    size = QUICK if quick else FULL
    readings = measure(size, where, chosen, machine)
    seconds = time.perf_counter() - start

    judge = not quick
    # Lines that are wrapped at 80 columns are hard to read in a log.
    table_console = Console() if Console().is_terminal else Console(width=120)
    print_readings(table_console, readings, _caption(machine), judge=judge)
    missed = [reading for reading in readings if judge and reading.passed is False]
    if json_file is not None:
        report = {
            "schema": SCHEMA,
            "quick": quick,
            "picture": size.picture,
            "edit_picture": size.edit_picture,
            "classes": size.classes,
            "machine": machine,
            "seconds": round(seconds, 2),
            "readings": [reading.as_json(judge) for reading in readings],
            "passed": not missed if judge else None,
        }
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if missed:
        raise typer.Exit(1)


def measure(
    size: Size, device: torch.device, chosen: set[str], machine: dict[str, Any]
) -> list[Reading]:
    """Run the chosen sections for every network.

    Parameters
    ----------
    size : Size
        How much work it is.
    device : torch.device
        Where the networks compute.
    chosen : set of str
        Names of sections.
    machine : dict
        Gets to know who draws the window, and how large.
    """
    readings: list[Reading] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        window = stack.enter_context(open_window(size)) if FRAMES in chosen else None
        if window is not None:
            machine["renderer"] = window.renderer
            machine["canvas"] = window.canvas_size
        for subject in subjects(size, folder, device):
            if window is not None:
                readings += measure_frames(window, subject)
            for name, section in SECTIONS.items():
                if name in chosen:
                    readings += section(subject)
    return readings


def _caption(machine: Mapping[str, Any]) -> str:
    parts = [machine.get("gpu", machine["processor"]), f"{machine['threads']} threads"]
    if machine.get("renderer"):
        parts.append(f"drawn by {machine['renderer']}")
    if "load_before" in machine:
        parts.append(f"load before the run {machine['load_before']}")
    return ", ".join(map(str, parts))


if __name__ == "__main__":
    app()

"""Compare the engine with the textbook version: ``python -m benchmarks.engine --help``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks.encoding import measure_bfloat16, measure_encode
from benchmarks.memory import measure_memory
from benchmarks.report import Figure, describe_machine, print_table
from benchmarks.stages import measure_edit, measure_pamr, measure_text, measure_whole
from benchmarks.workload import ARCHITECTURE, FULL, QUICK, Workload, save_random_clip
from napari_itaclip.clip.device import resolve_device
from napari_itaclip.errors import ItaclipError

SECTIONS: Mapping[str, Callable[[Workload], Iterator[Figure]]] = MappingProxyType(
    {
        "text": measure_text,
        "encode": measure_encode,
        "edit": measure_edit,
        "pamr": measure_pamr,
        "whole": measure_whole,
        "memory": measure_memory,
        "bfloat16": measure_bfloat16,
    }
)
"""The parts of the benchmark, in the order in which they run."""

SCHEMA = 1
"""Version of the JSON's structure."""

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
        str, typer.Option(help=f"Parts to run, with commas: {','.join(SECTIONS)}.")
    ] = ",".join(SECTIONS),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the processor.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Measure the engine against the textbook version, all in one run.

    Ends with 1 if a target is missed, with 2 if something asked for does not exist.
    """
    console = Console(stderr=True, highlight=False)
    chosen = [name.strip() for name in only.split(",") if name.strip()]
    unknown = set(chosen) - set(SECTIONS)
    if unknown or not chosen:
        console.print(f"--only: choose from {', '.join(SECTIONS)}.", style="red")
        raise typer.Exit(2)
    try:
        where = resolve_device(device)
    except ItaclipError as error:
        console.print(f"--device: {error}", style="red")
        raise typer.Exit(2) from None
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    machine = describe_machine(where)
    start = time.perf_counter()
    figures: list[Figure] = []
    with TemporaryDirectory() as folder:
        checkpoint = save_random_clip(Path(folder) / "random.safetensors", tiny=quick)
        work = Workload(QUICK if quick else FULL, checkpoint, where)
        for name in SECTIONS:
            if name in chosen:
                with console.status(name):
                    figures += SECTIONS[name](work)
    seconds = time.perf_counter() - start

    judge = not quick
    # Lines that are wrapped at 80 columns are hard to read in a log.
    table_console = Console() if Console().is_terminal else Console(width=120)
    print_table(table_console, figures, machine, judge=judge)
    missed = [figure for figure in figures if judge and figure.passed is False]
    if json_file is not None:
        report = {
            "schema": SCHEMA,
            "quick": quick,
            "network": "tiny" if quick else ARCHITECTURE,
            "picture": work.size.picture,
            "machine": machine,
            "seconds": round(seconds, 2),
            "figures": [figure.as_json(judge) for figure in figures],
            "passed": not missed if judge else None,
        }
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if missed:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()

"""Measure a batch: ``python -m benchmarks.batch --help``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks.batch.measure import Subject, measure_growth, measure_speed
from benchmarks.report import describe_machine, print_table
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import get_preset

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    quick: Annotated[
        bool, typer.Option("--quick", help="Few images, to try the benchmark; judges nothing.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything to this file.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model by name.")] = "demo",
    preset: Annotated[str, typer.Option(help="Settings of the comparison.")] = "balanced",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the processor.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Measure the speed of a batch against the engine's, and its memory over many images.

    Ends with 1 if a target is missed.
    """
    torch.set_num_threads(threads)
    machine = describe_machine(torch.device(device))
    segmenter = Segmenter.from_pretrained(model, device=device, precision="float32")
    chosen = get_preset(preset)
    fast = get_preset("draft")
    fast = replace(fast, name="small", encode=replace(fast.encode, short_side=96))
    subject = Subject(
        segmenter=segmenter,
        model=model,
        preset=fast if quick else chosen,
        device=device,
        images=2 if quick else 12,
        rounds=1 if quick else 5,
        many=8 if quick else 500,
    )
    with TemporaryDirectory() as name:
        folder = Path(name)
        figures = [*measure_speed(subject, folder), *measure_growth(subject, folder, fast)]
    print_table(Console(), figures, machine, judge=not quick)
    if json_file is not None:
        content = {
            "schema": 1,
            "machine": machine,
            "figures": [figure.as_json(not quick) for figure in figures],
        }
        json_file.write_text(json.dumps(content, indent=2) + "\n")
    if not quick and any(figure.passed is False for figure in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()

"""``napari-itaclip segment-large``: label an image that is larger than memory."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_itaclip._cli.console import out, progress_bar, say
from napari_itaclip._cli.options import (
    Activation,
    Checkpoint,
    Classes,
    Device,
    Model,
    Precision,
    PresetName,
    VocabularyFile,
    check_one_model,
    read_words,
)
from napari_itaclip.errors import SettingsError

if TYPE_CHECKING:
    from napari_itaclip.batch.large.assemble import LargeReport
    from napari_itaclip.vocabulary.classes import Vocabulary


def large(
    image: Annotated[
        Path,
        typer.Argument(help="Image: TIFF, OME-Zarr, Zarr array, .npy.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Label image to write: .tif or .zarr."),
    ],
    classes: Classes = None,
    vocabulary: VocabularyFile = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Size of the picture that is looked at: 0.25 is a quarter each way."),
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(help="Instead of --scale: size of its pixels in the image's unit (m, µm)."),
    ] = None,
    full_size: Annotated[
        bool, typer.Option("--full-size", help="Enlarge the labels to the image's size.")
    ] = False,
    uncertainty: Annotated[
        bool,
        typer.Option("--uncertainty", help="Write the margin as an 8-bit image beside the labels."),
    ] = False,
    preset: PresetName = "balanced",
    model: Model = None,
    checkpoint: Checkpoint = None,
    activation: Activation = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    memory: Annotated[
        float,
        typer.Option(help="GB for the arrays of one block; the process needs about 1.5 more."),
    ] = 1.0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a result that is already there.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away an unfinished run with other settings.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of a table.")
    ] = False,
) -> None:
    """Label an image of any size, such as a whole slide or an orthophoto.

    Works part by part; the result has no seams. The same command goes on with an interrupted run.
    """
    check_one_model(model, checkpoint)
    if not 0.05 <= memory <= 1024:
        raise SettingsError(f"--memory is {memory:g} GB, but must lie between 0.05 and 1024.")
    words = read_words(classes, vocabulary)

    from napari_itaclip.batch.large.plan import check_preset
    from napari_itaclip.batch.large.run import segment_large
    from napari_itaclip.batch.large.write import check_output
    from napari_itaclip.clip.registry import DEFAULT_MODEL
    from napari_itaclip.segmentation.segmenter import Segmenter
    from napari_itaclip.segmentation.settings import get_preset

    # What is wrong with the command shows before a model is loaded.
    check_preset(get_preset(preset))
    check_output(output, overwrite=overwrite)
    segmenter = Segmenter.from_pretrained(
        checkpoint or model or DEFAULT_MODEL,
        device=device,
        precision=precision,
        activation=activation,
    )
    used = segmenter.model
    say(f"{used.spec.title} on {used.device} in {str(used.dtype).removeprefix('torch.')}")
    with progress_bar(image.name, shown=not as_json) as advance:
        report = segment_large(
            image,
            words,
            segmenter,
            scale=scale,
            pixel_size=pixel_size,
            preset=preset,
            output=output,
            progress=advance,
            full_size=full_size,
            margin=uncertainty,
            memory=int(memory * 1e9),
            overwrite=overwrite,
            restart=restart,
        )
    if as_json:
        print(json.dumps(_plain(report), indent=2, ensure_ascii=False))
    else:
        _print(report, words)


def _plain(report: LargeReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(report).items()
    }


def _print(report: LargeReport, vocabulary: Vocabulary) -> None:
    """Print the classes' shares, what was written where, and what a person should know."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("class")
    table.add_column("share", justify="right")
    rows = list(zip(vocabulary.ids, vocabulary.names, vocabulary.colors, strict=True))
    if 0 in report.pixels and 0 not in vocabulary.ids:
        rows.append((0, "unlabelled", "#000000"))
    total = max(1, sum(report.pixels.values()))
    for number, name, color in rows:
        share = report.pixels.get(number, 0) / total
        table.add_row(f"[{color}]■[/]", escape(name), f"{share:.1%}")
    out.print(table)
    files = {"labels": report.labels, "margin": report.margin, "legend": report.legend}
    for what, path in files.items():
        if path is not None:
            out.print(f"{what:>8}  {escape(str(path))}", highlight=False, soft_wrap=True)
    height, width = report.working_shape
    say(f"Looked at {width}×{height} pixels in {report.windows} windows.")
    for note in report.notes:
        say(f"Note: {note}")

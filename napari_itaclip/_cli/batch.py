"""``napari-itaclip batch``: label folders of images, and go on where a run was ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from napari_itaclip._cli.console import err, out, report_error, say
from napari_itaclip._cli.options import (
    Activation,
    Alpha,
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

if TYPE_CHECKING:
    from napari_itaclip.batch.job import BatchJob
    from napari_itaclip.batch.progress import BatchProgress, BatchReport, ShowProgress

_MOST_LINES = 20
"""So many images are listed at the end; the rest are in ``problems.json``."""


def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Images, folders, patterns ('scans/*.png'), lists of paths (.txt), multi-page "
            "TIFF, Zarr.",
            show_default=False,
        ),
    ],
    classes: Classes = None,
    vocabulary: VocabularyFile = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            "--export",
            "-e",
            metavar="FORMAT:DIR",
            help="What to write and where, such as voc:out; again for several formats. Formats: "
            "voc, cityscapes, coco, coco-instances, coco-polygons, coco-panoptic, yolo, labelme, "
            "cvat, label-studio, geojson, geotiff, ome-zarr, png, tiff.",
        ),
    ] = None,
    model: Model = None,
    checkpoint: Checkpoint = None,
    activation: Activation = "auto",
    preset: PresetName = "balanced",
    alpha: Alpha = None,
    device: Device = "auto",
    precision: Precision = "auto",
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search folders inside folders, too.")
    ] = False,
    split: Annotated[
        str, typer.Option(help="Part of the data set: train, val, test or another name.")
    ] = "train",
    no_images: Annotated[
        bool, typer.Option("--no-images", help="Write annotations only, no copies of pictures.")
    ] = False,
    scale: Annotated[
        float, typer.Option(help="Size at which images are read, above 0 and at most 1.")
    ] = 1.0,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the state. Default: .itaclip/batch in the first export's folder."
        ),
    ] = None,
    redo_edited: Annotated[
        bool,
        typer.Option(
            "--redo-edited", help="Also redo what a person has corrected: the corrections are lost."
        ),
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="Label at most so many new images in this run.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Run on a Dask cluster: the address of its scheduler."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON document.")
    ] = False,
) -> None:
    """Label all images of folders and write annotation files.

    Run the same command again after an interruption: finished images are skipped.

    Files that a person has edited are never touched, unless with --redo-edited.
    """
    from napari_itaclip.batch.job import BatchJob, ExportTarget
    from napari_itaclip.formats.model import ExportOptions
    from napari_itaclip.segmentation.settings import get_preset

    check_one_model(model, checkpoint)
    words = read_words(classes, vocabulary, alpha)
    options = ExportOptions(images=not no_images, split=split)
    job = BatchJob(
        inputs=tuple(inputs),
        vocabulary=words,
        exports=tuple(ExportTarget.parse(one, options) for one in export or ()),
        preset=get_preset(preset),
        model=checkpoint if checkpoint is not None else model,
        device=device,
        precision=precision,
        activation=activation,
        recursive=recursive,
        redo_edited=redo_edited,
        scale=scale,
        state=state,
        limit=limit,
    )
    try:
        with _progress(shown=not as_json) as show:
            report = _run(job, scheduler, show)
    except KeyboardInterrupt:
        say("Stopped. Finished images are kept; run the same command again to go on.")
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(report_values(report), indent=2, ensure_ascii=True))
    else:
        print_report(report, job)
    if report.failed:
        raise typer.Exit(1)


def _run(job: BatchJob, scheduler: str | None, show: ShowProgress) -> BatchReport:
    if scheduler is None:
        from napari_itaclip.batch.run import run_batch

        return run_batch(job, progress=show)
    from napari_itaclip.batch.cluster import run_on_cluster

    return run_on_cluster(job, scheduler, progress=show)


@contextmanager
def _progress(*, shown: bool) -> Iterator[ShowProgress]:
    """Yield what shows a `BatchProgress` on stderr: images, rate, time left."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=err,
        transient=True,
        disable=not shown,
    ) as bar:
        task = bar.add_task("Finding images, loading the model", total=None, rate="", left="")

        def show(progress: BatchProgress) -> None:
            left = progress.seconds_left
            bar.update(
                task,
                description=escape(_printable(progress.name[-40:])),
                completed=progress.done,
                total=progress.total,
                rate=f"{progress.rate:.2f} images/s" if progress.rate else "",
                left="" if left is None else f"{duration(left)} left",
            )

        yield show


def print_report(report: BatchReport, job: BatchJob) -> None:
    """Print what was done, what was left out and why."""
    from napari_itaclip.batch.state import BatchState

    rate = f" ({report.rate:.2f} images/s)" if report.rate else ""
    say(f"{counted(report.done)} labelled in {duration(report.seconds)}{rate}.")
    if report.skipped:
        say(f"{counted(report.skipped)} finished before.")
    if report.left:
        say(f"{counted(report.left)} left for the next run.")
    _print_list("kept as a person has left them", report.kept)
    for target in job.exports:
        found = dict(report.exports).get(target.format)
        if found is not None:
            line = f"{target.format:>16}  {target.folder}  {counted(found.images)}"
            out.print(escape(line), highlight=False, soft_wrap=True)
            for loss in found.losses:
                pixels = f" ({loss.pixels} pixels)" if loss.pixels else ""
                say(f"Note: {target.format}, {loss.kind}{pixels}: {loss.detail}")
    if report.failed:
        _print_list("could not be labelled", report.failed, failed=True)
        say(f"All are listed in {BatchState(job.state_folder).folder / 'problems.json'}.")


def _print_list(what: str, found: tuple[tuple[str, str], ...], *, failed: bool = False) -> None:
    """Print images with what there is to say about them."""
    if not found:
        return
    say(f"{counted(len(found))} {what}:")
    for name, reason in found[:_MOST_LINES]:
        line = f"{_printable(name)}: {_printable(reason)}"
        if failed:
            report_error(ValueError(line))
        else:
            say(f"  {line}")
    if len(found) > _MOST_LINES:
        say(f"  … and {len(found) - _MOST_LINES} more.")


def report_values(report: BatchReport) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    values = asdict(report)
    for what in ("kept", "failed"):
        values[what] = [{"name": name, "reason": reason} for name, reason in values[what]]
    return {**values, "exports": dict(values["exports"])}


def counted(number: int) -> str:
    """Return a number of images in words."""
    return "1 image" if number == 1 else f"{number} images"


def duration(seconds: float) -> str:
    """Return a time as a person would say it: 5 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _printable(text: Any) -> str:
    """Return text on one line, with what a terminal would obey written out."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))

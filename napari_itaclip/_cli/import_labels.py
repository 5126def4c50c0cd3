"""``napari-itaclip import``: label images from the annotation files of other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_itaclip._cli.console import out, progress_bar, report_error, say
from napari_itaclip._cli.export import given_classes, print_report, with_picture

if TYPE_CHECKING:
    from napari_itaclip.formats.dataset import ExportReport
    from napari_itaclip.formats.model import ReadableDataset


def import_labels(
    path: Annotated[
        Path, typer.Argument(help="Annotation file or folder of any format.", show_default=False)
    ],
    to: Annotated[
        Path | None,
        typer.Option("--to", "-t", help="Folder for PNG label images and their classes."),
    ] = None,
    source_format: Annotated[
        str | None, typer.Option("--format", "-f", help="Format; found out by itself.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option("--classes", "-c", help="Classes of files that do not name them."),
    ] = None,
    vocabulary: Annotated[
        Path | None, typer.Option("--vocabulary", "-v", help="File with the classes.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Put the pictures beside the labels.")] = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace images that are already there.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Read annotation files as label images with the right names.

    Without --to only lists what was found.
    """
    from napari_itaclip.formats.export import import_labels as find

    data = find(path, source_format, given_classes(classes, vocabulary))
    for note in data.notes:
        say(f"Note: {note}")
    report: ExportReport | None = None
    failed: list[dict[str, str]] = []
    if to is not None:
        report, failed = _write(data, to, pictures, replace, shown=not as_json)
    if as_json:
        print(json.dumps(_as_data(data, to, report, failed), indent=2, ensure_ascii=False))
    else:
        _print_found(data)
    if failed:
        if not as_json:
            say(f"{len(failed)} of {len(data.names)} images could not be read.")
        raise typer.Exit(1)


def _write(
    data: ReadableDataset, folder: Path, pictures: bool, replace: bool, *, shown: bool
) -> tuple[ExportReport, list[dict[str, str]]]:
    """Write PNG label images; return what came of it, and which images failed and why."""
    from napari_itaclip import __version__
    from napari_itaclip.errors import FormatError, ImageError
    from napari_itaclip.formats.dataset import DatasetWriter
    from napari_itaclip.formats.model import ExportOptions

    options = ExportOptions(images=pictures)
    about = {"made_by": f"napari-itaclip {__version__}, read from {data.format}."}
    kind = "tiff" if max(one.id for one in data.classes) > 65535 else "png"
    writer = DatasetWriter(folder, kind, data.classes, options, about=about)
    failed = []
    with progress_bar("Reading", shown=shown) as advance:
        for number, name in enumerate(data.names):
            advance(number, len(data.names))
            try:
                item = data.load(name)
                writer.add(with_picture(item, None) if pictures else item, replace=replace)
            except (FormatError, ImageError) as error:
                report_error(error)
                failed.append({"image": name, "error": str(error)})
    report = writer.finish()
    if shown:
        print_report(writer, report)
    return report, failed


def _print_found(data: ReadableDataset) -> None:
    """Print the format, the images and the classes."""
    out.print(f"{escape(data.format)}: {len(data.names)} images", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "id", "class"):
        table.add_column(title, justify="right" if title == "id" else "left")
    for one in data.classes:
        name = escape(one.name) + (" (background)" if one.background else "")
        table.add_row(f"[{one.color}]■[/]", str(one.id), name)
    out.print(table)


def _as_data(
    data: ReadableDataset,
    folder: Path | None,
    report: ExportReport | None,
    failed: list[dict[str, str]],
) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    rows = [
        {"id": one.id, "name": one.name, "color": one.color, "background": one.background}
        for one in data.classes
    ]
    found = {"format": data.format, "images": list(data.names), "classes": rows}
    if report is None:
        return found
    losses = [
        {"kind": loss.kind, "detail": loss.detail, "pixels": loss.pixels} for loss in report.losses
    ]
    return {**found, "folder": str(folder), "losses": losses, "failed": failed}

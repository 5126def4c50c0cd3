"""``napari-itaclip export``: annotation files of other tools from label images or each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_itaclip._cli.console import out, progress_bar, report_error, say
from napari_itaclip.errors import SettingsError

if TYPE_CHECKING:
    from napari_itaclip.formats.dataset import DatasetWriter, ExportReport
    from napari_itaclip.formats.model import LabelClass, LabelledImage, Loss


def export(
    labels: Annotated[
        list[Path],
        typer.Argument(
            help="Label images, or annotation files or folders of any format.", show_default=False
        ),
    ],
    to: Annotated[
        list[str],
        typer.Option("--to", "-t", help="FORMAT:FOLDER, such as voc:out; can be repeated."),
    ],
    source_format: Annotated[
        str | None, typer.Option("--from", help="Format of what is read; found out by itself.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option("--classes", "-c", help="Classes of labels that do not name them."),
    ] = None,
    vocabulary: Annotated[
        Path | None, typer.Option("--vocabulary", "-v", help="File with the classes.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder with the pictures, if they are not found.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Put the pictures beside the annotations.")] = True,
    split: Annotated[str, typer.Option(help="Part of the data set: train, val, test.")] = "train",
    void: Annotated[int, typer.Option(help="Value of unlabelled pixels, 0 to 255.")] = 255,
    id_map: Annotated[
        str | None,
        typer.Option(help='Values for Cityscapes: "road=7,car=26", or a JSON file.'),
    ] = None,
    min_pixels: Annotated[int, typer.Option(help="Leave out smaller objects.")] = 0,
    tolerance: Annotated[
        float, typer.Option(help="How far polygons may lie from the pixels' edges.")
    ] = 0.0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace images that are already there.")
    ] = False,
    replace_edited: Annotated[
        bool, typer.Option("--replace-edited", help="Replace files edited by hand as well.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Write labels as annotation files of other tools.

    Reads label images (with the legend that `segment` writes beside them) and every format that it
    writes. What a format cannot hold is listed.
    """
    from napari_itaclip.formats.export import import_labels, parse_target
    from napari_itaclip.formats.model import ExportOptions

    targets = [parse_target(text) for text in to]
    given = given_classes(classes, vocabulary)
    options = ExportOptions(
        images=pictures,
        void=void,
        id_map=parse_id_map(id_map),
        split=split,
        min_pixels=min_pixels,
        tolerance=tolerance,
    )
    if images is not None and not images.is_dir():
        raise SettingsError(f"{images} is no folder; name the one with the pictures.")
    found = [import_labels(path, source_format, given) for path in labels]
    for data in found:
        for note in data.notes:
            say(f"Note: {note}")

    from napari_itaclip import __version__
    from napari_itaclip.formats.dataset import DatasetWriter
    from napari_itaclip.formats.parts.merging import merge

    known, sources = merge(found, given)
    about = {"made_by": f"napari-itaclip {__version__}."}
    writers = [
        DatasetWriter(folder, format, known, options, about=about) for format, folder in targets
    ]
    mode: Any = "edited" if replace_edited else replace
    failed = _write_all(sources, known, writers, images, mode, shown=not as_json)
    reports = [(writer, writer.finish(replace=mode or True)) for writer in writers]
    if as_json:
        documents = [_as_data(writer, report) for writer, report in reports]
        print(json.dumps({"exports": documents, "failed": failed}, indent=2, ensure_ascii=False))
    else:
        for writer, report in reports:
            print_report(writer, report)
    if failed:
        if not as_json:
            say(f"{len(failed)} of {len(sources)} images could not be exported.")
        raise typer.Exit(1)


def given_classes(classes: str | None, vocabulary: Path | None) -> tuple[LabelClass, ...] | None:
    """Return the classes of ``--classes`` or ``--vocabulary``; None if neither is given.

    A vocabulary file may also be a table of classes as the formats write it (``classes.json``).
    """
    from napari_itaclip.errors import FormatError
    from napari_itaclip.formats.export import as_classes
    from napari_itaclip.formats.parts.class_tables import read_table

    if classes is not None and vocabulary is not None:
        raise SettingsError("Give either --classes or --vocabulary, not both.")
    if vocabulary is not None and vocabulary.suffix.lower() == ".json":
        try:
            return read_table(vocabulary).classes
        except FormatError:
            return as_classes(vocabulary)
    if classes is None and vocabulary is None:
        return None
    return as_classes(classes if classes is not None else vocabulary)


def parse_id_map(text: str | None) -> dict[str, int]:
    """Return the values by class name in ``name=7,other=8`` or in a JSON file.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    from napari_itaclip.formats.parts.json_files import read_json

    if text is None:
        return {}
    if text.lower().endswith(".json"):
        data = read_json(Path(text))
        if not isinstance(data, dict) or not all(type(value) is int for value in data.values()):
            raise SettingsError(f'{text} must hold names and values, such as {{"road": 7}}.')
        return data
    values: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        if not equals or not name.strip() or not number.strip().isdecimal():
            raise SettingsError(
                f"The id map is written like road=7,car=26 and not {text!r}; for names with commas "
                "use a JSON file."
            )
        values[name.strip()] = int(number)
    return values


def print_report(writer: DatasetWriter, report: ExportReport) -> None:
    """Print what was written, and what could not be held."""
    out.print(
        f"[bold]{escape(writer.format.title)}[/]: {report.images} images in "
        f"{escape(str(writer.folder))}",
        highlight=False,
        soft_wrap=True,
    )
    if report.losses:
        out.print(loss_table(report.losses))


def loss_table(losses: tuple[Loss, ...]) -> Table:
    """Return a table of what a format could not hold."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("not held")
    table.add_column("pixels", justify="right")
    table.add_column("what")
    for loss in losses:
        table.add_row(escape(loss.kind), str(loss.pixels or "-"), escape(loss.detail))
    return table


def with_picture(item: LabelledImage, folder: Path | None) -> LabelledImage:
    """Return a labelled image with its picture, from a folder if one is given.

    JPEG and PNG files are copied as they are; others are read. A picture that does not fit is left
    out with a remark, since the labels are what matters.
    """
    from dataclasses import replace

    from napari_itaclip.errors import ImageError
    from napari_itaclip.formats.parts.exchange import find_picture, picture
    from napari_itaclip.formats.reading.label_folder import PICTURE_SUFFIXES
    from napari_itaclip.segmentation.image import prepare_image
    from napari_itaclip.segmentation.image_files import read_image

    if folder is not None:
        path = find_picture(folder, *(item.name + suffix for suffix in PICTURE_SUFFIXES))
        item = replace(item, image_path=path or item.image_path)
    if item.image_path is None or picture(item)[1] is not None:
        return item
    try:
        shown = prepare_image(read_image(item.image_path)).rgb
    except ImageError as error:
        say(f"Note: the picture of {item.name!r} is left out: {error}")
        return replace(item, image_path=None)
    if shown.shape[:2] != item.shape:
        say(f"Note: {item.image_path} has another size than its labels and is left out.")
        return replace(item, image_path=None)
    return replace(item, image=shown)


def _write_all(
    sources: Any,
    classes: tuple[LabelClass, ...],
    writers: list[DatasetWriter],
    images: Path | None,
    mode: Any,
    *,
    shown: bool,
) -> list[dict[str, str]]:
    """Write every image into every data set; return those that failed and why."""
    from napari_itaclip.errors import FormatError, ImageError
    from napari_itaclip.formats.parts.merging import load

    failed = []
    with progress_bar("Exporting", shown=shown) as advance:
        for number, source in enumerate(sources):
            advance(number, len(sources))
            try:
                item = load(source, classes)
                if writers[0].options.images:
                    item = with_picture(item, images)
                for writer in writers:
                    writer.add(item, replace=mode)
            except (FormatError, ImageError) as error:
                report_error(error)
                failed.append({"image": source.name, "error": str(error)})
    return failed


def _as_data(writer: DatasetWriter, report: ExportReport) -> dict[str, Any]:
    """Return what ``--json`` prints of one data set."""
    return {
        "format": writer.format.name,
        "folder": str(writer.folder),
        "images": report.images,
        "files": report.files,
        "written": list(report.written),
        "losses": [
            {"kind": loss.kind, "detail": loss.detail, "pixels": loss.pixels}
            for loss in report.losses
        ],
    }

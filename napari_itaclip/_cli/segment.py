"""``napari-itaclip segment``: label images from the shell."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from napari_itaclip import __version__
from napari_itaclip._cli.console import class_table, out, progress_bar, report_error, say
from napari_itaclip._cli.options import (
    Activation,
    Alpha,
    Checkpoint,
    Classes,
    Device,
    Model,
    Precision,
    PresetName,
    RecipeName,
    Stride,
    VocabularyFile,
    check_one_model,
    read_words,
)
from napari_itaclip.errors import ItaclipError, OutputError, SettingsError

if TYPE_CHECKING:
    from napari_itaclip.segmentation.segmenter import Segmentation, Segmenter
    from napari_itaclip.segmentation.settings import Preset

_DEFAULT_FOLDER = Path("itaclip-output")


@dataclass(frozen=True)
class OutputFiles:
    """Where the results of one image go."""

    labels: Path
    overlay: Path
    legend: Path

    @classmethod
    def beside(cls, folder: Path, stem: str) -> OutputFiles:
        """Return the files for an image named ``stem``."""
        return cls(
            labels=folder / f"{stem}_labels.png",
            overlay=folder / f"{stem}_overlay.png",
            legend=folder / f"{stem}_legend.json",
        )


def segment(
    images: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    classes: Classes = None,
    vocabulary: VocabularyFile = None,
    model: Model = None,
    checkpoint: Checkpoint = None,
    activation: Activation = "auto",
    preset: PresetName = "balanced",
    recipe: RecipeName = None,
    stride: Stride = None,
    short_side: Annotated[
        int | None, typer.Option(help="Length in pixels that the short side is resized to.")
    ] = None,
    alpha: Alpha = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Leave pixels unlabelled whose best class leads by less than this."),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the results.")
    ] = _DEFAULT_FOLDER,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that are already there.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Label images with the classes you name.

    Writes, for each image, a label PNG, an overlay picture with legend, and the legend as JSON.
    """
    check_one_model(model, checkpoint)
    words = read_words(classes, vocabulary, alpha)
    chosen = _preset(preset, recipe=recipe, stride=stride, short_side=short_side, margin=margin)
    files = _plan_outputs(images, output, overwrite=overwrite)

    from napari_itaclip.clip.registry import DEFAULT_MODEL
    from napari_itaclip.segmentation.encode import window_of
    from napari_itaclip.segmentation.segmenter import Segmenter

    source = checkpoint or model or DEFAULT_MODEL
    segmenter = Segmenter.from_pretrained(
        source, device=device, precision=precision, activation=activation
    )
    used = segmenter.model
    window_of(used, chosen.encode)  # a stride that does not fit is no fault of the images
    say(f"{used.spec.title} on {used.device} in {str(used.dtype).removeprefix('torch.')}")
    with progress_bar("Reading the words", shown=not as_json) as advance:
        segmenter.embed(words, progress=advance)
    reports: list[dict[str, Any]] = []
    failures = 0
    for number, (path, target) in enumerate(files.items(), start=1):
        title = f"{path.name} ({number} of {len(files)})" if len(files) > 1 else path.name
        try:
            started = time.perf_counter()
            picture, result = run_one(segmenter, path, words, chosen, title, shown=not as_json)
            write_results(target, picture, result)
        except ItaclipError as error:
            failures += 1
            report_error(error)
            reports.append({"image": str(path), "error": str(error)})
            continue
        seconds = time.perf_counter() - started
        reports.append({"image": str(path), **report(result, target), "seconds": round(seconds, 3)})
        if not as_json:
            print_result(path.name, result, target)
    if as_json:
        print(json.dumps(reports, indent=2, ensure_ascii=False))
    elif failures:
        say(f"{failures} of {len(files)} images could not be segmented.")
    if failures:
        raise typer.Exit(1)


def run_one(
    segmenter: Segmenter, path: Path, words: Any, preset: Preset, title: str, *, shown: bool
) -> tuple[Any, Segmentation]:
    """Read and segment one file; return the picture that was labelled and the result."""
    from napari_itaclip.segmentation.image import prepare_image
    from napari_itaclip.segmentation.image_files import read_image

    image = prepare_image(read_image(path))
    with progress_bar(title, shown=shown) as advance:
        features = segmenter.encode(image, preset, progress=advance)
    return image.rgb, segmenter.segment(features, words, preset)


def write_results(files: OutputFiles, picture: Any, result: Segmentation) -> None:
    """Write label PNG, overlay picture and legend of one image."""
    from napari_itaclip.segmentation.image_files import write_label_png, write_legend_json
    from napari_itaclip.segmentation.overlay import write_overlay_png

    classes = result.classes
    colors = {row.id: row.color for row in classes}
    made_by = f"napari-itaclip {__version__}, model {result.settings.model}"
    comment = " ".join(filter(None, [f"{made_by}.", result.settings.notice]))
    write_label_png(files.labels, result.labels, colors, comment=comment)
    write_overlay_png(
        files.overlay, picture, result.labels, classes, caption=result.settings.notice
    )
    write_legend_json(files.legend, result, extra=result.provenance())


def print_result(title: str, result: Segmentation, files: OutputFiles) -> None:
    """Print the class table, what was written where, and what a person should know."""
    out.print(f"[bold]{escape(title)}[/]")
    out.print(class_table(result))
    for what, path in asdict(files).items():
        out.print(f"{what:>8}  {escape(str(path))}", highlight=False, soft_wrap=True)
    for note in result.notes:
        say(f"Note: {note}")


def report(result: Segmentation, files: OutputFiles) -> dict[str, Any]:
    """Return what ``--json`` prints of one image."""
    return {
        "files": {what: str(path) for what, path in asdict(files).items()},
        "classes": [
            {
                "id": row.id,
                "name": row.name,
                "color": row.color,
                "pixels": row.pixels,
                "share": row.share,
                "confidence": None if math.isnan(row.confidence) else row.confidence,
            }
            for row in result.classes
        ],
        **result.provenance(),
    }


def _preset(
    name: str,
    *,
    recipe: str | None,
    stride: int | None,
    short_side: int | None,
    margin: float | None,
) -> Preset:
    """Return the preset with what was set by hand."""
    from napari_itaclip.clip.recipes import get_recipe
    from napari_itaclip.segmentation.settings import get_preset

    preset = get_preset(name)
    changes: dict[str, Any] = {}
    if recipe is not None:
        changes["recipe"] = get_recipe(recipe)
    if stride is not None:
        changes["stride"] = stride
    if short_side is not None:
        changes["short_side"] = short_side
        changes["max_long_side"] = max(preset.encode.max_long_side, short_side)
    decide = preset.decide if margin is None else replace(preset.decide, margin_threshold=margin)
    return replace(preset, encode=replace(preset.encode, **changes), decide=decide)


def _plan_outputs(images: list[Path], folder: Path, *, overwrite: bool) -> dict[Path, OutputFiles]:
    """Return the result files of every image, before anything is computed.

    Raises
    ------
    SettingsError
        If two images would write the same files.
    OutputError
        If the folder is a file, or a result is already there and may not be replaced.
    """
    distinct = list(dict.fromkeys(images))
    stems = Counter(path.stem for path in distinct)
    names = {path: path.stem if stems[path.stem] == 1 else path.name for path in distinct}
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise SettingsError(
            f"Several images are named {twice[0]!r}, so their results would replace each other; "
            "segment them one folder at a time, each with its own --output."
        )
    files = {path: OutputFiles.beside(folder, name) for path, name in names.items()}
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the results with --output.")
    if not overwrite:
        for targets in files.values():
            for path in (targets.labels, targets.overlay, targets.legend):
                if path.exists():
                    raise OutputError(
                        f"{path} is already there and may hold corrections; choose another folder "
                        "with --output, or replace it with --overwrite."
                    )
    return files

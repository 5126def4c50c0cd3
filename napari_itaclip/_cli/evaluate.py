"""``napari-itaclip evaluate``: labels against ground truth, over a whole data set."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from napari_itaclip._cli.console import out, progress_bar, report_error, say
from napari_itaclip._cli.options import (
    Activation,
    Checkpoint,
    Device,
    Model,
    Precision,
    RecipeName,
    Stride,
    check_one_model,
)
from napari_itaclip.errors import ItaclipError, MissingExtraError, SettingsError

if TYPE_CHECKING:
    from napari_itaclip.evaluation.datasets import DataSet, Sample
    from napari_itaclip.evaluation.predictors import Predictor
    from napari_itaclip.evaluation.report import Report
    from napari_itaclip.evaluation.run import Outcome, Shard
    from napari_itaclip.evaluation.words import Matching
    from napari_itaclip.segmentation.settings import Preset
    from napari_itaclip.vocabulary.classes import Vocabulary

PICTURE_FILE = "confusion.png"
_OUTPUT = "itaclip-evaluation"
_SHOWN_FAILURES = 20


def evaluate(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="PRESET_OR_FOLDER",
            help="A benchmark (voc21, voc20, context60, context59, coco_object, coco_stuff, "
            "cityscapes, ade20k), or a folder with images/, masks/ and classes.json.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path, typer.Option("--data", "-d", help="Where the benchmark's data set lies.")
    ] = Path("data"),
    vocabulary: Annotated[
        Path | None,
        typer.Option("--vocabulary", "-v", help="Words for the classes, matched by name or id."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", "-p", help="Settings: a benchmark's own, else balanced by default."
        ),
    ] = None,
    recipe: RecipeName = None,
    stride: Stride = None,
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="Whether to sharpen scores (PAMR).")
    ] = True,
    model: Model = None,
    checkpoint: Checkpoint = None,
    activation: Activation = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    labels: Annotated[
        Path | None,
        typer.Option(help="Judge these label images or annotation files; no model runs."),
    ] = None,
    labels_format: Annotated[
        str | None,
        typer.Option(help="The format of --labels, such as coco; found out by default."),
    ] = None,
    ignore: Annotated[
        list[int] | None,
        typer.Option(help="Value in the masks to leave out; may be repeated."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first images, for a trial.")
    ] = None,
    shard: Annotated[
        str, typer.Option(help="Which part of the images, such as 2/8: the second of eight.")
    ] = "1/1",
    merge: Annotated[
        list[Path] | None,
        typer.Option(help="Output folder of a shard; repeat it for each. Only puts them together."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"Folder for the results [default: {_OUTPUT}/NAME]."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Count everything anew.")] = False,
    picture: Annotated[
        bool | None,
        typer.Option(
            "--picture/--no-picture",
            help="Draw the confusion matrix [default: if matplotlib is there].",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON instead of tables.")
    ] = False,
) -> None:
    """Judge labels against ground truth: IoU per class, mIoU, accuracy, boundary IoU.

    Writes report.json, a picture of the confusion matrix, and the counts of each image, from
    which an interrupted evaluation goes on.
    """
    if picture:
        from napari_itaclip.evaluation.picture import check_matplotlib

        check_matplotlib()
    if merge:
        from napari_itaclip.evaluation.run import merge as merge_shards

        target = output or merge[0]
        finish(merge_shards(merge, target, limit), target, picture, as_json=as_json)
        return
    if what is None:
        raise SettingsError(
            "Say what to evaluate: a benchmark such as voc21, or a folder with images/, masks/ "
            "and classes.json."
        )
    if labels is not None and (model is not None or checkpoint is not None):
        raise SettingsError("Give either --labels or a model, not both.")
    check_one_model(model, checkpoint)

    from napari_itaclip.evaluation.run import Evaluation, Shard
    from napari_itaclip.evaluation.run import evaluate as run_evaluation
    from napari_itaclip.evaluation.words import match_classes

    part = Shard.parse(shard)
    found, settings = find_data(what, data, tuple(ignore or ()))
    words = found.vocabulary if vocabulary is None else _read_words(vocabulary)
    predictor: Predictor
    if labels is None:
        matching = match_classes(found.classes, words)
        tell(found, matching)
        chosen = choose_settings(preset or settings, recipe, stride, refine=refine)
        loaded = (checkpoint or model, device, precision, activation)
        predictor = _model_labels(words, chosen, *loaded, as_json)
    else:
        judged = part.of(found.samples[:limit])
        predictor, ids = find_labels(labels, labels_format, judged, words)
        matching = match_classes(found.classes, ids)
        tell(found, matching)
    target = output or Path(_OUTPUT) / found.name
    evaluation = Evaluation(found, predictor, matching, target, part, limit=limit, restart=restart)
    with progress_bar(found.title, shown=not as_json) as advance:
        outcome = run_evaluation(evaluation, advance)
    conclude(outcome, part, target, picture, as_json=as_json)


def find_data(what: str, data: Path, ignore: tuple[int, ...]) -> tuple[DataSet, str]:
    """Return a benchmark's or a folder's data set, and the name of the settings for it."""
    from napari_itaclip.evaluation.benchmarks import BENCHMARKS, get_benchmark
    from napari_itaclip.evaluation.datasets import find_benchmark
    from napari_itaclip.evaluation.folder import find_folder
    from napari_itaclip.evaluation.truth import Coding
    from napari_itaclip.segmentation.segmenter import DEFAULT_PRESET

    if what.lower().replace("-", "_") not in BENCHMARKS and Path(what).is_dir():
        return find_folder(Path(what), ignore), DEFAULT_PRESET
    benchmark = get_benchmark(what)
    found = find_benchmark(benchmark, data)
    taken = sorted(found.coding.positions.keys() & set(ignore))
    if taken:
        raise SettingsError(
            f"{taken[0]} is a class of {found.title} and cannot be ignored: its numbers would no "
            "longer be the benchmark's"
        )
    coding = Coding(found.coding.positions, found.coding.ignored | frozenset(ignore))
    return replace(found, coding=coding), benchmark.preset


def tell(found: DataSet, matching: Matching) -> None:
    """Say what a person should know before the work begins."""
    say(f"{found.title}: {len(found.samples)} images, {len(found.classes)} classes")
    for note in found.notes:
        say(f"Note: {note}")
    renamed = [pair for pair in matching.by_id if pair[1] != "background"]
    if renamed:
        pairs = ", ".join(f"{word} for {name}" for word, name in renamed[:8])
        more = f" and {len(renamed) - 8} more" if len(renamed) > 8 else ""
        say(f"Matched by id: {pairs}{more}")
    if matching.extra:
        extra = ", ".join(matching.extra[:8])
        say(f"Words that the data set has no class for (pixels count as misses): {extra}")


def conclude(
    outcome: Outcome, part: Shard, target: Path, picture: bool | None, *, as_json: bool
) -> None:
    """Print what came out; exit with 1 if images could not be evaluated."""
    for name, reason in outcome.failures[:_SHOWN_FAILURES]:
        report_error(ItaclipError(f"{name}: {reason}"))
    if outcome.report is not None:
        finish(outcome.report, target, picture, as_json=as_json)
        return
    if outcome.failures:
        say(
            f"{len(outcome.failures)} images could not be evaluated, so there is no report: "
            f"without them its numbers would be about another data set. The others are kept in "
            f"{target}."
        )
        raise typer.Exit(1)
    say(
        f"Shard {part.index}/{part.count} is done; {outcome.missing} images of other shards are "
        f"not counted yet. The shard that ends last in {target} writes the report; put shards "
        "from several folders together with --merge."
    )


def finish(report: Report, target: Path, picture: bool | None, *, as_json: bool) -> None:
    """Draw the picture and print the report."""
    from napari_itaclip.evaluation.picture import write_picture
    from napari_itaclip.evaluation.report import report_text
    from napari_itaclip.evaluation.run import REPORT_FILE

    written = [target / REPORT_FILE]
    if picture is not False:
        try:
            write_picture(target / PICTURE_FILE, report)
            written.append(target / PICTURE_FILE)
        except MissingExtraError as error:
            say(f"Note: {error}")
    if as_json:
        print(report_text(report), end="")
        return
    out.print(report_table(report))
    for name, value in summary(report).items():
        out.print(f"{name:>18}  {_percent(value)} %", highlight=False)
    for path in written:
        out.print(f"{'written':>18}  {escape(str(path))}", highlight=False, soft_wrap=True)
    notice = report.run.about.get("notice")
    if notice:
        say(f"Note: {notice}")


def summary(report: Report) -> dict[str, float]:
    """Return the means by their names."""
    found = report.measures
    return {
        "mIoU": found.mean_iou,
        "pixel accuracy": found.pixel_accuracy,
        "mean accuracy": found.mean_accuracy,
        "mean boundary IoU": found.mean_boundary_iou,
    }


def report_table(report: Report) -> Table:
    """Return the classes with their measures in percent."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class")
    for title in ("pixels", "IoU %", "accuracy %", "boundary IoU %"):
        table.add_column(title, justify="right")
    for name, row in zip(report.names, report.measures.classes, strict=True):
        values = (row.iou, row.accuracy, row.boundary_iou)
        table.add_row(escape(name), str(row.pixels), *map(_percent, values))
    return table


def _percent(value: float) -> str:
    """Return a share in percent; "-" where there is none."""
    return "-" if math.isnan(value) else f"{value * 100:.2f}"


def _read_words(path: Path) -> Vocabulary:
    """Read a vocabulary file; words may stand in two classes, as in the benchmarks' lists."""
    from napari_itaclip.vocabulary.importers import read_vocabulary

    return read_vocabulary(path, shared_words=True)


def choose_settings(name: str, recipe: str | None, stride: int | None, *, refine: bool) -> Preset:
    """Return the settings of a preset with what was set by hand."""
    from napari_itaclip.clip.recipes import get_recipe
    from napari_itaclip.segmentation.settings import get_preset

    preset = get_preset(name)
    encode = preset.encode
    if recipe is not None:
        encode = replace(encode, recipe=get_recipe(recipe))
    if stride is not None:
        encode = replace(encode, stride=stride)
    sharpen = preset.refine if refine else replace(preset.refine, iterations=0)
    return replace(preset, encode=encode, refine=sharpen)


def _model_labels(
    words: Vocabulary,
    chosen: Preset,
    source: str | Path | None,
    device: str,
    precision: str,
    activation: str,
    as_json: bool,
) -> Predictor:
    """Load the model and embed the words."""
    from napari_itaclip.clip.registry import DEFAULT_MODEL
    from napari_itaclip.evaluation.predictors import ModelLabels
    from napari_itaclip.segmentation.encode import window_of
    from napari_itaclip.segmentation.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained(
        source or DEFAULT_MODEL, device=device, precision=precision, activation=activation
    )
    used = segmenter.model
    window_of(used, chosen.encode)  # a stride that does not fit is no fault of the images
    kind = str(used.dtype).removeprefix("torch.")
    say(f"{used.spec.title} on {used.device} in {kind}, settings of {chosen.name}")
    with progress_bar("Reading the words", shown=not as_json) as advance:
        segmenter.embed(words, progress=advance)
    return ModelLabels(segmenter, words, chosen)


def find_labels(
    path: Path, format_name: str | None, samples: tuple[Sample, ...], words: Vocabulary
) -> tuple[Predictor, Vocabulary]:
    """Find the labels of all samples; return them with the classes that their ids stand for.

    Label images without a list of classes hold the ids of ``words``.
    """
    from napari_itaclip.evaluation.predictors import (
        annotation_classes,
        find_annotations,
        find_label_files,
        has_own_classes,
        read_annotations,
    )

    if format_name is None and not has_own_classes(path):
        return find_label_files(path, samples), words
    opened = read_annotations(path, format_name)
    return find_annotations(opened, samples), annotation_classes(opened)

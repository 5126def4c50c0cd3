"""``napari-itaclip demo``: a first result with no download, checked against the known truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from napari_itaclip._cli.console import class_table, out, progress_bar, say
from napari_itaclip._cli.segment import OutputFiles, report, write_results
from napari_itaclip.sample_data import WORLDS

_FOLDER = Path("itaclip-demo")

_ALL = "all"


def demo(
    scene: Annotated[
        str, typer.Option("--scene", "-s", help=f"{', '.join(WORLDS)} or {_ALL}.")
    ] = WORLDS[0],
    preset: Annotated[str, typer.Option("--preset", "-p", help="draft, balanced or paper.")] = (
        "balanced"
    ),
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the results.")
    ] = _FOLDER,
    view: Annotated[bool, typer.Option("--view", help="Open the result in napari.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Segment a scene that ships with the package, with the small model that ships too."""
    from napari_itaclip import sample_data
    from napari_itaclip.segmentation.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained("demo")
    say(
        "Model: demo, a small CLIP trained on drawn scenes like these. "
        "It shows how the tool works, not how well CLIP does on photographs."
    )
    reports: dict[str, Any] = {}
    opened = []
    for world in WORLDS if scene == _ALL else (scene,):
        picture = sample_data.sample_image(world)
        words = sample_data.sample_words(world)
        vocabulary = sample_data.sample_vocabulary(world)
        with progress_bar(world, shown=not as_json) as advance:
            features = segmenter.encode(picture, preset, progress=advance)
        result = segmenter.segment(features, vocabulary, preset)
        files = OutputFiles.beside(output, world)
        write_results(files, picture, result)
        iou = _iou(sample_data.sample_labels(world), result, words)
        mean = sum(iou.values()) / len(iou)
        reports[world] = {**report(result, files), "iou": iou, "miou": mean}
        opened.append((world, picture, result))
        if not as_json:
            out.print(f"[bold]{world}[/]  mIoU {mean:.2f} against the shipped ground truth")
            out.print(class_table(result, iou))
            written = f"Wrote {files.labels}, {files.overlay} and {files.legend}"
            out.print(escape(written), highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(reports, indent=2))
    if view:
        from napari_itaclip._widget.show import show_segmentations

        show_segmentations(opened)


def _iou(truth: Any, result: Any, words: tuple[str, ...]) -> dict[str, float]:
    """Return the IoU of every word of the scene."""
    import numpy as np

    from napari_itaclip.evaluation.confusion import confusion_matrix, intersection_over_union

    position = np.full(int(max(result.vocabulary.ids)) + 1, len(words))
    position[list(result.vocabulary.ids)] = np.arange(len(words))
    matrix = confusion_matrix(truth, position[result.labels], len(words))
    return dict(zip(words, intersection_over_union(matrix).tolist(), strict=True))

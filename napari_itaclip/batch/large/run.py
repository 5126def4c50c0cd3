"""Label an image of any size: survey it, look at it strip by strip, assemble the result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_itaclip.batch.large.assemble import LargeReport, assemble
from napari_itaclip.batch.large.pixels import survey
from napari_itaclip.batch.large.plan import (
    DEFAULT_MEMORY,
    LargePlan,
    check_preset,
    make_plan,
    scale_for,
    working_shape,
)
from napari_itaclip.batch.large.sources import LargeImage, open_large
from napari_itaclip.batch.large.state import WorkFolder
from napari_itaclip.batch.large.strips import Words, label_dtype
from napari_itaclip.batch.large.work import LargeRun, label_strips
from napari_itaclip.batch.large.write import check_output
from napari_itaclip.errors import ItaclipError, SettingsError

if TYPE_CHECKING:
    from napari_itaclip.segmentation.segmenter import Segmenter, VocabularyLike
    from napari_itaclip.segmentation.settings import Preset

__all__ = ["LargeReport", "StoppedError", "segment_large"]

_DEFAULT_PRESET = "balanced"


class StoppedError(ItaclipError):
    """The work was stopped on request; what is finished is kept."""


def segment_large(
    source: Any,
    vocabulary: VocabularyLike,
    segmenter: Segmenter,
    *,
    scale: float | None = None,
    pixel_size: float | None = None,
    preset: str | Preset = _DEFAULT_PRESET,
    output: str | Path,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    full_size: bool = False,
    margin: bool = False,
    contrast_limits: Sequence[float] | None = None,
    memory: int = DEFAULT_MEMORY,
    block: int | None = None,
    overwrite: bool = False,
    restart: bool = False,
) -> LargeReport:
    """Label an image that need not fit into memory.

    The labels are those that the engine would give for the whole image, shrunk to the scale with
    antialiasing and looked at in its own size: windows, scores, refinement, thresholds and closing
    know no borders between the parts that are worked on one after the other.

    What is finished is kept in a hidden folder beside the result until that is complete. The same
    call goes on from there, however the one before has ended.

    Parameters
    ----------
    source : str, Path, array-like or LargeImage
        The image; see `open_large`.
    vocabulary : Vocabulary, list, str or Path
        The classes; see `Vocabulary.parse`.
    segmenter : Segmenter
        The engine.
    scale : float, optional
        Working pixels per pixel of the image along each side, above 0 and at most 1 (the default).
    pixel_size : float, optional
        Instead of a scale: the size of a working pixel in the image's own unit (metres for most
        maps, micrometres for microscopes).
    preset : str or Preset
        Settings of all steps; its sizes (``short_side``, ``max_long_side``) give way to the scale.
    output : str or Path
        The label image: ``.tif`` or ``.tiff`` (tiled, compressed BigTIFF with a pyramid, on the map
        if the source is) or ``.zarr`` (OME-Zarr labels). A legend is written beside it, as JSON.
    progress : callable, optional
        Called with windows done and their number.
    stop : callable, optional
        Asked often; True ends the work with `StoppedError`.
    full_size : bool
        Whether the labels are enlarged to the image's size (nearest neighbour).
    margin : bool
        Whether the margin is written beside the labels, as ``NAME_margin``.
    contrast_limits : (float, float), optional
        Gray values shown as black and as white; None: the smallest and largest of the whole image.
    memory : int
        Bytes that the arrays of one block may take, roughly. The whole process needs this, the
        model, and about 1 GB for reading.
    block : int, optional
        Side of a block in working pixels instead of the one that suits the memory.
    overwrite : bool
        Whether a result that is there already may be replaced.
    restart : bool
        Whether to throw away what an unfinished run with other settings has left.

    Returns
    -------
    LargeReport
        Where the results lie and what they hold.

    Raises
    ------
    ImageError, VocabularyError, SettingsError
        If an input cannot be used.
    OutputError
        If the result is there already or cannot be written.
    MissingExtraError
        If the image or the result needs a library that is not installed.
    StoppedError
        If ``stop`` said so.
    """
    from napari_itaclip.segmentation.settings import get_preset
    from napari_itaclip.vocabulary.classes import Vocabulary

    started = time.perf_counter()
    chosen, classes, target = get_preset(preset), Vocabulary.parse(vocabulary), Path(output)
    check_preset(chosen)
    check_output(target, overwrite=overwrite)
    image = open_large(source)
    try:
        scale = _scale(image, scale, pixel_size)
        size = working_shape(image.shape, scale)
        words = Words(classes, segmenter.embed(classes))
        number = image.level_for(size)
        plan = make_plan(
            image.shape, size, number, segmenter.model, chosen, len(words.embeddings.embeddings),
            memory=memory, block=block,
        )  # fmt: skip
        folder = WorkFolder(target)
        with folder.lock():
            limits = None if contrast_limits is None else [float(one) for one in contrast_limits]
            done = folder.begin(
                _job(image, plan, segmenter, chosen, classes, limits), restart=restart
            )
            run = LargeRun(
                image=image,
                plan=plan,
                conversion=survey(
                    image.levels[number], contrast_limits=limits, nodata=image.nodata
                ),
                segmenter=segmenter,
                preset=chosen,
                words=words,
                folder=folder,
                labels=folder.raster("labels", size, label_dtype(classes)),
                margin=folder.raster("margin", size, np.uint8),
                progress=progress or (lambda done, total: None),
                check=_checker(stop),
            )
            resumed = done.rows
            label_strips(run, done)
            report = assemble(run, done, target, scale, resumed, full_size=full_size, margin=margin)
            return replace(report, seconds=time.perf_counter() - started)
    finally:
        if image is not source:
            image.close()


def _scale(image: LargeImage, scale: float | None, pixel_size: float | None) -> float:
    """Return the scale that was asked for in one way or the other."""
    if pixel_size is None:
        return 1.0 if scale is None else scale
    if scale is not None:
        raise SettingsError("give either a scale or a pixel size, not both.")
    return scale_for(pixel_size, image.pixel_size)


def _checker(stop: Callable[[], bool] | None) -> Callable[[], None]:
    """Return what raises when the work is to end."""

    def check() -> None:
        if stop is not None and stop():
            raise StoppedError(
                "stopped; what is finished is kept, and the same command goes on from there."
            )

    return check


def _job(
    image: LargeImage,
    plan: LargePlan,
    segmenter: Segmenter,
    preset: Preset,
    vocabulary: Any,
    limits: list[float] | None,
) -> dict[str, Any]:
    """Return what the labels depend on, as JSON values; the keys are words for a person."""
    values = {
        "image": image.identity,
        "scale": plan.size,
        "model": segmenter.model.identity,
        "vocabulary": vocabulary.to_dict(),
        "preset": [asdict(preset.encode), asdict(preset.refine), asdict(preset.decide)],
        "contrast": limits,
        "block size": plan.block,
    }
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain

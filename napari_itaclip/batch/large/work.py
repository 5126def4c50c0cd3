"""The strips of a large image one after the other, each down to the disk when it is labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_itaclip.batch.large.pixels import Conversion
from napari_itaclip.batch.large.plan import LargePlan, touching
from napari_itaclip.batch.large.resample import PictureRows
from napari_itaclip.batch.large.sources import LargeImage
from napari_itaclip.batch.large.state import Progress, Raster, WorkFolder
from napari_itaclip.batch.large.strips import Scores, Words, label_block, row_scores

if TYPE_CHECKING:
    from napari_itaclip.segmentation.segmenter import Segmenter
    from napari_itaclip.segmentation.settings import Preset


@dataclass(frozen=True)
class LargeRun:
    """Everything that the steps share."""

    image: LargeImage
    plan: LargePlan
    conversion: Conversion
    segmenter: Segmenter
    preset: Preset
    words: Words
    folder: WorkFolder
    labels: Raster
    margin: Raster
    progress: Callable[[int, int], None]
    check: Callable[[], None]


def label_strips(run: LargeRun, done: Progress) -> None:
    """Label all strips that are left."""
    plan = run.plan
    picture = PictureRows(run.image.levels[plan.level], plan.size, run.conversion)
    scores: dict[int, Scores] = {}
    for top, bottom in plan.strips(done.rows):
        low, high = max(0, top - plan.halo), min(plan.size[0], bottom + plan.halo)
        needed = touching(plan.rows, low, high)
        for number in [number for number in scores if number < needed.start]:
            del scores[number]
        picture.forget(min(low, plan.rows.starts[needed.start]))
        for number in needed:
            if number not in scores:
                scores[number] = _row(run, picture, number)
        counted = _label_strip(run, picture, scores, (top, bottom), (low, high), done)
        run.folder.save(counted)
        _take_over(done, counted)
        next_low = max(0, bottom - plan.halo)
        still = touching(plan.rows, next_low, next_low + 1).start
        for number in range(needed.start, still):
            run.folder.drop_scores(number)
    run.progress(plan.windows, plan.windows)


def _row(run: LargeRun, picture: PictureRows, number: int) -> Scores:
    """Return the scores of a row of windows: kept ones, or looked at now."""
    plan = run.plan
    embeddings = run.words.embeddings.embeddings
    across = len(plan.columns.starts)
    shape = (len(embeddings), plan.rows.grid, across * plan.columns.grid)
    known = run.folder.load_scores(number, shape)

    def report(windows: int) -> None:
        run.progress(number * across + windows, plan.windows)
        run.check()

    if known is None:
        start = plan.rows.starts[number]
        known = row_scores(
            run.segmenter.model,
            picture.rows(start, start + plan.rows.window),
            plan,
            embeddings,
            run.preset.encode,
            report,
        )
        run.folder.save_scores(number, known)
    return known


def _label_strip(
    run: LargeRun,
    picture: PictureRows,
    scores: Mapping[int, Scores],
    strip: tuple[int, int],
    around: tuple[int, int],
    done: Progress,
) -> Progress:
    """Label one strip, write it down, and return the counts with it added."""
    (top, bottom), (low, high) = strip, around
    width = run.plan.size[1]
    labels = np.empty((bottom - top, width), run.labels.dtype)
    margin = np.empty((bottom - top, width), np.uint8)
    counted = Progress(
        bottom, done.valid, done.uncertainty, dict(done.pixels), dict(done.confidence)
    )  # fmt: skip
    guide = picture.rows(low, high)
    valid = picture.valid(top, bottom)
    for left, right in run.plan.blocks():
        run.check()
        columns = slice(left, right)
        found = label_block(
            run.segmenter.model, run.plan, scores, guide, low, (slice(top, bottom), columns),
            run.words, run.preset,
        )  # fmt: skip
        mask = np.ones(found.labels.shape, np.bool_) if valid is None else valid[:, columns]
        labels[:, columns] = np.where(mask, found.labels, 0)
        margin[:, columns] = np.where(mask, np.rint(found.margin * 255), 0)
        ids, where = np.unique(found.labels[mask], return_inverse=True)
        sums = np.bincount(where.ravel(), found.confidence[mask], len(ids))
        for id_, count, total in zip(ids, np.bincount(where.ravel()), sums, strict=True):
            key = str(int(id_))
            counted.pixels[key] = counted.pixels.get(key, 0) + int(count)
            counted.confidence[key] = counted.confidence.get(key, 0.0) + float(total)
        counted.valid += int(mask.sum())
        counted.uncertainty += float((1 - found.margin[mask]).sum(dtype=np.float64))
    run.labels.write(top, labels)
    run.margin.write(top, margin)
    return counted


def _take_over(done: Progress, counted: Progress) -> None:
    """Make ``done`` what has been counted."""
    for name, value in vars(counted).items():
        setattr(done, name, value)

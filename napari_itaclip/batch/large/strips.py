"""The work itself: windows of the working picture → scores at their patches → labels of a block.

Everything is done by the engine's own functions on a part of the picture. What is kept of a row of
windows is the score of each word at each patch, a small fraction of the features' size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch.large.plan import LargePlan, part_of, touching
from napari_itaclip.segmentation.windows import Axis

if TYPE_CHECKING:
    from torch import Tensor

    from napari_itaclip.clip.checkpoints import ClipModel
    from napari_itaclip.clip.text import ClassEmbeddings
    from napari_itaclip.segmentation.settings import EncodeSettings, Preset
    from napari_itaclip.vocabulary.classes import Vocabulary

_WINDOWS_AT_ONCE = 64
"""Windows whose features are held together, along a row."""

Scores = NDArray[np.float32]
"""Of one row of windows: ``(W, g_h, n_x * g_w)``."""


@dataclass(frozen=True)
class Words:
    """The vocabulary as the decision needs it.

    Attributes
    ----------
    vocabulary : Vocabulary
        The classes.
    embeddings : ClassEmbeddings
        Their words' embeddings.
    """

    vocabulary: Vocabulary
    embeddings: ClassEmbeddings

    @property
    def ids(self) -> NDArray[np.integer[Any]]:
        """Label of each position; the last serves the undecided, whose position is -1."""
        ids = np.array([*self.vocabulary.ids, 0])
        return ids.astype(label_dtype(self.vocabulary))

    @property
    def background(self) -> int | None:
        """Position of the background class."""
        marks = [prompt.background for prompt in self.vocabulary]
        return marks.index(True) if True in marks else None


@dataclass(frozen=True)
class BlockLabels:
    """What was decided for a block.

    Attributes
    ----------
    labels : ndarray of int, shape (h, w)
        Class ids.
    margin, confidence : ndarray of float32, shape (h, w)
        Lead of the best class, and its value.
    """

    labels: NDArray[np.integer[Any]]
    margin: NDArray[np.float32]
    confidence: NDArray[np.float32]


def label_dtype(vocabulary: Vocabulary) -> np.dtype[Any]:
    """Return the type of the labels: uint8, uint16 or int32, as in a `Segmentation`."""
    kind = np.min_scalar_type(max(*vocabulary.ids, 0))
    return np.dtype(np.int32) if kind.itemsize > 2 else kind


def row_scores(
    model: ClipModel,
    picture: NDArray[np.uint8],
    plan: LargePlan,
    embeddings: Tensor,
    settings: EncodeSettings,
    report: Callable[[int], None],
) -> Scores:
    """Look at one row of windows and score every word at every patch.

    Parameters
    ----------
    model : ClipModel
        The network.
    picture : ndarray of uint8, shape (window, w, 3)
        The rows of the working picture that these windows lie on.
    plan : LargePlan
        Where the windows lie.
    embeddings : Tensor, shape (W, D)
        Word embeddings.
    settings : EncodeSettings
        How to look.
    report : callable
        Called with the number of windows of this row that are done; may raise to stop.
    """
    import torch

    from napari_itaclip.segmentation.encode import iter_encode
    from napari_itaclip.segmentation.image import PreparedImage
    from napari_itaclip.segmentation.scores import patch_scores

    columns, parts, done = plan.columns, [], 0
    for first in range(0, len(columns.starts), _WINDOWS_AT_ONCE):
        group = range(first, min(first + _WINDOWS_AT_ONCE, len(columns.starts)))
        left, right = columns.starts[group[0]], columns.starts[group[-1]] + columns.window
        part = np.ascontiguousarray(picture[:, left:right])
        sides = part.shape[:2]
        # At its own size the part is not resized, and its windows are those of the whole picture.
        own = replace(settings, short_side=min(sides), max_long_side=max(sides))
        with torch.inference_mode():
            for step in iter_encode(model, PreparedImage(part), own):
                report(done + step.done)
                if step.features is not None:
                    features = step.features
            parts.append(patch_scores(features, embeddings).cpu().numpy())
        done += len(group)
    return np.ascontiguousarray(np.concatenate(parts, axis=2), np.float32)


def label_block(
    model: ClipModel,
    plan: LargePlan,
    scores: Mapping[int, Scores],
    picture: NDArray[np.uint8],
    picture_top: int,
    block: tuple[slice, slice],
    words: Words,
    preset: Preset,
) -> BlockLabels:
    """Label one block from the scores of the windows around it.

    Parameters
    ----------
    model : ClipModel
        The network, for the device it works on.
    plan : LargePlan
        Where everything lies.
    scores : mapping of int to ndarray
        Scores of every row of windows that touches the block or its halo.
    picture : ndarray of uint8, shape (h, w, 3)
        Rows of the working picture that cover block and halo.
    picture_top : int
        Which row of the working picture the first of them is.
    block : (slice, slice)
        Rows and columns of the working picture.
    words : Words
        The vocabulary.
    preset : Preset
        Settings of all steps.
    """
    import torch

    from napari_itaclip.segmentation.decide import decide
    from napari_itaclip.segmentation.refine import pamr

    rows, columns = block
    near = tuple(_grown(one, plan.halo, side) for one, side in zip(block, plan.size, strict=True))
    kept = tuple(
        _grown(one, plan.closing_reach, side) for one, side in zip(block, plan.size, strict=True)
    )
    with torch.inference_mode():
        values = _scores_of(plan, scores, near, model.device)
        if preset.refine.iterations:
            part = picture[near[0].start - picture_top : near[0].stop - picture_top, near[1]]
            guide = torch.tensor(part, device=model.device).permute(2, 0, 1).float()
            values = pamr(
                values, guide.contiguous(), preset.refine.iterations, preset.refine.dilations
            )
        inside = tuple(_within(one, around) for one, around in zip(kept, near, strict=True))
        decided = decide(
            values[:, inside[0], inside[1]],
            words.embeddings.word_class_index,
            preset.decide,
            background=words.background,
            class_bias=words.vocabulary.biases,
            class_threshold=words.vocabulary.thresholds,
        )
    own = _within(rows, kept[0]), _within(columns, kept[1])
    return BlockLabels(
        words.ids[decided.positions[own]], decided.margin[own], decided.confidence[own]
    )


def _scores_of(
    plan: LargePlan, scores: Mapping[int, Scores], near: tuple[slice, ...], device: Any
) -> Tensor:
    """Return the score of every word at every pixel ``(W, h, w)`` of a rectangle."""
    import torch

    from napari_itaclip.segmentation.scores import FactoredScores, axis_operator

    down = touching(plan.rows, near[0].start, near[0].stop)
    across = touching(plan.columns, near[1].start, near[1].stop)
    grid = plan.columns.grid
    patches = np.concatenate(
        [scores[number][:, :, across.start * grid : across.stop * grid] for number in down], axis=1
    )
    stacked = torch.from_numpy(patches).to(device)
    rows, columns = part_of(plan.rows, down), part_of(plan.columns, across)
    words, patch_rows, _ = stacked.shape
    operator = axis_operator(columns, columns.length, device)
    operator = operator[_shifted(near[1], plan.columns, across)]
    wide = stacked.transpose(0, 1).flatten(0, 1) @ operator.t()
    factored = FactoredScores(rows, rows.length, wide.view(patch_rows, words, -1))
    return factored.band(_shifted(near[0], plan.rows, down))


def _shifted(where: slice, axis: Axis, windows: range) -> slice:
    """Return a range of pixels counted from the first of these windows."""
    first = axis.starts[windows[0]]
    return slice(where.start - first, where.stop - first)


def _grown(where: slice, by: int, length: int) -> slice:
    """Return a range grown on both sides, within the picture."""
    return slice(max(0, where.start - by), min(length, where.stop + by))


def _within(where: slice, around: slice) -> slice:
    """Return a range counted from the start of a larger one."""
    return slice(where.start - around.start, where.stop - around.start)

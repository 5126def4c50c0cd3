"""Pixel-adaptive mask refinement (PAMR), in a form that streams over the neighbours.

Araslanov & Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020. A score is
replaced, several times, by the average over its neighbours' scores, weighted by how similar their
colours are. The published form gathers all neighbours at once; here one shifted copy is added at a
time, in bands of rows that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.scores import interpolation_matrix

_STD_SHARE = 0.1
"""Share of the local standard deviation that counts as one step of colour difference."""

_STD_FLOOR = 1e-8

_BAND_ELEMENTS = 1 << 18
"""Elements per band on a CPU: a megabyte in float32, about what an inner cache holds."""

_WORDS_AT_ONCE = 4
"""Score maps that are refined together; more would only cost memory for the two padded copies."""


def pamr(
    scores: Tensor, guide: Tensor, iterations: int = 10, dilations: Sequence[int] = (8, 16)
) -> Tensor:
    """Refine score maps along the edges of a picture.

    Parameters
    ----------
    scores : Tensor, shape (W, H, W'), float32
        Score maps.
    guide : Tensor, shape (3, H, W'), float32
        Picture whose edges count, on the same device.
    iterations : int
        Rounds of averaging; 0 returns the scores as they are.
    dilations : sequence of int
        Distances in pixels of the eight neighbours each.

    Returns
    -------
    Tensor, shape (W, H, W'), float32
        New maps; ``scores`` is not changed.

    Raises
    ------
    SettingsError
        If the shapes do not belong together.
    """
    if guide.ndim != 3 or scores.ndim != 3 or guide.shape[1:] != scores.shape[1:]:
        raise SettingsError(
            f"Scores of shape {tuple(scores.shape)} cannot be refined with a picture of shape "
            f"{tuple(guide.shape)}; both must cover the same pixels."
        )
    if iterations <= 0:
        return scores
    weights = affinities(guide, dilations)
    out = torch.empty_like(scores)
    for start in range(0, len(scores), _WORDS_AT_ONCE):
        part = slice(start, start + _WORDS_AT_ONCE)
        out[part] = _average(scores[part], weights, iterations, dilations)
    return out


def refinement_guide(features: ImageFeatures) -> Tensor:
    """Return the picture that guides the refinement: ``(3, H, W)`` float32, levels 0 to 255.

    It is the working picture, resized bilinearly to the original size. The affinities measure
    differences against the local spread, so they do not depend on the scale, but where a region is
    constant they must be exactly zero: interpolating in float64 keeps rounding noise out.
    """
    height, width = features.shape
    down = interpolation_matrix(features.rows.length, height)
    across = interpolation_matrix(features.columns.length, width).t()
    levels = torch.tensor(features.picture)
    planes = [(down @ levels[..., channel].double() @ across).float() for channel in range(3)]
    return torch.stack(planes).to(features.features.device)


def neighbour_offsets(dilations: Sequence[int]) -> list[tuple[int, int]]:
    """Return the (dy, dx) of the neighbours: eight around the pixel for each dilation."""
    return [
        (dy * dilation, dx * dilation)
        for dilation in dilations
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if dy or dx
    ]


def affinities(guide: Tensor, dilations: Sequence[int]) -> Tensor:
    """Return how much each neighbour counts at each pixel: ``(K, H, W)``, summing to 1 over K.

    The logit of a neighbour is ``-|I_p - I_q| / (1e-8 + 0.1 std)``, averaged over the colour
    channels. ``std`` is the unbiased standard deviation over the 3x3 neighbourhoods of all
    dilations together, in which the pixel itself counts once for each dilation.

    Parameters
    ----------
    guide : Tensor, shape (C, H, W), float32
        Picture.
    dilations : sequence of int
        Distances in pixels.
    """
    reach = max(dilations)
    offsets = neighbour_offsets(dilations)
    padded = functional.pad(guide[None], (reach,) * 4, mode="replicate")[0]
    height, width = guide.shape[1:]
    weights = guide.new_empty(len(offsets), height, width)
    for top in range(0, height, _band_rows(guide, len(guide) * width)):
        bottom = min(height, top + _band_rows(guide, len(guide) * width))
        _band_affinities(padded, offsets, reach, len(dilations), top, weights[:, top:bottom])
    return weights


def _band_affinities(
    padded: Tensor,
    offsets: Sequence[tuple[int, int]],
    reach: int,
    centres: int,
    top: int,
    out: Tensor,
) -> None:
    """Write the affinities of the rows from ``top`` into ``out`` ``(K, h, W)``."""
    height, width = out.shape[1:]

    def shifted(dy: int, dx: int) -> Tensor:
        y, x = top + reach + dy, reach + dx
        return padded[:, y : y + height, x : x + width]

    centre = shifted(0, 0)
    # Differences to the centre have the same spread as the values and lose no digits when squared.
    total = torch.zeros_like(centre)
    squares = torch.zeros_like(centre)
    difference = torch.empty_like(centre)
    for offset in offsets:
        torch.sub(shifted(*offset), centre, out=difference)
        total.add_(difference)
        squares.addcmul_(difference, difference)
    count = len(offsets) + centres
    variance = squares.addcmul_(total, total, value=-1.0 / count).clamp_(min=0).div_(count - 1)
    step = variance.sqrt_().mul_(_STD_SHARE).add_(_STD_FLOOR)
    for index, offset in enumerate(offsets):
        torch.sub(shifted(*offset), centre, out=difference)
        torch.mean(difference.abs_().div_(step), dim=0, out=out[index])
    out.copy_(torch.softmax(-out, dim=0))


def _average(scores: Tensor, weights: Tensor, iterations: int, dilations: Sequence[int]) -> Tensor:
    """Average each map over its neighbours ``iterations`` times."""
    reach = max(dilations)
    offsets = neighbour_offsets(dilations)
    words, height, width = scores.shape
    current = functional.pad(scores[None], (reach,) * 4, mode="replicate")[0]
    following = torch.empty_like(current)
    rows = _band_rows(scores, words * width)
    inside = slice(reach, reach + width)
    for _ in range(iterations):
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            target = following[:, reach + top : reach + bottom, inside]
            for index, (dy, dx) in enumerate(offsets):
                source = current[
                    :, reach + top + dy : reach + bottom + dy, reach + dx : reach + dx + width
                ]
                weight = weights[index, top:bottom]
                if index == 0:
                    torch.mul(source, weight, out=target)
                else:
                    target.addcmul_(source, weight)
        _replicate_border(following, reach)
        current, following = following, current
    return current[:, reach : reach + height, inside]


def _replicate_border(padded: Tensor, reach: int) -> None:
    """Repeat the outermost pixels of the inside of ``padded`` over its margin, in place."""
    padded[:, :, :reach] = padded[:, :, reach : reach + 1]
    padded[:, :, -reach:] = padded[:, :, -reach - 1 : -reach]
    padded[:, :reach] = padded[:, reach : reach + 1]
    padded[:, -reach:] = padded[:, -reach - 1 : -reach]


def _band_rows(like: Tensor, elements_per_row: int) -> int:
    """Return how many rows to work on at a time; all of them where there is no cache to mind."""
    if like.device.type != "cpu":
        return like.shape[-2]
    return max(1, _BAND_ELEMENTS // elements_per_row)

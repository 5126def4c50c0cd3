"""PAMR: scores refined along the edges of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

from tests.textbook.scores import resize_scores


def _neighbours(maps: Tensor, dilation: int, centre: bool) -> Tensor:
    """Return (C, 8 or 9, H, W): the shifted copies of (C, H, W), the border repeated."""
    height, width = maps.shape[1:]
    d = dilation
    padded = fn.pad(maps[None], (d, d, d, d), mode="replicate")[0]
    copies = [
        padded[:, d + dy : d + dy + height, d + dx : d + dx + width]
        for dy in (-d, 0, d)
        for dx in (-d, 0, d)
        if centre or (dy, dx) != (0, 0)
    ]
    return torch.stack(copies, dim=1)


def pamr_guide(resized: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """Return the guide for `pamr`: the resized picture's 8-bit levels brought to ``size``.

    In ``float64``: where the picture is constant, rounding noise would otherwise be compared with
    its own standard deviation, and the noise would steer the refinement.
    """
    levels = torch.from_numpy(np.ascontiguousarray(resized)).permute(2, 0, 1).double()
    return resize_scores(levels, size)


def pamr(
    scores: Tensor, guide: Tensor, iterations: int = 10, dilations: Sequence[int] = (8, 16)
) -> Tensor:
    """Refine (words, H, W) scores along the edges of a (3, H, W) picture, as published.

    All neighbours of all dilations are unfolded at once: words x 8 x dilations x H x W numbers.
    """
    near = torch.cat([_neighbours(guide, d, centre=False) for d in dilations], dim=1)
    whole = torch.cat([_neighbours(guide, d, centre=True) for d in dilations], dim=1)
    spread = whole.std(dim=1, keepdim=True)
    affinity = -(guide[:, None] - near).abs() / (1e-8 + 0.1 * spread)
    weights = affinity.mean(dim=0).softmax(dim=0).to(scores.dtype)
    for _ in range(iterations):
        around = torch.cat([_neighbours(scores, d, centre=False) for d in dilations], dim=1)
        scores = (around * weights).sum(dim=1)
    return scores

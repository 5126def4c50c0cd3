"""Scores of every word in every pixel, window by window and view by view."""

# open_clip's modules declare no types for their parts, so they are passed around as Any.

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from tests.textbook.network import TextbookRecipe, visual_tokens
from tests.textbook.picture import VIEWS, view_of


def window_features(network: Any, window: Tensor, recipe: TextbookRecipe) -> Tensor:
    """Return L2-normalised patch features of one window (3, h, w): (rows, columns, D)."""
    patch = int(network.visual.conv1.weight.shape[-1])
    tokens = visual_tokens(network, window[None], recipe)[0, 1:]
    features: Tensor = tokens / tokens.norm(dim=-1, keepdim=True)
    return features.view(window.shape[1] // patch, window.shape[2] // patch, -1)


def window_scores(
    network: Any,
    window: Tensor,
    embeddings: Tensor,
    recipe: TextbookRecipe,
    lam: float | None,
) -> Tensor:
    """Return the scores of one window (3, h, w) on its patch grid, (words, rows, columns).

    ``lam`` weighs the filtered against the flipped views (eqs. 10 and 11); ``None`` is no image
    engineering.
    """
    if lam is None:
        return _cosines(window_features(network, window, recipe), embeddings)
    maps = {v: window_features(network, view_of(window, v), recipe) for v in VIEWS}
    filtered = _cosines((maps["original"] + maps["gray"] + maps["blur"]) / 3, embeddings)
    vertical = _cosines(maps["vertical"], embeddings).flip(1)
    horizontal = _cosines(maps["horizontal"], embeddings).flip(2)
    return lam * filtered + (1 - lam) * (vertical + horizontal) / 2


def _cosines(features: Tensor, embeddings: Tensor) -> Tensor:
    return (features @ embeddings.to(features).T).permute(2, 0, 1)


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Return where the windows of one axis begin; the last one is shifted back inside."""
    count = max(length - window + stride - 1, 0) // stride + 1
    return [max(min(i * stride, length - window), 0) for i in range(count)]


def windows_of(
    height: int, width: int, window: int, stride: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (top, bottom, left, right) of every window, row by row."""
    for top in window_starts(height, window, stride):
        for left in window_starts(width, window, stride):
            yield top, min(top + window, height), left, min(left + window, width)


def slide_scores(
    network: Any,
    image: Tensor,
    embeddings: Tensor,
    recipe: TextbookRecipe,
    *,
    window: int = 224,
    stride: int = 28,
    lam: float | None = 0.75,
) -> Tensor:
    """Return the scores of a whole picture at its own size.

    Parameters
    ----------
    network : open_clip.model.CLIP
        The network.
    image : Tensor
        (3, H, W), normalised. A side shorter than the window makes the window that short; its
        lower or right border is repeated up to a multiple of the patch size for the network and
        cut off the scores again.
    embeddings : Tensor
        (words, D).
    recipe : TextbookRecipe
        The last block.
    window, stride : int
        In pixels.
    lam : float or None
        Image engineering's λ; ``None`` is without.

    Returns
    -------
    Tensor
        (words, H, W).
    """
    patch = network.visual.conv1.weight.shape[-1]
    height, width = image.shape[1:]
    total = torch.zeros(len(embeddings), height, width, dtype=image.dtype, device=image.device)
    cover = torch.zeros(height, width, dtype=image.dtype, device=image.device)
    for top, bottom, left, right in windows_of(height, width, window, stride):
        crop = image[:, top:bottom, left:right]
        rows, columns = crop.shape[1:]
        crop = fn.pad(crop[None], (0, -columns % patch, 0, -rows % patch), mode="replicate")[0]
        scores = window_scores(network, crop, embeddings, recipe, lam)
        pixels = resize_scores(scores, (crop.shape[1], crop.shape[2]))
        total[:, top:bottom, left:right] += pixels[:, :rows, :columns]
        cover[top:bottom, left:right] += 1
    return total / cover


def resize_scores(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (words, h, w) bilinearly (``align_corners=False``), as for every map here."""
    return fn.interpolate(scores[None], size=size, mode="bilinear", align_corners=False)[0]

"""Random crops of pooled scenes at the scale the segmenter sees, and their soft patch targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from PIL import Image
from torch import Tensor

from training.lexicon import COLOURS
from training.pool import SIZE, WORDS, Pool, world_words

MODEL_SIDE = 336
"""The segmenter resizes a picture's short side to this before cutting windows."""

PATCH = 16
GRID = 14
"""Patches per axis of the 224 px window that the position table is made for."""

COLOUR_SLOTS = len(COLOURS) + 1
"""Pixel codes are ``word * COLOUR_SLOTS + colour``; colour 0 means none."""

_FREE_WORLDS = ("aerial", "microscopy")  # seen from above: no up and down
_VERTICAL_FLIP = 0.12
_GRAY_WEIGHTS = (0.2989, 0.587, 0.114)


@dataclass(frozen=True)
class Batch:
    """Crops ready for the network.

    Attributes
    ----------
    images : Tensor of float32, shape (B, 3, S, S)
        Augmented pictures, normalised like OpenAI's CLIP.
    codes : Tensor of int64, shape (B, S, S)
        ``word * COLOUR_SLOTS + colour`` of each pixel.
    offsets : Tensor of int64, shape (B, 2)
        Where in the 14x14 position grid the crop lies.
    worlds : Tensor of int64, shape (B,)
        Position of each crop's pool.
    """

    images: Tensor
    codes: Tensor
    offsets: Tensor
    worlds: Tensor


def draw_batch(
    pools: Sequence[Pool], rng: np.random.Generator, count: int, side: int, aimed: float = 0.6
) -> Batch:
    """Draw ``count`` random crops of ``side`` pixels.

    Parameters
    ----------
    pools : sequence of Pool
        One per world; crops are spread evenly over them.
    rng : numpy Generator
        The only source of randomness.
    count, side : int
        Number of crops; their side, a multiple of 16 and at most 224.
    aimed : float
        Fraction of crops placed on a word drawn evenly from the world's vocabulary, so that
        rare and small things turn up as often as the sky.
    """
    start = int(rng.integers(len(pools)))
    worlds = [(start + i) % len(pools) for i in range(count)]
    crops = [_draw_crop(pools[world], rng, side, rng.random() < aimed) for world in worlds]
    images = torch.from_numpy(np.stack([image for image, _ in crops])).permute(0, 3, 1, 2)
    codes = torch.from_numpy(np.stack([code for _, code in crops])).long()
    offsets = rng.integers(0, GRID - side // PATCH + 1, (count, 2))
    return Batch(
        augment(images.float() / 255, rng),
        codes,
        torch.from_numpy(offsets),
        torch.tensor(worlds),
    )


def normalise(images: Tensor) -> Tensor:
    """Return pictures in [0, 1], ``(B, 3, H, W)``, in the units the network takes."""
    mean = torch.tensor(OPENAI_DATASET_MEAN)[:, None, None]
    std = torch.tensor(OPENAI_DATASET_STD)[:, None, None]
    return (images - mean) / std


def to_gray(images: Tensor) -> Tensor:
    """Return normalised pictures ``(B, 3, H, W)`` in gray, as the segmenter's gray view does."""
    gray = (images * torch.tensor(_GRAY_WEIGHTS)[:, None, None]).sum(1, keepdim=True)
    return gray.expand_as(images)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Return pictures ``(B, 3, H, W)`` blurred by an 11x11 Gaussian with reflected borders."""
    x = torch.arange(-5, 6, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(images, (5, 5, 5, 5), mode="reflect")
    across = F.conv2d(padded, kernel.view(1, 1, 1, 11).expand(3, 1, 1, 11), groups=3)
    return F.conv2d(across, kernel.view(1, 1, 11, 1).expand(3, 1, 11, 1), groups=3)


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return pictures in [0, 1], ``(B, 3, H, W)``, with mild photographic changes, normalised.

    Colours shift little, for colour words must stay true. Some pictures turn gray or blurred
    because two of the segmenter's views are.
    """
    count = images.shape[0]

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, channels, 1, 1))).float()

    x = images.clamp(1e-4, 1) ** draw(0.8, 1.25)
    x = (x - 0.5) * draw(0.8, 1.15) + 0.5 + draw(-0.08, 0.08)
    x = x * draw(0.94, 1.06, 3)
    strength = draw(0, 0.04) * (draw(0, 1) < 0.5)
    noise = torch.from_numpy(rng.standard_normal(tuple(x.shape), dtype=np.float32))
    x = normalise((x + strength * noise).clamp(0, 1))
    kind, sigmas = rng.random(count), rng.uniform(1.0, 5.0, count)
    for i in range(count):
        if kind[i] < 0.10:
            x[i : i + 1] = to_gray(x[i : i + 1])
        elif kind[i] < 0.22:
            x[i : i + 1] = blur(x[i : i + 1], float(sigmas[i]))
    return x


def patch_targets(codes: Tensor, table: Tensor, candidates: int) -> tuple[Tensor, Tensor]:
    """Return soft targets: which fraction of each patch belongs to which candidate.

    Parameters
    ----------
    codes : Tensor of int64, shape (B, S, S)
        Pixel codes.
    table : Tensor of int64, shape (len(WORDS) * COLOUR_SLOTS,)
        Candidate of each code, -1 where none is right (the pixel is left out).
    candidates : int
        Number of candidates.

    Returns
    -------
    targets : Tensor of float32, shape (B, S/16 * S/16, candidates)
        Rows sum to 1, or to 0 where no pixel counts.
    covered : Tensor of float32, shape (B, S/16 * S/16)
        Fraction of each patch's pixels that counts.
    """
    count, side, _ = codes.shape
    n = side // PATCH
    chosen = table[codes].view(count, n, PATCH, n, PATCH).permute(0, 1, 3, 2, 4)
    chosen = chosen.reshape(count * n * n, PATCH * PATCH) + 1
    sums = torch.zeros(chosen.shape[0], candidates + 1)
    sums.scatter_add_(1, chosen, torch.ones_like(chosen, dtype=torch.float32))
    mass = sums[:, 1:].sum(1, keepdim=True)
    targets = sums[:, 1:] / mass.clamp_min(1)
    return targets.view(count, n * n, candidates), (mass / PATCH**2).view(count, n * n)


def word_weights(pools: Sequence[Pool], seed: int, count: int = 400, side: int = 112) -> Tensor:
    """Return mild class-balancing weights ``(len(WORDS),)``: inverse square root of frequency."""
    rng = np.random.default_rng([seed, 1])
    sums = np.zeros(len(WORDS))
    for i in range(count):
        _, codes = _draw_crop(pools[i % len(pools)], rng, side, rng.random() < 0.6)
        sums += np.bincount(codes.ravel() // COLOUR_SLOTS, minlength=len(WORDS))
    frequency = sums / sums.sum()
    weights = np.clip(frequency * len(WORDS), 0.02, None) ** -0.5
    weights = np.clip(weights, 0.4, 4.0)
    weights = weights / (weights * frequency).sum()
    return torch.from_numpy(weights).float()


def _draw_crop(
    pool: Pool, rng: np.random.Generator, side: int, aimed: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Return a crop ``(side, side, 3)`` and its pixel codes."""
    span = side * SIZE / (MODEL_SIDE * float(np.exp(rng.uniform(np.log(0.75), np.log(1.35)))))
    width = min(round(span), SIZE)
    scene, row, column = _place(pool, rng, width, aimed)
    window = (scene, slice(row, row + width), slice(column, column + width))
    image = np.asarray(
        Image.fromarray(pool.images[window]).resize((side, side), Image.Resampling.BILINEAR)
    )
    at = ((np.arange(side) + 0.5) * width / side).astype(np.int64)
    words = pool.words[window][at[:, None], at].astype(np.int16)
    codes = words * COLOUR_SLOTS + pool.colours[window][at[:, None], at]
    if rng.random() < 0.5:
        image, codes = image[:, ::-1], codes[:, ::-1]
    free = pool.world in _FREE_WORLDS
    if rng.random() < (0.5 if free else _VERTICAL_FLIP):
        image, codes = image[::-1], codes[::-1]
    if free and rng.random() < 0.5:
        image, codes = image.transpose(1, 0, 2), codes.T
    return np.ascontiguousarray(image), np.ascontiguousarray(codes)


def _place(pool: Pool, rng: np.random.Generator, width: int, aimed: bool) -> tuple[int, int, int]:
    """Return scene, top row and left column of a window of ``width`` pixels."""
    room = SIZE - width
    if aimed:
        word = int(rng.choice(world_words(pool.world)))
        scenes = np.flatnonzero(pool.counts[:, word] >= 40)
        if scenes.size:
            scene = int(rng.choice(scenes))
            rows, columns = np.nonzero(pool.words[scene, ::4, ::4] == word)
            if rows.size:
                i = int(rng.integers(rows.size))
                shift = rng.uniform(0.1, 0.9, 2) * width
                row = int(np.clip(rows[i] * 4 - shift[0], 0, room))
                return scene, row, int(np.clip(columns[i] * 4 - shift[1], 0, room))
    scene = int(rng.integers(len(pool)))
    return scene, int(rng.integers(room + 1)), int(rng.integers(room + 1))

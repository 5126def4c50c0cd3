"""The network: its recipes, blocks and visual tokens."""

# open_clip's modules declare no types for their parts, so they are passed around as Any.

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

POSITION_OFFSET = 0.1
"""Added to the number of patches when the position grid's scale factor is computed."""


@dataclass(frozen=True)
class TextbookRecipe:
    """How the last block is computed.

    Parameters
    ----------
    attention : tuple of str
        Terms of the attention, added up: two letters of ``q``, ``k``, ``v`` (``"qk"`` is the
        ordinary one), ``"identity"``, or two letters and ``"+gauss"`` (NACLIP's neighbourhood term
        inside the softmax).
    residual, feed_forward : bool
        Whether the last block keeps its residual connection and its feed-forward part.
    middle : tuple of int
        1-based blocks whose attention is averaged and mixed in half (eq. 8).
    sigma : float
        Width of NACLIP's Gaussian, in patches.
    """

    attention: tuple[str, ...] = ("qk",)
    residual: bool = True
    feed_forward: bool = True
    middle: tuple[int, ...] = ()
    sigma: float = 5.0


TEXTBOOK_RECIPES: dict[str, TextbookRecipe] = {
    "clip": TextbookRecipe(),
    "maskclip": TextbookRecipe(("identity",), residual=False, feed_forward=False),
    "sclip": TextbookRecipe(("qq", "kk")),
    "clearclip": TextbookRecipe(("qq",), residual=False, feed_forward=False),
    "naclip": TextbookRecipe(("kk+gauss",), residual=False, feed_forward=False),
    "itaclip": TextbookRecipe(("qq", "kk"), feed_forward=False, middle=(7, 8, 10)),
}


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return fn.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def _norm(x: Tensor, layer: Any) -> Tensor:
    weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
    return fn.layer_norm(x, (x.shape[-1],), weight, bias, layer.eps)


def _heads(x: Tensor, block: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k, v of ``ln_1(x)``, each (B, heads, tokens, head width)."""
    batch, tokens, width = x.shape
    count = block.attn.num_heads
    y = _linear(_norm(x, block.ln_1), block.attn.in_proj_weight, block.attn.in_proj_bias)
    q, k, v = y.view(batch, tokens, 3, count, width // count).permute(2, 0, 3, 1, 4)
    return q, k, v


def _project(attention: Tensor, v: Tensor, block: Any) -> Tensor:
    """Return ``out_proj(A v)``, (B, tokens, width)."""
    y = (attention @ v).transpose(1, 2).flatten(2)
    return _linear(y, block.attn.out_proj.weight, block.attn.out_proj.bias)


def _feed_forward(x: Tensor, block: Any) -> Tensor:
    y = _linear(_norm(x, block.ln_2), block.mlp.c_fc.weight, block.mlp.c_fc.bias)
    return _linear(block.mlp.gelu(y), block.mlp.c_proj.weight, block.mlp.c_proj.bias)


def _ordinary_block(x: Tensor, block: Any, mask: Tensor | None = None) -> Tensor:
    q, k, v = _heads(x, block)
    logits = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        logits = logits + mask
    x = x + _project(logits.softmax(dim=-1), v, block)
    return x + _feed_forward(x, block)


def gaussian_neighbourhood(rows: int, columns: int, sigma: float, dtype: torch.dtype) -> Tensor:
    """NACLIP's ``exp(-|p_i - p_j|^2 / 2 sigma^2)`` with zeros for CLS, (1+N, 1+N)."""
    omega = torch.zeros(rows * columns + 1, rows * columns + 1, dtype=dtype)
    for i in range(rows * columns):
        for j in range(rows * columns):
            squared = (i // columns - j // columns) ** 2 + (i % columns - j % columns) ** 2
            omega[i + 1, j + 1] = math.exp(-squared / (2 * sigma**2))
    return omega


def self_attention(
    x: Tensor, block: Any, recipe: TextbookRecipe, grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the recipe's attention from the input of one block, and v.

    Returns
    -------
    tuple of Tensor
        (B, heads, tokens, tokens), the sum of the recipe's terms (not divided by their number,
        eq. 6), and (B, heads, tokens, head width).
    """
    q, k, v = _heads(x, block)
    parts = {"q": q, "k": k, "v": v}
    total = torch.zeros(*q.shape[:-1], q.shape[-2], dtype=x.dtype, device=x.device)
    for term in recipe.attention:
        if term == "identity":
            total = total + torch.eye(q.shape[-2], dtype=x.dtype, device=x.device)
            continue
        letters, _, extra = term.partition("+")
        left, right = parts[letters[0]], parts[letters[1]]
        logits = left @ right.transpose(-1, -2) * q.shape[-1] ** -0.5
        if extra == "gauss":
            logits = logits + gaussian_neighbourhood(*grid, recipe.sigma, x.dtype).to(x.device)
        total = total + logits.softmax(dim=-1)
    return total, v


def position_embedding(visual: Any, grid: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Return the position embedding for a grid of patches, (1 + rows * columns, width)."""
    table: Tensor = visual.positional_embedding.detach().to(dtype)
    side = math.isqrt(len(table) - 1)
    if grid == (side, side):
        return table
    square = table[1:].T.reshape(1, -1, side, side)
    scale = tuple((n + POSITION_OFFSET) / side for n in grid)
    resized = fn.interpolate(square, scale_factor=scale, mode="bicubic", align_corners=False)
    if resized.shape[-2:] != grid:
        raise AssertionError(f"position grid {tuple(resized.shape[-2:])}, expected {grid}")
    return torch.cat([table[:1], resized[0].flatten(1).T])


@torch.no_grad()
def visual_tokens(network: Any, windows: Tensor, recipe: TextbookRecipe) -> Tensor:
    """Return projected tokens before L2-normalisation, CLS first.

    Parameters
    ----------
    network : open_clip.model.CLIP
        Its ``visual`` is a plain vision transformer.
    windows : Tensor
        (B, 3, h, w), normalised; sides are multiples of the patch size.
    recipe : TextbookRecipe
        What to do with the last block.

    Returns
    -------
    Tensor
        (B, 1 + N, D).
    """
    visual = network.visual
    dtype = windows.dtype
    kernel = visual.conv1.weight.to(dtype)
    patches = fn.conv2d(windows, kernel, stride=kernel.shape[-1])
    grid = (patches.shape[-2], patches.shape[-1])
    cls = visual.class_embedding.to(dtype).expand(len(windows), 1, -1)
    x = torch.cat([cls, patches.flatten(2).transpose(1, 2)], dim=1)
    x = _norm(x + position_embedding(visual, grid, dtype), visual.ln_pre)

    *first, last = visual.transformer.resblocks
    middle = []
    for number, block in enumerate(first, start=1):
        if number in recipe.middle:
            middle.append(self_attention(x, block, recipe, grid)[0])
        x = _ordinary_block(x, block)
    attention, v = self_attention(x, last, recipe, grid)
    if middle:
        attention = attention / 2 + torch.stack(middle).mean(dim=0) / 2
    update = _project(attention, v, last)
    x = x + update if recipe.residual else update
    if recipe.feed_forward:
        x = x + _feed_forward(x, last)
    projected: Tensor = _norm(x, visual.ln_post) @ visual.proj.to(dtype)
    return projected

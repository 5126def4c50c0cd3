"""Patch features of image windows, by any of the recipes.

All blocks but the last run as trained. The last one is rebuilt from its parameters as the recipe
says; the model itself is never modified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from open_clip import CLIP
from open_clip.transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional

from napari_itaclip.clip.recipes import AttentionTerm, Recipe, get_recipe
from napari_itaclip.clip.transformer import (
    Projections,
    add_feed_forward,
    attend,
    attention_output,
    layer_norm,
    project,
    run_block,
)
from napari_itaclip.errors import CheckpointError, SettingsError

_GRID_OFFSET = 0.1
"""Added to the number of patches when the position grid is resized, as in the reference."""


def vision_tower(network: CLIP) -> VisionTransformer:
    """Return the image tower of ``network``.

    Raises
    ------
    CheckpointError
        If it is not CLIP's vision transformer with a class token.
    """
    tower = network.visual
    if (
        not isinstance(tower, VisionTransformer)
        or tower.attn_pool is not None
        or tower.pool_type != "tok"
        or not isinstance(tower.proj, Tensor)
    ):
        raise CheckpointError(
            f"The image tower is a {type(tower).__name__}, but patch features need CLIP's vision "
            "transformer with a class token (ViT-B/32, ViT-B/16, ViT-L/14). Choose another model."
        )
    return tower


@torch.inference_mode()
def visual_tokens(network: CLIP, windows: Tensor, recipe: str | Recipe = "itaclip") -> Tensor:
    """Return the projected output tokens of a batch of windows, before any normalisation.

    Parameters
    ----------
    network : open_clip.CLIP
        Model in evaluation mode. Its parameters' dtype is the precision of the matrix products.
    windows : Tensor, shape (B, 3, h, w)
        Normalised RGB windows; ``h`` and ``w`` are multiples of the patch size.
    recipe : str or Recipe
        What the last block computes.

    Returns
    -------
    Tensor, shape (B, 1 + n_h * n_w, D), float32
        Class token first, then the patches row by row.

    Raises
    ------
    SettingsError
        If a side is not a multiple of the patch size.
    CheckpointError
        If the model has no suitable image tower.
    """
    recipe = get_recipe(recipe)
    tower = vision_tower(network)
    blocks = list(tower.transformer.resblocks)
    x, grid = _embed_patches(tower, windows)
    kept: list[Projections] = []
    middle = set(recipe.middle_blocks(len(blocks)))
    for index, block in enumerate(blocks[:-1]):
        heads = run_block(block, x)
        if index in middle:
            kept.append(heads)
    x = _last_block(blocks[-1], x, kept, recipe, grid)
    dtype = tower.proj.dtype
    out: Tensor = layer_norm(tower.ln_post, x, dtype) @ tower.proj
    return out.float()


def patch_features(
    network: CLIP, windows: Tensor, recipe: str | Recipe = "itaclip"
) -> tuple[Tensor, tuple[int, int]]:
    """Return L2-normalised patch features ``(B, n_h, n_w, D)`` float32 and the grid ``(n_h, n_w)``.

    Parameters and errors are those of `visual_tokens`; the class token is dropped.
    """
    tokens = visual_tokens(network, windows, recipe)
    patch_h, patch_w = vision_tower(network).patch_size
    grid = (windows.shape[-2] // patch_h, windows.shape[-1] // patch_w)
    features = functional.normalize(tokens[:, 1:], dim=-1)
    return features.view(len(windows), *grid, -1), grid


def _embed_patches(tower: VisionTransformer, windows: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Return the float32 stream ``(B, 1 + N, W)`` that enters the first block, and the grid."""
    patch_h, patch_w = tower.patch_size
    height, width = windows.shape[-2:]
    if height % patch_h or width % patch_w or not height or not width:
        raise SettingsError(
            f"A window of {height}x{width} pixels cannot be cut into patches of "
            f"{patch_h}x{patch_w}; its sides must be multiples of the patch size."
        )
    grid = (height // patch_h, width // patch_w)
    weight = tower.conv1.weight
    patches = functional.conv2d(windows.to(weight.dtype), weight, stride=tower.conv1.stride)
    patches = patches.flatten(2).transpose(1, 2).float()
    position = _position_grid(tower, grid)
    cls = (tower.class_embedding.float() + position[0]).expand(len(windows), 1, -1)
    x = torch.cat([cls, patches + position[1:]], dim=1)
    if isinstance(tower.ln_pre, torch.nn.LayerNorm):
        x = layer_norm(tower.ln_pre, x, torch.float32)
    return x, grid


def _position_grid(tower: VisionTransformer, grid: tuple[int, int]) -> Tensor:
    """Return the position embedding ``(1 + N, W)`` for ``grid``, resized where it differs."""
    position: Tensor = tower.positional_embedding.float()
    native = tuple(tower.grid_size)
    if grid == native:
        return position
    width = position.shape[-1]
    table = position[1:].view(1, *native, width).permute(0, 3, 1, 2)
    # Scale factors, not sizes: they place the sampling points where the reference has them.
    scale = [(n + _GRID_OFFSET) / n0 for n, n0 in zip(grid, native, strict=True)]
    table = functional.interpolate(table, scale_factor=scale, mode="bicubic")
    if tuple(table.shape[-2:]) != grid:
        # A rounding accident of the scale factor on very long grids; the size is what counts.
        table = functional.interpolate(table, size=grid, mode="bicubic")
    return torch.cat([position[:1], table.flatten(2)[0].t()])


def _last_block(
    block: torch.nn.Module,
    x: Tensor,
    kept: Sequence[Projections],
    recipe: Recipe,
    grid: tuple[int, int],
) -> Tensor:
    """Return the stream after the last block as ``recipe`` has it."""
    own = project(block, x)
    bonus = None
    if recipe.gaussian_sigma is not None:
        bonus = _neighbourhood_bonus(grid, recipe.gaussian_sigma, own.v)
    # A map acts on the values linearly, so maps are applied one by one and never stored:
    # (Σ A_i) v = Σ (A_i v).
    attended = _attend(own, own.v, recipe.attention, bonus)
    if kept:
        middle = sum(_attend(heads, own.v, recipe.attention, bonus) for heads in kept)
        share = recipe.middle_weight
        attended = (1 - share) * attended + (share / len(kept)) * cast(Tensor, middle)
    out = attention_output(block, attended.to(own.v.dtype)).float()
    x = x.add_(out) if recipe.residual else out
    return add_feed_forward(block, x) if recipe.feed_forward else x


def _attend(
    heads: Projections, v: Tensor, terms: Sequence[AttentionTerm], bonus: Tensor | None
) -> Tensor:
    """Return the sum over ``terms`` of ``softmax(a bᵀ s + bonus) v``, in float32."""
    total: Tensor | None = None
    for term in terms:
        if term == "identity":
            part = v
        else:
            a, b = (cast(Any, getattr(heads, letter)) for letter in term)
            part = attend(a, b, v, mask=bonus)
        total = part.float() if total is None else total + part
    assert total is not None  # a recipe has at least one term
    return total


def _neighbourhood_bonus(grid: tuple[int, int], sigma: float, like: Tensor) -> Tensor:
    """Return ω ``(1 + N, 1 + N)``: ``exp(-|p_i - p_j|² / 2σ²)``, zero for the class token."""
    rows, columns = (torch.arange(n, device=like.device, dtype=torch.float32) for n in grid)
    points = torch.cartesian_prod(rows, columns)
    distance = torch.cdist(points, points).square()
    bonus = torch.exp(distance / (-2 * sigma**2))
    return functional.pad(bonus, (1, 0, 1, 0)).to(like.dtype)

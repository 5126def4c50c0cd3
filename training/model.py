"""The network: open_clip's CLIP with a compact token table, and ITACLIP's forward with gradients.

At inference the package bends a finished CLIP (last block's attention replaced, feed-forward
dropped). Training through that same bent forward makes a small network good at exactly this use,
while the ordinary forward stays trained through the class token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor, nn


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the demo CLIP; widths are multiples of the head width 64.

    ``middle_layers`` are the 1-based blocks whose attention joins the last one's.
    """

    embed_dim: int = 192
    vision_width: int = 192
    vision_layers: int = 12
    image_size: int = 224
    patch_size: int = 16
    text_width: int = 192
    text_layers: int = 3
    context_length: int = 77
    middle_layers: tuple[int, ...] = (7, 8, 10)

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values."""
        return asdict(self)


HEAD_WIDTH = 64
_GELU = 1.702


def build_model(config: ModelConfig, token_rows: int, seed: int) -> CLIP:
    """Return a freshly initialised CLIP whose token table has ``token_rows`` rows."""
    torch.manual_seed(seed)
    vision = CLIPVisionCfg(
        layers=config.vision_layers,
        width=config.vision_width,
        head_width=HEAD_WIDTH,
        patch_size=config.patch_size,
        image_size=config.image_size,
    )
    text = CLIPTextCfg(
        context_length=config.context_length,
        vocab_size=token_rows,
        width=config.text_width,
        heads=config.text_width // HEAD_WIDTH,
        layers=config.text_layers,
    )
    model = CLIP(config.embed_dim, vision, text, quick_gelu=True)
    _start_small(model.visual)
    return model


def _start_small(visual: Any) -> None:
    """Let every block begin close to the identity; a deep narrow tower then learns sooner."""
    visual.positional_embedding.data[1:] = _wave_grid(visual.grid_size[0], visual.proj.shape[0])
    blocks = list(visual.transformer.resblocks)
    for block in blocks:
        nn.init.normal_(block.mlp.c_fc.weight, std=0.02)
        for layer in (block.attn.out_proj, block.mlp.c_proj):
            nn.init.normal_(layer.weight, std=0.02 * (2 * len(blocks)) ** -0.5)
            nn.init.zeros_(layer.bias)


def _wave_grid(side: int, width: int) -> Tensor:
    """Return ``(side * side, width)`` waves over row and column: neighbours look alike."""
    rates = 100.0 ** -(torch.arange(width // 4) / (width // 4))
    angles = torch.arange(side)[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], 1)
    rows = waves[:, None, :].expand(side, side, -1)
    return 0.3 * torch.cat([rows, rows.transpose(0, 1)], -1).flatten(0, 1)


def image_features(
    model: CLIP,
    images: Tensor,
    offsets: Tensor,
    middle_layers: Sequence[int],
    class_rows: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return ITACLIP patch features and, for the first images, ordinary CLIP features.

    Parameters
    ----------
    model : CLIP
        The network.
    images : Tensor, shape (B, 3, H, W)
        Normalised pictures; H and W are multiples of the patch size.
    offsets : Tensor of int64, shape (B, 2)
        Row and column of the position grid at which each picture's own grid begins.
    middle_layers : sequence of int
        1-based blocks whose self-self attention is averaged into the last block's.
    class_rows : int
        For how many images to run the ordinary last block on the class token as well.

    Returns
    -------
    patches : Tensor, shape (B, H/16 * W/16, D)
        L2-normalised patch features (ITACLIP, arXiv 2411.12044, eqs. 6 to 8).
    classes : Tensor, shape (class_rows, D)
        L2-normalised image embeddings of the unchanged CLIP.
    """
    visual: Any = model.visual
    blocks = list(visual.transformer.resblocks)
    x = _embed(visual, images, offsets)
    middle: list[Tensor] = []
    for number, block in enumerate(blocks[:-1], start=1):
        q, k, v = _heads(block, _norm(block.ln_1, x))
        if number in middle_layers:
            middle.append(_self_attention(q, k))
        x = x + _project(block, _attend(q, k, v))
        x = x + _feed_forward(block, x)
    last = blocks[-1]
    q, k, v = _heads(last, _norm(last.ln_1, x))
    attention = _self_attention(q, k)
    if middle:
        attention = 0.5 * attention + 0.5 * torch.stack(middle).mean(0)
    patches = _head(visual, (x + _project(last, attention @ v))[:, 1:])
    c = class_rows
    token = _attend(q[:c, :, :1], k[:c], v[:c])
    token = x[:c, :1] + _project(last, token)
    token = token + _feed_forward(last, token)
    return patches, _head(visual, token)[:, 0]


def text_features(model: CLIP, rows: Tensor, ends: Tensor) -> Tensor:
    """Return the L2-normalised embeddings ``(N, D)`` of tokenised texts.

    Parameters
    ----------
    model : CLIP
        The network.
    rows : Tensor of int64, shape (N, L)
        Rows of the token table; what follows a text's end is never looked at (causal attention).
    ends : Tensor of int64, shape (N,)
        Position of each text's end token.
    """
    length = rows.shape[1]
    x = _stream(model.token_embedding(rows) + model.positional_embedding[:length])
    for block in model.transformer.resblocks:
        q, k, v = _heads(block, _norm(block.ln_1, x))
        x = x + _project(block, _attend(q, k, v, causal=True))
        x = x + _feed_forward(block, x)
    x = x[torch.arange(x.shape[0], device=x.device), ends]
    x = _norm(model.ln_final, x) @ model.text_projection
    return F.normalize(x.float(), dim=-1)


def _embed(visual: Any, images: Tensor, offsets: Tensor) -> Tensor:
    """Return the class token and the patch tokens with their part of the position grid."""
    patch = visual.patch_size[0]
    count, _, height, width = images.shape
    rows, columns = height // patch, width // patch
    pixels = images.reshape(count, 3, rows, patch, columns, patch)
    pixels = pixels.permute(0, 2, 4, 1, 3, 5).reshape(count, rows * columns, -1)
    x = F.linear(pixels, visual.conv1.weight.flatten(1))
    grid = visual.grid_size[1]
    row = offsets[:, 0, None] + torch.arange(rows, device=offsets.device)
    column = offsets[:, 1, None] + torch.arange(columns, device=offsets.device)
    places = (row[:, :, None] * grid + column[:, None, :]).flatten(1) + 1
    x = x + F.embedding(places, visual.positional_embedding)
    first = visual.class_embedding + visual.positional_embedding[0]
    x = torch.cat([first.expand(count, 1, -1), x], dim=1)
    return _stream(_norm(visual.ln_pre, x))


def _stream(x: Tensor) -> Tensor:
    """Return ``x`` in autocast's precision: a narrow residual stream saves every later cast."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def _norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)


def _heads(block: Any, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, each ``(B, heads, N, 64)``."""
    count, length, width = y.shape
    qkv = F.linear(y, block.attn.in_proj_weight, block.attn.in_proj_bias)
    qkv = qkv.view(count, length, 3, width // HEAD_WIDTH, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    return q, k, v


def _self_attention(q: Tensor, k: Tensor) -> Tensor:
    """Return ``softmax(qq) + softmax(kk)``; rows sum to 2 (eq. 6)."""
    scale = HEAD_WIDTH**-0.5
    queries: Tensor = (q @ q.transpose(-2, -1) * scale).softmax(-1)
    keys: Tensor = (k @ k.transpose(-2, -1) * scale).softmax(-1)
    return queries + keys


def _attend(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """Return ordinary attention; written out because the fused CPU kernel is slow backwards."""
    logits: Tensor = q @ k.transpose(-2, -1) * HEAD_WIDTH**-0.5
    if causal:
        length = logits.shape[-1]
        logits = logits + logits.new_full((length, length), -1e4).triu(1)
    mixed: Tensor = logits.softmax(-1) @ v
    return mixed


def _project(block: Any, heads: Tensor) -> Tensor:
    out: nn.Linear = block.attn.out_proj
    return F.linear(heads.transpose(1, 2).flatten(2), out.weight, out.bias)


def _feed_forward(block: Any, x: Tensor) -> Tensor:
    # y * sigmoid(1.702 y) = silu(1.702 y) / 1.702; both factors move into the weights because one
    # fused operation costs a fraction of three.
    into: nn.Linear = block.mlp.c_fc
    out: nn.Linear = block.mlp.c_proj
    y = F.linear(_norm(block.ln_2, x), into.weight * _GELU, into.bias * _GELU)
    return F.linear(F.silu(y), out.weight / _GELU, out.bias)


def _head(visual: Any, x: Tensor) -> Tensor:
    return F.normalize((_norm(visual.ln_post, x) @ visual.proj).float(), dim=-1)

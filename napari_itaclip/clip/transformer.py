"""The parts of a transformer block, run from an unmodified open_clip model's parameters.

Both towers of CLIP share them. The residual stream stays in float32 whatever the precision of the
matrix products, which costs little and keeps half precision close to float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from open_clip.transformer import QuickGELU
from torch import Tensor, nn
from torch.nn import functional

_QUICK_GELU_SLOPE = 1.702
"""``QuickGELU(x) = x σ(1.702 x)``, as defined with the OpenAI models."""


@dataclass(frozen=True, slots=True)
class Projections:
    """Queries, keys and values of one block, each ``(B, heads, T, d_head)``."""

    q: Tensor
    k: Tensor
    v: Tensor


def layer_norm(norm: nn.LayerNorm, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Normalise the float32 stream ``x`` and hand it over in ``dtype``."""
    weight = norm.weight.to(x.dtype)
    bias = norm.bias.to(x.dtype)
    return functional.layer_norm(x, norm.normalized_shape, weight, bias, norm.eps).to(dtype)


def project(block: nn.Module, x: Tensor) -> Projections:
    """Return the block's queries, keys and values of the stream ``x`` ``(B, T, W)``.

    They are read from ``ln_1(x)``, as in the block's ordinary attention.
    """
    attention = cast(Any, block).attn
    batch, tokens, width = x.shape
    weight = attention.in_proj_weight
    normed = layer_norm(cast(Any, block).ln_1, x, weight.dtype)
    qkv = torch.addmm(attention.in_proj_bias, normed.view(-1, width), weight.t())
    heads = attention.num_heads
    q, k, v = qkv.view(batch, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4).unbind(0)
    return Projections(q, k, v)


def attend(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Return ``softmax(q kᵀ s + mask) v`` for ``(B, heads, T, d_head)`` inputs."""
    plain = mask is None and not causal
    if plain and q.device.type == "cpu" and q.dtype == torch.bfloat16:
        # The fused kernel does these products in float32; the processor's bfloat16 units are
        # several times faster, also with the attention map written out.
        batch, heads, tokens, size = q.shape
        queries, keys, values = (part.reshape(batch * heads, -1, size) for part in (q, k, v))
        scores = torch.bmm(queries, keys.transpose(1, 2)).mul_(size**-0.5)
        return torch.bmm(scores.softmax(dim=-1), values).view(batch, heads, tokens, size)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)


def attention_output(block: nn.Module, attended: Tensor) -> Tensor:
    """Return the output projection of ``attended`` ``(B, heads, T, d_head)``: ``(B, T, W)``."""
    projection = cast(Any, block).attn.out_proj
    batch, heads, tokens, size = attended.shape
    flat = attended.transpose(1, 2).reshape(batch * tokens, heads * size)
    out = torch.addmm(projection.bias, flat, projection.weight.t())
    return out.view(batch, tokens, heads * size)


def add_feed_forward(block: nn.Module, x: Tensor) -> Tensor:
    """Add the block's feed-forward part to the stream ``x`` ``(B, T, W)``, in place."""
    batch, tokens, width = x.shape
    mlp = cast(Any, block).mlp
    weight, bias = mlp.c_fc.weight, mlp.c_fc.bias
    normed = layer_norm(cast(Any, block).ln_2, x, weight.dtype).view(-1, width)
    if isinstance(mlp.gelu, QuickGELU):
        # x σ(c x) = silu(c x) / c: both factors ride along in the matrix products, so the
        # activation is one in-place pass over the widest tensor of the network.
        slope = _QUICK_GELU_SLOPE
        hidden = torch.addmm(bias, normed, weight.t(), beta=slope, alpha=slope)
        functional.silu(hidden, inplace=True)
        scale = 1.0 / slope
    else:
        hidden = mlp.gelu(torch.addmm(bias, normed, weight.t()))
        scale = 1.0
    out = torch.addmm(mlp.c_proj.bias, hidden, mlp.c_proj.weight.t(), alpha=scale)
    return x.add_(out.view(batch, tokens, width))


def run_block(block: nn.Module, x: Tensor, *, causal: bool = False) -> Projections:
    """Run an ordinary block over the stream ``x`` ``(B, T, W)`` in place.

    Returns its projections, which recipes may want again.
    """
    heads = project(block, x)
    attended = attend(heads.q, heads.k, heads.v, causal=causal)
    x.add_(attention_output(block, attended))
    add_feed_forward(block, x)
    return heads

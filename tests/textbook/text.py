"""Text embeddings: one word at a time, averaged over the templates."""

# open_clip's modules declare no types for their parts, so they are passed around as Any.

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from tests.textbook.network import _norm, _ordinary_block


@torch.no_grad()
def encode_tokens(network: Any, tokens: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the text embeddings of (n, 77) token rows, (n, D), not normalised."""
    x = network.token_embedding.weight.to(dtype)[tokens] + network.positional_embedding.to(dtype)
    length = tokens.shape[1]
    mask = torch.full((length, length), -math.inf, dtype=dtype, device=x.device).triu(1)
    for block in network.transformer.resblocks:
        x = _ordinary_block(x, block, mask)
    x = _norm(x, network.ln_final)
    ends = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
    embedded: Tensor = ends @ network.text_projection.to(dtype)
    return embedded


def text_embeddings(
    network: Any,
    words: Sequence[str],
    templates: Sequence[str | Callable[[str], str]],
    tokenize: Callable[[list[str]], Tensor],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return one embedding per word: normalise, average over the templates, normalise.

    Parameters
    ----------
    network : open_clip.model.CLIP
        The network; its own text tower is used, on all 77 tokens.
    words : sequence of str
        Prompt words or auxiliary texts, encoded one at a time.
    templates : sequence of str or callable
        ``"a photo of a {}."`` or open_clip's functions.
    tokenize : callable
        Texts to (n, 77) token rows.
    dtype : torch.dtype
        Type to compute in.

    Returns
    -------
    Tensor
        (words, D).
    """
    device = network.positional_embedding.device
    rows = []
    for word in words:
        texts = [t.format(word) if isinstance(t, str) else t(word) for t in templates]
        each = encode_tokens(network, tokenize(texts).to(device), dtype)
        mean = fn.normalize(each, dim=-1).mean(dim=0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


def fuse(words: Tensor, auxiliary: Sequence[Tensor | None], alpha: float) -> Tensor:
    """Mix each word with its auxiliary embedding (eq. 9); ``None`` leaves the word as it is."""
    rows = [
        word if text is None else (1 - alpha) * word + alpha * text
        for word, text in zip(words, auxiliary, strict=True)
    ]
    return torch.stack(rows)

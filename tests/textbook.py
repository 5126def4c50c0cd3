"""A plain, slow ITACLIP, written from the formulas alone, to judge the fast path by.

It goes window by window and view by view, upsamples every window's scores to pixels, adds them up
and divides by the cover count, and unfolds all sixteen neighbours for PAMR, the way the papers
describe it: ITACLIP (arXiv 2411.12044), SCLIP (arXiv 2312.01597), ClearCLIP (arXiv 2407.12442),
NACLIP (arXiv 2404.08181), MaskCLIP (ECCV 2022) and PAMR (Araslanov & Roth, CVPR 2020).
Nothing of ``napari_itaclip`` is imported here. All functions compute in the floating-point type of
their input (``float64`` gives a truth to compare ``float32`` with) and read an open_clip ``CLIP``'s
parameters by attribute.

The stages are separate functions so that a benchmark can time each:
`text_embeddings`, `window_features`, `slide_scores`, `pamr`, `decide`.
"""

# open_clip's modules declare no types for their parts, so they are passed around as Any.

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)
"""Red, green and blue share of a gray value."""
BLUR_SIZE = 11
BLUR_SIGMA = 5.0
POSITION_OFFSET = 0.1
"""Added to the number of patches when the position grid's scale factor is computed."""

VIEWS = ("original", "gray", "blur", "vertical", "horizontal")
"""The views of image engineering: three filters (eq. 10), two flips (eq. 11)."""


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


# ----------------------------------------------------------------------------------------- network


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


# -------------------------------------------------------------------------------------------- text


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


# ------------------------------------------------------------------------------------------- image


def resized_shape(height: int, width: int, short_side: int, long_side: int) -> tuple[int, int]:
    """Return the size with the given short side unless the long side would pass its limit."""
    scale = min(long_side / max(height, width), short_side / min(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def _fixed_point_taps(old: int, new: int) -> tuple[NDArray[np.int64], ...]:
    """Return left and right source index and both weights in 1/2048 for every target pixel."""
    place = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    left = np.floor(place)
    weight = place - left
    unit = np.float32(2048)
    return (
        left.astype(np.int64),
        left.astype(np.int64) + 1,
        np.rint((np.float32(1) - weight) * unit).astype(np.int64),
        np.rint(weight * unit).astype(np.int64),
    )


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an (H, W, 3) 8-bit picture bilinearly in integers, with no filter before shrinking.

    Weights have 11 bits; the columns are exact, the rows lose their lowest bits twice (by 4, then
    by 16, before the sum is rounded by 2). This is the arithmetic of the goldens: a bilinear
    resize in floating point gives one grey level more in a ninth of the values.
    """
    height, width = image.shape[:2]
    top, bottom, upper, lower = _fixed_point_taps(height, size[0])
    left, right, near, far = _fixed_point_taps(width, size[1])
    # Beyond the left or right border there is one pixel with the whole weight.
    outside = (left < 0) | (right >= width)
    near, far = np.where(outside, 2048, near), np.where(outside, 0, far)
    left, right = np.clip(left, 0, width - 1), np.clip(right, 0, width - 1)
    top, bottom = np.clip(top, 0, height - 1), np.clip(bottom, 0, height - 1)
    pixels = image.astype(np.int64)
    rows = (pixels[:, left] * near[:, None] + pixels[:, right] * far[:, None]) >> 4
    above = (upper[:, None, None] * rows[top]) >> 16
    below = (lower[:, None, None] * rows[bottom]) >> 16
    return ((above + below + 2) >> 2).astype(np.uint8)


def normalise(
    image: NDArray[np.uint8],
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return (3, H, W) from an (H, W, 3) 8-bit picture; mean and std are in grey levels."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).to(dtype)
    shift, scale = (torch.tensor(v, dtype=dtype).view(3, 1, 1) for v in (mean, std))
    return (pixels - shift) / scale


def grayscale(window: Tensor) -> Tensor:
    """Return the weighted mean of the three channels in each of them; (3, h, w)."""
    red, green, blue = GRAY_WEIGHTS
    gray = red * window[0] + green * window[1] + blue * window[2]
    return torch.stack([gray, gray, gray])


def gaussian_blur(window: Tensor, size: int = BLUR_SIZE, sigma: float = BLUR_SIGMA) -> Tensor:
    """Blur (3, h, w) with a ``size`` x ``size`` Gaussian, mirrored at the border."""
    half = size // 2
    steps = torch.arange(-half, half + 1, dtype=window.dtype, device=window.device)
    line = torch.exp(-0.5 * (steps / sigma) ** 2)
    line = line / line.sum()
    padded = fn.pad(window[None], (half, half, half, half), mode="reflect")[0][:, None]
    return fn.conv2d(padded, torch.outer(line, line)[None, None])[:, 0]


def view_of(window: Tensor, view: str) -> Tensor:
    """Return one of `VIEWS` of a normalised window (3, h, w)."""
    if view == "gray":
        return grayscale(window)
    if view == "blur":
        return gaussian_blur(window)
    if view == "vertical":
        return window.flip(1)
    if view == "horizontal":
        return window.flip(2)
    return window


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


# -------------------------------------------------------------------------- refinement and decision


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


def class_probabilities(scores: Tensor, word_class: Sequence[int], logit_scale: float) -> Tensor:
    """Return (classes, H, W): softmax over the words, then the largest of a class's words."""
    words = (scores * logit_scale).softmax(dim=0)
    owner = torch.as_tensor(np.asarray(word_class), device=scores.device)
    count = int(owner.max()) + 1
    return torch.stack([words[owner == c].amax(dim=0) for c in range(count)])


def remove_small_classes(probabilities: Tensor, area_threshold: float) -> Tensor:
    """Set classes (but the first) to 0 whose share of the foreground is not over the threshold."""
    winner = probabilities.argmax(dim=0)
    count = len(probabilities)
    areas = torch.tensor([int((winner == c).sum()) for c in range(1, count)], dtype=torch.float64)
    keep = areas > area_threshold * areas.sum()
    kept = probabilities.clone()
    kept[1:][~keep.to(kept.device)] = 0
    return kept


def grey_closing(labels: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Close label numbers with a 3 x 3 square: largest, then smallest, of what is in the image."""
    for pick, outside in ((np.maximum, labels.min()), (np.minimum, labels.max())):
        height, width = labels.shape
        padded = np.pad(labels, 1, constant_values=outside)
        copies = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
        labels = copies[0]
        for copy in copies[1:]:
            labels = pick(labels, copy)
    return labels


@dataclass(frozen=True)
class Decision:
    """What `decide` returns: (classes, H, W) probabilities and (H, W) labels (class positions)."""

    probabilities: Tensor
    labels: NDArray[np.int64]


def decide(
    scores: Tensor,
    word_class: Sequence[int],
    *,
    logit_scale: float,
    prob_threshold: float = 0.0,
    area_threshold: float | None = None,
    closing: bool = True,
) -> Decision:
    """Turn (words, H, W) scores into class probabilities and labels, as the reference does."""
    probabilities = class_probabilities(scores, word_class, logit_scale)
    if area_threshold is not None:
        probabilities = remove_small_classes(probabilities, area_threshold)
    best, winner = probabilities.max(dim=0)
    labels = winner.masked_fill(best < prob_threshold, 0).cpu().numpy()
    if closing:
        labels = grey_closing(labels)
    return Decision(probabilities, np.asarray(labels, dtype=np.int64))

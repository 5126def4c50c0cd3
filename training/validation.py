"""Quick own measure of the network: windows at stride 112, no refinement, held-out scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from open_clip.model import CLIP
from PIL import Image
from torch import Tensor

from training.data import GRID, MODEL_SIDE, PATCH, blur, normalise, to_gray
from training.model import image_features, text_features
from training.pool import WORDS, Pool, world_words
from training.text import TokenRows, imagenet_templates

WINDOW = 224
STRIDE = 112
_VIEW_SHARE = 0.75
_BLUR_SIGMA = 5.0


@torch.no_grad()
def embed_words(model: CLIP, rows: TokenRows, words: Sequence[str]) -> Tensor:
    """Return ``(len(words), D)``: each word's embedding averaged over the 80 templates."""
    templates = imagenet_templates()
    texts = [rows.encode(template.format(word)) for word in words for template in templates]
    vectors = torch.zeros(len(texts), model.text_projection.shape[1])
    for bucket in rows.buckets(texts):
        vectors[bucket.members] = text_features(model, bucket.rows, bucket.ends)
    return F.normalize(vectors.view(len(words), len(templates), -1).mean(1), dim=-1)


@torch.no_grad()
def score_scene(
    model: CLIP,
    image: NDArray[np.uint8],
    words: Tensor,
    middle_layers: Sequence[int],
    views: bool,
) -> Tensor:
    """Return scores ``(len(words), H, W)`` of a square picture at its own size."""
    small = Image.fromarray(image).resize((MODEL_SIDE, MODEL_SIDE), Image.Resampling.BILINEAR)
    pixels = normalise(torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255)
    begins = range(0, MODEL_SIDE - WINDOW + 1, STRIDE)
    places = [(y, x) for y in begins for x in begins]
    windows = torch.cat([pixels[..., y : y + WINDOW, x : x + WINDOW] for y, x in places])

    def features(crops: Tensor) -> Tensor:
        offsets = torch.zeros(len(crops), 2, dtype=torch.long)
        found, _ = image_features(model, crops, offsets, middle_layers)
        return found.view(len(crops), GRID, GRID, -1)

    fused = features(windows)
    if views:
        straight = (fused + features(to_gray(windows)) + features(blur(windows, _BLUR_SIGMA))) / 3
        flipped = features(windows.flip(-1)).flip(2) + features(windows.flip(-2)).flip(1)
        fused = _VIEW_SHARE * straight + (1 - _VIEW_SHARE) * flipped / 2
    scores = (fused @ words.T).permute(0, 3, 1, 2)
    scores = F.interpolate(scores, size=(WINDOW, WINDOW), mode="bilinear")
    total = torch.zeros(len(words), MODEL_SIDE, MODEL_SIDE)
    cover = torch.zeros(MODEL_SIDE, MODEL_SIDE)
    for (y, x), score in zip(places, scores, strict=True):
        total[:, y : y + WINDOW, x : x + WINDOW] += score
        cover[y : y + WINDOW, x : x + WINDOW] += 1
    size = image.shape[:2]
    return F.interpolate((total / cover)[None], size=size, mode="bilinear")[0]


def validate(
    model: CLIP,
    rows: TokenRows,
    pools: Sequence[Pool],
    count: int,
    middle_layers: Sequence[int],
    views: bool = False,
) -> dict[str, dict[str, float]]:
    """Return the intersection over union of every word, per world, on ``count`` scenes each."""
    assert PATCH * GRID == WINDOW
    results: dict[str, dict[str, float]] = {}
    for pool in pools:
        vocabulary = world_words(pool.world)
        words = embed_words(model, rows, [WORDS[i] for i in vocabulary])
        position = np.full(len(WORDS), len(vocabulary), np.int64)
        position[vocabulary] = np.arange(len(vocabulary))
        n = len(vocabulary)
        confusion = np.zeros((n + 1, n), np.int64)
        for i in range(min(count, len(pool))):
            with torch.autocast("cpu", torch.bfloat16):
                scores = score_scene(model, pool.images[i], words, middle_layers, views)
            found = scores.argmax(0).numpy()
            truth = position[pool.words[i]]
            confusion += np.bincount((truth * n + found).ravel(), minlength=(n + 1) * n).reshape(
                n + 1, n
            )
        square = confusion[:n]
        both = np.diag(square)
        union = square.sum(0) + square.sum(1) - both
        results[pool.world] = {
            WORDS[word]: float(both[k] / union[k])
            for k, word in enumerate(vocabulary)
            if square[k].sum() > 0
        }
    return results


def summarise(results: dict[str, dict[str, float]], worst: int = 8) -> str:
    """Return one line: mean over all words, per world, and the weakest words."""
    means = {world: float(np.mean(list(ious.values()))) for world, ious in results.items()}
    everything = [
        (iou, f"{world}/{word}") for world, ious in results.items() for word, iou in ious.items()
    ]
    overall = float(np.mean([iou for iou, _ in everything]))
    weak = ", ".join(f"{name} {iou:.2f}" for iou, name in sorted(everything)[:worst])
    per_world = " ".join(f"{world} {mean:.3f}" for world, mean in means.items())
    return f"mIoU {overall:.3f} | {per_world} | weakest: {weak}"

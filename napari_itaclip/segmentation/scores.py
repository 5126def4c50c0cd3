"""From patch features and word embeddings to a score for every pixel and word.

Upsampling each window's scores, adding them up, dividing by the cover count and resizing to the
original size are all linear and act on rows and columns separately. With the scores of a word
stacked to a ``(n_y·g_h) x (n_x·g_w)`` matrix ``L``, the whole chain is ``A L Bᵀ``: two small
matrices that depend only on the geometry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation._checks import MAX_SIDE, check_whole
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.windows import Axis


def patch_scores(features: ImageFeatures, embeddings: Tensor) -> Tensor:
    """Return ``L``: the score of each word at each patch, windows stacked side by side.

    Parameters
    ----------
    features : ImageFeatures
        Features of the image.
    embeddings : Tensor, shape (W, D)
        Fused word embeddings.

    Returns
    -------
    Tensor, shape (W, n_y * g_h, n_x * g_w), float32

    Raises
    ------
    SettingsError
        If the embeddings are of another model's dimension.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != features.features.shape[-1]:
        raise SettingsError(
            f"The word embeddings have the shape {tuple(embeddings.shape)}, but the image's "
            f"features have {features.features.shape[-1]} dimensions; use the same model for both."
        )
    n_y, n_x, g_h, g_w, _ = features.features.shape
    # Word by patch, so that the product is written in the layout that the operators read.
    flat = features.features.permute(0, 2, 1, 3, 4).reshape(n_y * g_h * n_x * g_w, -1)
    embeddings = embeddings.to(flat.device, flat.dtype)
    return (embeddings @ flat.t()).view(len(embeddings), n_y * g_h, n_x * g_w)


_PRODUCT_ROWS = 16
"""Rows of the result that are multiplied out together on a CPU: so few that few patches touch them,
and enough to keep the product efficient."""


@dataclass(frozen=True)
class FactoredScores:
    """The scores of all words at all pixels, before the last of the two products of ``A L Bᵀ``.

    Any band of rows can be multiplied out on its own, so whoever works through the image in bands
    needs no memory for the whole. A band of few rows is touched by few patches, so it is one
    product with a handful of rows of ``L Bᵀ``.

    Attributes
    ----------
    axis : Axis
        The windows along the rows.
    height : int
        Number of rows of the result in pixels.
    wide : Tensor, shape (n_y * g_h, W, W')
        ``L Bᵀ``: scores at the patch rows, already at full width.
    """

    axis: Axis
    height: int
    wide: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """Words, height and width of the scores."""
        _, words, width = self.wide.shape
        return words, self.height, width

    @property
    def device(self) -> torch.device:
        """Where the scores are computed."""
        return self.wide.device

    def band(self, rows: slice = slice(None)) -> Tensor:
        """Return the scores of some rows (by default all): ``(W, h, W')`` float32, a new tensor."""
        words, height, width = self.shape
        top, bottom, _ = rows.indices(height)
        out = self.wide.new_empty(bottom - top, words * width)
        wide = self.wide.view(-1, words * width)
        step = _PRODUCT_ROWS if self.device.type == "cpu" else height
        for first, used, operator in _row_operators(self.axis, height, self.device, step):
            low, high = max(first, top), min(first + len(operator), bottom)
            if low < high:
                part = operator[low - first : high - first]
                torch.mm(part, wide[used], out=out[low - top : high - top])
        return out.view(-1, words, width).transpose(0, 1)


def factored_scores(
    features: ImageFeatures, embeddings: Tensor, size: str | tuple[int, int] = "original"
) -> FactoredScores:
    """Return the score (cosine) of every word at every pixel, not yet multiplied out.

    Parameters
    ----------
    features : ImageFeatures
        Features of the image.
    embeddings : Tensor, shape (W, D)
        Fused word embeddings.
    size : "original", "resized" or (int, int)
        Height and width of the result: the original image's, the working size, or any other.

    Raises
    ------
    SettingsError
        If the embeddings do not fit or ``size`` is unknown.
    """
    if size == "original":
        height, width = features.shape
    elif size == "resized":
        height, width = features.rows.length, features.columns.length
    elif isinstance(size, tuple) and len(size) == 2:
        height, width = size
        for side in size:
            check_whole("size", side, 1, MAX_SIDE)
    else:
        raise SettingsError(f"size is {size!r}; use 'original', 'resized' or (height, width).")
    patches = patch_scores(features, embeddings)
    words, patch_rows, _ = patches.shape
    across = axis_operator(features.columns, width, patches.device)
    wide = patches.transpose(0, 1).flatten(0, 1) @ across.t()
    return FactoredScores(features.rows, height, wide.view(patch_rows, words, width))


def score_map(
    features: ImageFeatures, embeddings: Tensor, size: str | tuple[int, int] = "original"
) -> Tensor:
    """Return the score (cosine) of every word at every pixel: ``(W, H, W')`` float32.

    Parameters and errors are those of `factored_scores`.
    """
    return factored_scores(features, embeddings, size).band()


@lru_cache(maxsize=16)
def _row_operators(
    axis: Axis, length: int, device: torch.device, step: int
) -> tuple[tuple[int, Tensor, Tensor], ...]:
    """Cut the operator along the rows into bands without its zero columns.

    Each band is its first row, the patch rows that touch it, and the operator between the two.
    """
    operator = axis_operator(axis, length, device)
    bands = []
    for first in range(0, length, step):
        band = operator[first : first + step]
        used = (band != 0).any(dim=0).nonzero().flatten()
        bands.append((first, used, band[:, used].contiguous()))
    return tuple(bands)


@lru_cache(maxsize=64)
def axis_operator(axis: Axis, length: int, device: torch.device) -> Tensor:
    """Return the matrix from stacked patch scores along ``axis`` to ``length`` pixels.

    Parameters
    ----------
    axis : Axis
        The windows along the axis.
    length : int
        Number of pixels of the result.
    device : torch.device
        Where the matrix is needed.

    Returns
    -------
    Tensor, shape (length, len(axis.starts) * axis.grid), float32
        Upsampling within windows, average over the windows that cover a pixel, and resizing.
    """
    upsample = interpolation_matrix(axis.grid, axis.padded)[: axis.window]
    stacked = torch.zeros(axis.length, len(axis.starts), axis.grid, dtype=torch.float64)
    cover = torch.zeros(axis.length, 1, 1, dtype=torch.float64)
    for index, start in enumerate(axis.starts):
        stacked[start : start + axis.window, index] += upsample
        cover[start : start + axis.window] += 1
    averaged = (stacked / cover).flatten(1)
    operator = interpolation_matrix(axis.length, length) @ averaged
    return operator.float().to(device)


def interpolation_matrix(source: int, target: int) -> Tensor:
    """Return the float64 matrix ``(target, source)`` of bilinear resizing along one axis."""
    if source == target:
        return torch.eye(source, dtype=torch.float64)
    eye = torch.eye(source, dtype=torch.float64)[:, None]
    resized = functional.interpolate(eye, size=target, mode="linear", align_corners=False)
    return resized[:, 0].t()

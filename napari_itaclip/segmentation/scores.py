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


@dataclass(frozen=True)
class FactoredScores:
    """The scores of all words at all pixels, in the three factors of ``A L Bᵀ``.

    Any band of rows can be multiplied out on its own, so whoever works through the image in bands
    needs no memory for the whole.

    Attributes
    ----------
    down : Tensor, shape (H, n_y * g_h)
        ``A``.
    patches : Tensor, shape (W, n_y * g_h, n_x * g_w)
        ``L``.
    across : Tensor, shape (n_x * g_w, W')
        ``Bᵀ``.
    """

    down: Tensor
    patches: Tensor
    across: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """Words, height and width of the scores."""
        return len(self.patches), len(self.down), self.across.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the factors are."""
        return self.patches.device

    def band(self, rows: slice) -> Tensor:
        """Return the scores of some rows: ``(W, h, W')`` float32."""
        words, _, width = self.shape
        # Rows first: the intermediate is only as wide as the patches.
        half = torch.matmul(self.down[rows], self.patches)
        return (half.flatten(0, 1) @ self.across).view(words, -1, width)


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
    device = features.features.device
    return FactoredScores(
        down=axis_operator(features.rows, height, device),
        patches=patch_scores(features, embeddings),
        across=axis_operator(features.columns, width, device).t(),
    )


def score_map(
    features: ImageFeatures, embeddings: Tensor, size: str | tuple[int, int] = "original"
) -> Tensor:
    """Return the score (cosine) of every word at every pixel: ``(W, H, W')`` float32.

    Parameters and errors are those of `factored_scores`.
    """
    return factored_scores(features, embeddings, size).band(slice(None))


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

"""The picture: its size, its pixels as numbers, and its views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)
"""Red, green and blue share of a gray value."""
BLUR_SIZE = 11
BLUR_SIGMA = 5.0

VIEWS = ("original", "gray", "blur", "vertical", "horizontal")
"""The views of image engineering: three filters (eq. 10), two flips (eq. 11)."""


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

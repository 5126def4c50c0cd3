"""Image engineering: the views of a window and their fusion into one feature map.

The gray and blurred views are filters of the normalised window (eq. 10); the flipped ones are
scored separately and mixed with weight 1 - λ (eq. 11). Scores are linear in the normalised
features and flipping commutes with upsampling, so all views fuse into one map before any word is
known: ``F = λ mean(original, gray, blur) + (1 - λ) mean(unflipped flips)``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

VIEW_COUNT = 5
"""Original, gray, blurred, flipped vertically, flipped horizontally."""

_FILTERED = 3
_LUMA = (0.2989, 0.587, 0.114)
_BLUR_TAPS = 11
_BLUR_SIGMA = 5.0


def make_views(windows: Tensor) -> Tensor:
    """Return the five views of each normalised window.

    Parameters
    ----------
    windows : Tensor, shape (B, 3, h, w)
        Normalised RGB windows.

    Returns
    -------
    Tensor, shape (5 * B, 3, h, w)
        All originals, then all gray ones, blurred ones, vertical and horizontal flips.
    """
    luma = windows.new_tensor(_LUMA).view(1, 3, 1, 1)
    gray = (windows * luma).sum(dim=1, keepdim=True).expand_as(windows)
    return torch.cat([windows, gray, gaussian_blur(windows), windows.flip(-2), windows.flip(-1)])


def fuse_views(features: Tensor, lam: float) -> Tensor:
    """Fuse the features of the five views into one map per window.

    Parameters
    ----------
    features : Tensor, shape (5 * B, g_h, g_w, D)
        L2-normalised patch features in the order of `make_views`.
    lam : float
        λ of eq. 11.

    Returns
    -------
    Tensor, shape (B, g_h, g_w, D)
        Fused features, not normalised again.
    """
    views = features.view(VIEW_COUNT, -1, *features.shape[1:])
    upright = views[:_FILTERED].mean(dim=0)
    flipped = (views[_FILTERED].flip(-3) + views[_FILTERED + 1].flip(-2)) / 2
    fused: Tensor = lam * upright + (1 - lam) * flipped
    return fused


def gaussian_blur(windows: Tensor) -> Tensor:
    """Blur ``(B, 3, h, w)`` with 11 taps, σ 5, the border mirrored (its pixel not repeated)."""
    reach = _BLUR_TAPS // 2
    position = torch.arange(-reach, reach + 1, device=windows.device, dtype=torch.float32)
    taps = torch.exp(-0.5 * (position / _BLUR_SIGMA) ** 2)
    taps = (taps / taps.sum()).to(windows.dtype)
    channels = windows.shape[1]
    padded = functional.pad(windows, (reach, reach, reach, reach), mode="reflect")
    down = taps.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    across = taps.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    return functional.conv2d(
        functional.conv2d(padded, down, groups=channels), across, groups=channels
    )

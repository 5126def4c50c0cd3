"""Bilinear resizing of 8-bit pictures to the working size.

The published method resizes 8-bit pictures with the fixed-point bilinear filter that is common in
computer vision pipelines. One grey level of difference is enough to move a label at a border, so
it is reproduced here bit for bit. It samples two pixels per axis, which aliases when a large
picture shrinks a lot; ``antialias`` averages instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BITS = 11
"""Fractional bits of an interpolation weight in the fixed-point filter."""


def resize_picture(
    picture: NDArray[np.uint8], size: tuple[int, int], *, antialias: bool = False
) -> NDArray[np.uint8]:
    """Resize ``picture`` ``(H, W, 3)`` uint8 to ``size`` (height, width).

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB picture.
    size : (int, int)
        Height and width of the result in pixels.
    antialias : bool
        Average over the source pixels that a target pixel covers instead of sampling two per axis.

    Returns
    -------
    ndarray of uint8, shape (*size, 3)
        The resized picture; never the memory of ``picture``.
    """
    if picture.shape[:2] == size:
        return picture.copy()
    if antialias:
        height, width = size
        image = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
        return np.array(image)
    top, bottom, upper, lower = _taps(picture.shape[0], size[0], snap=False)
    left, right, near, far = _taps(picture.shape[1], size[1], snap=True)
    # Only the rows that are sampled are interpolated along x.
    rows, inverse = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    source = picture[rows].astype(np.int32)
    along_x = source[:, left] * near[:, None] + source[:, right] * far[:, None]
    along_x >>= 4
    first, second = along_x[inverse[: size[0]]], along_x[inverse[size[0] :]]
    first = (first * upper[:, None, None]) >> 16
    second = (second * lower[:, None, None]) >> 16
    resized: NDArray[np.uint8] = ((first + second + 2) >> 2).clip(0, 255).astype(np.uint8)
    return resized


def _taps(
    source: int, target: int, *, snap: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32], NDArray[np.int32]]:
    """Return the two source indices of each target pixel and their fixed-point weights.

    Beyond the border both indices are the border pixel. The filter being reproduced then gives it
    the whole weight along x (``snap``) but splits the weight along y, which rounds differently.
    """
    scale = 1.0 / (target / source)
    centre = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    start = np.floor(centre).astype(np.intp)
    fraction = (centre - start).astype(np.float32)
    if snap:
        fraction[(start < 0) | (start >= source - 1)] = 0
    one = np.float32(1 << _BITS)
    first = np.rint((1 - fraction) * one).astype(np.int32)
    second = np.rint(fraction * one).astype(np.int32)
    return start.clip(0, source - 1), (start + 1).clip(0, source - 1), first, second

"""Label images from files, and how their values become classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError

Labels = NDArray[np.integer[Any]]

LABEL_ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of label images; formats with loss (JPEG) change values and are not among them."""

_MAX_NAMED = 5


@dataclass(frozen=True)
class Coding:
    """What the values in mask files mean.

    Attributes
    ----------
    positions : mapping of int to int
        Value → position of its class.
    ignored : frozenset of int
        Values of pixels that are left out.
    """

    positions: Mapping[int, int]
    ignored: frozenset[int]

    def decode(self, values: Labels, called: str) -> NDArray[np.int32]:
        """Return the position of every pixel's class; -1 for pixels that are left out.

        Parameters
        ----------
        values : ndarray of int, shape (H, W)
            As in the file.
        called : str
            How errors name it.

        Raises
        ------
        ImageError
            If a value is neither a class nor ignored.
        """
        found, where = np.unique(values, return_inverse=True)
        unknown = [
            value
            for value in found.tolist()
            if value not in self.positions and value not in self.ignored
        ]
        if unknown:
            shown = ", ".join(map(str, unknown[:_MAX_NAMED]))
            more = ", …" if len(unknown) > _MAX_NAMED else ""
            raise ImageError(
                f"{called} holds the values {shown}{more}, which belong to no class. If these "
                "pixels are to be left out, say so with --ignore VALUE; else the mask is coded in "
                "another way than its classes say"
            )
        ranks = np.array([self.positions.get(value, -1) for value in found.tolist()], np.int32)
        return ranks[where.reshape(values.shape)]


def positions_of(labels: Labels, ids: Mapping[int, int]) -> NDArray[np.int32]:
    """Return for each pixel the position of its class id; -1 for ids that are not in ``ids``."""
    found, where = np.unique(labels, return_inverse=True)
    ranks = np.array([ids.get(value, -1) for value in found.tolist()], np.int32)
    return ranks[where.reshape(labels.shape)]


def read_labels(path: Path) -> Labels:
    """Read the values of a label image; of a picture with a palette its indices.

    Parameters
    ----------
    path : Path
        PNG, TIFF, BMP or GIF of 1 to 32 bits.

    Returns
    -------
    ndarray of int, shape (H, W)
        The values as they are in the file.

    Raises
    ------
    ImageError
        If the file is missing, damaged, far too large, or holds colours instead of numbers.
    """
    from PIL import Image

    if not path.is_file():
        raise ImageError(f"there is no file {path}")
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            values = _read_tiff(path)
        else:
            with warnings.catch_warnings(), Image.open(path) as picture:
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                picture.load()
                values = np.asarray(picture)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory") from error
    except Exception as error:  # decoders fail in many ways on damaged files
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"{path} cannot be read as a label image: {reason}") from error
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise ImageError(
            f"{path} is a picture in colours or with fractions (shape {values.shape}, "
            f"{values.dtype}), but a label image holds one whole number for each pixel: convert it"
        )
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def _read_tiff(path: Path) -> NDArray[Any]:
    """Read the one plane of a TIFF file."""
    import tifffile
    from PIL import Image

    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and series.size > limit:
            raise ImageError(f"{path} is too large to open: {series.size} values")
        return np.squeeze(series.asarray())

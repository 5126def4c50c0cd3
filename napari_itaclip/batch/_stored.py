"""The files of a batch's state: label images, masks, records, and their hashes."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch._json import read_json
from napari_itaclip.errors import FormatError, ImageError, OutputError

_MAX_SIDE = 1 << 20
_COLORED = ("RGB", "RGBA", "LA", "RGBX", "La")
_COUNTED = 1 << 20
"""Pixels that are counted at a time."""
_Record = TypeVar("_Record")


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content, hexadecimal; the file is read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_classes(labels: NDArray[Any]) -> dict[int, int]:
    """Return the pixels of each id that occurs."""
    if labels.dtype.kind != "u" or labels.dtype.itemsize > 2:
        ids, pixels = np.unique(labels, return_counts=True)
        return dict(zip(ids.tolist(), pixels.tolist(), strict=True))
    # Row by row of blocks: `bincount` makes an eight times wider copy of what it is given.
    counts = np.zeros(np.iinfo(labels.dtype).max + 1, np.int64)
    rows = max(1, _COUNTED // max(1, labels.shape[-1]))
    for top in range(0, len(labels), rows):
        counts += np.bincount(labels[top : top + rows].ravel(), minlength=len(counts))
    return {int(number): int(counts[number]) for number in np.flatnonzero(counts)}


def gray_png(values: NDArray[np.uint8]) -> bytes:
    """Return ``(H, W)`` as an 8-bit PNG."""
    return _png(values, compress_level=2)  # noise packs badly: more effort gains a tenth


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """Return ``(H, W)`` as a 1-bit PNG."""
    return _png(np.ascontiguousarray(mask, bool))


def remove_file(path: Path) -> None:
    """Delete a file, if it is there.

    Raises
    ------
    OutputError
        If it cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be deleted: {reason}.") from error


def _png(values: NDArray[Any], **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", **options)
    return buffer.getvalue()


def read_png(path: Path, shape: Sequence[int]) -> NDArray[Any]:
    """Read a label image, margin or mask: the numbers, not their colours."""
    from PIL.PngImagePlugin import PngImageFile

    if not path.is_file():
        raise FormatError(f"there is no file {path}")
    try:
        # Not `Image.open`, which refuses very large images: how large this one is, is known, and
        # nothing of another size or with more than one channel is unpacked.
        with PngImageFile(path) as picture:
            if picture.size != (shape[1], shape[0]) or max(picture.size) > _MAX_SIDE:
                raise ImageError(f"it is {picture.size[0]}×{picture.size[1]} pixels")
            if picture.mode in _COLORED:
                raise ImageError("it is a coloured picture, no label image")
            values = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise FormatError(
            f"{path} is damaged or does not belong to its image ({shape[0]} rows, {shape[1]} "
            f"columns): {error}"
        ) from error
    return values


def read_record(path: Path, build: Callable[[Mapping[str, Any]], _Record]) -> _Record:
    """Read a record; errors name its file."""
    values = read_json(path)
    try:
        return build(values)
    except FormatError as error:
        raise FormatError(f"{path} cannot be used: {error}") from error

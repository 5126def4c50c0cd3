"""Images of any size, read in bands of rows: files, arrays on disk, arrays that are computed.

Every kind of source becomes a `LargeImage`: one or more levels (the full image and smaller copies
of it, where the file has a pyramid), each of which hands out bands of rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ENDS = 1 << 20
"""Bytes at either end of a file that help to recognise it."""

READ_BYTES = 1 << 26
"""Bytes of source pixels that are read at once, as a rule."""

Rows = Callable[[int, int], NDArray[Any]]
"""Returns the rows from ``top`` to ``bottom``: ``(h, W)`` or ``(h, W, C)``."""


@dataclass(frozen=True)
class Level:
    """One resolution of an image.

    Attributes
    ----------
    height, width : int
        Size in pixels.
    channels : int or None
        Number of colour channels on the last axis; None for ``(H, W)``.
    dtype : numpy dtype
        Type of the values.
    rows : callable
        Reads a band of rows.
    chunk_rows : int
        Rows that are stored together: reading fewer of them costs as much.
    """

    height: int
    width: int
    channels: int | None
    dtype: np.dtype[Any]
    rows: Rows
    chunk_rows: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def row_bytes(self) -> int:
        """Size of one row in bytes."""
        return self.width * (self.channels or 1) * self.dtype.itemsize


@dataclass(frozen=True)
class LargeImage:
    """An image that need not fit into memory.

    Attributes
    ----------
    name : str
        What to call it in messages.
    levels : tuple of Level
        The full image first, then smaller copies of it.
    identity : str
        Changes when the image changes: what an unfinished run is recognised by.
    pixel_size : float or None
        Side of a pixel of the full image in the unit that its file uses (metres for most maps,
        micrometres for OME), None where it does not say.
    nodata : float or None
        Value that stands for "no image here".
    geo : mapping of int to tag values
        GeoTIFF tags ``code → (type, count, value)``.
    close : callable
        Closes what was opened.
    """

    name: str
    levels: tuple[Level, ...]
    identity: str
    pixel_size: float | None = None
    nodata: float | None = None
    geo: Mapping[int, tuple[Any, int, Any]] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the full image in pixels."""
        return self.levels[0].shape

    def level_for(self, size: tuple[int, int]) -> int:
        """Return the number of the smallest level that is no smaller than ``size``."""
        fitting = [
            number
            for number, level in enumerate(self.levels)
            if level.height >= size[0] and level.width >= size[1]
        ]
        return min(fitting, key=lambda number: self.levels[number].height, default=0)


def open_large(source: Any) -> LargeImage:
    """Open an image without reading it.

    Parameters
    ----------
    source : str, Path, array-like or LargeImage
        A TIFF (tiled or in strips, with or without a pyramid), a Zarr array or OME-Zarr image, a
        ``.npy`` file; any other image file is read whole, within Pillow's limit of size. Or an
        array that has ``shape``, ``dtype`` and slices: NumPy (memory maps as well), Zarr, Dask.

    Returns
    -------
    LargeImage
        To be closed by the caller (`LargeImage.close`).

    Raises
    ------
    ImageError
        If it is not one image of gray values or colours, or cannot be read.
    MissingExtraError
        If reading it needs a library that is not installed.
    """
    if isinstance(source, LargeImage):
        return source
    if isinstance(source, str | Path):
        return _open_path(Path(source))
    if hasattr(source, "attrs") and not hasattr(source, "dtype"):
        from napari_itaclip.batch.large.zarr_source import open_group

        return open_group(source, "the Zarr group")
    level = array_level(source, "the image")
    return LargeImage("the image", (level,), array_identity(level))


def _open_path(path: Path) -> LargeImage:
    """Open a file or folder by what it holds."""
    if path.is_dir():
        from napari_itaclip.batch.large.zarr_source import open_zarr

        return open_zarr(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except FileNotFoundError:
        raise ImageError(f"there is no file {path}") from None
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}") from error
    if start.startswith(_TIFF_MAGIC):
        from napari_itaclip.batch.large.tiff_source import open_tiff

        return open_tiff(path)
    if start.startswith(b"\x93NUMPY"):
        return _open_npy(path)
    from napari_itaclip.segmentation.image_files import read_image

    level = array_level(read_image(path), str(path))
    return LargeImage(str(path), (level,), file_identity(path))


def _open_npy(path: Path) -> LargeImage:
    """Open an array file. Each band is mapped anew, so that no more than a band is held."""
    try:
        whole = np.load(path, mmap_mode="r")
    except (ValueError, OSError) as error:
        raise ImageError(f"{path} cannot be read as an array: {error}") from error
    if not whole.flags.c_contiguous:
        raise ImageError(f"{path} is stored column by column; save it in C order")
    template = array_level(whole, str(path))
    rows: Rows = partial(file_rows, path, whole.offset, whole.dtype, whole.shape)
    if whole.ndim == 3 and template.channels != whole.shape[2]:
        rows = template.rows  # axes to move or drop: through the map
    level = Level(
        template.height, template.width, template.channels, template.dtype, rows, 1
    )  # fmt: skip
    return LargeImage(str(path), (level,), file_identity(path))


def file_rows(
    path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], top: int, bottom: int
) -> NDArray[Any]:
    """Read rows of an array that lies uncompressed in a file, from ``offset`` on."""
    per_row = int(np.prod(shape[1:], dtype=np.int64))
    try:
        values = np.fromfile(
            path, dtype, (bottom - top) * per_row, offset=offset + top * per_row * dtype.itemsize
        )
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}") from error
    if values.size != (bottom - top) * per_row:
        raise ImageError(f"{path} is cut off: it ends before row {bottom}")
    return values.reshape(bottom - top, *shape[1:])


def array_level(array: Any, name: str, axes: str | None = None) -> Level:
    """Return an array as a level.

    Parameters
    ----------
    array : array-like
        Has ``shape``, ``dtype`` and can be sliced.
    name : str
        What to call it in messages.
    axes : str, optional
        Names of the axes, such as "tczyx" or "yxs". Without them an image is ``(H, W)`` or
        ``(H, W, 1 | 3 | 4)``, or ``(1 | 3 | 4, H, W)`` if only that makes sense.

    Raises
    ------
    ImageError
        If this is a stack of images, or has another number of channels.
    """
    if not (hasattr(array, "shape") and hasattr(array, "dtype")):
        array = np.asarray(array)
    shape = tuple(int(side) for side in array.shape)
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "buif":
        raise ImageError(f"{name} holds {dtype} values; pixels must be numbers")
    if any(not math.isfinite(side) or side < 1 for side in shape):
        raise ImageError(f"{name} has no pixels: its shape is {shape}")
    names = axes.lower() if axes is not None else _guess_axes(shape, name)
    y, x = names.index("y"), names.index("x")
    c = next((at for at, axis in enumerate(names) if axis in "cs" and shape[at] > 1), None)
    others = [at for at in range(len(shape)) if at not in (y, x, c)]
    if any(shape[at] != 1 for at in others):
        raise ImageError(
            f"{name} is a stack of images (shape {shape}, axes {names}); pick one slice of it"
        )
    channels = None if c is None else shape[c]
    if channels not in (None, 3, 4):
        raise ImageError(
            f"{name} has {channels} channels (shape {shape}); 1 (gray), 3 (RGB) or 4 (RGBA) can be "
            "used: save the channels to show as an image of their own"
        )
    order = [at for at in (y, x, c) if at is not None]
    chunks = getattr(array, "chunks", None)
    chunk_rows = 1
    if chunks:
        along = chunks[y]
        chunk_rows = int(max(along) if isinstance(along, tuple) else along)
    rows = partial(_array_rows, array, name, y, tuple(order))
    return Level(shape[y], shape[x], channels, dtype, rows, max(1, chunk_rows))


def _guess_axes(shape: tuple[int, ...], name: str) -> str:
    """Return the names of the axes of an array that does not tell."""
    if len(shape) == 2:
        return "yx"
    if len(shape) == 3 and shape[2] in (1, 3, 4):
        return "yxc"
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        return "cyx"
    raise ImageError(
        f"{name} has the shape {shape}; an image is (height, width) or (height, width, 3 or 4)"
    )


def _array_rows(
    array: Any, name: str, y: int, order: tuple[int, ...], top: int, bottom: int
) -> NDArray[Any]:
    """Read rows of an array and bring the axes to ``(h, W[, C])``."""
    where = tuple(
        slice(top, bottom) if at == y else (slice(None) if at in order else 0)
        for at in range(len(array.shape))
    )
    try:
        band = np.asarray(array[where])
    except Exception as error:  # arrays from elsewhere (Dask, Zarr) fail in their own ways
        raise ImageError(f"{name} cannot be read at row {top}: {error}") from error
    kept = sorted(order)
    return np.ascontiguousarray(band.transpose([kept.index(at) for at in order]))


def file_identity(path: Path) -> str:
    """Return what tells a file from another one of this name: size, time, both ends."""
    facts = path.stat()
    digest = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns}".encode())
    with path.open("rb") as stream:
        digest.update(stream.read(_ENDS))
        stream.seek(max(0, facts.st_size - _ENDS))
        digest.update(stream.read(_ENDS))
    return digest.hexdigest()


def array_identity(level: Level) -> str:
    """Return what tells an array from another one: its shape and a few of its rows."""
    digest = hashlib.sha256(f"{level.shape} {level.channels} {level.dtype}".encode())
    for row in sorted({0, level.height // 3, 2 * level.height // 3, level.height - 1}):
        digest.update(np.ascontiguousarray(level.rows(row, row + 1)).tobytes())
    return digest.hexdigest()


def band_height(level: Level) -> int:
    """Return how many rows to read at once: whole chunks, unless they are huge."""
    rows = max(1, READ_BYTES // level.row_bytes)
    if rows >= level.chunk_rows:
        return rows - rows % level.chunk_rows
    # Chunks of up to four times that are still read whole; beyond, they are read several times.
    return level.chunk_rows if level.chunk_rows <= 4 * rows else rows

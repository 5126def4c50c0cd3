"""TIFF files of any size: tiles or strips are decoded as they are needed, by tifffile alone."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch.large.geo_tags import geo_tags, map_pixel_size
from napari_itaclip.batch.large.sources import (
    LargeImage,
    Level,
    file_identity,
    file_rows,
)
from napari_itaclip.errors import ImageError, MissingExtraError

_MAX_SEGMENT = 1 << 29
"""Bytes of one tile or strip, unpacked: larger ones would not fit the memory that is promised."""

_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""Of the units that a TIFF's resolution can have: inches and centimetres."""


def open_tiff(path: Path) -> LargeImage:
    """Open the largest image of a TIFF with its pyramid, if it has one.

    Raises
    ------
    ImageError
        If it is damaged, a stack, rotated, of another colour model, or has one segment that is too
        large to be read on its own.
    MissingExtraError
        If its compression needs imagecodecs.
    """
    import tifffile

    tiff: Any = None
    try:
        tiff = tifffile.TiffFile(path)
        pages = _pages(tiff, path)
        for page in pages:
            _check_complete(path, page)
        levels = tuple(_level(path, page, str(path)) for page in pages)
        levels[0].rows(0, 1)  # a compression that cannot be undone shows now, not after hours
        return LargeImage(
            name=str(path),
            levels=levels,
            identity=file_identity(path),
            pixel_size=map_pixel_size(pages[0]) or _printed_pixel_size(pages[0]),
            nodata=_nodata(pages[0]),
            geo=geo_tags(pages[0]),
            close=tiff.close,
        )
    except BaseException as error:
        if tiff is not None:
            tiff.close()
        if isinstance(error, ImageError | MissingExtraError) or not isinstance(error, Exception):
            raise
        raise ImageError(f"{path} is damaged or cut off: {error}") from error


def _pages(tiff: Any, path: Path) -> list[Any]:
    """Return the page of the largest image and those of its smaller copies."""
    series = sorted(tiff.series, key=lambda part: -part.size)
    if not series:
        raise ImageError(f"{path} holds no image")
    if len(series) > 1 and series[1].shape == series[0].shape:
        raise ImageError(f"{path} holds several images; save one of them as a file of its own")
    levels = [part for part in series[0].levels if len(part.pages) == 1]
    if not levels or len(series[0].pages) != 1:
        raise ImageError(
            f"{path} holds a stack of images (shape {series[0].shape}): save one slice of it as an "
            "image of its own"
        )
    pages = [part.keyframe for part in levels]
    first = pages[0]
    same = (first.dtype, first.samplesperpixel, int(first.photometric))
    return [
        page for page in pages if (page.dtype, page.samplesperpixel, int(page.photometric)) == same
    ]


def _check_complete(path: Path, page: Any) -> None:
    """Refuse a file that ends before its pixels do; better now than after hours."""
    ends = np.asarray(page.dataoffsets, np.int64) + np.asarray(page.databytecounts, np.int64)
    if ends.size == 0 or int(ends.max()) > path.stat().st_size:
        raise ImageError(f"{path} is cut off: it ends before its pixels do")


def _level(path: Path, page: Any, name: str) -> Level:
    """Return one page as a level."""
    if int(page.photometric) not in (1, 2, 6):  # black is zero, RGB, YCbCr (decoded to RGB)
        raise ImageError(
            f"{name} has the colour model {page.photometric.name}; save it as gray or RGB"
        )
    turn = page.tags.get(274)
    if turn is not None and int(turn.value) != 1:
        raise ImageError(f"{name} is stored turned or mirrored; save it upright")
    if page.imagedepth > 1 or page.dtype is None:
        raise ImageError(f"{name} is no flat image of numbers")
    height, width = int(page.imagelength), int(page.imagewidth)
    samples = int(page.samplesperpixel)
    keep = _kept_samples(page, name)
    if page.is_memmappable and page.planarconfig == 1:
        shape = (height, width) if samples == 1 else (height, width, samples)
        stored = np.dtype(page.parent.byteorder + page.dtype.char)
        read = partial(file_rows, path, int(page.dataoffsets[0]), stored, shape)
        return _with_samples(height, width, page.dtype, read, keep, 1)
    segment = math.prod(page.chunks) * page.dtype.itemsize
    if segment > _MAX_SEGMENT:
        raise ImageError(
            f"{name} is compressed in one piece of {segment / 1e9:.1f} GB, which cannot be read in "
            "parts; save it with tiles"
        )
    rows_per_chunk = int(page.tilelength if page.is_tiled else page.rowsperstrip)
    read = partial(_segment_rows, page, name)
    return _with_samples(height, width, page.dtype, read, keep, min(rows_per_chunk, height))


def _kept_samples(page: Any, name: str) -> tuple[int, ...] | None:
    """Return the samples to use, None for a plain gray image.

    A fourth sample beside RGB that is no alpha, such as near infrared, is left out.
    """
    samples = int(page.samplesperpixel)
    extra = [int(sample) for sample in (page.extrasamples or ())]
    has_alpha = bool(extra) and extra[0] in (1, 2)
    colors = samples - len(extra)
    if colors not in (1, 3) or samples > (2 if colors == 1 else 4):
        raise ImageError(
            f"{name} has {samples} channels; a picture to segment is gray, RGB or RGBA. "
            "Save the three channels to show as an RGB image first."
        )
    if colors == 1:
        return (0, 0, 0, 1) if has_alpha else (None if samples == 1 else (0,))
    return tuple(range(3 + has_alpha))


def _with_samples(
    height: int,
    width: int,
    dtype: np.dtype[Any],
    read: Any,
    keep: tuple[int, ...] | None,
    chunk_rows: int,
) -> Level:
    """Return a level that hands out the samples to use."""
    if keep is None:
        return Level(height, width, None, np.dtype(dtype), read, chunk_rows)

    def rows(top: int, bottom: int) -> NDArray[Any]:
        band: NDArray[Any] = read(top, bottom)
        if keep == tuple(range(band.shape[2])):
            return band
        return np.ascontiguousarray(band[..., list(keep)])

    if keep == (0,):
        return Level(
            height, width, None, np.dtype(dtype), lambda top, bottom: read(top, bottom)[..., 0],
            chunk_rows,
        )  # fmt: skip
    return Level(height, width, len(keep), np.dtype(dtype), rows, chunk_rows)


def _segment_rows(page: Any, name: str, top: int, bottom: int) -> NDArray[Any]:
    """Decode the tiles or strips that touch rows ``top`` to ``bottom``."""
    height, width = int(page.imagelength), int(page.imagewidth)
    samples = int(page.samplesperpixel)
    apart = page.planarconfig == 2 and samples > 1
    step = int(page.tilelength if page.is_tiled else page.rowsperstrip)
    down = -(-height // step)
    across = -(-width // int(page.tilewidth)) if page.is_tiled else 1
    planes = samples if apart else 1
    wanted = [
        (plane * down + line) * across + column
        for plane in range(planes)
        for line in range(top // step, -(-bottom // step))
        for column in range(across)
    ]
    band = np.full((bottom - top, width, samples), page.nodata or 0, page.dtype)
    options: dict[str, Any] = {"_fullsize": bool(page.is_tiled)}
    if int(page.compression) in (6, 7, 34892, 33007):
        options |= {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
    offsets = [page.dataoffsets[index] for index in wanted]
    sizes = [page.databytecounts[index] for index in wanted]
    try:
        for data, index in page.parent.filehandle.read_segments(offsets, sizes, wanted):
            piece, place, _ = page.decode(data, index, **options)
            if piece is None:  # a tile that was never written
                continue
            plane, _, y, x, _ = place
            low, high = max(y, top), min(y + piece.shape[1], bottom, height)
            right = min(x + piece.shape[2], width)
            channel = slice(plane, plane + 1) if apart else slice(None)
            band[low - top : high - top, x:right, channel] = piece[
                0, low - y : high - y, : right - x
            ]
    except Exception as error:  # tifffile and its decoders fail in many ways
        if "imagecodecs" in str(error):
            raise MissingExtraError(
                f"{name} is compressed as {page.compression.name}, which needs imagecodecs; "
                "install it with: pip install imagecodecs"
            ) from error
        raise ImageError(f"{name} is damaged at row {top}: {error}") from error
    return band[..., 0] if samples == 1 else band


def _nodata(page: Any) -> float | None:
    """Return the value that GDAL's tag names as "no image here", if it is a number."""
    tag = page.tags.get(42113)
    try:
        return None if tag is None else float(str(tag.value).strip("\0 "))
    except ValueError:
        return None


def _printed_pixel_size(page: Any) -> float | None:
    """Return the side of a pixel in micrometres by the resolution for printing.

    Microscopes write it so; 72 or 96 dots per inch are a program's default and say nothing.
    """
    unit, resolution = page.tags.get(296), page.tags.get(282)
    if unit is None or resolution is None or int(unit.value) not in _MICROMETRES:
        return None
    above, below = resolution.value
    if not above or not below:
        return None
    size = _MICROMETRES[int(unit.value)] * below / above
    return size if size < 100 else None

"""Planes of files that hold several images: TIFF stacks and Zarr arrays, read one at a time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError, MissingExtraError

_ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup")
_TIFF_SUFFIXES = (".tif", ".tiff")
_COLORS = (3, 4)


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr array or group."""
    return path.is_dir() and any((path / mark).is_file() for mark in _ZARR_MARKS)


def is_too_large(path: Path) -> bool:
    """Say whether a file's picture has more pixels than are read at once: twice Pillow's limit."""
    from PIL import Image

    try:
        if path.suffix.lower() in _TIFF_SUFFIXES:
            import tifffile

            with tifffile.TiffFile(path) as tiff:
                page: Any = tiff.pages.first
                return _exceeds_limit(int(page.imagewidth) * int(page.imagelength))
        with Image.open(path):
            return False
    except Image.DecompressionBombError:
        return True
    except MemoryError:
        raise
    except Exception:  # damaged: that is what is wrong with it
        return False


def too_large(path: Path) -> ImageError:
    """Return the error about a picture that is not read at once."""
    known = path.is_dir() or path.suffix.lower() in _TIFF_SUFFIXES
    first = "" if known else "save it as a TIFF, and "
    return ImageError(
        f"{path} is too large to be read at once; {first}label it window by window with: "
        "napari-itaclip segment-large"
    )


def _exceeds_limit(pixels: int) -> bool:
    from PIL import Image

    return Image.MAX_IMAGE_PIXELS is not None and pixels > 2 * Image.MAX_IMAGE_PIXELS


# ---- TIFF ----------------------------------------------------------------------------------------


def count_tiff_planes(path: Path) -> int:
    """Return how many planes a TIFF file has beside each other; only its directory is read.

    Files that cannot be read count as one plane: reading that one says what is wrong.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            return sum(_plane_count(series) for series in _main_series(tiff))
    except MemoryError:
        raise
    except Exception:  # tifffile fails in many ways on damaged files
        return 1


def read_tiff_plane(path: Path, plane: int) -> NDArray[Any]:
    """Read one plane of a TIFF stack: ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``.

    Raises
    ------
    ImageError
        If it is not there or damaged.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            left = plane
            for series in _main_series(tiff):
                count = _plane_count(series)
                if left < count:
                    if _exceeds_limit(series.size // count):
                        raise too_large(path)
                    return _series_plane(path, tiff, series, left, count)
                left -= count
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # tifffile and its decoders fail in many ways on damaged files
        raise ImageError(f"{path}, page {plane + 1}, is damaged or cut off: {error}") from error
    raise ImageError(f"{path} has no page {plane + 1}")


def _main_series(tiff: Any) -> list[Any]:
    """Return the largest images of a file; thumbnails and labels of slides are left out."""
    series = sorted(tiff.series, key=lambda part: -part.size)
    if not series:
        raise ImageError("the file holds no image")
    return [part for part in tiff.series if part.shape == series[0].shape]


def _plane_count(series: Any) -> int:
    return math.prod(
        n for n, axis in zip(series.shape, series.axes, strict=True) if axis not in "YXS"
    )


def _series_plane(path: Path, tiff: Any, series: Any, plane: int, count: int) -> NDArray[Any]:
    if len(series.pages) == count:
        page = series.pages[plane]
        frame = series.keyframe
        if int(frame.photometric) not in (1, 2):  # neither gray nor RGB: Pillow knows the others
            return _pillow_page(path, int(page.index))
        return _samples_last(page.asarray(), frame.axes, frame, path)
    if series.dataoffset is not None:  # a large ImageJ stack: one directory, planes in a row
        values: NDArray[Any] = np.memmap(
            path,
            dtype=np.dtype(series.dtype).newbyteorder(tiff.byteorder),
            mode="r",
            offset=series.dataoffset,
            shape=series.shape,
        )
    else:  # one page with depth
        values = series.asarray()
    order = [at for at, axis in enumerate(series.axes) if axis not in "YXS"]
    inner = [at for at, axis in enumerate(series.axes) if axis in "YXS"]
    values = values.transpose(*order, *inner)
    flat = values[np.unravel_index(plane, values.shape[: len(order)])]
    axes = "".join(series.axes[at] for at in inner)
    return _samples_last(np.array(flat), axes, series.keyframe, path)


def _samples_last(values: NDArray[Any], axes: str, page: Any, path: Path) -> NDArray[Any]:
    """Return gray, RGB or RGBA; samples beyond them that are no alpha are left out."""
    values = values.reshape(
        [n for n, axis in zip(values.shape, axes, strict=True) if axis in "YXS"]
    )
    axes = "".join(axis for axis in axes if axis in "YXS")
    if "S" not in axes:
        return values
    values = np.moveaxis(values, axes.index("S"), 2)
    extra = [int(sample) for sample in (page.extrasamples or ())]
    colors = values.shape[2] - len(extra)
    if colors == 1:
        return np.ascontiguousarray(values[..., 0])
    if colors != 3:
        raise ImageError(
            f"{path} has {values.shape[2]} channels; a picture to segment is gray, RGB or RGBA"
        )
    keep = 4 if extra and extra[0] in (1, 2) else 3
    return np.ascontiguousarray(values[..., :keep])


def _pillow_page(path: Path, index: int) -> NDArray[Any]:
    from PIL import Image

    from napari_itaclip.segmentation.image_files import array_from_pillow

    with Image.open(path) as image:
        image.seek(index)
        image.load()
        return array_from_pillow(image)


# ---- Zarr ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Planes:
    """How the planes of a Zarr array lie: its axes in order, and whether it has colours."""

    shape: tuple[int, ...]
    y: int
    x: int
    colors: int | None

    @property
    def others(self) -> tuple[int, ...]:
        """The axes over which planes are counted."""
        return tuple(at for at in range(len(self.shape)) if at not in (self.y, self.x, self.colors))

    @property
    def count(self) -> int:
        """How many there are."""
        return math.prod(self.shape[at] for at in self.others)


def zarr_arrays(path: Path) -> tuple[tuple[str, int], ...]:
    """Return the arrays of a Zarr folder that hold images, with their numbers of planes.

    An OME-Zarr image is read at its full size; of other groups every array with two or more axes.

    Raises
    ------
    MissingExtraError
        If zarr is not installed.
    ImageError
        If the folder cannot be read, or holds no image.
    """
    node = _open_zarr(path)
    if hasattr(node, "shape"):
        found = {"": _planes(node, None)}
    else:
        scales = _multiscales(node)
        if scales is not None:
            name, axes = scales
            found = {name: _planes(node[name], axes)}
        else:
            found = {
                name: _planes(array, None)
                for name, array in sorted(node.arrays())
                if array.ndim > 1
            }
    if not found:
        raise ImageError(f"{path} holds no image: no array with two or more axes")
    return tuple((name, planes.count) for name, planes in found.items())


def read_zarr_plane(path: Path, name: str, plane: int) -> NDArray[Any]:
    """Read one plane of a Zarr array: ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``.

    Raises
    ------
    ImageError
        If it is not there or damaged.
    """
    node = _open_zarr(path)
    try:
        array = node[name] if name else node
        scales = None if hasattr(node, "shape") else _multiscales(node)
        planes = _planes(array, scales[1] if scales else None)
        if _exceeds_limit(planes.shape[planes.y] * planes.shape[planes.x]):
            raise too_large(path)
        where: list[Any] = [slice(None)] * len(planes.shape)
        at = np.unravel_index(plane, [planes.shape[axis] for axis in planes.others])
        for axis, position in zip(planes.others, at, strict=True):
            where[axis] = int(position)
        values = np.asarray(array[tuple(where)])
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # stores and codecs fail in their own ways
        raise ImageError(f"{path}, plane {plane + 1}, is damaged: {error}") from error
    kept = [axis for axis in range(len(planes.shape)) if axis not in planes.others]
    order = [planes.y, planes.x] + ([planes.colors] if planes.colors is not None else [])
    return np.ascontiguousarray(values.transpose([kept.index(axis) for axis in order]))


@lru_cache(maxsize=8)
def _open_zarr(path: Path) -> Any:
    try:
        import zarr
    except ImportError:
        raise MissingExtraError(
            f"{path} is a Zarr folder, and reading it needs zarr; install it with: "
            "pip install 'napari-itaclip[omezarr]'"
        ) from None
    try:
        return zarr.open(str(path), mode="r")
    except Exception as error:  # damaged metadata fails in many ways
        raise ImageError(f"{path} cannot be read as Zarr: {error}") from error


def _multiscales(node: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return the full-size array of an OME-Zarr image and the names of its axes."""
    attributes = node.attrs.asdict()
    inner = attributes.get("ome")
    scales = (inner if isinstance(inner, Mapping) else attributes).get("multiscales")
    if not isinstance(scales, Sequence) or not scales:
        return None
    try:
        name = str(scales[0]["datasets"][0]["path"])
        given = scales[0].get("axes") or "tczyx"[-node[name].ndim :]
        axes = tuple(str(one["name"] if isinstance(one, Mapping) else one) for one in given)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None
    return name, axes


def _planes(array: Any, axes: tuple[str, ...] | None) -> _Planes:
    """Tell which axes are height, width and colours."""
    shape = tuple(int(n) for n in array.shape)
    if axes is not None and len(axes) == len(shape) and {"y", "x"} <= set(axes):
        channel = axes.index("c") if "c" in axes else None
        if channel is not None and not (shape[channel] in _COLORS and array.dtype == np.uint8):
            channel = None  # each channel of a microscope's image is a picture of its own
        return _Planes(shape, axes.index("y"), axes.index("x"), channel)
    if len(shape) < 2:
        raise ImageError(f"an array with the shape {shape} is no image")
    if len(shape) > 2 and shape[-1] in _COLORS:
        return _Planes(shape, len(shape) - 3, len(shape) - 2, len(shape) - 1)
    return _Planes(shape, len(shape) - 2, len(shape) - 1, None)


def array_sha256(values: NDArray[Any]) -> str:
    """Return the hash of an array's values, type and shape."""
    found = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()

"""Image files in, label pictures and legends out (without a viewer)."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError, OutputError
from napari_itaclip.files import write_atomically
from napari_itaclip.segmentation.overlay import UNLABELLED
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR, color_to_rgb, palette_color

if TYPE_CHECKING:
    from PIL import Image

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# What Pillow and tifffile raise on damaged files, beside their own errors.
_READ_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, RuntimeError,
    AttributeError, NotImplementedError, struct.error, zlib.error, OverflowError,
)  # fmt: skip


class ResultLike(Protocol):
    """What a legend is made from; `Segmentation` fits."""

    @property
    def labels(self) -> NDArray[Any]:
        """Class ids (H, W)."""

    @property
    def confidence(self) -> NDArray[Any]:
        """Confidence of each pixel (H, W)."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes."""


def read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one image from a file.

    Parameters
    ----------
    path
        PNG, JPEG, TIFF, BMP, WebP or another format Pillow knows. The camera's orientation is
        applied; palettes, CMYK and other colour models become RGB or RGBA; 16 and 32 bits stay.

    Returns
    -------
    ndarray
        (H, W), (H, W, 3) or (H, W, 4).

    Raises
    ------
    ImageError
        When the file is missing, is no image, is damaged, holds several images, or is so large
        when unpacked that it may be an attack (Pillow's limit). The message names the file.
    """
    file = Path(path)
    try:
        if file.is_dir():
            raise ImageError(f"{file} is a folder, not an image")
        with file.open("rb") as stream:
            start = stream.read(512)
    except FileNotFoundError:
        raise ImageError(f"there is no file {file}") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot read {file}: {_reason(error)}") from error
    if not start:
        raise ImageError(f"{file} is empty (0 bytes)")
    if start.startswith(_TIFF_MAGIC):
        return _read_tiff(file)
    return _read_with_pillow(file, start)


def array_from_pillow(image: Image.Image) -> NDArray[Any]:
    """Return a Pillow image as an array, with colours where it has colours.

    Parameters
    ----------
    image
        In any of Pillow's modes.

    Returns
    -------
    ndarray
        bool, uint8, uint16, int32 or float32; (H, W), (H, W, 3) or (H, W, 4).
    """
    mode = image.mode
    if mode == "I" and image.format == "PNG":  # older Pillow's way of 16 bits
        return np.asarray(image).astype(np.uint16)
    if mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if mode in ("1", "L", "I", "F", "RGB", "RGBA") and not (
        mode in ("L", "RGB", "1") and "transparency" in image.info
    ):
        return np.array(image)
    transparent = "transparency" in image.info or mode in ("PA", "LA", "La", "RGBa")
    if mode == "La":
        image = image.convert("LA")
    return np.array(image.convert("RGBA" if transparent else "RGB"))


def write_label_png(
    path: str | os.PathLike[str],
    labels: NDArray[Any],
    colors: Mapping[int, str],
    *,
    comment: str = "",
) -> Path:
    """Write a label image as PNG: 8 bits with a colour table, or 16 bits for ids above 255.

    Parameters
    ----------
    path
        The file; missing folders are made.
    labels
        Class ids (H, W), 0 to 65535.
    colors
        Id → ``"#rrggbb"``; ids without one get a colour of the palette, 0 gets black.
    comment
        Text that is kept in the file beside the pixels, such as what made it.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OutputError
        When an id does not fit into the format, or the file cannot be written.
    """
    from PIL import Image

    target = Path(path)
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "bui" or labels.size == 0:
        raise OutputError(
            f"cannot write {target}: labels are whole numbers (H, W), "
            f"not {labels.dtype} of shape {labels.shape}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > 65535:
        raise OutputError(
            f"cannot write {target}: PNG holds class ids from 0 to 65535, these go from {low} "
            f"to {high}; write a TIFF instead"
        )
    if high > 255:
        return _save_png(target, Image.fromarray(labels.astype(np.uint16)), comment)
    table = [(0, 0, 0)] * 256
    for number in range(256):
        own = BACKGROUND_COLOR if number == 0 else palette_color(number - 1)
        table[number] = color_to_rgb(colors.get(number, own))
    picture = Image.fromarray(labels.astype(np.uint8)).convert("L")
    picture.putpalette([part for color in table for part in color])
    return _save_png(target, picture, comment)


def write_legend_json(
    path: str | os.PathLike[str], result: ResultLike, *, extra: Mapping[str, Any] | None = None
) -> Path:
    """Write the class table of a result as JSON.

    Parameters
    ----------
    path
        The file; missing folders are made.
    result
        A `Segmentation`, or anything with its labels, confidence and vocabulary.
    extra
        More for the top level of the file, such as the settings used.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OutputError
        When something in ``extra`` is not JSON, or the file cannot be written.
    """
    target = Path(path)
    height, width = result.labels.shape
    data = {"width": width, "height": height, "classes": legend_records(result), **(extra or {})}
    try:
        text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OutputError(f"cannot write {target}: {error}") from error
    return _write(target, (text + "\n").encode("utf-8"))


def legend_records(result: ResultLike) -> list[dict[str, Any]]:
    """Return id, name, synonyms, colour, pixels, share and mean confidence of every class.

    The classes come in the vocabulary's order; "unlabelled" is last, if it occurs. The mean
    confidence is None for a class without pixels.
    """
    ids, where, pixels = np.unique(result.labels, return_inverse=True, return_counts=True)
    sums = np.bincount(where.ravel(), weights=np.asarray(result.confidence).ravel())
    found = {int(i): (int(n), float(s)) for i, n, s in zip(ids, pixels, sums, strict=True)}
    rows: list[tuple[int, str, tuple[str, ...], str | None]] = [
        (prompt.id or 0, prompt.name, prompt.synonyms, prompt.color) for prompt in result.vocabulary
    ]
    if 0 in found and all(row[0] != 0 for row in rows):
        rows.append((0, UNLABELLED, (), BACKGROUND_COLOR))
    records = []
    for number, name, synonyms, color in rows:
        count, total = found.get(number, (0, 0.0))
        records.append(
            {
                "id": number,
                "name": name,
                "synonyms": list(synonyms),
                "color": color,
                "pixels": count,
                "share": round(count / result.labels.size, 6),
                "mean_confidence": round(total / count, 6) if count else None,
            }
        )
    return records


def _read_with_pillow(file: Path, start: bytes) -> NDArray[Any]:
    """Read one image with Pillow."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            # A camera's preview pictures (MPO) come after the photograph itself: take the first.
            frames = 1 if image.format in ("MPO", "TIFF") else int(getattr(image, "n_frames", 1))
            if frames > 1:
                raise ImageError(f"{file} is an animation of {frames} pictures: save one of them")
            image.load()
            upright: Image.Image = image
            with suppress(*_READ_ERRORS):  # a broken orientation tag does not spoil the picture
                upright = ImageOps.exif_transpose(image)
            upright.format = image.format
            return array_from_pillow(upright)
    except UnidentifiedImageError:
        raise ImageError(f"{file} is not an image: {_describe(start)}") from None
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{file} is too large to open: {error}. If you trust it, cut it into parts first"
        ) from error
    except MemoryError as error:
        raise ImageError(f"{file} does not fit into memory") from error
    except ImageError:
        raise
    except _READ_ERRORS as error:
        raise ImageError(f"{file} is damaged or cut off: {_reason(error)}") from error


def _read_tiff(file: Path) -> NDArray[Any]:
    """Read one image from a TIFF file, with its bit depth as it is."""
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            series = sorted(tiff.series, key=lambda part: -part.size)
            if not series:
                raise ImageError(f"{file} holds no image")
            first = series[0]
            if len(series) > 1 and series[1].shape == first.shape:
                raise ImageError(_stack_message(file, (len(series), *first.shape), "pages"))
            # Axes of length 1 say nothing, except height and width of a very small image.
            kept = [a in "YX" or n != 1 for a, n in zip(first.axes, first.shape, strict=True)]
            shape = tuple(n for n, keep in zip(first.shape, kept, strict=True) if keep)
            axes = "".join(a for a, keep in zip(first.axes, kept, strict=True) if keep)
            if axes not in ("YX", "YXS", "SYX"):
                raise ImageError(_stack_message(file, shape, axes))
            page: Any = first.keyframe
            pixels = int(page.imagewidth) * int(page.imagelength)
            _check_pixel_count(file, pixels)
            kind = int(page.photometric)
            if kind not in (1, 2):  # black is zero, RGB; Pillow knows the other colour models
                return _read_with_pillow(file, b"")
            array = np.asarray(first.asarray()).reshape(shape)
            extra = [int(sample) for sample in (page.extrasamples or ())]
            turn = page.tags.get(274)
            orientation = 1 if turn is None else int(turn.value)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{file} does not fit into memory") from error
    except Exception as error:  # tifffile and its decoders fail in many ways on damaged files
        if "imagecodecs" in str(error):  # a compression tifffile alone cannot undo
            return _read_with_pillow(file, b"")
        raise ImageError(f"{file} is damaged or cut off: {_reason(error)}") from error
    return _oriented(_colors_last(file, array, axes, extra), orientation)


def _colors_last(file: Path, array: NDArray[Any], axes: str, extra: list[int]) -> NDArray[Any]:
    """Return gray, RGB or RGBA with the samples on the last axis.

    A fourth sample beside RGB that is no alpha, such as near infrared, is left out.
    """
    if "S" not in axes:
        return array
    if axes == "SYX":
        array = np.moveaxis(array, 0, 2)
    has_alpha = bool(extra) and extra[0] in (1, 2)
    colors = array.shape[2] - len(extra)
    if array.shape[2] > (2 if colors == 1 else 4):
        raise ImageError(
            f"{file} has {array.shape[2]} channels; a picture to segment is gray, RGB or RGBA. "
            "Save the three channels to show as an RGB image first."
        )
    if colors == 1:
        if not has_alpha:
            return array[..., 0]
        return np.ascontiguousarray(array[..., [0, 0, 0, 1]])
    keep = colors + (1 if has_alpha else 0)
    return np.ascontiguousarray(array[..., :keep])


def _oriented(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply the TIFF/EXIF orientation (1 to 8)."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _check_pixel_count(file: Path, pixels: int) -> None:
    """Hold TIFF files to the limit that Pillow sets for all others."""
    from PIL import Image

    limit = None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        raise ImageError(
            f"{file} is too large to open: {pixels} pixels, the limit is {limit}. "
            "If you trust it, cut it into parts first"
        )


def _stack_message(file: Path, shape: tuple[int, ...], axes: str) -> str:
    """Say that a file holds several images."""
    return (
        f"{file} holds a stack of images (shape {shape}, axes {axes}): "
        "save one slice of it as an image of its own"
    )


def _describe(start: bytes) -> str:
    """Tell what a file that is no image seems to be."""
    with suppress(UnicodeDecodeError):
        text = start.decode("utf-8", errors="strict" if len(start) < 512 else "ignore")
        if "\0" not in text and sum(c.isprintable() or c.isspace() for c in text) >= len(text):
            return f"it is text, beginning with {text[:30]!r}"
    return "its content is none of the formats known (PNG, JPEG, TIFF, BMP, WebP, GIF, …)"


def _reason(error: BaseException) -> str:
    """Return an error's words without the file name that Python adds."""
    strerror = getattr(error, "strerror", None)
    return str(strerror or error or type(error).__name__)


def _save_png(target: Path, picture: Image.Image, comment: str) -> Path:
    """Write a picture as PNG, with a comment unless it is empty."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if comment:
        info.add_itxt("Comment", comment)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return _write(target, buffer.getvalue())


def _write(target: Path, data: bytes) -> Path:
    """Write a file whole or not at all, and return its path."""
    write_atomically(target, data)
    return target

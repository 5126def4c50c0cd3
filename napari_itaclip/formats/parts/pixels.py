"""Label images: class ids ⇄ values ⇄ the bytes of PNG and TIFF files."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import ExportOptions, LabelledImage, Labels, Loss
from napari_itaclip.formats.parts.exchange import checked_size, left_out, small_loss, small_objects
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR, color_to_rgb

if TYPE_CHECKING:
    from PIL import Image

TEXT_KEY = "napari-itaclip"
"""The text of a PNG that holds its classes as JSON."""

MAX_TEXT = 500_000
"""Longer tables of classes are not put into an image; readers refuse overlong texts."""

MAX_COLORS = 4096
"""An image with more colours shows something, and is no label image."""

# What Pillow and tifffile raise on damaged files, beside their own errors.
_READ_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, RuntimeError,
    AttributeError, NotImplementedError, struct.error, zlib.error, OverflowError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class LabelPicture:
    """What a label image file holds.

    Attributes
    ----------
    values : ndarray of uint, shape (H, W)
        Values, or colours as the number ``0xrrggbb`` if `are_colors`.
    are_colors : bool
        Whether the file has colours in place of values.
    palette : mapping of int to str
        Colour of each value as ``#rrggbb``, where the file has a colour table.
    """

    values: Labels
    are_colors: bool = False
    palette: Mapping[int, str] = field(default_factory=dict)


def values_of(
    item: LabelledImage, options: ExportOptions, value_by_id: Mapping[int, int], void: int
) -> tuple[NDArray[np.uint32], tuple[Loss, ...]]:
    """Return an image's labels as a file's values, and what that leaves out.

    Parameters
    ----------
    item
        The labels; unlabelled pixels get ``void``.
    options
        Objects below ``min_pixels`` become background or, without one, unlabelled.
    value_by_id
        Value of each class's id.
    void
        Value of unlabelled pixels.

    Returns
    -------
    values : ndarray of uint32, shape (H, W)
        The values.
    losses : tuple of Loss
        What was left out; objects and uncertainty are left to the caller.
    """
    ids = np.array(sorted(value_by_id), dtype=np.int64)
    table = np.array([value_by_id[int(one)] for one in ids], dtype=np.uint32)
    at = np.minimum(np.searchsorted(ids, item.labels), len(ids) - 1)
    values = np.where(ids[at] == item.labels, table[at], np.uint32(void)).astype(np.uint32)
    if item.valid is not None:
        values[~item.valid] = void
    small = small_objects(item, options.min_pixels)
    if small.any():
        rest = item.background
        values[small] = void if rest is None else value_by_id[rest.id]
    return values, small_loss(small, options.min_pixels)


def not_held(item: LabelledImage, *held: str) -> tuple[Loss, ...]:
    """Return what label images leave out of an image's data, but for what is named."""
    return left_out(item, "background and unlabelled", *held)


def encode_png(values: Labels, colors: Mapping[int, str], *, deep: bool, text: str = "") -> bytes:
    """Return a PNG file of label values.

    Parameters
    ----------
    values
        ``(H, W)``, up to 255 or, with ``deep``, up to 65535.
    colors
        Colour of each value, for the colour table of 8-bit files; black for the others.
    deep
        Whether to write 16 bits, which have no colour table.
    text
        Kept in the file under `TEXT_KEY`, unless it is longer than readers accept.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if text and len(text) <= MAX_TEXT:
        info.add_itxt(TEXT_KEY, text)
    if deep:
        image = Image.fromarray(values.astype(np.uint16))
    else:
        image = Image.fromarray(values.astype(np.uint8))
        table = [color_to_rgb(colors.get(value, BACKGROUND_COLOR)) for value in range(256)]
        image.putpalette([part for color in table for part in color])
    stream = io.BytesIO()
    image.save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def encode_color_png(values: Labels, colors: Mapping[int, str]) -> bytes:
    """Return a PNG file that shows label values up to 255 in their colours."""
    from PIL import Image

    table = np.zeros((256, 3), dtype=np.uint8)
    for value, color in colors.items():
        table[value] = color_to_rgb(color)
    stream = io.BytesIO()
    Image.fromarray(table[values]).save(stream, "PNG")
    return stream.getvalue()


def encode_tiff(values: Labels, *, text: str) -> bytes:
    """Return a TIFF file of label values with lossless compression; ``text`` is its description.

    The type of ``values`` is kept: uint8, uint16 or uint32.
    """
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        values,
        photometric="minisblack",
        compression="zlib",
        description=text,
        metadata=None,
        software=TEXT_KEY,
    )
    return stream.getvalue()


def read_label_picture(path: Path) -> LabelPicture:
    """Read a label image.

    Parameters
    ----------
    path
        PNG, TIFF, BMP or another lossless format of whole numbers or colours.

    Raises
    ------
    FormatError
        If it cannot be read, is too large, or holds several images or broken numbers.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        return _read_tiff(path)
    from PIL import Image

    try:
        with Image.open(path) as image:
            checked_size(image.height, image.width, str(path))
            if image.format == "JPEG":
                raise FormatError(
                    f"{path} is a JPEG, which blurs label values; save the labels as PNG or TIFF"
                )
            image.load()
            return _from_pillow(image)
    except FormatError:
        raise
    except Image.DecompressionBombError as error:
        raise FormatError(f"{path} is too large to open: {error}") from error
    except _READ_ERRORS as error:
        raise FormatError(f"cannot read {path}: {_reason(error)}") from error


def text_inside(path: Path) -> str:
    """Return the table of classes that this package put into an image; empty if there is none.

    Only the start of the file is read.
    """
    import tifffile
    from PIL import Image

    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            with tifffile.TiffFile(path) as tiff:
                page: Any = tiff.pages[0]
                text = str(page.description or "")
        else:
            with Image.open(path) as image:
                text = str(image.info.get(TEXT_KEY, ""))
    except Exception:  # whatever a damaged file causes shows when it is read as labels
        return ""
    return text if text.startswith("{") and '"classes"' in text else ""


def _from_pillow(image: Image.Image) -> LabelPicture:
    """Return the values or colours of an image that is loaded."""
    if image.mode == "P":
        flat = image.getpalette() or []
        table = {
            at // 3: "#" + "".join(f"{part:02x}" for part in flat[at : at + 3])
            for at in range(0, len(flat) - 2, 3)
        }
        return LabelPicture(np.asarray(image), palette=table)
    if image.mode == "1" or image.mode == "L" or image.mode.startswith("I"):
        return LabelPicture(_whole(np.asarray(image)))
    if image.mode == "LA":
        return LabelPicture(np.asarray(image)[..., 0])
    return LabelPicture(_packed(np.asarray(image.convert("RGB"))), are_colors=True)


def _read_tiff(path: Path) -> LabelPicture:
    """Read a label image from a TIFF file of one page."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            if len(tiff.pages) > 1 and not page.is_reduced and tiff.series[0].size > page.size:
                raise FormatError(f"{path} holds several images; save one of them as a file")
            checked_size(int(page.imagelength), int(page.imagewidth), str(path))
            array = np.asarray(page.asarray())
    except FormatError:
        raise
    except Exception as error:  # tifffile and its decoders fail in many ways on damaged files
        raise FormatError(f"cannot read {path}: {_reason(error)}") from error
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8:
        return LabelPicture(_packed(array[..., :3]), are_colors=True)
    if array.ndim == 3 and 1 in array.shape:
        array = array.squeeze(array.shape.index(1))
    if array.ndim != 2 or array.dtype.kind not in "bui":
        raise FormatError(
            f"{path} holds {array.dtype} of shape {array.shape}; labels are whole numbers in a "
            "plane"
        )
    return LabelPicture(_whole(array))


def _whole(array: NDArray[Any]) -> Labels:
    """Return an array as numbers that labels may be; negative ones stay."""
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def _packed(rgb: NDArray[Any]) -> Labels:
    """Return colours as numbers 0xrrggbb."""
    wide = rgb.astype(np.uint32)
    packed: Labels = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return packed


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

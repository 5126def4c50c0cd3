"""TIFF label images with a table of classes as JSON, beside them and inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Labels,
    ReadableDataset,
    Rendered,
)
from napari_itaclip.formats.parts.exchange import label_dtype
from napari_itaclip.formats.parts.label_writer import assemble_table, render_labels
from napari_itaclip.formats.parts.pixels import encode_tiff
from napari_itaclip.formats.reading.label_folder import looks_like_labels, read_label_images

SUFFIXES = (".tif", ".tiff")
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Return an image as TIFF of 8, 16 or 32 bits, compressed without loss."""
    return render_labels(item, options, ".tif", _encode, 2**32 - 1)


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read a TIFF, or a folder of them; see `_label_folder.read_label_images`."""
    return read_label_images(Path(path), SUFFIXES, TIFF.name, classes)


def sniff(path: Path) -> bool:
    """Tell whether a file, or the first one in a folder, is a TIFF."""
    return looks_like_labels(path, SUFFIXES, _is_tiff)


def _encode(values: Labels, classes: Sequence[LabelClass], text: str) -> bytes:
    """Write values; the depth follows the classes, so that all images have the same."""
    highest = max([int(values.max()), *(one.id for one in classes)])
    return encode_tiff(values.astype(label_dtype(highest)), text=text)


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in _MAGIC
    except OSError:
        return False


TIFF = Format(
    name="tiff",
    title="TIFF label images + classes.json",
    description="every pixel's class as a value, ids of any size; objects in a second image",
    render=render,
    assemble=assemble_table,
    read=read,
    sniff=sniff,
    suffixes=SUFFIXES,
)

"""PNG label images with a table of classes as JSON."""

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
from napari_itaclip.formats.parts.label_writer import assemble_table, render_labels
from napari_itaclip.formats.parts.pixels import encode_png
from napari_itaclip.formats.reading.label_folder import looks_like_labels, read_label_images

SUFFIXES = (".png",)


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Return an image as PNG: 8 bits with a colour table, or 16 bits for ids above 255."""
    return render_labels(item, options, ".png", _encode, 65535)


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read a PNG, or a folder of them; see `_label_folder.read_label_images`."""
    return read_label_images(Path(path), SUFFIXES, PNG.name, classes)


def sniff(path: Path) -> bool:
    """Tell whether a file, or the first one in a folder, is a PNG of values."""
    return looks_like_labels(path, SUFFIXES, _is_label_png)


def _encode(values: Labels, classes: Sequence[LabelClass], text: str) -> bytes:
    """Write values; the depth follows the classes, so that all images have the same."""
    deep = int(values.max()) > 255 or any(one.id > 255 for one in classes)
    return encode_png(values, {one.id: one.color for one in classes}, deep=deep, text=text)


def _is_label_png(path: Path) -> bool:
    """Look at the header: one value for each pixel, or colours that this package wrote."""
    try:
        with path.open("rb") as file:
            start = file.read(33)
    except OSError:
        return False
    return start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) == 33 and start[25] in (0, 3)


PNG = Format(
    name="png",
    title="PNG label images + classes.json",
    description="every pixel's class as a value, ids up to 65535; objects in a second image",
    render=render,
    assemble=assemble_table,
    read=read,
    sniff=sniff,
    suffixes=SUFFIXES,
)

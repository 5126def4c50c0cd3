"""Reading CVAT for images 1.1: an index of the file first, then one image at a time."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, LabelledImage, ReadableDataset
from napari_itaclip.formats.parts.exchange import (
    Canvas,
    FoundClass,
    find_picture,
    image_name,
    resolve_classes,
    unique_names,
)
from napari_itaclip.formats.parts.xml_files import Events, parse
from napari_itaclip.formats.shapes.run_lengths import check_size
from napari_itaclip.formats.shapes.turned import outline_of_box, outline_of_ellipse

FILE_NAME = "annotations.xml"
"""The file of annotations in a data set's folder."""

MAX_IMAGE_BYTES = 512 * 2**20
"""The most XML that one image may take."""

_DRAWN = ("mask", "polygon", "box", "ellipse")
_NOT_DRAWN = ("polyline", "points", "tag", "cuboid", "skeleton")


def decode_mask(rle: str, width: int, height: int) -> NDArray[np.bool_]:
    """Return the mask ``(height, width)`` that runs describe.

    Raises
    ------
    FormatError
        If they are no numbers, or do not add up to the box.
    """
    try:
        lengths = np.array([int(piece) for piece in rle.split(",")], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"a mask's runs are not whole numbers: {rle[:40]!r}") from error
    # Compared before they are repeated: runs that lie must not fill the memory.
    if (lengths < 0).any() or (lengths > width * height).any() or lengths.sum() != width * height:
        raise FormatError(f"a mask's runs do not add up to its box of {width} × {height} pixels")
    values = np.arange(lengths.size) % 2 == 1
    return np.repeat(values, lengths).reshape(height, width)


@dataclass
class _Label:
    """A label while it is read."""

    own: dict[str, str]
    name: str = ""
    color: str | None = None
    part: bool = False


@dataclass
class _Image:
    """An image of the file and the bytes that describe it."""

    attributes: dict[str, str]
    first: int
    last: int = 0


@dataclass
class _Index:
    """What a first pass over the file finds."""

    labels: list[_Label] = field(default_factory=list)
    used: dict[str, None] = field(default_factory=dict)
    images: list[_Image] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)

    def start(self, path: tuple[str, ...], attrs: dict[str, str], at: int) -> None:
        """Take note of an element that begins."""
        if len(path) == 1 and path[0] != "annotations":
            raise FormatError(f"<{path[0]}> is not CVAT's <annotations>")
        if path[1:2] == ("track",):
            raise FormatError(
                "this is CVAT for video, where shapes belong to tracks; export the task as "
                '"CVAT for images 1.1"'
            )
        if path[-2:] == ("labels", "label"):
            self.labels.append(_Label(attrs))
        elif path[1:] == ("image",):
            self.images.append(_Image(attrs, at))
        elif path[1:2] == ("image",) and len(path) == 3:
            if path[2] in _DRAWN:
                self.used.setdefault(attrs.get("label", ""))
            elif path[2] in _NOT_DRAWN:
                self.ignored[path[2]] = self.ignored.get(path[2], 0) + 1

    def end(self, path: tuple[str, ...], found: str, at: int) -> None:
        """Take note of an element that ends."""
        if path[-3:-1] == ("labels", "label") and self.labels:
            label = self.labels[-1]
            if path[-1] == "name":
                label.name = found
            elif path[-1] == "color":
                label.color = found
            elif path[-1] == "parent":
                label.part = bool(found.strip())
        elif path[1:] == ("image",):
            self.images[-1].last = at

    def classes(self) -> Iterator[FoundClass]:
        """Return all labels, those first that the file declares."""
        for label in self.labels:
            if not label.part:
                id_ = label.own.get("itaclip-id", "")
                background = label.own.get("itaclip-background") == "true"
                number = int(id_) if re.fullmatch(r"[0-9]{1,10}", id_) else None
                yield FoundClass(label.name, label.color, number, background)
        for name in self.used:
            yield FoundClass(name)


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Open a CVAT file (for images, 1.1) or the folder it lies in.

    Masks, polygons, boxes and ellipses are drawn, those with a higher ``z_order`` on top. The file
    is gone through once; images are read from it one at a time.

    Parameters
    ----------
    path
        ``annotations.xml``, any other XML file of CVAT, or a folder with the former.
    classes
        Classes whose ids and colours are taken where the names agree.

    Raises
    ------
    FormatError
        If it is no such file, or broken.
    """
    file = path / FILE_NAME if path.is_dir() else path
    index = _Index()
    try:
        with file.open("rb") as stream:
            encoding = _encoding(stream.read(200))
            stream.seek(0)
            parse(stream, Events(index.start, index.end), str(file))
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror or error}") from error
    found = resolve_classes(index.classes(), classes)
    if not found:
        raise FormatError(f"{file} has no labels")
    names = unique_names(image_name(one.attributes.get("name", "")) for one in index.images)
    images = dict(zip(names, index.images, strict=True))
    notes = [f"{count} × <{tag}> left out: not an area" for tag, count in index.ignored.items()]

    def load(name: str) -> LabelledImage:
        if name not in images:
            raise FormatError(f"{file} has no image {name!r}")
        return _load(file, encoding, name, images[name], found)

    return ReadableDataset("cvat", found, tuple(names), load, tuple(notes))


def _encoding(head: bytes) -> str:
    """Return the encoding of an XML file from its first bytes."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16-le" if head[0] == 0xFF else "utf-16-be"
    match = re.match(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*encoding=["']([A-Za-z0-9._-]+)["']""", head)
    return match[1].decode() if match else "utf-8"


def _load(
    file: Path, encoding: str, name: str, image: _Image, classes: tuple[LabelClass, ...]
) -> LabelledImage:
    """Read one image's shapes and draw them."""
    where = f"{file}, image {name!r}"
    height, width = check_size(
        _whole(image.attributes, "height", where), _whole(image.attributes, "width", where), where
    )
    ids = {one.name: one.id for one in classes}
    canvas = Canvas((height, width), classes)
    shapes = _shapes(file, encoding, image, where)
    for tag, attrs in sorted(shapes, key=lambda shape: _number(shape[1], "z_order", where, 0.0)):
        _draw(canvas, tag, attrs, ids[attrs.get("label", "")], where)
    picture = image.attributes.get("name", "")
    found = find_picture(file.parent, f"images/{picture}", picture) if picture else None
    return LabelledImage(name, canvas.labels, classes, image_path=found, instances=canvas.instances)


def _shapes(
    file: Path, encoding: str, image: _Image, where: str
) -> list[tuple[str, dict[str, str]]]:
    """Return tags and attributes of an image's areas, in the order of the file."""
    shapes: list[tuple[str, dict[str, str]]] = []
    if image.last - image.first > MAX_IMAGE_BYTES:
        raise FormatError(f"{where}: more than {MAX_IMAGE_BYTES} bytes")

    def start(path: tuple[str, ...], attrs: dict[str, str], _at: int) -> None:
        if len(path) == 2 and path[1] in _DRAWN:
            shapes.append((path[1], attrs))

    if image.last > image.first:
        with file.open("rb") as stream:
            stream.seek(image.first)
            part = stream.read(image.last - image.first).decode(encoding, "replace")
        content = io.BytesIO(f"{part}</image>".encode())
        parse(content, Events(start, lambda *_: None), where)
    return shapes


def _draw(canvas: Canvas, tag: str, attrs: Mapping[str, str], value: int, where: str) -> None:
    """Draw one shape, in place."""
    if tag == "mask":
        left, top, width, height = (
            _whole(attrs, key, where) for key in ("left", "top", "width", "height")
        )
        inside = left >= 0 and top >= 0 and width > 0 and height > 0
        if (
            not inside
            or top + height > canvas.labels.shape[0]
            or left + width > canvas.labels.shape[1]
        ):
            raise FormatError(f"{where}: a mask lies outside the image")
        try:
            mask = decode_mask(attrs.get("rle", ""), width, height)
        except FormatError as error:
            raise FormatError(f"{where}: {error}") from error
        canvas.mask(mask, (top, left), value)
        return
    canvas.polygon(_corners(tag, attrs, where), value, f"{where}: <{tag}>")


def _corners(tag: str, attrs: Mapping[str, str], where: str) -> list[tuple[float, float]]:
    """Return the outline ``(x, y)`` of a shape that is not a mask."""
    if tag == "polygon":
        try:
            pairs = [point.split(",") for point in attrs.get("points", "").split(";")]
            return [(float(x), float(y)) for x, y in pairs]
        except ValueError as error:
            raise FormatError(
                f"{where}: the points of a polygon are no pairs of numbers"
            ) from error
    angle = math.radians(_number(attrs, "rotation", where, 0.0))
    if tag == "box":
        x0, y0, x1, y1 = (_number(attrs, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
        return outline_of_box((x0, y0, x1, y1), angle, ((x0 + x1) / 2, (y0 + y1) / 2))
    x, y, rx, ry = (_number(attrs, key, where) for key in ("cx", "cy", "rx", "ry"))
    return outline_of_ellipse((x, y), (rx, ry), angle)


def _number(attrs: Mapping[str, str], key: str, where: str, default: float | None = None) -> float:
    """Return an attribute as a number."""
    value = attrs.get(key, default)
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{where}: {key} is {value!r}, not a number")
    return number


def _whole(attrs: Mapping[str, str], key: str, where: str) -> int:
    """Return an attribute as a whole number."""
    return round(_number(attrs, key, where))

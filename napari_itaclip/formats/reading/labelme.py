"""Reading LabelMe's files: masks, polygons, rectangles and circles."""

from __future__ import annotations

import base64
import io
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, LabelledImage, ReadableDataset
from napari_itaclip.formats.parts.exchange import (
    FoundClass,
    find_picture,
    resolve_classes,
    unique_names,
)
from napari_itaclip.formats.parts.json_files import (
    as_int,
    as_list,
    as_number,
    as_object,
    as_text,
    read_json,
    starts_like,
)
from napari_itaclip.formats.reading.label_folder import walk
from napari_itaclip.formats.shapes.filling import Patch, checked_ring, fill_drawn
from napari_itaclip.formats.shapes.painting import Painted, paint
from napari_itaclip.formats.shapes.run_lengths import check_size
from napari_itaclip.formats.shapes.turned import outline_of_ellipse

MARK = "napari_itaclip"

_MAX_BYTES = 256 * 1024 * 1024
_AREAS = frozenset({"polygon", "rectangle", "circle", "mask"})
_IGNORED = frozenset({"__ignore__"})


@dataclass(frozen=True)
class _File:
    """A file's place, and the folder of the data set."""

    path: Path
    root: Path


def read(path: Path, *, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read LabelMe's files.

    Shapes are filled in their order, later ones over earlier ones, as LabelMe does. Those with the
    same label and ``group_id`` are one instance, every other one is an instance of its own.
    Points and lines have no area and are left out, shapes called ``__ignore__`` as well.

    Parameters
    ----------
    path
        A file, or a folder with files at any depth.
    classes
        Classes whose ids and colours are taken where the names agree.

    Raises
    ------
    FormatError
        If a file is damaged or unsafe to read.
    """
    files = _files(Path(path))
    if not files:
        raise FormatError(f"{path} holds no LabelMe files (*.json with 'shapes')")
    found: dict[str, FoundClass] = {}
    skipped: Counter[str] = Counter()
    names = []
    for file in files:
        data = _parsed(file.path)
        names.append(_name(file, data))
        for one in _noted_classes(data, file.path):
            found.setdefault(one.name, one)
        for label, kind in _labels(data, file.path):
            if kind not in _AREAS:
                skipped[kind] += 1
            elif label not in _IGNORED:
                found.setdefault(label, FoundClass(label))
    if not found and not classes:
        found["object"] = FoundClass("object")
    resolved = resolve_classes(found.values(), classes)
    by_name = dict(zip(unique_names(names), files, strict=True))

    def load(name: str) -> LabelledImage:
        if name not in by_name:
            raise FormatError(f"there is no image {name!r} in {path}")
        return _load(name, by_name[name], resolved)

    notes = tuple(
        f"{count} shapes of the kind {kind!r} have no area and were left out"
        for kind, count in sorted(skipped.items())
    )
    return ReadableDataset("labelme", resolved, tuple(by_name), load, notes)


def sniff(path: Path) -> bool:
    """Tell whether a file, or one of the first files in a folder, is LabelMe's."""
    if not path.is_dir():
        return path.suffix.lower() == ".json" and _looks_right(path)
    return any(_looks_right(one) for one, _ in zip(path.rglob("*.json"), range(20), strict=False))


def _looks_right(path: Path) -> bool:
    return starts_like(path, "shapes")


def _files(path: Path) -> list[_File]:
    """Return the files at a path in order."""
    if path.is_file():
        return [_File(path, path.parent)]
    return [_File(one, path) for one in walk(path, (".json",)) if _looks_right(one)]


def _parsed(path: Path) -> Mapping[str, Any]:
    """Read a file."""
    return as_object(read_json(path, max_bytes=_MAX_BYTES), str(path))


def _name(file: _File, data: Mapping[str, Any]) -> str:
    """Return an image's name: what this package noted, else from its path."""
    mark = data.get(MARK)
    noted = mark.get("name") if isinstance(mark, dict) else None
    if isinstance(noted, str):
        return as_text(noted, f"the name in {file.path}")
    return file.path.relative_to(file.root).with_suffix("").as_posix()


def _noted_classes(data: Mapping[str, Any], path: Path) -> Iterator[FoundClass]:
    """Yield the classes that this package noted in a file."""
    mark = data.get(MARK)
    if not isinstance(mark, dict):
        return
    for row in as_list(mark.get("classes", []), f"the classes in {path}"):
        one = as_object(row, f"a class in {path}")
        color = one.get("color")
        yield FoundClass(
            as_text(one.get("name"), f"a class's name in {path}"),
            color if isinstance(color, str) else None,
            as_int(one.get("id"), f"a class's id in {path}"),
            one.get("background") is True,
        )


def _shapes(data: Mapping[str, Any], path: Path) -> list[Mapping[str, Any]]:
    """Return the shapes of a file."""
    rows = as_list(data.get("shapes", []), f"'shapes' in {path}")
    return [as_object(one, f"shape {at} in {path}") for at, one in enumerate(rows, start=1)]


def _labels(data: Mapping[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    """Yield each shape's label and kind."""
    for one in _shapes(data, path):
        # Files of the first versions do not name the kind: all were polygons.
        kind = as_text(one.get("shape_type") or "polygon", f"a shape_type in {path}")
        yield as_text(one.get("label"), f"a label in {path}"), kind


def _load(name: str, file: _File, classes: tuple[LabelClass, ...]) -> LabelledImage:
    """Fill the shapes of one file."""
    data = _parsed(file.path)
    shape = _size(data, file)
    ids = {one.name: one.id for one in classes}
    groups: dict[tuple[str, str], int] = {}
    objects = []
    labels_and_kinds = list(_labels(data, file.path))
    for number, (row, (label, kind)) in enumerate(
        zip(_shapes(data, file.path), labels_and_kinds, strict=True), start=1
    ):
        if kind not in _AREAS or label not in ids:
            continue
        group = row.get("group_id")
        key = (label, str(number) if group is None else f"group {group!r:.40}")
        instance = groups.setdefault(key, len(groups) + 1)
        patch = _patch(row, kind, shape, f"{file.path}, shape {number} ({label!r:.40})")
        objects.append(Painted(patch, ids[label], instance))
    labels, numbers = paint(objects, shape, classes)
    beside = file.path.parent.relative_to(file.root).as_posix()
    picture = str(data.get("imagePath") or "").replace("\\", "/")
    return LabelledImage(
        name=name,
        labels=labels,
        classes=classes,
        image_path=find_picture(file.root, posixpath.normpath(posixpath.join(beside, picture))),
        instances=numbers,
    )


def _size(data: Mapping[str, Any], file: _File) -> tuple[int, int]:
    """Return height and width."""
    height = as_int(data.get("imageHeight"), f"imageHeight in {file.path}")
    width = as_int(data.get("imageWidth"), f"imageWidth in {file.path}")
    return check_size(height, width, str(file.path))


def _patch(row: Mapping[str, Any], kind: str, shape: tuple[int, int], what: str) -> Patch:
    """Return the pixels of a shape."""
    points = [
        (as_number(x, what), as_number(y, what))
        for x, y in (_pair(one, what) for one in as_list(row.get("points"), f"points of {what}"))
    ]
    if kind == "polygon":
        if 0 < len(points) < 3:  # LabelMe lets one finish a polygon too early
            points += points[-1:] * (3 - len(points))
        return fill_drawn([_ring(points, shape, what)], shape)
    if len(points) != 2:
        raise FormatError(f"{what}: a {kind} has 2 points, not {len(points)}")
    (x0, y0), (x1, y1) = points
    if kind == "mask":
        corner = _ring([(x0, y0)] * 3, shape, what)[0]
        return _mask(row.get("mask"), (int(corner[1]), int(corner[0])), shape, what)
    if kind == "circle":
        # The centre, and a point on the line around it.
        radius = float(np.hypot(x1 - x0, y1 - y0))
        return fill_drawn(
            [_ring(outline_of_ellipse((x0, y0), (radius, radius), 0.0), shape, what)], shape
        )
    return fill_drawn([_ring([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], shape, what)], shape)


def _pair(value: Any, what: str) -> Sequence[Any]:
    """Return a point."""
    if not isinstance(value, list) or len(value) != 2:
        raise FormatError(f"{what}: a point must be [x, y], not {value!r:.40}")
    return value


def _ring(
    points: Sequence[tuple[float, float]], shape: tuple[int, int], what: str
) -> NDArray[np.float64]:
    """Return checked points."""
    return checked_ring([value for point in points for value in point], shape, what)


def _mask(content: Any, at: tuple[int, int], shape: tuple[int, int], what: str) -> Patch:
    """Return the pixels of a mask shape, cut to the image."""
    from PIL import Image

    try:
        png = base64.b64decode(as_text(content, f"the mask of {what}"), validate=True)
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.height > shape[0] or image.width > shape[1]:
                raise FormatError(f"{what}: the mask is larger than the image")
            mask = np.asarray(image.convert("L") if image.mode != "1" else image) > 0
    except FormatError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FormatError(f"{what}: the mask is not a PNG in base64: {error}") from error
    top, left = max(at[0], 0), max(at[1], 0)
    cut = mask[top - at[0] : shape[0] - at[0], left - at[1] : shape[1] - at[1]]
    if not cut.size:
        return Patch((0, 0), np.zeros((0, 0), bool))
    return Patch((top, left), cut)

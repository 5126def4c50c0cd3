"""Reading Label Studio's tasks: brush masks, polygons, rectangles and ellipses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

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
from napari_itaclip.formats.parts.json_files import read_json
from napari_itaclip.formats.parts.xml_files import Events, parse
from napari_itaclip.formats.shapes.brush import decode_brush
from napari_itaclip.formats.shapes.run_lengths import check_size
from napari_itaclip.formats.shapes.turned import outline_of_box, outline_of_ellipse

FILE_NAME = "tasks.json"
"""The file of tasks in a data set's folder."""

CONFIG_NAME = "label_config.xml"
"""The labelling interface beside it."""

_SHAPES = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels")
_BARE = {"brush": "labels", "polygon": "labels", "rectangle": "labels", "ellipse": "labels"}


@dataclass(frozen=True)
class _Shape:
    """One result of a task: an area with a label."""

    kind: str
    label: str
    value: Mapping[str, Any]
    size: tuple[int, int]


@dataclass(frozen=True)
class _Task:
    """An image of the file."""

    name: str
    image: str
    size: tuple[int, int] | None
    shapes: tuple[_Shape, ...]


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Open Label Studio's tasks, as they are imported or exported ("JSON").

    Of each task the last annotation that was not cancelled is taken, else the last prediction.

    Parameters
    ----------
    path
        ``tasks.json``, any other list of tasks, or a folder with the former. Colours and numbers of
        the classes come from ``label_config.xml`` beside it, if there is one.
    classes
        Classes whose ids and colours are taken where the names agree.

    Raises
    ------
    FormatError
        If it is no such file, or broken.
    """
    file = path / FILE_NAME if path.is_dir() else path
    content = read_json(file)
    entries = [content] if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(_is_task(one) for one in entries):
        raise FormatError(
            f'{file} is no list of Label Studio\'s tasks; export the project as "JSON" '
            '(not "JSON-MIN")'
        )
    notes: dict[str, int] = {}
    tasks = [_task(entry, f"{file}, task {at}", notes) for at, entry in enumerate(entries, 1)]
    config = file.parent / CONFIG_NAME
    declared = list(_labels(config)) if config.is_file() else []
    used = [FoundClass(shape.label) for task in tasks for shape in task.shapes]
    found = resolve_classes([*declared, *used], classes)
    if not found:
        raise FormatError(f"{file} has no labels; put {CONFIG_NAME} beside it, or give classes")
    by_name = dict(zip(unique_names(task.name for task in tasks), tasks, strict=True))

    def load(name: str) -> LabelledImage:
        if name not in by_name:
            raise FormatError(f"{file} has no image {name!r}")
        return _load(file, name, by_name[name], found)

    said = tuple(f"{count} × {kind!r} left out: not an area" for kind, count in notes.items())
    return ReadableDataset("label-studio", found, tuple(by_name), load, said)


def _is_task(entry: Any) -> bool:
    """Tell whether something decoded from JSON is a task."""
    return isinstance(entry, dict) and isinstance(entry.get("data"), dict)


def _labels(config: Path) -> Iterator[FoundClass]:
    """Return the labels of a labelling interface."""
    labels: list[dict[str, str]] = []

    def start(path: tuple[str, ...], attrs: dict[str, str], _at: int) -> None:
        if path[-1] == "Label" and attrs.get("value") is not None:
            labels.append(attrs)

    with config.open("rb") as stream:
        parse(stream, Events(start, lambda *_: None), str(config))
    for attrs in labels:
        category = attrs.get("category", "")
        number = int(category) if category.isascii() and category.isdigit() else None
        background = attrs.get("itaclip-background") == "true"
        yield FoundClass(attrs["value"], attrs.get("background"), number, background)


def _task(entry: Mapping[str, Any], where: str, notes: dict[str, int]) -> _Task:
    """Return a task with the areas of its newest labels."""
    data = entry["data"]
    image = next((data[key] for key in ("image", "img") if isinstance(data.get(key), str)), None)
    if image is None:
        image = next((one for one in data.values() if isinstance(one, str)), "")
    own = data.get("name")
    name = own if isinstance(own, str) and own else image_name(_relative(image))
    shapes = []
    for result in _results(entry):
        shape = _shape(result, where)
        if shape is None:
            kind = str(result.get("type"))
            notes[kind] = notes.get(kind, 0) + 1
        else:
            shapes.append(shape)
    size = shapes[0].size if shapes else None
    if size is None and "width" in data and "height" in data:
        size = _size(data["height"], data["width"], where)
    return _Task(name, image, size, tuple(shapes))


def _results(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return the results of a task's newest annotation, else prediction."""
    annotations = entry.get("annotations") or entry.get("completions") or []
    for source in (annotations, entry.get("predictions") or []):
        if not isinstance(source, list):
            continue
        usable = [one for one in source if isinstance(one, dict) and not one.get("was_cancelled")]
        if usable:
            results = usable[-1].get("result")
            if isinstance(results, list):
                yield from (one for one in results if isinstance(one, dict))
            return


def _shape(result: Mapping[str, Any], where: str) -> _Shape | None:
    """Return a result as an area, or None if it is none."""
    kind, value = result.get("type"), result.get("value")
    if not isinstance(kind, str) or not isinstance(value, dict):
        return None
    names = value.get(_BARE.get(kind, kind))
    kind = kind if kind in _SHAPES else f"{kind}labels"
    if kind not in _SHAPES or not isinstance(names, list) or not names:
        return None
    size = _size(result.get("original_height"), result.get("original_width"), where)
    return _Shape(kind, str(names[0]), value, size)


def _size(height: Any, width: Any, where: str) -> tuple[int, int]:
    """Return the size of an image."""
    if not isinstance(height, int) or not isinstance(width, int):
        raise FormatError(f"{where}: original_width and original_height are no whole numbers")
    return check_size(height, width, where)


def _relative(image: str) -> str:
    """Return the path inside the data set that an address of an image ends with."""
    parts = urlsplit(image)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)


def _load(file: Path, name: str, task: _Task, classes: tuple[LabelClass, ...]) -> LabelledImage:
    """Draw the areas of one task."""
    where = f"{file}, image {name!r}"
    relative = _relative(task.image).lstrip("/")
    last = relative.rpartition("/")[2]
    candidates = (relative, f"images/{relative}", last, f"images/{last}")
    found = find_picture(file.parent, *candidates) if relative else None
    size = task.size
    if size is None:
        if found is None:
            raise FormatError(f"{where}: it has no labels, and its size is unknown")
        from PIL import Image

        with Image.open(found) as image:
            size = check_size(image.height, image.width, where)
    ids = {one.name: one.id for one in classes}
    canvas = Canvas(size, classes)
    for shape in task.shapes:
        if shape.size != size:
            raise FormatError(f"{where}: its areas were drawn on images of different sizes")
        try:
            _draw(canvas, shape, ids[shape.label])
        except FormatError as error:
            raise FormatError(f"{where}: {error}") from error
    return LabelledImage(name, canvas.labels, classes, image_path=found, instances=canvas.instances)


def _draw(canvas: Canvas, shape: _Shape, value: int) -> None:
    """Draw one area."""
    height, width = shape.size
    if shape.kind == "brushlabels":
        rle = shape.value.get("rle")
        if not isinstance(rle, list):
            raise FormatError("a brush mask has no run lengths")
        canvas.mask(decode_brush(rle, shape.size), (0, 0), value)
        return
    if shape.kind == "polygonlabels":
        points = shape.value.get("points")
        try:
            corners = [(float(x) / 100 * width, float(y) / 100 * height) for x, y in points or ()]
        except (TypeError, ValueError) as error:
            raise FormatError("the points of a polygon are no pairs of numbers") from error
        canvas.polygon(corners, value, shape.kind)
        return
    x, y = _part(shape, "x", width), _part(shape, "y", height)
    angle = math.radians(_part(shape, "rotation", 100, 0.0))
    if shape.kind == "rectanglelabels":
        box = (x, y, x + _part(shape, "width", width), y + _part(shape, "height", height))
        # Label Studio turns rectangles around their upper left corner.
        canvas.polygon(outline_of_box(box, angle, (x, y)), value, shape.kind)
        return
    radii = (_part(shape, "radiusX", width), _part(shape, "radiusY", height))
    canvas.polygon(outline_of_ellipse((x, y), radii, angle), value, shape.kind)


def _part(shape: _Shape, key: str, whole: float, default: float | None = None) -> float:
    """Return a number that is given in hundredths of the image."""
    value = shape.value.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormatError(f"{key} of an area is {value!r}, not a number")
    return float(value) / 100 * whole

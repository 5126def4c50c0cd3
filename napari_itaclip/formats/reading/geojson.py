"""Reading GeoJSON: outlines drawn onto the pixels of the image they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import Georeference, LabelClass, LabelledImage, ReadableDataset
from napari_itaclip.formats.parts.exchange import (
    Canvas,
    FoundClass,
    resolve_classes,
    unique_names,
)
from napari_itaclip.formats.parts.georeference import (
    WGS84,
    Place,
    Points,
    read_georeference,
    together,
)
from napari_itaclip.formats.parts.json_files import (
    as_int,
    as_list,
    as_number,
    as_object,
    as_text,
    read_json,
)
from napari_itaclip.formats.reading.label_folder import walk
from napari_itaclip.formats.shapes.filling import fill_area, united
from napari_itaclip.formats.shapes.run_lengths import check_size

OWN_KEY = "napari-itaclip"
"""What only this package writes: size, classes and place on Earth of the image."""

NAME_KEYS = ("class", "label", "class_name", "category", "name", "type")
"""Properties that are taken for the class, in this order."""

_PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")
_UNNAMED = "object"


@dataclass(frozen=True)
class _File:
    """A file of features."""

    path: Path
    content: Mapping[str, Any]
    own: Mapping[str, Any]


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Open GeoJSON: a file, or all files ending with ``.geojson`` in a folder and below.

    Files that this package did not write need their image beside them, with the same name: it says
    how large the labels are and where they lie.

    Parameters
    ----------
    path
        File or folder.
    classes
        Classes whose ids and colours are taken where the names agree.

    Raises
    ------
    FormatError
        If there is no such file, or it is broken.
    """
    root = path if path.is_dir() else path.parent
    paths = list(walk(path, (".geojson",))) if path.is_dir() else [path]
    if not paths:
        raise FormatError(f"{path} has no files ending with .geojson")
    found: dict[FoundClass, None] = {}
    for one in paths:
        found |= dict.fromkeys(_classes(_open(one)))
    resolved = resolve_classes(found, classes)
    if not resolved:
        raise FormatError(f"{path} has no features; give the classes")
    names = unique_names(one.relative_to(root).with_suffix("").as_posix() for one in paths)
    by_name = dict(zip(names, paths, strict=True))

    def load(name: str) -> LabelledImage:
        if name not in by_name:
            raise FormatError(f"{path} has no image {name!r}")
        return _load(_open(by_name[name]), name, resolved)

    return ReadableDataset("geojson", resolved, tuple(names), load)


def _open(path: Path) -> _File:
    """Read a file."""
    content = as_object(read_json(path), str(path))
    if content.get("type") == "Feature":
        content = {"type": "FeatureCollection", "features": [content]}
    if content.get("type") != "FeatureCollection":
        raise FormatError(f"{path} is no FeatureCollection of GeoJSON")
    return _File(path, content, as_object(content.get(OWN_KEY) or {}, f"{path}: {OWN_KEY}"))


def _classes(file: _File) -> Iterator[FoundClass]:
    """Return the classes of a file: those it lists, then those of its features."""
    where = f"{file.path}: classes"
    for entry in as_list(file.own.get("classes", []), where):
        one = as_object(entry, where)
        yield FoundClass(
            as_text(one.get("name"), where),
            str(one.get("color") or "") or None,
            as_int(one.get("id"), where),
            one.get("background") is True,
        )
    for feature in as_list(file.content.get("features"), f"{file.path}: features"):
        color = _properties(feature).get("color")
        yield FoundClass(_class_name(feature), color if isinstance(color, str) else None)


def _properties(feature: Any) -> Mapping[str, Any]:
    """Return the properties of a feature, if it has any."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    return properties if isinstance(properties, dict) else {}


def _class_name(feature: Any) -> str:
    """Return the class of a feature."""
    properties = _properties(feature)
    named = (properties[key] for key in NAME_KEYS if isinstance(properties.get(key), str))
    return next(named, _UNNAMED)


def _load(file: _File, name: str, classes: tuple[LabelClass, ...]) -> LabelledImage:
    """Draw the features of one file."""
    picture = next(
        (
            one
            for suffix in _PICTURES
            if (one := file.path.with_suffix(suffix)).is_file() and not one.is_symlink()
        ),
        None,
    )
    if file.own:
        shape = check_size(
            as_int(file.own.get("height"), f"{file.path}: height"),
            as_int(file.own.get("width"), f"{file.path}: width"),
            str(file.path),
        )
        place = own_georeference(file.own, str(file.path))
    elif picture is None:
        raise FormatError(
            f"{file.path} does not say which pixels it belongs to; put its image beside it, named "
            f"{file.path.stem}.tif"
        )
    else:
        shape, place = _size_of(picture), read_georeference(picture)
    canvas = draw(file.content, classes, shape, str(file.path), place)
    return LabelledImage(
        name,
        canvas.labels,
        classes,
        image_path=picture,
        georeference=place,
        instances=canvas.instances,
    )


def own_georeference(own: Mapping[str, Any], where: str) -> Georeference | None:
    """Return the place on Earth that a file of this package holds."""
    if own.get("transform") is None:
        return None
    numbers = [as_number(part, f"{where}: transform") for part in as_list(own["transform"], where)]
    if len(numbers) != 6:
        raise FormatError(f"{where}: transform must be six numbers")
    a, b, c, d, e, f = numbers
    return Georeference((a, b, c, d, e, f), as_text(own.get("crs", ""), f"{where}: crs"))


def _size_of(picture: Path) -> tuple[int, int]:
    """Return height and width of a picture from its header."""
    if picture.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        try:
            with tifffile.TiffFile(picture) as file:
                page: Any = file.pages[0]
                return check_size(page.imagelength, page.imagewidth, str(picture))
        except (tifffile.TiffFileError, OSError, ValueError, AttributeError) as error:
            raise FormatError(f"cannot read {picture}: {error}") from error
    from PIL import Image

    try:
        with Image.open(picture) as image:
            return check_size(image.height, image.width, str(picture))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"cannot read the size of {picture}: {error}") from error


def draw(
    content: Mapping[str, Any],
    classes: Sequence[LabelClass],
    shape: tuple[int, int],
    where: str,
    georeference: Georeference | None = None,
) -> Canvas:
    """Draw features; later ones lie on top.

    Parameters
    ----------
    content
        A FeatureCollection.
    classes
        Classes with all names that occur.
    shape
        Height and width of the labels.
    where
        What to call the file in errors.
    georeference
        Where the image lies, when the file does not say it itself. Without a coordinate reference
        system, coordinates are pixels.

    Raises
    ------
    FormatError
        If a geometry is broken.
    """
    own = as_object(content.get(OWN_KEY) or {}, where)
    georeference = georeference or own_georeference(own, where)
    place = None
    if georeference is not None and georeference.crs:
        place = Place(georeference, _declared_crs(content))
    ids = {one.name: one.id for one in classes}
    canvas = Canvas(shape, classes)
    names, shapes = [], []
    for at, entry in enumerate(as_list(content.get("features"), f"{where}: features"), start=1):
        called = f"{where}, feature {at}"
        feature = as_object(entry, called)
        names.append(_class_name(feature))
        polygons = _polygons(feature.get("geometry"), called)
        shapes.append([[_ring(ring, called) for ring in polygon] for polygon in polygons])
    if place is not None:
        shapes = _converted(shapes, place)
    for name, shape_ in zip(names, shapes, strict=True):
        patches = [fill_area(polygon, shape) for polygon in shape_ if polygon]
        if patches:
            patch = united(patches)
            canvas.mask(patch.mask, patch.at, ids[name])
    return canvas


def _declared_crs(content: Mapping[str, Any]) -> str:
    """Return the coordinate reference system: RFC 7946 has one, its forerunner named others."""
    crs = content.get("crs")
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return name if isinstance(name, str) and "CRS84" not in name.upper() else WGS84


def _polygons(geometry: Any, where: str) -> Iterator[list[Any]]:
    """Return the polygons of a geometry, each a list of rings; points and lines have none."""
    if geometry is None:
        return
    found = as_object(geometry, f"{where}: geometry")
    if found.get("type") == "GeometryCollection":
        for one in as_list(found.get("geometries"), where):
            yield from _polygons(one, where)
    elif found.get("type") == "Polygon":
        yield as_list(found.get("coordinates"), where)
    elif found.get("type") == "MultiPolygon":
        for polygon in as_list(found.get("coordinates"), where):
            yield as_list(polygon, where)


def _ring(ring: Any, where: str) -> Points:
    """Return a ring of GeoJSON as points."""
    try:
        points = np.array([point[:2] for point in as_list(ring, where)], dtype=np.float64)
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise FormatError(f"{where}: a ring is no list of positions") from error
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise FormatError(f"{where}: a ring is no list of positions [x, y]")
    return points


def _converted(shapes: Sequence[list[list[Points]]], place: Place) -> list[list[list[Points]]]:
    """Return shapes on Earth in pixels.

    A coordinate that went to degrees and back lies beside the edge of a pixel by less than a
    thousandth; centres of pixels, which decide, are half a pixel away.
    """
    rings = [ring for shape in shapes for polygon in shape for ring in polygon]
    following = iter(together(place.to_pixels, rings))
    return [[[next(following) for _ in polygon] for polygon in shape] for shape in shapes]

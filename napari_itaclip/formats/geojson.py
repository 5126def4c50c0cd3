"""GeoJSON: outlines of objects, with holes, one file for each image.

Coordinates are longitude and latitude, as RFC 7946 prescribes, where the image's place on Earth is
known. Otherwise they are pixels from the image's upper left corner, and the file says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts.exchange import drawn_objects, left_out
from napari_itaclip.formats.parts.extras import first_below
from napari_itaclip.formats.parts.georeference import Place, Points, together
from napari_itaclip.formats.parts.json_files import starts_like, write_json
from napari_itaclip.formats.paths import file_name
from napari_itaclip.formats.reading.geojson import OWN_KEY, draw, read
from napari_itaclip.formats.shapes.outlines import outlines, signed_area, simplified
from napari_itaclip.formats.shapes.regions import Region, empty_value

__all__ = ["GEOJSON", "read", "sniff"]


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's objects: connected regions of each class, or its instances."""
    regions, losses = drawn_objects(item, options)
    place, decimals = None, 0
    if item.georeference is not None and item.georeference.crs:
        place = Place(item.georeference)
        decimals = place.decimals(item.shape)
    classes = {one.id: one for one in item.classes}
    shapes = _shapes(regions, options.tolerance, place, decimals)
    features = [
        _feature(item, region, classes[region.class_id], shape)
        for region, shape in zip(regions, shapes, strict=True)
    ]
    content = {"type": "FeatureCollection", "features": features, OWN_KEY: _about(item, place)}
    losses += left_out(item, "instances", "georeference") + _moved(item, content, regions)
    return Rendered({f"{file_name(item.name)}.geojson": write_json(content)}, None, losses)


def _about(item: LabelledImage, place: Place | None) -> dict[str, Any]:
    """Return what reading the file back needs to know."""
    about: dict[str, Any] = {
        "coordinates": "pixels" if place is None else "longitude and latitude",
        "height": item.shape[0],
        "width": item.shape[1],
        "classes": [
            {"id": one.id, "name": one.name, "color": one.color}
            | ({"background": True} if one.background else {})
            for one in item.classes
        ],
        "made_by": item.made_by,
    }
    if item.georeference is not None:
        about["transform"] = list(item.georeference.transform)
        about["crs"] = item.georeference.crs
    return about


def _shapes(
    regions: Sequence[Region], tolerance: float, place: Place | None, decimals: int
) -> Iterator[list[list[Any]]]:
    """Return the polygons of each region, each a list of rings as GeoJSON has them."""
    areas = [outlines(region.mask, region.at) for region in regions]
    if tolerance > 0:
        areas = [tuple(simplified(part, tolerance) for part in parts) for parts in areas]
    rings = [ring for parts in areas for part in parts for ring in part.rings]
    if place is not None:
        rings = [np.round(ring, decimals) for ring in together(place.to_degrees, rings)]
    following = iter(rings)
    for parts in areas:
        yield [
            [_ring(next(following), outer=number == 0) for number in range(len(part.rings))]
            for part in parts
        ]


def _feature(
    item: LabelledImage, region: Region, one: LabelClass, polygons: list[list[Any]]
) -> dict[str, Any]:
    """Describe one object."""
    properties: dict[str, Any] = {
        "class": one.name,
        "id": one.id,
        "color": one.color,
        "pixels": region.area,
    }
    if item.instances is not None:
        properties["instance"] = region.instance
    if item.confidence is not None:
        values = item.confidence[region.window][region.mask]
        properties["confidence"] = round(float(values.mean()), 4)
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": polygons[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _ring(points: Points, *, outer: bool) -> list[list[float]]:
    """Return a ring as GeoJSON: closed, outer ones counterclockwise, holes clockwise."""
    if (signed_area(points) > 0) != outer:
        points = points[::-1]
    closed: list[list[float]] = [*points.tolist(), points[0].tolist()]
    return closed


def _moved(
    item: LabelledImage, content: Mapping[str, Any], regions: Sequence[Region]
) -> tuple[Loss, ...]:
    """Return how many pixels read back other than they were drawn."""
    expected = np.full(item.shape, empty_value(item.classes), dtype=np.int64)
    for region in regions:
        expected[region.window][region.mask] = region.class_id
    found = draw(content, item.classes, item.shape, item.name).labels
    count = int(np.count_nonzero(found != expected))
    return (Loss("outlines moved", "pixels beside simplified or rounded outlines", count),) * bool(
        count
    )


def sniff(path: Path) -> bool:
    """Tell whether a file, or the first such file of a folder, is a collection of features."""
    if path.is_dir():
        first = first_below(path, lambda one: one.suffix.lower() == ".geojson")
        return first is not None and sniff(first)
    return path.suffix.lower() == ".geojson" or (
        path.suffix.lower() == ".json" and starts_like(path, "FeatureCollection")
    )


GEOJSON = Format(
    name="geojson",
    title="GeoJSON",
    description="Outlines with holes in longitude and latitude (or pixels); no background.",
    render=render,
    read=read,
    sniff=sniff,
    suffixes=(".geojson",),
    geometry="polygons",
    instances=True,
)

"""LabelMe: a JSON file of shapes beside each picture.

Layout: ``NAME.json`` and ``NAME.jpg`` side by side, and ``labels.txt`` with the names, for
LabelMe's ``--labels``.

With a tolerance of 0 the shapes are masks (LabelMe 5.2 or newer), exact to the pixel. With more
they are polygons, holes joined by cuts, whose loss is measured by filling them as LabelMe does:
coordinates cut to whole pixels, edges drawn. ``group_id`` is the number of an instance that is
given.

LabelMe keeps keys that it does not know when it saves a file. Ours is ``napari_itaclip``: the
image's name, and all classes with their ids and colours.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts.exchange import left_out, picture
from napari_itaclip.formats.parts.json_files import write_json
from napari_itaclip.formats.reading.labelme import MARK, read, sniff
from napari_itaclip.formats.shapes.filling import fill_drawn, united
from napari_itaclip.formats.shapes.one_ring import INTO_PIXEL, polygons
from napari_itaclip.formats.shapes.painting import Painted, differing, instance_losses
from napari_itaclip.formats.shapes.regions import Region, object_regions, without_small

VERSION = "5.5.0"
"""The version of LabelMe whose files these are like."""


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's shapes; see `Format.render`."""
    regions, losses = without_small(object_regions(item), options.min_pixels)
    names = {one.id: one.name for one in item.classes}
    if options.tolerance > 0:
        shapes, polygon_losses = _polygon_shapes(regions, item.shape, names, options.tolerance)
        losses += polygon_losses
    else:
        shapes = [_mask_shape(region, names) for region in regions]
    path, content = picture(item, ".")
    path = path.removeprefix("./")
    height, width = item.shape
    document = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": path.rpartition("/")[2],
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        MARK: {"name": item.name, "classes": _class_rows(item.classes)},
    }
    files = {f"{path.rpartition('.')[0]}.json": write_json(document)}
    if options.images and content is not None:
        files[path] = content
    losses = (*losses, *left_out(item, "instances", "name"), *instance_losses(item))
    return Rendered(files, {"split": options.split}, losses)


def assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Write the names for LabelMe's ``--labels``, one on each line; see `Assemble`."""
    names = ["__ignore__", "_background_"]
    names += [" ".join(one.name.split()) for one in classes if not one.background]
    return {"labels.txt": ("\n".join(dict.fromkeys(names)) + "\n").encode("utf-8", "replace")}


def _class_rows(classes: Sequence[LabelClass]) -> list[dict[str, Any]]:
    """Return the classes as values for JSON."""
    return [
        {
            "id": one.id,
            "name": one.name,
            "color": one.color,
            **({"background": True} if one.background else {}),
        }
        for one in classes
    ]


def _shape(region: Region, names: Mapping[int, str], kind: str, points: Any) -> dict[str, Any]:
    """Return what every kind of shape has."""
    return {
        "label": names[region.class_id],
        "points": points,
        "group_id": region.instance or None,
        "description": "",
        "shape_type": kind,
        "flags": {},
    }


def _mask_shape(region: Region, names: Mapping[int, str]) -> dict[str, Any]:
    """Return an object as a mask: a PNG between two corners, which belong to it."""
    left, top, width, height = region.bbox
    corners = [[left, top], [left + width - 1, top + height - 1]]
    png = base64.b64encode(_png(region.mask)).decode("ascii")
    return {**_shape(region, names, "mask", corners), "mask": png}


def _png(mask: NDArray[np.bool_]) -> bytes:
    """Return a PNG with 1 inside and 0 outside."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _polygon_shapes(
    regions: Sequence[Region], shape: tuple[int, int], names: Mapping[int, str], tolerance: float
) -> tuple[list[dict[str, Any]], tuple[Loss, ...]]:
    """Return objects as polygons, largest first as LabelMe fills them in order."""
    drawn = []
    for number, region in enumerate(regions, start=1):
        rings = polygons(region.mask, region.at, tolerance=tolerance, centres=True)
        rings = tuple(np.round(ring + INTO_PIXEL, 2) for ring in rings)
        patch = united([fill_drawn([ring], shape) for ring in rings])
        drawn.append((region, rings, Painted(patch, region.class_id, number)))
    drawn.sort(key=lambda one: -np.count_nonzero(one[2].patch.mask))
    shapes = [
        _shape(region, names, "polygon", ring.tolist())
        for region, rings, _ in drawn
        for ring in rings
    ]
    losses = [differing(regions, [one for _, _, one in drawn], shape, "LabelMe")]
    holes = sum(one.holes for one in regions)
    if holes:
        losses.append(Loss("holes bridged", f"{holes} holes joined to their outlines by cuts"))
    return shapes, tuple(one for one in losses if one is not None)


LABELME = Format(
    name="labelme",
    title="LabelMe",
    description="Masks for each object, exact, or polygons when a tolerance is given.",
    render=render,
    assemble=assemble,
    read=read,
    sniff=sniff,
    geometry="pixels",
    instances=True,
)

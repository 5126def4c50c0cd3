"""COCO: masks of classes, objects as masks, objects as polygons.

Layout: ``annotations/instances_<split>.json`` and the pictures in ``images/``.

- ``coco``: one annotation for each class and image, all its pixels as compressed run lengths with
  ``iscrowd`` 0, as COCO-Stuff does it (``iscrowd`` 1 would make evaluations ignore them).
- ``coco-instances``: one annotation for each object, run lengths, ``iscrowd`` 0.
- ``coco-polygons``: one annotation for each object as polygons. Holes are joined to the outline by
  a cut, which COCO's rasteriser does not see: with a tolerance of 0 the masks are exact.

The background and unlabelled pixels have no annotation; images without objects are still listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
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
from napari_itaclip.formats.parts.coco_files import (
    Numbers,
    categories,
    category_ids,
    id_losses,
    image_row,
    info,
    splits,
)
from napari_itaclip.formats.parts.exchange import drawn_regions, left_out, picture_files
from napari_itaclip.formats.parts.json_files import write_json
from napari_itaclip.formats.reading.coco import read, sniff
from napari_itaclip.formats.shapes import run_lengths
from napari_itaclip.formats.shapes.filling import fill_coco, united
from napari_itaclip.formats.shapes.one_ring import polygons
from napari_itaclip.formats.shapes.outlines import Ring
from napari_itaclip.formats.shapes.painting import Painted, differing, instance_losses
from napari_itaclip.formats.shapes.regions import Region, object_regions, without_small

Shape = tuple[int, int]
Drawn = tuple[list[dict[str, Any]], tuple[Loss, ...]]


def render_classes(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one mask for each class; see `Format.render`."""
    regions, losses = drawn_regions(replace(item, instances=None), options)
    rows = [_mask_row(region, item.shape) for region in regions]
    return _rendered(item, options, rows, (*losses, *left_out(item, "name")))


def render_objects(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one mask for each object; see `Format.render`."""
    regions, losses = without_small(object_regions(item), options.min_pixels)
    rows = [_mask_row(region, item.shape) for region in regions]
    return _rendered(item, options, rows, (*losses, *_object_losses(item)))


def render_polygons(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write the polygons of each object; see `Format.render`."""
    regions, losses = without_small(object_regions(item), options.min_pixels)
    rows, polygon_losses = _polygon_rows(regions, item.shape, options.tolerance)
    return _rendered(item, options, rows, (*losses, *polygon_losses, *_object_losses(item)))


def assemble(
    format_name: str,
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Write the annotations of each split; see `Assemble`."""
    things = [one for one in classes if not one.background]
    ids = category_ids(things)
    images, annotations = Numbers(), Numbers()
    files = {}
    for split, part in splits(records, options.split).items():
        image_rows, rows = [], []
        for name, record in part.items():
            image = images.of(name)
            image_rows.append(image_row(image, name, record))
            for number, row in enumerate(record["annotations"]):
                own = {"id": annotations.of(f"{name}\n{number}"), "image_id": image}
                rows.append({**own, "category_id": ids[row["class"]], **_annotation(row, record)})
        files[f"annotations/instances_{split}.json"] = write_json(
            {
                "info": info(format_name, classes, about),
                "licenses": [],
                "images": image_rows,
                "annotations": rows,
                "categories": categories(things),
            }
        )
    return files


def _rendered(
    item: LabelledImage,
    options: ExportOptions,
    rows: list[dict[str, Any]],
    losses: tuple[Loss, ...],
) -> Rendered:
    """Return the picture and a record of annotations."""
    path, files = picture_files(item, options)
    height, width = item.shape
    record = {
        "split": options.split,
        "file": path,
        "width": width,
        "height": height,
        "annotations": rows,
    }
    return Rendered(files, record, (*losses, *id_losses(item.things)))


def _object_losses(item: LabelledImage) -> tuple[Loss, ...]:
    """Return what is lost where objects are written."""
    return (*left_out(item, "instances", "name"), *instance_losses(item))


def _mask_row(region: Region, shape: Shape) -> dict[str, Any]:
    """Describe an object by its run lengths."""
    text = run_lengths.to_text(run_lengths.encode(region.mask, region.at, shape))
    return {"class": region.class_id, "area": region.area, "bbox": [*region.bbox], "rle": text}


def _polygon_rows(regions: Sequence[Region], shape: Shape, tolerance: float) -> Drawn:
    """Describe objects by polygons; measure what COCO's rasteriser makes of them."""
    rows, painted = [], []
    holes = 0
    for number, region in enumerate(regions, start=1):
        rings = polygons(region.mask, region.at, tolerance=tolerance)
        patch = united([fill_coco(ring, shape) for ring in rings])
        holes += region.holes
        points = [_numbers(ring) for ring in rings]
        low = np.min([ring.min(axis=0) for ring in rings], axis=0)
        high = np.max([ring.max(axis=0) for ring in rings], axis=0)
        box = _numbers(np.array([low, high - low]))
        area = int(np.count_nonzero(patch.mask))
        rows.append({"class": region.class_id, "area": area, "bbox": box, "polygons": points})
        painted.append(Painted(patch, region.class_id, number))
    losses = [differing(regions, painted, shape, "COCO's rasteriser")]
    if holes:
        losses.append(Loss("holes bridged", f"{holes} holes joined to their outlines by cuts"))
    return rows, tuple(one for one in losses if one is not None)


def _numbers(points: Ring) -> list[float]:
    """Return coordinates as whole numbers where they are, else with two decimals."""
    return [int(value) if value.is_integer() else round(value, 2) for value in points.ravel()]


def _annotation(row: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an annotation that the image alone determines."""
    size = [record["height"], record["width"]]
    segmentation = row["polygons"] if "polygons" in row else {"size": size, "counts": row["rle"]}
    return {
        "area": row["area"],
        "bbox": row["bbox"],
        "iscrowd": 0,
        "segmentation": segmentation,
    }


def _format(
    name: str,
    title: str,
    description: str,
    render: Callable[[LabelledImage, ExportOptions], Rendered],
    **rest: Any,
) -> Format:
    """Return one of the three formats."""
    return Format(
        name=name,
        title=title,
        description=description,
        render=render,
        assemble=partial(assemble, name),
        read=read,
        sniff=sniff,
        **rest,
    )


COCO = _format(
    "coco",
    "COCO, masks of classes",
    "One run-length mask for each class and image, exact to the pixel; no background.",
    render_classes,
)

COCO_INSTANCES = _format(
    "coco-instances",
    "COCO, masks of objects",
    "One run-length mask for each object, exact to the pixel, with holes; no background.",
    render_objects,
    instances=True,
)

COCO_POLYGONS = _format(
    "coco-polygons",
    "COCO, polygons of objects",
    "Polygons for each object, holes joined by cuts; exact when the tolerance is 0; no background.",
    render_polygons,
    geometry="polygons",
    instances=True,
)

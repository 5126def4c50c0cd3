"""YOLO segmentation (Ultralytics): a text file of polygons for each image, and ``data.yaml``.

Layout: ``images/<split>/NAME.jpg``, ``labels/<split>/NAME.txt``, ``data.yaml``. A line is
``class x y x y …``, with coordinates from 0 to 1 and classes counted from 0.

Ultralytics and its like make coordinates whole and draw a polygon's edges as well as its inside
(``cv2.fillPoly``). So the polygons run through the outermost pixels, at a quarter of each: filled
that way they give the masks exactly when the tolerance is 0, lines one pixel wide included, whether
a tool cuts coordinates off or rounds them. Holes and parts that touch at a corner are joined by
cuts. An instance in several parts that lie apart becomes one line for each part. Pixels lost are
measured by filling the written polygons that way.

``data.yaml`` has a key ``napari_itaclip`` that other tools ignore: the classes with ids, colours
and the background, and the sizes of images whose pictures are not in the data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts.exchange import image_name, left_out, picture, renamed
from napari_itaclip.formats.reading.yolo import MARK, read, sniff
from napari_itaclip.formats.shapes.filling import Patch, fill_drawn
from napari_itaclip.formats.shapes.one_ring import INTO_PIXEL, polygons
from napari_itaclip.formats.shapes.outlines import Ring
from napari_itaclip.formats.shapes.painting import Painted, differing, instance_losses
from napari_itaclip.formats.shapes.regions import Region, object_regions, without_small

_DIGITS = 7
"""Decimals of coordinates: half a pixel is seen in images of a million pixels' width."""


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's polygons; see `Format.render`."""
    regions, losses = without_small(object_regions(item), options.min_pixels)
    places = _places(item.classes)
    size = np.array([item.shape[1], item.shape[0]])
    lines: list[str] = []
    painted = []
    for region in regions:
        for ring in polygons(region.mask, region.at, tolerance=options.tolerance, centres=True):
            written = np.round((ring + INTO_PIXEL) / size, _DIGITS)
            lines.append(_line(places[region.class_id], written))
            patch = fill_drawn([written * size], item.shape)
            painted.append((region, patch))
    split = options.split
    path, content = picture(item, f"images/{split}")
    path, stem = _without_images(path, split)
    files = {f"labels/{split}/{stem}.txt": "".join(lines).encode()}
    height, width = item.shape
    record: dict[str, Any] = {"split": split, "file": path}
    if options.images and content is not None:
        files[path] = content
    else:
        record["size"] = [width, height]
    all_losses = (
        *losses,
        *_polygon_losses(regions, painted, item.shape),
        *_other_losses(item, path, split),
    )
    return Rendered(files, record, all_losses)


def assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Write ``data.yaml`` with all splits that there are; see `Assemble`.

    Ultralytics needs ``train`` and ``val``: where one has no images, it is the other one.
    """
    there = sorted({record["split"] for record in records.values()} or {options.split})
    first = "train" if "train" in there else there[0]
    paths = {split: f"images/{split}" for split in there}
    for split in ("train", "val"):
        paths.setdefault(split, f"images/{first}")
    order = [*("train", "val", "test"), *there]
    things = [one for one in classes if not one.background]
    sizes = {record["file"]: record["size"] for record in records.values() if "size" in record}
    mark: dict[str, Any] = {
        "classes": [{"id": one.id, "name": one.name, "color": one.color} for one in things]
    }
    background = next((one for one in classes if one.background), None)
    if background is not None:
        mark["background"] = {
            "id": background.id,
            "name": background.name,
            "color": background.color,
        }
    if sizes:
        mark["sizes"] = sizes
    content = {
        **{split: paths[split] for split in dict.fromkeys(order) if split in paths},
        "nc": len(things),
        "names": {at: one.name for at, one in enumerate(things)},
        MARK: mark,
    }
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=1000)
    comment = " ".join(str(about.get("made_by", "")).split())
    head = f"# {comment}\n" if comment else ""
    return {"data.yaml": (head + text).encode("utf-8", "replace")}


def _places(classes: Sequence[LabelClass]) -> dict[int, int]:
    """Return the number, from 0, of each class but the background by its id."""
    return {one.id: at for at, one in enumerate(one for one in classes if not one.background)}


def _line(place: int, points: Ring) -> str:
    """Return a line of a label file."""
    return " ".join([str(place), *(f"{value:.{_DIGITS}f}" for value in points.ravel())]) + "\n"


def _without_images(path: str, split: str) -> tuple[str, str]:
    """Return a picture's path, and its part below the split without the ending.

    Ultralytics finds ``labels`` by the last folder called ``images``; others get another name.
    """
    prefix = f"images/{split}/"
    *folders, last = path.removeprefix(prefix).split("/")
    below = "/".join([*("_images" if one == "images" else one for one in folders), last])
    return prefix + below, below.rpartition(".")[0]


def _polygon_losses(
    regions: Sequence[Region],
    painted: Sequence[tuple[Region, Patch]],
    shape: tuple[int, int],
) -> tuple[Loss, ...]:
    """Return what polygons lose, measured by filling them."""
    numbers = {id(region): at for at, region in enumerate(regions, start=1)}
    drawn = [Painted(patch, one.class_id, numbers[id(one)]) for one, patch in painted]
    losses = [differing(regions, drawn, shape, "OpenCV's fillPoly")]
    holes = sum(one.holes for one in regions)
    if holes:
        losses.append(Loss("holes bridged", f"{holes} holes joined to their outlines by cuts"))
    if len(painted) > len(regions):
        more = len(painted) - len(regions)
        losses.append(Loss("instances divided", f"{more} parts that lie apart are objects now"))
    return tuple(one for one in losses if one is not None)


def _other_losses(item: LabelledImage, path: str, split: str) -> tuple[Loss, ...]:
    """Return what a text file of polygons has no place for."""
    losses = [*left_out(item, "instances", "name"), *instance_losses(item)]
    changed = sum(id_ != place for id_, place in _places(item.classes).items())
    if changed:
        losses.append(Loss("ids changed", f"{changed} classes have other numbers, from 0 on"))
    losses += renamed(item.name, image_name(path.removeprefix(f"images/{split}/")))
    return tuple(losses)


YOLO = Format(
    name="yolo",
    title="YOLO segmentation",
    description="Polygons for each object, holes joined by cuts; exact when the tolerance is 0.",
    render=render,
    assemble=assemble,
    read=read,
    sniff=sniff,
    geometry="polygons",
    instances=True,
)

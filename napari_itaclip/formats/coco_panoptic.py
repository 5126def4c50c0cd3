"""COCO panoptic: every pixel in a PNG of segment numbers, and a JSON file about the segments.

Layout: ``annotations/panoptic_<split>.json``, ``annotations/panoptic_<split>/NAME.png`` (a
segment's number is red + 256 · green + 256² · blue, 0 is unlabelled) and the pictures in
``images/``.

Things and stuff: labels alone say nothing about objects, so every class is stuff, one segment for
each class and image. Where instances are given, each becomes a segment, and a class that has any in
the data set is a thing (``isthing`` 1); pixels of it that belong to no instance are one segment
more. The background is a category, so that it differs from what is unlabelled.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    ReadableDataset,
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
from napari_itaclip.formats.parts.exchange import (
    left_out,
    picture_files,
    small_loss,
    small_objects,
)
from napari_itaclip.formats.parts.json_files import as_int, as_list, as_object, as_text, write_json
from napari_itaclip.formats.paths import file_name, inside
from napari_itaclip.formats.reading.coco_index import CocoImage, CocoIndex, build_index, find_files
from napari_itaclip.formats.shapes.painting import instance_losses
from napari_itaclip.formats.shapes.regions import (
    Region,
    class_regions,
    instance_regions,
    labels_dtype,
    unlabelled_value,
)

MAX_SEGMENTS = 256**3 - 1
"""What three bytes can number."""


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's segments; see `Format.render`."""
    small = small_objects(item, options.min_pixels)
    rest = replace(item, valid=~small if item.valid is None else item.valid & ~small)
    segments = _segments(rest)
    numbers = np.zeros(item.shape, np.int64)
    rows = []
    for number, region in enumerate(segments, start=1):
        numbers[region.window][region.mask] = number
        rows.append(
            {
                "id": number,
                "class": region.class_id,
                "area": region.area,
                "bbox": [*region.bbox],
                "thing": region.instance > 0,
            }
        )
    path, files = picture_files(item, options)
    png = f"{file_name(item.name)}.png"
    height, width = item.shape
    record = {
        "split": options.split,
        "file": path,
        "png": png,
        "width": width,
        "height": height,
        "segments": rows,
    }
    losses = (
        *small_loss(small, options.min_pixels),
        *left_out(item, "background and unlabelled", "instances", "name"),
        *instance_losses(item),
        *id_losses(item.classes),
    )
    place = f"annotations/panoptic_{options.split}/{png}"
    return Rendered({**files, place: _png(numbers)}, record, losses)


def assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Write what is known about the segments of each split; see `Assemble`."""
    ids = category_ids(classes)
    things = {
        row["class"] for record in records.values() for row in record["segments"] if row["thing"]
    }
    images = Numbers()
    files = {}
    for split, part in splits(records, options.split).items():
        image_rows, annotations = [], []
        for name, record in part.items():
            number = images.of(name)
            image_rows.append(image_row(number, name, record))
            segments = [
                {
                    "id": row["id"],
                    "category_id": ids[row["class"]],
                    "area": row["area"],
                    "bbox": row["bbox"],
                    "iscrowd": 0,
                }
                for row in record["segments"]
            ]
            annotations.append(
                {"image_id": number, "file_name": record["png"], "segments_info": segments}
            )
        files[f"annotations/panoptic_{split}.json"] = write_json(
            {
                "info": info("coco-panoptic", classes, about),
                "licenses": [],
                "images": image_rows,
                "annotations": annotations,
                "categories": categories(classes, things),
            }
        )
    return files


def read(path: Path, *, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read COCO panoptic annotations.

    Segments of things become instances, numbered by their numbers in the PNG.

    Parameters
    ----------
    path
        The JSON file, with the folder of PNGs beside it, or a folder with ``annotations/*.json``.
    classes
        Classes whose ids and colours are taken where the names agree.

    Raises
    ------
    FormatError
        If the files are damaged or unsafe to read.
    """
    index = build_index(Path(path), classes, panoptic=True)

    def load(name: str) -> LabelledImage:
        if name not in index.images:
            raise FormatError(f"there is no image {name!r} in {path}")
        return _load(name, index.images[name], index)

    return ReadableDataset("coco-panoptic", index.classes, tuple(index.images), load, index.notes)


def sniff(path: Path) -> bool:
    """Tell whether a file or folder holds COCO's panoptic annotations."""
    return bool(find_files(path, panoptic=True))


def _segments(item: LabelledImage) -> list[Region]:
    """Return the segments: instances where given, and what remains of each class."""
    things = instance_regions(item)
    if len(things) >= MAX_SEGMENTS - len(item.classes):
        raise FormatError(
            f"{item.name!r} has {len(things)} objects; COCO panoptic can number {MAX_SEGMENTS}"
        )
    rest = item
    if item.instances is not None and things:
        covered = np.zeros(item.shape, bool)
        for region in things:
            covered[region.window] |= region.mask
        rest = replace(item, valid=~covered if item.valid is None else item.valid & ~covered)
    return sorted(
        [*things, *class_regions(rest, background=True)],
        key=lambda one: (one.class_id, one.instance),
    )


def _png(numbers: NDArray[np.int64]) -> bytes:
    """Return a PNG with numbers as colours."""
    from PIL import Image

    rgb = np.stack([numbers >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "PNG")
    return stream.getvalue()


def _read_png(path: Path, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the numbers of a PNG that must have a certain size."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if (image.height, image.width) != shape:
                raise FormatError(
                    f"{path} has {image.width}×{image.height} pixels, but its image "
                    f"{shape[1]}×{shape[0]}"
                )
            rgb = np.asarray(image.convert("RGB"), np.int64)
    except FormatError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FormatError(f"{path} cannot be read as a PNG of segments: {error}") from error
    numbers: NDArray[np.int64] = rgb @ np.array([1, 256, 65536])
    return numbers


def _load(name: str, image: CocoImage, index: CocoIndex) -> LabelledImage:
    """Read one image's segments."""
    shape = image.shape()
    file = image.file
    things = _things(image)
    if len(image.annotations) != 1:
        raise FormatError(
            f"{file.path}: {name!r} has {len(image.annotations)} annotations instead of one"
        )
    row = image.annotations[0]
    png = as_text(row.get("file_name"), f"the file_name of {name!r} in {file.path}")
    numbers = _read_png(_png_path(file.path, png), shape)
    # The numbers may be large and sparse; tables are made for those that occur.
    present, at = np.unique(numbers, return_inverse=True)
    ids = np.full(len(present), unlabelled_value(index.classes), labels_dtype(index.classes))
    objects = np.zeros(len(present), np.int64)
    for segment in as_list(row.get("segments_info"), f"segments_info of {name!r}"):
        one = as_object(segment, f"a segment of {name!r} in {file.path}")
        number = as_int(one.get("id"), f"a segment's id of {name!r}")
        category = as_int(one.get("category_id"), f"the category of segment {number} of {name!r}")
        if category not in index.by_category[file.path]:
            raise FormatError(f"{file.path}: the category {category} is not listed")
        place = int(np.searchsorted(present, number))
        if number and place < len(present) and present[place] == number:
            ids[place] = index.by_category[file.path][category]
            objects[place] = number if category in things else 0
    at = at.reshape(shape)
    return LabelledImage(
        name=name,
        labels=ids[at],
        classes=index.classes,
        image_path=image.picture(),
        instances=objects[at] if objects.any() else None,
    )


def _png_path(path: Path, png: str) -> Path:
    """Return where a PNG lies: in the folder that is called like the JSON file."""
    try:
        return inside(path.with_suffix(""), png)
    except OutputError as error:
        raise FormatError(f"{path}: the file_name {png!r:.80} leaves the data set") from error


def _things(image: CocoImage) -> set[int]:
    """Return the categories that are things."""
    rows = image.file.data.get("categories", [])
    return {one["id"] for one in rows if one.get("isthing") == 1}


COCO_PANOPTIC = Format(
    name="coco-panoptic",
    title="COCO panoptic",
    description="Every pixel, exact, with instances where they are given; also the background.",
    render=render,
    assemble=assemble,
    read=read,
    sniff=sniff,
    instances=True,
)

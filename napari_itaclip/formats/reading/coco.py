"""Reading COCO's instance files: polygons, run lengths compressed or not, crowds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, LabelledImage, ReadableDataset
from napari_itaclip.formats.parts.json_files import as_int, as_list
from napari_itaclip.formats.reading.coco_index import CocoImage, CocoIndex, build_index, find_files
from napari_itaclip.formats.shapes import run_lengths
from napari_itaclip.formats.shapes.filling import Patch, checked_ring, fill_coco, united
from napari_itaclip.formats.shapes.painting import Painted, by_size, paint, patch_of


def read(path: Path, *, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read COCO annotations.

    Where annotations overlap, crowds (``iscrowd`` 1) lie below all others and smaller ones on
    larger ones. Instances are numbered by the order of the annotations.

    Parameters
    ----------
    path
        The JSON file, or a folder with ``annotations/*.json``; the splits are put together.
    classes
        Classes whose ids and colours are taken where the names agree.

    Raises
    ------
    FormatError
        If the files are damaged or unsafe to read.
    """
    index = build_index(Path(path), classes, panoptic=False)
    bare = sum(
        not one.get("segmentation") for image in index.images.values() for one in image.annotations
    )
    notes = index.notes
    if bare:
        notes += (f"{bare} annotations have a box but no outline and were left out",)

    def load(name: str) -> LabelledImage:
        if name not in index.images:
            raise FormatError(f"there is no image {name!r} in {path}")
        return _load(name, index.images[name], index)

    return ReadableDataset("coco", index.classes, tuple(index.images), load, notes)


def sniff(path: Path) -> bool:
    """Tell whether a file or folder holds COCO's instance annotations."""
    return bool(find_files(path, panoptic=False))


def _load(name: str, image: CocoImage, index: CocoIndex) -> LabelledImage:
    """Draw one image's annotations."""
    shape = image.shape()
    ids = index.by_category[image.file.path]
    objects = []
    for number, row in enumerate(image.annotations, start=1):
        what = f"{image.file.path}, annotation {row.get('id', number)!r:.40} of {name!r}"
        category = as_int(row.get("category_id"), f"the category_id of {what}")
        if category not in ids:
            raise FormatError(f"{what} has the category {category}, which is not listed")
        if row.get("segmentation"):
            patch = _patch(row["segmentation"], shape, what)
            objects.append(Painted(patch, ids[category], number, row.get("iscrowd") == 1))
    labels, numbers = paint(by_size(objects), shape, index.classes)
    of_classes = image.file.mark.get("format") == "coco"
    return LabelledImage(
        name=name,
        labels=labels,
        classes=index.classes,
        image_path=image.picture(),
        instances=None if of_classes else numbers,
    )


def _patch(segmentation: Any, shape: tuple[int, int], what: str) -> Patch:
    """Return the pixels of a segmentation in any of COCO's forms."""
    if isinstance(segmentation, dict):
        return patch_of(_counts(segmentation, shape, what), shape)
    outlines = as_list(segmentation, f"the segmentation of {what}")
    return united([fill_coco(checked_ring(one, shape, what), shape) for one in outlines])


def _counts(rle: Mapping[str, Any], shape: tuple[int, int], what: str) -> run_lengths.Counts:
    """Return the run lengths of ``{"size": [h, w], "counts": …}``."""
    size = rle.get("size")
    if size != [*shape]:
        raise FormatError(
            f"{what}: the mask's size (height, width) is {size!r:.60}, but the image has {shape}"
        )
    counts = rle.get("counts")
    if isinstance(counts, str):
        return run_lengths.checked(run_lengths.from_text(counts, what), shape, what)
    if isinstance(counts, list):
        return run_lengths.checked(counts, shape, what)
    raise FormatError(f"{what}: the run lengths must be a list or text")

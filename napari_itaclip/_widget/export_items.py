"""Snapshots of labels as images of a data set: their classes, pictures and names.

All of this runs in a thread of its own; no layer is touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_itaclip._widget.layers.label_sources import LayerSnapshot, PlaneSource, values_in
from napari_itaclip.annotation.relabel_ids import UNKNOWN_COLOR
from napari_itaclip.errors import FormatError, ImageError
from napari_itaclip.formats.model import (
    ExportOptions,
    LabelClass,
    LabelledImage,
    classes_of,
)
from napari_itaclip.formats.parts.layer_tables import (
    MAX_GUESSED,
    METADATA_KEY,
    labelled_layer,
    layer_classes,
)
from napari_itaclip.formats.parts.state import DatasetState
from napari_itaclip.segmentation.image import PreparedImage

_ON_EARTH = frozenset(("geojson", "geotiff"))
"""Formats that say where an image lies."""

UNLABELLED_KEY = "unlabelled"
"""Where an imported layer's metadata name the values that no class has."""

_SHOW_NO_PICTURES = frozenset(("geojson", "geotiff"))

Classes = tuple[LabelClass, ...]


@dataclass(frozen=True)
class PlannedImage:
    """One image of an export.

    Attributes
    ----------
    name : str
        What it is called.
    snapshot : LayerSnapshot
        The labels.
    source : PlaneSource
        Which plane of them.
    """

    name: str
    snapshot: LayerSnapshot
    source: PlaneSource


@dataclass(frozen=True)
class ExportPlan:
    """What is to be written.

    Attributes
    ----------
    images : tuple of PlannedImage
        The images.
    classes : tuple of LabelClass
        The classes of the data set.
    made_by : str
        How the labels came to be.
    """

    images: tuple[PlannedImage, ...]
    classes: Classes
    made_by: str


def plan_export(
    snapshots: Sequence[LayerSnapshot],
    format_name: str,
    folder: Path,
    only: Collection[str] | None = None,
) -> ExportPlan:
    """Find the images to write, and classes that hold for all of them.

    Parameters
    ----------
    snapshots : sequence of LayerSnapshot
        The labels.
    format_name : str
        Name of the format.
    folder : Path
        Of the data set; one that is there keeps its classes.
    only : collection of str, optional
        Write just these images.

    Raises
    ------
    FormatError
        If there are no labels, or the classes contradict each other.
    """
    images: list[PlannedImage] = []
    classes: Classes = ()
    for snapshot in snapshots:
        planes = [(source, values_in(snapshot.cut(source))) for source in snapshot.planes]
        present = frozenset[int]().union(*(values for _, values in planes))
        classes = merged_classes(classes, snapshot_classes(snapshot, present), snapshot.name)
        images += [
            PlannedImage(source.name, snapshot, source)
            for source, values in planes
            if (values or len(planes) == 1) and (only is None or source.name in only)
        ]
    if not images:
        raise FormatError("No slice has labels: press Segment first.")
    made_by = labelled_layer(
        np.zeros((1, 1), np.uint8), snapshots[0].attributes, "", classes
    ).made_by
    return ExportPlan(tuple(images), _fitted(classes, folder, format_name), made_by)


def read_item(plan: ExportPlan, at: int, format_name: str, options: ExportOptions) -> LabelledImage:
    """Return one image of a plan with its picture.

    Raises
    ------
    FormatError, ImageError
        If the labels are none, or the picture is wanted and cannot be read.
    """
    planned = plan.images[at]
    snapshot, source = planned.snapshot, planned.source
    labels = snapshot.cut(source)
    item = labelled_layer(labels, snapshot.attributes, planned.name, plan.classes)
    wanted = options.images and format_name not in _SHOW_NO_PICTURES
    picture = _picture(source, wanted=wanted)
    if picture is not None and picture.rgb.shape[:2] == labels.shape:
        item = replace(item, valid=picture.valid, image=picture.rgb if wanted else None)
    path = snapshot.image_path if snapshot.full_size else None
    if path is None or (snapshot.stack and source.page is None):
        return item
    if format_name in _ON_EARTH and item.georeference is None and source.page is None:
        from napari_itaclip.batch.georeference import read_georeference

        item = replace(item, georeference=read_georeference(path))
    return replace(item, image_path=path, page=source.page)


def snapshot_classes(snapshot: LayerSnapshot, present: Collection[int]) -> Classes:
    """Return the classes of a layer's labels, those that were removed but painted included.

    Parameters
    ----------
    snapshot : LayerSnapshot
        The labels.
    present : collection of int
        The values in them.

    Raises
    ------
    FormatError
        If they have no meaning.
    """
    if snapshot.vocabulary is None:
        found = _layer_classes(snapshot, present)
    else:
        found = classes_of(snapshot.vocabulary)
    known = {one.id for one in found}
    others = sorted(set(present) - known - _unlabelled(snapshot))
    if len(others) > MAX_GUESSED:
        raise FormatError(
            f"{snapshot.name!r} has {len(others)} values without a class: these are objects, not "
            "classes"
        )
    more = []
    for value in others:
        entry = snapshot.legend.get(value)
        name, color = (entry.name, entry.color) if entry else (f"class {value}", UNKNOWN_COLOR)
        more.append(LabelClass(value, name, color))
    return tuple(_distinct((*found, *more)))


def merged_classes(first: Classes, second: Classes, name: str) -> Classes:
    """Return the classes of two images; those that only the second has come last.

    Raises
    ------
    FormatError
        If a value or a name means something else in the second.
    """
    ids = {one.id: one for one in first}
    names = {one.name: one for one in first}
    found = list(first)
    for one in second:
        same = ids.get(one.id) or names.get(one.name)
        if same is None:
            found.append(one)
        elif (same.id, same.name) != (one.id, one.name):
            raise FormatError(
                f"the labels of {name!r} have other classes: {one.name!r} has the value {one.id} "
                f"there, {same.name!r} has {same.id} elsewhere. Export them into folders of their "
                "own"
            )
    backgrounds = [one for one in found if one.background]
    if len(backgrounds) > 1:
        raise FormatError(
            f"{backgrounds[0].name!r} and {backgrounds[1].name!r} are both marked as background"
        )
    return tuple(found)


def _unlabelled(snapshot: LayerSnapshot) -> frozenset[int]:
    """Return the values that stand for "no label" in an imported layer."""
    about = snapshot.attributes["metadata"].get(METADATA_KEY)
    values = about.get(UNLABELLED_KEY, ()) if isinstance(about, Mapping) else ()
    return frozenset(int(value) for value in values)


def _layer_classes(snapshot: LayerSnapshot, present: Collection[int]) -> Classes:
    """Return the classes in a layer's own table; none where it has no table."""
    values = np.array([sorted(present)], np.int64)
    try:
        return layer_classes(snapshot.attributes, values)
    except FormatError:
        if not present:
            raise FormatError(f"{snapshot.name!r} holds no labels and names no classes") from None
        raise


def _picture(source: PlaneSource, *, wanted: bool) -> PreparedImage | None:
    if source.read is None:
        return None
    try:
        return source.read()
    except ImageError:
        if wanted:
            raise
        return None


def _fitted(classes: Classes, folder: Path, format_name: str) -> Classes:
    """Return the classes of the data set that is there, and behind them those that it lacks.

    The order of a table and classes that were removed from it are no reason to refuse an image.
    What contradicts the data set is: `DatasetWriter` then says so.
    """
    before = DatasetState(folder, format_name).read_dataset() if folder.is_dir() else None
    if before is None:
        return classes
    try:
        return merged_classes(before.classes, classes, "this image")
    except FormatError:
        return classes


def _distinct(classes: Iterable[LabelClass]) -> Iterable[LabelClass]:
    """Put the value behind a name that is taken: a painted class may have been made anew."""
    taken: set[str] = set()
    for one in classes:
        name = one.name
        while name in taken:
            name = f"{name} ({one.id})"
        taken.add(name)
        yield replace(one, name=name)

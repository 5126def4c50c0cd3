"""Labels layers as something to export: which there are, and snapshots of them.

A snapshot holds data and no layers: another thread may read it while a person paints on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_itaclip._widget.layers.derived_layers import is_derived_layer
from napari_itaclip._widget.layers.image_input import Scope, pictures_of
from napari_itaclip._widget.layers.images import ImageEntry
from napari_itaclip._widget.layers.label_style import METADATA_KEY
from napari_itaclip._widget.layers.layer_follower import is_input
from napari_itaclip._widget.layers.layer_geometry import (
    all_planes,
    current_plane,
    level_count,
    level_shape,
)
from napari_itaclip.annotation.relabel_ids import LegendEntry
from napari_itaclip.errors import FormatError, ImageError
from napari_itaclip.segmentation.image import PreparedImage
from napari_itaclip.session.pictures import Plane
from napari_itaclip.vocabulary.classes import Vocabulary

NAME_KEY = "name"
"""Where an imported layer's metadata say what its image is called in the data set."""

_COUNTABLE = 1 << 20
"""Values below this are counted, which is faster than sorting."""


@dataclass(frozen=True)
class PlaneSource:
    """One plane of labels: an image of a data set.

    Attributes
    ----------
    name : str
        What it is called in the data set.
    plane : Plane
        Where it lies in the labels.
    page : int or None
        Its page in the image's file.
    read : callable or None
        Reads the picture; None where there is none.
    """

    name: str
    plane: Plane
    page: int | None
    read: Callable[[], PreparedImage] | None


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """The labels of one layer as they were at a moment.

    Attributes
    ----------
    name : str
        What the image is called.
    labels : array of int
        The labels; a copy, unless they lie in files.
    planes : tuple of PlaneSource
        What is to be exported.
    attributes : mapping
        The layer's ``features``, ``colormap`` and ``metadata``.
    vocabulary : Vocabulary or None
        The classes, if the dock made the labels.
    legend : mapping of int to LegendEntry
        What else its values have meant.
    image_path : Path or None
        The image's file.
    full_size : bool
        Whether the labels have the file's pixels.
    """

    name: str
    labels: Any
    planes: tuple[PlaneSource, ...]
    attributes: Mapping[str, Any]
    vocabulary: Vocabulary | None = None
    legend: Mapping[int, LegendEntry] = field(default_factory=dict)
    image_path: Path | None = None
    full_size: bool = True

    @property
    def stack(self) -> bool:
        """Whether there are several planes in the layer."""
        return bool(self.labels.ndim > 2)

    def cut(self, source: PlaneSource) -> NDArray[np.integer[Any]]:
        """Return one plane's labels ``(H, W)``."""
        return np.asarray(source.plane.cut(self.labels))


def is_label_source(layer: object) -> bool:
    """Return whether a layer is labels that can be exported: not one that shows results."""
    return isinstance(layer, Labels) and layer.ndim >= 2 and not is_derived_layer(layer)


def label_layers(viewer: Any) -> tuple[Labels, ...]:
    """Return the labels layers that can be exported, in the viewer's order."""
    return tuple(layer for layer in viewer.layers if is_label_source(layer))


def snapshot_of_entry(
    entry: ImageEntry, viewer: Any, vocabulary: Vocabulary | None, *, only_view: bool
) -> LayerSnapshot:
    """Return a snapshot of the labels that the dock keeps for an image.

    Parameters
    ----------
    entry : ImageEntry
        The image and its labels, which are there.
    viewer : napari Viewer
        Its axes and sliders tell which planes are meant.
    vocabulary : Vocabulary or None
        The classes.
    only_view : bool
        Of a stack, the slice in view alone.

    Raises
    ------
    ImageError
        If the slice in view is none of the image's.
    """
    image = entry.image()
    layer = entry.labels.layer
    assert image is not None  # its entry would be gone, too
    suffix = f" level {entry.level}" if entry.level else ""
    return _snapshot(
        layer,
        f"{image.name}{suffix}",
        (image, entry.level),
        viewer,
        vocabulary=vocabulary,
        legend=entry.labels.legend,
        only_view=only_view,
    )


def snapshot_of_layer(layer: Labels, viewer: Any, *, only_view: bool) -> LayerSnapshot:
    """Return a snapshot of a labels layer that the dock knows nothing about.

    Raises
    ------
    ImageError
        If the slice in view is none of the layer's.
    """
    about = layer.metadata.get(METADATA_KEY)
    name = about.get(NAME_KEY) if isinstance(about, Mapping) else None
    name = name if isinstance(name, str) and name else layer.name
    found = find_image(viewer, level_shape(layer, 0), (name, layer.name))
    return _snapshot(layer, name, found, viewer, only_view=only_view)


def find_image(
    viewer: Any, shape: tuple[int, ...], names: Sequence[str]
) -> tuple[Image, int] | None:
    """Return the image, and its level, that labels of a shape belong to.

    Of several images of the same size it is the one whose name their own begins with. Where that
    does not tell, there is none: a wrong picture beside labels is worse than no picture.
    """
    fitting = [
        (layer, level)
        for layer in viewer.layers
        if is_input(layer)
        for level in range(level_count(layer))
        if level_shape(layer, level) == shape
    ]
    called = [one for one in fitting if any(name.startswith(one[0].name) for name in names)]
    if called:
        return max(called, key=lambda one: len(one[0].name))
    return fitting[0] if len(fitting) == 1 else None


def values_in(labels: NDArray[np.integer[Any]]) -> frozenset[int]:
    """Return the values above 0 in labels."""
    flat = np.ravel(labels)
    if not flat.size:
        return frozenset()
    if flat.dtype.kind == "b":
        flat = flat.astype(np.uint8)
    if flat.min() >= 0 and flat.max() < _COUNTABLE:
        found = np.flatnonzero(np.bincount(flat))
    else:
        found = np.unique(flat)
    return frozenset(int(value) for value in found if value > 0)


def source_path(layer: Any) -> Path | None:
    """Return the file that a layer was read from, if it is one."""
    path = getattr(getattr(layer, "source", None), "path", None)
    if not path:
        return None
    try:
        found = Path(path)
        return found if found.is_file() else None
    except (OSError, ValueError, TypeError):  # an address in the network
        return None


def _snapshot(
    layer: Any,
    name: str,
    image: tuple[Image, int] | None,
    viewer: Any,
    *,
    vocabulary: Vocabulary | None = None,
    legend: Mapping[int, LegendEntry] | None = None,
    only_view: bool,
) -> LayerSnapshot:
    data = layer.data[0] if layer.multiscale else layer.data
    if only_view and data.ndim > 2:
        planes: tuple[Plane, ...] = (current_plane(layer, viewer, 0),)
    else:
        planes = all_planes(layer, viewer, 0)
    readers = {} if image is None else _readers(*image, viewer, planes)
    path = None if image is None else source_path(image[0])
    return LayerSnapshot(
        name=name,
        labels=np.array(data) if isinstance(data, np.ndarray) else data,
        planes=tuple(_plane_sources(name, data.shape, planes, readers, path)),
        attributes={
            "features": layer.features.copy(),
            "colormap": layer.colormap,
            "metadata": dict(layer.metadata),
        },
        vocabulary=vocabulary,
        legend=dict(legend or {}),
        image_path=path,
        full_size=image is None or image[1] == 0,
    )


def _readers(
    image: Image, level: int, viewer: Any, planes: Collection[Plane]
) -> dict[Plane, Callable[[], PreparedImage]]:
    """Return what reads the pictures under the planes; nothing is read yet."""
    try:
        scope = Scope.ALL_SLICES if image.ndim > 2 else Scope.WHOLE
        pictures = pictures_of(image, viewer, scope, level=level)
    except ImageError:  # too small for the network, but not for a person
        return {}
    return {each.plane: each.read for each in pictures if each.plane in planes}


def _plane_sources(
    name: str,
    shape: tuple[int, ...],
    planes: Collection[Plane],
    readers: Mapping[Plane, Callable[[], PreparedImage]],
    path: Path | None,
) -> Iterator[PlaneSource]:
    for plane in planes:
        cut = {axis: place for axis, place in enumerate(plane.index) if place is not None}
        at = list(cut)
        if not at:
            yield PlaneSource(name, plane, None, readers.get(plane))
            continue
        number = int(np.ravel_multi_index(list(cut.values()), [shape[axis] for axis in at]))
        leading = at == list(range(len(at))) and not plane.transposed
        # Slices along other axes of the same stack are other images.
        along = "" if leading else f"axis {' '.join(str(axis) for axis in at)}/"
        page = number if leading and path is not None else None
        yield PlaneSource(
            f"{name}/{along}{page_name(number)}", plane, page, readers.get(plane)
        )  # fmt: skip


def page_name(number: int) -> str:
    """Return the last part of a slice's name; slices are counted from 0, their names from 1."""
    return f"p{number + 1:04d}"


def plane_at(layer: Any, viewer: Any, level: int, number: int | None) -> Plane:
    """Return the slice with a number along the first axes; None for the one in view.

    Raises
    ------
    ImageError
        If there is no such slice.
    """
    if number is None:
        return current_plane(layer, viewer, level)
    cut = level_shape(layer, level)[:-2]
    if number >= int(np.prod(cut, dtype=np.int64)):
        raise ImageError(f"{layer.name!r} has no slice {number + 1}")
    places = tuple(int(place) for place in np.unravel_index(number, cut)) if cut else ()
    return Plane((*places, None, None))


def check_some(snapshots: Collection[LayerSnapshot]) -> None:
    """Raise an error if there is nothing to export."""
    if not snapshots:
        raise FormatError("There are no labels to export: press Segment first.")

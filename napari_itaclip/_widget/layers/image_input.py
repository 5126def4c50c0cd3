"""The pictures that a person means: which layer, which slices, which part, which resolution."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_itaclip._widget.layers.layer_follower import LayerFollower
from napari_itaclip._widget.layers.layer_geometry import (
    all_planes,
    checked_level,
    covered_region,
    current_plane,
    default_level,
    displayed_axes,
    labels_geometry,
    level_count,
    level_shape,
    world_transform,
)
from napari_itaclip.errors import ImageError
from napari_itaclip.segmentation.image import MIN_SIDE, PreparedImage, prepare_image
from napari_itaclip.session.pictures import Picture, PictureKey, Plane, Region

__all__ = [
    "LayerFollower",
    "Scope",
    "default_level",
    "labels_geometry",
    "layer_id",
    "level_count",
    "mark_changed",
    "pictures_of",
    "scope_problem",
]

_HOW_TO_DRAW = (
    "Draw one: press “New shapes layer” above the layer list, choose “Add rectangles”, "
    "and drag over the image"
)


class Scope(Enum):
    """How much of a layer is segmented; the value is what a person reads."""

    WHOLE = "whole image"
    FIELD = "visible field"
    RECTANGLE = "rectangle"
    ALL_SLICES = "all slices"


def pictures_of(
    layer: Image | None,
    viewer: Any,
    scope: Scope,
    *,
    level: int | None = None,
    shapes: Shapes | None = None,
) -> tuple[Picture, ...]:
    """Return what there is to segment; no pixel is read yet.

    Parameters
    ----------
    layer : napari Image layer or None
        The image; None (nothing chosen) is an error that says so.
    viewer : napari Viewer
        Its sliders, axes and camera tell which slice and which part are looked at.
    scope : Scope
        How much. Only ``ALL_SLICES`` gives more than one picture.
    level : int or None
        Resolution level of a multiscale layer; None for `default_level`.
    shapes : napari Shapes layer or None
        Where the rectangle is; None for the active shapes layer, else the topmost that has one.

    Returns
    -------
    tuple of Picture
        At least one. Their planes and regions count pixels of the level, as labels with the
        geometry of `labels_geometry` do.

    Raises
    ------
    ImageError
        If there is nothing to segment; the message says what to do.
    """
    if not isinstance(layer, Image):
        raise ImageError("No image is chosen: open one, or select its layer in the layer list")
    level = checked_level(layer, level)
    if layer.ndim < 2:
        raise ImageError(f"{layer.name!r} has one axis; an image has at least two")
    if scope is Scope.ALL_SLICES:
        planes = all_planes(layer, viewer, level)
    else:
        planes = (current_plane(layer, viewer, level),)
    region = None
    if scope is Scope.FIELD:
        region = _visible_region(layer, viewer, level)
    elif scope is Scope.RECTANGLE:
        region = _rectangle_region(layer, viewer, level, shapes)
    height, width = planes[0].shape(level_shape(layer, level))
    if region is not None and region.shape == (height, width):
        region = None  # the same pixels as the whole plane: their features can be shared
    if region is not None:
        height, width = region.shape
    if min(height, width) < MIN_SIDE:
        what = layer.name if region is None else f"The {scope.value} of {layer.name}"
        raise ImageError(
            f"{what} is {height}×{width} pixels here; at least {MIN_SIDE}×{MIN_SIDE} are needed"
        )
    return tuple(_picture(layer, level, plane, region, scope) for plane in planes)


def scope_problem(layer: Image | None, viewer: Any, scope: Scope) -> str | None:
    """Return why this scope is of no use now, or None when it can be chosen."""
    if not isinstance(layer, Image):
        return "No image is chosen"
    if scope is Scope.ALL_SLICES and layer.ndim < 3:
        return "This image has a single slice"
    if scope is Scope.FIELD and viewer.dims.ndisplay != 2:
        return "In the 3-D view no field of pixels is visible: go back to 2-D"
    if scope is Scope.RECTANGLE and _find_rectangle(viewer, None) is None:
        return f"There is no rectangle. {_HOW_TO_DRAW}"
    return None


def layer_id(layer: Image) -> int:
    """Return the layer's own number: the ``layer`` of its pictures' keys, whatever its name."""
    return _revision_of(layer).number


def mark_changed(layer: Image) -> None:
    """Say that the layer's pixels were changed in place: its pictures get new keys.

    Assigning ``layer.data`` is noticed without this.
    """
    _revision_of(layer).advance()


class _Revision:
    """A layer's own number, and how often its data were replaced since it was first seen."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.version = 0

    def advance(self, event: object = None) -> None:
        """Count one replacement."""
        self.version += 1


_NUMBERS = itertools.count(1)
_REVISIONS: WeakKeyDictionary[Image, _Revision] = WeakKeyDictionary()


def _revision_of(layer: Image) -> _Revision:
    """Return what is known of a layer; from its first call on, replaced data are counted."""
    known = _REVISIONS.get(layer)
    if known is None:
        known = _REVISIONS[layer] = _Revision(next(_NUMBERS))
        layer.events.data.connect(known.advance)  # napari keeps a weak reference to a method
    return known


@dataclass(frozen=True)
class _Reader:
    """Reads one picture; holds the data, not the layer."""

    data: Any
    plane: Plane
    region: Region | None
    rgb: bool
    contrast: tuple[float, float] | None
    name: str

    def __call__(self) -> PreparedImage:
        """Return the pixels as the network sees them.

        Only this part is asked of the data, in one step: a Dask array computes, a Zarr array loads
        no other chunks than those.
        """
        rows, columns = (slice(None), slice(None)) if self.region is None else self.region.slices
        spans = iter((columns, rows) if self.plane.transposed else (rows, columns))
        at = tuple(next(spans) if place is None else place for place in self.plane.index)
        try:
            block = np.asarray(self.data[at])
        except Exception as error:  # files and remote stores fail in their own ways
            raise ImageError(f"{self.name} cannot be read: {error}") from error
        if self.plane.transposed:
            block = block.swapaxes(0, 1)
        return prepare_image(block, contrast_limits=self.contrast, rgb=self.rgb)


def _picture(
    layer: Image, level: int, plane: Plane, region: Region | None, scope: Scope
) -> Picture:
    shape = region.shape if region else plane.shape(level_shape(layer, level))
    places = [str(place) for place in plane.index if place is not None]
    name = f"{layer.name} [{', '.join(places)}]" if places else str(layer.name)
    if region is not None:
        name = f"{name}, {scope.value}"
    contrast = None
    if not layer.rgb:
        low, high = layer.contrast_limits
        contrast = (float(low), float(high))
    revision = _revision_of(layer)
    data = layer.data[level] if layer.multiscale else layer.data
    return Picture(
        key=PictureKey(revision.number, revision.version, level, plane, region, contrast),
        name=name,
        plane=plane,
        region=region,
        shape=shape,
        read=_Reader(data, plane, region, bool(layer.rgb), contrast, name),
    )


def _visible_region(layer: Image, viewer: Any, level: int) -> Region:
    """Return the pixels that the canvas shows, also if other layers lie over them.

    The camera is asked, not ``layer.corner_pixels``: for a multiscale layer these are the tiles
    that napari has loaded, at the level that it draws.
    """
    if viewer.dims.ndisplay != 2:
        raise ImageError("In the 3-D view no field of pixels is visible: go back to 2-D")
    camera = viewer.scene.camera
    center = np.asarray(camera.center, float)[-2:]
    half = np.asarray(viewer.canvas.viewbox_size(viewer.layers), float) / camera.zoom / 2
    corners = center + half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    region = covered_region(layer, viewer, level, corners)
    if region is None:
        raise ImageError(
            f"Nothing of {layer.name!r} is in the visible field: move it into view, or press Home"
        )
    return region


def _rectangle_region(layer: Image, viewer: Any, level: int, shapes: Shapes | None) -> Region:
    found = _find_rectangle(viewer, shapes)
    if found is None:
        where = (
            f"{shapes.name!r} has no rectangle" if shapes is not None else "There is no rectangle"
        )
        raise ImageError(f"{where}. {_HOW_TO_DRAW}")
    shapes, position = found
    corners = _on_screen(shapes, np.asarray(shapes.data[position], float), layer, viewer)
    region = None if corners is None else covered_region(layer, viewer, level, corners)
    if region is None:
        raise ImageError(
            f"The rectangle in {shapes.name!r} does not lie on {layer.name!r}: "
            "move it over the image, or draw another one"
        )
    return region


def _find_rectangle(viewer: Any, shapes: Shapes | None) -> tuple[Shapes, int] | None:
    """Return a shapes layer and the position of its selected rectangle, else of its last one."""
    if shapes is None:
        active = viewer.layers.selection.active
        layers = [active, *reversed(viewer.layers)]
    else:
        layers = [shapes]
    for each in layers:
        if isinstance(each, Shapes):
            kinds = list(each.shape_type)
            found = [at for at, kind in enumerate(kinds) if kind == "rectangle"]
            selected = [at for at in found if at in each.selected_data]
            if found:
                return each, (selected or found)[-1]
    return None


def _on_screen(
    shapes: Shapes, vertices: NDArray[np.float64], layer: Image, viewer: Any
) -> NDArray[np.float64] | None:
    """Return a shape's corners along the screen's axes of ``layer``, shape (n, 2).

    None when the shape has no place on one of these axes.
    """
    linear, offset = world_transform(shapes, viewer)
    world = vertices @ linear.T + offset
    rows, columns = displayed_axes(layer.ndim, viewer.dims)
    # Layers share the world's last axes, however many they have.
    wanted = [axis - layer.ndim + shapes.ndim for axis in (rows, columns)]
    return world[:, wanted] if min(wanted) >= 0 else None

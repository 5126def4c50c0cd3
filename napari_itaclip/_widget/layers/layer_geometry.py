"""Where a layer's pixels lie in the world, and which of its pixels a person looks at.

Coordinates are continuous with pixel centres at whole numbers, as in napari. A level of a
multiscale layer has coordinates of its own: the pixel ``i`` of a level that is ``f`` times smaller
covers the full-size pixels ``f * i`` to ``f * (i + 1) - 1``, so its centre is the full-size
coordinate ``f * i + (f - 1) / 2``. That is where napari draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pint
from napari.layers import Image, Layer
from napari.utils.transforms import CompositeAffine
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError
from napari_itaclip.session.pictures import Plane, Region

LONGEST_SIDE = 4096
"""A multiscale level with a longer side (pixels) than this is not chosen by itself."""

_EDGE = 1e-6
"""Rounding errors of the transforms (pixels) must not add a row of pixels to a region."""


def level_count(layer: Image) -> int:
    """Return the number of resolution levels; 1 for a layer that is not multiscale."""
    return len(layer.level_shapes) if layer.multiscale else 1


def level_shape(layer: Image, level: int) -> tuple[int, ...]:
    """Return the shape of a level in pixels, one number for each axis; colours are no axis."""
    return tuple(int(size) for size in layer.level_shapes[level])


def default_level(layer: Image) -> int:
    """Return the finest level whose last two axes are at most `LONGEST_SIDE`, else the coarsest.

    It depends on the layer alone, so that labels keep their size while a person rolls the axes.
    """
    count = level_count(layer)
    fine = (at for at in range(count) if max(level_shape(layer, at)[-2:]) <= LONGEST_SIDE)
    return next(fine, count - 1)


def checked_level(layer: Image, level: int | None) -> int:
    """Return ``level``, or the default one for None.

    Raises
    ------
    ImageError
        If the layer has no such level.
    """
    if level is None:
        return default_level(layer)
    if not 0 <= level < level_count(layer):
        raise ImageError(
            f"{layer.name!r} has no resolution level {level}: "
            f"choose one from 0 (finest) to {level_count(layer) - 1}"
        )
    return level


def labels_geometry(
    layer: Image, level: int | None = None
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return the shape and place of labels that lie exactly on an image layer.

    Parameters
    ----------
    layer : napari Image layer
        The image that the labels belong to.
    level : int or None
        The resolution level that they are made from; None for `default_level`.

    Returns
    -------
    shape : tuple of int
        Shape of the labels: that of the image's level without colours.
    geometry : dict
        Keyword arguments for ``add_labels``: scale, translate, rotate, shear, affine, units and
        axis_labels.

    Raises
    ------
    ImageError
        If the layer has no such level.
    """
    level = checked_level(layer, level)
    scale, translate = np.asarray(layer.scale, float), np.asarray(layer.translate, float)
    factors, shift = _level_to_full(layer, level)
    if np.any(shift):
        inner = CompositeAffine(
            scale=scale,
            translate=translate,
            rotate=layer.rotate,
            shear=layer.shear,
            ndim=layer.ndim,
        )
        translate = np.asarray(inner(shift), float)
    geometry = {
        "scale": tuple((scale * factors).tolist()),
        "translate": tuple(translate.tolist()),
        "rotate": np.array(layer.rotate),
        "shear": np.array(layer.shear),
        "affine": np.array(layer.affine.affine_matrix),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }
    return level_shape(layer, level), geometry


def displayed_axes(ndim: int, dims: Any) -> tuple[int, int]:
    """Return the axes of a layer that run down and across the screen.

    Parameters
    ----------
    ndim : int
        The number of the layer's axes, at least 2.
    dims : napari Dims
        How the viewer shows them. A layer with fewer axes has the viewer's last ones. In 3-D
        display these are the last two of the three that are shown.
    """
    missing = dims.ndim - ndim
    order = [axis - missing for axis in dims.order if axis >= missing]
    order = [*range(ndim - len(order)), *order]
    return order[-2], order[-1]


def current_plane(layer: Image, viewer: Any, level: int) -> Plane:
    """Return the plane of a level that the viewer shows.

    Raises
    ------
    ImageError
        If the viewer's sliders stand outside of the layer.
    """
    rows, columns = displayed_axes(layer.ndim, viewer.dims)
    shape = level_shape(layer, level)
    index: list[int | None] = [None] * layer.ndim
    for axis, place in _cut_places(layer, viewer, (rows, columns)).items():
        factors, shift = _level_to_full(layer, level)
        full = level_shape(layer, 0)[axis]
        if not 0 <= round(place) < full:
            raise ImageError(
                f"{layer.name!r} has no slice {round(place)} on axis {axis}, only 0 to {full - 1}: "
                "move the viewer's sliders to where the layer is"
            )
        index[axis] = min(max(round((place - shift[axis]) / factors[axis]), 0), shape[axis] - 1)
    return Plane(tuple(index), transposed=rows > columns)


def all_planes(layer: Image, viewer: Any, level: int) -> tuple[Plane, ...]:
    """Return every plane of a level that is parallel to the one shown, in the data's order."""
    rows, columns = displayed_axes(layer.ndim, viewer.dims)
    shape = level_shape(layer, level)
    cut = [axis for axis in range(layer.ndim) if axis not in (rows, columns)]
    planes = []
    for place in np.ndindex(*(shape[axis] for axis in cut)):
        index: list[int | None] = [None] * layer.ndim
        for axis, at in zip(cut, place, strict=True):
            index[axis] = int(at)
        planes.append(Plane(tuple(index), transposed=rows > columns))
    return tuple(planes)


def covered_region(
    layer: Image, viewer: Any, level: int, world: NDArray[np.float64]
) -> Region | None:
    """Return the pixels of a level that a figure on the screen touches.

    Parameters
    ----------
    layer : napari Image layer
        The image.
    viewer : napari Viewer
        Its axes tell which plane is meant.
    level : int
        The resolution level whose pixels are counted.
    world : ndarray of float, shape (n, 2)
        Corners in the world: down, across. In a layer that is rotated against the screen, the
        region is the smallest rectangle of pixels around them.

    Returns
    -------
    Region or None
        The part inside of the plane; None when there is none.
    """
    axes = list(displayed_axes(layer.ndim, viewer.dims))
    linear, offset = world_transform(layer, viewer)
    factors, shift = _level_to_full(layer, level)
    offset = offset + linear @ shift
    linear = linear * factors
    try:
        inverse = np.linalg.inv(linear[np.ix_(axes, axes)])
    except np.linalg.LinAlgError:
        return None  # the plane stands upright on the screen: nothing of it can be seen
    data = (world - offset[axes]) @ inverse.T
    shape = level_shape(layer, level)
    starts, stops = [], []
    for low, high, axis in zip(data.min(axis=0), data.max(axis=0), axes, strict=True):
        starts.append(max(0, math.floor(low + 0.5 + _EDGE)))
        stops.append(min(shape[axis], math.ceil(high + 0.5 - _EDGE)))
    if starts[0] >= stops[0] or starts[1] >= stops[1]:
        return None
    return Region(starts[0], starts[1], stops[0] - starts[0], stops[1] - starts[1])


def world_transform(layer: Layer, viewer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``linear`` (D, D) and ``offset`` (D): world = linear @ data + offset.

    The world's unit of length is the viewer's, as on the screen; its axes are the viewer's last D.
    """
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), float)
    ends = np.array([layer.data_to_world(unit) for unit in np.eye(layer.ndim)], float)
    stretch = _units_in_world(layer, viewer.dims.units)
    return ((ends - origin) * stretch).T, origin * stretch


def _level_to_full(layer: Image, level: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (factors, shift), both (D,): full-size coordinate = factors * coordinate + shift."""
    factors = np.divide(layer.level_shapes[0], layer.level_shapes[level]).astype(np.float64)
    return factors, (factors - 1.0) / 2.0


def _cut_places(layer: Image, viewer: Any, shown: Sequence[int]) -> dict[int, float]:
    """Return the full-size coordinate at which each axis that is not shown is cut.

    Like napari, only the part of the inverse transform that belongs to these axes is used: a slice
    is a plane of the data even where the layer is tilted against the viewer's axes.
    """
    cut = [axis for axis in range(layer.ndim) if axis not in shown]
    if not cut:
        return {}
    linear, offset = world_transform(layer, viewer)
    inverse = np.linalg.inv(linear)
    start = -inverse @ offset
    point = np.zeros(layer.ndim)
    known = np.asarray(viewer.dims.point, float)[-layer.ndim :]
    point[layer.ndim - len(known) :] = known
    places = inverse[np.ix_(cut, cut)] @ point[cut] + start[cut]
    return dict(zip(cut, places.tolist(), strict=True))


def _units_in_world(layer: Layer, world_units: Sequence[Any] | None) -> NDArray[np.float64]:
    """Return the length of the layer's units in those of the viewer, shape (D,)."""
    own = layer.units
    if world_units is None or len(world_units) < len(own) or tuple(world_units[-len(own) :]) == own:
        return np.ones(layer.ndim)
    pairs = zip(own, world_units[-len(own) :], strict=True)
    return np.array([_base_length(mine) / _base_length(world) for mine, world in pairs])


def _base_length(unit: Any) -> float:
    """Return how many of its base unit a unit is; pixels are their own."""
    return float(pint.Quantity(1.0, unit).to_base_units().magnitude)

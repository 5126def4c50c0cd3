"""Putting the values of one plane where they belong in the world.

A plane's values become a layer that has all axes of the image, with one step on the axes that are
cut, moved to its place. So it takes no more memory than the plane, napari shows it at that slice
only, and nothing that was computed for one slice is ever seen over another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Layer
from napari.utils.transforms import Affine, CompositeAffine
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError
from napari_itaclip.session.pictures import Plane, Region


def check_size(
    values: NDArray[Any], plane: Plane, region: Region | None, shape: tuple[int, ...]
) -> None:
    """Raise unless ``values`` have the size of the plane, or of the region of it.

    Raises
    ------
    ImageError
        If they have another one.
    """
    expected = region.shape if region is not None else plane.shape(shape)
    if values.shape != expected:
        raise ImageError(f"values of size {values.shape} do not fit a picture of size {expected}")


def spread(values: NDArray[Any], plane: Plane) -> NDArray[Any]:
    """Return ``values`` (H, W) with all axes of the data: one step on those that are cut."""
    upright = values.T if plane.transposed else values
    cut = tuple(axis for axis, place in enumerate(plane.index) if place is not None)
    return np.expand_dims(upright, cut)


def offset_of(plane: Plane, region: Region | None) -> NDArray[np.float64]:
    """Return where a plane's (or region's) first pixel lies, in pixels along each axis."""
    top, left = (region.top, region.left) if region is not None else (0, 0)
    corner = iter((left, top) if plane.transposed else (top, left))
    return np.array([next(corner) if place is None else place for place in plane.index], np.float64)


def placed(geometry: Mapping[str, Any], offset: NDArray[np.float64]) -> dict[str, Any]:
    """Return a layer's geometry, moved by ``offset`` pixels of its own data.

    Parameters
    ----------
    geometry : mapping
        Keyword arguments of a napari layer: scale, translate, rotate, shear, affine, units,
        axis_labels; any may be missing.
    offset : ndarray of float, shape (D,)
        In data coordinates, one entry for each axis.

    Returns
    -------
    dict
        The same with another ``translate``.
    """
    ndim = len(offset)
    # napari's own order of rotation, shear and scale; the offset goes through all three.
    own = CompositeAffine(
        scale=_given(geometry, "scale", np.ones(ndim)),
        translate=_given(geometry, "translate", np.zeros(ndim)),
        rotate=geometry.get("rotate"),
        shear=geometry.get("shear"),
        ndim=ndim,
    )
    return {**geometry, "translate": tuple(np.asarray(own(offset), float).tolist())}


def moved(geometry: Mapping[str, Any], shift: NDArray[np.float64]) -> dict[str, Any]:
    """Return a layer's geometry, moved by ``shift`` (D,) in the layer's world coordinates."""
    affine = _affine_matrix(geometry, len(shift))
    affine[:-1, -1] += shift
    return {**geometry, "affine": affine}


def corners_of(plane: Plane, region: Region) -> NDArray[np.float64]:
    """Return the outer corners (4, D) of a region in data coordinates."""
    low = offset_of(plane, region)
    height, width = region.shape
    extent = iter((width, height) if plane.transposed else (height, width))
    steps = [next(extent) if place is None else None for place in plane.index]
    rows, columns = (axis for axis, size in enumerate(steps) if size is not None)
    corners = np.repeat(low[np.newaxis], 4, axis=0)
    # Pixels are centred on whole numbers, so their borders lie half a step off.
    corners[:, rows] += np.array([0, 0, 1, 1]) * (steps[rows] or 0) - 0.5
    corners[:, columns] += np.array([0, 1, 0, 1]) * (steps[columns] or 0) - 0.5
    return corners


def geometry_of(layer: Layer) -> dict[str, Any]:
    """Return a layer's own geometry as keyword arguments of another layer."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": np.array(layer.affine.affine_matrix),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def apply_geometry(layer: Layer, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Move a layer from one geometry to another; what is equal in both is not touched."""
    for key, value in new.items():
        if value is not None and not np.array_equal(_plain(old.get(key)), _plain(value)):
            setattr(layer, key, value)


def _given(geometry: Mapping[str, Any], key: str, default: NDArray[np.float64]) -> Any:
    value = geometry.get(key)
    return default if value is None else value


def _affine_matrix(geometry: Mapping[str, Any], ndim: int) -> NDArray[np.float64]:
    """Return the geometry's affine as its own matrix (D + 1, D + 1)."""
    affine = geometry.get("affine")
    if affine is None:
        return np.eye(ndim + 1)
    return np.array(_plain(affine), np.float64)


def _plain(value: Any) -> Any:
    """Return something that NumPy compares: the matrix of a transform."""
    return value.affine_matrix if isinstance(value, Affine) else value

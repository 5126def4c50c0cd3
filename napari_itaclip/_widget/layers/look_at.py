"""Moving the view to a region of a picture, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_itaclip._widget.layers.layer_geometry import displayed_axes, world_transform
from napari_itaclip._widget.layers.placement import corners_of
from napari_itaclip.session.pictures import Plane, Region

_LEAST, _AIM, _MOST = 0.15, 0.4, 0.9
"""A region should fill this part of the view; between the bounds the zoom is left alone."""


def look_at(viewer: ViewerModel, plane: Plane, region: Region, geometry: Mapping[str, Any]) -> None:
    """Bring a region to the middle of the view; zoom only if it is tiny there or does not fit.

    Parameters
    ----------
    viewer : ViewerModel
        Its slice and its camera are moved. If it shows other axes than the plane's, only those
        that it shares with the plane are.
    plane : Plane
        Its slice is shown.
    region : Region
        A part of that plane.
    geometry : mapping
        Keyword arguments that put labels over the image: scale, translate, and so on.
    """
    # napari's own arithmetic, with all that a layer may have: rotation, shear, units.
    stand_in = Labels(np.zeros((1,) * len(plane.index), np.uint8), **geometry)
    linear, offset = world_transform(stand_in, viewer)
    corners = corners_of(plane, region) @ linear.T + offset
    middle = corners.mean(axis=0)
    # A layer with fewer axes than the viewer lies on the last of them.
    first = viewer.dims.ndim - stand_in.ndim
    for axis, place in enumerate(plane.index):
        if place is not None:
            viewer.dims.set_point(first + axis, float(middle[axis]))
    shown = list(displayed_axes(stand_in.ndim, viewer.dims))
    camera = viewer.scene.camera
    camera.center = (camera.center[0], *(float(middle[axis]) for axis in shown))
    size = np.ptp(corners[:, shown], axis=0)
    fills = float(np.max(size * camera.zoom / np.array(viewer.canvas.size, np.float64)))
    if not _LEAST <= fills <= _MOST:
        camera.zoom *= _AIM / fills


@dataclass(frozen=True)
class View:
    """Where a viewer's camera looks.

    Attributes
    ----------
    center : tuple of float
        The world point in the middle.
    zoom : float
        Screen pixels per unit of the world.
    """

    center: tuple[float, ...]
    zoom: float

    @classmethod
    def of(cls, viewer: ViewerModel) -> View:
        """Return where it looks now."""
        camera = viewer.scene.camera
        return cls(tuple(camera.center), float(camera.zoom))

    def restore(self, viewer: ViewerModel) -> None:
        """Look there again."""
        viewer.scene.camera.center = self.center
        viewer.scene.camera.zoom = self.zoom

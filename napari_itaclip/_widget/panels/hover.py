"""Which pixel of an image is under the cursor, told no more often than a person can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from napari_itaclip._widget.layers.layer_geometry import displayed_axes, world_transform

INTERVAL_MS = 50
"""Twenty times a second."""


@dataclass(frozen=True)
class HoverPoint:
    """A pixel under the cursor.

    Attributes
    ----------
    layer : Layer
        The image.
    y, x : int
        Row and column in the plane that is shown, at full size: for a smaller level of a multiscale
        image, divide by how much smaller it is.
    sliders : tuple of float
        The viewer's point on the axes that are not shown, in the world: tells slices apart.
    """

    layer: Layer
    y: int
    x: int
    sliders: tuple[float, ...]


class HoverReadout(QObject):  # type: ignore[misc, unused-ignore]
    """Calls back with the pixel under the cursor, and with None when there is none.

    The first move is told at once, then at most one in 50 ms, the last one always. A cursor that
    stays on a pixel is told once; after the values behind it have changed, call `refresh`.

    Parameters
    ----------
    viewer : napari Viewer
        Whose cursor is followed.
    tell : callable
        Takes a `HoverPoint` or None.
    parent : QObject, optional
        Its owner; the timer dies with it.
    """

    def __init__(
        self,
        viewer: Any,
        tell: Callable[[HoverPoint | None], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._tell = tell
        self._layer: ReferenceType[Layer] | None = None
        self._told: HoverPoint | None = None
        self._waiting = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._on_timeout)
        self._emitters: tuple[Any, ...] = (
            viewer.cursor.events.position,
            viewer.events.mouse_over_canvas,
            viewer.dims.events.current_step,
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
        )
        for emitter in self._emitters:
            emitter.connect(self._on_move)

    def follow(self, layer: Layer | None) -> None:
        """Tell about this image layer from now on; None to rest.

        The layer is held weakly.
        """
        self._layer = ref(layer) if layer is not None else None
        self.refresh()

    def refresh(self) -> None:
        """Tell the present pixel again, even if it is the same."""
        self._timer.stop()
        self._waiting = False
        point = self._point()
        if point is not None or self._told is not None:
            self._told = point
            self._tell(point)

    def close(self) -> None:
        """Follow no more; nothing is told from now on. Can be called again."""
        for emitter in self._emitters:
            emitter.disconnect(self._on_move)
        self._emitters = ()
        self._timer.stop()
        self._layer = None

    def _on_move(self, event: Any = None) -> None:
        if self._layer is None:
            return
        if self._timer.isActive():
            self._waiting = True
        else:
            self._update()

    def _on_timeout(self) -> None:
        if self._waiting:
            self._update()

    def _update(self) -> None:
        self._waiting = False
        point = self._point()
        if point != self._told:
            self._told = point
            self._timer.start()
            self._tell(point)

    def _point(self) -> HoverPoint | None:
        viewer = self._viewer
        layer = self._layer() if self._layer is not None else None
        if layer is None or layer not in viewer.layers:
            return None
        if not viewer.mouse_over_canvas or viewer.dims.ndisplay != 2:
            return None
        point = _world_point(viewer)
        if len(point) < layer.ndim:
            return None
        linear, offset = world_transform(layer, viewer)
        try:
            data = np.linalg.solve(linear, point[-layer.ndim :] - offset)
        except np.linalg.LinAlgError:
            return None
        low, high = layer.extent.data
        rows, columns = displayed_axes(layer.ndim, viewer.dims)
        y, x = round(float(data[rows])), round(float(data[columns]))
        if not (low[rows] <= y <= high[rows] and low[columns] <= x <= high[columns]):
            return None
        cut = [axis for axis in range(viewer.dims.ndim) if axis not in viewer.dims.displayed]
        return HoverPoint(layer, y, x, tuple(float(point[axis]) for axis in cut))


def _world_point(viewer: Any) -> Any:
    """Return the cursor on the axes that are shown, the sliders on the others, shape (D,)."""
    dims = viewer.dims
    point = np.array(dims.point, np.float64)
    cursor = np.array(viewer.cursor.position, np.float64)
    shown = list(dims.displayed)
    # Right after a layer with more axes came, the cursor still has the old number of them.
    if len(cursor) == len(point):
        point[shown] = cursor[shown]
    else:
        point[-2:] = cursor[-2:]
    return point

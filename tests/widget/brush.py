"""A person with a mouse and a keyboard, for tests of labels layers."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from napari.layers import Labels
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)


def _event(kind: str, position: Sequence[float], dims: tuple[int, int]) -> Any:
    return ReadOnlyWrapper(
        SimpleNamespace(
            type=kind,
            is_dragging=kind == "mouse_move",
            button=1,
            modifiers=(),
            position=tuple(position),
            view_direction=None,
            dims_displayed=dims,
            dims_point=(0,) * len(position),
            handled=False,
        )
    )


class Drag:
    """A stroke with the mouse that can be looked at while it lasts."""

    def __init__(self, layer: Labels, start: Sequence[float], dims: tuple[int, int]) -> None:
        self.layer, self.dims, self.at = layer, dims, start
        mouse_press_callbacks(layer, _event("mouse_press", start, dims))

    def to(self, position: Sequence[float]) -> None:
        self.at = position
        mouse_move_callbacks(self.layer, _event("mouse_move", position, self.dims))

    def release(self) -> None:
        mouse_release_callbacks(self.layer, _event("mouse_release", self.at, self.dims))


def drag(
    layer: Labels,
    *positions: Sequence[float],
    label: int,
    size: int = 1,
    dims: tuple[int, int] | None = None,
) -> None:
    """Paint a line with the mouse."""
    layer.mode = "paint"
    layer.brush_size = size
    layer.selected_label = label
    stroke = Drag(layer, positions[0], dims or (layer.ndim - 2, layer.ndim - 1))
    for position in positions[1:]:
        stroke.to(position)
    stroke.release()

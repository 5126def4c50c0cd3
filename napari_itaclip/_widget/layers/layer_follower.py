"""Keeps up with the image layers of a viewer: which there are, and which one is worked on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ReferenceType, ref

from napari.layers import Image, Layer
from psygnal import Signal

OWN_LAYER = "napari-itaclip"
"""Layers with a key in their metadata that begins like this show results: they are no input."""


def is_input(layer: object) -> bool:
    """Return whether a layer is an image that can be segmented, not one that shows results."""
    return isinstance(layer, Image) and not any(
        isinstance(key, str) and key.startswith(OWN_LAYER) for key in layer.metadata
    )


class LayerFollower:
    """The image layers of a viewer, and the one that a person selected or chose last.

    Selecting a layer of another kind (labels to paint on, shapes to draw a rectangle) does not
    change the active image. Layers are held weakly: one that was removed can go.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer to follow.
    accepts : callable
        Which layers count; `is_input` by default.

    Attributes
    ----------
    layers_changed : Signal
        An image was inserted, removed, moved or renamed.
    active_changed : Signal(object)
        Another image (or None) is the active one now. When both changed, this comes second.
    """

    layers_changed = Signal()
    active_changed = Signal(object)

    def __init__(self, viewer: Any, accepts: Callable[[Layer], bool] = is_input) -> None:
        self._viewer = viewer
        self._accepts = accepts
        self._active: ReferenceType[Image] | None = None
        self._named: list[ReferenceType[Image]] = []
        events = viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            emitter.connect(self._on_layers)
        viewer.layers.selection.events.active.connect(self._on_selection)
        self._watch_names()
        self._make_active(self._selected or self._left_over())

    @property
    def layers(self) -> tuple[Image, ...]:
        """The images in the viewer's order: the one drawn last comes last."""
        return tuple(layer for layer in self._viewer.layers if self._accepts(layer))

    @property
    def active(self) -> Image | None:
        """The image that was selected last, else the topmost one; None when there is none."""
        return None if self._active is None else self._active()

    def choose(self, layer: Image) -> None:
        """Make ``layer`` the active one, whatever is selected; a layer that left is ignored."""
        if layer in self.layers:
            self._make_active(layer)

    def close(self) -> None:
        """Follow no more; nothing is emitted from now on. Can be called again."""
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            emitter.disconnect(self._on_layers)
        self._viewer.layers.selection.events.active.disconnect(self._on_selection)
        self._forget_names()
        self._active = None

    @property
    def _selected(self) -> Image | None:
        selected = self._viewer.layers.selection.active
        return selected if selected in self.layers else None

    def _on_layers(self, event: Any = None) -> None:
        self._watch_names()
        self.layers_changed.emit()
        if self.active not in self.layers:
            self._make_active(self._selected or self._left_over())

    def _on_selection(self, event: Any = None) -> None:
        if self._selected is not None:
            self._make_active(self._selected)

    def _on_name(self, event: Any = None) -> None:
        self.layers_changed.emit()

    def _left_over(self) -> Image | None:
        """Return the topmost image, for when the active one left and none is selected."""
        return self.layers[-1] if self.layers else None

    def _make_active(self, layer: Image | None) -> None:
        after = None if layer is None else ref(layer)
        # A removed layer's reference may be dead already: compare references, not layers.
        if after != self._active:
            self._active = after
            self.active_changed.emit(layer)

    def _watch_names(self) -> None:
        self._forget_names()
        for layer in self.layers:
            layer.events.name.connect(self._on_name)
            self._named.append(ref(layer))

    def _forget_names(self) -> None:
        for reference in self._named:
            layer = reference()
            if layer is not None:
                layer.events.name.disconnect(self._on_name)
        self._named = []

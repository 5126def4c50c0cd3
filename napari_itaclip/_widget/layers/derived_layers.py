"""Layers that are derived from an image layer: kept, updated in place, forgotten when deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_itaclip._widget.layers.placement import apply_geometry

_MARK = "napari-itaclip-derived"
"""Key in a layer's metadata that tells it from a person's own layers."""


def is_derived_layer(layer: Layer) -> bool:
    """Whether this is one of our own layers: never to be segmented, never to be followed."""
    return _MARK in layer.metadata


def derived_mark(role: str) -> dict[str, Any]:
    """Return the metadata of a derived layer."""
    return {_MARK: role}


@dataclass
class Derived:
    """A derived layer and what was last written to it.

    Attributes
    ----------
    layer : Layer
        The layer.
    geometry : dict
        Where it was put.
    given_name : str
        The name that it got; if it has another one now, that is a person's choice.
    subject : object
        What the caller shows in it.
    """

    layer: Layer
    geometry: dict[str, Any]
    given_name: str
    subject: object = None

    def rename(self, name: str) -> None:
        """Give the layer another name, unless a person chose one."""
        if self.layer.name == self.given_name and self.layer.name != name:
            self.layer.name = name
            # napari may have added a number to keep names apart.
            self.given_name = self.layer.name

    def write(self, values: NDArray[Any], geometry: dict[str, Any]) -> None:
        """Replace the layer's values and move it; arrays of the same shape are written into."""
        layer = self.layer
        same = layer.data.shape == values.shape and layer.data.dtype == values.dtype
        if same:
            layer.data[...] = values
        else:
            # Assigned before it moves: the old values are not to be seen in the new place.
            layer.data = np.array(values)
        self.place(geometry)
        if same:
            layer.refresh(extent=False, highlight=False)

    def place(self, geometry: dict[str, Any]) -> None:
        """Move the layer; one that is in its place is not touched, so that dragging it holds."""
        apply_geometry(self.layer, self.geometry, geometry)
        self.geometry = geometry


class DerivedLayers:
    """Keeps the derived layers of a viewer, by image layer and role.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer that they are added to.

    Attributes
    ----------
    deleted : Signal(object, str)
        A person deleted a derived layer: the image layer and the role. Sent from within napari's
        own deletion, so add or remove no layers in it.
    visible_changed : Signal(object, str, bool)
        A person clicked a derived layer's eye: the image layer, the role, whether it is visible.
    orphaned : Signal()
        An image layer with derived layers was removed. They stay until `sweep` is called, which
        must not happen before napari's deletion has ended.
    """

    deleted = Signal(object, str)
    visible_changed = Signal(object, str, bool)
    orphaned = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._known: WeakKeyDictionary[Layer, dict[str, Derived]] = WeakKeyDictionary()
        self._orphans: list[Layer] = []
        self._busy = False
        viewer.layers.events.removed.connect(self._on_removed)

    def close(self) -> None:
        """Stop listening and remove all derived layers."""
        self.remove(None, None)
        self.sweep()
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def get(self, image: Layer, role: str) -> Derived | None:
        """Return what is known of a derived layer, or None if there is none."""
        return self._known.get(image, {}).get(role)

    def add(self, image: Layer, role: str, layer: Layer, geometry: dict[str, Any]) -> Derived:
        """Add a derived layer on top, without changing which layers are selected."""
        # napari may add a number to keep names apart, so the name is read after that.
        with selection_kept(self._viewer):
            self._viewer.add_layer(layer)
        derived = Derived(layer, geometry, layer.name)
        self._known.setdefault(image, {})[role] = derived
        layer.events.visible.connect(self._on_visible)
        return derived

    def set_visible(self, image: Layer | None, role: str, visible: bool) -> None:
        """Show or hide a derived layer; of all images where None is given.

        To hide is much quicker than to remove: napari collects garbage whenever a layer goes, which
        takes a quarter of a second.
        """
        for owner in (image,) if image is not None else tuple(self._known):
            derived = self.get(owner, role)
            if derived is not None and derived.layer.visible != visible:
                with self._by_ourselves():
                    derived.layer.visible = visible

    def remove(self, image: Layer | None, roles: tuple[str, ...] | None) -> None:
        """Remove derived layers; of all images and in all roles where None is given."""
        images = (image,) if image is not None else tuple(self._known)
        for owner in images:
            family = self._known.get(owner, {})
            for role in tuple(family) if roles is None else roles:
                derived = family.pop(role, None)
                if derived is None:
                    continue
                self._discard(derived.layer, owner)

    def sweep(self) -> None:
        """Remove the derived layers whose image is gone."""
        orphans, self._orphans = self._orphans, []
        for layer in orphans:
            self._discard(layer, None)

    def _discard(self, layer: Layer, image: Layer | None) -> None:
        layers = self._viewer.layers
        if layer not in layers:
            return
        was_active = layers.selection.active is layer
        with self._by_ourselves():
            layers.remove(layer)
        if was_active and image is not None and image in layers:
            layers.selection.active = image

    @contextmanager
    def _by_ourselves(self) -> Iterator[None]:
        """Tell nobody of what is done meanwhile: it is not a person's doing."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _on_visible(self, event: Any) -> None:
        if self._busy:
            return
        for image, members in tuple(self._known.items()):
            for role, derived in members.items():
                if derived.layer is event.source:
                    self.visible_changed.emit(image, role, derived.layer.visible)
                    return

    def _on_removed(self, event: Any) -> None:
        if self._busy:
            return
        gone = event.value
        family = self._known.pop(gone, None)
        if family:
            self._orphans += [derived.layer for derived in family.values()]
            self.orphaned.emit()
            return
        for image, members in tuple(self._known.items()):
            for role, derived in tuple(members.items()):
                if derived.layer is gone:
                    del members[role]
                    self.deleted.emit(image, role)


@contextmanager
def selection_kept(viewer: ViewerModel) -> Iterator[None]:
    """Keep the selection of layers while layers are added.

    napari activates a layer as it is inserted. There is a private switch for that; where it is
    missing, the selection is set back afterwards, and views see a short change.
    """
    layers = viewer.layers
    before, active = set(layers.selection), layers.selection.active
    switch = "_activate_on_insert"
    has_switch = hasattr(layers, switch)
    if has_switch:
        setattr(layers, switch, False)
    try:
        yield
    finally:
        if has_switch:
            setattr(layers, switch, True)
        if set(layers.selection) != before:
            layers.selection.clear()
            layers.selection.update(before)
        if layers.selection.active is not active:
            layers.selection.active = active

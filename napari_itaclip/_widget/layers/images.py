"""The images of a viewer that have been worked on: their labels and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

from napari.layers import Image
from psygnal import Signal

from napari_itaclip._widget.layers.image_input import labels_geometry, layer_id
from napari_itaclip._widget.layers.labels_layer import LabelsBinding
from napari_itaclip.session.target import Target


@dataclass(eq=False)
class ImageEntry:
    """One image layer at one resolution level, its labels layer and its results.

    Attributes
    ----------
    image : weak reference to an Image layer
        The image; a removed layer can go.
    level : int
        Resolution level, 0 for the finest.
    labels : LabelsBinding
        The labels layer.
    target : Target
        What the session knows of it.
    """

    image: ReferenceType[Image]
    level: int
    labels: LabelsBinding
    target: Target


class Images:
    """Makes and drops the entries of a viewer's image layers.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.

    Attributes
    ----------
    dropped : Signal(ImageEntry)
        The image was removed, or its pixels are others: results for it are of no use.
    edited : Signal(ImageEntry)
        A person painted, undid or reset something.
    labels_removed : Signal(ImageEntry)
        The labels layer was deleted.
    replaced : Signal(ImageEntry)
        The image has got other pixels: its labels do not follow the table until the next run.
    class_selected : Signal(ImageEntry, int)
        A person chose a label to paint with.
    """

    dropped = Signal(ImageEntry)
    edited = Signal(ImageEntry)
    labels_removed = Signal(ImageEntry)
    replaced = Signal(ImageEntry)
    class_selected = Signal(ImageEntry, int)

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._entries: dict[tuple[int, int], ImageEntry] = {}
        viewer.layers.events.removed.connect(self._on_removed)

    def get(self, image: Image, level: int) -> ImageEntry:
        """Return the entry of an image at a level, a new one where there is none yet."""
        key = layer_id(image), level
        shape, geometry = labels_geometry(image, level)
        known = self._entries.get(key)
        if known is not None and known.labels.shape == shape:
            return known
        if known is not None:
            self._drop(key)
        suffix = f" level {level}" if level else ""
        labels = LabelsBinding(
            self._viewer, name=f"{image.name}{suffix} labels", shape=shape, geometry=geometry
        )
        entry = ImageEntry(ref(image), level, labels, Target(image.name, labels))
        self._entries[key] = entry
        labels.edited.connect(lambda: self.edited.emit(entry))
        labels.written.connect(lambda _: self.edited.emit(entry))
        labels.removed.connect(lambda: self.labels_removed.emit(entry))
        labels.class_selected.connect(lambda number: self.class_selected.emit(entry, number))
        image.events.data.connect(self._on_data)
        return entry

    def find(self, image: Image | None, level: int) -> ImageEntry | None:
        """Return the entry of an image at a level if there is one."""
        return None if image is None else self._entries.get((layer_id(image), level))

    @property
    def entries(self) -> tuple[ImageEntry, ...]:
        """All entries."""
        return tuple(self._entries.values())

    def close(self) -> None:
        """Let go of everything; the labels layers stay in the viewer."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for key in tuple(self._entries):
            self._drop(key)

    def _on_removed(self, event: Any) -> None:
        for key, entry in tuple(self._entries.items()):
            if entry.image() in (event.value, None):
                self._drop(key)

    def _on_data(self, event: Any) -> None:
        # Other pixels: what was computed from the old ones says nothing about them. The labels,
        # which a person may have corrected, stay with the image unless they do not fit any more.
        image = event.source
        for entry in self._entries.values():
            if entry.image() is image:
                known = bool(entry.target.patches)
                entry.target.patches.clear()
                if known:
                    self.replaced.emit(entry)

    def _drop(self, key: tuple[int, int]) -> None:
        entry = self._entries.pop(key)
        image = entry.image()
        if image is not None:
            image.events.data.disconnect(self._on_data)
        entry.labels.close()
        self.dropped.emit(entry)

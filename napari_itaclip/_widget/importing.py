"""Annotation files of any tool as labels layers on the viewer's images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.export_items import UNLABELLED_KEY
from napari_itaclip._widget.layers.class_colormap import class_colormap
from napari_itaclip._widget.layers.label_sources import (
    NAME_KEY,
    plane_at,
    source_path,
    values_in,
)
from napari_itaclip._widget.layers.label_style import (
    METADATA_KEY,
    OPACITY,
    class_table,
    color_table,
)
from napari_itaclip._widget.layers.layer_follower import is_input
from napari_itaclip._widget.layers.layer_geometry import (
    labels_geometry,
    level_count,
    level_shape,
)
from napari_itaclip.annotation.relabel_ids import holding
from napari_itaclip.errors import FormatError, ImageError
from napari_itaclip.formats.export import import_labels
from napari_itaclip.formats.model import LabelledImage, ReadableDataset
from napari_itaclip.session.outcome import Message, message_of
from napari_itaclip.session.pictures import Plane
from napari_itaclip.session.worker import Post, Ticket, Worker

MOST = 32
"""Images that are opened at once at most."""

_PAGE = re.compile(r"(?P<stem>.+)/p(?P<number>\d{4,})")
_TOO_MANY = f"Choose at most {MOST} images at once."
_UNLABELLED_NAME = "unlabelled"


@dataclass(frozen=True, eq=False)
class Place:
    """Where labels belong.

    Attributes
    ----------
    image : Image layer
        The image.
    level : int
        Its resolution level.
    plane : Plane
        The plane of that level.
    """

    image: Image
    level: int
    plane: Plane


@dataclass(frozen=True, eq=False)
class Imported:
    """A labels layer that was made from a file.

    Attributes
    ----------
    layer : Labels layer
        The layer.
    place : Place or None
        What it lies on; None where no open image fits.
    """

    layer: Labels
    place: Place | None


@dataclass(frozen=True)
class Offer:
    """Images of a data set of which a person chooses.

    Attributes
    ----------
    title : str
        The format and the place.
    names : tuple of str
        The images.
    """

    title: str
    names: tuple[str, ...]


class Importing:
    """Opens annotation files as labels layers.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    controller : Controller
        Tells which image is worked on.
    post : callable
        Brings a function into the main thread.

    Attributes
    ----------
    busy : bool
        Whether files are being read.
    busy_changed : Signal(bool)
        Files are being read, or no more.
    offered : Signal(object)
        `Offer` to choose from; None when there is none any more.
    imported : Signal(object)
        Tuple of `Imported`, and the notes on what was left out: (layers, notes).
    said : Signal(Message)
        Something that a person should read.
    """

    busy_changed = Signal(bool)
    offered = Signal(object)
    imported = Signal(object, object)
    said = Signal(object)

    def __init__(self, viewer: Any, controller: Controller, post: Post) -> None:
        self.viewer = viewer
        self.controller = controller
        self.busy = False
        self.dataset: ReadableDataset | None = None
        self._path = Path()
        self._worker = Worker(post)

    def close(self) -> None:
        """Stop reading, without waiting for a slow disk."""
        self._worker.close(wait=False)

    # ---- what a person does ---------------------------------------------------------------------

    def open(self, path: Path, format_name: str | None = None) -> None:
        """Read annotations.

        Parameters
        ----------
        path : Path
            A file or folder.
        format_name : str, optional
            Their format; None finds it out.
        """
        self.dismiss()

        def work() -> Callable[[], None]:
            found = import_labels(path, format_name)
            if not found.names:
                raise FormatError(f"{path} holds no labelled images.")
            return lambda: self._on_found(path, found)

        self._ask(work)

    def choose(self, names: Sequence[str]) -> None:
        """Open images of the data set that was offered."""
        dataset, path = self.dataset, self._path
        if dataset is None or not names:
            return
        if len(names) > MOST:
            self.said.emit(Message(_TOO_MANY, "warning"))
            return

        def work() -> Callable[[], None]:
            items = [dataset.load(name) for name in names]
            return lambda: self._on_loaded(path, dataset, items)

        self._ask(work)

    def dismiss(self) -> None:
        """Choose none of what is offered."""
        self.dataset = None
        self.offered.emit(None)

    # ---- step by step ---------------------------------------------------------------------------

    def _ask(self, work: Callable[[], Callable[[], None]]) -> None:
        """Run ``work`` in the other thread, and what it returns in this one."""

        def run(ticket: Ticket) -> None:
            then = work()

            def arrive() -> None:
                if not ticket.stopped:
                    self._set_busy(False)
                    then()

            self._worker.post(arrive)

        self._set_busy(True)
        self._worker.request("import", run, self._on_failure)

    def _set_busy(self, busy: bool) -> None:
        self.busy = busy
        self.busy_changed.emit(busy)

    def _on_failure(self, error: BaseException) -> None:
        self._set_busy(False)
        self.said.emit(message_of(error))

    def _on_found(self, path: Path, found: ReadableDataset) -> None:
        self.dataset, self._path = found, path
        names = found.names
        if len(names) > 1:
            names = tuple(name for name in names if self._named(name) is not None)
        if 0 < len(names) <= MOST:
            self.choose(names)
        else:
            self.offered.emit(Offer(f"{found.format}: {path.name}", found.names))

    def _on_loaded(
        self, path: Path, dataset: ReadableDataset, items: Sequence[LabelledImage]
    ) -> None:
        self.dismiss()
        notes = list(dataset.notes)
        groups: dict[tuple[int, int], list[tuple[LabelledImage, Place]]] = {}
        made: list[Imported] = []
        for item in items:
            place = self._place(item)
            if place is None:
                made.append(self._add_alone(item, path, dataset.format))
            else:
                groups.setdefault((id(place.image), place.level), []).append((item, place))
        made += [self._add_on(group, path, dataset.format) for group in groups.values()]
        lost = [one.layer.name for one in made if one.place is None]
        if lost:
            notes.insert(0, f"No open image fits {', '.join(lost)}: open it to see both.")
        self.imported.emit(tuple(made), tuple(notes))

    # ---- where they belong ----------------------------------------------------------------------

    def _named(self, name: str) -> tuple[Image, int | None] | None:
        """Return the open image that a name means, and the number of its slice."""
        match = _PAGE.fullmatch(name)
        wanted: list[tuple[str, int | None]] = [(name, None), (name.rsplit("/", 1)[-1], None)]
        if match:
            stem, number = match["stem"], int(match["number"]) - 1
            wanted = [(stem, number), (stem.rsplit("/", 1)[-1], number), *wanted]
        for text, at in wanted:
            for layer in reversed(self.viewer.layers):
                if is_input(layer) and text in _names_of(layer) and (at is None or layer.ndim > 2):
                    return layer, at
        return None

    def _place(self, item: LabelledImage) -> Place | None:
        """Return where labels belong: on the image of their name, else on one of their size."""
        named = self._named(item.name)
        if named is not None:
            place = self._fit(named[0], named[1], item.shape)
            if place is not None:
                return place
        images = [layer for layer in reversed(self.viewer.layers) if is_input(layer)]
        images.sort(key=lambda layer: layer is not self.controller.image)
        found = (self._fit(layer, None, item.shape) for layer in images)
        return next((place for place in found if place is not None), None)

    def _fit(self, image: Image, number: int | None, shape: tuple[int, int]) -> Place | None:
        """Return the plane of an image that has a shape."""
        for level in range(level_count(image)):
            try:
                plane = plane_at(image, self.viewer, level, number)
            except ImageError:  # the sliders stand outside of it
                return None
            if plane.shape(level_shape(image, level)) == shape:
                return Place(image, level, plane)
        return None

    # ---- layers ---------------------------------------------------------------------------------

    def _add_alone(self, item: LabelledImage, path: Path, format_name: str) -> Imported:
        layer = self._add(_narrow(item.labels), (item,), path, format_name, item.name, {})
        return Imported(layer, None)

    def _add_on(
        self, group: Sequence[tuple[LabelledImage, Place]], path: Path, format_name: str
    ) -> Imported:
        place = group[0][1]
        shape, geometry = labels_geometry(place.image, place.level)
        highest = max(int(item.labels.max()) for item, _ in group)
        data = np.zeros(shape, holding(np.dtype(np.uint16), highest))
        for item, at in group:
            at.plane.cut(data)[...] = item.labels
        name = f"{place.image.name} labels ({format_name})"
        items = [item for item, _ in group]
        return Imported(self._add(data, items, path, format_name, name, geometry), place)

    def _add(
        self,
        data: NDArray[np.integer[Any]],
        items: Sequence[LabelledImage],
        path: Path,
        format_name: str,
        name: str,
        geometry: dict[str, Any],
    ) -> Labels:
        classes = items[0].classes
        names = {one.id: one.name for one in classes}
        present = frozenset[int]().union(*(values_in(item.labels) for item in items))
        about: dict[str, Any] = {
            "source": str(path),
            "format": format_name,
            "classes": [{"id": one.id, "name": one.name, "color": one.color} for one in classes],
            "background": items[0].background.id if items[0].background else None,
            NAME_KEY: _stem(items[0].name) if data.ndim > 2 else items[0].name,
            UNLABELLED_KEY: sorted(present - set(names)),
        }
        georeference = items[0].georeference
        if georeference is not None and len(items) == 1:
            about["georeference"] = {
                "transform": list(georeference.transform),
                "crs": georeference.crs,
            }
        return self.viewer.add_labels(
            data,
            name=name,
            opacity=OPACITY,
            features=class_table({0: _UNLABELLED_NAME} | names),
            colormap=class_colormap(color_table({one.id: one.color for one in classes})),
            metadata={METADATA_KEY: about},
            **geometry,
        )


def _names_of(layer: Image) -> tuple[str, ...]:
    """Return what an image may be called in a data set."""
    path = source_path(layer)
    return (layer.name,) if path is None else (layer.name, path.stem)


def _stem(name: str) -> str:
    """Return the name of a stack from that of one of its slices."""
    match = _PAGE.fullmatch(name)
    return match["stem"] if match else name


def _narrow(labels: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Return labels in numbers that any class of a table fits into."""
    return labels.astype(holding(np.dtype(np.uint16), int(labels.max())))

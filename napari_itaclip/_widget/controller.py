"""Between the viewer and the session: which image, which plane, whose labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import ReferenceType, ref

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_itaclip._widget.layers.image_input import (
    LayerFollower,
    Scope,
    default_level,
    layer_id,
    level_count,
    pictures_of,
    scope_problem,
)
from napari_itaclip._widget.layers.images import ImageEntry, Images
from napari_itaclip._widget.layers.layer_geometry import current_plane
from napari_itaclip.errors import ImageError, ItaclipError
from napari_itaclip.session.outcome import Message, Outcome
from napari_itaclip.session.pictures import Plane, Region
from napari_itaclip.session.session import Session

_COUNTED_PIXELS = 1 << 21
"""Shares are counted on about this many pixels of a plane, evenly spaced: exact below that."""

Statistics = Mapping[int, tuple[float, float]]
"""Share of the plane (0 to 1) and mean confidence (NaN where there is none) by class id."""


class Controller:
    """Connects a viewer with a session.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        What computes.

    Attributes
    ----------
    image_changed : Signal()
        Another image, level or plane is worked on, or there is something new to know about it.
    statistics_changed : Signal(object)
        `Statistics` of the plane in view.
    edits_changed : Signal()
        A person painted, undid or reset something.
    said : Signal(Message)
        Something that a person should read.
    """

    image_changed = Signal()
    statistics_changed = Signal(object)
    edits_changed = Signal()
    said = Signal(object)

    def __init__(self, viewer: Any, session: Session) -> None:
        self.viewer = viewer
        self.session = session
        self.images = Images(viewer)
        self.follower = LayerFollower(viewer)
        self.scope = Scope.WHOLE
        self._image: ReferenceType[Image] | None = None
        self._levels: dict[int, int] = {}
        self.images.dropped.connect(self._on_dropped)
        self.images.edited.connect(self._on_edited)
        self.images.labels_removed.connect(self._on_labels_removed)
        self.images.replaced.connect(self._on_replaced)
        self.images.class_selected.connect(self._on_class_selected)
        self.follower.active_changed.connect(self.choose_image)
        session.labelled.connect(self._on_labelled)
        session.editor.selection_changed.connect(self._select_label)
        for emitter in self._dims_emitters():
            emitter.connect(self._on_dims)
        self.choose_image(self.follower.active)

    def close(self) -> None:
        """Let go of the viewer; what is in it stays."""
        for emitter in self._dims_emitters():
            emitter.disconnect(self._on_dims)
        self.follower.close()
        self.session.labelled.disconnect(self._on_labelled, missing_ok=True)
        self.session.editor.selection_changed.disconnect(self._select_label, missing_ok=True)
        self.images.close()

    # ---- what is worked on ----------------------------------------------------------------------

    @property
    def image(self) -> Image | None:
        """The image that is worked on."""
        return None if self._image is None else self._image()

    @property
    def level(self) -> int:
        """Its resolution level."""
        image = self.image
        if image is None:
            return 0
        chosen = self._levels.get(layer_id(image), default_level(image))
        return min(chosen, level_count(image) - 1)

    @property
    def plane(self) -> Plane | None:
        """The plane that the viewer shows; None when it shows none of this image."""
        image = self.image
        if image is None or image.ndim < 2:
            return None
        try:
            return current_plane(image, self.viewer, self.level)
        except ImageError:
            return None

    @property
    def entry(self) -> ImageEntry | None:
        """Labels and results of the image, if there are any yet."""
        return self.images.find(self.image, self.level)

    def choose_image(self, image: Image | None) -> None:
        """Work on another image."""
        self._image = None if image is None else ref(image)
        self._activate()

    def choose_level(self, level: int) -> None:
        """Work on another resolution level of the image."""
        if self.image is not None:
            self._levels[layer_id(self.image)] = level
            self._activate()

    def choose_scope(self, scope: Scope) -> None:
        """Segment more or less of the image."""
        self.scope = scope

    def problem(self) -> str | None:
        """Return why nothing can be segmented now, or None."""
        if self.image is None:
            return "Open an image first."
        if self.session.editor.vocabulary is None:
            return 'Type what to look for first, such as "building, road, palm tree".'
        return scope_problem(self.image, self.viewer, self.scope)

    # ---- what a person does ---------------------------------------------------------------------

    def segment(self) -> None:
        """Segment what was chosen; problems are told by `said`."""
        try:
            pictures = pictures_of(self.image, self.viewer, self.scope, level=self.level)
            image = self.image
            assert image is not None  # or there were no pictures
            entry = self.images.get(image, self.level)
            entry.labels.revive()
            self._activate()
            self.session.segment(entry.target, pictures)
        except ItaclipError as error:
            self.said.emit(Message(str(error), "error"))

    def undo_last_run(self) -> None:
        """Take the newest automatic labels back."""
        self._with_labels(lambda entry: entry.labels.undo_last_run())

    def reset(self, scope: Scope | None = None, *, class_id: int | None = None) -> None:
        """Give hand edits up; the automatic labels come back in their place.

        Parameters
        ----------
        scope : Scope or None
            Where: a part of the plane in view, the plane, or (None) everywhere.
        class_id : int or None
            Only the pixels that were painted as this class.
        """

        def act(entry: ImageEntry) -> None:
            plane: Plane | None = None
            region: Region | None = None
            if scope is not None:
                picture = pictures_of(self.image, self.viewer, scope, level=self.level)[0]
                plane, region = picture.plane, picture.region
            entry.labels.reset(plane, region, class_id)

        self._with_labels(act)

    def show_edit_mask(self) -> None:
        """Add a layer that shows what was painted."""
        self._with_labels(lambda entry: entry.labels.edit_mask_layer())

    def toggle_labels(self) -> None:
        """Hide the labels, or show them again."""
        entry = self.entry
        if entry is not None and entry.labels.layer is not None:
            entry.labels.layer.visible = not entry.labels.layer.visible

    def _with_labels(self, act: Callable[[ImageEntry], object]) -> None:
        entry = self.entry
        if entry is None or not entry.labels.alive:
            self.said.emit(Message("There are no labels yet: press Segment first.", "warning"))
            return
        try:
            act(entry)
        except ItaclipError as error:
            self.said.emit(Message(str(error), "warning"))
        self.edits_changed.emit()
        self._tell_statistics()

    # ---- what happens ---------------------------------------------------------------------------

    def _dims_emitters(self) -> tuple[Any, ...]:
        events = self.viewer.dims.events
        return events.current_step, events.order, events.ndisplay

    def _on_dims(self, event: Any = None) -> None:
        self._activate()

    def _activate(self) -> None:
        entry = self.entry
        self.session.activate(None if entry is None else entry.target, self.plane)
        self.image_changed.emit()
        self._tell_statistics()

    def _on_dropped(self, entry: ImageEntry) -> None:
        self.session.drop(entry.target)

    def _on_replaced(self, entry: ImageEntry) -> None:
        self.said.emit(
            Message(f"{entry.target.name} has got other pixels. Press Segment to look at them.")
        )

    def _on_labels_removed(self, entry: ImageEntry) -> None:
        if self.session.running is entry.target:
            self.session.cancel()
        if entry is self.entry:
            self.image_changed.emit()
            self._tell_statistics()

    def _on_edited(self, entry: ImageEntry) -> None:
        if entry is self.entry:
            self.edits_changed.emit()
            self._tell_statistics()

    def _on_labelled(self, outcome: Outcome) -> None:
        entry = self.entry
        if entry is not None and outcome.target is entry.target:
            self._select_label()
            self.image_changed.emit()
            if outcome.plane == self.plane:
                self._tell_statistics()

    def _on_class_selected(self, entry: ImageEntry, number: int) -> None:
        if entry.target.lineage == self.session.editor.lineage:
            self.session.editor.select(number)

    def _select_label(self) -> None:
        entry, selected = self.entry, self.session.editor.selected
        if entry is None or selected is None:
            return
        if entry.target.lineage == self.session.editor.lineage:
            entry.labels.select_class(selected)

    def _tell_statistics(self) -> None:
        self.statistics_changed.emit(self._statistics())

    def _statistics(self) -> Statistics:
        entry, plane = self.entry, self.plane
        if entry is None or plane is None or not entry.labels.alive:
            return {}
        if entry.target.lineage != self.session.editor.lineage:
            return {}  # its ids mean other classes than the table's
        labels = plane.cut(entry.labels.layer.data)
        apart = max(1, round((labels.size / _COUNTED_PIXELS) ** 0.5))
        counts = np.bincount(np.ravel(labels[::apart, ::apart]))
        found = np.flatnonzero(counts)
        shares = dict(zip(found.tolist(), (counts[found] / counts.sum()).tolist(), strict=True))
        shown = self.session.shown(entry.target, plane)
        rows = [row for part in shown.outcome.parts for row in part.classes] if shown else []
        sure = {row.id: row.confidence for row in rows if row.pixels}
        ids = {*shares, *sure}
        return {each: (shares.get(each, 0.0), sure.get(each, float("nan"))) for each in ids}

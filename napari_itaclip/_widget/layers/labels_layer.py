"""The labels layer of one image layer: automatic labels come and go, a person's strokes stay."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from psygnal import Signal

from napari_itaclip._widget.layers.class_colormap import class_colormap
from napari_itaclip._widget.layers.label_legend import LabelLegend
from napari_itaclip._widget.layers.label_requests import WriteReport, WriteRequest
from napari_itaclip._widget.layers.label_style import OPACITY
from napari_itaclip._widget.layers.painted_labels import PaintedLabels
from napari_itaclip.annotation.relabel_ids import LegendEntry, holding
from napari_itaclip.session.pictures import PictureLabels, Plane, Region
from napari_itaclip.vocabulary.classes import Vocabulary

__all__ = ["LabelsBinding", "WriteReport"]

HISTORY_BYTES = 256 * 2**20
"""Most memory for undoing automatic writes."""


class LabelsBinding:
    """The labels layer that belongs to one image layer.

    The layer is made by the first `write`. From then on what a person paints in it is kept: no
    automatic write changes those pixels until they are given free by `reset`.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where the layer goes.
    name : str
        Name of the layer.
    shape : tuple of int
        Shape of the labels.
    geometry : mapping
        ``scale``, ``translate`` and so on, as ``viewer.add_labels`` takes them.
    history_bytes : int
        Most memory for undoing automatic writes; beyond it the oldest steps cannot be undone.
    """

    edited = Signal()
    """A person's strokes were added, taken back or reset, or an automatic write was taken back."""
    written = Signal(object)
    """A write that waited for the end of a stroke was done: its `WriteReport`."""
    removed = Signal()
    """The layer was deleted, or got data of another shape: the binding has let go of it."""
    class_selected = Signal(int)
    """The person chose a label to paint with in napari."""

    def __init__(
        self,
        viewer: Any,
        *,
        name: str,
        shape: tuple[int, ...],
        geometry: Mapping[str, Any],
        history_bytes: int = HISTORY_BYTES,
    ) -> None:
        self.name = name
        self.shape = tuple(shape)
        self.geometry = dict(geometry)
        self._viewer = viewer
        self._history_bytes = history_bytes
        self._painted: PaintedLabels | None = None
        self._legend = LabelLegend()
        self._hidden: frozenset[int] = frozenset()
        self._shown: tuple[Any, Any] = (None, None)
        self._gone = False
        self._waiting: list[WriteRequest] = []
        self._selected: int | None = None
        self._mask_layer: Any = None
        viewer.layers.events.removed.connect(self._on_layer_removed)

    # ---- what there is -------------------------------------------------------------------------

    @property
    def layer(self) -> Any:
        """The `napari.layers.Labels`; None before the first write and after its removal."""
        return None if self._painted is None else self._painted.layer

    @property
    def alive(self) -> bool:
        """Whether there is a layer."""
        return self._painted is not None

    @property
    def edit_count(self) -> int:
        """Number of pixels that a person painted."""
        if self._painted is None:
            return 0
        self._painted.settle()
        return self._painted.edits.count

    @property
    def edit_mask(self) -> Any:
        """Which pixels a person painted: ndarray of bool of the labels' shape, or None."""
        if self._painted is None:
            return None
        self._painted.settle()
        return self._painted.edits.mask

    @property
    def can_undo_last_run(self) -> bool:
        """Whether the newest change is an automatic write."""
        if self._painted is None:
            return False
        self._painted.settle()
        top = self._painted.journal.top
        return top is not None and top.step is not None

    @property
    def extra_classes(self) -> Mapping[int, LegendEntry]:
        """Classes of earlier vocabularies that still have pixels here, by their values."""
        if self._painted is None or not self._legend.extra:
            return {}
        return self._legend.extra_in(self._painted.present())

    @property
    def legend(self) -> Mapping[int, LegendEntry]:
        """What the layer's values mean or have meant, classes that were removed included."""
        return self._legend.entries

    # ---- automatic labels ----------------------------------------------------------------------

    def write(
        self,
        patches: Sequence[PictureLabels],
        *,
        step: Hashable,
        vocabulary: Vocabulary,
        lineage: int,
        provenance: Mapping[str, Any],
        locked: frozenset[int] = frozenset(),
    ) -> WriteReport | None:
        """Write automatic labels around what a person painted.

        Parameters
        ----------
        patches : sequence of PictureLabels
            New labels; where two overlap, the later one wins.
        step : hashable
            Writes of one step are taken back together by Ctrl+Z, unless a stroke came between.
            Not None. After a person took a step back, its further writes are dropped.
        vocabulary : Vocabulary
            The classes that the labels mean.
        lineage : int
            Changes when another vocabulary is loaded; labels that are there are carried over to
            it by their class names.
        provenance : mapping
            Goes into the layer's metadata.
        locked : frozenset of int
            Classes whose pixels stay as they are.

        Returns
        -------
        WriteReport or None
            None if the layer was removed, see `revive`.

        Raises
        ------
        ValueError
            If a patch does not fit the layer.
        """
        if self._gone:
            return None
        request = WriteRequest(tuple(patches), step, vocabulary, lineage, provenance, locked)
        request.check(self.shape)
        if self._painted is not None:
            self._painted.settle()
            if self._painted.drawing:
                self._waiting = [old for old in self._waiting if not old.places <= request.places]
                self._waiting.append(request)
                return WriteReport(waiting=True)
        return self._write(request)

    def _write(self, request: WriteRequest) -> WriteReport:
        highest = max(
            *request.vocabulary.ids, *(int(patch.labels.max()) for patch in request.patches), 0
        )
        if self._painted is None:
            self._made_by = request.step
        painted = self._painted or self._make_layer(highest)
        self._take_vocabulary(request.vocabulary, request.lineage)
        painted.widen(highest)
        self._show_classes()
        return painted.write(
            request.patches,
            step=request.step,
            provenance=request.provenance,
            locked=request.locked,
        )

    def revive(self) -> None:
        """Allow the next `write` to make a new layer after the old one was removed."""
        self._gone = False

    def undo_last_run(self) -> None:
        """Take the newest automatic write back.

        Raises
        ------
        EditsError
            If there is none, or if something was painted since.
        """
        if self._painted is not None:
            self._painted.undo_last_run()

    def revert(self, step: Hashable) -> bool:
        """Take back what was written as one step, as when a run is cancelled.

        Parameters
        ----------
        step : hashable
            As for `write`. Writes of it that come later, or still wait, are dropped.

        Returns
        -------
        bool
            False if it stays, because strokes or other steps lie on top of it. A layer that was
            made by this step goes with it, unless something was painted there.
        """
        self._waiting = [request for request in self._waiting if request.step != step]
        if self._painted is None:
            return True
        if not self._painted.revert(step):
            return False
        if step == self._made_by and not self._painted.edits.count:
            layer = self.layer
            self._release()
            self._viewer.layers.remove(layer)
        return True

    # ---- hand edits ----------------------------------------------------------------------------

    def reset(
        self,
        plane: Plane | None = None,
        region: Region | None = None,
        class_id: int | None = None,
    ) -> int:
        """Make hand edits the last automatic labels again, as one step that can be undone.

        Parameters
        ----------
        plane : Plane or None
            Only in this plane; None for everywhere.
        region : Region or None
            Only in this rectangle of the plane.
        class_id : int or None
            Only where a person painted this class.

        Returns
        -------
        int
            Number of pixels that are no longer hand edits.

        Raises
        ------
        EditsError
            If a stroke is being painted.
        """
        return 0 if self._painted is None else self._painted.reset(plane, region, class_id)

    def edit_mask_layer(self) -> Any:
        """Show which pixels a person painted in a labels layer of its own: 1, elsewhere 0.

        The layer is a copy as of now; calling again brings it up to date.
        """
        mask = self.edit_mask
        if mask is None:
            return None
        copy = mask.astype(np.uint8)
        if self._mask_layer is not None and self._mask_layer in self._viewer.layers:
            self._mask_layer.data = copy
            return self._mask_layer
        self._mask_layer = self._viewer.add_labels(
            copy, name=f"{self.layer.name} hand edits", **self.geometry
        )
        return self._mask_layer

    # ---- looks ---------------------------------------------------------------------------------

    def style(
        self, vocabulary: Vocabulary | None, hidden: Collection[int] = (), *, lineage: int
    ) -> None:
        """Show classes in their colours and with their names; labels and history stay.

        With another lineage, labels are carried over by their class names at once.

        Parameters
        ----------
        vocabulary : Vocabulary or None
            The classes; None leaves the old ones.
        hidden : collection of int
            Classes that are transparent.
        lineage : int
            As for `write`.
        """
        self._hidden = frozenset(hidden)
        if self._painted is None:
            return
        self._take_vocabulary(vocabulary, lineage)
        self._show_classes()

    def select_class(self, class_id: int) -> None:
        """Let the person paint with a class."""
        if self._painted is not None and self.layer.selected_label != class_id:
            self._painted.widen(class_id)
            self._selected = class_id
            self.layer.selected_label = class_id

    def close(self) -> None:
        """Let go of the layer, which stays in the viewer as it is."""
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._release()
        self._gone = True

    def _take_vocabulary(self, vocabulary: Vocabulary | None, lineage: int) -> None:
        painted = self._painted
        present = (
            painted.present()
            if painted is not None and self._legend.lineage not in (None, lineage)
            else ()
        )
        relabelling = self._legend.change_for(vocabulary, lineage, present)
        if painted is not None and relabelling is not None:
            painted.relabel(relabelling)
        self._legend.take(vocabulary, lineage, relabelling)

    def _show_classes(self) -> None:
        colors, table = self._legend.colors(self._hidden), self._legend.table()
        if table != self._shown[1]:
            self.layer.features = table
        if colors != self._shown[0]:
            self.layer.colormap = class_colormap(colors)
        self._shown = (colors, table)

    # ---- the layer's life ----------------------------------------------------------------------

    def _make_layer(self, highest: int) -> PaintedLabels:
        selection = set(self._viewer.layers.selection)
        layer = self._viewer.add_labels(
            np.zeros(self.shape, holding(np.dtype(np.uint16), highest)),
            name=self.name,
            opacity=OPACITY,
            **self.geometry,
        )
        if selection:
            # The person did not choose the new layer.
            self._viewer.layers.selection = selection
        self._legend = LabelLegend()
        self._shown = (None, None)
        self._selected = layer.selected_label
        self._painted = PaintedLabels(
            layer,
            history_bytes=self._history_bytes,
            on_edited=self.edited.emit,
            on_idle=self._write_what_waited,
            on_replaced=self._let_go,
        )
        layer.events.selected_label.connect(self._on_selected_label)
        return self._painted

    def _write_what_waited(self) -> None:
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self.written.emit(self._write(request))

    def _on_selected_label(self, event: Any = None) -> None:
        # napari announces this for a new colormap, too.
        selected = int(self.layer.selected_label)
        if selected != self._selected:
            self._selected = selected
            self.class_selected.emit(selected)

    def _on_layer_removed(self, event: Any) -> None:
        if self._painted is not None and event.value is self.layer:
            self._let_go()

    def _let_go(self) -> None:
        self._release()
        self._gone = True
        self.removed.emit()

    def _release(self) -> None:
        if self._painted is not None:
            self.layer.events.selected_label.disconnect(self._on_selected_label)
            self._painted.close()
        self._painted = None
        self._waiting.clear()

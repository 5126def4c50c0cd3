"""Reading and writing one labels layer without losing what a person paints in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_itaclip._widget.layers.edit_journal import EditJournal, Record
from napari_itaclip._widget.layers.label_history import (
    LabelHistory,
    repeat_publicly,
    set_publicly,
    touched_by,
)
from napari_itaclip._widget.layers.label_requests import WriteReport
from napari_itaclip._widget.layers.label_style import METADATA_KEY, provenance_metadata
from napari_itaclip.annotation.automatic_labels import contains, continued, is_void, put_automatic
from napari_itaclip.annotation.hand_edits import (
    AutomaticChange,
    Block,
    EditsError,
    HandEdits,
    Labels,
    as_block,
    block_of,
    planes_of,
    smallest_box,
)
from napari_itaclip.annotation.relabel_ids import Relabelling, holding, values_in
from napari_itaclip.session.pictures import PictureLabels, Plane, Region


class PaintedLabels:
    """A labels layer, its hand edits, and the history of both.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer, as it was made: nobody has painted in it yet.
    history_bytes : int
        Most memory for undoing automatic writes.
    on_edited
        Called when a person's strokes were added or taken back, or an automatic write was.
    on_idle
        Called when a stroke may have ended.
    on_replaced
        Called when somebody gave the layer data that its hand edits do not fit.
    """

    def __init__(
        self,
        layer: Any,
        *,
        history_bytes: int,
        on_edited: Callable[[], None],
        on_idle: Callable[[], None],
        on_replaced: Callable[[], None],
    ) -> None:
        self.layer = layer
        self.edits = HandEdits(layer.data.shape, layer.data.dtype)
        self.history = LabelHistory(layer, self.settle)
        self.journal = EditJournal(self.edits, self.history, history_bytes)
        self._on_edited, self._on_idle, self._on_replaced = on_edited, on_idle, on_replaced
        self._written: list[Block] = []
        self._busy = False
        self._heard_paint = False
        layer.events.paint.connect(self._on_paint)
        layer.events.labels_update.connect(self.settle)
        layer.events.data.connect(self._on_data)

    @property
    def drawing(self) -> bool:
        """Whether the layer must not be written at the moment."""
        return self._busy or self.history.drawing

    def close(self) -> None:
        """Let go of the layer and leave it as it is."""
        self.history.close()
        self.layer.events.paint.disconnect(self._on_paint)
        self.layer.events.labels_update.disconnect(self.settle)
        self.layer.events.data.disconnect(self._on_data)

    # ---- following the person ------------------------------------------------------------------

    def settle(self, event: Any = None) -> None:
        """Take over what was painted, taken back and repeated since the last call."""
        if self._busy:
            return
        if self.history.supported:
            self.history.end_broken_stroke()
        if self.drawing:
            return
        self._follow()
        self._on_idle()

    def _follow(self) -> None:
        if not self.history.supported:
            self._follow_blindly()
            return
        news = self.journal.sync()
        for record, forward in news:
            if record.step is not None:
                self._say(record.provenance_after if forward else record.provenance_before)
        if news:
            self._on_edited()

    def _follow_blindly(self) -> None:
        """Without napari's history, believe that what is not painted is automatic."""
        np.copyto(
            self.edits.automatic,
            np.asarray(self.layer.data),
            where=~self.edits.mask,
            casting="unsafe",
        )
        if self._heard_paint:
            self._heard_paint = False
            self._on_edited()

    def _on_paint(self, event: Any) -> None:
        # napari tells of some edits before their pixels are in the data: nothing may be written
        # now, not even by those who are told here.
        if self._busy:
            return
        with self._while_busy():
            if self.history.supported:
                self._follow()
                return
            for atom in getattr(event, "value", ()):
                touched = touched_by(atom, self.layer.data.shape)
                if touched is not None:
                    self.edits.mark(*touched)
                    self._heard_paint = True

    def _on_data(self, event: Any) -> None:
        if self._busy:
            return
        data = self.layer.data
        if not isinstance(data, np.ndarray) or data.shape != self.edits.mask.shape:
            self._on_replaced()
            return
        self._absorb(tuple(slice(0, size) for size in data.shape))
        # The old history would write old pixels into the new array.
        self.journal.forget()
        self._on_edited()

    def _absorb(self, block: Block) -> None:
        """Mark pixels that somebody wrote into the array by other ways than painting."""
        where = self.edits.unnoticed(block, self.layer.data[block])
        if where is not None:
            self.edits.mark(block, where)
            self.journal.forget()
            self._on_edited()

    # ---- writing -------------------------------------------------------------------------------

    def write(
        self,
        patches: Sequence[PictureLabels],
        *,
        step: Hashable,
        provenance: Mapping[str, Any],
        locked: Collection[int],
    ) -> WriteReport:
        """Write automatic labels as one step; see `LabelsBinding.write`."""
        self.settle()
        if self.journal.was_undone(step):
            return WriteReport(undone=True)
        with self._while_busy():
            report = self._write(patches, step, dict(provenance), locked)
        self.settle()
        return report

    def _write(
        self,
        patches: Sequence[PictureLabels],
        step: Hashable,
        provenance: dict[str, Any],
        locked: Collection[int],
    ) -> WriteReport:
        top = self.journal.top
        before = self.layer.metadata.get(METADATA_KEY)
        changes: list[AutomaticChange] = []
        changed = kept = 0
        for patch in patches:
            block = block_of(patch.plane, patch.region, self.edits.mask.shape)
            self._absorb(block)
            # 0 in a place without labels is no class that could be locked.
            known = any(contains(old, block) for old in self._written)
            result = put_automatic(
                self.layer.data,
                self.edits,
                block,
                as_block(patch.plane, patch.labels),
                locked=locked if known else {*locked} - {0},
                before=None if changes else self._known_labels(block),
            )
            if not known:
                self._written.append(block)
            changed, kept = changed + result.changed, kept + result.kept
            if result.change is not None:
                changes.append(result.change)
        self._say(provenance)
        if changes:
            # Unnoticed edits empty the history, also of the item that would be continued.
            continues = top is not None and top is self.journal.top and top.is_step(step)
            self._record(top if continues else None, changes, step, before)
        if changed:
            self._refresh()
        return WriteReport(changed, kept)

    def _known_labels(self, block: Block) -> Labels | None:
        """Return the history's copy of a box as it is now, if there is one: saves memory."""
        top = self.journal.top
        if top is None or top.step is None:
            return None
        last = top.automatic[-1]
        return last.after if last.block == block else None

    def _record(
        self,
        record: Record | None,
        changes: list[AutomaticChange],
        step: Hashable,
        before: Any,
    ) -> None:
        after = self.layer.metadata.get(METADATA_KEY)
        if not self.history.supported:
            with self._while_busy():
                repeat_publicly(self.layer, changes)
            return
        if record is None and not any(change.after is not None for change in changes):
            self.journal.amend_top(changes)
            return
        if record is None:
            record = Record(None, automatic=changes, step=step, provenance_before=before)
            record.provenance_after = after
            self.journal.push(record, _atoms_of(record))
            return
        for change in changes:
            record.automatic = continued(record.automatic, change, self.layer.data, self.edits)
        record.provenance_after = after
        if all(is_void(change) for change in record.automatic):
            self.journal.drop_top()
        else:
            self.journal.replace_top(record, _atoms_of(record))

    # ---- going back ----------------------------------------------------------------------------

    def reset(self, plane: Plane | None, region: Region | None, class_id: int | None) -> int:
        """Make hand edits the last automatic labels again; see `LabelsBinding.reset`."""
        self.settle()
        if self.drawing:
            raise EditsError("a stroke is being painted: end it before edits are reset")
        shape = self.edits.mask.shape
        if plane is None and region is not None:
            raise ValueError("a rectangle needs the plane that it lies in")
        planes = planes_of(shape) if plane is None else [block_of(plane, region, shape)]
        record = Record(None)
        atoms = [atom for outer in planes for atom in self._reset_block(outer, class_id, record)]
        count = sum(int(np.count_nonzero(mark.where)) for mark in record.marks)
        if not atoms:
            return 0
        if self.history.supported:
            record.anchor = atoms[0]
            self.journal.push(record, atoms)
        self._refresh()
        self._on_edited()
        return count

    def _reset_block(
        self, outer: Block, class_id: int | None, record: Record
    ) -> Iterator[tuple[Block, Labels, Labels]]:
        data = self.layer.data
        where = self.edits.mask[outer].copy()
        if class_id is not None:
            where &= data[outer] == class_id
        inner = smallest_box(where)
        if inner is None:
            return
        block = tuple(
            slice(a.start + b.start, a.start + b.stop) for a, b in zip(outer, inner, strict=True)
        )
        where = where[inner]
        before = np.array(data[block])
        after = np.where(where, self.edits.automatic[block], before).astype(data.dtype)
        change = self.edits.clear(block, where)
        if change is not None:
            record.marks.append(change)
        if self.history.supported:
            data[block] = after
        else:
            with self._while_busy():
                set_publicly(self.layer, block, after)
        yield block, before, after

    def undo_last_run(self) -> None:
        """Take the newest automatic write back; see `LabelsBinding.undo_last_run`."""
        self.settle()
        if self.drawing:
            raise EditsError("a stroke is being painted: end it before the last run is taken back")
        top = self.journal.top
        if top is None:
            raise EditsError("there is no run to take back")
        if top.step is None:
            raise EditsError(
                "you have painted since the last run: take that back first (Ctrl+Z in the layer), "
                "or keep it and run again"
            )
        self.layer.undo()

    def revert(self, step: Hashable) -> bool:
        """Take back what was written as one step; see `LabelsBinding.revert`."""
        self.settle()
        top = self.journal.top
        if top is None or not top.is_step(step):
            return not self.journal.holds(step)
        if self.drawing:
            return False
        self.layer.undo()
        return True

    # ---- other values --------------------------------------------------------------------------

    def present(self) -> set[int]:
        """Return all label values that the layer holds, shown or beneath paint."""
        return values_in(self.layer.data) | values_in(self.edits.automatic)

    def relabel(self, relabelling: Relabelling) -> None:
        """Change label values everywhere, also in the history."""
        self.settle()
        if not relabelling.moves:
            return
        self.widen(relabelling.highest)
        for array in (self.layer.data, self.edits.automatic):
            for block in planes_of(array.shape):
                if array[block].any():
                    array[block] = relabelling.apply(array[block])
        self.journal.relabel(relabelling)
        self._refresh()

    def widen(self, highest: int) -> None:
        """Make sure that the layer can hold a label value."""
        data = self.layer.data
        dtype = holding(data.dtype, highest)
        if self.edits.automatic.dtype != dtype:
            self.edits.automatic = self.edits.automatic.astype(dtype)
        if data.dtype != dtype:
            editable = self.layer.editable
            with self._while_busy():
                self.layer.data = data.astype(dtype)
                if self.layer.editable != editable:
                    self.layer.editable = editable

    @contextmanager
    def _while_busy(self) -> Iterator[None]:
        previous, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = previous

    def _say(self, provenance: Any) -> None:
        """Write down in the layer how its labels were made."""
        others = {
            key: value for key, value in self.layer.metadata.items() if key != "napari-itaclip"
        }
        said = {} if provenance is None else provenance_metadata(provenance)
        self.layer.metadata = {**others, **said}

    def _refresh(self) -> None:
        self.layer.refresh(extent=False, highlight=False)


def _atoms_of(record: Record) -> list[tuple[Block, Labels, Labels]]:
    """Return what napari needs to take a record back; sets the record's anchor."""
    atoms = [
        (change.block, change.before, change.after)
        for change in record.automatic
        if change.before is not None and change.after is not None
    ]
    record.anchor = atoms[0]
    return atoms

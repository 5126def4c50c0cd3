"""Keeps the hand-edit mask in step with what a person undoes and repeats in napari.

For each item of napari's history there is a record here of what it meant for the mask and for the
automatic labels. napari tells nobody about Ctrl+Z, so `EditJournal.sync` compares its own list with
napari's: records whose item is gone are taken back, records whose item returned are repeated, and
items that nobody announced are strokes of a person.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_itaclip._widget.layers.label_history import LabelHistory, relabelled, touched_by
from napari_itaclip.annotation.hand_edits import AutomaticChange, HandEdits, Labels, MaskChange
from napari_itaclip.annotation.relabel_ids import Relabelling


@dataclass(eq=False)
class Record:
    """What one item of the history did.

    Attributes
    ----------
    anchor
        The item's first atom. napari makes new lists of the same atoms, so the atom's identity is
        what an item is known by.
    marks : list of MaskChange
        Pixels that were marked as painted or no longer are.
    automatic : list of AutomaticChange
        New automatic labels.
    step : hashable or None
        What was asked for, if this is an automatic write; None for a person's stroke or reset.
    provenance_before, provenance_after
        What the layer's metadata said about the automatic labels.
    """

    anchor: Any
    marks: list[MaskChange] = field(default_factory=list)
    automatic: list[AutomaticChange] = field(default_factory=list)
    step: Hashable | None = None
    provenance_before: Any = None
    provenance_after: Any = None

    def is_item(self, item: Sequence[Any]) -> bool:
        """Tell whether this is the record of an item of napari's history."""
        return bool(item) and (item[0] is self.anchor or item[-1] is self.anchor)

    def is_step(self, step: Hashable) -> bool:
        """Tell whether this is an automatic write of a step."""
        return self.step is not None and self.step == step

    def apply(self, edits: HandEdits, *, forward: bool) -> None:
        """Repeat what the item did to mask and automatic labels, or take it back."""
        for mark in self.marks if forward else reversed(self.marks):
            edits.apply(mark, forward=forward)
        for change in self.automatic if forward else reversed(self.automatic):
            change.apply(edits, forward=forward)


class EditJournal:
    """The records of one layer's history.

    Parameters
    ----------
    edits : HandEdits
        Mask and automatic labels; replaced when the layer gets another type of data.
    history : LabelHistory
        napari's side.
    budget_bytes : int
        Most memory for automatic items. The oldest items go first, together with everything older,
        because an undo that leaves one out would not lead back to what was there.
    """

    def __init__(self, edits: HandEdits, history: LabelHistory, budget_bytes: int) -> None:
        self.edits = edits
        self.history = history
        self.budget_bytes = budget_bytes
        self._done: list[Record] = []
        self._undone: list[Record] = []
        self._undo_deque: Any = self._deque()

    @property
    def top(self) -> Record | None:
        """The record of what Ctrl+Z would take back."""
        return self._done[-1] if self._done else None

    def was_undone(self, step: Hashable) -> bool:
        """Tell whether a person took back an automatic write of this step."""
        return any(record.is_step(step) for record in self._undone)

    def holds(self, step: Hashable) -> bool:
        """Tell whether an automatic write of this step could be taken back, now or later."""
        return any(record.is_step(step) for record in self._done)

    # ---- following napari ----------------------------------------------------------------------

    def sync(self) -> list[tuple[Record, bool]]:
        """Take over what happened in napari since the last call.

        Returns
        -------
        list of (Record, bool)
            What was repeated or is new (True) and what was taken back (False), in order.
        """
        if not self.history.supported:
            return []
        if self._deque() is not self._undo_deque:
            # napari started a new history (the layer was made read-only): what is there stays.
            self._undo_deque = self._deque()
            self._done, self._undone = [], []
        items = self.history.undo_items
        if len(items) == len(self._done) and (not items or self._done[-1].is_item(items[-1])):
            return []
        return list(self._catch_up(list(items)))

    def _catch_up(self, items: list[list[Any]]) -> Iterator[tuple[Record, bool]]:
        present = {id(atom) for item in items if item for atom in (item[0], item[-1])}
        while self._done and id(self._done[-1].anchor) not in present:
            record = self._done.pop()
            record.apply(self.edits, forward=False)
            self._undone.append(record)
            yield record, False
        # napari keeps a hundred items; the oldest ones can no longer be taken back.
        while self._done and not self._done[0].is_item(items[0]):
            del self._done[0]
        for item in items[len(self._done) :]:
            yield self._record_of(item), True
        kept = {id(atom) for item in self.history.redo_items for atom in (item[0], item[-1])}
        self._undone = [record for record in self._undone if id(record.anchor) in kept]

    def _record_of(self, item: list[Any]) -> Record:
        """Return the record of an item that is back, or make that of a new stroke."""
        record = next((known for known in self._undone if known.is_item(item)), None)
        if record is not None:
            self._undone.remove(record)
            record.apply(self.edits, forward=True)
        else:
            record = Record(item[0], self._marks_of(item))
        self._done.append(record)
        return record

    def _marks_of(self, item: list[Any]) -> list[MaskChange]:
        shape = self.edits.mask.shape
        touched = [found for atom in item if (found := touched_by(atom, shape)) is not None]
        touched += self.history.same_paint
        self.history.same_paint.clear()
        changes = (self.edits.mark(block, where) for block, where in touched)
        return [change for change in changes if change is not None]

    # ---- adding --------------------------------------------------------------------------------

    def push(self, record: Record, atoms: Sequence[Any]) -> None:
        """Add an item of the plug-in's own to napari's history, with its record."""
        self.history.push(atoms)
        self._undone.clear()
        self._done.append(record)
        if len(self._done) > len(self.history.undo_items):
            del self._done[0]
        self._keep_budget()

    def replace_top(self, record: Record, atoms: Sequence[Any]) -> None:
        """Give the newest item other atoms: it was continued."""
        self.history.redo_items.clear()
        self._undone.clear()
        self.history.undo_items[-1][:] = atoms
        self._done[-1] = record
        self._keep_budget()

    def amend_top(self, changes: Sequence[AutomaticChange]) -> None:
        """Take changes beneath paint back together with the newest item: they are not seen."""
        self.history.redo_items.clear()
        self._undone.clear()
        if self._done:
            self._done[-1].automatic.extend(changes)

    def drop_top(self) -> None:
        """Take the newest item out of the history: it changes nothing any more."""
        self.history.undo_items.pop()
        self._done.pop()

    def forget(self) -> None:
        """Empty the history on both sides; mask and labels stay as they are."""
        self.history.clear()
        self.history.same_paint.clear()
        self._done.clear()
        self._undone.clear()

    def relabel(self, relabelling: Relabelling) -> None:
        """Translate the whole history to other label values."""
        # Items and records share blocks, and neighbours share theirs: translate each once.
        seen: dict[int, tuple[Labels, Labels]] = {}

        def new(labels: Labels) -> Labels:
            if id(labels) not in seen:
                seen[id(labels)] = (labels, relabelling.apply(labels))
            return seen[id(labels)][1]

        for items in (self.history.undo_items, self.history.redo_items):
            for item in items:
                record = next((r for r in (*self._done, *self._undone) if r.is_item(item)), None)
                first = record is None or item[0] is record.anchor
                item[:] = [relabelled(atom, new) for atom in item]
                if record is not None:
                    record.anchor = item[0] if first else item[-1]
                    record.automatic = [change.relabelled(new) for change in record.automatic]

    @property
    def nbytes(self) -> int:
        """Memory that automatic items take; blocks that two items share count once."""
        return _nbytes(self._done) + _nbytes(self._undone)

    def _keep_budget(self) -> None:
        if _nbytes(self._done) <= self.budget_bytes:
            return
        while len(self._done) > 1 and _nbytes(self._done) > self.budget_bytes:
            del self._done[0]
            self.history.undo_items.popleft()

    def _deque(self) -> Any:
        return self.history.undo_items if self.history.supported else None


def _nbytes(records: Sequence[Record]) -> int:
    blocks: dict[int, int] = {}
    beneath = 0
    for record in records:
        for change in record.automatic:
            beneath += change.nbytes
            for block in (change.before, change.after):
                if block is not None:
                    blocks[id(block)] = block.nbytes
    return beneath + sum(blocks.values())

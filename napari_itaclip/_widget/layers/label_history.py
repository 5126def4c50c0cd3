"""The undo history of a napari labels layer: all that is used of napari's private names.

napari keeps its history in two deques of *items* (one for each key press of Ctrl+Z); an item is a
list of *atoms*. Undoing moves an item to the other deque with its atoms in reverse, as a new list
with the same atoms. An atom may be ``(slices, block before, block after)``, which napari applies as
``data[slices] = block``. The names below were checked with napari 0.9.2; where one is missing,
`LabelHistory.supported` is False or `LabelHistory.hears_same_paint` is, and nothing breaks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_itaclip.annotation.hand_edits import AutomaticChange, Block, Labels, Mask

UNDO, REDO = "_undo_history", "_redo_history"
STAGED, BLOCKED = "_staged_history", "_block_history"
SAVE, PAINT, FLUSH = "_save_history", "_apply_mask_to_data", "_commit_staged_history"
BEGIN, COMMIT, ABORT = "_begin_stroke", "_commit_stroke", "_abort_stroke"
PRIVATE_NAMES = (UNDO, REDO, STAGED, BLOCKED, SAVE, PAINT, FLUSH, BEGIN, COMMIT, ABORT)
"""The private attributes of ``napari.layers.Labels`` that this module relies on."""


class LabelHistory:
    """The history of one labels layer.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    on_idle
        Called when a stroke may have ended, and after undo and redo.

    Attributes
    ----------
    supported : bool
        Whether items can be read and added. If not, napari's own ways must do.
    same_paint : list of (tuple of slice, ndarray of bool)
        Pixels that the running stroke went over without changing their value. napari leaves them
        out of its history. Emptied by the reader.
    """

    def __init__(self, layer: Any, on_idle: Callable[[], None]) -> None:
        self.layer = layer
        self.same_paint: list[tuple[Block, Mask]] = []
        self.supported = all(isinstance(getattr(layer, name, None), deque) for name in (UNDO, REDO))
        self._on_idle = on_idle
        self._painting = 0
        self._hooked: list[str] = []
        for name in ("undo", "redo", COMMIT, ABORT):
            self._hook(name, self._then_idle)
        self._hook("block_history", self._grouped)
        if hasattr(layer, SAVE) and self.supported:
            self._hook(PAINT, self._listened)

    @property
    def hears_same_paint(self) -> bool:
        """Whether strokes over pixels that have the label already are noticed."""
        return PAINT in self._hooked

    @property
    def drawing(self) -> bool:
        """Whether a stroke has begun that is not in the history yet."""
        layer = self.layer
        return bool(self._painting or getattr(layer, BLOCKED, False) or getattr(layer, STAGED, ()))

    @property
    def undo_items(self) -> deque[list[Any]]:
        """What Ctrl+Z takes back, newest last."""
        items: deque[list[Any]] = getattr(self.layer, UNDO)
        return items

    @property
    def redo_items(self) -> deque[list[Any]]:
        """What was taken back, newest last."""
        items: deque[list[Any]] = getattr(self.layer, REDO)
        return items

    def end_broken_stroke(self) -> None:
        """Commit what a stroke left behind that neither ended nor was taken back.

        napari would put it into the same item as the next stroke, after whatever is written now.
        """
        staged = getattr(self.layer, STAGED, None)
        if not staged or self._painting or getattr(self.layer, BLOCKED, False):
            return
        committing = bool(self.undo_items) and self.undo_items[-1] is staged
        if not committing and hasattr(self.layer, FLUSH):
            getattr(self.layer, FLUSH)()

    def push(self, atoms: Sequence[Any]) -> None:
        """Add an item; what was taken back before cannot be repeated any more."""
        self.redo_items.clear()
        self.undo_items.append(list(atoms))

    def clear(self) -> None:
        """Forget everything."""
        if self.supported:
            self.undo_items.clear()
            self.redo_items.clear()

    def close(self) -> None:
        """Take the hooks away."""
        for name in self._hooked:
            self.layer.__dict__.pop(name, None)
        self._hooked.clear()

    def _hook(self, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Put a wrapper in the place of one of the layer's methods, if there is such a method."""
        original = getattr(self.layer, name, None)
        if callable(original) and name not in vars(self.layer):
            setattr(self.layer, name, wrap(original))
            self._hooked.append(name)

    def _then_idle(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **options: Any) -> Any:
            result = original(*args, **options)
            self._on_idle()
            return result

        return method

    def _grouped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def block_history() -> Iterator[None]:
            try:
                with original():
                    yield
            finally:
                self._on_idle()

        return block_history

    def _listened(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def paint(data: Any, mask: Any, new_label: int, block: Block) -> Any:
            if not getattr(self.layer, STAGED, ()):
                # Left over from a stroke that was broken off.
                self.same_paint.clear()
            same = np.asarray(mask & (np.asarray(data) == new_label))
            heard = bool(same.any())
            if heard:
                self.same_paint.append((block, same))
            self._painting += 1
            try:
                changed = original(data, mask, new_label, block)
                if changed is None and heard:
                    # An atom that changes nothing, so that Ctrl+Z takes this stroke back, too.
                    still = np.array(data)
                    getattr(self.layer, SAVE)((block, still, still))
            finally:
                self._painting -= 1
            if not self.drawing:
                # `original` wrote its pixels after telling the history.
                self._on_idle()
            return changed

        return paint


def touched_by(atom: Any, shape: tuple[int, ...]) -> tuple[Block, Mask] | None:
    """Return the box of an atom of napari's history, and the pixels in it that it changed.

    Parameters
    ----------
    atom
        A masked change (brush, bucket, polygon), or ``(index, values before, values after)`` where
        the index is made of slices or of arrays of positions (``data_setitem``).
    shape : tuple of int
        Shape of the labels.
    """
    if hasattr(atom, "slice_key"):
        block: Block = atom.slice_key
        if atom.mask is None:
            return block, np.ones(np.shape(atom.old_values), bool)
        return block, np.asarray(atom.mask, bool)
    index, before, after = atom
    if all(isinstance(part, slice) for part in index):
        return tuple(index), np.asarray(np.not_equal(before, after))
    places = [np.asarray(part).reshape(-1) % size for part, size in zip(index, shape, strict=True)]
    if not places or not places[0].size:
        return None
    starts = [int(part.min()) for part in places]
    sizes = [int(part.max()) - start + 1 for part, start in zip(places, starts, strict=True)]
    where = np.zeros(sizes, bool)
    where[tuple(part - start for part, start in zip(places, starts, strict=True))] = True
    return (
        tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True)),
        where,
    )


def relabelled(atom: Any, change: Callable[[Labels], Labels]) -> Any:
    """Return an atom of the history with other label values."""
    if hasattr(atom, "slice_key"):
        painted = change(np.asarray([atom.new_value]))
        return atom._replace(old_values=change(atom.old_values), new_value=int(painted[0]))
    index, before, after = atom
    return index, change(np.asarray(before)), change(np.asarray(after))


def set_publicly(layer: Any, block: Block, labels: Labels) -> None:
    """Write labels into a box with napari's public method; slow, but it keeps its own history."""
    different = np.nonzero(layer.data[block] != labels)
    values = labels[different].astype(layer.data.dtype)
    places = tuple(at + part.start for at, part in zip(different, block, strict=True))
    layer.data_setitem(places, values, refresh=False)


def repeat_publicly(layer: Any, changes: Iterable[AutomaticChange]) -> None:
    """Make changes that were made already once more, as one step of napari's own history."""
    with layer.block_history():
        for change in changes:
            if change.before is not None and change.after is not None:
                layer.data[change.block] = change.before
                set_publicly(layer, change.block, change.after)

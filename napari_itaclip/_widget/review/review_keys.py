"""The keys of the review: on the canvas and, as nothing is typed there, in the dock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app_model.types import KeyBinding, KeyCode, KeyCombo, KeyMod
from qtpy.QtWidgets import QWidget

from napari_itaclip._widget.panels.shortcuts import Shortcuts, key_text

KEYS: Mapping[str, KeyCode | KeyCombo] = {
    "accept": KeyCode.KeyA,
    "fix": KeyCode.KeyD,
    "skip": KeyCode.KeyS,
    "take_back": KeyCode.KeyU,
    "previous": KeyMod.Alt | KeyCode.LeftArrow,
    "next": KeyMod.Alt | KeyCode.RightArrow,
    "next_uncertain": KeyCode.KeyN,
}
"""None of them is a key of napari's labels layers: there F fills, E erases, P paints."""


def with_key(text: str, id_: str) -> str:
    """Return a tooltip with the key after it."""
    return f"{text}\n\nKey: {key_text(_binding(KEYS[id_]))}"


class ReviewKeys(Shortcuts):
    """The keys of one review dock in one viewer, from construction until `close`.

    Parameters
    ----------
    viewer : napari.Viewer
        Gets the keys for when the canvas has the focus.
    dock : QWidget
        Gets them for when it or a widget inside has the focus.
    callbacks : mapping of str to callable
        What they do, by the names of `KEYS`.
    pick : callable
        Told the digit, 1 to 9, that was pressed in the dock.
    """

    def __init__(
        self,
        viewer: Any,
        dock: QWidget,
        callbacks: Mapping[str, Callable[[], object]],
        pick: Callable[[int], object],
    ) -> None:
        super().__init__(viewer, dock, {})
        skipped = []
        for id_, callback in callbacks.items():
            key = _binding(KEYS[id_])
            if not self._bind_on_canvas(key, callback):
                skipped.append(key_text(key))
            self._bind_in_dock(dock, key, callback)
        for digit in range(1, 10):
            key = _binding(getattr(KeyCode, f"Digit{digit}"))
            self._bind_in_dock(dock, key, lambda digit=digit: pick(digit))  # type: ignore[misc]
        self.skipped = tuple(skipped)


def _binding(key: KeyCode | KeyCombo) -> KeyBinding:
    return KeyBinding.from_int(int(key))

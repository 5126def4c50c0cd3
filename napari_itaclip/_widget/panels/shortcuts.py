"""The dock's keys: what they do, and binding them to the viewer and to the dock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app_model.backends.qt import QKeyBindingSequence
from app_model.types import KeyBinding, KeyCode, KeyCombo, KeyMod
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget


@dataclass(frozen=True)
class Action:
    """Something that a key does.

    Parameters
    ----------
    id : str
        What the callback is looked up by.
    title : str
        What it does, as in a menu.
    keys : tuple of KeyBinding
        Keys that do it. Those with Ctrl, Alt or Shift work in the dock as well as on the canvas; a
        letter alone works on the canvas only, where it cannot be meant as text.
    why : str
        What it is good for, one sentence.
    """

    id: str
    title: str
    keys: tuple[KeyBinding, ...]
    why: str


def _action(id_: str, title: str, why: str, *keys: KeyCode | KeyCombo) -> Action:
    return Action(id_, title, tuple(KeyBinding.from_int(int(key)) for key in keys), why)


_CTRL_SHIFT = KeyMod.CtrlCmd | KeyMod.Shift

ACTIONS: tuple[Action, ...] = (
    _action(
        "run",
        "Segment",
        "Looks at the image and labels it with the words of the table.",
        KeyMod.CtrlCmd | KeyCode.Enter,
    ),
    _action(
        "cancel",
        "Cancel",
        "Stops the run; the labels from before it come back.",
        KeyMod.Shift | KeyCode.Escape,
    ),
    _action(
        "next_class",
        "Next class",
        "Selects the class below, also for painting.",
        KeyMod.CtrlCmd | KeyCode.PageDown,
    ),
    _action(
        "previous_class",
        "Previous class",
        "Selects the class above, also for painting.",
        KeyMod.CtrlCmd | KeyCode.PageUp,
    ),
    _action(
        "heat_map",
        "Heat map on/off",
        "Shows where the selected class or the typed phrase is found.",
        _CTRL_SHIFT | KeyCode.KeyH,
        KeyCode.KeyH,
    ),
    _action(
        "next_uncertain",
        "Next uncertain region",
        "Moves to where the two best classes are closest: the place to correct first.",
        _CTRL_SHIFT | KeyCode.KeyN,
        KeyCode.KeyN,
    ),
    _action(
        "labels",
        "Labels on/off",
        "Hides the labels to look at the image below, and shows them again.",
        _CTRL_SHIFT | KeyCode.KeyL,
        KeyCode.KeyG,
    ),
)
"""All keys, in the order in which they are listed."""


def action(id_: str) -> Action:
    """Return the action of that id.

    Raises
    ------
    KeyError
        If there is none.
    """
    return {item.id: item for item in ACTIONS}[id_]


def works_while_typing(key: KeyBinding) -> bool:
    """Say whether a key cannot be meant as text: it has Ctrl, Alt, Meta, or is no character."""
    part = key.parts[-1]
    return bool(part.ctrl or part.alt or part.meta or len(str(part.key)) > 1)


def _sequences(key: KeyBinding) -> list[QKeySequence]:
    """Return a key as Qt knows it: Enter is two keys, of which app-model names the keypad's."""
    sequence = QKeyBindingSequence(key)
    written = sequence.toString(QKeySequence.SequenceFormat.PortableText)
    if not written.endswith("Enter"):
        return [sequence]
    return [sequence, QKeySequence(f"{written.removesuffix('Enter')}Return")]


def key_text(key: KeyBinding) -> str:
    """Return a key as this computer's menus write it."""
    text: str = QKeyBindingSequence(key).toString(QKeySequence.SequenceFormat.NativeText)
    return text


def keys_text(id_: str) -> str:
    """Return the keys of an action, such as "Ctrl+Shift+H, H"."""
    return ", ".join(key_text(key) for key in action(id_).keys)


def with_keys(text: str, id_: str) -> str:
    """Return a tooltip with the action's keys after it."""
    return f"{text}\n\nKey: {keys_text(id_)}"


class Shortcuts:
    """The keys of one dock in one viewer, from construction until `close`.

    Parameters
    ----------
    viewer : napari.Viewer
        Gets the keys for when the canvas has the focus.
    dock : QWidget
        Gets those that work while typing, for when it or a widget inside has the focus.
    callbacks : mapping of str to callable
        What the actions do, by id; actions without one are not bound.

    Attributes
    ----------
    skipped : tuple of str
        Keys that the viewer had in use already, as text; they keep what they did.
    """

    def __init__(
        self, viewer: Any, dock: QWidget, callbacks: Mapping[str, Callable[[], object]]
    ) -> None:
        self._viewer = viewer
        self._bound: list[tuple[KeyBinding, Callable[[Any], None]]] = []
        self._in_dock: list[QShortcut] = []
        skipped = []
        for item in ACTIONS:
            callback = callbacks.get(item.id)
            if callback is None:
                continue
            for key in item.keys:
                if not self._bind_on_canvas(key, callback):
                    skipped.append(key_text(key))
                if works_while_typing(key):
                    self._bind_in_dock(dock, key, callback)
        self.skipped = tuple(skipped)

    def _bind_on_canvas(self, key: KeyBinding, callback: Callable[[], object]) -> bool:
        def run(viewer: Any) -> None:
            callback()

        if key in self._viewer.keymap or key in type(self._viewer).class_keymap:
            return False
        self._viewer.bind_key(key, run)
        self._bound.append((key, run))
        return True

    def _bind_in_dock(self, dock: QWidget, key: KeyBinding, callback: Callable[[], object]) -> None:
        for sequence in _sequences(key):
            shortcut = QShortcut(sequence, dock)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(lambda: callback())
            self._in_dock.append(shortcut)

    def close(self) -> None:
        """Give every key back. What somebody else has bound to one since then is left alone."""
        for key, run in self._bound:
            if self._viewer.keymap.get(key) is run:
                self._viewer.bind_key(key, None)
        for shortcut in self._in_dock:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._bound, self._in_dock = [], []

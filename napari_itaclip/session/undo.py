"""Undo and redo over values that never change: every step is a whole state."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

State = TypeVar("State")

MAX_STEPS = 200
"""Older steps are forgotten; states share what did not change, so a step costs little."""


class UndoStack(Generic[State]):
    """What something was, is, and was again undone from.

    Parameters
    ----------
    state
        The first state.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._undo: list[tuple[State, str]] = []
        self._redo: list[tuple[State, str]] = []
        self._merge: Hashable | None = None
        self._count = 0

    @property
    def count(self) -> int:
        """How many steps have been made, undone and redone: equal while steps merge into one."""
        return self._count

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def undo_text(self) -> str | None:
        """What `undo` takes back, such as ``"rename 'road'"``; None when there is nothing."""
        return self._undo[-1][1] if self._undo else None

    @property
    def redo_text(self) -> str | None:
        """What `redo` does again; None when there is nothing."""
        return self._redo[-1][1] if self._redo else None

    def push(self, state: State, text: str, merge: Hashable | None = None) -> None:
        """Make ``state`` the present one.

        Parameters
        ----------
        state
            The new state.
        text
            What was done.
        merge
            Steps that follow each other with the same value (not None) become one step.
        """
        if merge is None or merge != self._merge:
            self._undo.append((self._state, text))
            del self._undo[:-MAX_STEPS]
            self._count += 1
        elif self._undo[-1][0] == state:
            # Dragged to and fro: nothing is left to take back.
            self._undo.pop()
            merge = None
        self._redo.clear()
        self._state = state
        self._merge = merge

    def finish_merge(self) -> None:
        """Make the next step one of its own whatever its ``merge``."""
        self._merge = None

    def undo(self) -> bool:
        """Go one step back; return False when there is none."""
        return self._swap(self._undo, self._redo)

    def redo(self) -> bool:
        """Go one step forward again; return False when there is none."""
        return self._swap(self._redo, self._undo)

    def _swap(self, source: list[tuple[State, str]], target: list[tuple[State, str]]) -> bool:
        self._merge = None
        if not source:
            return False
        state, text = source.pop()
        target.append((self._state, text))
        self._state = state
        self._count += 1
        return True

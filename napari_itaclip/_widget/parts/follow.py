"""Listening to Qt-free signals for as long as a Qt object lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from psygnal import SignalInstance
from qtpy.QtCore import QObject


class _Relay:
    """Calls a method of a Qt object unless Qt has deleted the object."""

    def __init__(self, slot: Callable[..., Any]) -> None:
        self._slot = WeakMethod(slot)

    def run(self, *values: object) -> None:
        slot = self._slot()
        if slot is None:
            return
        try:
            slot.__self__.objectName()  # type: ignore[attr-defined]  # any call finds out
        except RuntimeError:
            return
        slot(*values)


def follow(owner: QObject, signal: SignalInstance, slot: Callable[..., Any]) -> None:
    """Connect ``slot``, a method of ``owner``, without keeping ``owner`` alive.

    Python may outlive the Qt half of an object: a signal that then reached it would raise. Qt's
    own ``destroyed`` is of no use here, because Python's garbage collector may send it halfway
    through clearing away what listens.
    """
    relay = _Relay(slot)
    # The signal holds the relay weakly and the owner holds it strongly: they go together.
    owner.__dict__.setdefault("_relays", []).append(relay)
    signal.connect(relay.run)

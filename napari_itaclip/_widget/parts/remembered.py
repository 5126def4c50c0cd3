"""What a person chose last and need not choose again: folders and formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QSettings


class Remembered:
    """Texts by their names, kept from one start to the next.

    They are no settings: nobody looks for them in napari's preferences.

    Parameters
    ----------
    keep : bool
        Whether they outlive this object. False leaves what was kept before alone.
    """

    def __init__(self, *, keep: bool) -> None:
        self._store = QSettings("napari-itaclip", "dock") if keep else None
        self._now: dict[str, str] = {}

    def text(self, name: str) -> str:
        """Return a text; empty if there is none."""
        if name not in self._now and self._store is not None:
            self._now[name] = str(self._store.value(name, "") or "")
        return self._now.get(name, "")

    def lines(self, name: str) -> tuple[str, ...]:
        """Return texts that were kept together."""
        return tuple(line for line in self.text(name).split("\n") if line)

    def keep(self, values: Mapping[str, str | Sequence[str]]) -> None:
        """Remember texts, or several together under one name."""
        for name, value in values.items():
            text = value if isinstance(value, str) else "\n".join(value)
            self._now[name] = text
            if self._store is not None:
                self._store.setValue(name, text)

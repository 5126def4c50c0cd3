"""A mapping that does not change, for values inside frozen dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")


class FrozenMapping(Mapping[str, Value]):
    """A read-only mapping that keeps its order and can be hashed, compared, copied and pickled.

    `types.MappingProxyType` can be neither hashed nor pickled.

    Parameters
    ----------
    items
        A mapping, or pairs of key and value.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Value] | Iterable[tuple[str, Value]] = ()) -> None:
        self._items: dict[str, Value] = dict(items)

    def __getitem__(self, key: str) -> Value:
        """Return the value under a key."""
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys in the order in which they were given."""
        return iter(self._items)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._items)

    def __hash__(self) -> int:
        """Agree with the equality of mappings, which knows no order."""
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        """Look like a dictionary."""
        return repr(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the constructor."""
        return FrozenMapping, (dict(self._items),)

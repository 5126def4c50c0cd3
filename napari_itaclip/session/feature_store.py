"""Image features kept in memory, within a budget: the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from threading import RLock
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_itaclip.errors import SettingsError

if TYPE_CHECKING:
    # Features are tensors; a store that is only asked about its size need not load torch.
    from napari_itaclip.segmentation.features import ImageFeatures


class FeatureStore:
    """Features by key, such as `Picture.key`.

    A key that is put or asked for counts as used. When everything together is larger than the
    budget, the least recently used go, except what is pinned and what was used last: a single
    image larger than the budget can still be worked on, and `over_budget` says so.

    All methods may be called from any thread.

    Parameters
    ----------
    budget_bytes : int
        How much may be kept, in bytes; 0 keeps only what was used last.

    Raises
    ------
    SettingsError
        If the budget is negative.

    Attributes
    ----------
    changed : Signal
        Emitted after something came, went or was allowed more room, in the thread that did it.
    """

    changed = Signal()

    def __init__(self, budget_bytes: int) -> None:
        self._budget = _checked(budget_bytes)
        self._items: OrderedDict[Hashable, ImageFeatures] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self._pinned: frozenset[Hashable] = frozenset()
        self._lock = RLock()

    def __len__(self) -> int:
        """Return how many images' features are kept."""
        return len(self._items)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether the features of ``key`` are kept; this does not count as use."""
        return key in self._items

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """What is kept, least recently used first."""
        with self._lock:
            return tuple(self._items)

    @property
    def nbytes(self) -> int:
        """Memory that everything kept holds, in bytes."""
        with self._lock:
            return sum(self._sizes.values())

    @property
    def over_budget(self) -> bool:
        """Whether what must be kept (pinned, or used last) is larger than the budget."""
        return self.nbytes > self._budget

    @property
    def budget(self) -> int:
        """How much may be kept, in bytes. Less than before makes room at once.

        Raises
        ------
        SettingsError
            If it is set to a negative number.
        """
        return self._budget

    @budget.setter
    def budget(self, budget_bytes: int) -> None:
        with self._lock:
            before, self._budget = self._budget, _checked(budget_bytes)
            self._make_room()
        if before != self._budget:
            self.changed.emit()

    @property
    def pinned(self) -> frozenset[Hashable]:
        """Keys that are never dropped to make room, whether anything is kept for them or not."""
        return self._pinned

    def pin(self, keys: Iterable[Hashable]) -> None:
        """Pin these keys, and no others any more."""
        with self._lock:
            before, self._pinned = len(self._items), frozenset(keys)
            self._make_room()
            dropped = len(self._items) != before
        if dropped:
            self.changed.emit()

    def get(self, key: Hashable) -> ImageFeatures | None:
        """Return the features of ``key``, or None when they are not kept (any more)."""
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
            return found

    def put(self, key: Hashable, features: ImageFeatures) -> None:
        """Keep ``features`` under ``key``, in place of what was there, and make room for them."""
        with self._lock:
            self._items[key] = features
            self._items.move_to_end(key)
            self._sizes[key] = features.nbytes
            self._make_room()
        self.changed.emit()

    def discard(self, predicate: Callable[[Hashable], bool]) -> int:
        """Drop everything, pinned or not, whose key fulfils ``predicate``; return how many."""
        with self._lock:
            dropped = [key for key in self._items if predicate(key)]
            for key in dropped:
                self._drop(key)
        if dropped:
            self.changed.emit()
        return len(dropped)

    def clear(self) -> None:
        """Drop everything, pinned or not."""
        self.discard(lambda _: True)

    def _make_room(self) -> None:
        """Drop from the least recently used on until the rest fits; the last used one stays."""
        excess = sum(self._sizes.values()) - self._budget
        for key in list(self._items)[:-1]:
            if excess <= 0:
                return
            if key not in self._pinned:
                excess -= self._sizes[key]
                self._drop(key)

    def _drop(self, key: Hashable) -> None:
        del self._items[key], self._sizes[key]


def _checked(budget_bytes: int) -> int:
    if budget_bytes < 0:
        raise SettingsError(
            f"the memory budget for image features is 0 or more bytes, not {budget_bytes}"
        )
    return int(budget_bytes)

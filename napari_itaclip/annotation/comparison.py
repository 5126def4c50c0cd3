"""Two results for the same picture: which pixels changed their class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError

_TABLE_LIMIT = 4095
"""Up to this id, a table of all ids is quicker than finding out which ones there are."""


@dataclass(frozen=True)
class LabelSnapshot:
    """Labels as they were at one moment, with what their ids meant.

    Attributes
    ----------
    labels : ndarray of int, shape (H, W)
        Class ids. Hand over a copy: a snapshot must not change.
    names : mapping of int to str
        The classes' names by id.
    colors : mapping of int to str
        The classes' colours by id, such as ``"#ff0000"``.
    lineage : int
        Within one lineage an id always means the same class, whatever its name.
    """

    labels: NDArray[np.integer[Any]]
    names: Mapping[int, str]
    colors: Mapping[int, str]
    lineage: int = 0


def changed_pixels(before: LabelSnapshot, after: LabelSnapshot) -> NDArray[np.bool_]:
    """Return the pixels whose class is another one in ``after``.

    Classes are the same when their ids are, within one lineage; else when their names are, without
    regard to case. Id 0, which is the background or unlabelled, is always itself unless both
    vocabularies name it.

    Parameters
    ----------
    before, after : LabelSnapshot
        Of the same shape (H, W).

    Returns
    -------
    ndarray of bool, shape (H, W)
        True where the class changed.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    if before.labels.shape != after.labels.shape:
        raise ImageError(
            f"the labels that were kept as A are of size {_size(before)}, the present ones of"
            f" {_size(after)}: keep the present ones as A to compare what comes next"
        )
    if before.lineage == after.lineage:
        return _different(before.labels, after.labels)
    same = _ids_by_name(after)
    highest = int(before.labels.max(initial=0))
    if highest <= _TABLE_LIMIT:
        ids: NDArray[Any] = np.arange(highest + 1)
        places: NDArray[Any] = before.labels
    else:
        # NumPy 2.0 alone returns the inverse flat; all versions agree after reshaping.
        ids, places = np.unique(before.labels, return_inverse=True)
        places = places.reshape(before.labels.shape)
    translated = np.array([_translate(int(old), before, same) for old in ids], np.int64)
    return _different(translated[places], after.labels)


def _different(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = np.not_equal(one, other)
    return different


def _ids_by_name(snapshot: LabelSnapshot) -> dict[str, int]:
    return {name.casefold(): position for position, name in snapshot.names.items()}


def _translate(old: int, before: LabelSnapshot, same: Mapping[str, int]) -> int:
    """Return the id that means the same in the other vocabulary; -1 if none does."""
    name = before.names.get(old)
    if name is not None:
        found = same.get(name.casefold())
        if found is not None:
            return found
    zero_is_named = 0 in before.names and 0 in same.values()
    return 0 if old == 0 and not zero_is_named else -1


def _size(snapshot: LabelSnapshot) -> str:
    return " x ".join(str(size) for size in snapshot.labels.shape)

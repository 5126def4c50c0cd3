"""Several sources of labels as one: classes that agree by name, labels with their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, LabelledImage, ReadableDataset
from napari_itaclip.formats.parts.exchange import free_value, label_dtype


@dataclass(frozen=True)
class Source:
    """An image that can be loaded, and how its ids have to change.

    Attributes
    ----------
    name : str
        What it is called among all.
    data : ReadableDataset
        Where it is.
    inner : str
        What it is called there.
    ids : mapping of int to int
        The common id of each id there.
    """

    name: str
    data: ReadableDataset
    inner: str
    ids: Mapping[int, int]


def merge(
    datasets: Sequence[ReadableDataset], classes: Sequence[LabelClass] | None = None
) -> tuple[tuple[LabelClass, ...], tuple[Source, ...]]:
    """Return the classes and images of several data sets as of one.

    Parameters
    ----------
    datasets
        What was found.
    classes
        The classes, if they are known: ids are taken as they are. None joins those of the data
        sets by their names; the first one's ids stay.

    Raises
    ------
    FormatError
        If two images have the same name.
    """
    common = tuple(classes) if classes is not None else _joined(datasets)
    by_name = {one.name: one.id for one in common}
    sources: dict[str, Source] = {}
    for data in datasets:
        if classes is not None:
            ids = {one.id: one.id for one in common}
        else:
            ids = {one.id: by_name[one.name] for one in data.classes}
        for name in data.names:
            if name in sources:
                raise FormatError(
                    f"two images are called {name!r}; export them into folders of their own"
                )
            sources[name] = Source(name, data, name, ids)
    return common, tuple(sources.values())


def load(source: Source, classes: tuple[LabelClass, ...]) -> LabelledImage:
    """Load an image and give its labels the common ids."""
    item = source.data.load(source.inner)
    if all(old == new for old, new in source.ids.items()) and item.classes == classes:
        return item
    none = free_value(classes, 0)
    keys = np.array(sorted(source.ids), dtype=np.int64)
    table = np.array([source.ids[int(one)] for one in keys], dtype=np.int64)
    wide = item.labels.astype(np.int64)
    at = np.minimum(np.searchsorted(keys, wide), len(keys) - 1)
    labels = np.where(keys[at] == wide, table[at], none)
    dtype = label_dtype(max(none, int(labels.max())))
    return replace(item, labels=labels.astype(dtype), classes=classes)


def _joined(datasets: Sequence[ReadableDataset]) -> tuple[LabelClass, ...]:
    """Return all classes; those that come later get new ids where theirs are taken."""
    found: dict[str, LabelClass] = {}
    for one in (one for data in datasets for one in data.classes):
        if one.name in found:
            continue
        taken = {other.id for other in found.values()}
        id_ = one.id
        while id_ in taken:
            id_ = max(taken) + 1
        background = one.background and not any(other.background for other in found.values())
        found[one.name] = replace(one, id=id_, background=background)
    return tuple(found.values())

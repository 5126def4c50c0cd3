"""What the plain label images, PNG and TIFF, write alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import (
    ExportOptions,
    LabelClass,
    LabelledImage,
    Labels,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts.class_tables import table_text
from napari_itaclip.formats.parts.exchange import free_value, picture_files
from napari_itaclip.formats.parts.pixels import not_held, values_of
from napari_itaclip.formats.paths import file_name

Encode = Callable[[Labels, Sequence[LabelClass], str], bytes]
"""Makes a file of values; gets the classes and the table of classes as text."""


def unlabelled_value(classes: Sequence[LabelClass], options: ExportOptions) -> int:
    """Return the value of unlabelled pixels: 0 if no class has it, else the chosen one or a free.

    0 is what "unlabelled" is elsewhere in this package.
    """
    free = free_value(classes, 0)
    return 0 if free == 0 else free_value(classes, options.void)


def render_labels(
    item: LabelledImage, options: ExportOptions, suffix: str, encode: Encode, limit: int
) -> Rendered:
    """Return an image as ``labels/NAME``, with objects and the picture beside it."""
    highest = max(one.id for one in item.classes)
    void = unlabelled_value(item.classes, options)
    if max(highest, void) > limit:
        raise FormatError(
            f"the class id {highest} does not fit into this format, which holds ids up to {limit}; "
            "write tiff instead"
        )
    values, losses = values_of(item, options, {one.id: one.id for one in item.classes}, void)
    text = table_text(item.classes, void, about=_about({"made_by": item.made_by}))
    stem = file_name(item.name)
    files = {f"labels/{stem}{suffix}": encode(values, item.classes, text)}
    if item.instances is not None:
        numbers, more = _objects(item, limit)
        files[f"instances/{stem}{suffix}"] = encode(numbers, (), "")
        losses += more
    _, pictures = picture_files(item, options)
    unlabelled = bool((values == void).any())
    return Rendered(
        files={**files, **pictures},
        record={"unlabelled": void if unlabelled else None},
        losses=(*losses, *not_held(item, "instances")),
    )


def assemble_table(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Return ``classes.json``."""
    taken = {one.id: one.name for one in classes}
    for name, record in records.items():
        value = record["unlabelled"]
        if value in taken:
            raise FormatError(
                f"unlabelled pixels of {name!r} have the value {value}, which the new class "
                f"{taken[value]!r} has as well; write that image again, or give the class another "
                "id"
            )
    text = table_text(classes, unlabelled_value(classes, options), about=_about(about), indent=2)
    return {"classes.json": (text + "\n").encode()}


def _objects(item: LabelledImage, limit: int) -> tuple[Labels, tuple[Loss, ...]]:
    """Return the objects' numbers, in a row if they are too high."""
    assert item.instances is not None  # asked by the caller
    numbers = item.instances.astype(np.int64)
    numbers[numbers < 0] = 0
    if numbers.max() <= limit:
        return numbers, ()
    found, ranks = np.unique(numbers, return_inverse=True)
    ranks = ranks.reshape(numbers.shape) + (0 if found[0] == 0 else 1)
    if ranks.max() > limit:
        raise FormatError(
            f"{item.name!r} has {ranks.max()} objects, this format holds {limit}; write tiff "
            "instead"
        )
    return ranks, (Loss("objects renumbered", "their numbers were too high for the file"),)


def _about(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that say something."""
    return {key: value for key, value in sorted(facts.items()) if value not in ("", None)}

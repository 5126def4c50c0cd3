"""Labels that formats stumble over, and writing and reading them as a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    ReadableDataset,
    Rendered,
)
from napari_itaclip.vocabulary.palette import palette_color

UNLABELLED = "∅"
"""Stands for pixels of no class in `named`."""

NASTY_NAMES = (
    "background",
    "tree, bush; shrub",
    "\"quoted\" & 'single' <b>",
    "left/right\\both",
    "🌲 forêt Straße",
    "شجرة كبيرة",
    "two\nlines\tand a tab",
    " blanks around ",
    "=1+1",
    "no such pixels",
)
"""Names with commas, quotes, slashes, emoji, right-to-left text; the last class stays empty."""


def classes_named(names: Sequence[str], *, background: bool = True) -> tuple[LabelClass, ...]:
    """Return classes with ids from 0; the first is the background if wanted."""
    return tuple(
        LabelClass(at, name, palette_color(at + 1), background and at == 0)
        for at, name in enumerate(names)
    )


def difficult_labels(classes: int = 9, seed: int = 0) -> NDArray[np.uint8]:
    """Return labels ``(64, 83)`` with holes, islands in holes, slivers, diagonals and corners."""
    labels = np.zeros((64, 83), dtype=np.uint8)
    labels[4:30, 4:30] = 1
    labels[8:26, 8:26] = 0
    labels[12:22, 12:22] = 2
    labels[15:18, 15:18] = 1
    labels[33, 2:80] = 3
    labels[2:62, 81] = 4
    for step in range(20):
        labels[40 + step, 5 + step] = 5
    labels[40:44, 40:44] = 6
    labels[44:48, 44:48] = 6
    labels[40:48, 50:54] = 7
    labels[40:48, 54:58] = 8
    labels[0, 0] = 3
    labels[63, 82] = 2
    noise = np.random.default_rng(seed)
    labels[50:62, 30:78] = noise.integers(0, classes, (12, 48))
    labels[36:38, 60:70] = 200  # of no class
    return labels


def difficult_image(name: str = "nasty/one", **more: Any) -> LabelledImage:
    """Return an image with `difficult_labels` and `NASTY_NAMES`."""
    return LabelledImage(name, difficult_labels(), classes_named(NASTY_NAMES), **more)


def touching_image(name: str = "touching") -> LabelledImage:
    """Return an image with instances of one class that touch."""
    labels = np.zeros((20, 30), dtype=np.uint8)
    instances = np.zeros((20, 30), dtype=np.int32)
    for number, column in enumerate((3, 8, 13), start=1):
        labels[5:15, column : column + 5] = 1
        instances[5:15, column : column + 5] = number
    labels[2:4, 20:29], instances[2:4, 20:29] = 2, 4
    return LabelledImage(
        name, labels, classes_named(["background", "cell", "rod"]), instances=instances
    )


def many_classes_image(count: int = 300, name: str = "many") -> LabelledImage:
    """Return an image with very many classes, each with a few pixels."""
    classes = classes_named([f"kind {at}" for at in range(count)], background=False)
    labels = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) % count
    return LabelledImage(name, np.repeat(np.repeat(labels, 3, 0), 2, 1), classes)


@st.composite
def images(draw: st.DrawFn, *, unlabelled: bool = True) -> LabelledImage:
    """Draw small images of any pattern."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 11))
    background = draw(st.booleans())
    count = draw(st.integers(1, 4))
    values = [*range(count), *([77] if unlabelled else [])]
    flat = draw(st.lists(st.sampled_from(values), min_size=height * width, max_size=height * width))
    labels = np.array(flat, dtype=np.uint8).reshape(height, width)
    classes = classes_named(["rest", "a", "b", "c"][:count], background=background)
    return LabelledImage("drawn", labels, classes)


def named(item: LabelledImage) -> NDArray[np.object_]:
    """Return the class name of each pixel."""
    names = np.full(item.shape, UNLABELLED, dtype=object)
    for one in item.classes:
        names[item.mask(one.id)] = one.name
    return names


def pixels_lost(item: LabelledImage, found: LabelledImage) -> int:
    """Return how many pixels have another class, by name, after reading."""
    return int((named(item) != named(found)).sum())


def write(
    format_: Format,
    items: Sequence[LabelledImage],
    folder: Path,
    options: ExportOptions | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Rendered]:
    """Write images as a data set; return what was rendered, by name."""
    chosen = options or ExportOptions()
    assert format_.render is not None
    rendered = {item.name: format_.render(item, chosen) for item in items}
    files = {path: content for one in rendered.values() for path, content in one.files.items()}
    if format_.assemble is not None:
        records = {name: rendered[name].record for name in sorted(rendered)}
        files |= format_.assemble(records, items[0].classes, chosen, about or {})
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return rendered


def round_trip(
    format_: Format,
    item: LabelledImage,
    folder: Path,
    options: ExportOptions | None = None,
) -> tuple[LabelledImage, Rendered]:
    """Write one image and read it back."""
    rendered = write(format_, [item], folder, options)[item.name]
    found = opened(format_, folder)
    return found.load(found.names[0]), rendered


def opened(format_: Format, path: Path, **more: Any) -> ReadableDataset:
    """Open a data set."""
    assert format_.read is not None
    return format_.read(path, **more)


def lost(rendered: Rendered) -> int:
    """Return how many pixels a format said that it loses."""
    return sum(one.pixels for one in rendered.losses)


def kinds(rendered: Rendered) -> set[str]:
    """Return which losses a format reported."""
    return {one.kind for one in rendered.losses}

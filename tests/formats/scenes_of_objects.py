"""Labels for the tests of formats of objects, and how what is read back is compared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Rendered,
)

HOSTILE = ("a, \"b\"; 'c'", "x/y\\z: [1] {2} #3", "🦊 fox", "שלום עולם", "no", "7", " two\nlines ")
"""Class names that break careless writers."""

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def classes(*names: str, background: bool = True, first: int = 1) -> tuple[LabelClass, ...]:
    """Return classes with ids from ``first`` on, perhaps behind a background 0."""
    rows = [
        LabelClass(at, name, f"#{at * 37 % 256:02x}40{255 - at % 256:02x}")
        for at, name in enumerate(names, start=first)
    ]
    return (LabelClass(0, "nothing", "#000000", True), *rows) if background else tuple(rows)


def item(
    labels: Any, known: tuple[LabelClass, ...], name: str = "one", **rest: Any
) -> LabelledImage:
    """Return a labelled image."""
    return LabelledImage(name, np.asarray(labels), known, **rest)


@st.composite
def items(draw: st.DrawFn, *, background: bool = True) -> LabelledImage:
    """Draw labels of three classes with holes, slivers, touching objects and a missing class."""
    known = classes("first", "second", "third", background=background)
    low = 0 if background else 1
    shape = draw(st.tuples(st.integers(1, 10), st.integers(1, 10)))
    labels = draw(hnp.arrays(np.uint8, shape, elements=st.integers(low, 3)))
    return item(labels, known)


def write(
    folder: Path,
    format: Format,
    things: Mapping[str, LabelledImage] | LabelledImage,
    options: ExportOptions | None = None,
) -> dict[str, Rendered]:
    """Write a data set without the machinery of `DatasetWriter`."""
    options = options or ExportOptions()
    many = {things.name: things} if isinstance(things, LabelledImage) else things
    assert format.render is not None
    assert format.assemble is not None
    rendered = {name: format.render(one, options) for name, one in sorted(many.items())}
    known = next(iter(many.values())).classes
    records = {name: one.record for name, one in rendered.items()}
    files = [one.files for one in rendered.values()]
    for part in [*files, format.assemble(records, known, options, {"made_by": "a test"})]:
        for path, content in part.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    return rendered


def read_back(folder: Path, format: Format, name: str = "one") -> LabelledImage:
    """Read one image."""
    assert format.read is not None
    return format.read(folder).load(name)


def same_partition(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two arrays of object numbers mean the same objects."""
    pairs = {*zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def lost_pixels(rendered: Rendered) -> int:
    """Return how many pixels a writer says read back otherwise."""
    return sum(one.pixels for one in rendered.losses)


def data_folder() -> Path | None:
    """Return the folder of real data sets, if it is there."""
    named = os.environ.get("ITACLIP_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    return folder if folder.is_dir() else None


def real_labels() -> list[Any]:
    """Return some label images of real data: their path, and whether 0 is a class."""
    folder = data_folder()
    if folder is None:
        return []
    found = []
    for name, zero in (("voc2012_train", True), ("coco_panoptic_train2017", False)):
        found += [(one, zero) for one in sorted((folder / name / "masks").glob("*.png"))[:9:4]]
    return found


def real_item(path: Path, *, zero: bool) -> LabelledImage:
    """Return a real label image with as many classes as its data set has."""
    from PIL import Image

    labels = np.asarray(Image.open(path))
    last = 20 if zero else 200
    known = classes(*(f"class {at}" for at in range(1, last + 1)), background=zero)
    return item(labels, known)

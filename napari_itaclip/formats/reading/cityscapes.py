"""Reading folders in the layout of Cityscapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, ReadableDataset
from napari_itaclip.formats.parts.class_tables import ClassTable, read_table
from napari_itaclip.formats.parts.exchange import find_picture
from napari_itaclip.formats.reading.label_folder import (
    PICTURE_SUFFIXES,
    LabelFile,
    load_labels,
    walk,
)
from napari_itaclip.vocabulary.palette import palette_color

LABEL_ENDING = "_gtFine_labelIds.png"
COLOR_ENDING = "_gtFine_color.png"
PICTURE_ENDING = "_leftImg8bit"
TABLE_NAME = "label_ids.json"

CITYSCAPES_IDS = {
    "ego vehicle": 1, "rectification border": 2, "out of roi": 3, "static": 4, "dynamic": 5,
    "ground": 6, "road": 7, "sidewalk": 8, "parking": 9, "rail track": 10, "building": 11,
    "wall": 12, "fence": 13, "guard rail": 14, "bridge": 15, "tunnel": 16, "pole": 17,
    "polegroup": 18, "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22,
    "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "caravan": 29,
    "trailer": 30, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
"""The label ids of Cityscapes itself; 0 is "unlabeled"."""


def find_folder(path: Path) -> Path | None:
    """Return the folder ``gtFine``: this one or one below."""
    if path.name == "gtFine" and path.is_dir():
        return path
    return path / "gtFine" if (path / "gtFine").is_dir() else None


def sniff(path: Path) -> bool:
    """Tell whether a folder is laid out like Cityscapes, or a file is one of its label images."""
    return path.name.endswith(LABEL_ENDING) if path.is_file() else find_folder(path) is not None


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read a folder in the layout of Cityscapes.

    Parameters
    ----------
    path
        The folder ``gtFine``, the one above it, or one label image.
    classes
        The classes, ids as in the files; None takes the id map beside the files, and without one
        the ids of Cityscapes itself.

    Raises
    ------
    FormatError
        If there are no label images, or the id map cannot be read.
    """
    path = Path(path)
    if path.is_file():
        folder = next((one for one in path.parents if one.name == "gtFine"), path.parent)
        files = {path.name.removesuffix(LABEL_ENDING): LabelFile(path)}
    else:
        found = find_folder(path)
        if found is None:
            raise FormatError(f"{path} holds no folder gtFine")
        folder = found
        files = _files(folder)
    if not files:
        raise FormatError(f"{folder} holds no files *{LABEL_ENDING}")
    table, notes = _table(folder, classes)
    return ReadableDataset(
        format="cityscapes",
        classes=table.classes,
        names=tuple(files),
        load=lambda name: load_labels(files, name, table),
        notes=notes,
    )


def _files(folder: Path) -> dict[str, LabelFile]:
    """Return label images by their names; those of several splits keep it where they must."""
    found: list[tuple[str, str, Path]] = []
    for file in walk(folder, (".png",)):
        if not file.name.endswith(LABEL_ENDING):
            continue
        whole = file.relative_to(folder).as_posix().removesuffix(LABEL_ENDING)
        split, slash, stem = whole.partition("/")
        found.append((whole, stem if slash else split, file))
    often = Counter(stem for _, stem, _ in found)
    root = folder.parent
    files = {}
    for whole, stem, file in found:
        pictures = [f"leftImg8bit/{whole}{PICTURE_ENDING}{suffix}" for suffix in PICTURE_SUFFIXES]
        name = stem if often[stem] == 1 else whole
        files[name] = LabelFile(file, find_picture(root, *pictures))
    return dict(sorted(files.items()))


def _table(
    folder: Path, classes: Sequence[LabelClass] | None
) -> tuple[ClassTable, tuple[str, ...]]:
    """Find the classes."""
    if classes is not None:
        return ClassTable(tuple(classes), {one.id: one.id for one in classes}), ()
    for place in (folder, folder.parent):
        if (place / TABLE_NAME).is_file():
            return read_table(place / TABLE_NAME), ()
    own = tuple(
        LabelClass(id_, name, palette_color(at))
        for at, (name, id_) in enumerate(CITYSCAPES_IDS.items())
    )
    note = "There is no id map beside the files: the values are taken for Cityscapes' own ids."
    return ClassTable(own, {one.id: one.id for one in own}, frozenset({0})), (note,)

"""Reading folders of label images with a table of classes beside them, and single label images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, LabelledImage, Labels, ReadableDataset
from napari_itaclip.formats.parts.class_tables import (
    ClassTable,
    find_table,
    parse_table,
    read_table,
)
from napari_itaclip.formats.parts.exchange import find_picture, free_value, label_dtype
from napari_itaclip.formats.parts.pixels import (
    MAX_COLORS,
    LabelPicture,
    read_label_picture,
    text_inside,
)
from napari_itaclip.vocabulary.palette import palette_color

LABEL_FOLDERS = ("labels", "masks", "annotations", "SegmentationClass")
PICTURE_FOLDERS = ("images", "JPEGImages", "image", "img")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
LABEL_ENDING = "_labels"
"""What ``napari-itaclip segment`` puts behind the name of an image."""

MAX_FILES = 1_000_000


@dataclass(frozen=True)
class LabelFile:
    """A label image that was found.

    Attributes
    ----------
    path : Path
        The file.
    picture : Path or None
        The image that it labels.
    instances : Path or None
        A label image of object numbers.
    """

    path: Path
    picture: Path | None = None
    instances: Path | None = None


def read_label_images(
    path: Path,
    suffixes: Sequence[str],
    format_name: str,
    classes: Sequence[LabelClass] | None = None,
) -> ReadableDataset:
    """Read a label image, or a folder of them with a table of classes.

    Parameters
    ----------
    path
        A file, or a folder with the files in it or in ``labels/`` or ``masks/``.
    suffixes
        Endings of label images.
    format_name
        Name of the format, for the result.
    classes
        The classes; None looks for a table beside the files or inside them and else makes
        classes from the values, or the colours, that occur.

    Raises
    ------
    FormatError
        If there are no label images, or their classes cannot be told.
    """
    files = _single(path) if path.is_file() else find_label_files(path, suffixes)
    if not files:
        raise FormatError(f"{path} holds no label images ({', '.join(suffixes)})")
    table, notes = _table_for(path, files, classes)
    return ReadableDataset(
        format=format_name,
        classes=table.classes,
        names=tuple(files),
        load=lambda name: load_labels(files, name, table),
        notes=notes,
    )


def find_label_files(folder: Path, suffixes: Sequence[str]) -> dict[str, LabelFile]:
    """Return the label images of a folder by their names, in order."""
    place = next((folder / sub for sub in LABEL_FOLDERS if (folder / sub).is_dir()), folder)
    found: dict[str, LabelFile] = {}
    results = place == folder and any(folder.glob(f"*{LABEL_ENDING}.*"))
    beside = [sub for sub in PICTURE_FOLDERS if (folder / sub).is_dir()]
    for file in walk(place, suffixes):
        stem = file.relative_to(place).with_suffix("").as_posix()
        if results:  # of the command `segment`: pictures with legends lie among them
            if not stem.endswith(LABEL_ENDING):
                continue
            stem = stem.removesuffix(LABEL_ENDING)
        if place == folder and stem.split("/")[0] in (*PICTURE_FOLDERS, "instances"):
            continue
        found.setdefault(stem, LabelFile(file, *companions(folder, stem, beside)))
    return found


def walk(folder: Path, suffixes: Sequence[str]) -> Iterable[Path]:
    """Return the files with certain endings below a folder, in order; hidden ones are left out."""
    found = []
    root = folder.resolve()
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if hidden or file.suffix.lower() not in suffixes or not file.is_file():
            continue
        if not file.resolve().is_relative_to(root):
            continue  # a link out of the data set
        found.append(file)
        if len(found) > MAX_FILES:
            raise FormatError(f"{folder} holds more than {MAX_FILES} files")
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def load_labels(files: Mapping[str, LabelFile], name: str, table: ClassTable) -> LabelledImage:
    """Read one label image and give its values the classes' ids."""
    if name not in files:
        raise FormatError(f"there is no image {name!r} in the data set")
    file = files[name]
    labels = ids_of(read_label_picture(file.path), table, file.path)
    instances = None
    if file.instances is not None:
        instances = read_label_picture(file.instances).values
        if instances.shape != labels.shape:
            raise FormatError(
                f"{file.instances} has the shape {instances.shape}, the labels {labels.shape}"
            )
    return LabelledImage(
        name=name,
        labels=labels,
        classes=table.classes,
        image_path=file.picture,
        instances=instances,
    )


def ids_of(picture: LabelPicture, table: ClassTable, path: Path) -> Labels:
    """Return class ids from a file's values or colours; what is no class gets a free value."""
    values = picture.values
    if values.dtype.kind == "i" and values.min() < 0:
        raise FormatError(f"{path} has negative values; class ids are 0 or more")
    none = free_value(table.classes, 0)
    by_value = {value: id_ for id_, value in table.value_by_id.items()}
    if picture.are_colors:
        by_value = {int(one.color[1:], 16): one.id for one in table.classes}
        if not any(value in by_value for value in _distinct(picture, path)):
            raise FormatError(
                f"{path} is a picture in colours, and none of them is the colour of a class; give "
                "the classes with their colours"
            )
    dtype = label_dtype(max([none, *by_value.values()]))
    return _mapped(values, by_value, none).astype(dtype)


def _mapped(values: Labels, ids: Mapping[int, int], none: int) -> NDArray[np.int64]:
    """Replace values by ids."""
    keys = np.array(sorted(ids), dtype=np.int64)
    table = np.array([ids[int(one)] for one in keys], dtype=np.int64)
    wide = values.astype(np.int64)
    at = np.minimum(np.searchsorted(keys, wide), len(keys) - 1)
    found: NDArray[np.int64] = np.where(keys[at] == wide, table[at], none)
    return found


def _table_for(
    path: Path, files: Mapping[str, LabelFile], classes: Sequence[LabelClass] | None
) -> tuple[ClassTable, tuple[str, ...]]:
    """Find the classes: given, in a table, in the files, or made from what occurs."""
    if classes is not None:
        return ClassTable(tuple(classes), {one.id: one.id for one in classes}), ()
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        listed = find_table(folder)
        if listed is not None:
            return read_table(listed), ()
    legends = [_legend(file.path) for file in files.values()]
    known = [one for one in legends if one is not None]
    if known:
        return _merged(known, path), ()
    inside = [_embedded(file.path) for file in files.values()]
    known = [one for one in inside if one is not None]
    if known:
        return _merged(known, path), ()
    listed = find_table(folder)
    if listed is not None:
        return read_table(listed), ()
    return _guessed(files.values(), path)


def _legend(path: Path) -> ClassTable | None:
    """Read the legend beside one label image, if there is one."""
    for name in _legend_names(path):
        if (path.parent / name).is_file():
            return read_table(path.parent / name)
    return None


def _legend_names(path: Path) -> tuple[str, str]:
    """Return what the legend of one label image may be called."""
    stem = path.stem.removesuffix(LABEL_ENDING)
    return f"{stem}_legend.json", f"{stem}_classes.json"


def _embedded(path: Path) -> ClassTable | None:
    """Read the classes that this package writes into a file."""
    text = text_inside(path)
    return parse_table(text, path) if text else None


def _merged(tables: Sequence[ClassTable], path: Path) -> ClassTable:
    """Return one table for several files."""
    merged: dict[int, LabelClass] = {}
    for one in (one for table in tables for one in table.classes):
        other = merged.setdefault(one.id, one)
        if other.name != one.name:
            raise FormatError(
                f"the files in {path} do not agree about the class {one.id}: {other.name!r} and "
                f"{one.name!r}; read them one by one"
            )
    return ClassTable(
        tuple(merged.values()),
        {id_: id_ for id_ in merged},
        frozenset().union(*(table.unlabelled for table in tables)) - set(merged),
    )


def _guessed(files: Iterable[LabelFile], path: Path) -> tuple[ClassTable, tuple[str, ...]]:
    """Make classes from the values or colours that occur."""
    found: dict[int, str | None] = {}
    colored = False
    for file in files:
        picture = read_label_picture(file.path)
        colored = colored or picture.are_colors
        for value in _distinct(picture, file.path):
            found.setdefault(value, picture.palette.get(value))
        if len(found) > MAX_COLORS:
            raise FormatError(f"{path} holds more than {MAX_COLORS} classes; is it a photograph?")
    if colored:
        return _table_of_colors(sorted(found)), (
            "The files do not name their classes: each colour became one, named after it.",
        )
    values = {value: color for value, color in sorted(found.items()) if value != 0}
    if not values:
        raise FormatError(f"{path} holds nothing but 0, and there is no table of classes")
    classes = tuple(
        LabelClass(value, f"class {value}", color or palette_color(value - 1))
        for value, color in values.items()
    )
    return ClassTable(classes, {value: value for value in values}, frozenset({0})), (
        "The files do not name their classes: each value became one, 0 is unlabelled.",
    )


def _table_of_colors(colors: Sequence[int]) -> ClassTable:
    """Return a class for each colour; black is the background."""
    classes: list[LabelClass] = []
    for color in colors:
        text = f"#{color:06x}"
        id_ = 0 if color == 0 else len([one for one in classes if one.id]) + 1
        classes.append(LabelClass(id_, text if color else "background", text, color == 0))
    return ClassTable(tuple(classes), {one.id: one.id for one in classes})


def _distinct(picture: LabelPicture, path: Path) -> list[int]:
    """Return the values or colours of a label image."""
    found: list[Any] = np.unique(picture.values).tolist()
    if len(found) > MAX_COLORS:
        raise FormatError(
            f"{path} has {len(found)} different values; it shows something and is no label image"
        )
    return [int(value) for value in found]


def _single(path: Path) -> dict[str, LabelFile]:
    """Return one label image under its name."""
    name = path.stem.removesuffix(LABEL_ENDING) or path.stem
    if path.parent.name not in LABEL_FOLDERS:
        return {name: LabelFile(path)}
    return {name: LabelFile(path, *companions(path.parent.parent, path.stem, PICTURE_FOLDERS))}


def companions(
    folder: Path, stem: str, picture_folders: Sequence[str]
) -> tuple[Path | None, Path | None]:
    """Return the picture and the image of object numbers that belong to a label image."""
    pictures = [f"{sub}/{stem}{suffix}" for sub in picture_folders for suffix in PICTURE_SUFFIXES]
    objects = [f"instances/{stem}{suffix}" for suffix in (".png", ".tif", ".tiff")]
    return find_picture(folder, *pictures), find_picture(folder, *objects)


def has_table(path: Path) -> bool:
    """Tell whether a label image has its classes inside, in a legend or in a table nearby."""
    if any((path.parent / name).is_file() for name in _legend_names(path)):
        return True
    if path.parent.name in LABEL_FOLDERS and find_table(path.parent) is not None:
        return True
    return bool(text_inside(path))


def looks_like_labels(
    path: Path, suffixes: Sequence[str], is_label_file: Callable[[Path], bool]
) -> bool:
    """Tell cheaply whether a file is a label image, or a folder holds some."""
    if path.is_file():
        return path.suffix.lower() in suffixes and is_label_file(path)
    place = next((path / sub for sub in LABEL_FOLDERS if (path / sub).is_dir()), path)
    entries = islice((one for one in place.rglob("*") if not one.name.startswith(".")), 200)
    first = next((one for one in entries if one.suffix.lower() in suffixes), None)
    if first is None:
        return False
    return place != path or find_table(path) is not None or is_label_file(first)

"""Reading Pascal VOC folders: our own, VOC's own, those of CVAT, Datumaro and LabelMe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, LabelledImage, Labels, ReadableDataset
from napari_itaclip.formats.parts.bounded import read_text
from napari_itaclip.formats.parts.class_tables import ClassTable, read_table
from napari_itaclip.formats.parts.exchange import find_picture
from napari_itaclip.formats.parts.pixels import LabelPicture, read_label_picture
from napari_itaclip.formats.reading.label_folder import PICTURE_SUFFIXES, LabelFile, ids_of, walk

VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
"""The classes of VOC 2012, in the order of their values."""

VOID = 255
VOID_COLOR = "#e0e0c0"
"""The colour that VOC gives to its void."""

VOID_NAME = "__void__"
"""What void is called in ``labelmap.txt``, for tools that want every colour named."""

_CLASS_FOLDER = "SegmentationClass"


def find_root(path: Path) -> Path | None:
    """Return the folder that holds ``SegmentationClass``: this one, or one or two levels below."""
    if path.name == _CLASS_FOLDER:
        return path.parent
    for pattern in ("", "VOC*", "VOCdevkit/VOC*"):
        for place in [path] if not pattern else sorted(path.glob(pattern)):
            if (place / _CLASS_FOLDER).is_dir():
                return place
    return None


def sniff(path: Path) -> bool:
    """Tell whether a folder is laid out like VOC."""
    return path.is_dir() and find_root(path) is not None


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read a VOC folder, or one label image of its kind.

    Parameters
    ----------
    path
        The folder or one above it, or a PNG.
    classes
        The classes; None takes ``labelmap.json``, ``labelmap.txt``, ``class_names.txt`` or
        ``labels.txt`` and else the twenty classes of VOC 2012.

    Raises
    ------
    FormatError
        If there are no label images, or a file cannot be understood.
    """
    path = Path(path)
    root = find_root(path) if path.is_dir() else path.parent
    if root is None:
        raise FormatError(f"{path} holds no folder {_CLASS_FOLDER}")
    files = {path.stem: LabelFile(path)} if path.is_file() else _files(root)
    if not files:
        raise FormatError(f"{root / _CLASS_FOLDER} holds no PNG files")
    table, notes = _table(root, classes)
    return ReadableDataset(
        format="voc",
        classes=table.classes,
        names=tuple(files),
        load=lambda name: _load(files, name, table),
        notes=notes,
    )


def _files(root: Path) -> dict[str, LabelFile]:
    """Return the label images by name."""
    folder = root / _CLASS_FOLDER
    found = {}
    for file in walk(folder, (".png",)):
        stem = file.relative_to(folder).with_suffix("").as_posix()
        pictures = [f"JPEGImages/{stem}{suffix}" for suffix in PICTURE_SUFFIXES]
        objects = find_picture(root, f"SegmentationObject/{stem}.png")
        found[stem] = LabelFile(file, find_picture(root, *pictures), objects)
    return found


def _table(root: Path, classes: Sequence[LabelClass] | None) -> tuple[ClassTable, tuple[str, ...]]:
    """Find the classes."""
    void = frozenset({VOID})
    if classes is not None:
        return ClassTable(tuple(classes), {one.id: one.id for one in classes}, void), ()
    for name in ("labelmap.json", "labelmap.txt", "class_names.txt", "labels.txt"):
        file = root / name
        if file.is_file():
            table = _labelmap(file) if name == "labelmap.txt" else read_table(file)
            return (table if table.unlabelled else replace(table, unlabelled=void)), ()
    named = tuple(
        LabelClass(value, name, voc_color(value), value == 0)
        for value, name in enumerate(VOC_NAMES)
    )
    note = "There is no list of classes beside the files: they are taken for those of VOC 2012."
    return ClassTable(named, {one.id: one.id for one in named}, void), (note,)


def _labelmap(file: Path) -> ClassTable:
    """Read ``name:r,g,b:parts:actions``; a class's value is the number of its line, from 0.

    A line for void is counted but is no class.
    """
    classes: list[LabelClass] = []
    skipped = 0
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *rest = line.split(":")
        parts = rest[0].split(",") if rest and rest[0].strip() else []
        value = len(classes) + skipped
        try:
            rgb = [int(part) for part in parts]
        except ValueError:
            rgb = [-1]
        if rgb and (len(rgb) != 3 or not all(0 <= part <= 255 for part in rgb)):
            raise FormatError(f"{file}: line {number} must be 'name:red,green,blue::'")
        color = "#" + bytes(rgb).hex() if rgb else voc_color(value)
        if name.strip() == VOID_NAME and color == VOID_COLOR:
            skipped += 1
            continue
        background = value == 0 and name.strip().lower() in ("background", "_background_")
        classes.append(LabelClass(value, name.strip(), color, background))
    if not classes:
        raise FormatError(f"{file} names no class")
    return ClassTable(tuple(classes), {one.id: one.id for one in classes}, frozenset({VOID}))


def _load(files: Mapping[str, LabelFile], name: str, table: ClassTable) -> LabelledImage:
    """Read one image's labels and objects."""
    if name not in files:
        raise FormatError(f"there is no image {name!r} in the data set")
    file = files[name]
    labels = ids_of(_by_color(read_label_picture(file.path), table), table, file.path)
    known = np.isin(labels, [one.id for one in table.classes])
    if not known.any() and not _all_void(file.path, table):
        raise FormatError(f"{file.path} holds none of the classes; give the right ones")
    return LabelledImage(
        name=name,
        labels=labels,
        classes=table.classes,
        image_path=file.picture,
        instances=None if file.instances is None else _objects(file.instances, table),
    )


def _by_color(picture: LabelPicture, table: ClassTable) -> LabelPicture:
    """Turn to colours where a colour table says other things than the values.

    CVAT and Datumaro tell classes by their colours in ``labelmap.txt``, whatever the values are.
    """
    if (
        picture.are_colors
        or not picture.palette
        or any(value != id_ for id_, value in table.value_by_id.items())
    ):
        return picture
    known = {one.color: one.id for one in table.classes}
    if len(known) < len(table.classes):
        return picture
    void = {value for value, color in picture.palette.items() if color == VOID_COLOR}
    unlabelled = table.unlabelled | (set() if VOID_COLOR in known else void)
    used = [int(value) for value in np.unique(picture.values) if value not in unlabelled]
    shown = {value: picture.palette.get(value, "") for value in used}
    if not used or any(color not in known for color in shown.values()):
        return picture
    if all(known[color] == value for value, color in shown.items()):
        return picture
    lookup = np.full(256, 1 << 24, dtype=np.uint32)  # no colour, for what is void
    for value, color in picture.palette.items():
        if value not in unlabelled:
            lookup[value] = int(color[1:], 16)
    return LabelPicture(lookup[picture.values], are_colors=True)


def _all_void(path: Path, table: ClassTable) -> bool:
    values = np.unique(read_label_picture(path).values)
    return set(values.tolist()) <= {VOID, *table.unlabelled}


def _objects(path: Path, table: ClassTable) -> Labels:
    """Return object numbers, 0 for none."""
    picture = read_label_picture(path)
    objects = picture.values.astype(np.uint32)
    if picture.are_colors:  # one colour for each object
        return np.unique(objects, return_inverse=True)[1].reshape(objects.shape).astype(np.uint32)
    objects[np.isin(objects, sorted(table.unlabelled))] = 0
    return objects


def voc_color(value: int) -> str:
    """Return VOC's own colour of a value: its bits spread over the high bits of the channels."""
    channels = (
        sum((value >> (3 * digit + channel) & 1) << (7 - digit) for digit in range(3))
        for channel in range(3)
    )
    return "#" + bytes(channels).hex()

"""What COCO's instance and panoptic files share when they are read: files, classes, images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass
from napari_itaclip.formats.parts.coco_files import ID_MARK, MARK, NAME_MARK
from napari_itaclip.formats.parts.exchange import (
    FoundClass,
    find_picture,
    image_name,
    resolve_classes,
    unique_names,
)
from napari_itaclip.formats.parts.json_files import (
    as_int,
    as_list,
    as_object,
    as_text,
    read_json,
    starts_like,
)
from napari_itaclip.formats.shapes.run_lengths import check_size

_HEAD = 65536
"""How much of a file is looked at to tell what it is; COCO's own begin with a list of licences."""

_PANOPTIC = ("segments_info",)


@dataclass(frozen=True)
class CocoFile:
    """One annotation file.

    Attributes
    ----------
    path : Path
        The file.
    data : mapping
        What it holds.
    root : Path
        The data set's folder.
    """

    path: Path
    data: Mapping[str, Any]
    root: Path

    @property
    def mark(self) -> Mapping[str, Any]:
        """What this package noted in the file; empty for files of others."""
        info = self.data.get("info")
        mark = info.get(MARK) if isinstance(info, dict) else None
        return mark if isinstance(mark, dict) else {}


@dataclass(frozen=True, eq=False)
class CocoImage:
    """An image that a file lists.

    Attributes
    ----------
    file : CocoFile
        The file.
    row : mapping
        Its entry.
    annotations : list
        Its annotations, as they are in the file.
    """

    file: CocoFile
    row: Mapping[str, Any]
    annotations: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def file_name(self) -> str:
        """The picture's path as the file has it."""
        return as_text(self.row.get("file_name", ""), "an image's file_name")

    def shape(self) -> tuple[int, int]:
        """Return height and width; raises `FormatError` if they are absurd."""
        what = f"{self.file.path}, image {self.file_name!r}"
        height = as_int(self.row.get("height"), f"the height of {what}")
        width = as_int(self.row.get("width"), f"the width of {what}")
        return check_size(height, width, what)

    def picture(self) -> Path | None:
        """Return the picture, where it lies in the data set's folder."""
        name, stem = self.file_name, self.file.path.stem.rpartition("_")[2]
        nearby = self.file.path.parent
        return find_picture(
            self.file.root, f"images/{name}", name, f"{stem}/{name}", f"images/{stem}/{name}"
        ) or find_picture(nearby, name)


@dataclass(frozen=True, eq=False)
class CocoIndex:
    """All files of a data set, put together.

    Attributes
    ----------
    classes : tuple of LabelClass
        The classes.
    by_category : mapping of CocoFile's path to mapping of int to int
        Class id of each category, for each file.
    images : mapping of str to CocoImage
        The images by name.
    notes : tuple of str
        What a person should know.
    """

    classes: tuple[LabelClass, ...]
    by_category: Mapping[Path, Mapping[int, int]]
    images: Mapping[str, CocoImage]
    notes: tuple[str, ...]


def find_files(path: Path, *, panoptic: bool) -> list[Path]:
    """Return the annotation files at a path: a file, or a folder with some in it."""
    if not path.is_dir():
        return [path] if _is_coco(path, panoptic) else []
    found = []
    for pattern in ("annotations/*.json", "*.json", "*/_annotations.coco.json"):
        found += [one for one in sorted(path.glob(pattern)) if _is_coco(one, panoptic)]
        if found:
            break
    instances = [one for one in found if one.name.startswith("instances")]
    return instances or found


def build_index(
    path: Path, given: Sequence[LabelClass] | None = None, *, panoptic: bool
) -> CocoIndex:
    """Read the annotation files at a path.

    Raises
    ------
    FormatError
        If there is none, one is damaged, or they do not fit together.
    """
    paths = [path] if path.is_file() else find_files(path, panoptic=panoptic)
    if not paths:
        kind = "panoptic" if panoptic else "instance"
        raise FormatError(f"{path} holds no COCO {kind} annotations (annotations/*.json)")
    files = [_open(one) for one in paths]
    found: dict[str, FoundClass] = {}
    rows = {file.path: _categories(file) for file in files}
    for file in files:
        background = _background(file)
        for one in [*([background] if background else []), *rows[file.path].values()]:
            found.setdefault(one.name, one)
    if not found and not given:
        raise FormatError(f"{path} names no categories")
    classes = resolve_classes(found.values(), given)
    ids = {one.name: one.id for one in classes}
    by_category = {
        where: {number: ids[one.name] for number, one in categories.items()}
        for where, categories in rows.items()
    }
    images, notes = _images(files)
    return CocoIndex(classes, by_category, images, notes)


def _is_coco(path: Path, panoptic: bool) -> bool:
    """Tell whether a file looks like COCO's, of one of the kinds."""
    keys = ("images", "annotations", "categories", "licenses")
    if path.suffix.lower() != ".json" or not starts_like(path, *keys, first_bytes=_HEAD):
        return False
    folder = path.with_suffix("")
    is_panoptic = (
        path.stem.startswith("panoptic")
        or starts_like(path, *_PANOPTIC, first_bytes=_HEAD)
        or (folder.is_dir() and any(folder.glob("*.png")))
    )
    return is_panoptic is panoptic


def _open(path: Path) -> CocoFile:
    """Read a file and find the data set's folder."""
    data = as_object(read_json(path), str(path))
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    return CocoFile(path, data, root)


def _categories(file: CocoFile) -> dict[int, FoundClass]:
    """Return the class of each category."""
    found: dict[int, FoundClass] = {}
    for row in as_list(file.data.get("categories", []), f"'categories' in {file.path}"):
        one = as_object(row, f"a category in {file.path}")
        number = as_int(one.get("id"), f"a category's id in {file.path}")
        name = as_text(one.get("name"), f"the name of category {number} in {file.path}")
        if number in found:
            raise FormatError(f"{file.path}: two categories have the id {number}")
        own = one.get(ID_MARK, number or None)
        found[number] = FoundClass(
            name,
            _color(one.get("color")),
            None if own is None else as_int(own, f"{ID_MARK} of category {number}"),
            bool(file.mark) and one.get("supercategory") == "background",
        )
    return found


def _background(file: CocoFile) -> FoundClass | None:
    """Return the background class that this package noted."""
    row = file.mark.get("background")
    if not isinstance(row, dict):
        return None
    what = f"the background in {file.path}"
    color = row.get("color")
    return FoundClass(
        as_text(row.get("name"), what),
        color if isinstance(color, str) else None,
        as_int(row.get("id"), what),
        True,
    )


def _color(value: Any) -> str | None:
    """Return a colour given as three numbers or as text; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 3:
        parts = [one for one in value if isinstance(one, int) and 0 <= one <= 255]
        if len(parts) == 3:
            return "#" + "".join(f"{one:02x}" for one in parts)
    return None


def _images(files: Sequence[CocoFile]) -> tuple[dict[str, CocoImage], tuple[str, ...]]:
    """Return all images by name with their annotations."""
    found: list[tuple[str, CocoImage]] = []
    lost = 0
    for file in files:
        by_id: dict[Any, CocoImage] = {}
        for row in as_list(file.data.get("images", []), f"'images' in {file.path}"):
            image = CocoImage(file, as_object(row, f"an image in {file.path}"))
            number = _key(image.row.get("id"), file.path)
            if number in by_id:
                raise FormatError(f"{file.path}: two images have the id {number}")
            by_id[number] = image
            own = image.row.get(NAME_MARK, image_name(image.file_name))
            found.append((as_text(own, "an image's name"), image))
        for row in as_list(file.data.get("annotations", []), f"'annotations' in {file.path}"):
            one = as_object(row, f"an annotation in {file.path}")
            owner = by_id.get(_key(one.get("image_id"), file.path))
            if owner is None:
                lost += 1
            else:
                owner.annotations.append(one)
    names = unique_names(name for name, _ in found)
    images = {name: image for name, (_, image) in zip(names, found, strict=True)}
    notes = (f"{lost} annotations belong to no image and were left out",) if lost else ()
    return images, notes


def _key(value: Any, path: Path) -> int | str:
    """Return an image's id: a whole number, or text as some tools write it."""
    return value if isinstance(value, str) else as_int(value, f"an image's id in {path}")

"""Reading YOLO segmentation data sets."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from napari_itaclip.errors import FormatError, VocabularyError
from napari_itaclip.formats.model import LabelClass, LabelledImage, ReadableDataset
from napari_itaclip.formats.parts.bounded import read_text
from napari_itaclip.formats.parts.exchange import (
    FoundClass,
    resolve_classes,
    unique_names,
)
from napari_itaclip.formats.reading.label_folder import PICTURE_SUFFIXES, walk
from napari_itaclip.formats.shapes.filling import checked_ring, fill_drawn
from napari_itaclip.formats.shapes.painting import Painted, by_size, paint
from napari_itaclip.formats.shapes.run_lengths import check_size
from napari_itaclip.vocabulary._yaml_text import parse_yaml

MARK = "napari_itaclip"

_SPLITS = ("train", "val", "validation", "valid", "test")
_NO_SPLITS = frozenset({"path", "nc", "names", "download", "roboflow", MARK})
_MAX_TEXT = 256 * 1024 * 1024


@dataclass(frozen=True)
class _Image:
    """A label file and what belongs to it."""

    labels: Path
    picture: Path | None
    size: tuple[int, int] | None


def read(path: Path, *, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Read a YOLO data set.

    Polygons are filled as ``cv2.fillPoly`` does it; where they overlap, smaller ones lie on larger
    ones. Every line is an instance, numbered by its place in the file.

    Parameters
    ----------
    path
        ``data.yaml`` (or another YAML file like it), or the folder with it.
    classes
        Classes whose ids and colours are taken where the names agree.

    Raises
    ------
    FormatError
        If the files are damaged or unsafe to read.
    """
    file = _yaml_in(Path(path))
    if file is None:
        raise FormatError(f"{path} holds no data.yaml of a YOLO data set")
    data = _parsed(file)
    mark = data.get(MARK)
    mark = mark if isinstance(mark, dict) else {}
    names = _names(data, file)
    found = _found_classes(names, mark, file)
    resolved = resolve_classes(found, classes)
    ids = {one.name: one.id for one in resolved}
    images = _images(file, data, mark)

    def load(name: str) -> LabelledImage:
        if name not in images:
            raise FormatError(f"there is no image {name!r} in {path}")
        by_place = {place: ids[text] for place, text in names.items()}
        return _load(name, images[name], by_place, resolved)

    return ReadableDataset("yolo", resolved, tuple(images), load, _notes(images))


def sniff(path: Path) -> bool:
    """Tell whether a folder, or a YAML file, is a YOLO data set with label files."""
    file = _yaml_in(path)
    if file is None or not (_is_new_layout(file.parent) or _is_old_layout(file.parent)):
        return False
    try:
        with file.open("rb") as stream:
            head = stream.read(65536)
    except OSError:
        return False
    return b"names:" in head and any(f"{split}:".encode() in head for split in _SPLITS)


def _yaml_in(path: Path) -> Path | None:
    """Return the YAML file of a data set."""
    if path.is_dir():
        return next(
            (path / name for name in ("data.yaml", "data.yml", "dataset.yaml") if _is(path / name)),
            None,
        )
    return path if path.suffix.lower() in (".yaml", ".yml") and path.is_file() else None


def _is(path: Path) -> bool:
    return path.is_file()


def _is_new_layout(folder: Path) -> bool:
    """Tell whether images and labels have a folder each, as Ultralytics has it."""
    return (folder / "images").is_dir() or (folder / "labels").is_dir()


def _is_old_layout(folder: Path) -> bool:
    """Tell whether the splits have their own folders of images, as Roboflow writes them."""
    return any((folder / split / "images").is_dir() for split in _SPLITS)


def _parsed(file: Path) -> Mapping[str, Any]:
    """Read the YAML file as mappings, lists and text; aliases and tags are refused."""
    try:
        data = parse_yaml(read_text(file), {})
    except (VocabularyError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatError(f"{file} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise FormatError(f"{file} must hold the keys 'train', 'val' and 'names'")
    return data


def _names(data: Mapping[str, Any], file: Path) -> dict[int, str]:
    """Return the class names by their numbers."""
    names = data.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise FormatError(f"{file} has no 'names'")
    found: dict[int, str] = {}
    for key, name in names.items():
        if not str(key).isascii() or not str(key).isdigit() or len(str(key)) > 9:
            raise FormatError(f"{file}: {key!r:.40} in 'names' is not a class's number")
        if not isinstance(name, str):
            raise FormatError(f"{file}: the name of class {key} must be text")
        found[int(key)] = name
    return found


def _found_classes(
    names: Mapping[int, str], mark: Mapping[str, Any], file: Path
) -> list[FoundClass]:
    """Return the classes, with the ids and colours that this package noted."""
    rows = mark.get("classes")
    noted = {row.get("name"): row for row in rows or [] if isinstance(row, dict)}
    background = mark.get("background")
    found = []
    if isinstance(background, dict):
        found.append(_noted(str(background.get("name")), background, file, background=True))
    found += [_noted(name, noted.get(name, {}), file) for _, name in sorted(names.items())]
    return found


def _noted(
    name: str, row: Mapping[str, Any], file: Path, *, background: bool = False
) -> FoundClass:
    """Return a class with the id and the colour of a row of ours."""
    id_, color = row.get("id"), row.get("color")
    if id_ is not None and not (str(id_).isascii() and str(id_).isdigit() and len(str(id_)) < 16):
        raise FormatError(f"{file}: the id {id_!r:.40} of {name!r} is not a number")
    return FoundClass(
        name,
        color if isinstance(color, str) else None,
        None if id_ is None else int(id_),
        background,
    )


def _images(file: Path, data: Mapping[str, Any], mark: Mapping[str, Any]) -> dict[str, _Image]:
    """Return the images of all splits by their names."""
    root = file.parent
    sizes = mark.get("sizes")
    sizes = sizes if isinstance(sizes, dict) else {}
    found: dict[Path, tuple[str, _Image]] = {}
    for folder in dict.fromkeys(_folders(data)):
        stem = f"{folder}/"
        place = _inside(root, _labels_of(folder))
        pictures = _inside(root, folder)
        if place is None or pictures is None or not place.is_dir():
            continue
        known = {
            one.relative_to(pictures).with_suffix("").as_posix(): one
            for one in (walk(pictures, PICTURE_SUFFIXES) if pictures.is_dir() else ())
        }
        stated = {
            key.removeprefix(stem).rpartition(".")[0]: value
            for key, value in sizes.items()
            if key.startswith(stem)
        }
        for labels in walk(place, (".txt",)):
            name = labels.relative_to(place).with_suffix("").as_posix()
            size = _size(stated.get(name), file)
            found.setdefault(labels, (name, _Image(labels, known.get(name), size)))
    names = unique_names(name for name, _ in found.values())
    return {name: image for name, (_, image) in zip(names, found.values(), strict=True)}


def _folders(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders of pictures, relative to the data set's."""
    for key, value in data.items():
        if key in _NO_SPLITS:
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                # Roboflow writes "../train/images" and means "train/images".
                yield posixpath.normpath(one.replace("\\", "/")).removeprefix("../")


def _labels_of(folder: str) -> str:
    """Return the folder of label files of a folder of pictures, as Ultralytics finds it."""
    head, found, tail = f"/{folder}/".rpartition("/images/")
    return f"{head}/labels/{tail}".strip("/") if found else folder


def _inside(root: Path, relative: str) -> Path | None:
    """Return a folder in the data set, or None if the path leaves it."""
    place = (root / relative).resolve()
    return root / relative if place.is_relative_to(root.resolve()) else None


def _size(value: Any, file: Path) -> tuple[int, int] | None:
    """Return height and width of a size that this package noted."""
    if value is None:
        return None
    parts = [str(one) for one in value] if isinstance(value, list) else []
    if len(parts) != 2 or not all(one.isascii() and one.isdigit() for one in parts):
        raise FormatError(f"{file}: {value!r:.40} is not the size of an image")
    return check_size(int(parts[1][:12]), int(parts[0][:12]), str(file))


def _load(
    name: str, image: _Image, ids: Mapping[int, int], classes: tuple[LabelClass, ...]
) -> LabelledImage:
    """Fill the polygons of one label file."""
    shape = _shape(image)
    size = np.array([shape[1], shape[0]], np.float64)
    objects = []
    for number, line in enumerate(read_text(image.labels, _MAX_TEXT).splitlines(), start=1):
        values = line.split()
        what = f"{image.labels}, line {number}"
        if len(values) < 7:
            if values and len(values) != 5:
                raise FormatError(f"{what}: expected a class and at least 3 points")
            continue
        if not values[0].isascii() or not values[0].isdigit() or int(values[0][:9]) not in ids:
            raise FormatError(f"{what}: there is no class {values[0]!r:.40}")
        ring = checked_ring(_numbers(values[1:], what), (1, 1), what)
        patch = fill_drawn([ring * size], shape)
        objects.append(Painted(patch, ids[int(values[0])], number))
    labels, numbers = paint(by_size(objects), shape, classes)
    return LabelledImage(
        name=name, labels=labels, classes=classes, image_path=image.picture, instances=numbers
    )


def _numbers(values: Sequence[str], what: str) -> list[float]:
    """Return numbers that are written as text."""
    try:
        return [float(one) for one in values]
    except ValueError as error:
        raise FormatError(f"{what}: {error}") from error


def _shape(image: _Image) -> tuple[int, int]:
    """Return height and width of an image, from its picture or as noted."""
    from PIL import Image

    if image.picture is None:
        if image.size is None:
            raise FormatError(
                f"{image.labels}: there is no picture of this name, and without its size the "
                "coordinates mean nothing"
            )
        return image.size
    try:
        with Image.open(image.picture) as picture:
            return check_size(picture.height, picture.width, str(image.picture))
    except FormatError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FormatError(f"{image.picture} cannot be read as a picture: {error}") from error


def _notes(images: Mapping[str, _Image]) -> tuple[str, ...]:
    """Say which images cannot be loaded."""
    lost = sum(one.picture is None and one.size is None for one in images.values())
    return (f"{lost} label files have no picture, so their size is unknown",) if lost else ()

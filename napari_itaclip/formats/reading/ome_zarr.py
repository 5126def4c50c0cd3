"""Reading labels from OME-Zarr, versions 0.4 and 0.5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, LabelledImage, ReadableDataset
from napari_itaclip.formats.parts.exchange import FoundClass, resolve_classes
from napari_itaclip.formats.parts.extras import needed
from napari_itaclip.formats.shapes.run_lengths import check_size

CLASSES = "classes"
"""The group of class ids that this package writes."""

OBJECTS = "objects"
"""The group of instances that this package writes."""

NAME_KEYS = ("class", "name", "label", "class_name", "label-name")
"""Properties that are taken for a class's name, in this order."""

MAX_CLASSES = 65_536
"""More classes than anybody has."""


@dataclass(frozen=True)
class _Place:
    """A group of labels."""

    folder: Path
    group: str
    attributes: Mapping[str, Any]
    objects: str | None


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Open the labels of OME-Zarr images.

    Parameters
    ----------
    path
        The folder of an image (``….ome.zarr``), or a folder of them.
    classes
        Classes by id. Without them: what ``image-label`` says; else "class 1", "class 2" … for the
        values that occur.

    Raises
    ------
    FormatError
        If there is no such folder, or it has no labels.
    """
    folders = [path] if is_zarr(path) else sorted(_folders(path))
    if not folders:
        raise FormatError(f"{path} is no OME-Zarr and holds none")
    root = path.parent if is_zarr(path) else path
    notes: list[str] = []
    places = {_name(one, root): _place(one, notes) for one in folders}
    found = tuple(classes) if classes else _classes(list(places.values()))

    def load(name: str) -> LabelledImage:
        if name not in places:
            raise FormatError(f"{path} has no image {name!r}")
        place = places[name]
        objects = None if place.objects is None else _plane(place.folder, place.objects)
        return LabelledImage(name, _plane(place.folder, place.group), found, instances=objects)

    return ReadableDataset("ome-zarr", found, tuple(places), load, tuple(notes))


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a group of Zarr."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def _folders(path: Path) -> Iterator[Path]:
    """Return the images in a folder and below; it does not look into them."""
    if not path.is_dir():
        return
    for one in path.iterdir():
        if one.is_dir() and not one.name.startswith(".") and not one.is_symlink():
            if is_zarr(one):
                yield one
            else:
                yield from _folders(one)


def _name(folder: Path, root: Path) -> str:
    """Return what an image is called, from its folder."""
    relative = folder.relative_to(root)
    stem = relative.name.removesuffix(".zarr").removesuffix(".ome")
    return (relative.parent / (stem or relative.name)).as_posix()


def _open(folder: Path, inner: str = "") -> Any:
    """Open a group or array."""
    zarr = needed("zarr", "OME-Zarr", "omezarr")
    _inside(folder, inner)
    try:
        return zarr.open(folder, mode="r", path=inner)
    except Exception as error:  # zarr and its codecs fail in many ways on damaged files
        raise FormatError(f"cannot read {folder / inner}: {error}") from error


def _ome(node: Any) -> Mapping[str, Any]:
    """Return OME's metadata of a group: version 0.5 has it one level deeper than 0.4."""
    attributes = dict(node.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _place(folder: Path, notes: list[str]) -> _Place:
    """Find the labels of an image."""
    root = _open(folder)
    if "image-label" in _ome(root):
        return _Place(folder, "", _ome(root), None)
    try:
        names = _ome(root["labels"]).get("labels", [])
    except KeyError:
        names = _ome(root).get("labels", [])
        prefix = ""
    else:
        prefix = "labels/"
    names = [one for one in names if isinstance(one, str)] if isinstance(names, list) else []
    if not names:
        raise FormatError(f"{folder} has no labels")
    name = CLASSES if CLASSES in names else names[0]
    objects = OBJECTS if name == CLASSES and OBJECTS in names else None
    others = [one for one in names if one not in (name, objects)]
    if others:
        notes.append(f"{folder.name}: of its labels {name!r} is read, not {', '.join(others)}")
    group = _inside(folder, prefix + name)
    attributes = _ome(_open(folder, group))
    return _Place(folder, group, attributes, None if objects is None else prefix + objects)


def _inside(folder: Path, inner: str) -> str:
    """Return a path inside a group, if it does not lead out of it."""
    leaves = inner.startswith("/") or "\\" in inner or ".." in inner.split("/") or "\0" in inner
    if leaves or not (folder / inner).resolve().is_relative_to(folder.resolve()):
        raise FormatError(f"{folder}: the path {inner!r} leads out of the folder")
    return inner


def _plane(folder: Path, group: str) -> NDArray[Any]:
    """Return the finest level of labels ``(H, W)``."""
    where = folder / group
    array = _open(folder, _finest(folder, group))
    shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
    if shape is None or dtype is None or len(shape) < 2 or np.dtype(dtype).kind not in "ui":
        raise FormatError(f"{where} holds no labels: they are whole numbers in a plane")
    if any(side != 1 for side in shape[:-2]):
        raise FormatError(
            f"{where} has the shape {shape}: several planes; only single ones are read"
        )
    check_size(shape[-2], shape[-1], str(where))
    check_size(array.chunks[-2], array.chunks[-1], f"{where}, a chunk")
    try:
        plane: NDArray[Any] = np.asarray(array[...])
    except Exception as error:  # zarr and its codecs fail in many ways on damaged files
        raise FormatError(f"cannot read {where}: {error}") from error
    return plane.reshape(shape[-2:])


def _finest(folder: Path, group: str) -> str:
    """Return the path of the finest level."""
    scales = _ome(_open(folder, group)).get("multiscales")
    try:
        level = scales[0]["datasets"][0]["path"]  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        level = "0"
    return f"{group}/{_inside(folder, str(level))}".lstrip("/")


def _classes(places: Sequence[_Place]) -> tuple[LabelClass, ...]:
    """Return the classes that the images name, and others for the values that have no name."""
    found: dict[int, FoundClass] = {}
    for place in places:
        label = place.attributes.get("image-label")
        for one in _named(label if isinstance(label, dict) else {}):
            if one.id is not None:
                found.setdefault(one.id, one)
    if not found:
        for place in places:
            for value in np.unique(_plane(place.folder, place.group)).tolist():
                if value > 0:
                    found.setdefault(value, FoundClass(f"class {value}", None, value))
            if len(found) > MAX_CLASSES:
                raise FormatError(
                    f"{place.folder} has more than {MAX_CLASSES} different values; these are "
                    "objects and no classes"
                )
    classes = resolve_classes([found[value] for value in sorted(found)])
    if not classes:
        raise FormatError("the labels are empty; give the classes")
    return classes


def _named(label: Mapping[str, Any]) -> Iterator[FoundClass]:
    """Return the classes of ``image-label``."""
    colors: dict[int, str] = {}
    for row in _rows(label.get("colors")):
        rgba = row.get("rgba")
        if isinstance(rgba, list) and len(rgba) >= 3 and all(isinstance(x, int) for x in rgba[:3]):
            r, g, b = (min(max(part, 0), 255) for part in rgba[:3])
            colors[row["label-value"]] = f"#{r:02x}{g:02x}{b:02x}"
    named: set[int] = set()
    for row in _rows(label.get("properties")):
        value = row["label-value"]
        names = (row[key] for key in NAME_KEYS if isinstance(row.get(key), str))
        name = next(names, f"class {value}")
        color = row.get("color") if isinstance(row.get("color"), str) else colors.get(value)
        named.add(value)
        yield FoundClass(name, color, value, row.get("background") is True)
    for value, color in colors.items():
        if value not in named and value > 0:
            yield FoundClass(f"class {value}", color, value)


def _rows(rows: Any) -> Iterator[dict[str, Any]]:
    """Return the rows of a table that have a label's value."""
    for row in rows[:MAX_CLASSES] if isinstance(rows, list) else []:
        value = row.get("label-value") if isinstance(row, dict) else None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            yield row

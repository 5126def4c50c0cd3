"""Labels layers saved to and opened from annotation files: what napari's manifest names.

Neither Qt nor napari is imported here: layers come and go as ``(data, attributes, kind)``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_itaclip.errors import FormatError
from napari_itaclip.files import write_atomically
from napari_itaclip.formats.model import ExportOptions, Format, ReadableDataset
from napari_itaclip.formats.parts.layer_tables import labelled_layer, layer_of
from napari_itaclip.formats.reading.label_folder import looks_like_labels

LayerData = tuple[Any, dict[str, Any], str]
"""``(data, attributes, kind)`` as napari's readers and writers have it."""

MAX_LAYERS = 32
"""More images at once are no longer looked at as layers."""

_PLAIN = frozenset({"png", "tiff"})
"""Formats whose files are mostly pictures: only those with a table of classes are ours."""


def write_png(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as PNG: class ids, colours, and the classes' names inside."""
    return _save("png", (".png",), path, data, attributes)


def write_voc_png(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as indexed PNG as in Pascal VOC: 255 for unlabelled pixels."""
    return _save("voc", (".png",), path, data, attributes)


def write_tiff(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as TIFF, compressed without loss, with the classes' names inside."""
    return _save("tiff", (".tif", ".tiff"), path, data, attributes)


def write_geotiff(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as GeoTIFF, in its place on Earth if it was opened with one."""
    return _save("geotiff", (".tif", ".tiff"), path, data, attributes)


def write_geojson(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as GeoJSON outlines."""
    return _save("geojson", (".geojson", ".json"), path, data, attributes)


def write_coco(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as COCO JSON: one mask for each class."""
    return _save("coco", (".json",), path, data, attributes)


def write_coco_instances(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as COCO JSON: one mask for each connected region."""
    return _save("coco-instances", (".json",), path, data, attributes)


def write_labelme(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as LabelMe JSON outlines."""
    return _save("labelme", (".json",), path, data, attributes)


def write_cvat(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer as CVAT XML masks."""
    return _save("cvat", (".xml",), path, data, attributes)


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return what opens annotation files as labels layers.

    Parameters
    ----------
    path
        A file or folder. A stack of several files is not ours.

    Returns
    -------
    callable or None
        None for everything that is no annotation file, such as a picture in PNG or TIFF.
    """
    if not isinstance(path, str | os.PathLike):
        return None
    return None if _format_of(Path(path)) is None else read_layers


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open annotation files as labels layers with their classes' names and colours.

    Raises
    ------
    FormatError
        If they cannot be read, or there are so many that they are better converted at once.
    """
    if not isinstance(path, str | os.PathLike):
        raise FormatError("annotation files are opened one by one, not as a stack")
    place = Path(path)
    format = _format_of(place)
    if format is None or format.read is None:
        raise FormatError(f"{place} holds no annotations that can be read")
    found: ReadableDataset = format.read(place)
    if len(found.names) > MAX_LAYERS:
        raise FormatError(
            f"{place} holds {len(found.names)} images, too many to open at once; make label images "
            f"of them with: napari-itaclip import {place} --to FOLDER"
        )
    about = {"source": str(place), "format": found.format, "notes": list(found.notes)}
    return [layer_of(found.load(name), about) for name in found.names]


def _save(
    name: str, suffixes: Sequence[str], path: str, data: Any, attributes: Mapping[str, Any]
) -> list[str]:
    """Write one layer as one file; without one of the endings it gets the first."""
    from napari_itaclip.formats.export import one_file
    from napari_itaclip.formats.registry import get_format

    target = Path(path)
    format = get_format(name)
    suffix = target.suffix.lower()
    if suffix not in suffixes:
        suffix = suffixes[0]
        target = target.with_name(target.name + suffix)
    item = labelled_layer(data, attributes, target.stem, None)
    content, _ = one_file(format, item, suffix, ExportOptions(images=False))
    write_atomically(target, content)
    return [str(target)]


def _format_of(path: Path) -> Format | None:
    """Return the format of annotations; None for files that are none."""
    from napari_itaclip.formats.registry import guess_format

    try:
        format = guess_format(path)
    except (FormatError, OSError, ValueError):
        return None
    if format.name in _PLAIN and not looks_like_labels(path, format.suffixes, _names_classes):
        return None
    return format


def _names_classes(path: Path) -> bool:
    """Tell whether an image holds a table of classes, or has one beside it."""
    from napari_itaclip.formats.reading.label_folder import has_table

    return has_table(path)

"""All formats by name. A format's module is imported when the format is first used."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import Format

STATE_FOLDER = ".itaclip"
"""Where a data set that was written here keeps what is needed to extend it."""

_WHERE: Mapping[str, str] = {
    "voc": "voc:VOC",
    "cityscapes": "cityscapes:CITYSCAPES",
    "coco": "coco:COCO",
    "coco-instances": "coco:COCO_INSTANCES",
    "coco-polygons": "coco:COCO_POLYGONS",
    "coco-panoptic": "coco_panoptic:COCO_PANOPTIC",
    "yolo": "yolo:YOLO",
    "labelme": "labelme:LABELME",
    "cvat": "cvat:CVAT",
    "label-studio": "label_studio:LABEL_STUDIO",
    "geojson": "geojson:GEOJSON",
    "geotiff": "geotiff:GEOTIFF",
    "ome-zarr": "ome_zarr:OME_ZARR",
    "png": "png:PNG",
    "tiff": "tiff:TIFF",
}
"""Module and constant of each format. Files are taken for the first format that knows them, so
those that know little about their files come last."""


class _Formats(Mapping[str, Format]):
    """The formats, loaded one by one."""

    def __init__(self) -> None:
        self._loaded: dict[str, Format] = {}

    def __getitem__(self, name: str) -> Format:
        if name not in self._loaded:
            module, constant = _WHERE[name].split(":")
            found = getattr(import_module(f"napari_itaclip.formats.{module}"), constant)
            self._loaded[name] = found
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)

    def __contains__(self, name: object) -> bool:
        return name in _WHERE


FORMATS: Mapping[str, Format] = _Formats()
"""Every format by its name."""


def format_names() -> tuple[str, ...]:
    """Return the names of all formats."""
    return tuple(_WHERE)


def get_format(name: str) -> Format:
    """Return a format by its name; upper case and ``_`` do no harm.

    Raises
    ------
    FormatError
        If there is none of this name; the message lists all.
    """
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    if key in FORMATS:
        return FORMATS[key]
    near = difflib.get_close_matches(key, _WHERE, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    known = ", ".join(_WHERE)
    raise FormatError(f"there is no format {name!r}; {hint}the formats are: {known}")


def guess_format(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file or folder.

    A folder that was written here says so itself; everything else is looked into, quickly.

    Raises
    ------
    FormatError
        If there is no such file, no format knows it, or the folder holds several data sets.
    """
    place = Path(path)
    if not place.exists():
        raise FormatError(f"there is no file or folder {place}")
    own = written_here(place)
    if len(own) > 1:
        raise FormatError(
            f"{place} holds several data sets ({', '.join(own)}); say which one is meant by its "
            "format"
        )
    if own:
        return FORMATS[own[0]]
    for one in FORMATS.values():
        if one.read is not None and one.sniff is not None and one.sniff(place):
            return one
    raise FormatError(
        f"{place} is none of the annotation formats known here, or is damaged; if you know what "
        f"it is, name its format: {', '.join(_WHERE)}"
    )


def formats_for_suffix(suffix: str) -> tuple[Format, ...]:
    """Return the formats that can save one image's labels as one file with this ending."""
    ending = suffix.lower()
    return tuple(one for one in FORMATS.values() if ending in one.suffixes)


def written_here(folder: Path) -> tuple[str, ...]:
    """Return the formats of the data sets that were written into a folder by this package."""
    return tuple(
        name for name in _WHERE if (folder / STATE_FOLDER / name / "dataset.json").is_file()
    )

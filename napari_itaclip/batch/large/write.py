"""From planes of numbers on disk to tiled, compressed files, a few rows at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch.large.resample import nearest
from napari_itaclip.batch.large.state import Raster
from napari_itaclip.errors import OutputError, SettingsError

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".zarr")
"""Endings of the files that can be written."""

_TILE = 512
_CHUNK = 1024
_SMALLEST_LEVEL = 1024
_NODATA = 42113

Check = Callable[[], None]
"""Called between tiles; raises to stop."""


@dataclass(frozen=True)
class Plane:
    """What is to be written as one file.

    Attributes
    ----------
    raster : Raster
        The numbers, at the working size.
    size : (int, int)
        Height and width of the file; other than the raster's, each pixel takes the nearest number.
    about : mapping
        JSON values that describe it, kept inside the file.
    geo : mapping
        GeoTIFF tags for this size.
    nodata : int or None
        The number that stands for "nothing here", in files on a map.
    classes : sequence of mappings
        Id, name and colour (``#rrggbb``) of what the numbers mean; empty for other planes.
    """

    raster: Raster
    size: tuple[int, int]
    about: Mapping[str, Any] = field(default_factory=dict)
    geo: Mapping[int, tuple[Any, int, Any]] = field(default_factory=dict)
    nodata: int | None = None
    classes: Sequence[Mapping[str, Any]] = ()


def check_output(output: Path, *, overwrite: bool) -> None:
    """Check that a result can be written there.

    Raises
    ------
    SettingsError
        If the ending is none that can be written.
    OutputError
        If something is there already and may not be replaced.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"the result {output.name!r} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )
    if output.exists() and not overwrite:
        raise OutputError(
            f"{output} is already there and may hold corrections; choose another name, or replace "
            "it with --overwrite."
        )
    wanted_folder = output.suffix.lower() == ".zarr"
    if output.exists() and output.is_dir() != wanted_folder:
        kind = "folder" if output.is_dir() else "file"
        raise OutputError(f"{output} is a {kind}; choose another name.")
    if wanted_folder and output.exists() and not (output / "labels").is_dir():
        raise OutputError(
            f"{output} holds no labels of an earlier run and is not replaced; choose another name."
        )


def write_plane(plane: Plane, temporary: Path, target: Path, check: Check) -> None:
    """Write a plane to ``temporary`` and move it to ``target`` when it is complete.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is untouched.
    MissingExtraError
        If Zarr is wanted and not installed.
    """
    _remove(temporary)
    try:
        if target.suffix.lower() == ".zarr":
            _write_zarr(plane, temporary, check)
            aside = temporary.with_name(f"{temporary.name}.old")
            _remove(aside)
            if target.exists():
                target.replace(aside)
            temporary.replace(target)
            _remove(aside)
        else:
            _write_tiff(plane, temporary, check)
            temporary.replace(target)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}. What is finished is kept; the "
            "same command goes on from there."
        ) from error


def sampled_rows(plane: Plane, size: tuple[int, int], top: int, bottom: int) -> NDArray[Any]:
    """Return rows of a plane at a size, each pixel being the nearest one of the raster."""
    raster = plane.raster
    if size == raster.shape:
        return raster.rows(top, bottom)
    lines = nearest(raster.shape[0], size[0])[top:bottom]
    low, high = int(lines[0]), int(lines[-1]) + 1
    if (high - low) <= 4 * len(lines):
        rows = raster.rows(low, high)[lines - low]
    else:  # a small copy: only the rows that it shows
        rows = np.concatenate([raster.rows(line, line + 1) for line in lines.tolist()])
    found: NDArray[Any] = rows[:, nearest(raster.shape[1], size[1])]
    return found


def level_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes of a pyramid, each half of the one before."""
    sizes = [size]
    while max(sizes[-1]) > _SMALLEST_LEVEL and min(sizes[-1]) > 1:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def _write_tiff(plane: Plane, path: Path, check: Check) -> None:
    """Write a tiled, compressed BigTIFF with smaller copies of itself."""
    import tifffile

    extra: list[Any] = [
        (code, kind, count, value, True) for code, (kind, count, value) in plane.geo.items()
    ]
    if plane.geo and plane.nodata is not None:
        extra.append((_NODATA, 2, 0, str(plane.nodata), True))
    sizes = level_sizes(plane.size)
    common: dict[str, Any] = {
        "dtype": plane.raster.dtype,
        "tile": (_TILE, _TILE),
        "compression": "zlib",
        "photometric": "minisblack",
        "metadata": None,
        "software": False,
        "maxworkers": 1,
    }
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number, size in enumerate(sizes):
            own: dict[str, Any] = {"subfiletype": 1}
            if number == 0:
                own = {
                    "description": json.dumps(plane.about, ensure_ascii=True),
                    "subifds": len(sizes) - 1,
                    "extratags": extra,
                }
            writer.write(_tiles(plane, size, check), shape=size, **common, **own)


def _tiles(plane: Plane, size: tuple[int, int], check: Check) -> Iterator[NDArray[Any]]:
    """Yield the tiles row by row, those at the border filled up with zeros."""
    for top in range(0, size[0], _TILE):
        band = sampled_rows(plane, size, top, min(size[0], top + _TILE))
        for left in range(0, size[1], _TILE):
            check()
            part = band[:, left : left + _TILE]
            tile = np.zeros((_TILE, _TILE), plane.raster.dtype)
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile


def _write_zarr(plane: Plane, path: Path, check: Check) -> None:
    """Write an OME-Zarr group (0.4) with one label image; without classes, an image."""
    from napari_itaclip.batch.large.zarr_source import require_zarr

    zarr = require_zarr()
    root = zarr.create_group(str(path), zarr_format=2)
    group = root
    if plane.classes:
        holder = root.create_group("labels")
        holder.attrs["labels"] = ["classes"]
        group = holder.create_group("classes")
        group.attrs["image-label"] = _image_label(plane)
    sizes = level_sizes(plane.size)
    for number, size in enumerate(sizes):
        array = group.create_array(
            str(number),
            shape=size,
            chunks=tuple(min(_CHUNK, side) for side in size),
            dtype=plane.raster.dtype,
            fill_value=0,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        for top in range(0, size[0], _CHUNK):
            check()
            bottom = min(size[0], top + _CHUNK)
            array[top:bottom] = sampled_rows(plane, size, top, bottom)
    group.attrs["multiscales"] = [_multiscale(sizes)]
    group.attrs["napari-itaclip"] = dict(plane.about)


def _multiscale(sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return OME-Zarr's description of a pyramid."""
    full = sizes[0]
    return {
        "version": "0.4",
        "name": "classes",
        "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
        "datasets": [
            {
                "path": str(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [full[0] / size[0], full[1] / size[1]]}
                ],
            }
            for number, size in enumerate(sizes)
        ],
    }


def _image_label(plane: Plane) -> dict[str, Any]:
    """Return OME-Zarr's table of classes."""
    colors = [
        {"label-value": one["id"], "rgba": [*bytes.fromhex(one["color"][1:]), 255]}
        for one in plane.classes
    ]
    properties = [{"label-value": one["id"], "name": one["name"]} for one in plane.classes]
    return {"version": "0.4", "colors": colors, "properties": properties}


def _remove(path: Path) -> None:
    """Remove what an interrupted run has left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

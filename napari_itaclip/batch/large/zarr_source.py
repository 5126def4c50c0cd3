"""Zarr arrays and OME-Zarr images, without reading them whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_itaclip.batch.large.sources import LargeImage, Level, array_identity, array_level
from napari_itaclip.errors import ImageError, MissingExtraError

_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
_MAX_LEVELS = 32


def require_zarr() -> Any:
    """Return the module ``zarr``.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError(
            "Zarr needs zarr; install it with: pip install 'napari-itaclip[omezarr]'"
        ) from error
    return zarr


def open_zarr(path: Path) -> LargeImage:
    """Open a folder that holds a Zarr array or an OME-Zarr image.

    Raises
    ------
    ImageError
        If it is neither, or damaged.
    MissingExtraError
        If zarr is not installed.
    """
    if not any((path / name).is_file() for name in _METADATA):
        raise ImageError(f"{path} is a folder, not an image")
    zarr = require_zarr()
    try:
        node = zarr.open(path, mode="r")
    except Exception as error:  # zarr and its codecs fail in many ways on damaged files
        raise ImageError(f"{path} cannot be read as Zarr: {error}") from error
    if hasattr(node, "dtype"):
        level = array_level(node, str(path))
        return LargeImage(str(path), (level,), _identity(path, level))
    image = open_group(node, str(path))
    return LargeImage(
        image.name, image.levels, _identity(path, image.levels[0]), image.pixel_size
    )  # fmt: skip


def open_group(group: Any, name: str) -> LargeImage:
    """Open a Zarr group with an OME-Zarr multiscale image (versions 0.1 to 0.5).

    Raises
    ------
    ImageError
        If it holds no such image.
    """
    attributes: Any = dict(group.attrs)
    attributes = attributes.get("ome", attributes)
    try:
        first: Any = attributes["multiscales"][0]
        axes = _axes(first)
        datasets = list(first["datasets"])[:_MAX_LEVELS]
        levels = tuple(
            array_level(group[_inside(entry["path"])], f"{name}/{entry['path']}", axes)
            for entry in datasets
        )
        pixel_size = _pixel_size(datasets[0], axes)
    except ImageError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ImageError(
            f"{name} is a Zarr group without an image (no OME-Zarr multiscales that can be read); "
            "give the array inside it"
        ) from error
    if not levels:
        raise ImageError(f"{name} lists no resolution")
    return LargeImage(name, levels, array_identity(levels[0]), pixel_size)


def _inside(path: object) -> str:
    """Return a dataset's path if it stays inside its group."""
    parts = str(path).replace("\\", "/").split("/")
    if not isinstance(path, str) or ".." in parts or path.startswith("/"):
        raise ImageError(f"the path {path!r} leads out of the Zarr group")
    return path


def _axes(multiscale: Mapping[str, Any]) -> str | None:
    """Return one letter per axis; older versions have names only, the first ones none."""
    axes = multiscale.get("axes")
    if axes is None:
        return "tczyx"  # versions 0.1 and 0.2 have always these five
    names = [axis["name"] if isinstance(axis, Mapping) else axis for axis in axes]
    if any(not isinstance(one, str) or len(one) != 1 for one in names):
        raise ImageError(f"the axes {names} are not named by letters")
    return "".join(names)


def _pixel_size(dataset: Mapping[str, Any], axes: str | None) -> float | None:
    """Return the scale along x of the first resolution."""
    for transform in dataset.get("coordinateTransformations", ()):
        if transform.get("type") == "scale" and axes is not None:
            return float(transform["scale"][axes.index("x")])
    return None


def _identity(path: Path, level: Level) -> str:
    """Return what tells this image from another one of its name.

    Zarr stores an image as many files; their metadata and a few rows stand for all of them.
    """
    digest = hashlib.sha256(array_identity(level).encode())
    for name in _METADATA:
        file = path / name
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()

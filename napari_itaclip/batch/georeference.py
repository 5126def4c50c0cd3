"""Where a picture lies on Earth: from rasterio where it is installed, else from its own tags."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from napari_itaclip.formats.model import Georeference

_SUFFIXES = frozenset((".tif", ".tiff"))
_SCALE, _TIEPOINTS, _MATRIX, _KEYS, _TEXTS = 33550, 33922, 34264, 34735, 34737
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2
_GEOGRAPHIC, _PROJECTED = 2048, 3072
_USER_DEFINED = 32767


def read_georeference(path: Path) -> Georeference | None:
    """Return where an image lies; None where its file does not say.

    With rasterio every reference system and world files are known. Without it the tags still tell
    that the image lies somewhere, so that a format which needs rasterio says so.
    """
    from napari_itaclip.formats.parts import georeference

    return georeference.read_georeference(path) or from_tags(path)


def from_tags(path: Path) -> Georeference | None:
    """Return where a GeoTIFF says that it lies; None for everything else.

    The tags are those of OGC GeoTIFF 1.1. The reference system is taken where it has an EPSG code.
    """
    if path.suffix.lower() not in _SUFFIXES:
        return None
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            tags = {tag.code: tag.value for tag in tiff.pages.first.tags}
        transform = _transform(tags)
    except MemoryError:
        raise
    except Exception:  # a damaged directory: the image itself is read, and complained of, elsewhere
        return None
    if transform is None or not all(math.isfinite(value) for value in transform):
        return None
    return Georeference(transform, _crs(_keys(tags)))


def _transform(tags: dict[int, Any]) -> tuple[float, float, float, float, float, float] | None:
    """Return the transform from the corners of pixels to the map."""
    if _MATRIX in tags:
        a, b, _, c, d, e, _, f = (float(value) for value in tags[_MATRIX][:8])
    elif _SCALE in tags and _TIEPOINTS in tags:
        a, down = float(tags[_SCALE][0]), float(tags[_SCALE][1])
        column, row, _, x, y = (float(value) for value in tags[_TIEPOINTS][:5])
        b, d, e = 0.0, 0.0, -down
        c, f = x - a * column, y + down * row
    else:
        return None
    if _keys(tags).get(_RASTER_TYPE) == _PIXEL_IS_POINT:  # coordinates of the pixels' centres
        c, f = c - (a + b) / 2, f - (d + e) / 2
    return a, b, c, d, e, f


def _keys(tags: dict[int, Any]) -> dict[int, int]:
    """Return the GeoKeys that are plain numbers."""
    values = [int(value) for value in tags.get(_KEYS, ())]
    entries = (values[at : at + 4] for at in range(4, len(values) - 3, 4))
    return {key: value for key, place, _, value in entries if place == 0}


def _crs(keys: dict[int, int]) -> str:
    for key in (_PROJECTED, _GEOGRAPHIC):
        code = keys.get(key, 0)
        if 0 < code < _USER_DEFINED:
            return f"EPSG:{code}"
    return ""

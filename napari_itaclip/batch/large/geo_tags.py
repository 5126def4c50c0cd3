"""Where a TIFF lies on Earth: reading its GeoTIFF tags and carrying them to another pixel size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GeoTags = Mapping[int, tuple[Any, int, Any]]
"""Tag code → (TIFF type, count, value)."""

_SCALE, _TIEPOINTS, _MATRIX = 33550, 33922, 34264
_KEYS, _DOUBLES, _TEXTS = 34735, 34736, 34737
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2


def geo_tags(page: Any) -> dict[int, tuple[Any, int, Any]]:
    """Return the GeoTIFF tags of a tifffile page; empty when it has none."""
    found = {}
    for code in (_SCALE, _TIEPOINTS, _MATRIX, _KEYS, _DOUBLES, _TEXTS):
        tag = page.tags.get(code)
        if tag is not None:
            found[code] = (int(tag.dtype), int(tag.count), tag.value)
    return found


def map_pixel_size(page: Any) -> float | None:
    """Return the side of a pixel in the map's unit, where a page has a pixel scale."""
    tag = page.tags.get(_SCALE)
    return None if tag is None or not tag.value[0] else abs(float(tag.value[0]))


def scaled_geo_tags(
    tags: GeoTags, source: tuple[int, int], target: tuple[int, int]
) -> dict[int, tuple[Any, int, Any]]:
    """Return the tags for the same picture with another number of pixels.

    Parameters
    ----------
    tags : mapping
        What `geo_tags` returned.
    source, target : (int, int)
        Height and width in pixels, before and after.
    """
    down, across = target[0] / source[0], target[1] / source[1]
    # Where coordinates mean the centres of pixels, the first centre moves when pixels grow.
    half = 0.5 if _pixel_is_point(tags) else 0.0
    scaled = dict(tags)
    if _SCALE in tags:
        kind, count, value = tags[_SCALE]
        scaled[_SCALE] = (kind, count, (value[0] / across, value[1] / down, *value[2:]))
    if _TIEPOINTS in tags:
        kind, count, value = tags[_TIEPOINTS]
        points: list[float] = []
        for at in range(0, len(value) - 5, 6):
            column, row, *rest = value[at : at + 6]
            points += [(column + half) * across - half, (row + half) * down - half, *rest]
        scaled[_TIEPOINTS] = (kind, len(points), tuple(points))
    if _MATRIX in tags:
        kind, count, value = tags[_MATRIX]
        matrix = list(value)
        for line in range(0, 16, 4):
            x, y = matrix[line], matrix[line + 1]
            matrix[line], matrix[line + 1] = x / across, y / down
            matrix[line + 3] += half * (x * (1 / across - 1) + y * (1 / down - 1))
        scaled[_MATRIX] = (kind, count, tuple(matrix))
    return scaled


def _pixel_is_point(tags: GeoTags) -> bool:
    """Say whether the map coordinates belong to the centres of pixels."""
    if _KEYS not in tags:
        return False
    keys = tuple(tags[_KEYS][2])
    entries = [keys[at : at + 4] for at in range(4, len(keys) - 3, 4)]
    return any(key == _RASTER_TYPE and value == _PIXEL_IS_POINT for key, _, _, value in entries)

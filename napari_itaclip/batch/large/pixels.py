"""Bands of any image → 8-bit RGB, exactly as if the whole image had been converted at once.

What the conversion needs to know of the whole image (its range of values, whether anything is
missing, what missing pixels are filled with) is found in a pass over the image beforehand, and only
when the kind of values makes it necessary: 8-bit gray and RGB need none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch.large.sources import Level, band_height
from napari_itaclip.errors import ImageError
from napari_itaclip.segmentation.image import MIN_SIDE, prepare_image


@dataclass(frozen=True)
class Conversion:
    """What is known of a whole image before its bands are converted.

    Attributes
    ----------
    limits : (float, float) or None
        Gray values shown as black and white; None where 8 bits stay as they are.
    integers : numpy dtype or None
        What wide integers of colours are narrowed to.
    nodata : float or None
        Value of pixels that show nothing (in all channels).
    masked : bool
        Whether there are pixels without a value.
    fill : int
        Level that pixels without a value get: the smallest of the others, as in the engine.
    """

    limits: tuple[float, float] | None = None
    integers: np.dtype[Any] | None = None
    nodata: float | None = None
    masked: bool = False
    fill: int = 0


def survey(
    level: Level,
    *,
    contrast_limits: Sequence[float] | None = None,
    nodata: float | None = None,
) -> Conversion:
    """Return how to convert an image, reading it once or twice if its values require it.

    Parameters
    ----------
    level : Level
        The resolution that is worked with.
    contrast_limits : (float, float), optional
        Gray values shown as black and as white; None: as `prepare_image` chooses them, from the
        smallest and the largest value of the whole image.
    nodata : float, optional
        Value that stands for "no image here".

    Raises
    ------
    ImageError
        If no pixel has a value, the contrast limits are no range, or colours are out of theirs.
    """
    kind, gray = level.dtype.kind, level.channels is None
    limits = None
    if gray and contrast_limits is not None:
        low, high = (float(limit) for limit in contrast_limits)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ImageError(
                "contrast limits must be two finite numbers, the smaller first, "
                f"not {low:g} and {high:g}"
            )
        limits = (low, high)
    if nodata is not None and not _can_hold(level.dtype, nodata):
        nodata = None
    narrow = level.dtype == np.bool_ or level.dtype == np.uint8
    wide = not gray and kind in "iu" and level.dtype.newbyteorder("=") not in (np.uint8, np.uint16)
    unknown_range = gray and not narrow and limits is None
    may_miss = kind == "f" or nodata is not None or level.channels == 4
    if not (wide or unknown_range or may_miss):
        return Conversion(limits)
    found = _statistics(level, nodata)
    if unknown_range:
        limits = (found.low, found.high)
    integers = _narrowed(level, found) if wide else None
    if not gray and kind == "f" and found.above_one * 2 > found.values:
        raise ImageError(
            "the image's colours are floating-point numbers, mostly larger than 1; 1 is full "
            "brightness: divide by the largest value, or convert to uint8"
        )
    known = Conversion(limits, integers, nodata, found.masked)
    return replace(known, fill=_smallest_level(level, known)) if found.masked else known


def converted(
    band: NDArray[Any], known: Conversion
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Return a band as RGB ``(h, W, 3)``, and which of its pixels have a value (None: all)."""
    band = _native(band)
    invalid = missing(band, known.nodata) if known.masked else None
    if invalid is not None and invalid.all():
        return np.full((*invalid.shape, 3), known.fill, np.uint8), ~invalid
    if known.limits is not None and known.limits[0] >= known.limits[1]:
        picture = np.zeros((*band.shape[:2], 3), np.uint8)  # one value everywhere
    else:
        picture = _prepared(band, known)
    if invalid is None or not invalid.any():
        return picture, None
    if not picture.flags.writeable or np.may_share_memory(picture, band):
        picture = picture.copy()
    picture[invalid] = known.fill
    return picture, ~invalid


def missing(band: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Return the pixels ``(h, W)`` of a band without a value: NaN, transparent or "no data"."""
    flat = band if band.ndim == 3 else band[..., None]
    invalid = np.zeros(flat.shape[:2], np.bool_)
    if band.dtype.kind == "f":
        invalid |= ~np.isfinite(flat).all(axis=2)
    if flat.shape[2] == 4:
        invalid |= flat[..., 3] <= 0
    if nodata is not None:
        invalid |= (flat[..., :3] == nodata).all(axis=2)
    return invalid


def _prepared(band: NDArray[Any], known: Conversion) -> NDArray[np.uint8]:
    """Convert a band with the engine's own rules, given the whole image's range."""
    if known.integers is not None:
        band = band.astype(known.integers)
    if band.ndim == 3 and band.dtype.kind == "f":
        # The engine doubts images that are mostly too bright; a band of them is nothing unusual.
        band = np.concatenate([np.minimum(band[..., :3], 1), band[..., 3:]], axis=2)
    rows = band.shape[0]
    if rows < MIN_SIDE:
        band = np.pad(band, ((0, MIN_SIDE - rows), *((0, 0),) * (band.ndim - 1)), mode="edge")
    picture = prepare_image(band, contrast_limits=known.limits, rgb=band.ndim == 3).rgb
    return picture[:rows]


@dataclass
class _Statistics:
    """What a pass over an image gathers."""

    low: float = np.inf
    high: float = -np.inf
    values: int = 0
    above_one: int = 0
    masked: bool = False


def _bands(level: Level) -> Iterator[NDArray[Any]]:
    step = band_height(level)
    for top in range(0, level.height, step):
        yield _native(level.rows(top, min(level.height, top + step)))


def _statistics(level: Level, nodata: float | None) -> _Statistics:
    """Read the image once."""
    found = _Statistics()
    anything = False
    for band in _bands(level):
        invalid = missing(band, nodata)
        found.values += band[..., :3].size if band.ndim == 3 else band.size
        if invalid.any():
            found.masked = True
            if invalid.all():
                continue
        anything = True
        valid = band if not found.masked else band[~invalid]
        if level.channels == 4:
            valid = valid[..., :3]
        found.low = min(found.low, float(valid.min()))
        found.high = max(found.high, float(valid.max()))
        if band.dtype.kind == "f":
            found.above_one += int(np.count_nonzero(valid > 1))
    if not anything:
        raise ImageError("the image has no values: every pixel is NaN, transparent or no data")
    return found


def _narrowed(level: Level, found: _Statistics) -> np.dtype[Any]:
    """Return the narrow type of colours that are stored in a wide one."""
    if found.low < 0 or found.high > 65535:
        raise ImageError(
            f"the image's colours range from {found.low:g} to {found.high:g}; colours stored as "
            f"{level.dtype} must lie in 0..255 or 0..65535: convert to uint8"
        )
    return np.dtype(np.uint8 if found.high <= 255 else np.uint16)


def _smallest_level(level: Level, known: Conversion) -> int:
    """Return the smallest 8-bit level of the pixels that have a value."""
    smallest = 255
    for band in _bands(level):
        valid = ~missing(band, known.nodata)
        if valid.any():
            smallest = min(smallest, int(converted(band, known)[0][valid].min()))
        if smallest == 0:
            break
    return smallest


def _native(band: NDArray[Any]) -> NDArray[Any]:
    """Return the values in this machine's order of bytes."""
    return band.astype(band.dtype.newbyteorder("="), copy=False)


def _can_hold(dtype: np.dtype[Any], value: float) -> bool:
    """Say whether a type has this value; not-a-number is found anyway."""
    if np.isnan(value):
        return False
    if dtype.kind == "f":
        return True
    if dtype.kind == "b":
        return False
    info = np.iinfo(dtype)
    return value == int(value) and info.min <= value <= info.max

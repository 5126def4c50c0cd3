"""Any array napari can show → 8-bit RGB and the pixels that hold an image.

Brightness follows what napari shows by default: 8-bit values as they are, other gray images
stretched from their smallest to their largest finite value (or between given contrast limits),
floating-point colours from 0 to 1, 16-bit colours from 0 to 65535. Transparent colours lie on
black, which is napari's canvas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import ImageError

MIN_SIDE = 8
"""Images with a shorter side (pixels) are refused: there is nothing to recognise in them."""

_BLOCK = 1 << 20
"""Values converted at once: keeps temporary float copies small next to the image."""

_DTYPE_KINDS = "buif"


@dataclass(frozen=True)
class PreparedImage:
    """An image the network can look at.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3), C-contiguous. May share memory with the input: not to be written to.
    valid
        bool (H, W), False where the input had no value (NaN, infinite, masked, fully
        transparent); None when every pixel is valid.
    """

    rgb: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb.shape[0], self.rgb.shape[1]


def prepare_image(
    image: object,
    *,
    contrast_limits: Sequence[float] | None = None,
    channel_axis: int | None = None,
    rgb: bool | None = None,
) -> PreparedImage:
    """Bring an image to 8-bit RGB.

    Parameters
    ----------
    image
        Gray (H, W) or (H, W, 1), RGB (H, W, 3) or RGBA (H, W, 4): a NumPy array, anything that
        ``numpy.asarray`` understands (Dask, Zarr), a masked array or a Pillow image. Values: bool,
        integers or floats. Colours: 8 bits as they are, 16 bits from 0 to 65535, floats from 0
        to 1 (beyond is clipped); wider integers must lie in 0..65535 and count as 8 bits up to
        255, else as 16 bits.
    contrast_limits
        The gray values shown as black and as white, like ``layer.contrast_limits``. None: 0 and
        255 for 8 bits unsigned, else the smallest and largest finite value. Colour images ignore
        it, as napari does.
    channel_axis
        The axis that holds 1, 3 or 4 colour channels, when it is not the last.
    rgb
        True: the last axis holds colours. False: the image is gray. None: found out by the shape.

    Returns
    -------
    PreparedImage
        The picture and its valid pixels. Pixels without a value get the image's smallest value.

    Raises
    ------
    ImageError
        When this is not one image of numbers, has no pixels or too few, no value at all, or the
        contrast limits are no range.
    """
    array, missing = _as_array(image)
    _check_dtype(array)
    if array.size == 0:
        raise ImageError(f"the image has no pixels: its shape is {array.shape}")
    if channel_axis is not None:
        array, missing = _channels_last(array, missing, channel_axis)
    array, missing = _checked_shape(array, missing, rgb, channel_axis is not None)
    limits = None if contrast_limits is None else _checked_limits(contrast_limits)
    if missing is not None and missing.ndim == 3:
        missing = np.asarray(missing.any(axis=2))
    invalid = _not_finite(array, missing)
    if array.ndim == 2:
        picture = _gray_to_rgb(array, invalid, limits)
    else:
        if array.shape[2] == 4:
            array, invalid = _without_alpha(array, invalid)
        picture = _color_to_rgb(array, invalid)
    return PreparedImage(picture, None if invalid is None else ~invalid)


def _as_array(image: object) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the image as an array, and which values a masked array hides."""
    if isinstance(image, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(image)
        return np.asarray(image.data), mask if mask.any() else None
    if type(image).__module__.split(".")[0] == "PIL":
        from napari_itaclip.segmentation.image_files import array_from_pillow

        return array_from_pillow(image), None  # type: ignore[arg-type]
    if image is None or isinstance(image, str | bytes):
        raise ImageError(f"an image is an array of pixels, not {image!r:.60}")
    try:
        return np.asarray(image), None
    except Exception as error:  # arrays from elsewhere (Dask, Zarr) fail in their own ways
        raise ImageError(f"the image cannot be read as an array: {error}") from error


def _check_dtype(array: NDArray[Any]) -> None:
    """Refuse values that are not real numbers."""
    if array.dtype.kind in _DTYPE_KINDS:
        return
    if array.dtype.kind == "c":
        raise ImageError(
            f"the image holds complex numbers ({array.dtype}): "
            "show one part of it, like numpy.abs(image)"
        )
    raise ImageError(f"the image holds {array.dtype} values; pixels must be numbers")


def _channels_last(
    array: NDArray[Any], missing: NDArray[np.bool_] | None, axis: int
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Move the colours to the last axis."""
    if array.ndim != 3:
        raise ImageError(
            f"channel_axis is for images with 3 axes; this one has {array.ndim} "
            f"(shape {array.shape})"
        )
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or not -3 <= axis < 3:
        raise ImageError(f"channel_axis must be 0, 1 or 2 for shape {array.shape}, not {axis!r}")
    moved = np.moveaxis(array, axis, 2)
    return moved, None if missing is None else np.moveaxis(missing, axis, 2)


def _checked_shape(
    array: NDArray[Any], missing: NDArray[np.bool_] | None, rgb: bool | None, moved: bool
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the image as (H, W), (H, W, 3) or (H, W, 4), or say what its shape should be."""
    shape = array.shape
    if array.ndim == 3 and shape[2] == 1:
        array, missing = array[:, :, 0], None if missing is None else missing[:, :, 0]
    elif array.ndim == 3 and not (shape[2] in (3, 4) and rgb is not False):
        raise ImageError(_not_one_image(shape, moved, rgb))
    elif array.ndim not in (2, 3):
        what = "has one axis" if array.ndim == 1 else f"has {array.ndim} axes"
        advice = (
            "an image has two, or three with colours"
            if array.ndim < 2
            else "it looks like a stack: pick one slice, like image[0]"
        )
        raise ImageError(f"the image {what} (shape {shape}); {advice}")
    if array.ndim == 2 and rgb and len(shape) == 2:
        raise ImageError(f"the image has no colours (shape {shape}), but rgb=True asks for them")
    height, width = array.shape[:2]
    if min(height, width) < MIN_SIDE:
        hint = _planes_hint(shape) if len(shape) == 3 and not moved else ""
        raise ImageError(
            f"the image is {height}×{width} pixels; at least {MIN_SIDE}×{MIN_SIDE} are needed{hint}"
        )
    return array, missing


def _planes_hint(shape: tuple[int, ...]) -> str:
    """Return what to do if the colours come first."""
    return "; are the colours on the first axis? Then give channel_axis=0" if (
        shape[0] in (3, 4) and min(shape[1:]) >= MIN_SIDE
    ) else ""  # fmt: skip


def _not_one_image(shape: tuple[int, ...], moved: bool, rgb: bool | None) -> str:
    """Say why an array with three axes is not one image."""
    if rgb is False and shape[2] in (3, 4) and not moved:
        return f"the shape {shape} is not gray, but rgb=False says so; pick one plane of it"
    channels = shape[2]
    if moved or (channels <= 16 and channels < min(shape[:2])):
        return (
            f"the image has {channels} channels (shape {shape}); 1 (gray), 3 (RGB) or 4 (RGBA) "
            "can be used: pick one, like image[..., 0], or three"
        )
    return (
        f"the shape {shape} looks like a stack of gray images: pick one slice, like image[0]"
        f"{_planes_hint(shape)}"
    )


def _checked_limits(limits: Sequence[float]) -> tuple[float, float]:
    """Return contrast limits as two finite numbers in order."""
    try:
        low, high = (float(limit) for limit in limits)
    except (TypeError, ValueError):
        raise ImageError(f"contrast limits are two numbers, not {limits!r}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ImageError(
            "contrast limits must be two finite numbers, the smaller first, "
            f"not {low:g} and {high:g}"
        )
    return low, high


def _not_finite(array: NDArray[Any], missing: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return the pixels without a value, or None when there are none."""
    invalid = missing
    if array.dtype.kind == "f":
        # A sum over the image is finite if every value is (unless it overflows): cheap to rule out.
        with np.errstate(all="ignore"):
            suspicious = not np.isfinite(array.sum(dtype=np.float64))
        if suspicious:
            strange = ~np.isfinite(array)
            if strange.ndim == 3:
                strange = strange.any(axis=2)
            invalid = strange if invalid is None else strange | invalid
    if invalid is None or not invalid.any():
        return None
    if invalid.all():
        why = "is NaN, infinite" if missing is None else "is masked, NaN"
        raise ImageError(f"the image has no values: every pixel {why} or both")
    return invalid


def _without_alpha(
    array: NDArray[Any], invalid: NDArray[np.bool_] | None
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Lay RGBA on black; fully transparent pixels have no value."""
    colors, alpha = array[..., :3], array[..., 3]
    top = 1.0 if array.dtype.kind == "f" else _white(array, invalid)
    clear = alpha <= 0
    if invalid is not None:
        clear = clear | invalid
    if clear.all():
        raise ImageError("the image has no values: every pixel is fully transparent")
    opaque = bool((alpha >= top).all())
    if opaque and (array.dtype.kind in "bf" or array.dtype in (np.uint8, np.uint16)):
        return colors, invalid
    if array.dtype == np.uint8:
        wide = colors.astype(np.uint16)
        wide *= alpha[..., None]
        wide += 127
        wide //= 255
        mixed: NDArray[Any] = wide.astype(np.uint8)
    else:
        share = np.clip(alpha.astype(np.float64) / float(top), 0.0, 1.0)[..., None]
        mixed = np.where(clear[..., None], 0.0, colors.astype(np.float64)) * share
        mixed = mixed if array.dtype.kind == "f" else mixed / float(top)
    return mixed, clear if clear.any() else None


def _white(colors: NDArray[Any], invalid: NDArray[np.bool_] | None) -> float:
    """Return the value that full brightness has in a colour image."""
    dtype = colors.dtype
    if dtype == np.bool_:
        return 1.0
    if dtype == np.uint8:
        return 255.0
    if dtype.kind == "f":
        above = colors > 1.0 if invalid is None else (colors > 1.0) & ~invalid[..., None]
        if np.count_nonzero(above) * 2 > colors.size:
            raise ImageError(
                "the image's colours are floating-point numbers, mostly larger than 1; napari "
                "takes 1 as full brightness: divide by the largest value, or convert to uint8"
            )
        return 1.0
    low, high = int(colors.min()), int(colors.max())
    if low < 0 or high > 65535:
        raise ImageError(
            f"the image's colours range from {low} to {high}; colours stored as {dtype} "
            "must lie in 0..255 or 0..65535: convert to uint8"
        )
    # uint16 is a real 16-bit image even when it is dark; wider types mostly carry 8-bit values.
    return 65535.0 if dtype == np.uint16 or high > 255 else 255.0


def _color_to_rgb(array: NDArray[Any], invalid: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Convert colours (H, W, 3) to 8 bits."""
    white = _white(array, invalid)
    if array.dtype == np.uint8:
        picture = np.ascontiguousarray(array)
    else:
        picture = np.empty(array.shape, np.uint8)
        _stretch(array, 0.0, white, lambda rows, values: picture.__setitem__(rows, values))
    if invalid is not None:
        if picture is array or np.shares_memory(picture, array):
            picture = picture.copy()
        picture[invalid] = picture[~invalid].min()
    return picture


def _gray_to_rgb(
    array: NDArray[Any],
    invalid: NDArray[np.bool_] | None,
    limits: tuple[float, float] | None,
) -> NDArray[np.uint8]:
    """Convert gray values (H, W) to 8-bit RGB."""
    picture = np.empty((*array.shape, 3), np.uint8)

    def put(rows: slice, values: NDArray[np.uint8]) -> None:
        picture[rows] = values[..., None]

    if array.dtype == np.bool_:
        put(slice(None), array.view(np.uint8) * np.uint8(255))
    elif array.dtype == np.uint8 and limits in (None, (0.0, 255.0)):
        put(slice(None), array)
    else:
        low, high = limits or _value_range(array, invalid)
        _stretch(array, low, high, put)
    if invalid is not None:
        picture[invalid] = picture[~invalid].min()
    return picture


def _value_range(array: NDArray[Any], invalid: NDArray[np.bool_] | None) -> tuple[float, float]:
    """Return the smallest and largest value of the valid pixels."""
    values = array if invalid is None else array[~invalid]
    return float(values.min()), float(values.max())


def _stretch(
    array: NDArray[Any],
    low: float,
    high: float,
    put: Callable[[slice, NDArray[np.uint8]], None],
) -> None:
    """Map ``low..high`` to 0..255 with clipping, block by block of rows; constant images to 0."""
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 2:
        # Few possible values: one table instead of arithmetic on every pixel.
        info = np.iinfo(array.dtype)
        table = _scaled(np.arange(info.min, info.max + 1, dtype=np.float64), low, high)
        if info.min < 0:
            unsigned = np.dtype(f"u{array.dtype.itemsize}")
            table = np.roll(table, info.min)
            array = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).view(unsigned)
        put(slice(None), table[array])
        return
    # float32 holds 24 bits: enough for 8, unless the limits lie close together far from 0.
    single = (
        array.dtype.kind == "f"
        and array.dtype.itemsize <= 4
        and max(abs(low), abs(high)) <= 1e4 * (high - low) < 1e30
        and high - low > 1e-30
    )
    work = np.float32 if single else np.float64
    step = max(1, _BLOCK // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, array.shape[0], step):
        rows = slice(start, start + step)
        put(rows, _scaled(array[rows].astype(work), low, high))


def _scaled(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map floats to 8 bits; ``values`` is overwritten. Values that are not finite become 0."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    with np.errstate(all="ignore"):
        np.clip(values, low, high, out=values)
        if math.isinf(high - low):  # the span of the largest floats overflows: halve everything
            values *= 0.5
            low, high = low / 2, high / 2
        values -= low
        values /= high - low
        values *= 255.0
        np.rint(values, out=values)
    scaled: NDArray[np.uint8] = np.nan_to_num(values, copy=False, nan=0.0).astype(np.uint8)
    return scaled

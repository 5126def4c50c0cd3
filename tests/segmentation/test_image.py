"""Any array napari can show becomes 8-bit RGB; anything else is refused with its cause."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from skimage import data

from napari_itaclip.errors import ImageError
from napari_itaclip.segmentation.image import MIN_SIDE, PreparedImage, prepare_image

RAMP = np.linspace(0, 1, 16 * 12).reshape(16, 12)
BYTES = np.rint(RAMP * 255).astype(np.uint8)


def sample(name: str) -> np.ndarray[Any, Any]:
    """Return one of scikit-image's bundled photographs."""
    photo: np.ndarray[Any, Any] = getattr(data, name)()
    return photo


def gray(prepared: PreparedImage) -> np.ndarray[Any, Any]:
    """Return the gray values, having checked that all three channels are the same."""
    assert (prepared.rgb == prepared.rgb[..., :1]).all()
    return prepared.rgb[..., 0]


def test_a_photograph_is_not_touched() -> None:
    photo = sample("astronaut")
    prepared = prepare_image(photo)
    assert prepared.valid is None
    assert prepared.shape == (512, 512)
    np.testing.assert_array_equal(prepared.rgb, photo)
    assert np.shares_memory(prepared.rgb, photo)
    np.testing.assert_array_equal(prepare_image(photo[::-1, ::-2]).rgb, photo[::-1, ::-2])


def test_a_gray_photograph_is_not_stretched() -> None:
    photo = sample("camera") // 2
    np.testing.assert_array_equal(gray(prepare_image(photo)), photo)
    np.testing.assert_array_equal(gray(prepare_image(photo[..., None])), photo)


@pytest.mark.parametrize(
    "dtype", ["u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">u2", ">i2", ">f4", "g"]
)
def test_other_gray_is_stretched_from_its_smallest_to_its_largest_value(dtype: str) -> None:
    kind = np.dtype(dtype)
    info = np.iinfo(kind) if kind.kind in "iu" else None
    low, high = (info.min, min(info.max, 2**40)) if info else (-3.0, 5.0)
    low = max(low, -(2**40))
    image = (low + RAMP * (high - low)).astype(kind)
    # Half floats have 11 bits and signed bytes 8: they round on the way.
    np.testing.assert_allclose(gray(prepare_image(image)).astype(int), BYTES, atol=1)


def test_contrast_limits() -> None:
    image = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    shown = gray(prepare_image(image, contrast_limits=(50, 100)))[0]
    assert shown[:51].max() == 0
    assert shown[75] == 128
    assert shown[100:].min() == 255
    for dtype in ("u2", "i4", "f4", "f8"):
        same = gray(prepare_image(image.astype(dtype), contrast_limits=[50, 100]))[0]
        np.testing.assert_array_equal(same, shown)
    np.testing.assert_array_equal(gray(prepare_image(image, contrast_limits=(0, 255))), image)


def test_contrast_limits_do_not_change_colours() -> None:
    photo = sample("astronaut")[:32, :32]
    np.testing.assert_array_equal(prepare_image(photo, contrast_limits=(0, 10)).rgb, photo)


@pytest.mark.parametrize(
    "limits", [(1, 1), (2, 1), (np.nan, 1), (0, np.inf), (1,), 3, "ab", (1, 2, 3), (0, None)]
)
def test_wrong_contrast_limits(limits: Any) -> None:
    with pytest.raises(ImageError, match="contrast limits"):
        prepare_image(RAMP, contrast_limits=limits)


def test_masks_are_black_and_white() -> None:
    assert set(gray(prepare_image(RAMP > 0.5)).ravel()) == {0, 255}
    assert set(gray(prepare_image(np.ones((9, 9), bool))).ravel()) == {255}
    colors = np.stack([RAMP > 0.5] * 3, axis=-1)
    assert set(np.unique(prepare_image(colors).rgb)) == {0, 255}


def test_constant_images_are_black_unless_8_bit() -> None:
    for dtype in ("u2", "i8", "f4"):
        assert gray(prepare_image(np.full((8, 9), 7, dtype))).max() == 0
    assert gray(prepare_image(np.full((8, 9), 7, np.uint8))).max() == 7


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1.0, "f2"), (1.0, "f4"), (1.0, "f8"), (65535, "u2"), (65535, "i4"), (255, "i2"), (255, "i8")],
)
def test_colours_of_other_types(scale: float, dtype: str) -> None:
    photo = sample("astronaut")[:64, :64]
    other = photo / 255 * scale
    other = (np.rint(other) if np.dtype(dtype).kind in "iu" else other).astype(dtype)
    np.testing.assert_allclose(prepare_image(other).rgb.astype(int), photo, atol=0)


def test_float_colours_beyond_the_range_are_clipped() -> None:
    colors = np.dstack([RAMP * 1.4 - 0.2] * 3)
    shown = prepare_image(colors).rgb
    assert shown.min() == 0
    assert shown.max() == 255
    with pytest.raises(ImageError, match=r"larger than 1.*uint8"):
        prepare_image(colors * 255)


def test_integer_colours_out_of_range() -> None:
    colors = np.dstack([BYTES.astype(np.int32)] * 3)
    with pytest.raises(ImageError, match="range from -5"):
        prepare_image(colors - 5)
    with pytest.raises(ImageError, match="int32"):
        prepare_image(colors * 1000)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_pixels_without_value(dtype: str) -> None:
    image = (RAMP + 1).astype(dtype)
    image[0, :3] = np.nan, np.inf, -np.inf
    prepared = prepare_image(image)
    assert prepared.valid is not None
    assert np.argwhere(~prepared.valid).tolist() == [[0, 0], [0, 1], [0, 2]]
    assert (prepared.rgb[0, :3] == 0).all()  # the image's minimum
    assert prepared.rgb.max() == 255  # infinity took no part in the stretching
    colors = np.dstack([RAMP * 0.5 + 0.5] * 3).astype(dtype)
    colors[2, 3, 1] = np.nan
    prepared = prepare_image(colors)
    assert prepared.valid is not None
    assert np.argwhere(~prepared.valid).tolist() == [[2, 3]]
    assert (prepared.rgb[2, 3] == 128).all()


def test_the_input_is_not_changed() -> None:
    for image in (
        np.where(RAMP > 0.5, RAMP, np.nan),
        np.dstack([BYTES] * 4),
        np.ma.MaskedArray(np.dstack([BYTES] * 3), np.dstack([RAMP > 0.5] * 3)),
        BYTES.astype(np.int16) - 100,
    ):
        before = image.copy()
        prepare_image(image)
        np.testing.assert_array_equal(image, before)


def test_masked_arrays() -> None:
    prepared = prepare_image(np.ma.MaskedArray(BYTES, RAMP > 0.9))
    assert prepared.valid is not None
    np.testing.assert_array_equal(prepared.valid, RAMP <= 0.9)
    assert prepare_image(np.ma.MaskedArray(BYTES)).valid is None


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "i4"])
def test_transparency(dtype: str) -> None:
    top = {"u1": 255, "u2": 65535, "f4": 1.0, "i4": 65535}[dtype]
    image = np.full((8, 8, 4), top, dtype)
    opaque = prepare_image(image)
    assert opaque.valid is None
    assert (opaque.rgb == 255).all()
    image[0, 0, 3] = 0
    image[1, 1, 3] = top / 2
    prepared = prepare_image(image)
    assert prepared.valid is not None
    assert np.argwhere(~prepared.valid).tolist() == [[0, 0]]
    assert abs(int(prepared.rgb[1, 1, 0]) - 127.5) < 1  # half way to black, napari's canvas
    assert (prepared.rgb[2:] == 255).all()
    with pytest.raises(ImageError, match="fully transparent"):
        prepare_image(np.zeros((8, 8, 4), dtype))


def test_channel_axis() -> None:
    photo = sample("astronaut")[:40, :50]
    for axis in (0, 1, -3):
        moved = np.moveaxis(photo, 2, axis)
        np.testing.assert_array_equal(prepare_image(moved, channel_axis=axis).rgb, photo)
    np.testing.assert_array_equal(gray(prepare_image(BYTES[None], channel_axis=0)), BYTES)
    wrong: Any
    for wrong, image in ((3, photo), (True, photo), ("x", photo), (0, photo[..., 0])):
        with pytest.raises(ImageError, match="channel_axis"):
            prepare_image(image, channel_axis=wrong)


class Lazy:
    """An array that is computed when it is asked for, like those of Dask and Zarr."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return self.array


def test_what_numpy_can_read() -> None:
    np.testing.assert_array_equal(gray(prepare_image(Lazy(BYTES))), BYTES)
    assert prepare_image([[0, 1] * 4] * 8).shape == (8, 8)
    dask = pytest.importorskip("dask.array", reason="Dask comes with napari, not with this package")
    np.testing.assert_array_equal(gray(prepare_image(dask.from_array(BYTES, chunks=5))), BYTES)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"]
)
def test_pillow_images(mode: str) -> None:
    photo = Image.fromarray(sample("astronaut")[:64, :64])
    image = photo.convert("L").convert(mode) if mode == "I;16" else photo.convert(mode)
    prepared = prepare_image(image)
    assert prepared.shape == (64, 64)
    if mode in ("P", "CMYK", "YCbCr"):
        difference = prepared.rgb.astype(float) - np.asarray(photo)
        assert np.abs(difference).mean() < 20  # web palette and colour models round


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((0, 9)), "no pixels"),
        (np.zeros((9, 0, 3)), "no pixels"),
        (np.zeros((1, 1)), "1×1 pixels; at least 8×8"),
        (np.zeros((1, 1, 3)), "1×1 pixels"),
        (np.zeros((MIN_SIDE - 1, 99)), "7×99"),
        (np.zeros(9), "one axis"),
        (np.float32(3), "0 axes"),
        (np.zeros((3, 20, 30)), "stack.*channel_axis=0"),
        (np.zeros((5, 20, 30)), "stack of gray images: pick one slice"),
        (np.zeros((9, 20, 30, 3)), "4 axes.*stack"),
        (np.zeros((20, 30, 2)), "2 channels"),
        (np.zeros((20, 30, 5)), "5 channels"),
        (np.full((9, 9), np.nan), "every pixel is NaN"),
        (np.full((9, 9, 3), np.inf), "infinite"),
        (np.ma.MaskedArray(np.zeros((9, 9)), True), "masked"),
        (np.zeros((9, 9), complex), "complex.*numpy.abs"),
        (np.zeros((9, 9), object), "object values"),
        (np.full((9, 9), "a"), "values; pixels must be numbers"),
        (np.zeros((9, 9), "M8[s]"), "datetime64"),
        (np.zeros((9, 9), [("r", "u1")]), "pixels must be numbers"),
        ([[1, 2], [3]], "cannot be read as an array"),
        (None, "not None"),
        ("photo.png", "not 'photo.png'"),
        ({"a": 1}, "object values"),
    ],
)  # fmt: skip
def test_what_is_no_image(image: object, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        prepare_image(image)


def test_rgb_flag() -> None:
    colors = np.dstack([BYTES] * 3)
    assert prepare_image(colors, rgb=True).shape == (16, 12)
    with pytest.raises(ImageError, match="rgb=False"):
        prepare_image(colors, rgb=False)
    with pytest.raises(ImageError, match="rgb=True"):
        prepare_image(BYTES, rgb=True)


@pytest.mark.parametrize("low", [-1.7e308, -1e-310, 0.0, 1e30, 1e16])
def test_extreme_floats_do_not_overflow(low: float) -> None:
    high = {-1.7e308: 1.7e308, -1e-310: 1e-310, 1e16: 1e16 + 2048}.get(low, 1e38)
    image = np.full((8, 8), low)
    image[0, 0] = high
    image[0, 1] = low / 2 + high / 2
    shown = gray(prepare_image(image))
    assert (shown[0, 0], shown[1, 1]) == (255, 0)
    assert abs(int(shown[0, 1]) - 128) <= 1


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]),
        st.sampled_from([(8, 9), (9, 8, 1), (8, 8, 3), (8, 10, 4)]),
    )
)
def test_any_numbers_make_a_picture_or_an_error(image: np.ndarray[Any, Any]) -> None:
    try:
        prepared = prepare_image(image)
    except ImageError:
        return
    assert prepared.rgb.dtype == np.uint8
    assert prepared.rgb.shape == (*image.shape[:2], 3)
    assert prepared.rgb.flags.c_contiguous
    if prepared.valid is not None:
        assert prepared.valid.shape == image.shape[:2]
        assert prepared.valid.any()
        assert not prepared.valid.all()


def test_large_photographs_cost_nothing() -> None:
    photo = np.zeros((4096, 4096, 3), np.uint8)
    start = time.perf_counter()
    assert np.shares_memory(prepare_image(photo).rgb, photo)
    assert time.perf_counter() - start < 0.5

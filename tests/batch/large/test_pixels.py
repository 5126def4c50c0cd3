"""Converted band by band, an image becomes what it becomes as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.batch.large import sources
from napari_itaclip.batch.large.pixels import converted, survey
from napari_itaclip.batch.large.sources import Level, array_level
from napari_itaclip.errors import ImageError
from napari_itaclip.segmentation.image import prepare_image

RNG = np.random.default_rng(5)
COLORS = RNG.integers(0, 256, (50, 40, 3), np.uint8)
GRAY = RNG.random((50, 40)) * 300 - 40
ALPHA = np.dstack([COLORS, RNG.integers(0, 256, (50, 40), np.uint8)])
CLEAR = ALPHA.copy()
CLEAR[:13, :, 3] = 0
GAPS = GRAY.copy()
GAPS[5:20] = np.nan
GAPS[30, 3] = np.inf
BRIGHT = RNG.random((50, 40, 3))
BRIGHT[:10] += 2.0

CASES: dict[str, NDArray[Any]] = {
    "rgb": COLORS,
    "rgba": ALPHA,
    "clear rgba": CLEAR,
    "float rgba": CLEAR / 255.0,
    "gray": COLORS[..., 0],
    "bool": COLORS[..., 0] > 99,
    "float gray": GRAY,
    "float32 gray": GRAY.astype(np.float32),
    "gaps": GAPS,
    "int16 gray": (GRAY * 50).astype(np.int16),
    "constant": np.full((50, 40), 7.5),
    "uint16": COLORS.astype(np.uint16) * 201,
    "big endian": (COLORS.astype(np.uint16) * 201).astype(">u2"),
    "int32 of 8 bits": COLORS.astype(np.int32),
    "int64 of 16 bits": COLORS.astype(np.int64) * 100,
    "partly too bright": BRIGHT,
    "one channel": GRAY[..., None],
}


@pytest.mark.parametrize("name", CASES)
def test_bands_equal_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "READ_BYTES", 1)  # the survey, too, sees single rows
    image = CASES[name]
    expected = prepare_image(image)
    level = array_level(image, "it")
    known = survey(level)
    parts = [converted(level.rows(top, min(50, top + 6)), known) for top in range(0, 50, 6)]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), expected.rgb)
    valid = np.concatenate(
        [np.ones(part[0].shape[:2], bool) if part[1] is None else part[1] for part in parts]
    )
    np.testing.assert_array_equal(
        valid, np.ones((50, 40), bool) if expected.valid is None else expected.valid
    )


def test_contrast_limits_replace_the_range() -> None:
    level = array_level(GRAY, "it")
    expected = prepare_image(GRAY, contrast_limits=(0, 100)).rgb
    found, valid = converted(level.rows(0, 50), survey(level, contrast_limits=(0, 100)))
    np.testing.assert_array_equal(found, expected)
    assert valid is None


def test_no_data_is_no_image() -> None:
    image = COLORS.copy()
    image[:9] = 255
    level = array_level(image, "it")
    known = survey(level, nodata=255.0)
    _, valid = converted(level.rows(0, 50), known)
    assert valid is not None
    assert not valid[:9].any()
    assert valid[9:].all()
    assert converted(level.rows(9, 50), known)[1] is None


@pytest.mark.parametrize("nodata", [np.nan, -9999.0, 0.5])
def test_impossible_no_data_is_ignored(nodata: float) -> None:
    assert not survey(array_level(COLORS, "it"), nodata=nodata).masked


def test_8_bit_images_need_no_pass_beforehand() -> None:
    def never(top: int, bottom: int) -> NDArray[Any]:
        raise AssertionError("read")

    for channels in (None, 3):
        survey(Level(100, 100, channels, np.dtype(np.uint8), never))
    survey(Level(100, 100, None, np.dtype(np.uint16), never), contrast_limits=(0, 9))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((20, 20), np.nan), "no values"),
        (COLORS.astype(np.int32) - 300, r"range from -300 to"),
        (COLORS * 1.0, "mostly larger than 1"),
        (np.dstack([COLORS, np.zeros((50, 40), np.uint8)]), "no values"),
    ],
)
def test_what_the_engine_refuses_is_refused(image: NDArray[Any], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        survey(array_level(image, "it"))
    with pytest.raises(ImageError):
        prepare_image(image)


def test_limits_that_are_no_range() -> None:
    with pytest.raises(ImageError, match="not 5 and 5"):
        survey(array_level(GRAY, "it"), contrast_limits=(5, 5))

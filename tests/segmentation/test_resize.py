"""Resizing 8-bit pictures: the fixed-point rule, bit for bit."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.segmentation.resize import resize_picture


def gray(rows: list[list[int]]) -> NDArray[np.uint8]:
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)


def by_hand(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize pixel by pixel with 11-bit weights, in the order of the fixed-point filter."""
    height, width = picture.shape[:2]

    def tap(target: int, of: int, source: int, snap: bool) -> tuple[int, int, int, int]:
        centre = np.float32((target + 0.5) * (1 / (of / source)) - 0.5)
        start = int(np.floor(centre))
        fraction = np.float32(centre - np.float32(start))
        if snap and (start < 0 or start >= source - 1):
            fraction = np.float32(0)
        weights = (int(np.rint((1 - fraction) * np.float32(2048))),
                   int(np.rint(fraction * np.float32(2048))))  # fmt: skip
        return max(min(start, source - 1), 0), max(min(start + 1, source - 1), 0), *weights

    out = np.empty((*size, 3), np.uint8)
    for y, x, c in product(range(size[0]), range(size[1]), range(3)):
        top, bottom, upper, lower = tap(y, size[0], height, snap=False)
        left, right, near, far = tap(x, size[1], width, snap=True)
        rows = [
            (int(picture[row, left, c]) * near + int(picture[row, right, c]) * far) >> 4
            for row in (top, bottom)
        ]
        value = (((rows[0] * upper) >> 16) + ((rows[1] * lower) >> 16) + 2) >> 2
        out[y, x, c] = min(max(value, 0), 255)
    return out


@pytest.mark.parametrize(
    ("source", "size", "expected"),
    [
        ([[10, 20]], (1, 4), [[10, 13, 18, 20]]),  # quarters: 12.5 and 17.5 round up
        ([[0], [100]], (4, 1), [[0], [25], [75], [100]]),
        ([[0, 100], [100, 200]], (1, 1), [[100]]),
        ([[0, 1, 2, 3]], (1, 2), [[1, 3]]),  # 0.5 and 2.5 round up
        ([[255, 255], [255, 255]], (3, 5), [[255] * 5] * 3),
        ([[7]], (2, 3), [[7, 7, 7], [7, 7, 7]]),
    ],
)
def test_hand_made_cases(
    source: list[list[int]], size: tuple[int, int], expected: list[list[int]]
) -> None:
    np.testing.assert_array_equal(resize_picture(gray(source), size), gray(expected))


sides = st.integers(1, 12)


@given(shape=st.tuples(sides, sides), size=st.tuples(sides, sides), seed=st.integers(0, 99))
def test_the_fixed_point_rule(shape: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    np.testing.assert_array_equal(resize_picture(picture, size), by_hand(picture, size))


@pytest.mark.parametrize("antialias", [False, True])
def test_the_same_size_is_the_same_picture_in_memory_of_its_own(antialias: bool) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    resized = resize_picture(picture, (9, 7), antialias=antialias)
    np.testing.assert_array_equal(resized, picture)
    assert not np.shares_memory(resized, picture)


def test_antialiasing_averages_instead_of_sampling() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::4] = 255  # one bright column in four
    averaged = resize_picture(stripes, (16, 16), antialias=True)
    sampled = resize_picture(stripes, (16, 16))
    assert abs(int(averaged[8, 8, 0]) - 64) <= 2
    assert abs(int(sampled[8, 8, 0]) - 64) > 20
    expected = Image.fromarray(stripes).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(averaged, np.asarray(expected))


@pytest.mark.parametrize("antialias", [False, True])
def test_channels_stay_apart_and_views_are_allowed(antialias: bool) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    resized = resize_picture(picture, (9, 41), antialias=antialias)
    assert resized.shape == (9, 41, 3)
    assert resized.dtype == np.uint8
    for channel in range(3):
        alone = np.repeat(picture[..., channel : channel + 1], 3, axis=2)
        found = resize_picture(alone, (9, 41), antialias=antialias)
        np.testing.assert_array_equal(found[..., 0], resized[..., channel])
    turned = resize_picture(picture[:, ::-1], (9, 30), antialias=antialias)
    straight = resize_picture(picture, (9, 30), antialias=antialias)
    np.testing.assert_array_equal(turned[:, ::-1], straight)

"""Shrunk band by band, a picture is bit for bit what Pillow makes of the whole."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_itaclip.batch.large import sources
from napari_itaclip.batch.large.pixels import survey
from napari_itaclip.batch.large.resample import PictureRows, nearest
from napari_itaclip.batch.large.sources import Level, array_level
from napari_itaclip.segmentation.resize import resize_picture


def picture_rows(image: NDArray[Any], size: tuple[int, int]) -> PictureRows:
    level = array_level(image, "it")
    return PictureRows(level, size, survey(level))


@given(
    st.integers(16, 90), st.integers(16, 90), st.integers(1, 100), st.integers(1, 100),
    st.integers(1, 25), st.integers(0, 2**32 - 1),
)  # fmt: skip
@hypothesis_settings(max_examples=40)
def test_bands_equal_the_whole(
    height: int, width: int, tall: int, wide: int, step: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    size = max(1, height * tall // 100), max(1, width * wide // 100)
    expected = resize_picture(image, size, antialias=True)
    rows = picture_rows(image, size)
    found = []
    for top in range(0, size[0], step):
        rows.forget(top)
        found.append(rows.rows(top, min(size[0], top + step)))
    np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("size", [(40, 10), (150, 28), (31, 29), (200, 9)])
def test_tall_pictures_are_filtered_in_the_order_that_pillow_chooses(size: tuple[int, int]) -> None:
    image = np.random.default_rng(3).integers(0, 256, (200, 30, 3), np.uint8)
    expected = resize_picture(image, size, antialias=True)
    rows = picture_rows(image, size)
    found = [rows.rows(top, min(size[0], top + 9)) for top in range(0, size[0], 9)]
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_rows_can_be_asked_for_again_and_from_anywhere(
    photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "READ_BYTES", 250 * 3 * 11)
    expected = resize_picture(photo, (81, 100), antialias=True)
    rows = picture_rows(photo, (81, 100))
    for top, bottom in ((40, 60), (55, 81), (0, 3), (2, 79)):
        np.testing.assert_array_equal(rows.rows(top, bottom), expected[top:bottom])
        rows.forget(bottom - 1)


def test_no_more_is_held_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass over a long image asks for each row once and keeps few of them."""
    monkeypatch.setattr(sources, "READ_BYTES", 64 * 3 * 100)
    asked: list[tuple[int, int]] = []

    def read(top: int, bottom: int) -> NDArray[np.uint8]:
        asked.append((top, bottom))
        return np.zeros((bottom - top, 64, 3), np.uint8)

    level = Level(10_000, 64, 3, np.dtype(np.uint8), read, 16)
    rows = PictureRows(level, (1000, 32), survey(level))
    held = 0
    for top in range(0, 1000, 20):
        rows.forget(top - 40)
        rows.rows(top, top + 20)
        held = max(held, sum(len(piece.picture) for piece in rows._bands))
        assert sum(len(piece.picture) for piece in rows._ready) <= 40 + 20 + 2 * 16
    assert asked[0][0] == 0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(asked))
    assert asked[-1][1] == 10_000
    assert all(bottom - top <= 100 and top % 16 == 0 for top, bottom in asked)
    assert held <= 4 * 96  # what 16 rows are averaged from, in whole bands


def test_validity_is_that_of_the_centre() -> None:
    image = np.random.default_rng(0).random((40, 60))
    image[:20, 30:] = np.nan
    rows = picture_rows(image, (20, 30))
    valid = rows.valid(0, 20)
    assert valid is not None
    expected = np.isfinite(image)[nearest(40, 20)][:, nearest(60, 30)]
    np.testing.assert_array_equal(valid, expected)
    later = rows.valid(5, 12)
    assert later is not None
    np.testing.assert_array_equal(later, expected[5:12])


def test_nearest_takes_the_centre() -> None:
    assert nearest(4, 8).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert nearest(9, 3).tolist() == [1, 4, 7]
    assert nearest(5, 5).tolist() == [0, 1, 2, 3, 4]

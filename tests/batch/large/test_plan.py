"""Sizes, windows, blocks and halos."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_itaclip.batch.large.plan import (
    LargePlan,
    check_preset,
    make_plan,
    part_of,
    refine_reach,
    scale_for,
    touching,
    working_shape,
)
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import PRESETS, RefineSettings, get_preset
from napari_itaclip.segmentation.windows import plan_axis
from tests.batch.large.conftest import QUICK


@hypothesis_settings(max_examples=40)
@given(st.integers(1, 300), st.integers(1, 60), st.data())
def test_touching_windows_are_those_that_share_a_pixel(
    length: int, stride: int, data: st.DataObject
) -> None:
    axis = plan_axis(length, 64, min(stride, 64), 16)
    low = data.draw(st.integers(0, length - 1))
    high = data.draw(st.integers(low + 1, length))
    expected = [
        number
        for number, start in enumerate(axis.starts)
        if start < high and start + axis.window > low
    ]
    found = touching(axis, low, high)
    assert list(found) == expected
    part = part_of(axis, found)
    assert part.starts[0] == 0
    assert part.length == axis.starts[found[-1]] + axis.window - axis.starts[found[0]]


@hypothesis_settings(max_examples=20)
@given(st.integers(16, 500), st.integers(1, 500), st.integers(0, 500))
def test_strips_cover_each_row_once(height: int, block: int, done: int) -> None:
    axis = plan_axis(height, 64, 32, 16)
    plan = LargePlan((height, 9), (height, 9), 0, axis, axis, 0, 0, block)
    rows = [row for top, bottom in plan.strips(done) for row in range(top, bottom)]
    assert rows == list(range(done, height))
    assert [x for left, right in plan.blocks() for x in range(left, right)] == list(range(9))


@pytest.mark.parametrize(
    ("scale", "expected"), [(1, (1000, 2000)), (0.25, (250, 500)), (0.0333, (33, 67))]
)
def test_working_shape(scale: float, expected: tuple[int, int]) -> None:
    assert working_shape((1000, 2000), scale) == expected


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (0.0, "between 0 and 1"),
        (1.5, "between 0 and 1"),
        (float("nan"), "must be a number"),
        (True, "must be a number"),
        (0.01, r"becomes 10×20; at least 16×16"),
    ],
)
def test_scales_that_cannot_be(scale: float, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        working_shape((1000, 2000), scale)


def test_pixel_sizes() -> None:
    assert scale_for(1.0, 0.25) == 0.25
    assert scale_for(0.25, 0.25) == 1
    for size, known, message in (
        (0.1, 0.25, "at least that"),
        (1.0, None, "does not say"),
        (-1.0, 0.25, "above 0"),
    ):
        with pytest.raises(SettingsError, match=message):
            scale_for(size, known)


def test_reach() -> None:
    assert refine_reach(RefineSettings(10, (8, 16))) == 160
    assert refine_reach(RefineSettings(0)) == 0


def test_only_presets_that_need_the_whole_image_are_refused() -> None:
    refused = set()
    for name in PRESETS:
        try:
            check_preset(get_preset(name))
        except SettingsError:
            refused.add(name)
    assert refused == {"voc21"}


def test_blocks_suit_the_memory(segmenter: Segmenter) -> None:
    preset = replace(QUICK, refine=RefineSettings())

    def block(words: int, memory: int, width: int = 20_000) -> int:
        size = (20_000, width)
        return make_plan(size, size, 0, segmenter.model, preset, words, memory=memory).block

    assert block(20, 1 << 30) > block(200, 1 << 30) >= 128
    assert block(20, 1 << 31) > block(20, 1 << 30)
    assert block(2000, 1 << 20) == 128
    # A picture twenty times as wide gets lower strips, for their rows are held over all of it.
    assert block(20, 1 << 30, 400_000) < block(20, 1 << 30)

"""Where windows lie: the published formula, full cover, coarse plans inside fine ones."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.windows import Axis, coarse_to_fine, plan_axis, read_axis, thin


@st.composite
def axes(draw: st.DrawFn) -> tuple[Axis, int]:
    """Draw a plan and its stride."""
    patch = draw(st.sampled_from([8, 14, 16]))
    window = patch * draw(st.integers(1, 8))
    stride = draw(st.integers(1, window))
    return plan_axis(draw(st.integers(1, 400)), window, stride, patch), stride


def assert_covers(axis: Axis) -> None:
    covered = {pixel for start in axis.starts for pixel in range(start, start + axis.window)}
    assert covered == set(range(axis.length))


@given(
    length=st.integers(1, 500),
    patches=st.integers(1, 10),
    patch=st.sampled_from([14, 16, 32]),
    data=st.data(),
)
def test_windows_follow_the_published_formula(
    length: int, patches: int, patch: int, data: st.DataObject
) -> None:
    wanted = patches * patch
    stride = data.draw(st.integers(1, wanted))
    axis = plan_axis(length, wanted, stride, patch)
    window = min(wanted, length)
    count = max(length - window + stride - 1, 0) // stride + 1
    starts = []
    for index in range(count):
        end = min(index * stride + window, length)
        starts.append(max(end - window, 0))
    assert axis.starts == tuple(starts)
    assert axis.window == window
    assert axis.patch * axis.grid == axis.padded >= window > axis.padded - patch
    assert len(set(axis.starts)) == count
    assert_covers(axis)


def test_examples() -> None:
    assert plan_axis(336, 224, 112, 16).starts == (0, 112)
    assert plan_axis(336, 224, 28, 16).starts == (0, 28, 56, 84, 112)
    assert plan_axis(340, 224, 112, 16).starts == (0, 112, 116)
    assert plan_axis(100, 224, 112, 16) == Axis(100, 100, 112, 16, (0,))


@pytest.mark.parametrize(("window", "better"), [(63, 64), (70, 64), (3, 16), (225, 224)])
def test_a_window_of_broken_patches_is_refused(window: int, better: int) -> None:
    with pytest.raises(SettingsError, match=rf"window is {window}.*16; use {better}"):
        plan_axis(300, window, 1, 16)


@pytest.mark.parametrize("stride", [0, -5, 65, 1000])
def test_an_absurd_stride_is_refused(stride: int) -> None:
    with pytest.raises(SettingsError, match=rf"stride is {stride}.*64 pixels"):
        plan_axis(300, 64, stride, 16)


@given(axes(), st.integers(1, 6))
def test_thinning_is_planning_with_a_longer_stride(plan: tuple[Axis, int], step: int) -> None:
    axis, stride = plan
    thinned = thin(axis, step)
    assert set(thinned.starts) <= set(axis.starts)
    if step * stride <= axis.window:
        wanted = axis.padded if axis.length < axis.padded else axis.window
        assert thinned.starts == plan_axis(axis.length, wanted, step * stride, axis.patch).starts
        assert_covers(thinned)


@given(
    sides=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    patches=st.integers(1, 6),
    data=st.data(),
)
def test_coarse_plans_lie_inside_fine_ones_and_cover_everything(
    sides: tuple[int, int], patches: int, data: st.DataObject
) -> None:
    window = 16 * patches
    stride = data.draw(st.integers(1, window))
    rows, columns = (plan_axis(side, window, stride, 16) for side in sides)
    plans = list(coarse_to_fine(rows, columns, stride))
    assert plans[-1] == (rows, columns)
    seen: set[tuple[int, int]] = set()
    for down, across in plans:
        assert_covers(down)
        assert_covers(across)
        places = {(y, x) for y in down.starts for x in across.starts}
        assert places > seen  # each plan adds something
        seen = places


def test_a_small_stride_has_several_plans() -> None:
    axis = plan_axis(448, 224, 28, 16)
    counts = [len(down.starts) for down, _ in coarse_to_fine(axis, axis, 28)]
    assert counts == [2, 3, 5, 9]
    [only] = coarse_to_fine(plan_axis(224, 224, 28, 16), plan_axis(100, 224, 28, 16), 28)
    assert [len(part.starts) for part in only] == [1, 1]


@given(axes())
def test_an_axis_is_read_back(plan: tuple[Axis, int]) -> None:
    assert read_axis(asdict(plan[0])) == plan[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"starts": ()},
        {"starts": (0,)},
        {"starts": (0, 36)},
        {"starts": (0, 32, 32, 36)},
        {"starts": (1, 32, 36)},
        {"starts": (0, 32, 37)},
        {"starts": (36, 32, 0)},
        {"starts": (0, 1.5, 36)},
        {"starts": ("0", "36")},
        {"patch": 0},
        {"patch": -16},
        {"padded": 48},
        {"window": 0},
        {"window": 36},
        {"length": 1000},
        {"length": "68"},
    ],
)
def test_a_stored_axis_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    axis = replace(plan_axis(68, 32, 32, 16), **changes)
    with pytest.raises(SettingsError):
        read_axis(asdict(axis))

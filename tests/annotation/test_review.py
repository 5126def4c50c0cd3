"""Where to look first."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_itaclip.annotation.review import UncertainRegion, least_certain_regions, next_region
from napari_itaclip.errors import SettingsError
from napari_itaclip.session.pictures import Region


def overlap(one: Region, other: Region) -> bool:
    rows = max(one.top, other.top) < min(one.top + one.height, other.top + other.height)
    columns = max(one.left, other.left) < min(one.left + one.width, other.left + other.width)
    return rows and columns


def test_the_least_certain_place_comes_first() -> None:
    margin = np.ones((200, 300), np.float32)
    margin[40:80, 100:140] = 0.1
    margin[120:160, 20:60] = 0.6
    found = least_certain_regions(margin, size=40)
    assert found[0].region == Region(40, 100, 40, 40)
    assert found[0].uncertainty == pytest.approx(0.9)
    assert found[1].region == Region(120, 20, 40, 40)
    assert found[1].uncertainty == pytest.approx(0.4)
    assert len(found) == 2


def test_a_region_is_laid_around_its_doubt_and_not_on_a_grid() -> None:
    margin = np.ones((160, 160), np.float32)
    margin[50:90, 70:110] = 0
    (first, *_) = least_certain_regions(margin, size=40)
    assert first.region == Region(50, 70, 40, 40)


def test_regions_do_not_overlap_and_lie_inside() -> None:
    margin = np.random.default_rng(1).random((333, 517)).astype(np.float32)
    found = least_certain_regions(margin, count=50)
    regions = [item.region for item in found]
    assert len(regions) > 20
    assert not any(
        overlap(one, other) for at, one in enumerate(regions) for other in regions[at + 1 :]
    )
    assert all(r.top + r.height <= 333 and r.left + r.width <= 517 for r in regions)
    values = [item.uncertainty for item in found]
    assert values == sorted(values, reverse=True)


def test_the_uncertainty_is_the_mean_over_the_region() -> None:
    margin = np.random.default_rng(2).random((90, 70)).astype(np.float32)
    for item in least_certain_regions(margin, size=20, count=100):
        assert item.uncertainty == pytest.approx(1 - margin[item.region.slices].mean(), abs=1e-5)


def test_what_was_painted_needs_no_review() -> None:
    margin = np.zeros((64, 128), np.float32)
    painted = np.zeros(margin.shape, bool)
    painted[:, :64] = True
    found = least_certain_regions(margin, skip=painted, size=32)
    assert [item.region.left for item in found] == [64, 96, 64, 96]


def test_a_half_painted_region_comes_later() -> None:
    margin = np.ones((32, 96), np.float32)
    margin[:, :32] = 0.2
    margin[:, 64:] = 0.3
    painted = np.zeros(margin.shape, bool)
    painted[:16, :32] = True
    found = least_certain_regions(margin, skip=painted, size=32)
    assert found[0].region.left == 64


def test_what_shows_nothing_is_left_out() -> None:
    margin = np.zeros((64, 64), np.float32)
    margin[0, 0] = np.nan
    valid = np.zeros(margin.shape, bool)
    assert least_certain_regions(margin, valid=valid) == ()
    valid[32:, 32:] = True
    (first, *_) = least_certain_regions(margin, valid=valid, size=32)
    assert first.region == Region(32, 32, 32, 32)


def test_values_that_are_no_numbers_do_no_harm() -> None:
    margin = np.zeros((64, 64), np.float32)
    margin[:32] = np.nan
    found = least_certain_regions(margin, size=32)
    assert {item.region.top for item in found} == {32}


def test_sure_labels_have_no_such_region() -> None:
    assert least_certain_regions(np.ones((50, 50), np.float32)) == ()


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (8, 8), (17, 5)])
def test_small_pictures(shape: tuple[int, int]) -> None:
    (first, *_) = least_certain_regions(np.zeros(shape, np.float32))
    assert first.uncertainty == 1
    assert first.region.height <= shape[0]
    assert first.region.width <= shape[1]


def test_an_empty_picture() -> None:
    assert least_certain_regions(np.zeros((0, 5), np.float32)) == ()


def test_the_count_is_a_bound_and_equals_come_in_reading_order() -> None:
    found = least_certain_regions(np.zeros((64, 64), np.float32), size=32, count=3)
    assert [(item.region.top, item.region.left) for item in found] == [(0, 0), (0, 32), (32, 0)]


def test_a_large_picture_is_quick() -> None:
    margin = np.random.default_rng(0).random((2048, 2048)).astype(np.float32)
    seen = np.zeros(margin.shape, bool)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        least_certain_regions(margin, valid=~seen, skip=seen)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1


def test_wrong_input_is_named() -> None:
    margin = np.zeros((8, 8), np.float32)
    with pytest.raises(SettingsError, match="size"):
        least_certain_regions(margin, size=0)
    with pytest.raises(SettingsError, match="number of regions"):
        least_certain_regions(margin, count=0)
    with pytest.raises(SettingsError, match="'skip'"):
        least_certain_regions(margin, skip=np.zeros((4, 4), bool))
    with pytest.raises(SettingsError, match="plane"):
        least_certain_regions(np.zeros((2, 8, 8), np.float32))


def test_a_tour_goes_on_where_it_was_although_regions_moved_a_little() -> None:
    first = UncertainRegion(Region(0, 0, 40, 40), 0.9)
    second = UncertainRegion(Region(60, 0, 40, 40), 0.8)
    assert next_region((first, second), ()) == first
    moved = UncertainRegion(Region(10, 10, 40, 40), 0.9)
    assert next_region((moved, second), (first.region,)) == second
    assert next_region((moved, second), (first.region, second.region)) is None
    assert next_region((), ()) is None

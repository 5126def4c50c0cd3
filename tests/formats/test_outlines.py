from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as reference
from scipy import ndimage
from shapely import Polygon

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.shapes.filling import (
    checked_ring,
    fill_area,
    fill_coco,
    fill_drawn,
    united,
)
from napari_itaclip.formats.shapes.one_ring import polygons
from napari_itaclip.formats.shapes.outlines import (
    outlines,
    signed_area,
    simplified,
    through_centres,
)
from tests.formats.scenes_of_objects import MASKS

Mask = NDArray[np.bool_]

RING = np.ones((5, 5), bool)
RING[1:4, 1:4] = False
RING[2, 2] = True
"""A frame with an island in its hole."""

CHECKERBOARD = np.indices((6, 7)).sum(axis=0) % 2 == 0


def shape_of(mask: Mask) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]


def filled_by_pycocotools(rings: Any, shape: tuple[int, int]) -> Mask:
    if not rings:
        return np.zeros(shape, bool)
    parts = reference.frPyObjects([ring.ravel().tolist() for ring in rings], *shape)
    found: Mask = reference.decode(reference.merge(parts)).astype(bool)
    return found


def filled_by_pillow(rings: Any, shape: tuple[int, int]) -> Mask:
    image = Image.new("1", (shape[1], shape[0]))
    for ring in rings:
        ImageDraw.Draw(image).polygon([(x, y) for x, y in ring.tolist()], fill=1, outline=1)
    return np.asarray(image)


@settings(max_examples=25)
@given(MASKS)
def test_outlines_have_the_masks_area_and_fill_to_it(mask: Mask) -> None:
    found = outlines(mask)
    areas = [signed_area(ring) for one in found for ring in one.rings]
    assert sum(areas) == np.count_nonzero(mask)
    assert all(signed_area(one.outer) > 0 for one in found)
    assert all(signed_area(hole) < 0 for one in found for hole in one.holes)
    assert len(found) == ndimage.label(mask)[1]
    again = np.zeros_like(mask)
    for one in found:
        again |= fill_area(one.rings, shape_of(mask)).in_image(shape_of(mask))
    np.testing.assert_array_equal(again, mask)


def test_an_island_in_a_hole_is_an_outline_of_its_own() -> None:
    frame, island = outlines(RING, at=(10, 20))
    assert frame.outer.tolist() == [[20, 10], [25, 10], [25, 15], [20, 15]]
    assert [hole.tolist() for hole in frame.holes] == [[[21, 14], [24, 14], [24, 11], [21, 11]]]
    assert island.outer.tolist() == [[22, 12], [23, 12], [23, 13], [22, 13]]


@settings(max_examples=25)
@given(MASKS)
def test_one_ring_is_exact_for_pycocotools(mask: Mask) -> None:
    rings = polygons(mask)
    np.testing.assert_array_equal(filled_by_pycocotools(rings, shape_of(mask)), mask)
    assert len(rings) == ndimage.label(mask, np.ones((3, 3)))[1]


@settings(max_examples=25)
@given(MASKS)
def test_one_ring_through_the_centres_is_exact_for_tools_that_draw_edges(mask: Mask) -> None:
    rings = [ring + 0.5 for ring in polygons(mask, centres=True)]
    again = np.zeros_like(mask)
    for ring in rings:
        again |= fill_drawn([ring], shape_of(mask)).in_image(shape_of(mask))
    np.testing.assert_array_equal(again, mask)
    np.testing.assert_array_equal(filled_by_pillow(rings, shape_of(mask)), mask)
    assert len(rings) == ndimage.label(mask, np.ones((3, 3)))[1]


@pytest.mark.parametrize("mask", [RING, CHECKERBOARD, np.eye(5, dtype=bool), np.ones((1, 1), bool)])
@pytest.mark.parametrize("centres", [False, True])
def test_polygons_have_three_points_or_more(mask: Mask, centres: bool) -> None:
    assert all(len(ring) >= 3 for ring in polygons(mask, centres=centres))


COORDINATES = st.floats(-8, 20) | st.integers(-8, 20) | st.sampled_from([0.5, 2.5, 7.5])
POLYGONS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=9)


@settings(max_examples=25)
@given(POLYGONS, st.integers(1, 14), st.integers(1, 14))
def test_any_polygon_is_filled_as_pycocotools_does_it(
    points: list[tuple[float, float]], height: int, width: int
) -> None:
    ring = np.array(points, np.float64)
    expected = filled_by_pycocotools([ring], (height, width))
    found = fill_coco(ring, (height, width)).in_image((height, width))
    np.testing.assert_array_equal(found, expected)


def blob(seed: int) -> Mask:
    noise = np.random.default_rng(seed).normal(size=(60, 80))
    found: Mask = ndimage.gaussian_filter(noise, 4) > 0
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tolerance", [1.0, 3.0])
def test_simplified_outlines_are_valid_and_near(seed: int, tolerance: float) -> None:
    points = [0, 0]
    for exact in outlines(blob(seed)):
        fewer = simplified(exact, tolerance)
        assert Polygon(fewer.outer).is_valid
        before, after = Polygon(exact.outer), Polygon(fewer.outer)
        assert after.exterior.hausdorff_distance(before.exterior) <= tolerance + 1e-9
        points[0] += len(exact.outer)
        points[1] += len(fewer.outer)
    assert points[1] < 0.8 * points[0]


@pytest.mark.parametrize("centres", [False, True])
def test_simplified_polygons_still_leave_their_holes_out(centres: bool) -> None:
    y, x = np.indices((60, 60))
    distance = np.hypot(y - 30, x - 30)
    disk = (distance < 25) & (np.hypot(y - 22, x - 30) > 5) & (np.hypot(y - 40, x - 30) > 5)
    (ring,) = polygons(disk, tolerance=1.0, centres=centres)
    fill = fill_drawn([ring + 0.5], (60, 60)) if centres else fill_coco(ring, (60, 60))
    again = fill.in_image((60, 60))
    assert len(ring) < 80
    assert not again[22, 30]
    assert not again[40, 30]
    assert np.count_nonzero(again != disk) < 0.1 * np.count_nonzero(disk)


def test_a_tolerance_of_zero_changes_nothing() -> None:
    (first, _) = outlines(RING)
    assert simplified(first, 0.0) is first


def test_centres_stay_inside_the_mask() -> None:
    for one in outlines(RING):
        for ring in through_centres(one).rings:
            assert all(RING[int(y), int(x)] for x, y in ring)


def test_patches_outside_the_image_are_empty() -> None:
    away = np.array([[30.0, 30], [40, 30], [40, 40]])
    for patch in (fill_coco(away, (9, 9)), fill_drawn([away], (9, 9)), fill_area([away], (9, 9))):
        assert not united([patch]).in_image((9, 9)).any()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([0, 0, 1, 1], "at least 3 points"),
        ([0, 0, 1, 1, 2], "at least 3 points"),
        ([0, 0, 1, 1, 2, float("nan")], "not a finite number"),
        ([0, 0, 1, 1, 2, float("inf")], "not a finite number"),
        ([0, 0, 1, 1, 2, 1e12], "far outside"),
        ([0, 0, 1, 1, 2, 10**400], "list of numbers"),
        ([0, 0, 1, 1, 2, "two"], "list of numbers"),
        ([0, 0, 1, 1, 2, None], "not a finite number|list of numbers"),
        ([[0, 0], [1, 1], [2, 2]], "at least 3 points"),
        ([[0, 0], [1]], "list of numbers"),
    ],
)
def test_polygons_that_make_no_sense_are_refused(points: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        checked_ring(points, (100, 100), "shape 3")

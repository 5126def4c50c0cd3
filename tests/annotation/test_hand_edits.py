"""The mask of hand edits, and where planes lie in data of several axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.annotation.automatic_labels import put_automatic
from napari_itaclip.annotation.hand_edits import (
    HandEdits,
    as_block,
    block_of,
    planes_of,
    smallest_box,
)
from napari_itaclip.session.pictures import Plane, Region

SHAPE = (3, 4, 5)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("index", [(1, None, None), (None, -1, None), (None, None, 0)])
def test_a_block_is_the_rectangle_of_the_plane(
    index: tuple[int | None, ...], transposed: bool
) -> None:
    plane = Plane(index, transposed)
    data = np.arange(60).reshape(SHAPE)
    region = Region(1, 0, 2, 3)
    block = block_of(plane, region, SHAPE)
    labels = plane.cut(data)[region.slices]
    np.testing.assert_array_equal(data[block], as_block(plane, labels))
    whole = block_of(plane, None, SHAPE)
    np.testing.assert_array_equal(data[whole], as_block(plane, plane.cut(data)))


@pytest.mark.parametrize(
    ("plane", "region"),
    [
        (Plane((None, None)), None),
        (Plane((None, None, None)), None),
        (Plane((3, None, None)), None),
        (Plane((-4, None, None)), None),
        (Plane((0, None, None)), Region(0, 0, 5, 5)),
        (Plane((0, None, None)), Region(-1, 0, 2, 2)),
        (Plane((0, None, None)), Region(0, 0, 0, 2)),
    ],
)
def test_what_does_not_fit_is_refused(plane: Plane, region: Region | None) -> None:
    with pytest.raises(ValueError, match=r"plane|lie"):
        block_of(plane, region, SHAPE)


def test_planes_make_up_the_data() -> None:
    seen = np.zeros((2, *SHAPE), int)
    for block in planes_of(seen.shape):
        seen[block] += 1
    assert (seen == 1).all()
    assert len(list(planes_of((7, 8)))) == 1


def test_the_smallest_box() -> None:
    where = np.zeros(SHAPE, bool)
    assert smallest_box(where) is None
    where[1, 2, 3] = where[2, 0, 3] = True
    assert smallest_box(where) == (slice(1, 3), slice(0, 3), slice(3, 4))


def whole(shape: tuple[int, ...] = (4, 5)) -> tuple[slice, ...]:
    return tuple(slice(0, size) for size in shape)


def test_marks_are_counted_and_taken_back() -> None:
    edits = HandEdits((4, 5), np.dtype(np.uint16))
    first = edits.mark((slice(0, 2), slice(0, 3)), np.ones((2, 3), bool))
    second = edits.mark((slice(1, 3), slice(0, 3)), np.ones((2, 3), bool))
    assert first is not None
    assert second is not None
    assert edits.count == edits.mask.sum() == 9
    assert edits.mark((slice(0, 1), slice(0, 1)), np.ones((1, 1), bool)) is None
    edits.apply(second, forward=False)
    assert edits.count == edits.mask.sum() == 6
    cleared = edits.clear(whole(), np.ones((4, 5), bool))
    assert cleared is not None
    assert edits.count == 0
    assert not edits.mask.any()
    edits.apply(cleared, forward=False)
    assert edits.count == 6
    np.testing.assert_array_equal(np.argwhere(edits.mask)[-1], (1, 2))


def run(
    edits: HandEdits, shown: NDArray[Any], labels: NDArray[Any], **options: Any
) -> tuple[int, int]:
    result = put_automatic(shown, edits, whole(shown.shape), labels, **options)
    return result.changed, result.kept


def test_automatic_labels_go_beneath_paint() -> None:
    shown = np.zeros((4, 5), np.uint16)
    edits = HandEdits(shown.shape, shown.dtype)
    assert run(edits, shown, np.ones((4, 5), int)) == (20, 0)
    shown[0] = 3
    edits.mark((slice(0, 1), slice(0, 5)), np.ones((1, 5), bool))
    assert edits.unnoticed(whole(), shown) is None
    assert run(edits, shown, np.full((4, 5), 2, order="F")) == (15, 5)
    assert (shown[0] == 3).all()
    assert (shown[1:] == 2).all()
    assert (edits.automatic == 2).all()
    shown[3, 3] = 9
    unnoticed = edits.unnoticed(whole(), shown)
    assert unnoticed is not None
    np.testing.assert_array_equal(np.argwhere(unnoticed), [[3, 3]])


def test_labels_in_any_memory_order() -> None:
    shown = np.zeros((4, 5), np.uint16)
    edits = HandEdits(shown.shape, shown.dtype)
    edits.mark((slice(1, 2), slice(2, 3)), np.ones((1, 1), bool))
    labels = np.arange(20).reshape(5, 4).T
    result = put_automatic(shown, edits, whole(), labels)
    expected = labels.copy()
    expected[1, 2] = 0
    np.testing.assert_array_equal(shown, expected)
    np.testing.assert_array_equal(edits.automatic, labels)
    assert result.change is not None
    result.change.apply(edits, forward=False)
    assert not edits.automatic.any()
    result.change.apply(edits, forward=True)
    np.testing.assert_array_equal(edits.automatic, labels)


def test_locked_classes() -> None:
    shown = np.zeros((4, 5), np.uint16)
    edits = HandEdits(shown.shape, shown.dtype)
    first = np.ones((4, 5), int)
    first[2:] = 2
    run(edits, shown, first)
    edits.mark((slice(2, 3), slice(0, 5)), np.ones((1, 5), bool))
    assert run(edits, shown, np.full((4, 5), 4), locked={2, 7}) == (10, 10)
    np.testing.assert_array_equal(shown[:, 0], (4, 4, 2, 2))
    # Paint that is taken away shows the run's label; a locked pixel's label is still its own.
    np.testing.assert_array_equal(edits.automatic[:, 0], (4, 4, 4, 2))

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from napari_itaclip.formats.model import LabelledImage
from napari_itaclip.formats.shapes.painting import instance_losses
from napari_itaclip.formats.shapes.regions import (
    class_regions,
    empty_value,
    labels_dtype,
    object_regions,
    uncovered_losses,
    unlabelled_value,
    without_small,
)
from tests.formats.scenes_of_objects import classes, item, items

LABELS = np.array(
    [
        [1, 1, 1, 0, 2],
        [1, 0, 1, 2, 0],
        [1, 1, 1, 0, 2],
    ]
)
KNOWN = classes("frame", "wire", "empty")


@settings(max_examples=25)
@given(items())
def test_objects_cover_every_class_pixel_once(one: LabelledImage) -> None:
    count = np.zeros(one.shape, int)
    seen = np.zeros(one.shape, int)
    for region in object_regions(one):
        count[region.window] += region.mask
        seen[region.window][region.mask] = region.class_id
        mask = region.mask
        assert all(side.any() for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    np.testing.assert_array_equal(count, one.labels > 0)
    np.testing.assert_array_equal(seen, one.labels)


def test_corners_connect_and_holes_stay() -> None:
    frame, wire = object_regions(item(LABELS, KNOWN))
    assert (frame.class_id, frame.holes, frame.area, frame.bbox) == (1, 1, 8, (0, 0, 3, 3))
    assert (wire.class_id, wire.holes, wire.area, wire.bbox) == (2, 0, 3, (3, 0, 2, 3))
    assert [one.class_id for one in class_regions(item(LABELS, KNOWN))] == [1, 2]


def test_instances_part_what_touches_and_join_what_does_not() -> None:
    labels = np.array([[1, 1, 1, 0, 1, 1]])
    numbers = np.array([[9, 9, 10**9, 0, 9, 0]])
    found = object_regions(item(labels, KNOWN, instances=numbers))
    assert [(one.instance, one.area, one.bbox) for one in found] == [
        (9, 3, (0, 0, 5, 1)),
        (10**9, 1, (2, 0, 1, 1)),
        (0, 1, (5, 0, 1, 1)),
    ]


def test_pixels_that_show_nothing_belong_to_no_object() -> None:
    valid = np.ones((3, 5), bool)
    valid[:, :3] = False
    (wire,) = object_regions(item(LABELS, KNOWN, valid=valid))
    assert wire.class_id == 2
    (loss,) = uncovered_losses(item(LABELS, KNOWN, valid=valid))
    assert (loss.kind, loss.pixels) == ("unlabelled left out", 9)


def test_small_objects_are_left_out_and_counted() -> None:
    kept, losses = without_small(object_regions(item(LABELS, KNOWN)), 4)
    assert [one.class_id for one in kept] == [1]
    assert [(one.kind, one.pixels) for one in losses] == [("small objects left out", 3)]
    assert without_small(kept, 8) == (kept, ())


def test_an_instance_of_two_classes_is_reported() -> None:
    one = item([[1, 2, 2]], KNOWN, instances=np.array([[4, 4, 5]]))
    assert [loss.kind for loss in instance_losses(one)] == ["instances divided"]
    assert instance_losses(item([[1, 2]], KNOWN, instances=np.array([[4, 5]]))) == ()


def test_values_of_what_is_no_class() -> None:
    only = classes("a", "b", background=False)
    assert unlabelled_value(only) == 0
    assert unlabelled_value(KNOWN) == 255
    assert empty_value(KNOWN) == 0
    many = classes(*map(str, range(300)))
    assert unlabelled_value(many) == 301
    assert labels_dtype(many) is np.uint16
    assert labels_dtype(KNOWN) is np.uint8

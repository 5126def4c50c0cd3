"""Labels that move from one vocabulary to another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.annotation.relabel_ids import (
    LegendEntry,
    Relabelling,
    carry_over,
    holding,
    make_room,
    values_in,
)
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

NEW = Vocabulary(["lake", "Tree", ClassPrompt("ground", background=True)])
KNOWN = {
    1: LegendEntry("tree", "#111111"),
    2: LegendEntry("house", "#222222"),
    3: LegendEntry("ground", "#333333"),
}


def test_names_decide() -> None:
    result = carry_over(KNOWN, {0, 1, 2, 3}, NEW)
    assert result.moves == {1: 2, 2: 65535, 3: 0}
    assert result.extra == {65535: KNOWN[2]}
    labels = np.array([[0, 1, 2], [3, 2, 1]], np.uint16)
    moved = result.apply(labels)
    np.testing.assert_array_equal(moved, [[0, 2, 65535], [0, 65535, 2]])
    assert moved.dtype == np.uint16
    np.testing.assert_array_equal(labels[0], (0, 1, 2))


def test_numbers_without_a_class_keep_apart_from_the_new_classes() -> None:
    result = carry_over(KNOWN, {1, 9}, NEW)
    assert result.extra[result.moves[9]].name == "label 9"
    assert result.moves[9] not in NEW.ids


def test_a_class_that_was_carried_over_before_stays_where_it_is() -> None:
    first = carry_over(KNOWN, {2}, NEW)
    again = carry_over(first.extra, {65535}, Vocabulary(["sand"]))
    assert again.moves == {}
    assert again.extra == first.extra
    back = carry_over(first.extra, {65535}, Vocabulary(["sand", "house"]))
    assert back.moves == {65535: 2}
    assert back.extra == {}


def test_two_lost_classes_get_two_values() -> None:
    result = carry_over(KNOWN, {1, 2, 3}, Vocabulary(["sand"]))
    assert len({*result.moves.values()}) == 3


def test_room_for_an_id_that_is_taken() -> None:
    extra = {65535: KNOWN[2], 65534: KNOWN[1]}
    assert make_room(extra, NEW) is None
    result = make_room(extra, Vocabulary([ClassPrompt("late", id=65535)]))
    assert result is not None
    assert result.moves == {65535: 65533}
    assert result.extra == {65533: KNOWN[2], 65534: KNOWN[1]}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_labels_of_any_type(dtype: type) -> None:
    relabelling = Relabelling({1: 2, 2: 1, 5: 300})
    labels: NDArray[Any] = np.array([0, 1, 2, 5, 6], dtype)
    np.testing.assert_array_equal(relabelling.apply(labels), (0, 2, 1, 300, 6))
    assert Relabelling().apply(labels) is labels


def test_types_that_hold() -> None:
    assert holding(np.dtype(np.uint8), 255) == np.uint8
    assert holding(np.dtype(np.uint8), 256) == np.uint16
    assert holding(np.dtype(np.uint16), 65_536) == np.int32
    assert holding(np.dtype(np.int64), 2**31 - 1) == np.int64


def test_values_in_labels() -> None:
    labels = np.zeros((2, 3, 4), np.uint16)
    labels[1, 2, 3] = 7
    assert values_in(labels) == {0, 7}
    assert values_in(labels.astype(np.int32)) == {0, 7}

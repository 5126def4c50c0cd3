"""Which pixels changed their class."""

from __future__ import annotations

import numpy as np
import pytest

from napari_itaclip.annotation.comparison import LabelSnapshot, changed_pixels
from napari_itaclip.errors import ImageError


def snapshot(labels: list[list[int]], names: dict[int, str], lineage: int = 1) -> LabelSnapshot:
    return LabelSnapshot(np.array(labels, np.uint16), names, {}, lineage)


def test_within_a_lineage_ids_count_whatever_the_names() -> None:
    before = snapshot([[1, 2, 0]], {1: "road", 2: "car"})
    after = snapshot([[1, 1, 0]], {1: "street", 2: "car"})
    assert changed_pixels(before, after).tolist() == [[False, True, False]]


def test_between_vocabularies_names_count_whatever_the_ids() -> None:
    before = snapshot([[1, 2, 3, 0]], {1: "road", 2: "Car", 3: "tree"})
    after = snapshot([[2, 1, 3, 0]], {2: "road", 1: "car", 3: "house"}, lineage=2)
    assert changed_pixels(before, after).tolist() == [[False, False, True, False]]


def test_a_class_that_went_away_has_changed_even_where_its_id_stays() -> None:
    before = snapshot([[1, 7]], {1: "road", 7: "car"})
    after = snapshot([[1, 7]], {1: "road"}, lineage=2)
    assert changed_pixels(before, after).tolist() == [[False, True]]


def test_high_ids() -> None:
    before = snapshot([[60000, 5, 0]], {60000: "road", 5: "car"})
    after = snapshot([[1, 2, 0]], {1: "road", 2: "tree"}, lineage=2)
    assert changed_pixels(before, after).tolist() == [[False, True, False]]


def test_zero_is_unlabelled_unless_both_name_it() -> None:
    before = snapshot([[0, 0]], {0: "sky", 1: "road"})
    unnamed = snapshot([[0, 1]], {1: "road"}, lineage=2)
    assert changed_pixels(before, unnamed).tolist() == [[False, True]]
    other = snapshot([[0, 3]], {0: "road", 3: "sky"}, lineage=2)
    assert changed_pixels(before, other).tolist() == [[True, False]]


def test_other_sizes_cannot_be_compared() -> None:
    with pytest.raises(ImageError, match=r"1 x 2.*1 x 3"):
        changed_pixels(snapshot([[1, 2]], {}), snapshot([[1, 2, 3]], {}))

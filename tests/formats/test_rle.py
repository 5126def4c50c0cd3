from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as reference

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.shapes import run_lengths
from tests.formats.scenes_of_objects import MASKS

Mask = NDArray[np.bool_]


def text_of_the_reference(mask: Mask) -> str:
    encoded = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
    return str(encoded["counts"].decode())


@settings(max_examples=25)
@given(MASKS)
def test_runs_are_those_of_pycocotools(mask: Mask) -> None:
    counts = run_lengths.encode(mask)
    assert run_lengths.to_text(counts) == text_of_the_reference(mask)
    np.testing.assert_array_equal(run_lengths.decode(counts, (mask.shape[0], mask.shape[1])), mask)


@settings(max_examples=25)
@given(MASKS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_cut_out_mask_is_encoded_where_it_lies(
    mask: Mask, row: int, column: int, beyond: int
) -> None:
    whole = np.zeros((row + mask.shape[0] + beyond, column + mask.shape[1] + beyond), bool)
    whole[row : row + mask.shape[0], column : column + mask.shape[1]] = mask
    counts = run_lengths.encode(mask, (row, column), (whole.shape[0], whole.shape[1]))
    np.testing.assert_array_equal(counts, run_lengths.encode(whole))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2**29), max_size=20))
def test_every_text_can_be_read_again(counts: list[int]) -> None:
    array = np.array(counts, np.int64)
    np.testing.assert_array_equal(run_lengths.from_text(run_lengths.to_text(array), "x"), array)


def test_large_counts_are_written_like_pycocotools_does() -> None:
    counts = [0, 5, 2**28, 1, 3, 2**27, 7]
    size = [1, sum(counts)]
    encoded = reference.frPyObjects({"size": size, "counts": counts}, *size)
    assert run_lengths.to_text(np.array(counts)) == encoded["counts"].decode()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([3, 3], "make 6 pixels"),
        ([10], "longer than the image"),
        ([-1, 10], "negative"),
        ([4, 5.5], "whole numbers"),
        (["9"], "whole numbers"),
        ([[9]], "whole numbers"),
        ([9, None], "whole numbers"),
        ([10**30, 1], "whole numbers|longer"),
        ([], "make 0 pixels"),
        ([9] * 2**11, "make"),
    ],
)
def test_wrong_counts_are_refused(counts: list[int], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        run_lengths.checked(counts, (3, 3), "the mask")


@pytest.mark.parametrize("text", ["é", "\x00", "zz", "o", "oooooooooooooooooooo0", "P"])
def test_texts_that_are_no_runs_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="the mask"):
        run_lengths.checked(run_lengths.from_text(text, "the mask"), (3, 3), "the mask")


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (10**9, 10**9), (30_000, 30_000)])
def test_absurd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(FormatError, match="field: the size"):
        run_lengths.check_size(*size, "field")
    assert run_lengths.check_size(20_000, 20_000, "field") == (20_000, 20_000)

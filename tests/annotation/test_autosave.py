"""Corrections on disk: whole, newest last, and of the image that they belong to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_itaclip.annotation.autosave import (
    AutosaveFolder,
    Corrections,
    decode_corrections,
    encode_corrections,
    fingerprint,
)
from napari_itaclip.errors import FormatError, OutputError


def corrections(label: int = 7, shape: tuple[int, int] = (4, 5), **about: Any) -> Corrections:
    labels = np.full(shape, label, np.uint16)
    edited = np.zeros(shape, bool)
    edited[1:3, 2] = True
    return Corrections(labels, edited, **{"base": "x", **about})


class Folder:
    """A folder for corrections, with what failed."""

    def __init__(self, path: Path) -> None:
        self.failed: list[tuple[str, str]] = []
        self.files = AutosaveFolder(path, lambda *what: self.failed.append(what))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "autosave")
    yield made
    made.files.close()


@given(arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.data())
def test_labels_and_edits_come_back_as_they_were(labels: Any, data: Any) -> None:
    edited = data.draw(arrays.arrays(bool, labels.shape))
    given_ = Corrections(labels, edited, fingerprint(labels), data.draw(st.booleans()))
    found = decode_corrections(encode_corrections(given_), labels.shape)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.edited, edited)
    assert (found.base, found.left_in_order) == (given_.base, given_.left_in_order)


def test_the_fingerprint_tells_values_and_shape_but_not_types() -> None:
    labels = np.arange(12).reshape(3, 4)
    assert fingerprint(labels.astype(np.uint8)) == fingerprint(labels.astype(np.int64))
    assert fingerprint(labels) != fingerprint(labels.T)
    assert fingerprint(labels) != fingerprint(labels + 1)


def test_only_edited_pixels_are_put_into_other_labels() -> None:
    merged = corrections(300).applied_to(np.zeros((4, 5), np.uint8))
    assert merged[1, 2] == merged[2, 2] == 300
    assert np.count_nonzero(merged) == 2


def test_corrections_of_another_size_are_refused() -> None:
    with pytest.raises(FormatError, match="5 × 4 pixels"):
        corrections().applied_to(np.zeros((5, 4), np.uint8))
    with pytest.raises(FormatError, match="5 × 4 pixels"):
        decode_corrections(encode_corrections(corrections()), (5, 4))


def test_damaged_files_are_told() -> None:
    content = encode_corrections(corrections())
    for bad in (b"", b"no picture", content[:60], content[: len(content) // 2]):
        with pytest.raises(FormatError):
            decode_corrections(bad, (4, 5))


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OutputError, match="65535"):
        encode_corrections(Corrections(np.full((1, 1), 70_000), np.ones((1, 1), bool), ""))


def test_what_is_saved_is_found_and_what_is_discarded_is_not(folder: Folder) -> None:
    assert folder.files.find("day 1/a", (4, 5)) is None
    folder.files.save("day 1/a", corrections)
    found = folder.files.find("day 1/a", (4, 5))
    assert found is not None
    assert found.corrections.labels[0, 0] == 7
    folder.files.discard("day 1/a")
    assert folder.files.find("day 1/a", (4, 5)) is None
    assert folder.failed == []


def test_of_those_that_wait_only_the_newest_is_written(folder: Folder) -> None:
    hold, made = threading.Event(), []

    def slow() -> Corrections:
        hold.wait(10)
        return corrections(1)

    def make(label: int) -> Corrections:
        made.append(label)
        return corrections(label)

    folder.files.save("other", slow)
    for label in (2, 3, 4):
        folder.files.save("a", lambda label=label: make(label))  # type: ignore[misc]
    folder.files.save("b", lambda: make(5))
    folder.files.discard("b")
    hold.set()
    found = folder.files.find("a", (4, 5))
    assert found is not None
    assert found.corrections.labels[0, 0] == 4
    assert made == [4]
    assert folder.files.find("b", (4, 5)) is None


def test_what_cannot_be_written_is_told_and_the_next_is_tried(
    folder: Folder, tmp_path: Path
) -> None:
    (tmp_path / "autosave").write_text("a file where the folder should be")
    folder.files.save("a", corrections)
    folder.files.flush()
    assert [key for key, _ in folder.failed] == ["a"]
    (tmp_path / "autosave").unlink()
    folder.files.save("a", corrections)
    assert folder.files.find("a", (4, 5)) is not None


def test_no_key_leads_out_of_the_folder(folder: Folder) -> None:
    folder.files.save("../a", corrections)
    folder.files.flush()
    assert [key for key, _ in folder.failed] == ["../a"]

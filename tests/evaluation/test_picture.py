"""The picture of a confusion matrix: what it shows, and that it can be drawn."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.errors import MissingExtraError
from napari_itaclip.evaluation.counts import Counts
from napari_itaclip.evaluation.metrics import measures
from napari_itaclip.evaluation.picture import confusion_picture, shown_part
from napari_itaclip.evaluation.report import Report
from napari_itaclip.evaluation.state import Run


def report_with(matrix: NDArray[np.int64], names: list[str] | None = None) -> Report:
    classes = len(matrix)
    named = names or [f"class {number}" for number in range(classes)]
    about = {"classes": [{"name": name} for name in named], "title": "A set", "notice": ""}
    counts = Counts(matrix, np.zeros((3, classes), np.int64), 0)
    return Report(Run(about, ()), 2, "", counts, measures(counts))


def test_few_classes_are_all_shown() -> None:
    matrix = np.array([[6, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    part = shown_part(report_with(matrix))
    # The third class is nowhere, and nothing was left without a class.
    assert part.rows == part.columns == ("class 0", "class 1")
    assert part.shares.tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert part.ious.tolist() == pytest.approx([6 / 9, 1 / 4])
    assert part.left_out == 0


def test_pixels_without_a_class_get_a_column() -> None:
    part = shown_part(report_with(np.array([[3, 1]])))
    assert part.columns == ("class 0", "(none)")
    assert part.shares.tolist() == [[0.75, 0.25]]


def test_of_many_classes_the_most_confused_are_shown() -> None:
    random = np.random.default_rng(0)
    matrix = np.zeros((150, 151), np.int64)
    np.fill_diagonal(matrix, 1000)
    matrix[3, 7], matrix[90, 91], matrix[5, 150] = 500, 400, 300
    matrix[60:, 60:100] += random.integers(0, 2, (90, 40))
    part = shown_part(report_with(matrix), most=6)
    for number in (3, 5, 7, 90, 91):
        assert f"class {number}" in part.rows
    assert part.rows[-1] == part.columns[-2] == "other classes"
    assert (len(part.rows), len(part.columns), part.left_out) == (7, 8, 144)
    # Every row still adds up: nothing is hidden.
    np.testing.assert_allclose(part.shares.sum(axis=1), 1)
    others = part.rows.index("other classes")
    kept = [int(name.split()[1]) for name in part.rows[:-1]]
    rest = np.setdiff1d(np.arange(150), kept)
    expected = matrix[np.ix_(rest, rest)].sum() / matrix[rest].sum()
    assert part.shares[others, others] == pytest.approx(expected)


@pytest.mark.parametrize("classes", [1, 150])
def test_a_picture_is_drawn(classes: int) -> None:
    matrix = np.random.default_rng(1).integers(0, 9, (classes, classes + 1))
    content = confusion_picture(report_with(matrix))
    with Image.open(io.BytesIO(content)) as picture:
        width, height = picture.size
        gray = np.asarray(picture.convert("L"))
    assert 200 < width < 3000
    assert 200 < height < 3000
    assert np.count_nonzero(np.bincount(gray.ravel())) > 20


def test_equal_numbers_give_equal_files() -> None:
    matrix = np.array([[3, 1]])
    assert confusion_picture(report_with(matrix)) == confusion_picture(report_with(matrix))


def test_any_name_can_be_drawn() -> None:
    names = ["$a^", "日本", "עברית", "🙂", "x" * 200]
    matrix = np.ones((5, 6), np.int64)
    assert confusion_picture(report_with(matrix, names)).startswith(b"\x89PNG")


def test_without_matplotlib_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"napari-itaclip\[plots\]"):
        confusion_picture(report_with(np.ones((1, 2), np.int64)))

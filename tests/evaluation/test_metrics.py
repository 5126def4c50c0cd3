"""The measures of a data set: worked out by hand, and by scikit-learn."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from napari_itaclip.evaluation.counts import Counts, add_counts, count_image
from napari_itaclip.evaluation.metrics import measures, most_confused


def test_worked_example_over_two_images() -> None:
    first = count_image(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]]), 3)
    second = count_image(np.array([[1, 1, -1, 0]]), np.array([[1, -1, 0, 0]]), 3)
    total = add_counts([first, second], 3)
    # Class 0: 2 hits of 3, 2 predicted (the pixel without truth is left out). Class 1: 3 hits of
    # 4, 4 predicted. Class 2 is nowhere. IoU over the data set, not the mean over the images.
    assert total.confusion.tolist() == [[2, 1, 0, 0], [0, 3, 0, 1], [0, 0, 0, 0]]
    assert total.ignored == 1
    assert total.pixels == 7
    found = measures(total)
    assert [one.iou for one in found.classes[:2]] == pytest.approx([2 / 3, 3 / 5])
    assert math.isnan(found.classes[2].iou)
    assert found.mean_iou == pytest.approx((2 / 3 + 3 / 5) / 2)
    assert found.pixel_accuracy == pytest.approx(5 / 7)
    assert found.mean_accuracy == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert [one.pixels for one in found.classes] == [3, 4, 0]
    assert [one.predicted for one in found.classes] == [2, 4, 0]


def test_a_class_that_is_only_predicted_has_an_iou_of_zero() -> None:
    found = measures(count_image(np.array([[0, 0]]), np.array([[0, 1]]), 2))
    assert found.classes[1].iou == 0
    assert math.isnan(found.classes[1].accuracy)
    assert found.mean_iou == pytest.approx((1 / 2 + 0) / 2)
    assert found.mean_accuracy == pytest.approx(1 / 2)


def test_nothing_has_no_measures() -> None:
    found = measures(add_counts([], 2))
    assert math.isnan(found.mean_iou)
    assert math.isnan(found.pixel_accuracy)
    assert math.isnan(found.mean_boundary_iou)


@given(st.data())
def test_agrees_with_scikit_learn(data: st.DataObject) -> None:
    classes = data.draw(st.integers(1, 12))
    shape = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    truth = random.integers(-1, classes, shape)
    predicted = random.integers(-1, classes, shape)
    counts = count_image(truth, predicted, classes)
    found = measures(counts)
    counted = truth >= 0
    if not counted.any():
        assert counts.pixels == 0
        return
    # To scikit-learn, "no class" is one more class that is never true.
    true = truth[counted]
    given_ = np.where(predicted[counted] < 0, classes, predicted[counted])
    labels = list(range(classes + 1))
    theirs = sklearn_metrics.confusion_matrix(true, given_, labels=labels)
    assert counts.confusion.tolist() == theirs[:classes].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that do not occur
        jaccard = sklearn_metrics.jaccard_score(
            true, given_, labels=labels[:-1], average=None, zero_division=0
        )
        recall = sklearn_metrics.recall_score(
            true, given_, labels=labels[:-1], average=None, zero_division=np.nan
        )
    occurs = np.isin(np.arange(classes), [*true, *given_])
    ious = np.array([one.iou for one in found.classes])
    np.testing.assert_allclose(ious[occurs], jaccard[occurs], rtol=0, atol=1e-6)
    assert np.isnan(ious[~occurs]).all()
    accuracies = np.array([one.accuracy for one in found.classes])
    np.testing.assert_allclose(accuracies, recall, rtol=0, atol=1e-6)
    assert found.mean_iou == pytest.approx(jaccard[occurs].mean(), abs=1e-6)
    assert found.mean_accuracy == pytest.approx(np.nanmean(recall), abs=1e-6)
    accuracy = sklearn_metrics.accuracy_score(true, given_)
    assert found.pixel_accuracy == pytest.approx(accuracy, abs=1e-6)


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_counts_survive_json_and_add_up(classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(3):
        truth, predicted = random.integers(-1, classes + 1, (2, 7, 5))
        parts.append(count_image(truth, predicted, classes))
    back = [Counts.from_data(json.loads(json.dumps(part.to_data())), classes) for part in parts]
    one, other = add_counts(parts, classes), add_counts(reversed(back), classes)
    assert (one.confusion == other.confusion).all()
    assert (one.boundary == other.boundary).all()
    assert one.ignored == other.ignored


@pytest.mark.parametrize(
    "data",
    [
        {"confusion": [[0, 0, -1]], "boundary": [[0], [0], [0]], "ignored": 0},
        {"confusion": [[-1, 0, 1]], "boundary": [[0], [0], [0]], "ignored": 0},
        {"confusion": [[5, 0, 1]], "boundary": [[0], [0], [0]], "ignored": 0},
        {"confusion": [], "boundary": [[0, 0]], "ignored": 0},
        {"confusion": [], "ignored": 0},
    ],
)
def test_damaged_counts_are_refused(data: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, IndexError)):
        Counts.from_data(data, 1)


def test_confusions_are_told_by_size() -> None:
    matrix = np.array([[50, 7, 0, 1], [0, 9, 20, 0], [3, 0, 0, 0]])
    found = most_confused(matrix, 3)
    assert [(one.truth, one.predicted, one.pixels) for one in found] == [
        (1, 2, 20), (0, 1, 7), (2, 0, 3),
    ]  # fmt: skip
    assert found[0].share == pytest.approx(20 / 29)
    assert most_confused(np.diag([1, 2])[:, [0, 1, 1]] * np.array([1, 1, 0]), 5) == ()

"""Hand edits in a labels layer: strokes stay until they are undone or reset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_itaclip._widget.layers.labels_layer import WriteReport
from napari_itaclip.annotation.hand_edits import EditsError
from napari_itaclip.session.pictures import Plane, Region
from tests.widget.brush import Drag, drag
from tests.widget.label_layers import FLAT, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- hand edits ----------------------------------------------------------------------------------


def test_strokes_stay(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (3, 1), (3, 6), label=4, size=2)
    painted = bench.labels != 1
    assert painted.sum() == bench.binding.edit_count > 5
    report = bench.write(2)
    assert report == WriteReport(80 - painted.sum(), painted.sum())
    assert (bench.labels[painted] == 4).all()
    assert (bench.labels[~painted] == 2).all()


def test_strokes_over_the_same_label_stay(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (3, 1), (3, 6), label=1)
    assert bench.binding.edit_count == 6
    bench.write(2)
    assert (bench.labels[3, 1:7] == 1).all()
    bench.binding.layer.undo()
    bench.binding.layer.undo()
    assert bench.binding.edit_count == 0
    bench.binding.layer.redo()
    assert bench.binding.edit_count == 6


def test_erasing_bucket_and_polygon_are_hand_edits(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    layer.mode = "erase"
    layer.brush_size = 1
    Drag(layer, (0, 0), (0, 1)).release()
    assert bench.labels[0, 0] == 0
    assert bench.binding.edit_count == 1
    layer.paint_polygon([[4, 4], [4, 8], [7, 8], [7, 4]], 3)
    inside = bench.binding.edit_count
    assert inside == 1 + 20
    layer.fill((4, 4), 2)
    assert bench.binding.edit_count == inside
    layer.data_setitem((np.array([1, -1]), np.array([0, -1])), 4)
    assert bench.binding.edit_count == inside + 2
    bench.write(3)
    assert (bench.labels[bench.mask] != 3).all()
    assert (bench.labels[~bench.mask] == 3).all()


def test_preserved_labels_are_no_hand_edits(bench: Bench) -> None:
    first = np.zeros((8, 10), int)
    first[:, :5] = 1
    bench.write(first)
    bench.binding.layer.preserve_labels = True
    drag(bench.binding.layer, (2, 0), (2, 9), label=2)
    assert (bench.labels[2] == [1] * 5 + [2] * 5).all()
    np.testing.assert_array_equal(np.argwhere(bench.mask), [[2, column] for column in range(5, 10)])


def test_undoing_a_stroke_frees_its_pixels(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (0, 0), (0, 4), label=2)
    drag(bench.binding.layer, (0, 3), (0, 7), label=3)
    bench.binding.layer.undo()
    assert bench.binding.edit_count == 5
    bench.binding.layer.redo()
    assert bench.binding.edit_count == 8
    bench.binding.layer.undo()
    bench.binding.layer.undo()
    assert bench.binding.edit_count == 0
    bench.write(4)
    assert (bench.labels == 4).all()


def test_an_undo_is_noticed_in_a_hidden_layer(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (0, 0), (0, 4), label=2)
    bench.binding.layer.visible = False
    told: list[int] = []
    bench.binding.edited.connect(lambda: told.append(1))
    bench.binding.layer.undo()
    assert told
    assert bench.binding.edit_count == 0


def test_a_write_waits_for_the_end_of_the_stroke(bench: Bench) -> None:
    binding = bench.binding
    bench.write(1)
    layer = binding.layer
    layer.mode, layer.brush_size, layer.selected_label = "paint", 1, 3
    reports: list[WriteReport] = []
    binding.written.connect(reports.append)
    stroke = Drag(layer, (1, 1), (0, 1))
    stroke.to((1, 4))
    assert bench.write(2) == WriteReport(waiting=True)
    assert bench.write(4) == WriteReport(waiting=True)
    with pytest.raises(EditsError, match="stroke"):
        binding.reset()
    assert not (bench.labels == 4).any()
    stroke.to((1, 8))
    stroke.release()
    assert reports == [WriteReport(changed=72, kept=8)]
    assert (bench.labels[1, 1:9] == 3).all()
    assert (bench.labels[0] == 4).all()
    layer.undo()
    assert (bench.labels[0] == 1).all()
    assert (bench.labels[1, 1:9] == 3).all()


def test_a_write_after_a_stroke_that_touched_nothing(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    layer.mode, layer.brush_size = "paint", 1
    stroke = Drag(layer, (-50, -50), (0, 1))
    bench.write(2)
    stroke.release()
    assert (bench.labels == 2).all()


def test_a_stroke_that_is_broken_off(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    layer.brush_size = 1
    layer._begin_stroke()
    layer.paint((2, 2), 3)
    layer.paint((2, 3), 1)
    bench.write(2)
    layer._abort_stroke()
    assert (bench.labels == 2).all()
    assert bench.binding.edit_count == 0
    drag(layer, (5, 5), label=4)
    assert bench.binding.edit_count == 1


def test_a_stroke_that_ends_with_an_error_counts(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    layer.brush_size = 1

    def painting_that_fails() -> None:
        with layer.block_history():
            layer.paint((2, 2), 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        painting_that_fails()
    bench.write(2)
    assert bench.labels[2, 2] == 3
    assert bench.binding.edit_count == 1
    layer.undo()
    layer.undo()
    assert (bench.labels == 1).all()
    assert bench.binding.edit_count == 0


def test_a_listener_may_write_at_once(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    layer.brush_size = 1

    def rerun() -> None:
        bench.write(2)

    bench.binding.edited.connect(rerun)
    layer.paint((2, 2), 3)
    assert bench.labels[2, 2] == 3
    assert (bench.labels == 2).sum() == 79
    bench.binding.edited.disconnect(rerun)
    layer.undo()
    assert (bench.labels == 1).sum() == 79
    bench.binding.edited.connect(rerun)
    layer.data_setitem((np.array([0]), np.array([0])), 4)
    assert bench.labels[0, 0] == 4
    assert (bench.labels == 2).sum() == 78


def test_painting_across_slices() -> None:
    bench = Bench((4, 8, 8))
    for at in range(4):
        bench.write(1, plane=Plane((at, None, None)))
    layer = bench.binding.layer
    layer.n_edit_dimensions, layer.brush_size = 3, 3
    layer.paint((1, 4, 4), 2)
    painted = bench.labels == 2
    assert painted.any(axis=(1, 2)).sum() > 1
    for at in range(4):
        bench.write(3, plane=Plane((at, None, None)))
    np.testing.assert_array_equal(bench.labels == 2, painted)
    np.testing.assert_array_equal(bench.mask, painted)
    bench.write(4, plane=Plane((None, 4, None), True))
    np.testing.assert_array_equal(bench.labels == 2, painted)


# ---- reset ---------------------------------------------------------------------------------------


def painted_bench() -> Bench:
    bench = Bench()
    bench.write(1)
    drag(bench.binding.layer, (1, 0), (1, 9), label=3)
    drag(bench.binding.layer, (5, 0), (5, 9), label=4)
    bench.write(np.arange(80).reshape(8, 10) % 2 + 1)
    return bench


def test_reset_brings_back_the_last_automatic_labels() -> None:
    bench = painted_bench()
    before, mask = bench.labels.copy(), bench.mask.copy()
    assert bench.binding.reset() == 20
    np.testing.assert_array_equal(bench.labels, np.arange(80).reshape(8, 10) % 2 + 1)
    assert bench.binding.edit_count == 0
    assert bench.binding.reset() == 0
    bench.binding.layer.undo()
    np.testing.assert_array_equal(bench.labels, before)
    np.testing.assert_array_equal(bench.mask, mask)
    assert bench.binding.edit_count == 20
    bench.binding.layer.redo()
    assert bench.binding.edit_count == 0


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"plane": FLAT, "region": Region(0, 0, 4, 5)}, 15),
        ({"class_id": 4}, 10),
        ({"plane": FLAT, "class_id": 2}, 20),
    ],
)
def test_reset_of_a_part(options: dict[str, Any], left: int) -> None:
    bench = painted_bench()
    before = bench.labels.copy()
    assert bench.binding.reset(**options) == 20 - left
    assert bench.binding.edit_count == left
    np.testing.assert_array_equal(bench.labels[bench.mask], before[bench.mask])


def test_reset_after_an_undone_run_leads_to_the_run_before() -> None:
    bench = painted_bench()
    bench.binding.layer.undo()
    bench.binding.reset()
    assert (bench.labels == 1).all()

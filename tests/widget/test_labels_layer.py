"""The labels layer of an image: automatic labels, their undo, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_itaclip._widget.layers.labels_layer import WriteReport
from napari_itaclip.annotation.hand_edits import EditsError
from napari_itaclip.session.pictures import PictureLabels, Plane, Region
from tests.widget.brush import Drag, drag
from tests.widget.label_layers import CLASSES, FLAT, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- writing -------------------------------------------------------------------------------------


def test_the_layer_appears_with_the_first_result(bench: Bench) -> None:
    image = bench.viewer.layers[0]
    bench.viewer.layers.selection.active = image
    assert not bench.binding.alive
    assert bench.binding.layer is None
    assert len(bench.viewer.layers) == 1
    report = bench.write(2)
    assert report == WriteReport(changed=80, kept=0)
    assert bench.binding.alive
    assert bench.binding.layer.name == "labels"
    assert bench.labels.dtype == np.uint16
    assert (bench.labels == 2).all()
    assert bench.viewer.layers.selection.active is image


def test_the_layer_lies_where_it_is_told() -> None:
    bench = Bench(geometry={"scale": (2, 3), "translate": (5, 7)})
    bench.write(1)
    np.testing.assert_array_equal(bench.binding.layer.scale, (2, 3))
    np.testing.assert_array_equal(bench.binding.layer.translate, (5, 7))


def test_a_region_and_the_later_patch_wins(bench: Bench) -> None:
    patches = [
        PictureLabels(FLAT, None, np.full((8, 10), 1)),
        PictureLabels(FLAT, Region(2, 3, 4, 5), np.full((4, 5), 2)),
    ]
    options: dict[str, Any] = {"vocabulary": CLASSES, "lineage": 1, "provenance": {}}
    bench.binding.write(patches, step=1, **options)
    expected = np.full((8, 10), 1)
    expected[2:6, 3:8] = 2
    np.testing.assert_array_equal(bench.labels, expected)
    bench.binding.layer.undo()
    assert not bench.labels.any()


def test_a_patch_that_does_not_fit_changes_nothing(bench: Bench) -> None:
    bench.write(1)
    with pytest.raises(ValueError, match="do not fill"):
        bench.write(np.ones((3, 3), int))
    with pytest.raises(ValueError, match="does not lie in"):
        bench.write(2, region=Region(6, 0, 4, 4))
    assert (bench.labels == 1).all()


@pytest.mark.parametrize("axes", [(1, 2), (0, 2), (0, 1)])
@pytest.mark.parametrize("transposed", [False, True])
def test_planes_of_a_stack(axes: tuple[int, int], transposed: bool) -> None:
    bench = Bench((4, 5, 6))
    index = tuple(None if axis in axes else 2 for axis in range(3))
    plane = Plane(index, transposed)
    labels = np.arange(np.prod(plane.shape((4, 5, 6)))).reshape(plane.shape((4, 5, 6))) % 5
    bench.write(labels, plane=plane)
    np.testing.assert_array_equal(plane.cut(bench.labels), labels)
    elsewhere = bench.labels.copy()
    plane.cut(elsewhere)[...] = 0
    assert not elsewhere.any()
    region = Region(1, 2, 2, 1)
    bench.binding.layer.data[tuple(2 for _ in range(3))] = 9  # a pixel of the plane, by a script
    bench.write(labels[1:3, 2:3] + 1, plane=plane, region=region)
    shown = plane.cut(bench.labels)[region.slices]
    np.testing.assert_array_equal(shown[shown != 9], (labels[1:3, 2:3] + 1)[shown != 9])


def test_provenance_goes_into_the_metadata_and_back(bench: Bench) -> None:
    bench.write(1, provenance={"model": "a"})
    bench.binding.layer.metadata = {**bench.binding.layer.metadata, "mine": 1}
    bench.write(2, provenance={"model": "b"})
    metadata = bench.binding.layer.metadata
    assert metadata == {"mine": 1, "napari-itaclip": {"model": "b"}}
    bench.binding.layer.undo()
    assert bench.binding.layer.metadata == {"mine": 1, "napari-itaclip": {"model": "a"}}
    bench.binding.layer.redo()
    assert bench.binding.layer.metadata["napari-itaclip"] == {"model": "b"}


def test_locked_classes_keep_their_pixels(bench: Bench) -> None:
    first = np.ones((8, 10), int)
    first[:, 5:] = 2
    bench.write(first, locked=frozenset({0, 2}))
    report = bench.write(3, locked=frozenset({2}))
    assert report == WriteReport(changed=40, kept=40)
    assert (bench.labels[:, 5:] == 2).all()
    assert (bench.labels[:, :5] == 3).all()
    assert bench.binding.edit_count == 0


def test_a_locked_background_is_only_locked_where_there_are_labels(bench: Bench) -> None:
    first = np.ones((8, 10), int)
    first[0] = 0
    assert bench.write(first, locked=frozenset({0})) == WriteReport(70, 0)
    assert bench.write(2, locked=frozenset({0})) == WriteReport(70, 10)


# ---- undo ----------------------------------------------------------------------------------------


def test_one_step_is_one_undo(bench: Bench) -> None:
    bench.write(1, step="a")
    for label in (2, 3, 4):
        bench.write(label, step="b")
    bench.write(2, region=Region(0, 0, 2, 2), step="b")
    bench.binding.layer.undo()
    assert (bench.labels == 1).all()
    bench.binding.layer.redo()
    assert (bench.labels[:2, :2] == 2).all()
    assert (bench.labels[2:] == 4).all()
    bench.binding.layer.undo()
    bench.binding.layer.undo()
    assert not bench.labels.any()


def test_regions_that_arrive_one_by_one_are_one_undo(bench: Bench) -> None:
    bench.write(1, step="a")
    for column in range(0, 10, 2):
        bench.write(2 + column % 3, region=Region(0, column, 8, 2), step="b")
    bench.write(4, step="b")
    bench.binding.layer.undo()
    assert (bench.labels == 1).all()
    bench.binding.layer.redo()
    assert (bench.labels == 4).all()


def test_a_stroke_between_divides_a_step(bench: Bench) -> None:
    bench.write(1, step="a")
    drag(bench.binding.layer, (0, 0), (0, 3), label=4)
    bench.write(2, step="a")
    bench.binding.layer.undo()
    assert (bench.labels[1:] == 1).all()
    assert (bench.labels[0, :4] == 4).all()


def test_what_changes_nothing_is_no_step(bench: Bench) -> None:
    bench.write(1)
    assert bench.write(1) == WriteReport(0, 0)
    bench.write(2, step="there and back")
    bench.write(1, step="there and back")
    bench.binding.layer.undo()
    assert not bench.labels.any()


def test_refinements_of_a_step_that_was_taken_back_are_dropped(bench: Bench) -> None:
    bench.write(1)
    bench.write(2, step="coarse to fine")
    bench.binding.layer.undo()
    assert bench.write(3, step="coarse to fine") == WriteReport(undone=True)
    assert (bench.labels == 1).all()
    assert bench.write(3, step="another") == WriteReport(changed=80)


def test_undo_last_run(bench: Bench) -> None:
    binding = bench.binding
    assert not binding.can_undo_last_run
    bench.write(1)
    bench.write(2)
    assert binding.can_undo_last_run
    drag(binding.layer, (1, 1), label=3)
    assert not binding.can_undo_last_run
    with pytest.raises(EditsError, match=r"painted since.*Ctrl\+Z"):
        binding.undo_last_run()
    binding.layer.undo()
    binding.undo_last_run()
    assert (bench.labels == 1).all()
    binding.undo_last_run()
    with pytest.raises(EditsError, match="no run"):
        binding.undo_last_run()


def test_a_run_that_is_cancelled_is_taken_back(bench: Bench) -> None:
    binding = bench.binding
    assert binding.revert("nothing")
    bench.write(1)
    bench.write(2, step="run")
    bench.write(3, step="run")
    assert binding.revert("run")
    assert (bench.labels == 1).all()
    assert bench.write(4, step="run") == WriteReport(undone=True)
    assert (bench.labels == 1).all()
    bench.write(2, step="another run")
    drag(binding.layer, (0, 0), label=3)
    assert not binding.revert("another run")
    assert (bench.labels == 2).sum() == 79
    assert binding.revert("yet another run")


def test_a_run_that_is_cancelled_during_a_stroke(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    layer.mode, layer.brush_size, layer.selected_label = "paint", 1, 3
    stroke = Drag(layer, (1, 1), (0, 1))
    bench.write(2, step="run")
    assert bench.binding.revert("run")
    stroke.release()
    assert (bench.labels == 1).sum() == 79


def test_the_history_is_bounded_and_still_exact() -> None:
    # Before and after take a byte for each pixel: three writes fit.
    bench = Bench((64, 64), history_bytes=64 * 64 * 7)
    states = []
    for step in range(12):
        bench.write(np.random.default_rng(step).integers(0, 5, (64, 64)))
        drag(bench.binding.layer, (step, 0), (step, 5), label=1)
        states.append(bench.labels.copy())
    for step in (10, 9, 8):
        bench.binding.layer.undo()
        bench.binding.layer.undo()
        np.testing.assert_array_equal(bench.labels, states[step])
        assert bench.binding.edit_count == 6 * (step + 1)
    for _ in range(30):
        bench.binding.layer.undo()
    assert bench.binding.edit_count >= 6 * 8
    for _ in range(30):
        bench.binding.layer.redo()
    np.testing.assert_array_equal(bench.labels, states[-1])
    assert bench.binding.edit_count == 72


def test_a_hundred_strokes_and_more(bench: Bench) -> None:
    bench.write(1)
    for number in range(130):
        drag(bench.binding.layer, (number % 8, number % 10), label=2 + number % 3)
    count = bench.binding.edit_count
    for _ in range(150):
        bench.binding.layer.undo()
    assert 0 < bench.binding.edit_count <= count  # napari keeps a hundred; the others stay
    np.testing.assert_array_equal(bench.mask, bench.labels != 1)


# ---- cost ----------------------------------------------------------------------------------------


def fastest(action: Callable[[int], object], rounds: int = 4) -> float:
    times = []
    for number in range(rounds):
        start = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - start)
    return min(times)


def test_large_layers_are_cheap() -> None:
    size = 4096
    bench = Bench((size, size))
    tiles = [np.full((size, size), label, np.uint16) for label in (1, 2)]
    for labels in tiles:
        labels[::64] = 3
    bench.write(0)
    seconds = fastest(lambda number: bench.write(tiles[number % 2]))
    assert seconds < 0.5  # napari's own data_setitem takes 2.5 s
    held = bench.binding._painted.journal.nbytes  # type: ignore[union-attr]
    assert held <= 6 * size * size  # one byte for each pixel and state
    assert fastest(lambda _: bench.binding.layer.undo()) < 0.3
    assert fastest(lambda number: bench.binding.style(CLASSES, {number}, lineage=1)) < 0.05

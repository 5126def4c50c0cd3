"""What label values mean: colours, names, other vocabularies; what others do to the layer."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from napari_itaclip._widget.layers.labels_layer import WriteReport
from napari_itaclip.session.pictures import Plane
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from tests.widget.brush import Drag, drag
from tests.widget.label_layers import CLASSES, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def rgba(bench: Bench, label: int) -> list[int]:
    color = bench.binding.layer.get_color(label)
    return [0, 0, 0, 0] if color is None else [round(float(part) * 255) for part in color]


# ---- looks ---------------------------------------------------------------------------------------


def test_colours_and_names(bench: Bench) -> None:
    classes = Vocabulary([ClassPrompt("cat", color="#ff0000"), ClassPrompt("dog", id=7)])
    bench.write(7, vocabulary=classes)
    assert rgba(bench, 1) == [255, 0, 0, 255]
    assert rgba(bench, 0)[3] == 0
    assert rgba(bench, 5)[3] == 255  # a number of the person's own is seen
    status = bench.binding.layer.get_status((0, 0), view_direction=None, dims_displayed=[0, 1])
    assert "dog" in status["value"]
    undo = len(bench.binding.layer._undo_history)
    bench.binding.style(classes, {1}, lineage=1)
    assert rgba(bench, 1)[3] == 0
    bench.binding.style(classes, {7}, lineage=1)
    assert rgba(bench, 1)[3] == 255
    assert len(bench.binding.layer._undo_history) == undo
    renamed = classes.replace("dog", ClassPrompt("wolf", color="#00ff00"))
    bench.binding.style(renamed, lineage=1)
    assert rgba(bench, 7) == [0, 255, 0, 255]
    status = bench.binding.layer.get_status((0, 0), view_direction=None, dims_displayed=[0, 1])
    assert "wolf" in status["value"]


def test_a_class_that_was_removed_keeps_its_name_where_it_was_painted(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (0, 0), label=4)
    color = rgba(bench, 4)
    bench.write(1, vocabulary=CLASSES.remove("water"))
    assert bench.labels[0, 0] == 4
    assert rgba(bench, 4) == color
    status = bench.binding.layer.get_status((0, 0), view_direction=None, dims_displayed=[0, 1])
    assert "water" in status["value"]


def test_choosing_a_class(bench: Bench) -> None:
    bench.write(1)
    chosen: list[int] = []
    bench.binding.class_selected.connect(chosen.append)
    bench.binding.select_class(3)
    assert bench.binding.layer.selected_label == 3
    bench.binding.style(CLASSES, {2}, lineage=1)
    assert chosen == []
    bench.binding.layer.selected_label = 2
    assert chosen == [2]
    bench.binding.select_class(100_000)
    assert bench.binding.layer.selected_label == 100_000


def test_the_edit_mask_as_a_layer(bench: Bench) -> None:
    assert bench.binding.edit_mask_layer() is None
    bench.write(1)
    drag(bench.binding.layer, (0, 0), (0, 3), label=4)
    layer = bench.binding.edit_mask_layer()
    assert layer in bench.viewer.layers
    assert layer.data.sum() == 4
    drag(bench.binding.layer, (1, 0), label=4)
    assert bench.binding.edit_mask_layer() is layer
    assert layer.data.sum() == 5
    bench.viewer.layers.remove(layer)
    assert bench.binding.edit_mask_layer() is not layer


# ---- another vocabulary --------------------------------------------------------------------------

OTHERS = Vocabulary(["lake", "tree", "Road"])


def test_labels_are_carried_over_by_name(bench: Bench) -> None:
    bench.write(1)
    for row, label in enumerate((2, 3, 4)):
        drag(bench.binding.layer, (row, 0), (row, 9), label=label)
    water = rgba(bench, 4)
    bench.write(1, vocabulary=OTHERS, lineage=2)
    assert (bench.labels[0] == 3).all()  # road
    assert (bench.labels[1] == 2).all()  # tree
    carried = int(bench.labels[2, 0])
    assert carried not in (*OTHERS.ids, 0)
    assert {number: entry.name for number, entry in bench.binding.extra_classes.items()} == {
        carried: "water"
    }
    assert rgba(bench, carried) == water
    status = bench.binding.layer.get_status((2, 0), view_direction=None, dims_displayed=[0, 1])
    assert "water" in status["value"]
    assert bench.binding.edit_count == 30
    bench.write(2, vocabulary=CLASSES, lineage=3)
    assert [int(bench.labels[row, 0]) for row in range(4)] == [2, 3, 4, 2]
    assert bench.binding.extra_classes == {}


def test_undo_across_vocabularies_keeps_the_meaning(bench: Bench) -> None:
    bench.write(2)
    drag(bench.binding.layer, (0, 0), (0, 9), label=3)
    bench.write(1, vocabulary=OTHERS, lineage=2)
    layer = bench.binding.layer
    layer.undo()
    assert (bench.labels[1:] == 3).all()  # road, in the new numbers
    assert (bench.labels[0] == 2).all()
    layer.undo()
    assert (bench.labels == 3).all()
    assert bench.binding.edit_count == 0
    layer.redo()
    assert (bench.labels[0] == 2).all()
    assert bench.binding.edit_count == 10
    layer.redo()
    assert (bench.labels[1:] == 1).all()
    bench.binding.reset()
    assert (bench.labels == 1).all()


def test_other_slices_are_carried_over_too() -> None:
    bench = Bench((3, 4, 4))
    for at in range(3):
        bench.write(at + 2, plane=Plane((at, None, None)))
    bench.binding.style(OTHERS, lineage=2)
    assert [int(bench.labels[at, 0, 0]) for at in range(2)] == [3, 2]
    assert bench.binding.extra_classes[int(bench.labels[2, 0, 0])].name == "water"
    assert bench.binding.edit_count == 0


def test_an_id_that_a_carried_class_has_taken(bench: Bench) -> None:
    bench.write(4)
    bench.binding.style(OTHERS, lineage=2)
    carried = int(bench.labels[0, 0])
    grown = OTHERS.add(ClassPrompt("late", id=carried))
    bench.binding.style(grown, lineage=2)
    moved = int(bench.labels[0, 0])
    assert moved != carried
    assert bench.binding.extra_classes[moved].name == "water"


# ---- wider values --------------------------------------------------------------------------------


def test_large_ids_widen_the_layer_and_keep_its_history(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (0, 0), (0, 9), label=2)
    large = CLASSES.add(ClassPrompt("star", id=70_000))
    bench.write(70_000, vocabulary=large)
    assert bench.labels.dtype == np.int32
    assert (bench.labels[1:] == 70_000).all()
    assert bench.binding.edit_count == 10
    bench.binding.layer.undo()
    assert (bench.labels[1:] == 1).all()
    bench.binding.layer.undo()
    assert (bench.labels == 1).all()
    assert bench.binding.edit_count == 0
    bench.binding.layer.redo()
    bench.binding.layer.redo()
    assert (bench.labels[1:] == 70_000).all()
    layer = Bench()
    layer.write(70_000, vocabulary=large)
    assert layer.labels.dtype == np.int32


# ---- what others do to the layer -----------------------------------------------------------------


def test_new_data_of_the_same_shape_are_hand_edits(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (0, 0), label=2)
    told: list[int] = []
    bench.binding.edited.connect(lambda: told.append(1))
    data = np.ones((8, 10), np.uint8)
    data[4, 4] = 3
    bench.binding.layer.data = data
    assert told
    assert bench.binding.edit_count == 2
    bench.binding.layer.undo()
    np.testing.assert_array_equal(bench.labels, data)
    bench.write(2)
    assert bench.labels[4, 4] == 3
    assert bench.labels[0, 0] == 1
    assert (bench.labels == 2).sum() == 78
    bench.binding.layer.undo()
    np.testing.assert_array_equal(bench.labels, data)


def test_pixels_that_a_script_wrote_are_hand_edits(bench: Bench) -> None:
    bench.write(1)
    bench.binding.layer.data[2:4, 2:4] = 3
    bench.write(2)
    assert (bench.labels[2:4, 2:4] == 3).all()
    assert bench.binding.edit_count == 4
    bench.binding.layer.undo()
    assert (bench.labels == 1).sum() == 76
    bench.binding.layer.undo()
    assert (bench.labels[2:4, 2:4] == 3).all()


@pytest.mark.parametrize("data", [np.zeros((3, 3), int), np.zeros((2, 8, 10), int)])
def test_data_of_another_shape_end_the_binding(bench: Bench, data: Any) -> None:
    bench.write(1)
    gone: list[int] = []
    bench.binding.removed.connect(lambda: gone.append(1))
    bench.binding.layer.data = data
    assert gone == [1]
    assert not bench.binding.alive
    assert bench.write(2) is None


def test_a_deleted_layer(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (0, 0), label=2)
    gone: list[int] = []
    bench.binding.removed.connect(lambda: gone.append(1))
    bench.viewer.layers.remove(bench.binding.layer)
    assert gone == [1]
    assert bench.binding.layer is None
    assert bench.binding.edit_count == 0
    assert bench.binding.reset() == 0
    bench.binding.undo_last_run()
    bench.binding.style(CLASSES, lineage=1)
    assert bench.write(2) is None
    assert len(bench.viewer.layers) == 1
    bench.binding.revive()
    assert bench.write(2) == WriteReport(changed=80)
    assert len(bench.viewer.layers) == 2


def test_deleting_the_layer_in_the_middle_of_a_stroke(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    layer.mode = "paint"
    stroke = Drag(layer, (1, 1), (0, 1))
    bench.write(2)
    bench.viewer.layers.remove(layer)
    stroke.release()
    assert bench.write(3) is None
    assert not (layer.data == 3).any()


def test_renaming_and_moving_do_not_matter(bench: Bench) -> None:
    bench.write(1)
    bench.binding.layer.name = "mine"
    bench.viewer.layers.move(1, 0)
    drag(bench.binding.layer, (0, 0), label=2)
    bench.write(3)
    assert bench.labels[0, 0] == 2
    assert bench.binding.layer.name == "mine"


def test_a_layer_that_was_made_read_only_for_a_while(bench: Bench) -> None:
    bench.write(1)
    drag(bench.binding.layer, (0, 0), label=2)
    bench.binding.layer.editable = False  # napari forgets the history
    bench.binding.layer.editable = True
    bench.write(3)
    assert bench.binding.edit_count == 1
    assert bench.labels[0, 0] == 2
    bench.binding.layer.undo()
    assert bench.binding.edit_count == 1


def test_closing_leaves_the_layer_and_no_trace(bench: Bench) -> None:
    bench.write(1)
    layer = bench.binding.layer
    bench.binding.close()
    assert not {"undo", "redo", "block_history", "_apply_mask_to_data"} & set(vars(layer))
    drag(layer, (0, 0), label=2)
    layer.undo()
    assert (layer.data == 1).all()
    assert bench.write(2) is None
    viewer, reference = bench.viewer, weakref.ref(bench.binding)
    del bench.binding
    gc.collect()
    assert reference() is None
    viewer.layers.remove(layer)

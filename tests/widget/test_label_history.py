"""What is used of napari's private names, and what happens where they are missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels

from napari_itaclip._widget.layers import label_history
from napari_itaclip._widget.layers.label_history import PRIVATE_NAMES, LabelHistory, touched_by
from tests.widget.brush import drag
from tests.widget.label_layers import Bench


def test_napari_has_the_private_names() -> None:
    layer = Labels(np.zeros((4, 4), int))
    assert [name for name in PRIVATE_NAMES if not hasattr(layer, name)] == []
    history = LabelHistory(layer, lambda: None)
    assert history.supported
    assert history.hears_same_paint


def test_what_an_atom_touched() -> None:
    layer = Labels(np.zeros((6, 7), int))
    layer.brush_size = 3
    layer.paint((2, 2), 1)
    layer.data_setitem((np.array([0, -1]), np.array([6, 1])), 2)
    layer.fill((3, 6), 5)
    layer.paint_polygon([[0, 0], [0, 2], [2, 2], [2, 0]], 4)
    before = np.zeros((6, 7), int)
    for item in layer._undo_history:
        after = before.copy()
        for atom in item:
            found = touched_by(atom, (6, 7))
            assert found is not None
            block, where = found
            after[block][where] = 1
        before = after
    np.testing.assert_array_equal(before, layer.data != 0)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make names missing for the history, as in a napari that calls them otherwise."""

    def missing(*names: str) -> None:
        for name in names:
            monkeypatch.setattr(label_history, name, "_not_there")

    return missing


def test_without_the_paint_hook_only_changed_pixels_count(without: Any) -> None:
    without("PAINT")
    bench = Bench()
    bench.write(1)
    drag(bench.binding.layer, (0, 0), (0, 4), label=1)
    assert bench.binding.edit_count == 0
    drag(bench.binding.layer, (0, 0), (0, 4), label=2)
    assert bench.binding.edit_count == 5
    bench.write(3)
    assert (bench.labels[0, :5] == 2).all()
    bench.binding.layer.undo()
    bench.binding.layer.undo()
    assert bench.binding.edit_count == 0
    assert (bench.labels == 1).all()


def test_without_the_history_nothing_painted_is_lost(without: Any) -> None:
    without("UNDO", "REDO")
    bench = Bench()
    bench.write(1)
    assert (bench.labels == 1).all()
    told: list[int] = []
    bench.binding.edited.connect(lambda: told.append(1))
    drag(bench.binding.layer, (0, 0), (0, 4), label=2)
    assert told
    assert bench.binding.edit_count == 5
    bench.write(3)
    assert (bench.labels[0, :5] == 2).all()
    assert (bench.labels == 3).sum() == 75
    layer = bench.binding.layer
    layer.undo()
    assert (bench.labels == 1).sum() == 75
    assert (bench.labels[0, :5] == 2).all()
    layer.undo()
    assert (bench.labels == 1).all()
    assert bench.binding.edit_count == 5  # nobody can tell, so they stay as they are
    layer.redo()
    bench.write(4)
    assert (bench.labels == 4).sum() == 75
    assert bench.binding.reset() == 5
    assert (bench.labels == 4).all()

"""The list of images follows the viewer and holds nothing back."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_itaclip._widget.layers.layer_follower import LayerFollower


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def add(viewer: ViewerModel, name: str, **options: Any) -> Image:
    return viewer.add_image(np.zeros((9, 9)), name=name, **options)


class Record:
    """What a follower said, in order."""

    def __init__(self, follower: LayerFollower) -> None:
        self.said: list[object] = []
        follower.layers_changed.connect(self.note_layers)
        follower.active_changed.connect(self.note_active)

    def note_layers(self) -> None:
        self.said.append("layers")

    def note_active(self, layer: Image | None) -> None:
        self.said.append(None if layer is None else layer.name)

    def take(self) -> list[object]:
        said, self.said = self.said, []
        return said


def test_it_starts_with_what_is_there(viewer: ViewerModel) -> None:
    assert LayerFollower(viewer).active is None
    first, second = add(viewer, "a"), add(viewer, "b")
    viewer.add_labels(np.zeros((9, 9), int))
    follower = LayerFollower(viewer)
    assert follower.layers == (first, second)
    assert follower.active is second
    viewer.layers.selection.active = first
    assert LayerFollower(viewer).active is first


def test_it_follows(viewer: ViewerModel) -> None:
    follower = LayerFollower(viewer)
    record = Record(follower)
    first = add(viewer, "a")
    assert set(record.take()) == {"layers", "a"}
    second = add(viewer, "b")
    assert record.take()[-1] == "b"
    labels = viewer.add_labels(np.zeros((9, 9), int))
    viewer.add_shapes()
    assert set(record.take()) == {"layers"}
    assert follower.active is second
    viewer.layers.selection.active = first
    assert record.take() == ["a"]
    viewer.layers.selection.active = labels
    viewer.layers.selection.clear()
    viewer.layers.selection = {first, second}
    assert record.take() == []
    assert follower.active is first
    first.name = "renamed"
    assert record.take() == ["layers"]
    viewer.layers.move(0, 3)
    assert set(record.take()) == {"layers"}
    assert follower.layers == (second, first)
    assert follower.active is first


def test_what_is_chosen_stays_until_another_is_selected(viewer: ViewerModel) -> None:
    first, second = add(viewer, "a"), add(viewer, "b")
    follower = LayerFollower(viewer)
    record = Record(follower)
    follower.choose(first)
    assert record.take() == ["a"]
    viewer.add_labels(np.zeros((9, 9), int))
    assert follower.active is first
    viewer.layers.selection.active = second
    assert follower.active is second


def test_a_removed_active_image_is_replaced(viewer: ViewerModel) -> None:
    first, second = add(viewer, "a"), add(viewer, "b")
    follower = LayerFollower(viewer)
    record = Record(follower)
    viewer.layers.remove(second)
    assert record.take()[-1] == "a"
    assert follower.active is first
    follower.choose(second)
    assert follower.active is first
    viewer.layers.clear()
    assert record.take()[-1] is None
    assert (follower.layers, follower.active) == ((), None)


def test_layers_that_show_results_are_no_input(viewer: ViewerModel) -> None:
    image = add(viewer, "a")
    follower = LayerFollower(viewer)
    add(viewer, "heat", metadata={"napari-itaclip-explore": "heat map"})
    assert follower.layers == (image,)
    assert follower.active is image
    assert LayerFollower(viewer, lambda layer: "heat" in layer.name).active is not image


def test_a_closed_follower_is_silent(viewer: ViewerModel) -> None:
    image = add(viewer, "a")
    follower = LayerFollower(viewer)
    record = Record(follower)
    follower.close()
    follower.close()
    image.name = "b"
    add(viewer, "c")
    viewer.layers.clear()
    assert record.take() == []
    assert follower.active is None


def test_removed_layers_and_dropped_followers_can_go(viewer: ViewerModel) -> None:
    follower = LayerFollower(viewer)
    gone = weakref.ref(add(viewer, "a"))
    viewer.layers.clear()
    add(viewer, "b")  # napari itself remembers the last active layer
    gc.collect()
    assert gone() is None
    silent = weakref.ref(follower)
    del follower
    gc.collect()
    assert silent() is None

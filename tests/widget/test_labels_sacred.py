"""Random sequences of what people and runs do to labels, against a model that keeps full copies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from napari_itaclip.session.pictures import Plane, Region
from tests.widget.label_layers import Bench

SHAPE = (2, 6, 7)
PLACES: list[tuple[Plane, Region | None]] = [
    (Plane((0, None, None)), None),
    (Plane((1, None, None)), None),
    (Plane((0, None, None)), Region(1, 2, 4, 4)),
    (Plane((1, None, None), True), Region(0, 0, 3, 5)),
    (Plane((None, 3, None), True), None),
]


@dataclass(frozen=True)
class State:
    labels: NDArray[Any]
    mask: NDArray[np.bool_]
    automatic: NDArray[Any]

    def same(self, other: State) -> bool:
        return (
            np.array_equal(self.labels, other.labels)
            and np.array_equal(self.mask, other.mask)
            and np.array_equal(self.automatic, other.automatic)
        )


@dataclass
class Model:
    """Undo by full copies: slow and plainly right."""

    now: State
    past: list[tuple[Any, State]] = field(default_factory=list)
    future: list[tuple[Any, State]] = field(default_factory=list)

    def edit(self, state: State) -> None:
        self.past.append((None, self.now))
        self.now, self.future = state, []

    def undo(self) -> None:
        if self.past:
            step, state = self.past.pop()
            self.future.append((step, self.now))
            self.now = state

    def redo(self) -> None:
        if self.future:
            step, state = self.future.pop()
            self.past.append((step, self.now))
            self.now = state

    def write(self, where: NDArray[np.bool_], values: NDArray[Any], step: Any) -> None:
        if step in [known for known, _ in self.future]:
            return
        labels = np.where(where & ~self.now.mask, values, self.now.labels)
        new = replace(
            self.now, labels=labels, automatic=np.where(where, values, self.now.automatic)
        )
        if new.same(self.now):
            return
        seen = not np.array_equal(labels, self.now.labels)
        if seen and not (self.past and self.past[-1][0] == step):
            self.past.append((step, self.now))
        self.now, self.future = new, []

    def stroke(self, touched: NDArray[np.bool_], label: int) -> None:
        labels = np.where(touched, label, self.now.labels)
        self.edit(replace(self.now, labels=labels, mask=self.now.mask | touched))

    def reset(self, where: NDArray[np.bool_]) -> None:
        where = where & self.now.mask
        if where.any():
            labels = np.where(where, self.now.automatic, self.now.labels)
            self.edit(replace(self.now, labels=labels, mask=self.now.mask & ~where))


points = st.tuples(*(st.integers(0, size - 1) for size in SHAPE))
labels_of = st.integers(0, 4)
writes = st.tuples(
    st.just("write"), st.integers(0, len(PLACES) - 1), st.integers(0, 6), st.integers(0, 3)
)
actions = st.one_of(
    writes,
    writes,
    st.tuples(
        st.just("stroke"),
        st.lists(points, min_size=1, max_size=4),
        labels_of,
        st.sampled_from([1, 3]),
    ),
    st.tuples(st.just("stroke and write"), points, labels_of, writes),
    st.tuples(st.just("fill"), points, labels_of),
    st.tuples(st.just("undo")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
    st.tuples(st.just("reset"), st.sampled_from([None, 0, 2]), st.sampled_from([None, 1, 2])),
)


class Pair:
    """The layer and its model, doing the same."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        if bench.binding.alive:
            bench.viewer.layers.remove(bench.binding.layer)
            bench.binding.revive()
        self.bench.write(0, plane=PLACES[0][0])
        zero = np.zeros(SHAPE, int)
        self.model = Model(State(zero, np.zeros(SHAPE, bool), zero))

    def write(self, place: int, seed: int, step: int) -> None:
        self.bench.write(self.patch(place, seed), **self.where(place), step=step)
        values = np.zeros(SHAPE, int)
        where = np.zeros(SHAPE, bool)
        plane, region = PLACES[place]
        slices = (slice(None), slice(None)) if region is None else region.slices
        plane.cut(values)[slices] = self.patch(place, seed)
        plane.cut(where)[slices] = True
        self.model.write(where, values, step)

    def patch(self, place: int, seed: int) -> NDArray[Any]:
        plane, region = PLACES[place]
        shape = plane.shape(SHAPE) if region is None else region.shape
        # Few different pictures, so that runs also come back to earlier labels.
        return np.random.default_rng(seed).integers(0, 5, shape)

    @staticmethod
    def where(place: int) -> dict[str, Any]:
        plane, region = PLACES[place]
        return {"plane": plane, "region": region}

    def stroke(
        self, dots: list[tuple[int, ...]], label: int, size: int, run: tuple[Any, ...] | None = None
    ) -> None:
        layer = self.bench.binding.layer
        layer.brush_size = size
        touched = np.zeros(SHAPE, bool)
        before = self.bench.labels.copy()
        with layer.block_history():
            for z, y, x in dots:
                layer.paint((z, y, x), label)
                reach = size // 2
                touched[z, max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = (
                    True
                )
            if run is not None:
                _, place, seed, step = run
                report = self.bench.write(self.patch(place, seed), **self.where(place), step=step)
                assert report is not None
                assert report.waiting
                np.testing.assert_array_equal(self.bench.labels[~touched], before[~touched])
        self.model.stroke(touched, label)
        if run is not None:
            _, place, seed, step = run
            # The layer wrote already; the model follows.
            bench, self.bench = self.bench, _Deaf()  # type: ignore[assignment]
            self.write(place, seed, step)
            self.bench = bench

    def fill(self, point: tuple[int, ...], label: int) -> None:
        old = int(self.bench.labels[point])
        self.bench.binding.layer.fill(point, label)
        if old == label:
            return
        touched = np.zeros(SHAPE, bool)
        regions, _ = ndimage.label(self.model.now.labels[point[0]] == old)
        touched[point[0]] = regions == regions[point[1:]]
        self.model.stroke(touched, label)

    def reset(self, place: int | None, class_id: int | None) -> None:
        where = np.zeros(SHAPE, bool)
        if place is None:
            where[:] = True
            self.bench.binding.reset(class_id=class_id)
        else:
            plane, region = PLACES[place]
            plane.cut(where)[(...,) if region is None else region.slices] = True
            self.bench.binding.reset(plane, region, class_id)
        if class_id is not None:
            where &= self.model.now.labels == class_id
        self.model.reset(where)

    def do(self, action: tuple[Any, ...]) -> None:
        kind, *rest = action
        mask, labels = self.bench.mask.copy(), self.bench.labels.copy()
        if kind == "write":
            self.write(*rest)
            np.testing.assert_array_equal(self.bench.labels[mask], labels[mask])
        elif kind == "stroke":
            self.stroke(*rest)
        elif kind == "stroke and write":
            self.stroke([rest[0]], rest[1], 3, rest[2])
        elif kind == "fill":
            self.fill(*rest)
        elif kind == "reset":
            self.reset(*rest)
        else:
            getattr(self.bench.binding.layer, kind)()
            getattr(self.model, kind)()
        self.compare()

    def compare(self) -> None:
        now, binding = self.model.now, self.bench.binding
        np.testing.assert_array_equal(self.bench.labels, now.labels)
        np.testing.assert_array_equal(self.bench.mask, now.mask)
        assert binding.edit_count == now.mask.sum()
        assert binding._painted is not None
        np.testing.assert_array_equal(binding._painted.edits.automatic, now.automatic)
        # A step that came back to where it began is dropped where that is noticed.
        past = self.model.past
        if len(binding.layer._undo_history) < len(past) and past[-1][1].same(now):
            past.pop()
        assert len(binding.layer._undo_history) == len(past)


class _Deaf:
    """Stands in for the bench where only the model acts."""

    def write(self, *args: Any, **options: Any) -> None:
        pass


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(SHAPE)


@settings(max_examples=40)
@given(sequence=st.lists(actions, min_size=10, max_size=40))
def test_hand_edits_are_sacred_and_undo_is_exact(
    bench: Bench, sequence: list[tuple[Any, ...]]
) -> None:
    pair = Pair(bench)
    for action in sequence:
        pair.do(action)
    for _ in range(len(pair.model.past)):
        pair.do(("undo",))
    assert not pair.bench.labels.any()
    assert pair.bench.binding.edit_count == 0
    for _ in range(len(pair.model.future)):
        pair.do(("redo",))

"""What is segmented: the right pixels, read only when asked for; clear words when nothing is."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from napari_itaclip._widget.layers.image_input import (
    Scope,
    labels_geometry,
    layer_id,
    mark_changed,
    pictures_of,
    scope_problem,
)
from napari_itaclip.errors import ImageError
from napari_itaclip.session.pictures import Picture, PictureKey, Plane, Region


def one(layer: Image | None, viewer: Any, scope: Scope = Scope.WHOLE, **options: Any) -> Picture:
    pictures = pictures_of(layer, viewer, scope, **options)
    assert len(pictures) == 1
    return pictures[0]


def key(layer: Image, viewer: Any, scope: Scope = Scope.WHOLE, **options: Any) -> PictureKey:
    found = one(layer, viewer, scope, **options).key
    assert isinstance(found, PictureKey)
    return found


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3)).astype(np.uint8)


def test_a_gray_image_is_seen_with_its_contrast(viewer: ViewerModel) -> None:
    data = np.tile(np.arange(20.0), (10, 1))
    layer = viewer.add_image(data, contrast_limits=(5, 10), name="ramp")
    picture = one(layer, viewer)
    assert picture.name == "ramp"
    assert (picture.plane, picture.region, picture.shape) == (Plane((None, None)), None, (10, 20))
    seen = picture.read()
    assert seen.shape == (10, 20)
    assert seen.rgb[3, 5].tolist() == [0, 0, 0]
    assert seen.rgb[3, 10].tolist() == [255, 255, 255]
    assert 100 < seen.rgb[3, 7, 0] < 105


def test_colours_are_seen_as_they_are(viewer: ViewerModel, noise: NDArray[np.uint8]) -> None:
    layer = viewer.add_image(noise[0], rgb=True)
    np.testing.assert_array_equal(one(layer, viewer).read().rgb, noise[0])
    clear = np.dstack([noise[0], np.full((20, 30), 255, np.uint8)])
    clear[4, 5, 3] = 0
    seen = one(viewer.add_image(clear, rgb=True), viewer).read()
    assert seen.valid is not None
    assert np.argwhere(~seen.valid).tolist() == [[4, 5]]


def test_a_stack_follows_the_slider(viewer: ViewerModel, noise: NDArray[np.uint8]) -> None:
    layer = viewer.add_image(noise, rgb=True, name="stack")
    for step in (3, 1):
        viewer.dims.set_current_step(0, step)
        picture = one(layer, viewer)
        assert (picture.name, picture.plane) == (f"stack [{step}]", Plane((step, None, None)))
        np.testing.assert_array_equal(picture.read().rgb, noise[step])


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("colors", [True, False])
def test_a_stack_seen_from_the_side(
    viewer: ViewerModel, order: tuple[int, int, int], colors: bool
) -> None:
    data = np.random.default_rng(1).integers(0, 256, (9, 11, 13, 3)).astype(np.uint8)
    data = data if colors else data[..., 0]
    layer = viewer.add_image(data, rgb=colors, contrast_limits=(0, 255))
    viewer.dims.order = order
    viewer.dims.set_current_step(order[0], 4)
    picture = one(layer, viewer)
    seen = picture.read().rgb if colors else picture.read().rgb[..., 0]
    np.testing.assert_array_equal(seen, layer._data_view)
    labels = np.zeros(layer.level_shapes[0], int)
    picture.plane.cut(labels)[...] = np.arange(seen[..., 0].size if colors else seen.size).reshape(
        picture.shape
    )
    viewer.add_labels(labels, **labels_geometry(layer)[1])
    np.testing.assert_array_equal(viewer.layers[-1]._slice.image.raw, picture.plane.cut(labels))


def test_all_slices(viewer: ViewerModel, noise: NDArray[np.uint8]) -> None:
    layer = viewer.add_image(np.stack([noise, 255 - noise]), rgb=True, name="film")
    pictures = pictures_of(layer, viewer, Scope.ALL_SLICES)
    assert len({picture.key for picture in pictures}) == 10
    assert pictures[7].name == "film [1, 2]"
    np.testing.assert_array_equal(pictures[7].read().rgb, 255 - noise[2])
    flat = viewer.add_image(noise[0], rgb=True)
    assert len(pictures_of(flat, viewer, Scope.ALL_SLICES)) == 1


class Counted:
    """An array that tells which elements were asked for, like a Zarr array of a store."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.size = array.size
        self.asked: list[int] = []

    def __getitem__(self, at: Any) -> NDArray[Any]:
        part: NDArray[Any] = self.array[at]
        self.asked.append(part.size)
        return part

    def __array__(self, *args: Any, **options: Any) -> NDArray[Any]:
        raise AssertionError("the whole array was read")


def test_only_the_part_is_loaded(viewer: ViewerModel) -> None:
    store = Counted(np.random.default_rng(0).random((6, 40, 50)))
    layer = viewer.add_image(store, contrast_limits=(0, 1), visible=False)
    viewer.add_shapes([[[0, 3, 11], [0, 3, 29], [0, 22, 29], [0, 22, 11]]])
    viewer.dims.order = (0, 2, 1)
    viewer.dims.set_current_step(0, 2)
    store.asked.clear()
    picture = one(layer, viewer, Scope.RECTANGLE)
    assert store.asked == []
    assert picture.region == Region(11, 3, 19, 20)
    seen = picture.read().rgb
    assert store.asked == [19 * 20]
    expected = np.rint(store.array[2, 3:23, 11:30].T * 255).astype(np.uint8)
    np.testing.assert_array_equal(seen[..., 0], expected)
    store.asked.clear()
    assert pictures_of(layer, viewer, Scope.ALL_SLICES)[4].read().shape == (50, 40)
    assert store.asked == [2000]


def test_dask_computes_only_the_chunks_that_are_needed(viewer: ViewerModel) -> None:
    computed: list[Any] = []

    def load(block_info: Any = None) -> NDArray[np.uint8]:
        computed.append(block_info[None]["chunk-location"])
        return np.full((1, 16, 16), 10 * block_info[None]["chunk-location"][0], np.uint8)

    chunks = ((1,) * 5, (16,) * 4, (16,) * 4)
    map_blocks: Any = dask.array.map_blocks
    data = map_blocks(load, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0, 0)))
    layer = viewer.add_image(data, contrast_limits=(0, 255), visible=False, cache=False)
    viewer.add_shapes([[[18, 34], [18, 60], [30, 60], [30, 34]]])
    viewer.dims.set_current_step(0, 3)
    whole, part = one(layer, viewer), one(layer, viewer, Scope.RECTANGLE)
    everything = pictures_of(layer, viewer, Scope.ALL_SLICES)
    labels_geometry(layer)
    assert computed == []
    assert (whole.read().rgb == 30).all()
    assert sorted(computed) == [(3, y, x) for y in range(4) for x in range(4)]
    computed.clear()
    assert part.read().shape == (13, 27)
    assert sorted(computed) == [(3, 1, 2), (3, 1, 3)]
    computed.clear()
    everything[1].read()
    assert {place[0] for place in computed} == {1}


def test_a_level_of_a_multiscale_image(viewer: ViewerModel) -> None:
    fine = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    layer = viewer.add_image([fine, fine[::2, ::2], fine[::4, ::4]], multiscale=True, rgb=True)
    keys = set()
    for level in range(3):
        picture = one(layer, viewer, level=level)
        assert picture.shape == (64 >> level, 96 >> level)
        np.testing.assert_array_equal(picture.read().rgb, fine[:: 1 << level, :: 1 << level])
        keys.add(picture.key)
    assert len(keys) == 3
    assert one(layer, viewer).key == one(layer, viewer, level=0).key
    with pytest.raises(ImageError, match="no resolution level 3"):
        pictures_of(layer, viewer, Scope.WHOLE, level=3)


def test_a_rectangle_on_a_coarse_level(viewer: ViewerModel) -> None:
    levels = [np.zeros((80, 80)), np.zeros((20, 20))]
    layer = viewer.add_image(levels, multiscale=True, translate=(100, 0))
    # The edges of full-size pixels 16..63 and 8..39, which are whole pixels of the level.
    viewer.add_shapes([[[115.5, 7.5], [115.5, 39.5], [163.5, 39.5], [163.5, 7.5]]])
    assert one(layer, viewer, Scope.RECTANGLE, level=1).region == Region(4, 2, 12, 8)
    assert one(layer, viewer, Scope.RECTANGLE, level=0).region == Region(16, 8, 48, 32)


def test_keys_tell_pictures_apart(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.random.default_rng(0).random((3, 20, 20)), name="a")
    twin = viewer.add_image(layer.data, name="a twin")
    first = key(layer, viewer)
    assert first == key(layer, viewer)
    assert hash(first) == hash(key(layer, viewer))
    assert first.layer == layer_id(layer) != layer_id(twin) == key(twin, viewer).layer
    layer.name, layer.opacity, layer.scale = "b", 0.5, (1, 2, 2)
    assert key(layer, viewer) == first
    viewer.dims.set_current_step(0, 2)
    second = key(layer, viewer)
    assert second != first
    layer.contrast_limits = (0, 0.5)
    third = key(layer, viewer)
    assert third != second
    layer.data = layer.data
    fourth = key(layer, viewer)
    assert fourth != third
    layer.data[:] = 0
    mark_changed(layer)
    assert key(layer, viewer) != fourth
    assert key(twin, viewer).version == 0


def test_contrast_does_not_matter_to_colours(viewer: ViewerModel, noise: NDArray[np.uint8]) -> None:
    layer = viewer.add_image(noise, rgb=True)
    first = key(layer, viewer)
    layer.contrast_limits = (0, 100)
    assert key(layer, viewer) == first


def test_what_is_read_does_not_change_with_the_layer(
    viewer: ViewerModel, noise: NDArray[np.uint8]
) -> None:
    layer = viewer.add_image(noise, rgb=True)
    picture = one(layer, viewer)
    viewer.dims.set_current_step(0, 4)
    layer.data = np.zeros_like(noise)
    np.testing.assert_array_equal(picture.read().rgb, noise[2])


def test_a_removed_layer_is_not_kept_alive(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((20, 20)), name="removed")
    picture = one(layer, viewer)
    gone = weakref.ref(layer)
    viewer.layers.clear()
    # napari itself remembers the last active layer; guessing a name would keep these locals alive.
    viewer.add_image(np.zeros((2, 2)), name="another")
    del layer
    gc.collect()
    assert gone() is None
    assert picture.read().shape == (20, 20)


def test_the_selected_else_the_last_rectangle(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((100, 100)))
    boxes = [[[y, 10], [y, 29], [y + 9, 29], [y + 9, 10]] for y in (10, 30, 50)]
    shapes = viewer.add_shapes(boxes, shape_type=["rectangle", "rectangle", "ellipse"])
    assert one(layer, viewer, Scope.RECTANGLE).region == Region(30, 10, 10, 20)
    shapes.selected_data = {0}
    assert one(layer, viewer, Scope.RECTANGLE).region == Region(10, 10, 10, 20)
    shapes.selected_data = {2}
    assert one(layer, viewer, Scope.RECTANGLE).region == Region(30, 10, 10, 20)
    other = viewer.add_shapes([[[0, 0], [0, 20], [20, 20], [20, 0]]], shape_type="rectangle")
    viewer.add_shapes(ndim=2)
    assert one(layer, viewer, Scope.RECTANGLE).region == Region(0, 0, 21, 21)
    assert one(layer, viewer, Scope.RECTANGLE, shapes=shapes).region == Region(30, 10, 10, 20)
    viewer.layers.selection.active = shapes
    assert one(layer, viewer, Scope.RECTANGLE).region == Region(30, 10, 10, 20)
    viewer.layers.remove(shapes)
    assert one(layer, viewer, Scope.RECTANGLE).region == Region(0, 0, 21, 21)
    viewer.layers.remove(other)
    with pytest.raises(ImageError, match=r"no rectangle.*New shapes layer.*Add rectangles"):
        pictures_of(layer, viewer, Scope.RECTANGLE)


def test_a_rectangle_is_clipped_and_found_under_a_rotated_layer(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((50, 60)), rotate=90, scale=(2, 1))
    inside = np.array([[5, 10], [5, 30], [20, 30], [20, 10]], float)
    world = np.array([layer.data_to_world(corner) for corner in inside])
    shapes = viewer.add_shapes([world], shape_type="rectangle")
    assert one(layer, viewer, Scope.RECTANGLE).region == Region(5, 10, 16, 21)
    shapes.data = [np.array([layer.data_to_world(corner) for corner in (inside - 15) * 99])]
    assert one(layer, viewer, Scope.RECTANGLE).region is None  # all of it
    shapes.data = [world + 1000]
    with pytest.raises(ImageError, match="does not lie on"):
        pictures_of(layer, viewer, Scope.RECTANGLE)


def test_the_whole_image_as_a_rectangle_is_the_whole_image(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((20, 20)))
    viewer.add_shapes([[[-5, -5], [-5, 40], [40, 40], [40, -5]]])
    assert key(layer, viewer, Scope.RECTANGLE) == key(layer, viewer)


def test_a_rectangle_drawn_on_another_slice_counts(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((5, 40, 40)))
    viewer.add_shapes([[[0, 4, 6], [0, 4, 20], [0, 20, 20], [0, 20, 6]]])
    viewer.dims.set_current_step(0, 3)
    picture = one(layer, viewer, Scope.RECTANGLE)
    assert (picture.plane, picture.region) == (Plane((3, None, None)), Region(4, 6, 17, 15))
    assert picture.name.endswith("[3], rectangle")
    viewer.dims.order = (1, 0, 2)  # seen from the side it has no height
    with pytest.raises(ImageError):
        pictures_of(layer, viewer, Scope.RECTANGLE)


def test_too_few_pixels(viewer: ViewerModel) -> None:
    thin = viewer.add_image(np.zeros((7, 500)), name="thin")
    with pytest.raises(ImageError, match="thin is 7×500 pixels here; at least 8×8"):
        pictures_of(thin, viewer, Scope.WHOLE)
    large = viewer.add_image(np.zeros((50, 50)), name="large")
    viewer.add_shapes([[[3, 3], [3, 6], [40, 6], [40, 3]]])
    with pytest.raises(ImageError, match="The rectangle of large is 38×4 pixels"):
        pictures_of(large, viewer, Scope.RECTANGLE)


def test_nothing_chosen(viewer: ViewerModel) -> None:
    with pytest.raises(ImageError, match="No image is chosen"):
        pictures_of(None, viewer, Scope.WHOLE)


def test_a_store_that_fails_is_named(viewer: ViewerModel) -> None:
    class Broken(Counted):
        def __getitem__(self, at: Any) -> NDArray[Any]:
            raise OSError("the server is away")

    broken = Broken(np.zeros((20, 20)))
    layer = viewer.add_image(broken, contrast_limits=(0, 1), visible=False, name="far")
    with pytest.raises(ImageError, match="far cannot be read: the server is away"):
        one(layer, viewer).read()


def test_scope_problems(viewer: ViewerModel) -> None:
    flat = viewer.add_image(np.zeros((20, 20)))
    assert scope_problem(None, viewer, Scope.WHOLE) == "No image is chosen"
    assert scope_problem(flat, viewer, Scope.WHOLE) is None
    assert scope_problem(flat, viewer, Scope.FIELD) is None
    assert "single slice" in str(scope_problem(flat, viewer, Scope.ALL_SLICES))
    assert "Draw one" in str(scope_problem(flat, viewer, Scope.RECTANGLE))
    stack = viewer.add_image(np.zeros((3, 20, 20)))
    viewer.add_shapes([[[3, 3], [3, 6], [40, 6], [40, 3]]])
    assert scope_problem(stack, viewer, Scope.ALL_SLICES) is None
    assert scope_problem(stack, viewer, Scope.RECTANGLE) is None
    viewer.dims.ndisplay = 3
    assert "2-D" in str(scope_problem(stack, viewer, Scope.FIELD))
    with pytest.raises(ImageError, match="go back to 2-D"):
        pictures_of(stack, viewer, Scope.FIELD)

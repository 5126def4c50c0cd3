"""Heat map, uncertainty and comparison as layers of a viewer."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_itaclip._widget.layers.explore_layers import (
    CHANGED,
    COPY,
    HEAT_MAP,
    LABELS_A,
    UNCERTAINTY,
    ExploreLayers,
    HeatKind,
    is_derived_layer,
)
from napari_itaclip._widget.layers.layer_follower import is_input
from napari_itaclip._widget.layers.layer_geometry import labels_geometry
from napari_itaclip.annotation.comparison import LabelSnapshot
from napari_itaclip.errors import ImageError
from napari_itaclip.session.pictures import Plane, Region

FLAT = Plane((None, None))


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def image(viewer: ViewerModel) -> Image:
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    return viewer.add_image(picture, name="harbour", rgb=True)


@pytest.fixture
def explore(viewer: ViewerModel) -> ExploreLayers:
    return ExploreLayers(viewer)


def where(image: Image, plane: Plane = FLAT, region: Region | None = None) -> dict[str, Any]:
    shape, geometry = labels_geometry(image)
    return {"plane": plane, "region": region, "shape": shape, "geometry": geometry}


def heat(
    explore: ExploreLayers,
    image: Image,
    values: NDArray[Any],
    name: str = "boat",
    kind: HeatKind = HeatKind.PROBABILITY,
    **place: Any,
) -> Image:
    return explore.show_heat_map(image, name, values, kind=kind, **where(image, **place))


def shown(explore: ExploreLayers, image: Layer, role: str) -> Layer:
    derived = explore.layers.get(image, role)
    assert derived is not None
    return derived.layer


def snapshot(labels: NDArray[Any], lineage: int = 1) -> LabelSnapshot:
    return LabelSnapshot(labels, {1: "sea", 2: "boat"}, {1: "#0000ff", 2: "#ff0000"}, lineage)


def world_corners(layer: Layer) -> NDArray[np.float64]:
    """Return the world position of the first and the last pixel."""
    last = np.array(layer.extent.data[1])
    return np.array([layer.data_to_world(np.zeros(layer.ndim)), layer.data_to_world(last)])


# ---- heat map --------------------------------------------------------------------------------


def test_a_heat_map_lies_on_its_image(explore: ExploreLayers, image: Image) -> None:
    values = np.random.default_rng(1).random((40, 60)).astype(np.float32)
    layer = heat(explore, image, values)
    np.testing.assert_array_equal(layer.data, values)
    assert layer.name == "heat map: boat"
    assert layer.contrast_limits == [0, 1]
    np.testing.assert_allclose(world_corners(layer), world_corners(image))


def test_it_is_updated_in_place(viewer: ViewerModel, explore: ExploreLayers, image: Image) -> None:
    first = heat(explore, image, np.zeros((40, 60), np.float32))
    first.opacity = 0.5
    second = heat(explore, image, np.ones((40, 60), np.float64), name="sea")
    assert second is first
    assert len(viewer.layers) == 2
    assert first.name == "heat map: sea"
    assert first.opacity == 0.5
    assert first.get_value((3, 3)) == 1


def test_the_values_handed_over_are_not_written_to(explore: ExploreLayers, image: Image) -> None:
    values = np.zeros((40, 60), np.float32)
    heat(explore, image, values)
    heat(explore, image, np.ones((40, 60), np.float32))
    assert not values.any()


def test_a_name_that_a_person_gave_stays(explore: ExploreLayers, image: Image) -> None:
    layer = heat(explore, image, np.zeros((40, 60), np.float32))
    layer.name = "mine"
    heat(explore, image, np.zeros((40, 60), np.float32), name="sea")
    assert layer.name == "mine"


def test_similarities_are_stretched_once_for_each_name(
    explore: ExploreLayers, image: Image
) -> None:
    values = np.linspace(0.1, 0.3, 2400, dtype=np.float32).reshape(40, 60)
    layer = heat(explore, image, values, kind=HeatKind.SIMILARITY)
    low, high = layer.contrast_limits
    assert (low, high) == pytest.approx((0.104, 0.299), abs=1e-3)
    heat(explore, image, values + 1, kind=HeatKind.SIMILARITY)
    assert layer.contrast_limits == [low, high]
    heat(explore, image, values + 1, name="sea", kind=HeatKind.SIMILARITY)
    assert layer.contrast_limits == pytest.approx([1.104, 1.299], abs=1e-3)
    assert layer.contrast_limits_range == pytest.approx([1.104, 1.299], abs=1e-3)
    heat(explore, image, values, name="sea")
    assert layer.contrast_limits == [0, 1]


@pytest.mark.parametrize("value", [0.25, np.nan])
def test_flat_similarities(explore: ExploreLayers, image: Image, value: float) -> None:
    flat = np.full((40, 60), value, np.float32)
    low, high = heat(explore, image, flat, kind=HeatKind.SIMILARITY).contrast_limits
    assert low < high


def test_what_is_selected_stays_selected(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    labels = viewer.add_labels(np.zeros((40, 60), np.uint16))
    told: list[object] = []
    viewer.layers.selection.events.active.connect(lambda event: told.append(event.value))
    layer = heat(explore, image, np.zeros((40, 60), np.float32))
    assert viewer.layers.selection == {labels}
    assert viewer.layers.selection.active is labels
    assert told == []
    # napari's own behaviour is back.
    other = viewer.add_labels(np.zeros((40, 60), np.uint16))
    assert viewer.layers.selection.active is other
    assert layer in viewer.layers


def test_it_is_no_input(explore: ExploreLayers, image: Image) -> None:
    layer = heat(explore, image, np.zeros((40, 60), np.float32))
    assert is_derived_layer(layer)
    assert not is_input(layer)
    assert not is_derived_layer(image)


def test_a_hidden_one_comes_back_as_it_was(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    layer = heat(explore, image, np.zeros((40, 60), np.float32))
    layer.colormap, layer.opacity = "gray", 0.3
    explore.hide_heat_map()
    explore.hide_heat_map(image)
    assert not layer.visible
    again = heat(explore, image, np.ones((40, 60), np.float32))
    assert again is layer
    assert layer.visible
    assert (layer.colormap.name, layer.opacity) == ("gray", 0.3)
    assert layer.get_value((3, 3)) == 1


def test_the_eye_is_told_of(explore: ExploreLayers, image: Image) -> None:
    told: list[tuple[object, str, bool]] = []
    explore.layers.visible_changed.connect(lambda *values: told.append(values))
    layer = heat(explore, image, np.zeros((40, 60), np.float32))
    explore.hide_heat_map()
    heat(explore, image, np.zeros((40, 60), np.float32))
    assert told == []
    layer.visible = False
    layer.visible = True
    assert told == [(image, HEAT_MAP, False), (image, HEAT_MAP, True)]


def test_a_deleted_heat_map_is_forgotten(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    told: list[tuple[object, str]] = []
    explore.layers.deleted.connect(lambda owner, role: told.append((owner, role)))
    first = heat(explore, image, np.zeros((40, 60), np.float32))
    viewer.layers.remove(first)
    assert told == [(image, HEAT_MAP)]
    second = heat(explore, image, np.zeros((40, 60), np.float32))
    assert second is not first
    explore.hide_heat_map()
    assert not second.visible
    assert told == [(image, HEAT_MAP)]


def test_two_images_have_two_heat_maps(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    other = viewer.add_image(np.zeros((8, 9), np.float32))
    first = heat(explore, image, np.zeros((40, 60), np.float32))
    second = heat(explore, other, np.ones((8, 9), np.float32))
    assert first is not second
    explore.hide_heat_map(other)
    assert (first.visible, second.visible) == (True, False)


@pytest.mark.parametrize("how", ["one", "all", "selected"])
def test_a_removed_image_leaves_nothing_behind(
    viewer: ViewerModel, explore: ExploreLayers, image: Image, how: str
) -> None:
    layer = heat(explore, image, np.zeros((40, 60), np.float32))
    viewer.layers.move(1, 0)
    if how == "one":
        viewer.layers.remove(image)
    elif how == "all":
        viewer.layers.clear()
    else:
        viewer.layers.selection.update({image, layer})
        viewer.layers.remove_selected()
    explore.layers.sweep()
    assert not viewer.layers


def test_layers_without_their_image_are_told_of(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    told: list[str] = []
    explore.layers.orphaned.connect(lambda: told.append("orphaned"))
    layer = heat(explore, image, np.zeros((40, 60), np.float32))
    viewer.layers.remove(image)
    assert told == ["orphaned"]
    assert list(viewer.layers) == [layer]


def test_a_removed_image_is_not_kept_alive(viewer: ViewerModel, explore: ExploreLayers) -> None:
    def come_and_go() -> weakref.ReferenceType[Image]:
        image = viewer.add_image(np.zeros((8, 9), np.float32))
        heat(explore, image, np.zeros((8, 9), np.float32))
        viewer.layers.remove(image)
        explore.layers.sweep()
        # napari itself remembers the layer that was selected last.
        viewer.add_labels(np.zeros((8, 9), np.uint8))
        return weakref.ref(image)

    reference = come_and_go()
    gc.collect()
    assert reference() is None


def test_values_of_another_size_are_refused(explore: ExploreLayers, image: Image) -> None:
    with pytest.raises(ImageError, match="do not fit"):
        heat(explore, image, np.zeros((60, 40), np.float32))
    with pytest.raises(ImageError, match="do not fit"):
        heat(explore, image, np.zeros((40, 60), np.float32), region=Region(0, 0, 4, 4))


def test_a_closed_one_removes_its_layers(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    heat(explore, image, np.zeros((40, 60), np.float32))
    explore.show_uncertainty(image, np.zeros((40, 60), np.float32), **where(image))
    explore.close()
    assert list(viewer.layers) == [image]
    viewer.layers.remove(image)


# ---- planes, regions, geometry ---------------------------------------------------------------


@pytest.fixture
def stack(viewer: ViewerModel) -> Image:
    # Rotated and anisotropic.
    return viewer.add_image(
        np.zeros((5, 30, 40), np.float32),
        scale=(3, 0.5, 0.5),
        translate=(7, -2, 4),
        rotate=30,
        contrast_limits=(0, 1),
    )


def test_a_region_lies_on_its_pixels(explore: ExploreLayers, stack: Image) -> None:
    region = Region(10, 5, 12, 20)
    plane = Plane((2, None, None))
    layer = heat(explore, stack, np.ones((12, 20), np.float32), plane=plane, region=region)
    assert layer.data.shape == (1, 12, 20)
    corners = world_corners(layer)
    np.testing.assert_allclose(corners[0], stack.data_to_world((2, 10, 5)))
    np.testing.assert_allclose(corners[1], stack.data_to_world((2, 21, 24)))


def test_it_moves_with_the_slice_and_only_there_is_it_seen(
    viewer: ViewerModel, explore: ExploreLayers
) -> None:
    stack = viewer.add_image(np.zeros((5, 30, 40), np.float32), scale=(3, 1, 1))
    layer = heat(explore, stack, np.ones((30, 40), np.float32), plane=Plane((1, None, None)))
    steps = viewer.dims.nsteps
    viewer.dims.set_current_step(0, 1)
    assert layer.get_value((3, 5, 5), world=True) == 1
    viewer.dims.set_current_step(0, 3)
    assert layer.get_value((9, 5, 5), world=True) is None
    same = heat(explore, stack, np.full((30, 40), 0.5), plane=Plane((3, None, None)))
    assert same is layer
    assert layer.get_value((9, 5, 5), world=True) == 0.5
    assert viewer.dims.nsteps == steps


def test_a_hidden_one_moves_as_well(viewer: ViewerModel, explore: ExploreLayers) -> None:
    stack = viewer.add_image(np.zeros((5, 30, 40), np.float32), scale=(3, 1, 1))
    layer = heat(explore, stack, np.zeros((30, 40), np.float32), plane=Plane((1, None, None)))
    explore.hide_heat_map()
    heat(explore, stack, np.ones((30, 40), np.float32), plane=Plane((3, None, None)))
    viewer.dims.set_current_step(0, 3)
    assert layer.get_value((9, 5, 5), world=True) == 1
    np.testing.assert_allclose(layer.extent.world[0], (9, 0, 0))


def test_planes_across_the_stack(explore: ExploreLayers, stack: Image) -> None:
    values = np.arange(5 * 40, dtype=np.float32).reshape(40, 5)
    plane = Plane((None, 3, None), transposed=True)
    layer = heat(explore, stack, values, plane=plane, kind=HeatKind.SIMILARITY)
    assert layer.data.shape == (5, 1, 40)
    assert layer.data[4, 0, 7] == values[7, 4]
    np.testing.assert_allclose(world_corners(layer)[0], stack.data_to_world((0, 3, 0)))
    part = heat(explore, stack, values[6:9, 1:3], plane=plane, region=Region(6, 1, 3, 2))
    assert part is layer
    np.testing.assert_allclose(world_corners(layer)[0], stack.data_to_world((1, 3, 6)))
    np.testing.assert_allclose(world_corners(layer)[1], stack.data_to_world((2, 3, 8)))


def test_an_affine_and_a_shear_are_honoured(viewer: ViewerModel, explore: ExploreLayers) -> None:
    affine = np.array([[0.9, 0.2, 5], [-0.1, 1.1, -3], [0, 0, 1]])
    image = viewer.add_image(np.zeros((30, 40), np.float32), affine=affine, shear=[0.3])
    layer = heat(explore, image, np.zeros((6, 7), np.float32), region=Region(4, 9, 6, 7))
    np.testing.assert_allclose(world_corners(layer)[0], image.data_to_world((4, 9)))
    np.testing.assert_allclose(world_corners(layer)[1], image.data_to_world((9, 15)))


# ---- uncertainty -----------------------------------------------------------------------------


def test_uncertainty_is_what_the_margin_leaves(explore: ExploreLayers, image: Image) -> None:
    margin = np.full((40, 60), 0.75, np.float32)
    valid = np.ones(margin.shape, bool)
    valid[0] = False
    layer = explore.show_uncertainty(image, margin, valid=valid, **where(image))
    assert layer.name == "uncertainty"
    assert np.isnan(layer.data[0]).all()
    np.testing.assert_allclose(layer.data[1:], 0.25)
    assert (margin == 0.75).all()
    layer.contrast_limits = (0.2, 0.8)
    assert explore.show_uncertainty(image, margin, **where(image)) is layer
    assert layer.contrast_limits == [0.2, 0.8]
    explore.hide_uncertainty()
    assert not shown(explore, image, UNCERTAINTY).visible


# ---- comparison ------------------------------------------------------------------------------


def test_a_comparison_lies_to_the_right(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    viewer.layers.selection.active = image
    before, after = np.ones((40, 60), np.uint16), np.ones((40, 60), np.uint16)
    after[5:10, 5:15] = 2
    count = explore.show_comparison(image, snapshot(before), snapshot(after), **where(image))
    assert count == 50
    copy, labels = shown(explore, image, COPY), shown(explore, image, LABELS_A)
    changed = shown(explore, image, CHANGED)
    assert copy.data is image.data
    shift = world_corners(copy) - world_corners(image)
    np.testing.assert_allclose(shift[:, 0], 0)
    assert (shift[:, 1] > 60).all()
    np.testing.assert_allclose(world_corners(labels), world_corners(copy))
    np.testing.assert_allclose(world_corners(changed), world_corners(image))
    assert changed.data.sum() == 50
    assert isinstance(labels, Labels)
    assert [round(float(part), 3) for part in labels.get_color(2)] == [1, 0, 0, 1]
    assert labels.features["class"].tolist() == ["sea", "boat"]
    assert viewer.layers.selection.active is image
    assert not any(is_input(layer) for layer in (copy, labels, changed))


def test_a_comparison_is_updated_in_place(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    before, after = np.ones((40, 60), np.uint16), np.ones((40, 60), np.uint16)
    explore.show_comparison(image, snapshot(before), snapshot(after), **where(image))
    layers = list(viewer.layers)
    after[0, 0] = 2
    colors = LabelSnapshot(before, {1: "sea"}, {1: "#00ff00"}, 1)
    assert explore.show_comparison(image, colors, snapshot(after), **where(image)) == 1
    assert list(viewer.layers) == layers
    labels = shown(explore, image, LABELS_A)
    assert [round(float(part), 3) for part in labels.get_color(1)] == [0, 1, 0, 1]
    assert shown(explore, image, CHANGED).data[0, 0] == 1


def test_the_copy_follows_the_contrast_and_the_data_of_its_image(
    viewer: ViewerModel, explore: ExploreLayers
) -> None:
    image = viewer.add_image(np.zeros((20, 30), np.float32), contrast_limits=(0, 1))
    labels = snapshot(np.ones((20, 30), np.uint16))
    explore.show_comparison(image, labels, labels, **where(image))
    image.contrast_limits = (0.2, 0.4)
    image.colormap = "magma"
    copy = shown(explore, image, COPY)
    assert copy.contrast_limits == [0.2, 0.4]
    assert copy.colormap.name == "magma"
    image.data = np.ones((20, 30), np.float32)
    explore.show_comparison(image, labels, labels, **where(image))
    assert shown(explore, image, COPY).data is image.data


def test_a_rotated_stack_is_compared_at_its_slice(
    viewer: ViewerModel, explore: ExploreLayers, stack: Image
) -> None:
    labels = snapshot(np.ones((30, 40), np.uint16))
    explore.show_comparison(stack, labels, labels, **where(stack, Plane((3, None, None))))
    copy, side = shown(explore, stack, COPY), shown(explore, stack, LABELS_A)
    low = np.array(stack.data_to_world((3, 0, 0)))
    shift = np.array(side.data_to_world((0, 0, 0))) - low
    np.testing.assert_allclose(shift[:2], 0, atol=1e-9)
    assert copy.extent.world[0][2] > stack.extent.world[1][2]
    np.testing.assert_allclose(np.array(copy.data_to_world((3, 0, 0))) - low, shift, atol=1e-9)


def test_a_multiscale_image_is_compared(viewer: ViewerModel, explore: ExploreLayers) -> None:
    levels = [np.zeros((64, 80), np.float32), np.zeros((32, 40), np.float32)]
    image = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 1))
    shape, geometry = labels_geometry(image, 1)
    labels = snapshot(np.ones((32, 40), np.uint16))
    place: dict[str, Any] = {"plane": FLAT, "region": None, "shape": shape, "geometry": geometry}
    assert explore.show_comparison(image, labels, labels, **place) == 0
    copy = shown(explore, image, COPY)
    assert copy.multiscale
    explore.show_comparison(image, labels, labels, **place)
    assert shown(explore, image, COPY) is copy


def test_hiding_a_comparison_removes_all_of_it_and_brings_the_view_back(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    camera = viewer.scene.camera
    camera.center, camera.zoom = (0, 10, 12), 4
    labels = snapshot(np.ones((40, 60), np.uint16))
    explore.show_comparison(image, labels, labels, **where(image))
    assert camera.center[2] > 30
    explore.hide_comparison()
    assert list(viewer.layers) == [image]
    assert (tuple(camera.center), camera.zoom) == ((0, 10, 12), 4)


def test_the_image_is_selected_when_its_selected_copy_goes(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    labels = snapshot(np.ones((40, 60), np.uint16))
    explore.show_comparison(image, labels, labels, **where(image))
    viewer.layers.selection.active = shown(explore, image, COPY)
    explore.hide_comparison(image)
    assert viewer.layers.selection.active is image


def test_a_view_that_a_person_moved_is_left_alone(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    labels = snapshot(np.ones((40, 60), np.uint16))
    explore.show_comparison(image, labels, labels, **where(image))
    viewer.scene.camera.zoom = 7
    explore.hide_comparison()
    assert viewer.scene.camera.zoom == 7


def test_labels_of_another_size_change_nothing(
    viewer: ViewerModel, explore: ExploreLayers, image: Image
) -> None:
    with pytest.raises(ImageError, match="kept as A"):
        explore.show_comparison(
            image,
            snapshot(np.ones((40, 61), np.uint16)),
            snapshot(np.ones((40, 60), np.uint16)),
            **where(image),
        )
    assert list(viewer.layers) == [image]

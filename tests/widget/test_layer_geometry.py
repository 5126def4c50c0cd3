"""Labels lie exactly on their image, however it is placed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_itaclip._widget.layers.image_input import default_level, labels_geometry
from napari_itaclip._widget.layers.layer_geometry import all_planes, current_plane, displayed_axes
from napari_itaclip.errors import ImageError
from napari_itaclip.session.pictures import Plane

# Layers that are turned out of the screen's plane are meant here.
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


def random_placement(rng: np.random.Generator, ndim: int) -> dict[str, Any]:
    rotate = np.linalg.qr(rng.normal(size=(ndim, ndim)))[0]
    shear = np.eye(ndim) + np.triu(rng.normal(size=(ndim, ndim)), 1)
    affine = np.eye(ndim + 1)
    affine[:ndim] += rng.normal(size=(ndim, ndim + 1)) / 3
    return {
        "scale": tuple(rng.uniform(0.1, 5, ndim) * rng.choice([-1, 1], ndim)),
        "translate": tuple(rng.normal(size=ndim) * 100),
        "rotate": rotate,
        "shear": shear.T if rng.random() < 0.5 else shear,
        "affine": affine,
        "units": ("um",) * ndim,
        "axis_labels": tuple("tzyx"[-ndim:]),
    }


def labels_for(layer: Image, level: int | None = None) -> Labels:
    shape, geometry = labels_geometry(layer, level)
    return Labels(np.zeros(shape, np.uint16), **geometry)


def some_pixels(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    return rng.integers(0, shape, size=(12, len(shape)))


@pytest.mark.parametrize("seed", range(24))
def test_labels_lie_on_a_layer_placed_at_random(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(8, 20, size=2 + seed % 3).tolist())
    colors = (3,) if seed % 2 else ()
    placement = random_placement(rng, len(shape))
    for part in rng.choice(list(placement), size=seed % 4, replace=False):
        del placement[part]
    image = Image(np.zeros((*shape, *colors), np.uint8), rgb=bool(colors), **placement)
    labels = labels_for(image)
    assert labels.data.shape == shape
    for pixel in some_pixels(rng, shape):
        np.testing.assert_allclose(labels.data_to_world(pixel), image.data_to_world(pixel))
    assert labels.units == image.units
    assert labels.axis_labels == image.axis_labels


@pytest.mark.parametrize("seed", range(16))
def test_labels_of_a_level_lie_on_the_full_pixels_that_it_stands_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ndim, colors = 2 + seed % 3, (4,) if seed % 2 else ()
    coarse = rng.integers(3, 6, size=ndim)
    powers = [rng.integers(1, 4, size=ndim) ** at for at in range(3)]
    shapes = [tuple((coarse * powers[2] // power).tolist()) for power in powers]
    factors = [np.divide(shapes[0], shape) for shape in shapes]
    image = Image(
        [np.zeros((*shape, *colors), np.uint8) for shape in shapes],
        multiscale=True,
        rgb=bool(colors),
        **random_placement(rng, ndim),
    )
    for level, (shape, factor) in enumerate(zip(shapes, factors, strict=True)):
        labels = labels_for(image, level)
        assert labels.data.shape == shape
        for pixel in some_pixels(rng, shape):
            edges = np.array([pixel * factor - 0.5, (pixel + 1) * factor - 0.5])
            ends = [image.data_to_world(end) for end in edges]
            np.testing.assert_allclose(labels.data_to_world(pixel - 0.5), ends[0], atol=1e-8)
            np.testing.assert_allclose(labels.data_to_world(pixel + 0.5), ends[1], atol=1e-8)


def test_labels_of_a_level_are_drawn_where_napari_draws_it(
    make_napari_viewer: Callable[..., Any],
) -> None:
    viewer = make_napari_viewer()
    rng = np.random.default_rng(5)
    sizes = [(101, 203), (51, 102), (25, 51)]  # not multiples of each other
    image = viewer.add_image(
        [rng.random(size) for size in sizes],
        multiscale=True,
        scale=(2, 0.5),
        rotate=35,
        shear=[0.3],
        translate=(7, -9),
        affine=[[1.1, 0.2, 5], [-0.1, 0.9, 3], [0, 0, 1]],
    )
    nodes = viewer.window._qt_viewer.canvas.layer_to_visual
    for level in range(3):
        image.locked_data_level = level
        shape, geometry = labels_geometry(image, level)
        labels = viewer.add_labels(np.zeros(shape, np.uint16), **geometry)
        np.testing.assert_allclose(
            nodes[labels].node.transform.matrix, nodes[image].node.transform.matrix, atol=1e-5
        )


def test_the_default_level_is_the_finest_of_a_good_size() -> None:
    def level_of(*shapes: tuple[int, ...]) -> int:
        data = [np.broadcast_to(np.uint8(0), shape) for shape in shapes]
        return default_level(Image(data, multiscale=True, contrast_limits=(0, 1)))

    assert level_of((8192, 8192), (4096, 4096), (2048, 2048)) == 1
    assert level_of((4097, 10), (2000, 5)) == 1
    assert level_of((4096, 10), (2000, 5)) == 0
    assert level_of((90000, 90000), (45000, 45000), (20000, 20000)) == 2
    assert level_of((9000, 64, 64), (9000, 32, 32)) == 0  # a long time axis is not a long side
    wide = np.broadcast_to(np.uint8(0), (9000, 64))
    assert default_level(Image(wide, contrast_limits=(0, 1))) == 0


@pytest.mark.parametrize("level", [-1, 1, 7])
def test_a_level_that_is_not_there(level: int) -> None:
    with pytest.raises(ImageError, match=rf"resolution level {level}.*from 0 \(finest\) to 0"):
        labels_geometry(Image(np.zeros((9, 9))), level)


@pytest.mark.parametrize(
    ("ndim", "order", "axes"),
    [
        (2, (0, 1), (0, 1)),
        (2, (1, 0), (1, 0)),
        (2, (1, 2, 0), (0, 1)),
        (2, (0, 2, 1), (1, 0)),
        (3, (1, 0, 2), (0, 2)),
        (3, (0, 3, 1, 2), (0, 1)),
        (4, (0, 1), (2, 3)),
    ],
)
def test_displayed_axes(ndim: int, order: tuple[int, ...], axes: tuple[int, int]) -> None:
    viewer = ViewerModel()
    viewer.dims.ndim = len(order)
    viewer.dims.order = order
    assert displayed_axes(ndim, viewer.dims) == axes


@pytest.mark.parametrize("seed", range(12))
def test_the_slice_is_the_one_that_napari_shows(seed: int) -> None:
    """The image napari cuts, the plane that is read and the labels' slice are one and the same."""
    rng = np.random.default_rng(seed)
    ndim = 3 + seed % 2
    shape = tuple(rng.integers(9, 14, size=ndim).tolist())
    data = rng.random(shape)
    placement: dict[str, Any] = {
        "scale": rng.uniform(0.5, 3, ndim),
        "translate": rng.normal(size=ndim) * 20,
    }
    if seed % 3 == 0:
        placement["rotate"] = 30.0  # within the plane of the last two axes
    if seed % 3 == 1:
        placement["units"] = ("nm",) * ndim
    viewer = ViewerModel()
    image = viewer.add_image(data, **placement)
    length = 1.0
    if seed % 3 == 1:  # the viewer counts in another unit
        viewer.layers.units = ("um",) * ndim
        length = 1e-3
    if seed % 3 != 0:
        viewer.dims.order = tuple(rng.permutation(ndim).tolist())
    for _ in range(4):
        place: list[Any] = [int(rng.integers(0, size)) for size in shape]
        viewer.dims.point = tuple(np.array(image.data_to_world(place)) * length)
        plane = current_plane(image, viewer, 0)
        rows, columns = displayed_axes(ndim, viewer.dims)
        place[rows] = place[columns] = None
        assert plane == Plane(tuple(place), transposed=rows > columns)
        np.testing.assert_array_equal(plane.cut(data), image._data_view)
        labels = Labels(np.zeros(shape, np.uint16), **labels_geometry(image)[1])
        plane.cut(labels.data)[...] = np.arange(1, 1 + plane.cut(labels.data).size).reshape(
            plane.shape(shape)
        )
        viewer.add_labels(labels.data, **labels_geometry(image)[1])
        shown = viewer.layers[-1]._slice.image.raw
        np.testing.assert_array_equal(shown, plane.cut(labels.data))


def test_in_3d_display_the_last_two_axes_are_cut_at_the_current_step() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((10, 11, 12, 13)), scale=(1, 2, 1, 1))
    viewer.dims.current_step = (4, 7, 0, 0)
    viewer.dims.ndisplay = 3
    assert current_plane(image, viewer, 0) == Plane((4, 7, None, None))
    viewer.dims.order = (0, 3, 2, 1)
    viewer.dims.set_current_step(3, 9)
    assert current_plane(image, viewer, 0) == Plane((4, None, None, 9), transposed=True)


def test_a_coarse_level_of_a_stack_is_cut_where_its_labels_are_shown() -> None:
    viewer = ViewerModel()
    levels = [np.zeros((12, 64, 64)), np.zeros((4, 32, 32))]
    image = viewer.add_image(levels, multiscale=True)
    shape, geometry = labels_geometry(image, 1)
    labels = viewer.add_labels(np.zeros(shape, np.uint16), **geometry)
    for step in range(12):
        viewer.dims.set_point(0, step)
        plane = current_plane(image, viewer, 1)
        assert plane == Plane((step // 3, None, None))
        labels.data[:] = 0
        plane.cut(labels.data)[:] = 1
        labels.refresh()
        assert labels._slice.image.raw.all()


def test_sliders_outside_of_the_layer() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((50, 9, 9)))
    image = viewer.add_image(np.zeros((10, 9, 9)), name="short")
    viewer.dims.set_current_step(0, 30)
    with pytest.raises(ImageError, match="'short' has no slice 30 on axis 0, only 0 to 9"):
        current_plane(image, viewer, 0)


def test_all_planes_in_order_and_as_shown() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((2, 3, 9, 9)))
    assert [plane.index for plane in all_planes(image, viewer, 0)] == [
        (t, z, None, None) for t in range(2) for z in range(3)
    ]
    viewer.dims.order = (0, 2, 3, 1)
    planes = all_planes(image, viewer, 0)
    assert len(planes) == 18
    assert planes[10] == Plane((1, None, 1, None), transposed=True)

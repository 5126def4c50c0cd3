"""The colormap of classes against napari's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_itaclip._widget.layers.class_colormap import class_colormap
from napari_itaclip._widget.layers.label_style import color_table

COLORS = color_table({1: "#ff0000", 7: "#00ff00", 300: "#0000ff", 9: "#ff0000"}, hidden=[7])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("selection", [None, 1])
def test_the_same_colours_as_napari(dtype: type, selection: int | None) -> None:
    values: NDArray[Any] = np.array([[0, 1, 7], [9, 44, 255 if dtype is np.uint8 else 300]], dtype)
    ours, theirs = class_colormap(COLORS), DirectLabelColormap(color_dict=COLORS)
    if selection is not None:
        for colormap in (ours, theirs):
            colormap.use_selection, colormap.selection = True, selection
    np.testing.assert_allclose(ours.map(values), theirs.map(values))
    assert ours.map(1).tolist() == theirs.map(1).tolist()
    np.testing.assert_array_equal(ours._data_to_texture(values), theirs._data_to_texture(values))


def test_large_ids() -> None:
    large = color_table({1: "#ff0000", 70_000: "#00ff00", 2**31 - 1: "#0000ff"})
    data = np.array([[0, 1, 5], [70_000, 2**31 - 1, 69_999]], np.int32)
    layer = Labels(data, colormap=class_colormap(large))
    shown = layer._slice.image.view
    assert shown.dtype == np.uint8
    assert len({int(value) for value in shown.flat}) == 5  # background, others, red, green, blue
    assert shown[0, 0] != shown[0, 1]
    assert shown[0, 2] == shown[1, 2]
    np.testing.assert_allclose(layer.colormap.map(data)[1, 0], [0, 1, 0, 1])
    layer.selected_label = 70_000
    layer.show_selected_label = True
    shown = layer._slice.image.view
    assert (shown != shown[0, 0]).sum() == 1

"""A direct colormap that can be exchanged while somebody drags a colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray


class ClassColormap(DirectLabelColormap):  # type: ignore[misc, unused-ignore]
    """napari's direct colormap, faster for thumbnails and with ids of any size.

    napari 0.9.2 fills the table of all 65,536 values of a 16-bit layer one by one, which takes
    40 ms for each new colormap, and it refuses ids above 65,536 where Numba is not installed. Where
    napari calls the overridden methods by other names, its own way is used.
    """

    def map(self, values: Any) -> Any:
        """Return the colours ``(..., 4)`` of values."""
        wide = isinstance(values, np.ndarray) and values.dtype.kind in "iu"
        if not wide or values.dtype.itemsize <= 2:
            return super().map(values)
        mapped = self._map_without_cache(values)
        if self.use_selection:
            mapped[values != self.selection] = 0
        return mapped

    def _map_without_cache(self, values: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the colours ``(..., 4)`` of values, selected or not."""
        colors = np.empty((*values.shape, 4), np.float32)
        colors[...] = self.default_color
        for label, color in self.color_dict.items():
            if label is not None:
                colors[values == label] = color
        return colors

    def _data_to_texture(self, values: Any) -> Any:
        """Return what napari sends to the graphics card for these values."""
        try:
            return super()._data_to_texture(values)
        except RuntimeError:
            # The ids are too large for the table that napari makes without Numba.
            return self._texture_of_large_ids(values)

    def _texture_of_large_ids(self, values: Any) -> Any:
        places = dict(self._values_mapping_to_minimum_values_set()[0])
        others = places.pop(None)
        ids = np.array(sorted(places))
        textures = np.array([places[number] for number in ids])
        at = np.searchsorted(ids, values).clip(max=len(ids) - 1)
        texture = np.where(ids[at] == values, textures[at], others)
        # As in napari: its length is the number of colours, with those of 0 and of other values.
        return texture.astype(np.uint8 if len(self) <= np.iinfo(np.uint8).max else np.uint16)


def class_colormap(colors: Mapping[int | None, str]) -> ClassColormap:
    """Return a colormap from what `color_table` gave."""
    return ClassColormap(color_dict=dict(colors))

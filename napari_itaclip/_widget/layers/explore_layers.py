"""The layers that explain a result: heat map, uncertainty, and two results side by side.

All of them belong to an image layer, are derived from it and can be made again. They come and go
without changing which layers are selected, and `is_derived_layer` tells them from a person's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap
from numpy.typing import NDArray

from napari_itaclip._widget.layers.derived_layers import (
    DerivedLayers,
    derived_mark,
    is_derived_layer,
)
from napari_itaclip._widget.layers.label_style import OPACITY, class_table, color_table
from napari_itaclip._widget.layers.layer_geometry import displayed_axes
from napari_itaclip._widget.layers.look_at import View
from napari_itaclip._widget.layers.placement import (
    check_size,
    geometry_of,
    moved,
    offset_of,
    placed,
    spread,
)
from napari_itaclip.annotation.comparison import LabelSnapshot, changed_pixels
from napari_itaclip.session.pictures import Plane, Region

__all__ = ["ExploreLayers", "HeatKind", "is_derived_layer"]

HEAT_MAP, UNCERTAINTY = "heat map", "uncertainty"
COPY, LABELS_A, CHANGED = "A", "A labels", "changed"
_COMPARISON = (COPY, LABELS_A, CHANGED)

_GAP = 0.04
"""Free space between two pictures side by side, as a part of the picture's width."""

_FOLLOWED = ("contrast_limits", "gamma", "colormap", "interpolation2d")
"""The looks that the copy of an image shares with it."""

_SAMPLES = 65536
"""Percentiles are taken from about this many pixels: exact enough, and never slow."""

# Both fade out towards 0, so that the picture is seen where there is nothing to see, and both run
# through hues and lightness at once, so that they read over light and over dark pictures.
_COLORMAPS = {
    HEAT_MAP: Colormap(
        [
            [0.05, 0.03, 0.25, 0.45],
            [0.42, 0.06, 0.43, 0.60],
            [0.87, 0.26, 0.25, 0.75],
            [0.99, 0.65, 0.04, 0.88],
            [0.99, 1.00, 0.64, 0.95],
        ],
        name="itaclip heat",
    ),
    UNCERTAINTY: Colormap(
        [
            [0.00, 0.20, 0.25, 0.00],
            [0.00, 0.45, 0.50, 0.30],
            [0.00, 0.80, 0.80, 0.75],
            [0.85, 1.00, 0.95, 0.95],
        ],
        name="itaclip uncertainty",
    ),
}

_CHANGED_COLOR = "#ff2ad4"
"""Rare in pictures, and far from the colours of the default palette."""


class HeatKind(Enum):
    """What a heat map shows."""

    PROBABILITY = "probability"
    SIMILARITY = "similarity"


class ExploreLayers:
    """Heat map, uncertainty and comparison of a viewer's images.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer that the layers are added to.

    Attributes
    ----------
    layers : DerivedLayers
        Keeps them; its signals tell when a person hides or deletes one, or the image of some.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.layers = DerivedLayers(viewer)
        self._views: tuple[View, View] | None = None

    def close(self) -> None:
        """Stop listening and remove all of the layers."""
        self.layers.close()

    def show_heat_map(
        self,
        image_layer: Layer,
        name: str,
        values: NDArray[np.floating[Any]],
        *,
        plane: Plane,
        region: Region | None,
        shape: tuple[int, ...],
        geometry: Mapping[str, Any],
        kind: HeatKind,
    ) -> Image:
        """Show how much each pixel is a class or phrase; one heat map for each image.

        Parameters
        ----------
        image_layer : Layer
            The image that was looked at.
        name : str
            The class or phrase.
        values : ndarray of float, shape (H, W)
            Probability 0 to 1, or similarity of any range; NaN stays transparent.
        plane, region : Plane, Region or None
            What the values cover.
        shape : tuple of int
            Shape of the image's labels.
        geometry : mapping
            Keyword arguments that put such labels over the image.
        kind : HeatKind
            Probabilities are shown from 0 to 1. Similarities are shown from their 2nd to their
            99.5th percentile, found anew when the name changes: so a class keeps its limits while
            its words are edited, and edits can be compared.

        Returns
        -------
        Image
            The layer, new or updated in place.

        Raises
        ------
        ImageError
            If the values have another size than the region.
        """
        check_size(values, plane, region, shape)
        where = placed(geometry, offset_of(plane, region))
        known = self.layers.get(image_layer, HEAT_MAP)
        subject = (kind, name if kind is HeatKind.SIMILARITY else None)
        limits = None
        if known is None or known.subject != subject:
            limits = (0.0, 1.0) if kind is HeatKind.PROBABILITY else _limits(values)
        return self._show_values(
            image_layer,
            HEAT_MAP,
            f"heat map: {name}",
            spread(values, plane),
            where,
            limits,
            subject,
        )

    def hide_heat_map(self, image_layer: Layer | None = None) -> None:
        """Hide the heat map of one image, or of all; it keeps its place and its looks."""
        self.layers.set_visible(image_layer, HEAT_MAP, False)

    def show_uncertainty(
        self,
        image_layer: Layer,
        margin: NDArray[np.floating[Any]],
        *,
        plane: Plane,
        region: Region | None,
        shape: tuple[int, ...],
        geometry: Mapping[str, Any],
        valid: NDArray[np.bool_] | None = None,
    ) -> Image:
        """Show 1 - margin: bright where the two best classes are close.

        Parameters
        ----------
        image_layer, plane, region, shape, geometry
            As for `show_heat_map`.
        margin : ndarray of float, shape (H, W)
            How far the best class is ahead of the next, 0 to 1.
        valid : ndarray of bool, shape (H, W), optional
            Pixels that show something; the others stay transparent.

        Returns
        -------
        Image
            The layer, new or updated in place.

        Raises
        ------
        ImageError
            If the values have another size than the region.
        """
        check_size(margin, plane, region, shape)
        values: NDArray[np.float32] = np.subtract(1, margin, dtype=np.float32)
        if valid is not None:
            values[~valid] = np.nan
        where = placed(geometry, offset_of(plane, region))
        known = self.layers.get(image_layer, UNCERTAINTY)
        limits = (0.0, 1.0) if known is None else None
        return self._show_values(
            image_layer, UNCERTAINTY, "uncertainty", spread(values, plane), where, limits, None
        )

    def hide_uncertainty(self, image_layer: Layer | None = None) -> None:
        """Hide the uncertainty layer of one image, or of all; it keeps its place and its looks."""
        self.layers.set_visible(image_layer, UNCERTAINTY, False)

    def show_comparison(
        self,
        image_layer: Image,
        before: LabelSnapshot,
        after: LabelSnapshot,
        *,
        plane: Plane,
        region: Region | None,
        shape: tuple[int, ...],
        geometry: Mapping[str, Any],
    ) -> int:
        """Lay the picture with labels A to the right of the image; mark what changed since.

        The copy shares the image's data, and its contrast follows the image's. Both lie in one
        world, so they pan and zoom together; the view is fitted to both as they appear.

        Parameters
        ----------
        image_layer : Image
            The image that was segmented.
        before, after : LabelSnapshot
            A and B: the labels that were kept and the present ones, both (H, W). B itself is not
            shown: the labels over the image are.
        plane, region, shape, geometry
            As for `show_heat_map`.

        Returns
        -------
        int
            How many pixels changed their class.

        Raises
        ------
        ImageError
            If the labels have another size than the region, or than each other.
        """
        changed = changed_pixels(before, after)
        check_size(before.labels, plane, region, shape)
        is_new = self.layers.get(image_layer, COPY) is None
        where = placed(geometry, offset_of(plane, region))
        shift = self._shift(image_layer)
        self._show_copy(image_layer, moved(geometry_of(image_layer), shift))
        self._show_labels(
            image_layer, LABELS_A, spread(before.labels, plane), moved(where, shift), before
        )
        marks = LabelSnapshot(
            changed.view(np.uint8), {1: "changed since A"}, {1: _CHANGED_COLOR}, before.lineage
        )
        self._show_labels(image_layer, CHANGED, spread(marks.labels, plane), where, marks)
        if is_new:
            self._fit_to(image_layer)
        return int(np.count_nonzero(changed))

    def hide_comparison(self, image_layer: Layer | None = None) -> None:
        """Remove the second picture and the changed pixels of one image, or of all.

        The view goes back to what it was, unless a person has moved it since.
        """
        self.layers.remove(image_layer, _COMPARISON)
        if self._views is not None:
            before, fitted = self._views
            if View.of(self._viewer) == fitted:
                before.restore(self._viewer)
        self._views = None

    def _show_values(
        self,
        image: Layer,
        role: str,
        name: str,
        values: NDArray[Any],
        geometry: dict[str, Any],
        limits: tuple[float, float] | None,
        subject: object,
    ) -> Image:
        known = self.layers.get(image, role)
        if known is None:
            # A copy, since later values are written into it.
            layer = Image(
                np.array(values, np.float32),
                name=name,
                rgb=False,
                contrast_limits=limits or (0.0, 1.0),
                metadata=derived_mark(role),
                colormap=_COLORMAPS[role],
                opacity=0.9,
                **geometry,
            )
            known = self.layers.add(image, role, layer, geometry)
        else:
            known.rename(name)
            known.write(values.astype(np.float32, copy=False), geometry)
            if limits is not None:
                # The range of napari's slider first: it would keep the widest limits ever seen.
                known.layer.contrast_limits_range = limits
                known.layer.contrast_limits = limits
            self.layers.set_visible(image, role, True)
        known.subject = subject
        return known.layer

    def _show_copy(self, image: Image, geometry: dict[str, Any]) -> None:
        known = self.layers.get(image, COPY)
        if known is not None and known.layer.data is image.data:
            known.place(geometry)
            return
        self.layers.remove(image, (COPY,))
        data, state, _ = image.as_layer_data_tuple()
        state |= geometry
        state |= {"name": f"A: {image.name}", "metadata": derived_mark(COPY), "visible": True}
        copy = Image(data, **state)
        self.layers.add(image, COPY, copy, geometry)
        self._viewer.layers.link_layers([image, copy], _FOLLOWED)

    def _show_labels(
        self,
        image: Layer,
        role: str,
        labels: NDArray[Any],
        geometry: dict[str, Any],
        legend: LabelSnapshot,
    ) -> None:
        known = self.layers.get(image, role)
        if known is None:
            layer = Labels(
                np.array(labels),
                name="A: labels" if role == LABELS_A else "changed since A",
                opacity=OPACITY if role == LABELS_A else 0.8,
                metadata=derived_mark(role),
                **_legend_options(legend),
                **geometry,
            )
            known = self.layers.add(image, role, layer, geometry)
        else:
            known.write(labels, geometry)
            if known.subject != _legend_key(legend):
                for key, value in _legend_options(legend).items():
                    setattr(known.layer, key, value)
        known.subject = _legend_key(legend)

    def _fit_to(self, image: Image) -> None:
        copy = self.layers.get(image, COPY)
        if copy is not None and self._viewer.dims.ndisplay == 2:
            before = View.of(self._viewer)
            self._viewer.fit_to_view(layers=[image, copy.layer])
            self._views = before, View.of(self._viewer)

    def _shift(self, image: Layer) -> NDArray[np.float64]:
        """Return the way from an image to its right, in the world of its axes."""
        low, high = image.extent.world
        axis = displayed_axes(image.ndim, self._viewer.dims)[1]
        shift = np.zeros(image.ndim)
        # Extents end at the centres of the outermost pixels.
        width = high[axis] - low[axis] + image.extent.step[axis]
        shift[axis] = width * (1 + _GAP)
        return shift


def _limits(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the 2nd and the 99.5th percentile of the finite values, apart from each other."""
    step = max(1, int(np.sqrt(values.size / _SAMPLES)))
    sample = values[::step, ::step]
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(finite, (2, 99.5)))
    return (low, high) if high - low > 1e-6 else (low, low + 1e-6)


def _legend_key(legend: LabelSnapshot) -> tuple[object, ...]:
    return tuple(legend.names.items()), tuple(legend.colors.items())


def _legend_options(legend: LabelSnapshot) -> dict[str, Any]:
    """Return colours, and class names for the status bar, of a labels layer."""
    return {"colormap": color_table(legend.colors), "features": class_table(legend.names)}

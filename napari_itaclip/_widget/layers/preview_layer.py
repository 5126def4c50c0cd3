"""The layer that shows which pixels an edit would change, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_itaclip._widget.layers.derived_layers import DerivedLayers, derived_mark
from napari_itaclip._widget.layers.label_style import class_table, color_table
from napari_itaclip._widget.layers.placement import check_size, offset_of, placed, spread
from napari_itaclip.session.pictures import Plane
from napari_itaclip.session.trials import GAINED, LOST, OTHER

PREVIEW = "preview"

# Rare in pictures, told apart by colour-blind eyes, and far from the default palette's colours.
MARK_COLORS = {GAINED: "#ff2ad4", LOST: "#00e5ff", OTHER: "#ffe600"}


class PreviewLayer:
    """One layer for each image, updated in place.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer that it is added to.

    Attributes
    ----------
    layers : DerivedLayers
        Keeps it; its signals tell when a person hides or deletes it, or its image.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.layers = DerivedLayers(viewer)

    def show(
        self,
        image: Layer,
        marks: NDArray[np.uint8],
        class_name: str,
        *,
        plane: Plane,
        shape: tuple[int, ...],
        geometry: Mapping[str, Any],
    ) -> Labels:
        """Show marks over an image.

        Parameters
        ----------
        image : Layer
            The image.
        marks : ndarray of uint8, shape (H, W)
            Of the plane, see `trials.preview_marks`.
        class_name : str
            Of the class that gains or loses.
        plane : Plane
            What the marks cover.
        shape : tuple of int
            Shape of the image's labels.
        geometry : mapping
            Keyword arguments that put such labels over the image.

        Returns
        -------
        Labels
            The layer, new or updated in place.

        Raises
        ------
        ImageError
            If the marks have another size than the plane.
        """
        check_size(marks, plane, None, shape)
        where = placed(geometry, offset_of(plane, None))
        known = self.layers.get(image, PREVIEW)
        if known is None:
            layer = Labels(
                np.array(spread(marks, plane)),
                name=f"preview: {class_name}",
                opacity=0.85,
                metadata=derived_mark(PREVIEW),
                colormap=color_table(MARK_COLORS),
                features=_legend(class_name),
                **where,
            )
            known = self.layers.add(image, PREVIEW, layer, where)
        else:
            known.rename(f"preview: {class_name}")
            known.write(spread(marks, plane), where)
            if known.subject != class_name:
                known.layer.features = _legend(class_name)
            self.layers.set_visible(image, PREVIEW, True)
        known.subject = class_name
        return known.layer

    def hide(self, image: Layer | None = None) -> None:
        """Hide the preview of one image, or of all."""
        self.layers.set_visible(image, PREVIEW, False)

    def close(self) -> None:
        """Stop listening and remove the layers."""
        self.layers.close()


def _legend(class_name: str) -> dict[str, list[Any]]:
    names = {
        GAINED: f"becomes {class_name}",
        LOST: f"is {class_name} no more",
        OTHER: "changes among other classes",
    }
    return class_table(names)

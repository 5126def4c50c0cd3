"""Show results in a napari window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip._widget.layers.label_style import (
    OPACITY,
    class_table,
    color_table,
    provenance_metadata,
)
from napari_itaclip.annotation.relabel_ids import NARROW_LIMIT
from napari_itaclip.errors import ItaclipError
from napari_itaclip.segmentation.segmenter import Segmentation


def labels_layer_options(result: Segmentation) -> dict[str, Any]:
    """Return the keyword arguments of a napari labels layer that shows ``result``.

    Classes have their own colours and show their names in the status bar; 0, which is the
    background or unlabelled, stays transparent. The metadata say how the labels were made.
    """
    rows = result.classes
    colors = color_table({row.id: row.color for row in rows if row.id in result.vocabulary.ids})
    colormap: Any = colors
    if max(result.vocabulary.ids) > NARROW_LIMIT:
        from napari_itaclip._widget.layers.class_colormap import class_colormap

        colormap = class_colormap(colors)
    return {
        "colormap": colormap,
        "features": class_table({row.id: row.name for row in rows}),
        "metadata": provenance_metadata(result.provenance()),
        "opacity": OPACITY,
    }


def show_segmentations(
    results: Sequence[tuple[str, NDArray[np.uint8], Segmentation]],
) -> None:
    """Open a napari window with each picture under its labels, and wait until it is closed.

    Parameters
    ----------
    results : sequence of (str, ndarray of uint8 (H, W, 3), Segmentation)
        Name, picture and result. Only the first one is visible.

    Raises
    ------
    ItaclipError
        If napari finds no Qt binding or no screen.
    """
    try:
        import napari  # type: ignore[import-untyped, unused-ignore]

        viewer = napari.Viewer(title="ITACLIP demo")
    except Exception as error:
        # Qt reports a missing binding in several ways, depending on the binding and the system.
        raise ItaclipError(
            f"napari cannot open a window: {error}. Install a Qt binding with "
            'pip install "napari-itaclip[all]", or leave out --view.'
        ) from error
    for position, (name, picture, result) in enumerate(results):
        visible = position == 0
        viewer.add_image(picture, name=name, rgb=True, visible=visible)
        options = labels_layer_options(result)
        viewer.add_labels(result.labels, name=f"{name} labels", visible=visible, **options)
    napari.run()

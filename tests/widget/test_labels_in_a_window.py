"""Painting in a real window with a real mouse and keyboard."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_itaclip._widget.layers.labels_layer import LabelsBinding
from napari_itaclip.session.pictures import PictureLabels, Plane
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

pytestmark = pytest.mark.skipif(
    os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal")
    or (sys.platform.startswith("linux") and not os.environ.get("DISPLAY")),
    reason="needs a screen, which may be a virtual one",
)


def test_paint_rerun_undo(make_napari_viewer: Callable[..., Any], qtbot: Any) -> None:
    from qtpy.QtCore import QPoint, Qt

    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((60, 80), np.uint8), scale=(2, 2))
    binding = LabelsBinding(
        viewer, name="labels", shape=(60, 80), geometry={"scale": (2, 2), "translate": (10, 4)}
    )
    classes = Vocabulary(["a", "b", ClassPrompt("c", id=70_000)])

    def write(label: int, step: int) -> Any:
        patch = PictureLabels(Plane((None, None)), None, np.full((60, 80), label))
        return binding.write(
            [patch], step=step, vocabulary=classes, lineage=1, provenance={"step": step}
        )

    write(1, 1)
    layer = binding.layer
    viewer.layers.selection.active = layer
    viewer.reset_view()
    layer.mode, layer.brush_size, layer.selected_label = "paint", 8, 2
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.waitExposed(canvas)
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    qtbot.mouseMove(canvas, middle)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=middle)
    assert write(70_000, 2).waiting
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle)
    painted = binding.edit_mask.copy()
    assert 30 < painted.sum() == binding.edit_count < 120
    assert (layer.data[painted] == 2).all()
    assert (layer.data[~painted] == 70_000).all()
    picture = viewer.screenshot(canvas_only=True, flash=False)
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 2
    write(1, 3)
    np.testing.assert_array_equal(layer.data == 2, painted)
    for expected in (70_000, 1):
        canvas.setFocus()
        qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert (layer.data[~painted] == expected).all()
        assert (layer.data[painted] == 2).all()
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (layer.data == 1).all()
    assert binding.edit_count == 0
    binding.close()

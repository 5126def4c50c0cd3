"""The two layers of the image that is reviewed: the picture, and its labels to paint in."""

from __future__ import annotations

from typing import Any

import numpy as np
from app_model.types import KeyCode
from numpy.typing import NDArray
from psygnal import Signal

from napari_itaclip._widget.layers.class_colormap import class_colormap
from napari_itaclip._widget.layers.label_history import LabelHistory
from napari_itaclip._widget.layers.label_legend import LabelLegend
from napari_itaclip._widget.layers.label_style import OPACITY
from napari_itaclip._widget.layers.look_at import look_at
from napari_itaclip.annotation.hand_edits import Labels
from napari_itaclip.annotation.relabel_ids import holding
from napari_itaclip.session.pictures import Plane, Region
from napari_itaclip.vocabulary.classes import Vocabulary

_FLAT = Plane((None, None))

_DIGITS = tuple(getattr(KeyCode, f"Digit{digit}") for digit in range(1, 10))

_EVENTS = ("paint", "labels_update", "set_data", "data")
"""What napari tells of when labels may have changed."""


class ReviewLayers:
    """Shows one image after the other in a viewer.

    The layers stay and get other data: what a person chose for them (brush, opacity, contrast)
    holds for the next image. Also, napari 0.9.2 ends with a segmentation fault (seen with Mesa)
    where a picture and its labels are removed and labels alone are added before the next frame is
    drawn. The undo history is emptied, for Ctrl+Z would otherwise write one
    image's labels into another's.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where the layers go.
    vocabulary : Vocabulary
        What the labels mean.
    """

    edited = Signal()
    """The labels may be others than before: a stroke, an undo, a script."""
    closed = Signal()
    """The person deleted one of the layers."""
    class_selected = Signal(int)
    """The person chose a label to paint with in napari."""
    digit_pressed = Signal(int)
    """A key from 1 to 9 was pressed on the canvas."""

    def __init__(self, viewer: Any, vocabulary: Vocabulary) -> None:
        self._viewer = viewer
        self._legend = LabelLegend()
        self._legend.take(vocabulary, 0, None)
        self._highest = max(vocabulary.ids)
        self._geometry: dict[str, Any] = {}
        self._selected = next(iter(vocabulary.ids))
        self.picture: Any = None
        self.layer: Any = None
        self._history: LabelHistory | None = None
        self._deleted = False
        self._mode: str | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def labels(self) -> Labels | None:
        """The labels as they are now: ``(H, W)``, not a copy; None when there is no layer."""
        return None if self.layer is None else np.asarray(self.layer.data)

    def show(self, name: str, picture: NDArray[Any] | None, labels: Labels) -> None:
        """Show an image in place of the one before.

        Parameters
        ----------
        name : str
            Of the layers.
        picture : ndarray, shape (h, w), (h, w, 3) or (h, w, 4), or None
            The image; None for none, which is shown as black.
        labels : ndarray of int, shape (H, W)
            Its labels; they are copied. Where their size is another than the picture's they are
            stretched over it.
        """
        same_size = self.layer is not None and self.layer.data.shape == labels.shape
        if picture is None:
            # Black, not no layer: see the crash above.
            rgb = self.picture is not None and self.picture.rgb
            picture = np.zeros((*labels.shape, 3) if rgb else labels.shape, np.uint8)
            self._show_picture(f"{name} (missing)", picture)
        else:
            self._show_picture(name, picture)
        self._geometry = _stretched(labels.shape, picture.shape)
        own = np.array(labels, holding(labels.dtype, self._highest))
        if self._history is not None and self._history.supported and not self._deleted:
            self.layer.data = own
            self._history.clear()
            self.layer.name = f"{name} labels"
            self.layer.scale = self._geometry["scale"]
            self.layer.translate = self._geometry["translate"]
        else:
            self._drop_labels()
            self._make_labels(name, own)
        self._viewer.layers.selection.active = self.layer
        if not same_size:
            self._viewer.reset_view()

    def _show_picture(self, name: str, picture: NDArray[Any]) -> None:
        before = self.picture
        if before is not None and before.rgb == (picture.ndim == 3):
            # Values of another range than before need another contrast.
            new_range = before.data.dtype != picture.dtype
            before.data, before.name = picture, name
            if new_range and not before.rgb:
                before.reset_contrast_limits()
            return
        shown = True if before is None else before.visible
        layer = self._viewer.add_image(picture, name=name, rgb=picture.ndim == 3, visible=shown)
        if self.layer is not None and not self._deleted:
            self._viewer.layers.move(len(self._viewer.layers) - 1, self._place(self.layer))
        self._drop_picture()
        self.picture = layer

    def _make_labels(self, name: str, labels: Labels) -> None:
        layer = self._viewer.add_labels(
            labels,
            name=f"{name} labels",
            colormap=class_colormap(self._legend.colors(())),
            features=self._legend.table(),
            **{"opacity": OPACITY, **self._geometry},
        )
        layer.selected_label = self._selected
        for event in _EVENTS:
            getattr(layer.events, event).connect(self._on_edit)
        layer.events.selected_label.connect(self._on_selected)
        for digit, key in enumerate(_DIGITS, 1):
            layer.bind_key(key, self._digit(digit), overwrite=True)
        self.layer, self._history = layer, LabelHistory(layer, self._on_edit)

    def _place(self, layer: Any) -> int:
        return int(self._viewer.layers.index(layer))

    @property
    def drawing(self) -> bool:
        """Whether a stroke is being painted: the labels must stay in their layer."""
        return self._history is not None and self._history.drawing

    def replace(self, labels: Labels) -> None:
        """Give the labels other values, as one step that Ctrl+Z takes back."""
        if self.layer is None:
            return
        different = np.nonzero(self.layer.data != labels)
        if different[0].size:
            values = labels[different].astype(self.layer.data.dtype)
            self.layer.data_setitem(different, values)
            self.edited.emit()

    def begin_painting(self) -> None:
        """Take the brush, to paint in the labels."""
        if self.layer is not None:
            self._viewer.layers.selection.active = self.layer
            self.layer.visible = True
            if self.layer.editable:
                self.layer.mode = "paint"

    def select_class(self, class_id: int) -> None:
        """Choose what is painted with."""
        self._selected = class_id
        if self.layer is not None and self.layer.selected_label != class_id:
            self.layer.selected_label = class_id

    def set_editable(self, editable: bool) -> None:
        """Let the person paint, or not; the tool that was in the hand comes back with it."""
        if self.layer is None:
            return
        if not editable and self._mode is None:
            self._mode = self.layer.mode  # napari puts it away
        self.layer.editable = editable
        if editable and self._mode is not None:
            self.layer.mode, self._mode = self._mode, None

    def look_at(self, region: Region) -> None:
        """Bring a region to the middle of the view."""
        look_at(self._viewer, _FLAT, region, self._geometry)

    def clear(self) -> None:
        """Take the layers away."""
        self._drop_labels()
        self._drop_picture()

    def close(self) -> None:
        """Let go of the viewer; the layers stay in it."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._let_go()
        self.picture = None

    def _let_go(self) -> Any:
        layer = self.layer
        if layer is not None and self._history is not None:
            self._history.close()
            for event in _EVENTS:
                getattr(layer.events, event).disconnect(self._on_edit)
            layer.events.selected_label.disconnect(self._on_selected)
            for key in _DIGITS:
                layer.bind_key(key, None)
        self.layer = self._history = None
        self._deleted = False
        return layer

    def _drop_labels(self) -> None:
        self._remove(self._let_go())

    def _drop_picture(self) -> None:
        layer, self.picture = self.picture, None
        self._remove(layer)

    def _remove(self, layer: Any) -> None:
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _digit(self, digit: int) -> Any:
        def press(layer: Any) -> None:
            self.digit_pressed.emit(digit)

        return press

    def _on_edit(self, event: Any = None) -> None:
        if self.layer is not None:
            self.edited.emit()

    def _on_selected(self, event: Any = None) -> None:
        selected = int(self.layer.selected_label)
        if selected != self._selected:
            self._selected = selected
            self.class_selected.emit(selected)

    def _on_removed(self, event: Any) -> None:
        if event.value is self.picture:
            self.picture = None
            self.closed.emit()
        elif event.value is self.layer:
            # Its labels can still be read; `show` makes a new one.
            self._deleted = True
            self.closed.emit()


def _stretched(labels: tuple[int, ...], picture: tuple[int, ...]) -> dict[str, Any]:
    """Return what lays labels over a picture of another size, edge upon edge."""
    scale = [there / here for here, there in zip(labels, picture[:2], strict=True)]
    return {"scale": scale, "translate": [(factor - 1) / 2 for factor in scale]}

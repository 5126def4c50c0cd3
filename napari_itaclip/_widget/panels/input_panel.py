"""The top of the dock: which image, how much of it, and at which resolution."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QPaintEvent, QStandardItemModel
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from napari_itaclip._widget.layers.image_input import (
    LayerFollower,
    Scope,
    scope_problem,
)
from napari_itaclip._widget.layers.layer_geometry import default_level, level_count, level_shape
from napari_itaclip._widget.parts.form import guard_wheel

_LAYER_TIP = (
    "The image that is segmented. It follows the layer list:\n"
    "select an image there, or choose one here."
)
_SCOPE_TIP = "How much of the image is segmented."
_LEVEL_TIP = (
    "This image comes in several resolutions.\n"
    "A finer one shows smaller things and takes longer; the labels get its size."
)
_SCOPE_TIPS = {
    Scope.WHOLE: "All of the image; of a stack, the slice that is shown",
    Scope.FIELD: "The part that the canvas shows now; zoom in to see more detail",
    Scope.RECTANGLE: "The selected rectangle of a shapes layer, else the last one drawn",
    Scope.ALL_SLICES: "Every slice of the stack, one after the other",
}
_SLICE = "this slice"
_NONE = "no image"


class ElidingComboBox(QComboBox):  # type: ignore[misc, unused-ignore]
    """A combo box that shortens what does not fit, and shows all of it in its tooltip.

    Attributes
    ----------
    opening : Signal
        Emitted before the list unfolds: the moment to bring it up to date.
    """

    opening = Signal()

    def __init__(self, name: str, label: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tip = tip
        self.setObjectName(name)
        self.setAccessibleName(label)
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._entries = QStandardItemModel(self)
        self.setModel(self._entries)
        view = self.view()
        assert view is not None  # a combo box always has one
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        guard_wheel(self)
        self.currentIndexChanged.connect(self._update_tip)

    def showPopup(self) -> None:  # noqa: N802
        """Unfold the list."""
        self.opening.emit()
        super().showPopup()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the box with as much of the text as fits."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None  # every widget has one
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, field.width() - 2
        )
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def set_entry(self, position: int, text: str, tip: str, *, enabled: bool = True) -> None:
        """Change one entry in place: the others, and which one is chosen, stay."""
        self.setItemText(position, text)
        self.setItemData(position, tip, Qt.ItemDataRole.ToolTipRole)
        entry = self._entries.item(position)
        assert entry is not None  # or there would be no such position
        entry.setEnabled(enabled)
        self._update_tip()

    def _update_tip(self) -> None:
        own = self.itemData(self.currentIndex(), Qt.ItemDataRole.ToolTipRole)
        self.setToolTip(f"{own}\n\n{self._tip}" if own else self._tip)


class InputPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What to segment; it follows the viewer's images and the one that is selected.

    Parameters
    ----------
    viewer : napari Viewer
        Whose images are offered.
    follower : LayerFollower or None
        What keeps up with them; None for one of its own, which `close_panel` closes.

    Attributes
    ----------
    layer_chosen : Signal(object)
        Another image is the input now (an Image layer or None): chosen here, selected in the
        viewer, or left over when one was removed.
    scope_chosen : Signal(object)
        Another `Scope`: chosen here, or because the old one does not fit the image.
    level_chosen : Signal(object)
        Another resolution level of the image was chosen here (int).
    """

    layer_chosen = Signal(object)
    scope_chosen = Signal(object)
    level_chosen = Signal(object)

    def __init__(
        self, viewer: Any, follower: LayerFollower | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("input_panel")
        self._viewer = viewer
        self._owns_follower = follower is None
        self.follower = LayerFollower(viewer) if follower is None else follower
        self._levels: WeakKeyDictionary[Image, int] = WeakKeyDictionary()
        self._scope = Scope.WHOLE
        self._layer: Image | None = None
        self.layers = ElidingComboBox("input_layer", "Image", _LAYER_TIP)
        self.scopes = ElidingComboBox("input_scope", "Part of the image", _SCOPE_TIP)
        self.levels = ElidingComboBox("input_level", "Resolution", _LEVEL_TIP)
        self._level_title = QLabel("Size")
        self._lay_out()
        for scope in Scope:
            self.scopes.addItem(scope.value)
        self.layers.activated.connect(self._on_layer)
        self.scopes.activated.connect(self._on_scope)
        self.levels.activated.connect(self._on_level)
        self.scopes.opening.connect(self.refresh_scopes)
        self.follower.layers_changed.connect(self._on_layers_changed)
        self.follower.active_changed.connect(self._use)
        for emitter in self._viewer_events():
            emitter.connect(self._on_viewer)
        self._watch(self.follower.active)
        self._show_layers()

    @property
    def layer(self) -> Image | None:
        """The image to segment; None when there is none."""
        return self._layer

    @property
    def scope(self) -> Scope:
        """How much of it."""
        return self._scope

    @property
    def level(self) -> int | None:
        """The resolution level; None for an image that has one only."""
        layer = self._layer
        if layer is None or level_count(layer) == 1:
            return None
        chosen = self._levels.get(layer)
        fits = chosen is not None and chosen < level_count(layer)
        return chosen if fits else default_level(layer)

    def set_scope(self, scope: Scope) -> None:
        """Choose a scope as a person would; one that is of no use now is left alone."""
        if scope_problem(self._layer, self._viewer, scope) is None:
            self._change_scope(scope)

    def refresh_scopes(self) -> None:
        """Bring the scopes up to date with the image, the view and the shapes."""
        layer = self._layer
        for position, scope in enumerate(Scope):
            problem = scope_problem(layer, self._viewer, scope)
            stack = layer is not None and layer.ndim > 2
            text = _SLICE if scope is Scope.WHOLE and stack else scope.value
            self.scopes.set_entry(
                position, text, problem or _SCOPE_TIPS[scope], enabled=problem is None
            )
        self.scopes.setEnabled(layer is not None)
        # A rectangle that is gone can be drawn again: only slices that no image has are left.
        if self._scope is Scope.ALL_SLICES and layer is not None and layer.ndim < 3:
            self._change_scope(Scope.WHOLE)

    def close_panel(self) -> None:
        """Follow the viewer no more. Can be called again."""
        for emitter in self._viewer_events():
            emitter.disconnect(self._on_viewer)
        self.follower.layers_changed.disconnect(self._on_layers_changed, missing_ok=True)
        self.follower.active_changed.disconnect(self._use, missing_ok=True)
        if self._owns_follower:
            self.follower.close()
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
        self._layer = None

    def _lay_out(self) -> None:
        """One row each: side by side, neither names nor sizes would be readable at 300 pixels."""
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.setColumnStretch(1, 1)
        titles = QLabel("Image"), QLabel("Part"), self._level_title
        boxes = self.layers, self.scopes, self.levels
        for row, (title, box) in enumerate(zip(titles, boxes, strict=True)):
            title.setBuddy(box)
            layout.addWidget(title, row, 0)
            layout.addWidget(box, row, 1)

    def _viewer_events(self) -> tuple[Any, ...]:
        layers, dims = self._viewer.layers.events, self._viewer.dims.events
        return layers.inserted, layers.removed, dims.ndisplay

    def _on_viewer(self, event: Any = None) -> None:
        self.refresh_scopes()

    def _on_layers_changed(self) -> None:
        self._show_layers()

    def _use(self, layer: Image | None) -> None:
        if layer is not self._layer:
            self._watch(layer)
            self._show_layers()
            self.layer_chosen.emit(layer)

    def _watch(self, layer: Image | None) -> None:
        """Show what belongs to a layer, and stay up to date when its data are replaced."""
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
        if layer is not None:
            layer.events.data.connect(self._on_data)
        self._layer = layer
        self._on_data()

    def _on_data(self, event: Any = None) -> None:
        self._show_levels()
        self.refresh_scopes()

    def _on_layer(self, position: int) -> None:
        layers = self._listed()
        if position < len(layers):  # "no image" is not one
            self.follower.choose(layers[position])

    def _on_scope(self, position: int) -> None:
        self._change_scope(list(Scope)[position])

    def _on_level(self, position: int) -> None:
        if self._layer is not None and position != self.level:
            self._levels[self._layer] = position
            self.level_chosen.emit(position)

    def _change_scope(self, scope: Scope) -> None:
        self.scopes.setCurrentIndex(list(Scope).index(scope))
        if scope is not self._scope:
            self._scope = scope
            self.scope_chosen.emit(scope)

    def _listed(self) -> tuple[Image, ...]:
        """Return the images in the order of the layer list: topmost first."""
        return self.follower.layers[::-1]

    def _show_layers(self) -> None:
        layers = self._listed()
        with QSignalBlocker(self.layers):
            self.layers.clear()
            for position, layer in enumerate(layers):
                self.layers.addItem(layer.name)
                self.layers.set_entry(position, layer.name, layer.name)
                if layer is self._layer:
                    self.layers.setCurrentIndex(position)
            if not layers:
                self.layers.addItem(_NONE)
                self.layers.set_entry(0, _NONE, "Open an image first: drop a file on the canvas")
        self.layers.setEnabled(bool(layers))

    def _show_levels(self) -> None:
        layer, level = self._layer, self.level
        with QSignalBlocker(self.levels):
            self.levels.clear()
            if layer is not None and level is not None:
                for at in range(level_count(layer)):
                    height, width = level_shape(layer, at)[-2:]
                    best = ", suggested" if at == default_level(layer) else ""
                    text = f"{width} × {height} px"
                    self.levels.addItem(text)
                    self.levels.set_entry(at, text, f"Level {at} (0 is the finest){best}: {text}")
                self.levels.setCurrentIndex(level)
        self.levels.setVisible(level is not None)
        self._level_title.setVisible(level is not None)

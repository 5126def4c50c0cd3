"""Parts of forms that the dock's panels share."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QWidget,
)

from napari_itaclip._widget.parts.icons import set_icon


class _WheelGuard(QObject):  # type: ignore[misc, unused-ignore]
    """Keeps the wheel from changing a value that the pointer only passes over."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Hold back turns of the wheel unless the widget was clicked before."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()  # the scroll area around it takes it
            return True
        return False


def guard_wheel(widget: QWidget) -> None:
    """Let the wheel scroll the dock, not change ``widget``, until the widget has the focus."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelGuard(widget))


_WIDEST_LIST = 480
"""Width in pixels that an open list does not exceed."""


class ElidingComboBox(QComboBox):  # type: ignore[misc, unused-ignore]
    """A combo box that ends with "…" where its entry is longer than it is wide."""

    def showPopup(self) -> None:  # noqa: N802
        """Open the list as wide as its entries are."""
        view = self.view()
        wanted = view.sizeHintForColumn(0) + view.verticalScrollBar().sizeHint().width()
        view.setMinimumWidth(min(_WIDEST_LIST, wanted))
        super().showPopup()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the shortened entry; styles only cut it off."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style, control = self.style(), QStyle.ComplexControl.CC_ComboBox
        field = style.subControlRect(control, option, QStyle.SubControl.SC_ComboBoxEditField, self)
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideRight, field.width() - 4
        )
        painter = QStylePainter(self)
        painter.drawComplexControl(control, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


def make_combo(name: str, label: str, tooltip: str) -> QComboBox:
    """Return an empty combo box that shortens long entries instead of widening the dock."""
    box = ElidingComboBox()
    box.setObjectName(name)
    box.setAccessibleName(label)
    box.setToolTip(tooltip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    guard_wheel(box)
    return box


def add_choice(box: QComboBox, text: str, value: object, tooltip: str = "") -> None:
    """Add an entry with a value and a tooltip of its own."""
    box.addItem(text, value)
    if tooltip:
        box.setItemData(box.count() - 1, tooltip, Qt.ItemDataRole.ToolTipRole)


def make_icon_button(name: str, icon: str, label: str, tooltip: str) -> QToolButton:
    """Return a flat button with nothing but an icon of `icons.NAMES`."""
    button = QToolButton()
    button.setObjectName(name)
    button.setAccessibleName(label)
    button.setToolTip(tooltip)
    button.setAutoRaise(True)
    set_icon(button, icon)
    return button


def make_row(parts: Sequence[QWidget | tuple[QWidget, int]], spacing: int = 4) -> QWidget:
    """Put widgets side by side; the number of a pair says how much spare width one takes."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for part in parts:
        widget, stretch = part if isinstance(part, tuple) else (part, 0)
        layout.addWidget(widget, stretch)
    return row

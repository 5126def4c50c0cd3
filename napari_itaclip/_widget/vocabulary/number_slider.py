"""A slider for a number with a natural place to return to."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QSizePolicy, QSlider, QWidget
from superqt import QLabeledDoubleSlider


class NumberSlider(QWidget):  # type: ignore[misc, unused-ignore]
    """superqt's slider with a number, with a double click to reset it, and with keys.

    The wheel turns it only while it has the focus: otherwise scrolling through a dock would change
    numbers on the way.

    Parameters
    ----------
    name
        What the number is, for screen readers; also the object name.
    low, high
        The range.
    reset
        The value that a double click brings.
    decimals
        Digits after the point.
    """

    value_changed = Signal(float)
    """A person has set another value."""

    released = Signal()
    """A drag has ended."""

    def __init__(
        self, name: str, low: float, high: float, *, reset: float = 0.0, decimals: int = 2
    ) -> None:
        super().__init__()
        self._reset = reset
        self._low, self._high = low, high
        self.setObjectName(name.replace(" ", "_"))
        self._slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(low, high)
        self._slider.setDecimals(decimals)
        self._step = (high - low) / 100
        self._slider.setSingleStep(self._step)
        self._slider.setPageStep(10 * self._step)
        self._slider.setAccessibleName(name)
        self._slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        for part in self._slider.findChildren(QWidget):
            part.setAccessibleName(name)
            part.installEventFilter(self)
        self._slider.installEventFilter(self)
        self._slider.valueChanged.connect(self._emit)
        self._slider.sliderReleased.connect(self.released)
        self.setFocusProxy(self._slider.findChild(QSlider))

    def value(self) -> float:
        """Return the number."""
        return float(self._slider.value())

    def set_value(self, value: float) -> None:
        """Show a number without `value_changed`; the range grows while it has to."""
        with QSignalBlocker(self._slider):
            self._slider.setRange(min(self._low, value), max(self._high, value))
            self._slider.setValue(value)

    def reset(self) -> None:
        """Go back to the natural place, as a person's edit."""
        self._slider.setValue(self._reset)
        self.released.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Catch the wheel, the double click and the keys that superqt's slider leaves out."""
        if event.type() in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return watched is self.focusProxy() and self._take_key(event)
        if event.type() == QEvent.Type.Wheel and not self._has_focus():
            event.ignore()
            return True
        if event.type() == QEvent.Type.MouseButtonDblClick and not isinstance(watched, QLineEdit):
            self.reset()
            return True
        return False

    def _take_key(self, event: QKeyEvent) -> bool:
        """Move by a step, a page or to an end; return whether the key means that."""
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        key, now, step = event.key(), self.value(), self._step
        targets = {
            Qt.Key.Key_Right: now + step,
            Qt.Key.Key_Up: now + step,
            Qt.Key.Key_Left: now - step,
            Qt.Key.Key_Down: now - step,
            Qt.Key.Key_PageUp: now + 10 * step,
            Qt.Key.Key_PageDown: now - 10 * step,
            Qt.Key.Key_Home: self._low,
            Qt.Key.Key_End: self._high,
        }
        if key not in targets:
            return False
        if event.type() == QEvent.Type.KeyPress:
            self._slider.setValue(min(max(targets[key], self._low), self._high))
        elif not event.isAutoRepeat():
            self.released.emit()
        return True

    def _has_focus(self) -> bool:
        parts = (self._slider, *self._slider.findChildren(QWidget))
        return any(part.hasFocus() for part in parts)

    def _emit(self, value: float) -> None:
        self.value_changed.emit(float(value))

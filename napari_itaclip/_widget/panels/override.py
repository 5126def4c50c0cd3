"""A number that is as the preset has it, or another one."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QHBoxLayout, QSpinBox, QWidget

from napari_itaclip._widget.parts.form import guard_wheel, make_icon_button


@dataclass(frozen=True)
class Override:
    """A value of `SessionSettings` that may replace the preset's.

    Parameters
    ----------
    field : str
        Its name in `SessionSettings`.
    label : str
        What a person reads.
    tooltip : str
        What it does.
    range : (int, int, int)
        Smallest and largest value, and the step of the arrows.
    suffix : str
        Unit.
    """

    field: str
    label: str
    tooltip: str
    range: tuple[int, int, int]
    suffix: str


class _PresetSpin(QSpinBox):  # type: ignore[misc, unused-ignore]
    """A spin box whose smallest value means "as preset"; stepping from there begins at it."""

    default = 0

    def stepEnabled(self) -> QSpinBox.StepEnabledFlag:  # noqa: N802
        """Allow both directions from the preset's value."""
        if self.value() == self.minimum():
            return QSpinBox.StepEnabledFlag.StepUpEnabled | QSpinBox.StepEnabledFlag.StepDownEnabled
        return super().stepEnabled()

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Step from the preset's value, not from the smallest one."""
        if self.value() == self.minimum():
            with QSignalBlocker(self):
                self.setValue(self.default)
        # Down from the smallest number would be "as preset", which is a surprise.
        target = self.value() + steps * self.singleStep()
        self.setValue(max(self.minimum() + 1, target))


class OverrideRow(QWidget):  # type: ignore[misc, unused-ignore]
    """A number field that says "preset 112", and a button that brings that back."""

    changed = Signal(str, object)
    """The field, and the number or None for the preset's."""

    def __init__(self, about: Override, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.about = about
        low, high, step = about.range
        self.spin = _PresetSpin()
        self.spin.setObjectName(f"{about.field}_box")
        self.spin.setAccessibleName(about.label)
        self.spin.setRange(low - 1, high)
        self.spin.setSingleStep(step)
        self.spin.setSuffix(about.suffix)
        self.spin.setKeyboardTracking(False)
        guard_wheel(self.spin)
        self.spin.valueChanged.connect(self._on_value)
        self.reset_button = make_icon_button(
            f"{about.field}_reset", "undo", f"{about.label} as preset", "As the preset has it."
        )
        self.reset_button.clicked.connect(self._on_reset)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.spin, 1)
        layout.addWidget(self.reset_button)

    def show_value(self, value: float | None, default: float) -> None:
        """Show a value, or with None the preset's, without a signal."""
        self.spin.default = round(default)
        self.spin.setSpecialValueText(f"preset {default:g}")
        self.spin.setToolTip(f"{self.about.tooltip}\nPreset: {default:g}{self.about.suffix}")
        with QSignalBlocker(self.spin):
            self.spin.setValue(self.spin.minimum() if value is None else round(value))
        self.reset_button.setEnabled(value is not None)
        self.reset_button.setToolTip(
            f"Back to the preset's {default:g}{self.about.suffix}."
            if value is not None
            else "It is as the preset has it."
        )

    def _on_reset(self) -> None:
        self.spin.setValue(self.spin.minimum())

    def _on_value(self, value: int) -> None:
        self.changed.emit(self.about.field, None if value == self.spin.minimum() else value)

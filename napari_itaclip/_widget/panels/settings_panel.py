"""The settings: which model runs where; folded further, what differs from the preset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_itaclip._widget.panels.override import Override, OverrideRow
from napari_itaclip._widget.parts.form import add_choice, guard_wheel, make_combo
from napari_itaclip._widget.parts.section import make_section
from napari_itaclip.clip.recipes import RECIPES
from napari_itaclip.clip.registry import MODELS
from napari_itaclip.clip.weights_cache import ModelStatus, list_models
from napari_itaclip.errors import SettingsError
from napari_itaclip.session.settings import (
    MEMORY_BUDGET_RANGE,
    PRECISION_NAMES,
    SessionSettings,
)

_FILE = "\0file"
"""Value of the entry that opens a file dialog; no model is called that."""

_NO_RECIPE = ""
"""Value of the entry that leaves the recipe to the preset: Qt's bindings differ about None."""

_OVERRIDES = (
    Override(
        "stride",
        "Stride",
        "Step between the windows that the network looks at.\n"
        "Smaller is finer and slower: half the stride, four times the work.",
        (8, 1024, 8),
        " px",
    ),
    Override(
        "short_side",
        "Short side",
        "Length that the image's short side is resized to before the network looks at it.\n"
        "Larger shows smaller things and takes longer.",
        (64, 2048, 16),
        " px",
    ),
    Override(
        "pamr_iterations",
        "PAMR",
        "Rounds of refinement: how often the scores are averaged along the image's edges.\n"
        "0 switches it off.",
        (0, 100, 1),
        "",
    ),
    Override(
        "logit_scale",
        "Logit scale",
        "Factor before the softmax: a higher one is more decided. It alters the confidence.",
        (1, 500, 5),
        "",
    ),
)


class SettingsPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """A form over `SessionSettings`; goes into a section that is folded at first.

    Parameters
    ----------
    settings : SessionSettings
        What is shown at first.
    models : sequence of ModelStatus, optional
        The models to choose from; those that are registered, if not given.
    """

    changed = Signal(object)
    """The new `SessionSettings`, after a person changed something."""

    failed = Signal(str)
    """Why a change was refused."""

    def __init__(
        self,
        settings: SessionSettings,
        models: Sequence[ModelStatus] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("settings_panel")
        self._settings = settings
        self._make_boxes()
        self._overrides = [OverrideRow(item) for item in _OVERRIDES]
        self._lay_out()
        self.set_models(list_models() if models is None else models)
        self.set_devices(("cpu",))
        self.set_settings(settings)
        self._connect()

    @property
    def settings(self) -> SessionSettings:
        """What the panel shows."""
        return self._settings

    def _make_boxes(self) -> None:
        self.model_box = make_combo(
            "model_box", "Model", "The network. One that is not here is downloaded on first use."
        )
        self.device_box = make_combo(
            "device_box", "Device", "Where the network runs; auto takes the fastest there is."
        )
        self.precision_box = make_combo(
            "precision_box",
            "Precision",
            "Number format of the network; auto takes the fastest that keeps its quality.",
        )
        for name in PRECISION_NAMES:
            add_choice(self.precision_box, name, name)
        self.memory_box = QSpinBox()
        self.memory_box.setObjectName("memory_box")
        self.memory_box.setAccessibleName("Memory for features")
        self.memory_box.setRange(*MEMORY_BUDGET_RANGE)
        self.memory_box.setSingleStep(256)
        self.memory_box.setSuffix(" MB")
        self.memory_box.setKeyboardTracking(False)
        self.memory_box.setToolTip(
            "How much memory images seen before may keep, so that going back to one takes no time."
        )
        guard_wheel(self.memory_box)
        self.recipe_box = make_combo(
            "recipe_box", "Recipe", "The published method: what the network's last block computes."
        )
        self.fast_words_box = QCheckBox("try new words quickly first")
        self.fast_words_box.setObjectName("fast_words_box")
        self.fast_words_box.setToolTip(
            "Show a new word at once with few prompt templates, then with all of them.\n"
            "Off: wait until all templates are embedded."
        )
        self.reset_button = QPushButton("All as preset")
        self.reset_button.setObjectName("as_preset_button")

    def _lay_out(self) -> None:
        form = _form()
        form.addRow("Model", self.model_box)
        form.addRow("Device", self.device_box)
        form.addRow("Precision", self.precision_box)
        form.addRow("Memory", self.memory_box)
        advanced = QWidget()
        inner = _form()
        inner.addRow("Recipe", self.recipe_box)
        for row in self._overrides:
            inner.addRow(row.about.label, row)
        inner.addRow(self.reset_button)
        inner.addRow(self.fast_words_box)
        advanced.setLayout(inner)
        self.advanced = make_section(
            "Advanced",
            advanced,
            tooltip="Single values that differ from the preset.",
            name="advanced_section",
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self.advanced)

    def _connect(self) -> None:
        self.model_box.activated.connect(self._on_model)
        for box in (self.device_box, self.precision_box, self.recipe_box):
            box.activated.connect(self._on_choice)
        self.memory_box.valueChanged.connect(self._on_memory)
        self.fast_words_box.toggled.connect(self._on_fast_words)
        for row in self._overrides:
            row.changed.connect(self._on_override)
        self.reset_button.clicked.connect(self._as_preset)

    # ---- what is shown ----------------------------------------------------------------------

    def set_models(self, models: Sequence[ModelStatus]) -> None:
        """Show which models there are, and which of them were downloaded."""
        with QSignalBlocker(self.model_box):
            self.model_box.clear()
            for model in models:
                state = "here" if model.cached else f"{model.size_mb:.0f} MB download"
                tip = (
                    f"{model.title} ({model.name})\n{model.description}\n"
                    f"Licence: {model.licence}; {state}."
                )
                add_choice(self.model_box, f"{model.title} · {state}", model.name, tip)
            self.model_box.insertSeparator(self.model_box.count())
            tip = "Choose the weights file of a CLIP model: .pt, .bin or .safetensors."
            add_choice(self.model_box, "a file…", _FILE, tip)
            self._show_model()

    def set_devices(self, devices: Sequence[str]) -> None:
        """Show which devices this computer has, "auto" left out."""
        with QSignalBlocker(self.device_box):
            self.device_box.clear()
            for name in ("auto", *devices):
                add_choice(self.device_box, name, name)
            _show(self.device_box, self._settings.device)

    def set_settings(self, settings: SessionSettings) -> None:
        """Show other settings, without a signal."""
        self._settings = settings
        preset = settings.as_preset().resolved()
        with QSignalBlocker(self.recipe_box):
            self.recipe_box.clear()
            add_choice(self.recipe_box, f"preset {preset.encode.recipe.name}", _NO_RECIPE)
            for recipe in RECIPES.values():
                add_choice(self.recipe_box, recipe.name, recipe.name, recipe.source)
        self._show_model()
        for box, value in (
            (self.device_box, settings.device),
            (self.precision_box, settings.precision),
            (self.recipe_box, settings.recipe or _NO_RECIPE),
        ):
            _show(box, value)
        with QSignalBlocker(self.memory_box), QSignalBlocker(self.fast_words_box):
            self.memory_box.setValue(settings.memory_budget_mb)
            self.fast_words_box.setChecked(settings.fast_words)
        defaults = {
            "stride": preset.encode.stride,
            "short_side": preset.encode.short_side,
            "pamr_iterations": preset.refine.iterations,
            "logit_scale": preset.decide.logit_scale,
        }
        for row in self._overrides:
            row.show_value(getattr(settings, row.about.field), defaults[row.about.field])
        self._show_reset(settings)

    def _show_model(self) -> None:
        model = self._settings.model
        box = self.model_box
        with QSignalBlocker(box):
            if box.findData(model) < 0:
                # A file, or a name from another version: it stays among the choices.
                box.insertItem(0, self._settings.model_title, model)
            box.setCurrentIndex(box.findData(model))
        about = MODELS[model].description if model in MODELS else f"The file {model}"
        box.setToolTip(f"{self._settings.model_title}\n{about}")

    def _show_reset(self, settings: SessionSettings) -> None:
        changed = settings.overrides
        self.reset_button.setEnabled(bool(changed))
        self.reset_button.setToolTip(
            f"Use the values of the preset “{settings.preset}” for everything above."
            if changed
            else f"Everything above is as the preset “{settings.preset}” has it."
        )

    # ---- what a person does -----------------------------------------------------------------

    def _change(self, **values: Any) -> None:
        try:
            settings = replace(self._settings, **values)
        except SettingsError as error:
            self.set_settings(self._settings)
            self.failed.emit(str(error))
            return
        if settings != self._settings:
            self.set_settings(settings)
            self.changed.emit(settings)

    def _on_choice(self) -> None:
        self._change(
            device=self.device_box.currentData(),
            precision=self.precision_box.currentData(),
            recipe=self.recipe_box.currentData() or None,
        )

    def _on_memory(self, megabytes: int) -> None:
        self._change(memory_budget_mb=megabytes)

    def _on_fast_words(self, on: bool) -> None:
        self._change(fast_words=on)

    def _on_override(self, field: str, value: int | None) -> None:
        self._change(**{field: value})

    def _as_preset(self) -> None:
        settings = self._settings.as_preset()
        self.set_settings(settings)
        self.changed.emit(settings)

    def _on_model(self) -> None:
        name = self.model_box.currentData()
        if name != _FILE:
            self._change(model=name)
            return
        self._show_model()
        dialog = QFileDialog(self, "Choose a weights file")
        dialog.setObjectName("weights_dialog")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(
            ["Weights (*.pt *.pth *.bin *.safetensors *.ckpt *.zip)", "All files (*)"]
        )
        dialog.fileSelected.connect(self.choose_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def choose_file(self, path: str) -> None:
        """Use the weights file at ``path`` as the model."""
        if not Path(path).is_file():
            self.failed.emit(f"There is no file {path}: choose another weights file.")
            return
        self._change(model=path)


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(8)
    form.setVerticalSpacing(4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _show(box: Any, value: object) -> None:
    """Select the entry with that value; one that is not there yet (a device) is added."""
    with QSignalBlocker(box):
        if box.findData(value) < 0:
            box.addItem(str(value), value)
        box.setCurrentIndex(box.findData(value))

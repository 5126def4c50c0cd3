"""What a format leaves to a person, each shown only for formats that use it."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from napari_itaclip._widget.parts.form import guard_wheel
from napari_itaclip.formats.model import ExportOptions

_LABELS = ("images", "min_pixels")
_COCO = ("images", "split", "min_pixels")

USED: Mapping[str, tuple[str, ...]] = {
    "voc": ("images", "split", "void", "min_pixels"),
    "cityscapes": ("images", "split", "void", "min_pixels"),
    "png": ("images", "void", "min_pixels"),
    "tiff": ("images", "void", "min_pixels"),
    "coco": _COCO,
    "coco-instances": _COCO,
    "coco-polygons": (*_COCO, "tolerance"),
    "coco-panoptic": _COCO,
    "yolo": (*_COCO, "tolerance"),
    "labelme": (*_LABELS, "tolerance"),
    "cvat": _LABELS,
    "label-studio": _LABELS,
    "geojson": ("min_pixels", "tolerance"),
    "geotiff": ("void", "min_pixels"),
    "ome-zarr": _LABELS,
}
"""The fields of `ExportOptions` that each format looks at."""

ALL_OPTIONS = ("images", "split", "void", "min_pixels", "tolerance")
"""What the form offers; also what is shown for formats that nothing is known of."""


class ExportOptionsForm(QWidget):  # type: ignore[misc, unused-ignore]
    """A form over `ExportOptions`."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("export_options")
        usual = ExportOptions()
        self._shown: tuple[str, ...] = ALL_OPTIONS
        self.images_box = QCheckBox("Pictures, too")
        self.images_box.setChecked(usual.images)
        self.images_box.setToolTip("Put the pictures beside the labels.")
        self.split_line = QLineEdit(usual.split)
        self.split_line.setToolTip("The part of the data set: train, val, test or another name.")
        self.void_box = QSpinBox()
        self.void_box.setRange(0, 255)
        self.void_box.setValue(usual.void)
        self.void_box.setToolTip("The value of pixels without a label.")
        self.min_box = QSpinBox()
        self.min_box.setRange(0, 1_000_000)
        self.min_box.setSuffix(" px")
        self.min_box.setToolTip("Objects with fewer pixels are left out.")
        self.tolerance_box = QDoubleSpinBox()
        self.tolerance_box.setRange(0, 100)
        self.tolerance_box.setSingleStep(0.5)
        self.tolerance_box.setSuffix(" px")
        self.tolerance_box.setToolTip(
            "How far an outline may lie from the pixels' edges; 0 follows them exactly."
        )
        self._lay_out()

    def _lay_out(self) -> None:
        self.form = QFormLayout(self)
        self.form.setContentsMargins(4, 0, 0, 0)
        self.form.setSpacing(4)
        self.form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.form.addRow(self.images_box)
        rows = (
            ("Split", "split", self.split_line),
            ("Unlabelled", "void", self.void_box),
            ("At least", "min_pixels", self.min_box),
            ("Tolerance", "tolerance", self.tolerance_box),
        )
        self._rows: dict[str, QWidget] = {"images": self.images_box}
        self.images_box.setObjectName("export_images")
        for title, name, box in rows:
            box.setObjectName(f"export_{name}")
            box.setAccessibleName(title)
            if not isinstance(box, QLineEdit):
                guard_wheel(box)
            self.form.addRow(title, box)
            self._rows[name] = box

    @property
    def any_shown(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self._shown)

    def show_for(self, format_name: str) -> None:
        """Show what a format uses."""
        self._shown = USED.get(format_name, ALL_OPTIONS)
        for name, box in self._rows.items():
            self.form.setRowVisible(box, name in self._shown)

    @property
    def options(self) -> ExportOptions:
        """What is chosen; what the format does not use is as usual.

        Raises
        ------
        FormatError
            If a value cannot be used.
        """
        chosen = {
            "images": self.images_box.isChecked(),
            "split": self.split_line.text().strip(),
            "void": self.void_box.value(),
            "min_pixels": self.min_box.value(),
            "tolerance": self.tolerance_box.value(),
        }
        return ExportOptions(**{name: chosen[name] for name in self._shown})

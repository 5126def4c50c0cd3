"""Choosing formats and folders: parts that exporting and batches share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QWidget

from napari_itaclip._widget.parts.form import add_choice, make_icon_button

_EXTRAS = {"geo": ("rasterio", "shapely"), "omezarr": ("ome_zarr", "zarr")}
"""Libraries that the package's extras bring."""


def missing_extra(extra: str | None) -> str | None:
    """Return how to install what a format needs; None if everything is there."""
    if extra is None or all(find_spec(module) for module in _EXTRAS.get(extra, ())):
        return None
    return f"Install what it needs with:\npip install 'napari-itaclip[{extra}]'"


def fill_formats(box: QComboBox) -> None:
    """List the formats that can be written; those that lack a library cannot be chosen."""
    from napari_itaclip.formats.registry import FORMATS

    for name, one in FORMATS.items():
        if one.render is None:
            continue
        missing = missing_extra(one.extra)
        add_choice(box, one.title, name, "\n".join(filter(None, (one.description, missing))))
        if missing is not None:
            at = box.model().index(box.count() - 1, 0)
            box.model().itemFromIndex(at).setEnabled(False)


def choose_value(box: QComboBox, value: str) -> None:
    """Choose the entry with a value, if there is one that can be chosen."""
    at = box.findData(value)
    if at >= 0 and box.model().flags(box.model().index(at, 0)) & Qt.ItemFlag.ItemIsEnabled:
        box.setCurrentIndex(at)


def open_folder(folder: Path) -> None:
    """Show a folder in the system's file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


class FolderLine(QWidget):  # type: ignore[misc, unused-ignore]
    """A line for a folder's path, and a button that looks for one.

    Parameters
    ----------
    name : str
        Object name of the line; its button has the same with "_button".
    label : str
        What the folder is for.
    tooltip : str
        More about it.
    """

    changed = Signal()

    def __init__(self, name: str, label: str, tooltip: str) -> None:
        super().__init__()
        self._label = label
        self.line = QLineEdit()
        self.line.setObjectName(name)
        self.line.setAccessibleName(label)
        self.line.setToolTip(tooltip)
        self.line.setPlaceholderText("folder")
        self.line.textChanged.connect(lambda: self.changed.emit())
        self.button = make_icon_button(f"{name}_button", "dots", f"Look for: {label}", label)
        self.button.clicked.connect(self._look)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.button)
        self.setFocusProxy(self.line)

    @property
    def text(self) -> str:
        """What stands in the line, without blanks around it."""
        return str(self.line.text()).strip()

    def set_text(self, text: str) -> None:
        """Put something else into the line."""
        self.line.setText(text)

    def _look(self) -> None:
        found = QFileDialog.getExistingDirectory(self, self._label, self.text)
        if found:
            self.set_text(found)

"""Labels from files: which file or folder, and which of its images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_itaclip._widget.importing import Imported, Importing, Offer
from napari_itaclip._widget.panels.status_line import Remedy, StatusLine
from napari_itaclip._widget.parts.choosing import missing_extra
from napari_itaclip._widget.parts.form import add_choice, make_combo, make_row
from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip.annotation.comparison import LabelSnapshot

if TYPE_CHECKING:
    from napari_itaclip._widget.exploration import Exploration

_HINT = (
    "Labels made by other tools, or exported before, become a layer that you can correct, "
    "compare and export."
)
_READING = "Reading …"
_SHOWN_ROWS = 6


class ImportPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What goes into the dock's section "Import"."""

    open_requested = Signal(object, object)
    """A path, and the name of a format or None."""
    chosen = Signal(object)
    """Names of images of the data set."""
    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("import_panel")
        self.note = WrappedLabel(_HINT)
        self.note.setObjectName("import_note")
        self.format_box = make_combo(
            "import_format", "Format of the labels", "What kind of files they are."
        )
        self.file_button = _button("Open file…", "import_file", "Labels in one file.")
        self.folder_button = _button("Open folder…", "import_folder", "A data set in a folder.")
        self.file_button.clicked.connect(lambda: self._look(folder=False))
        self.folder_button.clicked.connect(lambda: self._look(folder=True))
        self.list = QListWidget()
        self.list.setObjectName("import_list")
        self.list.setAccessibleName("Images of the data set")
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemSelectionChanged.connect(self._update)
        self.list.itemActivated.connect(lambda _: self._choose())
        self.choose_button = _button("Open chosen", "import_choose", "Open these as layers.")
        self.choose_button.clicked.connect(self._choose)
        self.dismiss_button = _button("Cancel", "import_dismiss", "Open none of them.")
        self.dismiss_button.clicked.connect(self.dismissed)
        self.answers = make_row([(self.choose_button, 1), (self.dismiss_button, 1)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(self.note)
        layout.addWidget(self.format_box)
        layout.addWidget(make_row([(self.file_button, 1), (self.folder_button, 1)]))
        layout.addWidget(self.list)
        layout.addWidget(self.answers)
        self.set_offer(None)

    def fill(self) -> None:
        """List the formats that can be read, unless that was done before."""
        if self.format_box.count():
            return
        from napari_itaclip.formats.registry import FORMATS

        add_choice(self.format_box, "format: find out", None, "Look into the files.")
        for name, one in FORMATS.items():
            if one.read is not None:
                tip = "\n".join(filter(None, (one.description, missing_extra(one.extra))))
                add_choice(self.format_box, one.title, name, tip)

    def set_busy(self, busy: bool) -> None:
        """Say whether files are being read."""
        self.note.setText(_READING if busy else _HINT)
        for button in (self.file_button, self.folder_button):
            button.setEnabled(not busy)

    def set_offer(self, offer: Offer | None) -> None:
        """List images to choose from; None for none."""
        self.list.clear()
        shown = offer is not None
        if offer is not None:
            self.note.setText(f"{offer.title} holds {len(offer.names)} images. Choose from them:")
            for name in offer.names:
                item = QListWidgetItem(name)
                item.setToolTip(name)
                self.list.addItem(item)
            rows = min(_SHOWN_ROWS, len(offer.names))
            self.list.setFixedHeight(rows * self.list.sizeHintForRow(0) + 6)
            self.list.setFocus(Qt.FocusReason.OtherFocusReason)
        self.list.setVisible(shown)
        self.answers.setVisible(shown)
        self._update()

    def ask_path(self, *, folder: bool) -> Path | None:
        """Return the file or folder that a person chooses, or None."""
        if folder:
            name = QFileDialog.getExistingDirectory(self, "Open a data set")
        else:
            name, _ = QFileDialog.getOpenFileName(self, "Open labels")
        return Path(name) if name else None

    def _look(self, *, folder: bool) -> None:
        path = self.ask_path(folder=folder)
        if path is not None:
            self.open_requested.emit(path, self.format_box.currentData())

    def _choose(self) -> None:
        self.chosen.emit(tuple(item.text() for item in self.list.selectedItems()))

    def _update(self) -> None:
        self.choose_button.setEnabled(bool(self.list.selectedItems()))


def _button(text: str, name: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tooltip)
    button.setAutoDefault(False)
    return button


def connect_import(
    panel: ImportPanel,
    model: Importing,
    section: QCollapsible,
    status: StatusLine,
    exploration: Exploration,
) -> None:
    """Wire the panel, what is behind it, the section that it stands in and the status line.

    Parameters
    ----------
    panel : ImportPanel
        The view.
    model : Importing
        The decisions; the caller closes it.
    section : QCollapsible
        The formats are listed when it is first opened.
    status : StatusLine
        Tells the result.
    exploration : Exploration
        Compares imported labels with the dock's.
    """

    def begin(path: Path, format_name: str | None) -> None:
        status.clear_message()
        model.open(path, format_name)

    def show_done(made: tuple[Imported, ...], notes: tuple[str, ...]) -> None:
        names = ", ".join(one.layer.name for one in made[:3])
        text = f"Opened {names}{', …' if len(made) > 3 else ''}."
        status.show_message(
            " ".join((text, *notes[:1])),
            "warning" if notes else "info",
            _comparing(made, model, exploration),
            details="\n".join(notes),
        )

    panel.open_requested.connect(begin)
    panel.chosen.connect(model.choose)
    panel.dismissed.connect(model.dismiss)
    model.busy_changed.connect(panel.set_busy)
    model.offered.connect(panel.set_offer)
    model.imported.connect(show_done)
    section.toggled.connect(lambda opened: panel.fill() if opened else None)
    if section.isExpanded():
        panel.fill()


def _comparing(
    made: tuple[Imported, ...], model: Importing, exploration: Exploration
) -> Remedy | None:
    """Return the button that compares the imported labels of the image in view, if it has any."""
    if not exploration.ready:
        return None
    image = model.controller.image
    one = next((each for each in made if each.place and each.place.image is image), None)
    if one is None or one.place is None or one.place.level != model.controller.level:
        return None
    layer, place = one.layer, one.place

    def compare() -> None:
        plane = model.controller.plane or place.plane
        about = layer.metadata["napari-itaclip"]["classes"]
        kept = LabelSnapshot(
            np.array(plane.cut(layer.data)),
            {row["id"]: row["name"] for row in about},
            {row["id"]: row["color"] for row in about},
            -1,
        )
        if exploration.keep_labels_as_a(kept, layer.name):
            exploration.set_comparing(True)
            exploration.state_changed.emit()

    return "Compare", compare

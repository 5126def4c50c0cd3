"""What is in this image? A pack to look with, what was found, and which of it to add."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible, QElidingLabel

from napari_itaclip._widget.here import ALL_PACKS, Finding, WhatIsHere
from napari_itaclip._widget.panels.suggestion_card import exact
from napari_itaclip._widget.parts.form import add_choice, make_combo, make_row
from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip._widget.vocabulary.vocabulary_menu import FILES

THUMBNAIL = 44
"""Height and width of a thumbnail in pixels."""

_NOT_READY = "Press Segment first: the image has to be encoded once."
_LOOK_TIP = "Find out which of these words win real area in the image. The table stays as it is."
_STOP_TIP = "Stop looking."
_HINT = "Which of the words below are in the image?"
_NOTHING = "None of these words wins real area in the image."
_ALL_TIP = "Choose all that are not in the table yet, or none."
_FILE = "a file …"


class HerePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What goes into the dock's section "What is here?"."""

    look_requested = Signal(object)
    """What to look with: a pack's name, `ALL_PACKS`, or a path."""
    stopped = Signal()
    shown = Signal(int)
    """Position of a finding that is to be brought into view."""
    added = Signal(object)
    """Positions of findings that are to become classes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("here_panel")
        self._reason: str | None = _NOT_READY
        self._running = False
        self.rows: list[FindingRow] = []
        self.pack_box = make_combo("here_pack_box", "Words to look with", "Words to look with")
        self.look_button = QPushButton("Look")
        self.look_button.setObjectName("here_look")
        self.look_button.setAutoDefault(False)
        self.look_button.clicked.connect(self._on_look)
        self.bar = QProgressBar()
        self.bar.setObjectName("here_progress")
        self.bar.setAccessibleName("Looking what is here")
        self.bar.setRange(0, 1000)
        self.bar.setFormat("looking … %p %")
        self.note = WrappedLabel(_HINT)
        self.note.setObjectName("here_note")
        self._column = QVBoxLayout()
        self._column.setSpacing(2)
        self.all_box = QCheckBox("all")
        self.all_box.setObjectName("here_all")
        self.all_box.setAccessibleName("choose all")
        self.all_box.toggled.connect(self._choose_all)
        self.add_button = QPushButton()
        self.add_button.setObjectName("here_add")
        self.add_button.setAutoDefault(False)
        self.add_button.clicked.connect(lambda: self.added.emit(self.chosen))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(make_row([(self.pack_box, 1), self.look_button]))
        layout.addWidget(self.bar)
        layout.addWidget(self.note)
        layout.addLayout(self._column)
        self.foot = make_row([self.all_box, (self.add_button, 1)])
        layout.addWidget(self.foot)
        self.set_progress(None)
        self.set_findings(None)

    # ---- what is shown --------------------------------------------------------------------------

    @property
    def chosen(self) -> tuple[int, ...]:
        """Positions of the findings that are ticked."""
        return tuple(at for at, row in enumerate(self.rows) if row.chosen)

    def fill_packs(self) -> None:
        """List the packs, unless they are listed already."""
        if self.pack_box.count():
            return
        from napari_itaclip.vocabulary.packs import PACKS

        for name, info in PACKS.items():
            mark = " (experimental)" if info.experimental else ""
            tip = f"{info.description}\n{info.classes} classes"
            add_choice(self.pack_box, f"{info.title}{mark}", name, tip)
        add_choice(self.pack_box, "All packs", ALL_PACKS, "Hundreds of words: takes a while.")
        add_choice(self.pack_box, _FILE, None, "Words of your own, from a vocabulary file.")

    def set_ready(self, ready: bool) -> None:
        """Say whether there is an encoded image to look at."""
        self._reason = None if ready else _NOT_READY
        self._update()

    def set_progress(self, part: float | None) -> None:
        """Show how far looking has come, 0 to 1; None when it is over."""
        self._running = part is not None
        self.bar.setVisible(self._running)
        self.bar.setValue(round(1000 * (part or 0)))
        self._update()

    def set_findings(self, findings: Sequence[Finding] | None) -> None:
        """Show what was found; None before anything was looked for."""
        names = [row.name for row in self.rows]
        if findings is not None and names == [each.proposal.prompt.name for each in findings]:
            for row, finding in zip(self.rows, findings, strict=True):
                row.set_known(finding.known_as)
        else:
            self._rebuild(findings or ())
        self.note.setText(_NOTHING if findings is not None and not findings else _HINT)
        self.note.setVisible(not findings)
        self._update()

    # ---- inside ---------------------------------------------------------------------------------

    def _rebuild(self, findings: Sequence[Finding]) -> None:
        for row in self.rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = []
        for at, finding in enumerate(findings):
            row = FindingRow(finding)
            row.toggled.connect(self._update)
            row.shown.connect(lambda at=at: self.shown.emit(at))
            self.rows.append(row)
            self._column.addWidget(row)

    def _on_look(self) -> None:
        if self._running:
            self.stopped.emit()
            return
        choice = self.pack_box.currentData()
        if choice is None:
            choice = self.ask_path()
        if choice is not None:
            self.look_requested.emit(choice)

    def ask_path(self) -> Path | None:
        """Return the vocabulary file that a person chooses, or None."""
        name, _ = QFileDialog.getOpenFileName(self, "Words to look with", "", FILES)
        return Path(name) if name else None

    def _choose_all(self, on: bool) -> None:
        for row in self.rows:
            row.choose(on)
        self._update()

    def _update(self) -> None:
        self.look_button.setText("Stop" if self._running else "Look")
        self.look_button.setAccessibleName(self.look_button.text())
        self.look_button.setEnabled(self._running or self._reason is None)
        tip = _STOP_TIP if self._running else self._reason or _LOOK_TIP
        self.look_button.setToolTip(tip)
        if self._reason is not None and not self.rows:
            self.note.setText(self._reason)
        elif self.note.full_text() == _NOT_READY:
            self.note.setText(_HINT)
        free = any(row.box.isEnabled() for row in self.rows)
        self.all_box.setEnabled(free)
        self.all_box.setToolTip(_ALL_TIP if free else "All of these are in the table already.")
        count = len(self.chosen)
        self.foot.setVisible(bool(self.rows))
        self.add_button.setText(f"Add {count} chosen" if count else "Add chosen")
        self.add_button.setAccessibleName(self.add_button.text())
        self.add_button.setEnabled(count > 0)
        self.add_button.setToolTip(
            "Add the ticked classes to the table, with synonyms and texts. Undo takes them back."
            if count
            else "Tick what is to be added first."
        )


class FindingRow(QWidget):  # type: ignore[misc, unused-ignore]
    """A thumbnail, a class and how much it wins; a click on the thumbnail goes there."""

    toggled = Signal()
    shown = Signal()

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.setObjectName("here_row")
        proposal = finding.proposal
        self.name = proposal.prompt.name
        self.box = QCheckBox()
        self.box.setAccessibleName(f"add {self.name}")
        self.box.toggled.connect(lambda: self.toggled.emit())
        self.picture = QToolButton()
        self.picture.setObjectName("here_thumbnail")
        self.picture.setAutoRaise(True)
        self.picture.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.picture.setIcon(QIcon(_square(finding.thumbnail)))
        self.picture.setAccessibleName(f"show where {self.name} is")
        self.picture.setToolTip(f"Move the view to where “{self.name}” wins most.")
        self.picture.clicked.connect(lambda: self.shown.emit())
        self.title = QElidingLabel(self.name)
        self.detail = QElidingLabel()
        words = ", ".join(proposal.prompt.words)
        for label in (self.title, self.detail):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.title.setToolTip(f"{words}\n{proposal.source}" if proposal.source else words)
        texts = QWidget()
        column = QVBoxLayout(texts)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.title)
        column.addWidget(self.detail)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(make_row([self.box, self.picture, (texts, 1)]))
        self._share = exact(proposal.share)
        self._sure = f"{proposal.confidence:.2f}"
        self.set_known(finding.known_as)

    @property
    def chosen(self) -> bool:
        """Whether it is ticked."""
        return bool(self.box.isEnabled() and self.box.isChecked())

    def choose(self, on: bool) -> None:
        """Tick it, if it is not in the table yet."""
        self.box.setChecked(on and self.box.isEnabled())

    def set_known(self, known_as: str | None) -> None:
        """Say under which class the table has it already; None if it does not."""
        self.box.setEnabled(known_as is None)
        if known_as is not None:
            self.box.setChecked(False)
        self.box.setToolTip(
            f"Add “{self.name}” to the table."
            if known_as is None
            else f"The table has this word already, in the class “{known_as}”."
        )
        rest = f"conf. {self._sure}" if known_as is None else "in the table"
        self.detail.setText(f"{self._share} · {rest}")
        full = f"Share of the image: {self._share}\nMean confidence: {self._sure}"
        self.detail.setToolTip(full if known_as is None else f"{full}\nIn the table: “{known_as}”")


def _square(picture: NDArray[np.uint8]) -> QPixmap:
    """Return a picture (h, w, 3) as a square pixmap, its middle where it is not square."""
    height, width, _ = picture.shape
    data = np.ascontiguousarray(picture)
    image = QImage(data.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    scaled = image.scaled(
        2 * THUMBNAIL,
        2 * THUMBNAIL,
        Qt.AspectRatioMode.KeepAspectRatioByExpanding,
        Qt.TransformationMode.SmoothTransformation,
    )
    left = (scaled.width() - 2 * THUMBNAIL) // 2
    top = (scaled.height() - 2 * THUMBNAIL) // 2
    # `copy` and `fromImage` own their pixels: the bytes above may go.
    return QPixmap.fromImage(scaled.copy(left, top, 2 * THUMBNAIL, 2 * THUMBNAIL))


def connect_here(panel: HerePanel, model: WhatIsHere, section: QCollapsible) -> None:
    """Wire the panel, what is behind it, and the section that it stands in.

    Parameters
    ----------
    panel : HerePanel
        The view.
    model : WhatIsHere
        The decisions; the caller connects its ``said`` and closes it.
    section : QCollapsible
        The packs are listed when it is first opened.
    """
    panel.look_requested.connect(model.look)
    panel.stopped.connect(model.stop)
    panel.shown.connect(model.go_to)
    panel.added.connect(model.add)
    model.progressed.connect(panel.set_progress)
    model.found.connect(panel.set_findings)
    model.state_changed.connect(lambda: panel.set_ready(model.ready))
    panel.set_ready(model.ready)
    section.toggled.connect(lambda opened: panel.fill_packs() if opened else None)
    if section.isExpanded():
        panel.fill_packs()

"""A folder of images in, annotation files out: what, where to, how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_itaclip._widget.batching import BatchDone, Batching, BatchRequest
from napari_itaclip._widget.panels.run_bar import duration_text, progress_text
from napari_itaclip._widget.panels.status_line import StatusLine
from napari_itaclip._widget.parts.choosing import FolderLine, choose_value, fill_formats
from napari_itaclip._widget.parts.form import make_combo, make_icon_button, make_row
from napari_itaclip._widget.parts.remembered import Remembered
from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip.session.outcome import Progress

if TYPE_CHECKING:
    from napari_itaclip.batch.progress import BatchProgress

_NOTE = "Labels every image of a folder with the words and settings of this dock."
_RUN_TIP = "Label the images that are not finished yet; corrected ones stay as they are."
_STOP_TIP = "Stop. What is finished stays; the next run goes on from there."
_REVIEW_TIP = "Walk through the results, the least certain first."
_MISSING = "Choose the images and a folder for each export first."
_NO_REVIEW = "There is no batch in the first export's folder yet."
_STEPS = 1000
_SHOWN_PROBLEMS = 4
_FIRST_FORMAT = "png"


def batch_text(progress: BatchProgress) -> str:
    """Return what the progress bar says: "12 of 60 · 1.3 images/s · 40 s left"."""
    parts = [f"{progress.done} of {progress.total}"]
    if progress.rate:
        parts.append(f"{progress.rate:.2g} images/s")
    if progress.seconds_left is not None and progress.done < progress.total:
        parts.append(f"{duration_text(progress.seconds_left)} left")
    return " · ".join(parts)


class ExportRow(QWidget):  # type: ignore[misc, unused-ignore]
    """A format and a folder, and a button that takes them off the list."""

    changed = Signal()
    removed = Signal()

    def __init__(self, number: int) -> None:
        super().__init__()
        self.setObjectName("batch_export")
        self.format_box = make_combo("batch_format", f"Format of export {number}", "What files.")
        fill_formats(self.format_box)
        self.format_box.currentIndexChanged.connect(lambda: self._on_format())
        self.folder = FolderLine(
            "batch_folder", f"Folder of export {number}", "Where the data set goes."
        )
        self.folder.changed.connect(self.changed)
        self.remove_button = make_icon_button(
            "batch_remove", "cross", f"Remove export {number}", "Write one data set less."
        )
        self.remove_button.clicked.connect(self.removed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            make_row([(self.format_box, 2), (self.folder, 3), self.remove_button], spacing=2)
        )

    def _on_format(self) -> None:
        self.format_box.setToolTip(self.format_box.currentText())  # it may be cut off
        self.changed.emit()

    @property
    def value(self) -> tuple[str, str]:
        """Format and folder."""
        return str(self.format_box.currentData() or ""), self.folder.text


class BatchPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What goes into the dock's section "Batch"."""

    run_requested = Signal(object)
    """A `BatchRequest`."""
    stopped = Signal()
    review_requested = Signal(object)
    """Folder of the batch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("batch_panel")
        self._running = False
        self.rows: list[ExportRow] = []
        self.input = FolderLine(
            "batch_input", "Images", "A folder of images, or files with “;” between them."
        )
        self.input.line.setPlaceholderText("folder of images")
        self.input.changed.connect(self._update)
        self.files_button = _button("Files…", "batch_files", "Choose single images instead.")
        self.files_button.clicked.connect(self._look_for_files)
        self.recursive_box = QCheckBox("and folders inside it")
        self.recursive_box.setObjectName("batch_recursive")
        self.recursive_box.setToolTip("Take the images of all folders below it, too.")
        self.add_button = _button("Add export", "batch_add", "Write another format as well.")
        self.add_button.clicked.connect(lambda: self.add_row())
        self.run_button = _button("Run batch", "batch_run", _RUN_TIP)
        self.run_button.clicked.connect(self._on_run)
        self.review_button = _button("Review…", "batch_review", _REVIEW_TIP)
        self.review_button.clicked.connect(self._on_review)
        self.bar = QProgressBar()
        self.bar.setObjectName("batch_progress")
        self.bar.setAccessibleName("Batch")
        self.problem_note = WrappedLabel()
        self.problem_list = QListWidget()
        self.problem_list.setObjectName("batch_problems")
        self.problem_list.setAccessibleName("Images that could not be labelled")
        self.problem_list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.problem_list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lay_out()
        self.set_progress(None)
        self.set_problems(())

    def _lay_out(self) -> None:
        self._column = QVBoxLayout()
        self._column.setSpacing(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        layout.addWidget(WrappedLabel(_NOTE))
        layout.addWidget(self.input)
        layout.addWidget(make_row([(self.recursive_box, 1), self.files_button]))
        layout.addLayout(self._column)
        layout.addWidget(self.add_button)
        layout.addWidget(make_row([(self.run_button, 2), (self.review_button, 1)]))
        for part in (self.bar, self.problem_note, self.problem_list):
            layout.addWidget(part)

    # ---- what is shown --------------------------------------------------------------------------

    def fill(self, remembered: Remembered) -> None:
        """Put in what was chosen last, unless that was done before."""
        if self.rows:
            return
        if not self.input.text:
            self.input.set_text(remembered.text("batch/input"))
        self.recursive_box.setChecked(remembered.text("batch/recursive") == "yes")
        for line in remembered.lines("batch/exports") or (f"{_FIRST_FORMAT}:",):
            name, _, folder = line.partition(":")
            self.add_row(name, folder)

    def add_row(self, name: str | None = None, folder: str = "") -> ExportRow:
        """Add an export; of the first format that is not exported yet, if none is named."""
        row = ExportRow(len(self.rows) + 1)
        with QSignalBlocker(row):
            choose_value(row.format_box, name or self._free_format(row))
            row.folder.set_text(folder)
        row.changed.connect(self._update)
        row.removed.connect(lambda: self._remove(row))
        self.rows.append(row)
        self._column.addWidget(row)
        self._update()
        return row

    def set_progress(self, progress: BatchProgress | Progress | None) -> None:
        """Show how far it is; None when it is over."""
        self._running = progress is not None
        self.bar.setVisible(self._running)
        if isinstance(progress, Progress):
            part = progress.fraction
            self.bar.setRange(0, 0 if part is None else _STEPS)
            self.bar.setValue(round(_STEPS * (part or 0)))
            self._say(progress_text(progress))
        elif progress is not None:
            self.bar.setRange(0, max(1, progress.total))
            self.bar.setValue(progress.done)
            self._say(batch_text(progress))
        self._update()

    def set_problems(self, problems: tuple[tuple[str, str], ...]) -> None:
        """List the images that could not be labelled, with the reasons."""
        self.problem_list.clear()
        for name, reason in problems:
            item = QListWidgetItem(f"{name}: {reason}")
            item.setToolTip(f"{name}\n{reason}")
            self.problem_list.addItem(item)
        count = len(problems)
        images = "1 image" if count == 1 else f"{count} images"
        self.problem_note.setText(f"{images} could not be labelled:")
        self.problem_note.setVisible(bool(problems))
        self.problem_list.setVisible(bool(problems))
        height = max(1, self.problem_list.sizeHintForRow(0))
        self.problem_list.setFixedHeight(min(count, _SHOWN_PROBLEMS) * height + 6)

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def request(self) -> BatchRequest:
        """What is chosen."""
        texts = [text.strip() for text in self.input.text.split(";")]
        inputs = tuple(Path(text) for text in texts if text)
        if inputs and Path(self.input.text).exists():
            inputs = (Path(self.input.text),)  # a semicolon may be part of a name
        rows = tuple(row.value for row in self.rows)
        return BatchRequest(inputs, self.recursive_box.isChecked(), rows)

    @property
    def home(self) -> Path | None:
        """The first export's folder."""
        text = self.rows[0].folder.text if self.rows else ""
        return Path(text).expanduser() if text else None

    def _on_run(self) -> None:
        if self._running:
            self.stopped.emit()
        else:
            self.run_requested.emit(self.request)

    def _on_review(self) -> None:
        if self.home is not None:
            self.review_requested.emit(self.home)

    def _look_for_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Images to label")
        if paths:
            self.input.set_text("; ".join(paths))

    def _free_format(self, row: ExportRow) -> str:
        taken = {other.value[0] for other in self.rows}
        box = row.format_box
        names = [str(box.itemData(at)) for at in range(box.count())]
        return next((name for name in names if name not in taken), _FIRST_FORMAT)

    def _remove(self, row: ExportRow) -> None:
        self.rows.remove(row)
        self._column.removeWidget(row)
        row.hide()
        row.deleteLater()
        self._update()

    def _say(self, text: str) -> None:
        # A percent sign of the text would be taken for a placeholder.
        self.bar.setFormat(text.replace("%", "%%"))
        self.bar.setToolTip(text)
        self.bar.setAccessibleDescription(text)

    def _update(self) -> None:
        request = self.request
        ready = bool(request.inputs and self.rows) and all(folder for _, folder in request.exports)
        text = "Stop" if self._running else "Run batch"
        self.run_button.setText(text)
        self.run_button.setAccessibleName(text)
        self.run_button.setEnabled(self._running or ready)
        tip = _RUN_TIP if ready else _MISSING
        self.run_button.setToolTip(_STOP_TIP if self._running else tip)
        for row in self.rows:
            row.remove_button.setEnabled(len(self.rows) > 1)
        there = self.home is not None and _has_batch(self.home)
        self.review_button.setEnabled(there and not self._running)
        self.review_button.setToolTip(_REVIEW_TIP if there else _NO_REVIEW)


def _has_batch(folder: Path) -> bool:
    from napari_itaclip.batch.state import STATE_PLACE

    try:
        return folder.joinpath(*STATE_PLACE, "job.json").is_file()
    except (OSError, ValueError):  # a path that cannot be one, while it is being typed
        return False


def _button(text: str, name: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAccessibleName(text)
    button.setToolTip(tooltip)
    button.setAutoDefault(False)
    return button


def connect_batch(
    panel: BatchPanel,
    model: Batching,
    section: QCollapsible,
    status: StatusLine,
    remembered: Remembered,
    review: Callable[[Path], None],
) -> None:
    """Wire the panel, what is behind it, the section that it stands in and the status line.

    Parameters
    ----------
    panel : BatchPanel
        The view.
    model : Batching
        The decisions; the caller closes it.
    section : QCollapsible
        The formats are listed when it is first opened.
    status : StatusLine
        Tells the result.
    remembered : Remembered
        Keeps the images' folder and the exports.
    review : callable
        Opens the review of a batch, by its folder.
    """

    def begin(request: BatchRequest) -> None:
        status.clear_message()
        panel.set_problems(())
        remembered.keep(
            {
                "batch/input": panel.input.text,
                "batch/recursive": "yes" if request.recursive else "no",
                "batch/exports": [f"{name}:{folder}" for name, folder in request.exports],
            }
        )
        model.run(request)

    def show_done(done: BatchDone) -> None:
        panel.set_problems(done.report.failed)
        level = "warning" if done.report.failed else "info"
        way = ("Review…", lambda: review(done.folder))
        status.show_message(done.text, level, way, details=done.details)

    panel.run_requested.connect(begin)
    panel.stopped.connect(model.stop)
    panel.review_requested.connect(review)
    model.progressed.connect(panel.set_progress)
    model.finished.connect(show_done)
    section.toggled.connect(lambda opened: panel.fill(remembered) if opened else None)
    if section.isExpanded():
        panel.fill(remembered)

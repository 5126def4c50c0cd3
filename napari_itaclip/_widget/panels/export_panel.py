"""Labels into files of other tools: which labels, which format, which folder."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_itaclip._widget.export_job import Conflict, ExportDone, ExportRequest
from napari_itaclip._widget.exporting import CURRENT, Exporting, Source
from napari_itaclip._widget.panels.export_options import ExportOptionsForm
from napari_itaclip._widget.panels.status_line import StatusLine
from napari_itaclip._widget.parts.choosing import (
    FolderLine,
    choose_value,
    fill_formats,
    open_folder,
)
from napari_itaclip._widget.parts.form import add_choice, make_combo, make_row
from napari_itaclip._widget.parts.remembered import Remembered
from napari_itaclip._widget.parts.section import make_section
from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip.errors import ItaclipError

_EXPORT_TIP = "Write the labels as they are now, with everything you painted."
_STOP_TIP = "Stop after the image that is being written; what is written stays."
_NO_FOLDER = "Choose a folder first."
_REPLACE = {True: "Replace", "edited": "Replace edited files"}
_SLICES = (
    ("every slice with labels", "all", "Each slice becomes an image of the data set."),
    ("the slice in view", "view", "Just the slice that the viewer shows."),
)
_MESSAGE = "export"
"""Names what messages are about."""


class ExportPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What goes into the dock's section "Export"."""

    export_requested = Signal(object)
    """An `ExportRequest`."""
    stopped = Signal()
    replace_requested = Signal()
    keep_requested = Signal()
    failed = Signal(str)
    """Why something cannot be asked for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("export_panel")
        self._sources: tuple[Source, ...] = ()
        self._running = False
        self._make_boxes()
        self.options = ExportOptionsForm()
        self.options_section = make_section(
            "Options",
            self.options,
            tooltip="What this format leaves to you.",
            name="export_options_section",
        )
        self._make_buttons()
        self._lay_out()
        self.set_progress(None)
        self.set_conflict(None)

    def _make_boxes(self) -> None:
        self.source_box = make_combo("export_source", "Labels to export", "Which labels.")
        self.source_box.currentIndexChanged.connect(lambda: self._update())
        self.slices_box = make_combo("export_slices", "Slices to export", "Which slices.")
        for text, value, tip in _SLICES:
            add_choice(self.slices_box, text, value, tip)
        self.format_box = make_combo("export_format", "Format", "What kind of files.")
        self.format_box.currentIndexChanged.connect(lambda: self._on_format())
        self.description = WrappedLabel()
        self.description.setObjectName("export_description")
        self.folder = FolderLine(
            "export_folder",
            "Folder of the data set",
            "Where the files go. A data set that is there already is extended.",
        )
        self.folder.changed.connect(self._update)
        self.folder.line.returnPressed.connect(self._on_button)

    def _make_buttons(self) -> None:
        self.button = QPushButton("Export")
        self.button.setObjectName("export_button")
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._on_button)
        self.bar = QProgressBar()
        self.bar.setObjectName("export_progress")
        self.bar.setAccessibleName("Exporting")
        self.question = WrappedLabel(max_lines=6)
        self.question.setObjectName("export_question")
        self.replace_button = QPushButton("Replace")
        self.replace_button.setObjectName("export_replace")
        self.keep_button = QPushButton("Keep")
        self.keep_button.setObjectName("export_keep")
        self.keep_button.setToolTip("Leave the data set as it is.")
        for button, signal in (
            (self.replace_button, self.replace_requested),
            (self.keep_button, self.keep_requested),
        ):
            button.setAutoDefault(False)
            button.clicked.connect(signal)

    def _lay_out(self) -> None:
        self.form = QFormLayout()
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setSpacing(4)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.form.addRow("Labels", self.source_box)
        self.form.addRow("Slices", self.slices_box)
        self.form.addRow("Format", self.format_box)
        self.form.addRow(self.description)
        self.form.addRow("Folder", self.folder)
        self.answers = make_row([(self.replace_button, 1), (self.keep_button, 1)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(4)
        layout.addLayout(self.form)
        for part in (
            self.options_section,
            self.button,
            self.bar,
            self.question,
            self.answers,
        ):
            layout.addWidget(part)

    # ---- what is shown --------------------------------------------------------------------------

    def fill(self, remembered: Remembered) -> None:
        """List the formats and put in what was chosen last, unless that was done before."""
        if self.format_box.count():
            return
        with QSignalBlocker(self.format_box):
            fill_formats(self.format_box)
            choose_value(self.format_box, remembered.text("export/format") or "png")
        if not self.folder.text:
            self.folder.set_text(remembered.text("export/folder"))
        self._on_format()

    def set_sources(self, sources: tuple[Source, ...]) -> None:
        """Show what can be exported; the choice stays if it is still there."""
        chosen = self.source.key if self.source is not None else CURRENT
        if sources == self._sources:
            return  # as nearly always: a slider was moved
        self._sources = sources
        with QSignalBlocker(self.source_box):
            self.source_box.clear()
            for at, one in enumerate(sources):
                add_choice(self.source_box, one.title, at, one.reason or one.title)
                index = self.source_box.model().index(at, 0)
                item = self.source_box.model().itemFromIndex(index)
                item.setEnabled(one.reason is None)
            keys = [one.key for one in sources]
            self.source_box.setCurrentIndex(keys.index(chosen) if chosen in keys else 0)
        self._update()

    def set_progress(self, progress: tuple[int, int] | None) -> None:
        """Show how many images are written, of how many; None when it is over."""
        self._running = progress is not None
        done, total = progress or (0, 0)
        self.bar.setVisible(self._running)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setFormat(f"{done} of {total}")
        self._update()

    def set_conflict(self, conflict: Conflict | None) -> None:
        """Ask whether images that are there may be replaced; None asks nothing."""
        self.question.setVisible(conflict is not None)
        self.answers.setVisible(conflict is not None)
        if conflict is not None:
            self.question.setText(f"{conflict.text[:1].upper()}{conflict.text[1:]}.")
            text = _REPLACE[conflict.replace]
            self.replace_button.setText(text)
            self.replace_button.setAccessibleName(text)
            self.replace_button.setToolTip(f"{text}: {', '.join(conflict.names[:20])}")
            self.replace_button.setFocus(Qt.FocusReason.OtherFocusReason)

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def source(self) -> Source | None:
        """What is chosen to be exported."""
        at = self.source_box.currentIndex()
        return self._sources[at] if 0 <= at < len(self._sources) else None

    @property
    def format_name(self) -> str:
        """The format that is chosen; empty before there are any."""
        return str(self.format_box.currentData() or "")

    def _on_button(self) -> None:
        if self._running:
            self.stopped.emit()
            return
        source = self.source
        if source is None or not self.button.isEnabled():
            return
        try:
            options = self.options.options
        except ItaclipError as error:
            self.failed.emit(str(error))
            return
        self.export_requested.emit(
            ExportRequest(
                source.key,
                self.format_name,
                self.folder.text,
                self.slices_box.currentData(),
                options,
            )
        )

    def _on_format(self) -> None:
        if not self.format_name:
            return
        from napari_itaclip.formats.registry import get_format

        text = get_format(self.format_name).description
        self.description.setText(f"{text[:1].upper()}{text[1:].rstrip('.')}.")
        self.options.show_for(self.format_name)
        self.options_section.setVisible(self.options.any_shown)
        self._update()

    def _update(self) -> None:
        source = self.source
        stack = source is not None and source.stack
        self.form.setRowVisible(self.slices_box, stack)
        reason = source.reason if source is not None else "There are no labels yet."
        if reason is None and not self.folder.text:
            reason = _NO_FOLDER
        text = "Stop" if self._running else "Export"
        self.button.setText(text)
        self.button.setAccessibleName(text)
        self.button.setEnabled(self._running or reason is None)
        self.button.setToolTip(_STOP_TIP if self._running else reason or _EXPORT_TIP)


def connect_export(
    panel: ExportPanel,
    model: Exporting,
    section: QCollapsible,
    status: StatusLine,
    remembered: Remembered,
) -> None:
    """Wire the panel, what is behind it, the section that it stands in and the status line.

    Parameters
    ----------
    panel : ExportPanel
        The view.
    model : Exporting
        The decisions; the caller closes it.
    section : QCollapsible
        The formats are listed when it is first opened.
    status : StatusLine
        Tells the result.
    remembered : Remembered
        Keeps format and folder.
    """

    def begin(request: ExportRequest) -> None:
        status.clear_message()
        remembered.keep({"export/format": request.format, "export/folder": request.folder})
        model.export(request)

    def show_done(done: ExportDone) -> None:
        way = ("Open folder", lambda: open_folder(done.folder)) if done.images else None
        status.show_message(done.text, "info", way, details=done.details, key=_MESSAGE)

    panel.export_requested.connect(begin)
    panel.stopped.connect(model.stop)
    panel.replace_requested.connect(model.replace)
    panel.keep_requested.connect(model.keep)
    panel.failed.connect(lambda text: status.show_message(text, "warning"))
    model.progressed.connect(panel.set_progress)
    model.asked.connect(panel.set_conflict)
    model.finished.connect(show_done)
    model.sources_changed.connect(lambda: panel.set_sources(model.sources))
    panel.set_sources(model.sources)

    def on_toggled(opened: bool) -> None:
        if opened:
            panel.set_sources(model.sources)  # layers may have been renamed
            panel.fill(remembered)

    section.toggled.connect(on_toggled)
    if section.isExpanded():
        panel.fill(remembered)

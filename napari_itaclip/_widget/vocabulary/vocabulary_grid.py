"""The table of classes: mouse, keys, drag and drop, over `VocabularyModel`."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView, QWidget

from napari_itaclip._widget.parts.follow import follow
from napari_itaclip._widget.vocabulary.class_color import ClassColor
from napari_itaclip._widget.vocabulary.vocabulary_delegates import FAINT, ClassDelegate, text_color
from napari_itaclip._widget.vocabulary.vocabulary_table import Column, VocabularyModel
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor

WIDEST = {
    Column.COLOR: "",
    Column.SHARE: "100 %",
    Column.CONFIDENCE: "conf.",
    Column.SHOWN: "",
    Column.LOCKED: "",
}
"""The longest text of each column of fixed width; the name takes what is left."""

EMPTY = "No classes yet: type words below, or paste a list."

HEADER_STYLE = "QHeaderView::section { background: transparent; border: none; padding: 2px 4px; }"

FEWEST_ROWS, MOST_ROWS = 4, 12
"""The table asks for room for so many rows; more are scrolled."""


class VocabularyGrid(QTableView):  # type: ignore[misc, unused-ignore]
    """The classes, a row each.

    Parameters
    ----------
    editor
        Whose classes these are.
    parent
        The Qt parent.
    """

    failed = Signal(str)

    def __init__(self, editor: VocabularyEditor, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self._model = VocabularyModel(editor, self)
        self._colors = ClassColor(editor, self)
        self.setModel(self._model)
        self.setItemDelegate(ClassDelegate(self))
        self.setObjectName("vocabulary_table")
        self.setAccessibleName("classes")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(False)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)  # Tab leaves the table, for those without a mouse
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(220)
        self._set_up_headers()
        self._model.failed.connect(self.failed)
        self._model.synced.connect(self._after_sync)
        self._colors.failed.connect(self.failed)
        self.clicked.connect(self._click_color)
        self.selectionModel().currentRowChanged.connect(self._choose)
        follow(self, editor.selection_changed, self._show_selected)
        self._after_sync()

    @property
    def vocabulary_model(self) -> VocabularyModel:
        """The model that this view shows."""
        return self._model

    def chosen_ids(self) -> list[int]:
        """Return the ids of the selected rows, from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self._model.id_at(row) for row in rows]

    def edit_name(self, id: int) -> None:
        """Open the name of a class for typing."""
        row = self._model.row_of(id)
        if row is None:
            return
        self.setFocus()  # takes over what is typed in another name
        if self.state() != QAbstractItemView.State.EditingState:
            self.edit(self._model.index(row, Column.NAME))

    # ---- what a person does -------------------------------------------------------------------

    def remove_chosen(self) -> None:
        """Remove the selected classes."""
        if ids := self.chosen_ids():
            self._editor.remove(ids)

    def duplicate_chosen(self) -> None:
        """Duplicate the selected classes; the name of a single copy is opened for typing."""
        copies = self._editor.duplicate(self.chosen_ids())
        if len(copies) == 1:
            self.edit_name(copies[0])

    def paste(self) -> None:
        """Add the classes of the text in the clipboard."""
        text = QApplication.clipboard().text()
        if not text.strip():
            self.failed.emit("there is no text to paste: copy a list of words first")
            return
        try:
            self._editor.add(text)
        except ItaclipError as error:
            self.failed.emit(str(error))

    def copy(self) -> None:
        """Copy the selected classes as text, all if none is selected."""
        ids = self.chosen_ids() or None
        if self._editor.classes:
            QApplication.clipboard().setText(self._editor.export_text(ids))

    def move_chosen(self, step: int) -> None:
        """Move the selected classes one row up (-1) or down (1)."""
        ids = self.chosen_ids()
        rows = [row for id in ids if (row := self._model.row_of(id)) is not None]
        if rows:
            self._editor.move(ids, max(rows[0] - 1, 0) if step < 0 else rows[-1] + 2)

    def toggle_shown(self) -> None:
        """Hide the selected classes if the first of them is shown, else show them."""
        ids = self.chosen_ids()
        hide = bool(ids) and ids[0] not in self._editor.hidden
        for id in ids:
            self._editor.set_hidden(id, hide)

    # ---- Qt -----------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Claim the table's keys before shortcuts of the window take them."""
        if event.type() == QEvent.Type.ShortcutOverride and self._action_of(event) is not None:
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Do what a key means here."""
        action = self._action_of(event)
        if action is None:
            super().keyPressEvent(event)
        else:
            action()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Click the eye or the lock without selecting the row; else as usual."""
        if not self._click_symbol(event):
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Take two quick clicks on a symbol as two clicks."""
        if not self._click_symbol(event):
            super().mouseDoubleClickEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw the rows, or what to do when there are none."""
        super().paintEvent(event)
        if self._model.rowCount():
            return
        painter = QPainter(self.viewport())
        painter.setPen(text_color(self.palette(), FAINT))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self.viewport().rect().adjusted(8, 4, -8, -4), int(flags), EMPTY)
        painter.end()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return room for the rows, within bounds."""
        rows = min(max(self._model.rowCount(), FEWEST_ROWS), MOST_ROWS)
        return QSize(280, self._height_of(rows))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return room for a few rows."""
        rows = min(max(self._model.rowCount(), 3), FEWEST_ROWS)
        return QSize(220, self._height_of(rows))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Measure columns anew when the font or the style changes."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._measure()

    # ---- inside -------------------------------------------------------------------------------

    def _set_up_headers(self) -> None:
        header = self.horizontalHeader()
        header.setObjectName("vocabulary_header")
        header.setStyleSheet(HEADER_STYLE)
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        header.setMinimumSectionSize(16)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        rows = self.verticalHeader()
        rows.hide()
        rows.setMinimumSectionSize(16)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self._measure()

    def _measure(self) -> None:
        metrics = self.fontMetrics()
        for column, text in WIDEST.items():
            width = metrics.horizontalAdvance(text) + 9 if text else 23
            self.setColumnWidth(column, width)
        self.verticalHeader().setDefaultSectionSize(max(metrics.height() + 8, 24))
        self._after_sync()

    def _height_of(self, rows: int) -> int:
        frame = 2 * self.frameWidth() + 2
        header = self.horizontalHeader().sizeHint().height()
        return int(rows * self.verticalHeader().defaultSectionSize() + header + frame)

    def _action_of(self, event: Any) -> Any:
        """Return what a key does in the table, or None."""
        if event.matches(QKeySequence.StandardKey.Paste):
            return self.paste
        if event.matches(QKeySequence.StandardKey.Copy):
            return self.copy
        key = event.key()
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        plain = modifiers == Qt.KeyboardModifier.NoModifier
        if plain and key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            return self.remove_chosen
        if plain and key == Qt.Key.Key_Space:
            return self.toggle_shown
        if modifiers == Qt.KeyboardModifier.ControlModifier and key == Qt.Key.Key_D:
            return self.duplicate_chosen
        if modifiers == Qt.KeyboardModifier.AltModifier and key == Qt.Key.Key_Up:
            return lambda: self.move_chosen(-1)
        if modifiers == Qt.KeyboardModifier.AltModifier and key == Qt.Key.Key_Down:
            return lambda: self.move_chosen(1)
        return None

    def _click_symbol(self, event: QMouseEvent) -> bool:
        """Toggle what is under the pointer; return whether there was something."""
        index = self.indexAt(event.position().toPoint())
        if event.button() != Qt.MouseButton.LeftButton or not index.isValid():
            return False
        id = self._model.id_at(index.row())
        if index.column() == Column.SHOWN:
            if event.modifiers() & Qt.KeyboardModifier.AltModifier:
                self._editor.isolate(id)
            else:
                self._editor.set_hidden(id, id not in self._editor.hidden)
        elif index.column() == Column.LOCKED:
            self._editor.set_locked(id, id not in self._editor.locked)
        else:
            return False
        event.accept()
        return True

    def _click_color(self, index: QModelIndex) -> None:
        if index.column() == Column.COLOR:
            self._colors.choose(self._model.id_at(index.row()))

    def choose_color(self) -> None:
        """Open the colour dialog for the current class."""
        if self._editor.selected is not None:
            self._colors.choose(self._editor.selected)

    def _choose(self, current: QModelIndex, previous: QModelIndex) -> None:
        # While rows come and go Qt moves the current row by itself: nobody chose that.
        if not self._model.syncing and current.isValid():
            self._editor.select(self._model.id_at(current.row()))

    def _after_sync(self) -> None:
        # Not higher than the rows, so that what is below stays close to them.
        self.setMaximumHeight(self._height_of(max(self._model.rowCount(), FEWEST_ROWS)))
        self.updateGeometry()
        self._show_selected()

    def _show_selected(self) -> None:
        """Make the editor's selected class the current row."""
        row = self._model.row_of(self._editor.selected)
        if row is None:
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())
        elif self.currentIndex().row() != row or not self.selectionModel().hasSelection():
            index = self._model.index(row, Column.NAME)
            self.setCurrentIndex(index)
            self.scrollTo(index)

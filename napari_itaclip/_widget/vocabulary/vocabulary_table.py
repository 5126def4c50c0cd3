"""The classes of a vocabulary as a Qt table model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QMimeData, QModelIndex, QObject, Qt, Signal

from napari_itaclip._widget.parts.follow import follow
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.prompts import ClassPrompt

IDS_FORMAT = "application/x-napari-itaclip-classes"
"""Dragged rows: the ids, separated by blanks."""

NOT_KNOWN = "–"  # noqa: RUF001  (a dash stands for "no number")

Role = Qt.ItemDataRole
NO_INDEX = QModelIndex()


class Column(IntEnum):
    """The columns, from left to right."""

    COLOR = 0
    NAME = 1
    SHARE = 2
    CONFIDENCE = 3
    SHOWN = 4
    LOCKED = 5


TITLES: dict[Column, tuple[str, str]] = {
    Column.COLOR: ("", "Colour of the class in the labels. Click to choose another."),
    Column.NAME: (
        "class",
        "Name of the class, which is also its first word. Double-click or F2 to rename.\n"
        "+2: two synonyms; ¶: an auxiliary text is mixed in.",
    ),
    Column.SHARE: ("share", "How much of the labelled area the class covers."),
    Column.CONFIDENCE: ("conf.", "Mean confidence of the class's pixels, from 0 to 1."),
    Column.SHOWN: (
        "",
        "Whether the class is shown. Click (or Space) to hide it, Alt+click to show it alone.",
    ),
    Column.LOCKED: (
        "",
        "Locked classes keep their pixels, whatever is segmented again. Click to lock.",
    ),
}
"""Title and tooltip of each column."""


class VocabularyModel(QAbstractTableModel):  # type: ignore[misc, unused-ignore]
    """One row for each class, in the vocabulary's order.

    Rows are inserted, moved and removed one by one, so that selection, scroll position and an
    open name editor stay.

    Parameters
    ----------
    editor
        Whose classes these are.
    parent
        The Qt parent.
    """

    failed = Signal(str)
    synced = Signal()
    """After the rows follow the vocabulary again."""

    def __init__(self, editor: VocabularyEditor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self._rows = list(editor.classes)
        self._statistics: dict[int, tuple[float, float]] = {}
        self.syncing = False
        follow(self, editor.changed, self._sync)
        follow(self, editor.display_changed, self._refresh_display)

    # ---- reading ------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = NO_INDEX) -> int:  # noqa: N802
        """Return the number of classes."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = NO_INDEX) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(Column)

    def prompt(self, row: int) -> ClassPrompt:
        """Return the class in a row."""
        return self._rows[row]

    def id_at(self, row: int) -> int:
        """Return the id of the class in a row."""
        return self._rows[row].id or 0

    def row_of(self, id: int | None) -> int | None:
        """Return the row of a class, if it has one."""
        return next((row for row, prompt in enumerate(self._rows) if prompt.id == id), None)

    def is_hidden(self, row: int) -> bool:
        """Tell whether the class in a row is hidden."""
        return self.id_at(row) in self._editor.hidden

    def is_locked(self, row: int) -> bool:
        """Tell whether the class in a row is locked."""
        return self.id_at(row) in self._editor.locked

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        """Return what a cell shows or says."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        prompt, column = self._rows[index.row()], Column(index.column())
        if role in (Role.DisplayRole, Role.EditRole):
            return self._text(prompt, column)
        if role == Role.ToolTipRole:
            return self._tooltip(prompt, index.row(), column)
        if role == Role.AccessibleTextRole:
            return self._spoken(prompt, index.row(), column)
        if role == Role.TextAlignmentRole and column in (Column.SHARE, Column.CONFIDENCE):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        """Return title and tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal or section not in tuple(Column):
            return None
        title, explanation = TITLES[Column(section)]
        if role == Role.DisplayRole:
            return title
        if role == Role.ToolTipRole:
            return explanation
        if role == Role.TextAlignmentRole:
            right = section in (Column.SHARE, Column.CONFIDENCE)
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    # ---- editing and dragging -----------------------------------------------------------------

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what can be done with a cell."""
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled  # between the rows, not onto them
        flags = (
            Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled
        )
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == Column.NAME else flags

    def setData(self, index: QModelIndex, value: Any, role: int = Role.EditRole) -> bool:  # noqa: N802
        """Rename a class; what cannot be used is reported by `failed` and changes nothing."""
        if role != Role.EditRole or index.column() != Column.NAME:
            return False
        try:
            self._editor.rename(self.id_at(index.row()), str(value))
        except ItaclipError as error:
            self.failed.emit(str(error))
            return False
        return True

    def supportedDropActions(self) -> Qt.DropAction:  # noqa: N802
        """Return that rows move and text is copied."""
        return Qt.DropAction.MoveAction | Qt.DropAction.CopyAction

    def supportedDragActions(self) -> Qt.DropAction:  # noqa: N802
        """Return that rows move; elsewhere they are copied as text."""
        return Qt.DropAction.MoveAction | Qt.DropAction.CopyAction

    def mimeTypes(self) -> list[str]:  # noqa: N802
        """Return the formats that may be dropped."""
        return [IDS_FORMAT, "text/plain"]

    def mimeData(self, indexes: Iterable[QModelIndex]) -> QMimeData:  # noqa: N802
        """Return dragged rows as ids and as text."""
        ids = [self.id_at(row) for row in sorted({index.row() for index in indexes})]
        data = QMimeData()
        data.setData(IDS_FORMAT, " ".join(map(str, ids)).encode())
        data.setText(self._editor.export_text(ids))
        return data

    def dropMimeData(  # noqa: N802
        self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: QModelIndex
    ) -> bool:
        """Move rows before ``row`` (negative: to the end), or add the classes of a text."""
        try:
            if data.hasFormat(IDS_FORMAT):
                ids = [int(part) for part in bytes(data.data(IDS_FORMAT).data()).split()]
                self._editor.move(ids, len(self._rows) if row < 0 else row)
            elif data.hasText():
                self._editor.add(data.text())
            else:
                return False
        except ItaclipError as error:
            self.failed.emit(str(error))
            return False
        return True

    # ---- numbers ------------------------------------------------------------------------------

    def set_statistics(self, statistics: Mapping[int, tuple[float, float]]) -> None:
        """Show share (0 to 1) and mean confidence (or NaN) of classes by id."""
        if self._statistics == dict(statistics):
            return
        self._statistics = dict(statistics)
        self._tell(Column.SHARE, Column.CONFIDENCE)

    # ---- inside -------------------------------------------------------------------------------

    def _sync(self) -> None:
        """Bring the rows to the vocabulary's classes with the fewest row operations."""
        classes = self._editor.classes
        kept = {prompt.id for prompt in classes}
        self.syncing = True
        for row in range(len(self._rows) - 1, -1, -1):
            if self._rows[row].id not in kept:
                self.beginRemoveRows(NO_INDEX, row, row)
                del self._rows[row]
                self.endRemoveRows()
        here = {prompt.id for prompt in self._rows}
        for row, prompt in enumerate(classes):
            if prompt.id not in here:
                self.beginInsertRows(NO_INDEX, row, row)
                self._rows.insert(row, prompt)
                self.endInsertRows()
            elif self._rows[row].id != prompt.id:
                source = self.row_of(prompt.id)
                assert source is not None  # it is in `here`
                self.beginMoveRows(NO_INDEX, source, source, NO_INDEX, row)
                self._rows.insert(row, self._rows.pop(source))
                self.endMoveRows()
        changed = [row for row, prompt in enumerate(classes) if prompt != self._rows[row]]
        self._rows = list(classes)
        for row in changed:
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))
        self.syncing = False
        self.synced.emit()

    def _refresh_display(self) -> None:
        self._tell(Column.COLOR, Column.LOCKED)

    def _tell(self, first: Column, last: Column) -> None:
        if self._rows:
            self.dataChanged.emit(self.index(0, first), self.index(len(self._rows) - 1, last))

    def _text(self, prompt: ClassPrompt, column: Column) -> str | None:
        if column == Column.NAME:
            return prompt.name
        share, confidence = self._statistics.get(prompt.id or 0, (math.nan, math.nan))
        if column == Column.SHARE:
            return percent(share)
        if column == Column.CONFIDENCE:
            return NOT_KNOWN if math.isnan(confidence) else f"{confidence:.2f}"
        return None

    def _spoken(self, prompt: ClassPrompt, row: int, column: Column) -> str | None:
        """Return what a screen reader says for a cell."""
        if column == Column.COLOR:
            return f"colour {prompt.color}"
        if column == Column.SHOWN:
            return "hidden" if self.is_hidden(row) else "shown"
        if column == Column.LOCKED:
            return "locked" if self.is_locked(row) else "not locked"
        return self._text(prompt, column)

    def _tooltip(self, prompt: ClassPrompt, row: int, column: Column) -> str:
        if column == Column.NAME:
            return describe(prompt)
        if column == Column.COLOR:
            return f"{prompt.color}: click to choose another colour"
        if column == Column.SHOWN:
            if self.is_hidden(row):
                return "Hidden: click to show, Alt+click to show it alone"
            return "Shown: click (or Space) to hide, Alt+click to show it alone"
        if column == Column.LOCKED:
            if self.is_locked(row):
                return "Locked: its pixels stay. Click to let them change again"
            return "Click to lock: its pixels then stay as they are"
        return f"{self._text(prompt, column)}: {TITLES[column][1]}"


def percent(share: float) -> str:
    """Return a share (0 to 1, or NaN) as ``"31 %"``; little is not rounded to nothing."""
    if math.isnan(share):
        return NOT_KNOWN
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def describe(prompt: ClassPrompt) -> str:
    """Return everything that a row has no room for, a line each."""
    lines = [", ".join(prompt.words)]
    texts = [text.text for text in prompt.auxiliary if text.enabled]
    lines += [f"¶ {text if len(text) <= 120 else text[:119] + '…'}" for text in texts[:5]]
    if prompt.background:
        lines.append("background: everything that is not looked for")
    if prompt.bias:
        lines.append(f"bias {prompt.bias:+.2f}")
    if prompt.threshold:
        lines.append(f"threshold {prompt.threshold:.2f}")
    lines.append(f"value in the labels: {prompt.id}")
    return "\n".join(lines)

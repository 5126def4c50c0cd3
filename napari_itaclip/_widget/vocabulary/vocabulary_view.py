"""The vocabulary in the dock: its title, the table, a line to add classes, the class's details."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QEvent, QPoint, Qt, Signal
from qtpy.QtGui import QIcon, QKeyEvent, QKeySequence, QPalette, QTransform
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_itaclip._widget.parts.follow import follow
from napari_itaclip._widget.parts.form import make_icon_button
from napari_itaclip._widget.parts.icons import draw_icon, follow_theme
from napari_itaclip._widget.vocabulary.class_detail import ClassDetail
from napari_itaclip._widget.vocabulary.pack_menu import PackMenu, make_pack_button
from napari_itaclip._widget.vocabulary.vocabulary_grid import VocabularyGrid
from napari_itaclip._widget.vocabulary.vocabulary_menu import VocabularyMenu
from napari_itaclip._widget.vocabulary.word_line import WordLine
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor

ADD_TOOLTIP = (
    "Type classes and press Enter.\n"
    "building, road: two classes\n"
    "road, street; : one class with a synonym\n"
    "A list with a class in each line can be pasted."
)


class VocabularyView(QWidget):  # type: ignore[misc, unused-ignore]
    """Everything about words.

    Parameters
    ----------
    editor
        The vocabulary that is shown and edited.
    parent
        The Qt parent.
    """

    failed = Signal(str)
    """Something a person did cannot be done: why, and the way out."""

    noticed = Signal(str)
    """Something a person should know, such as words that were left out."""

    def __init__(self, editor: VocabularyEditor, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self.setObjectName("vocabulary_view")
        self.table = VocabularyGrid(editor)
        self.menu = VocabularyMenu(editor, self.table, self)
        self.detail = ClassDetail(editor)
        self.add_line = WordLine("add classes: building, road", keep_on_leave=True)
        self.add_line.setObjectName("vocabulary_add")
        self.add_line.setAccessibleName("add classes")
        self.add_line.setToolTip(ADD_TOOLTIP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.packs = PackMenu(editor, self)
        layout.addLayout(self._header())
        layout.addWidget(self.table, 1)
        layout.addWidget(self.add_line)
        layout.addWidget(self.detail)
        layout.addStretch(0)
        self.add_line.committed.connect(self._add)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._context_menu)
        for part in (self.table, self.menu, self.packs, self.detail):
            part.failed.connect(self.failed)
        self.packs.noticed.connect(self.noticed)
        self.menu.noticed.connect(self.noticed)
        follow(self, editor.noticed, self._notice)
        for signal in (editor.changed, editor.document_changed):
            follow(self, signal, self._show_header)
        self._show_header()

    def set_statistics(self, statistics: Mapping[int, tuple[float, float]]) -> None:
        """Show how much of the picture each class covers.

        Parameters
        ----------
        statistics
            For a class id its share (0 to 1) and mean confidence (0 to 1, or NaN). Classes that
            are missing show a dash.
        """
        self.table.vocabulary_model.set_statistics(statistics)

    def commit_typed(self) -> None:
        """Add what stands in the line below the table, as Enter would."""
        if self.add_line.text().strip():
            self._add(self.add_line.text())

    def focus_add_line(self) -> None:
        """Put the cursor where classes are typed."""
        self.add_line.setFocus()

    def event(self, event: QEvent) -> bool:
        """Claim undo and redo before shortcuts of the window take them."""
        if event.type() == QEvent.Type.ShortcutOverride and _is_undo(event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Undo and redo, wherever the focus is, unless a text line has its own undo."""
        if event.matches(QKeySequence.StandardKey.Redo):
            self._editor.redo()
        elif event.matches(QKeySequence.StandardKey.Undo):
            self._editor.undo()
        else:
            super().keyPressEvent(event)

    # ---- inside -------------------------------------------------------------------------------

    def _header(self) -> QHBoxLayout:
        self.title = QElidingLabel("")
        self.title.setObjectName("vocabulary_title")
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.undo_button = make_icon_button("vocabulary_undo", "undo", "undo", "")
        self.undo_button.clicked.connect(self._editor.undo)
        self.redo_button = make_icon_button("vocabulary_redo", "undo", "redo", "")
        follow_theme(self.redo_button, lambda palette: self.redo_button.setIcon(mirrored(palette)))
        self.redo_button.clicked.connect(self._editor.redo)
        self.menu_button = make_icon_button(
            "vocabulary_menu_button",
            "dots",
            "vocabulary menu",
            "Open, save, paste a list, duplicate, delete, show all …",
        )
        self.menu_button.setMenu(self.menu)
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.setStyleSheet("QToolButton::menu-indicator { image: none; width: 0px; }")
        header = QHBoxLayout()
        header.setSpacing(2)
        header.addWidget(self.title, 1)
        header.addWidget(make_pack_button(self.packs))
        for button in (self.undo_button, self.redo_button, self.menu_button):
            header.addWidget(button)
        return header

    def _show_header(self) -> None:
        editor = self._editor
        self.title.setText(f"{editor.title} •" if editor.dirty else editor.title)
        state = "not saved" if editor.dirty else "saved" if editor.path else "in no file"
        self.title.setToolTip(f"{editor.path or editor.title}: {state}")
        self.title.setAccessibleName(f"vocabulary {editor.title}, {state}")
        self.undo_button.setEnabled(editor.can_undo)
        self.undo_button.setToolTip(
            f"Undo: {editor.undo_text} (Ctrl+Z in the table)"
            if editor.can_undo
            else "Nothing to undo"
        )
        self.redo_button.setEnabled(editor.can_redo)
        self.redo_button.setToolTip(
            f"Redo: {editor.redo_text} (Ctrl+Shift+Z in the table)"
            if editor.can_redo
            else "Nothing to redo"
        )

    def _add(self, text: str) -> None:
        try:
            self._editor.add(text)
        except ItaclipError as error:
            self.failed.emit(str(error))
            return
        self.add_line.clear()

    def _notice(self, text: str) -> None:
        self.noticed.emit(text)

    def _context_menu(self, place: QPoint) -> None:
        self.menu.popup(self.table.viewport().mapToGlobal(place))


def _is_undo(event: QEvent) -> bool:
    return bool(
        event.matches(QKeySequence.StandardKey.Undo) or event.matches(QKeySequence.StandardKey.Redo)
    )


def mirrored(palette: QPalette) -> QIcon:
    """Return the icon of "undo" the other way round: "redo"."""
    icon, undo = QIcon(), draw_icon("undo", palette)
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Disabled):
        pixmap = undo.pixmap(undo.availableSizes(mode)[0], mode)
        icon.addPixmap(pixmap.transformed(QTransform.fromScale(-1, 1)), mode)
    return icon

"""What can be done with a vocabulary as a whole, and with its selected classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QWidget

from napari_itaclip._widget.vocabulary.vocabulary_grid import VocabularyGrid
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.templates import TEMPLATE_SETS

FILES = "Vocabulary (*.yaml *.yml *.json);;All files (*)"


@dataclass(frozen=True)
class Entry:
    """A line of the menu.

    Attributes
    ----------
    name : str
        Object name of the action.
    text : str
        What it is called; a key that does the same in the table stands behind a tab.
    tooltip : str
        What it does.
    run : callable
        Does it.
    why_not : callable
        Returns why it cannot be done now, or None when it can.
    """

    name: str
    text: str
    tooltip: str
    run: Callable[[], object]
    why_not: Callable[[], str | None]


class VocabularyMenu(QMenu):  # type: ignore[misc, unused-ignore]
    """The menu behind ⋯, which is also the table's context menu.

    Parameters
    ----------
    editor
        The vocabulary.
    grid
        The table whose selected rows are meant.
    parent
        The Qt parent.
    """

    failed = Signal(str)
    noticed = Signal(str)

    def __init__(
        self, editor: VocabularyEditor, grid: VocabularyGrid, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._editor = editor
        self._grid = grid
        self.setObjectName("vocabulary_menu")
        self.setToolTipsVisible(True)
        self._entries: dict[str, Entry] = {}
        for group in self._groups():
            for entry in group:
                self._entries[entry.name] = entry
                action = self.addAction(entry.text)
                action.setObjectName(entry.name)
                action.triggered.connect(lambda _=False, entry=entry: self._run(entry))
            self.addSeparator()
        self._make_templates()
        self.aboutToShow.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Enable what can be done, and say of the rest why not."""
        for action in self.actions():
            entry = self._entries.get(action.objectName())
            if entry is not None:
                reason = entry.why_not()
                action.setEnabled(reason is None)
                action.setToolTip(reason or entry.tooltip)
        for action in self.templates.actions():
            action.setChecked(action.text() == self._editor.templates)

    # ---- templates ----------------------------------------------------------------------------

    def _make_templates(self) -> None:
        self.templates = self.addMenu("Templates")
        self.templates.setObjectName("templates_menu")
        self.templates.setToolTipsVisible(True)
        self.templates.menuAction().setToolTip(
            "Sentences that every word is put into. Sentences of your own go into the "
            "vocabulary's file."
        )
        for name in TEMPLATE_SETS:
            action = self.templates.addAction(name)
            action.setObjectName(f"templates_{name}")
            action.setCheckable(True)
            action.setToolTip(_template_tip(name))
            action.triggered.connect(lambda _=False, name=name: self._choose_templates(name))

    def _choose_templates(self, name: str) -> None:
        self._editor.set_templates(name)
        self.refresh()

    # ---- files --------------------------------------------------------------------------------

    def open_file(self) -> None:
        """Ask for a file and open it; undo brings the present words back."""
        path = self.ask_path(save=False)
        if path is not None:
            self._editor.load(path)

    def save(self) -> None:
        """Save to the vocabulary's file; ask for one if there is none."""
        if self._editor.path is None:
            self.save_as()
        else:
            self._editor.save()
            self.noticed.emit(f"saved {self._editor.title}")

    def save_as(self) -> None:
        """Ask for a file and save to it."""
        path = self.ask_path(save=True)
        if path is not None:
            self._editor.save(path)
            self.noticed.emit(f"saved {self._editor.title}")

    def ask_path(self, *, save: bool) -> Path | None:
        """Return the file that a person chooses, or None."""
        dialog = QFileDialog(self.parentWidget())
        dialog.setWindowTitle("Save vocabulary" if save else "Open vocabulary")
        dialog.setNameFilter(FILES)
        if save:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.setDefaultSuffix("yaml")
        else:
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        if self._editor.path is not None:
            dialog.setDirectory(str(self._editor.path.parent))
            dialog.selectFile(self._editor.path.name if save else "")
        elif save:
            dialog.selectFile("vocabulary.yaml")
        chosen = dialog.selectedFiles() if dialog.exec() else []
        dialog.deleteLater()
        return Path(chosen[0]) if chosen else None

    # ---- inside -------------------------------------------------------------------------------

    def _groups(self) -> tuple[tuple[Entry, ...], ...]:
        editor, grid = self._editor, self._grid

        def always() -> str | None:
            return None

        def classes() -> str | None:
            return None if editor.classes else "There are no classes yet"

        def rows() -> str | None:
            return None if grid.chosen_ids() else "Select a class in the table first"

        def hidden() -> str | None:
            return None if editor.hidden else "No class is hidden"

        def clipboard() -> str | None:
            text = QApplication.clipboard().text()
            return None if text.strip() else "There is no text in the clipboard"

        return (
            (
                Entry(
                    "open", "Open…", "Open a vocabulary file in place of these words",
                    self.open_file, always,
                ),
                Entry("save", "Save", "Save to the vocabulary's file", self.save, classes),
                Entry(
                    "save_as", "Save as…", "Save to another file", self.save_as, classes
                ),
            ),
            (
                Entry(
                    "paste", "Paste list\tCtrl+V",
                    "Add the classes in the clipboard: a line each, synonyms after commas",
                    grid.paste, clipboard,
                ),
                Entry(
                    "copy", "Copy as list\tCtrl+C", "Copy the selected classes as text",
                    grid.copy, classes,
                ),
            ),
            (
                Entry(
                    "rename", "Rename\tF2", "Type another name", self._rename, rows
                ),
                Entry("color", "Colour…", "Choose another colour", grid.choose_color, rows),
                Entry(
                    "duplicate", "Duplicate\tCtrl+D",
                    "Copy the selected classes with texts and weights, without synonyms",
                    grid.duplicate_chosen, rows,
                ),
                Entry(
                    "delete", "Delete\tDel", "Remove the selected classes",
                    grid.remove_chosen, rows,
                ),
            ),
            (
                Entry(
                    "select_all", "Select all\tCtrl+A", "Select all classes", grid.selectAll,
                    classes,
                ),
                Entry(
                    "isolate", "Show only this", "Hide all classes but the selected one",
                    self._isolate, rows,
                ),
                Entry("show_all", "Show all", "Show hidden classes again", editor.show_all, hidden),
                Entry(
                    "clear", "Remove all", "Remove all classes (can be undone)", editor.clear,
                    classes,
                ),
            ),
        )  # fmt: skip

    def _run(self, entry: Entry) -> None:
        try:
            entry.run()
        except ItaclipError as error:
            self.failed.emit(str(error))

    def _rename(self) -> None:
        self._grid.edit_name(self._grid.chosen_ids()[0])

    def _isolate(self) -> None:
        self._editor.isolate(self._grid.chosen_ids()[0])


def _template_tip(name: str) -> str:
    """Return what a set of templates says, such as "7 sentences: itap of a {}. …"."""
    sentences = TEMPLATE_SETS[name]
    if not sentences:
        return "The 80 sentences of the CLIP paper for ImageNet"
    if len(sentences) == 1:
        return sentences[0]
    return f"{len(sentences)} sentences: {sentences[0]} …"

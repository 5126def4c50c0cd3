"""Choosing the colour of a class in a dialog that leaves the rest usable."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QWidget

from napari_itaclip._widget.parts.follow import follow
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor


class ClassColor(QObject):  # type: ignore[misc, unused-ignore]
    """Shows one colour dialog at a time; the labels follow while a colour is looked for.

    All that one dialog does is one undo step. Cancelling brings the old colour back.

    Parameters
    ----------
    editor
        Where the colours go.
    parent
        The widget over which the dialog opens.
    """

    failed = Signal(str)

    def __init__(self, editor: VocabularyEditor, parent: QWidget) -> None:
        super().__init__(parent)
        self._editor = editor
        self._over = parent
        self._dialog: QColorDialog | None = None
        self._id = 0
        self._lineage = editor.lineage
        self._before = ""
        follow(self, editor.changed, self._check)

    def choose(self, id: int) -> None:
        """Open the dialog for a class."""
        self._close()
        prompt = self._editor.find(id)
        if prompt is None or prompt.color is None:
            return
        self._id, self._before = id, prompt.color
        self._lineage = self._editor.lineage
        dialog = QColorDialog(QColor(prompt.color), self._over)
        dialog.setObjectName("class_color_dialog")
        dialog.setWindowTitle(f"Colour of {prompt.name}")
        dialog.currentColorChanged.connect(self._try)
        dialog.rejected.connect(self._reject)
        dialog.finished.connect(self._finish)
        self._dialog = dialog
        dialog.show()

    def _try(self, color: QColor) -> None:
        self._set(color.name())

    def _reject(self) -> None:
        self._set(self._before)

    def _set(self, color: str) -> None:
        try:
            self._editor.set_color(self._id, color, merge="dialog")
        except ItaclipError as error:
            self.failed.emit(str(error))

    def _finish(self) -> None:
        self._editor.finish_merge()
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.deleteLater()

    def _check(self) -> None:
        """Close the dialog when its class is gone."""
        if self._editor.find(self._id) is None or self._editor.lineage != self._lineage:
            self._close()

    def _close(self) -> None:
        """Close the dialog with the colour as it is."""
        if self._dialog is not None:
            self._dialog.rejected.disconnect(self._reject)
            self._dialog.currentColorChanged.disconnect(self._try)
            self._dialog.close()

"""How much a person has painted, and the ways back."""

from __future__ import annotations

from enum import Enum

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QToolButton, QWidget
from superqt import QElidingLabel

from napari_itaclip._widget.parts.form import make_icon_button
from napari_itaclip._widget.parts.icons import set_icon


class Reset(Enum):
    """What of a person's edits is given up; the automatic labels come back there."""

    RECTANGLE = "rectangle"
    FIELD = "visible field"
    SLICE = "slice"
    CLASS = "class"
    ALL = "all"


_TITLES = {
    Reset.RECTANGLE: "Reset edits in the rectangle",
    Reset.FIELD: "Reset edits in the visible field",
    Reset.SLICE: "Reset edits in this slice",
    Reset.CLASS: "Reset edits of the selected class",
    Reset.ALL: "Reset all edits",
}

_RESET_TIP = "Bring the automatic labels back there. Ctrl+Z in the labels layer undoes it."
_UNDO_TIP = "Take the last automatic labels back; what you painted stays."
_MENU_TIP = "Reset your edits, or show where they are."
_NO_EDITS = "There are no edits yet: paint on the labels layer to correct it."


def edits_text(count: int) -> str:
    """Return "Edits: 1,204 px kept"."""
    return f"Edits: {count:,} px kept" if count else "Edits: none yet"


class EditsBar(QWidget):  # type: ignore[misc, unused-ignore]
    """How many pixels were painted; undo the last run, reset edits, show them as a layer."""

    undo_run_requested = Signal()
    reset_requested = Signal(object)
    """The `Reset` that was chosen."""
    mask_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("edits_bar")
        self._count = 0
        self._reasons: dict[Reset, str | None] = {Reset.SLICE: None}
        self.label = QElidingLabel()
        self.label.setObjectName("edits_label")
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.undo_button = QToolButton()
        self.undo_button.setObjectName("undo_run_button")
        self.undo_button.setText("last run")
        self.undo_button.setAccessibleName("Undo the last run")
        self.undo_button.setAutoRaise(True)
        self.undo_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        set_icon(self.undo_button, "undo")
        self.undo_button.clicked.connect(self.undo_run_requested)
        self.menu_button = make_icon_button("edits_menu_button", "dots", "Edits menu", _MENU_TIP)
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self._make_menu()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.undo_button)
        layout.addWidget(self.menu_button)
        self.set_undo_reason("Nothing has been segmented yet.")
        self.set_count(0)

    def _make_menu(self) -> None:
        self.menu = QMenu(self.menu_button)
        self.menu.setToolTipsVisible(True)
        self.menu_button.setMenu(self.menu)
        self._resets: dict[Reset, QAction] = {}
        for what, title in _TITLES.items():
            item = self.menu.addAction(title)
            item.setObjectName(f"reset_{what.name.lower()}")
            self._resets[what] = item
        self._resets[Reset.SLICE].setVisible(False)
        self.menu.addSeparator()
        self._mask = self.menu.addAction("Show edits as a layer")
        self._mask.setObjectName("show_edit_mask")
        self._mask.triggered.connect(self.mask_requested)
        self.menu.triggered.connect(self._on_menu)

    def reset_action(self, what: Reset) -> QAction:
        """Return the menu entry of a reset."""
        return self._resets[what]

    def set_count(self, count: int) -> None:
        """Show how many pixels were painted."""
        self._count = count
        text = edits_text(count)
        self.label.setText(text)
        self.label.setAccessibleName(text)
        self.label.setToolTip(
            f"{text}.\nNo run and no change of words alters what you painted."
            if count
            else _NO_EDITS
        )
        self._update_menu()

    def set_undo_reason(self, reason: str | None) -> None:
        """Say why the last run cannot be undone, or with None that it can."""
        self.undo_button.setEnabled(reason is None)
        self.undo_button.setToolTip(_UNDO_TIP if reason is None else reason)

    def set_reset_reason(self, what: Reset, reason: str | None) -> None:
        """Say why one of the resets makes no sense now, or with None that it does."""
        self._reasons[what] = reason
        self._update_menu()

    def set_class_name(self, name: str | None) -> None:
        """Name the class that is selected; None where none is."""
        shown = "the selected class" if name is None else f"“{_shorten(name)}”"
        # An ampersand alone would underline the next letter.
        self._resets[Reset.CLASS].setText(f"Reset edits of {shown}".replace("&", "&&"))
        reason = "No class is selected in the table." if name is None else None
        self.set_reset_reason(Reset.CLASS, reason)

    def set_stack(self, stack: bool) -> None:
        """Say whether the labels have slices."""
        self._resets[Reset.SLICE].setVisible(stack)

    def _on_menu(self, chosen: QAction) -> None:
        for what, item in self._resets.items():
            if item.objectName() == chosen.objectName():
                self.reset_requested.emit(what)

    def _update_menu(self) -> None:
        for what, item in self._resets.items():
            reason = self._reasons.get(what) if self._count else _NO_EDITS
            item.setEnabled(reason is None)
            item.setToolTip(_RESET_TIP if reason is None else reason)
        self._mask.setEnabled(bool(self._count))
        self._mask.setToolTip(
            "Add a layer of the pixels you painted." if self._count else _NO_EDITS
        )


def _shorten(name: str, longest: int = 30) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"

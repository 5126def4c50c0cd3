"""The vocabularies that ship with the plugin, as a menu in the vocabulary's header."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QToolButton, QWidget

from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.trials import add_classes
from napari_itaclip.session.vocabulary_editor import VocabularyEditor

_TIP = "Open a vocabulary that ships with the plugin, by the kind of image. Undo brings yours back."


class PackMenu(QMenu):  # type: ignore[misc, unused-ignore]
    """Lists the packs when it is opened; choosing one opens it in place of the words.

    Parameters
    ----------
    editor
        The vocabulary.
    parent
        The Qt parent.
    """

    failed = Signal(str)
    noticed = Signal(str)

    def __init__(self, editor: VocabularyEditor, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self.setObjectName("pack_menu")
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """List the packs, unless they are listed already."""
        if self.actions():
            return
        from napari_itaclip.vocabulary.packs import PACKS

        benchmarks = QMenu("Benchmarks", self)
        benchmarks.setObjectName("pack_benchmarks")
        additions = QMenu("Add to these words", self)
        additions.setObjectName("pack_additions")
        for menu in (benchmarks, additions):
            menu.setToolTipsVisible(True)
        for name, info in PACKS.items():
            title = info.title + (" (experimental)" if info.experimental else "")
            tip = f"{info.description}\n{info.classes} classes"
            self._entry(benchmarks if info.benchmark else self, f"pack_{name}", title, tip, name)
            if not info.benchmark:
                self._entry(additions, f"pack_add_{name}", title, tip, name, add=True)
        self.addSeparator()
        self.addMenu(additions)
        self.addMenu(benchmarks)

    def open_pack(self, name: str) -> None:
        """Open a pack in place of the present words."""
        from napari_itaclip.vocabulary.packs import PACKS, load_pack

        try:
            self._editor.open(load_pack(name), title=PACKS[name].title)
        except ItaclipError as error:
            self.failed.emit(str(error))

    def add_pack(self, name: str) -> None:
        """Add a pack's classes to the present words."""
        from napari_itaclip.vocabulary.packs import load_pack

        try:
            pack = load_pack(name)
            names = add_classes(self._editor, pack, pack)
        except ItaclipError as error:
            self.failed.emit(str(error))
        else:
            self.noticed.emit(f"added {len(names)} classes")

    def _entry(
        self, menu: QMenu, name: str, title: str, tip: str, pack: str, *, add: bool = False
    ) -> None:
        action = menu.addAction(title.replace("&", "&&"))
        action.setObjectName(name)
        action.setToolTip(tip)
        run = self.add_pack if add else self.open_pack
        action.triggered.connect(lambda: run(pack))


def make_pack_button(menu: PackMenu) -> QToolButton:
    """Return the button that opens the menu, to stand in the vocabulary's header."""
    button = QToolButton()
    button.setObjectName("pack_button")
    button.setText("packs")
    button.setAccessibleName("Vocabularies that ship with the plugin")
    button.setToolTip(_TIP)
    button.setAutoRaise(True)
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setStyleSheet("QToolButton::menu-indicator { image: none; width: 0px; }")
    return button

"""The images of the queue with what was decided of each."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_itaclip.annotation.review_queue import QueueEntry

_KEY = int(Qt.ItemDataRole.UserRole)
_COLUMNS = ("Image", "Doubt", "State")
_DOUBT_TIP = "Mean of 1 - margin over the image's pixels: how close the two best classes are."
_REVIEWED_TIP = "Walk the images, too, that were accepted or fixed in an earlier review."
_LEAST_HEIGHT = 90
_ROW_HEIGHT = 20


class _Tree(QTreeWidget):  # type: ignore[misc, unused-ignore]
    def keyboardSearch(self, search: str) -> None:  # noqa: N802
        """Leave letters to the dock's keys."""


class QueueList(QWidget):  # type: ignore[misc, unused-ignore]
    """A table of the images to be walked; a click looks at one."""

    image_chosen = Signal(str)
    """The key of an image."""
    reviewed_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("queue_list")
        self._entries: tuple[QueueEntry, ...] = ()
        self.tree = _Tree()
        self.tree.setObjectName("queue_table")
        self.tree.setAccessibleName("Images of the queue")
        self.tree.setHeaderLabels(_COLUMNS)
        self.tree.headerItem().setToolTip(1, _DOUBT_TIP)
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.setMinimumHeight(_LEAST_HEIGHT)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            longest = ("0.00", "accepted")[column - 1]
            width = max(
                self.fontMetrics().horizontalAdvance(text) for text in (longest, _COLUMNS[column])
            )
            header.resizeSection(column, width + 20)
        self.tree.currentItemChanged.connect(self._on_current)
        self.reviewed_box = QCheckBox("Show reviewed images")
        self.reviewed_box.setObjectName("reviewed_box")
        self.reviewed_box.setToolTip(_REVIEWED_TIP)
        self.reviewed_box.toggled.connect(self.reviewed_toggled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.tree, 1)
        layout.addWidget(self.reviewed_box)

    def show_entries(self, entries: Sequence[QueueEntry], current: int | None) -> None:
        """Show images and which one is looked at; only what changed is drawn anew."""
        with QSignalBlocker(self.tree):
            if [entry.key for entry in entries] != [entry.key for entry in self._entries]:
                self.tree.clear()
                self.tree.addTopLevelItems([_row(entry) for entry in entries])
            else:
                for place, (old, new) in enumerate(zip(self._entries, entries, strict=True)):
                    if old != new:
                        _fill(self.tree.topLevelItem(place), new)
            self._entries = tuple(entries)
            if current is not None:
                item = self.tree.topLevelItem(current)
                self.tree.setCurrentItem(item)
                self.tree.scrollToItem(item)

    def set_reviewed_shown(self, shown: bool) -> None:
        """Show whether reviewed images are walked, without a signal."""
        with QSignalBlocker(self.reviewed_box):
            self.reviewed_box.setChecked(shown)

    def _on_current(self, item: QTreeWidgetItem | None, _: object) -> None:
        if item is not None:
            self.image_chosen.emit(item.data(0, _KEY))


def _row(entry: QueueEntry) -> QTreeWidgetItem:
    item = QTreeWidgetItem()
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    item.setTextAlignment(1, right)
    item.setSizeHint(0, QSize(0, _ROW_HEIGHT))
    _fill(item, entry)
    return item


def _fill(item: QTreeWidgetItem, entry: QueueEntry) -> None:
    item.setData(0, _KEY, entry.key)
    for column, text in enumerate((entry.name, f"{entry.uncertainty:.2f}", entry.decision or "")):
        item.setText(column, text)
    item.setToolTip(0, entry.name)

"""How the cells of the vocabulary table are drawn: in the palette's colours, at any resolution."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QPointF, QRect, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetrics, QPainter, QPainterPath, QPalette, QPen
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_itaclip._widget.vocabulary.vocabulary_table import Column, VocabularyModel
from napari_itaclip.vocabulary.prompts import ClassPrompt

FAINT = 110
"""Opacity (of 255) of what is secondary."""

_EYE = 14
_GAP = 6


class ClassDelegate(QStyledItemDelegate):  # type: ignore[misc, unused-ignore]
    """Draws every column; edits names."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw a cell: the style's background, then what the column holds."""
        model = index.model()
        if not isinstance(model, VocabularyModel):
            super().paint(painter, option, index)
            return
        self._paint_background(painter, option, index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row, column = index.row(), index.column()
        hidden = model.is_hidden(row)
        color = text_color(option.palette, 255 if not hidden else FAINT)
        prompt = model.prompt(row)
        if column == Column.COLOR:
            paint_swatch(painter, option.rect, prompt.color or "#000000", color, not hidden)
        elif column == Column.SHOWN:
            paint_eye(painter, option.rect, color, not hidden)
        elif column == Column.LOCKED:
            locked = model.is_locked(row)
            lock_color = text_color(option.palette, 255 if locked else 70)
            paint_lock(painter, option.rect, lock_color, locked)
        elif column == Column.NAME:
            _paint_name(painter, option, prompt, color)
        else:
            rect = option.rect.adjusted(2, 0, -4, 0)
            painter.setPen(color)
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(rect, int(flags), str(index.data()))
        painter.restore()

    def createEditor(  # noqa: N802
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget:
        """Return the line in which a name is edited."""
        editor = QLineEdit(parent)
        editor.setObjectName("vocabulary_name_editor")
        editor.setAccessibleName("class name")
        editor.setToolTip("Enter renames, Esc leaves the name as it was")
        return editor

    def setEditorData(self, editor: QWidget, index: QModelIndex) -> None:  # noqa: N802
        """Show the name, but never over what a person has typed already."""
        if not editor.isModified():
            editor.setText(index.data(Qt.ItemDataRole.EditRole))

    def setModelData(  # noqa: N802
        self, editor: QWidget, model: QAbstractItemModel, index: QModelIndex
    ) -> None:
        """Rename, if something was typed."""
        if editor.isModified():
            model.setData(index, editor.text())

    def updateEditorGeometry(  # noqa: N802
        self, editor: QWidget, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Give the editor the name's cell and those of the numbers beside it: names are long."""
        rect = QRect(option.rect)
        if isinstance(option.widget, QAbstractItemView):
            last = option.widget.visualRect(index.siblingAtColumn(Column.CONFIDENCE))
            rect.setRight(max(rect.right(), last.right()))
        editor.setGeometry(rect)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """Return room for a line of text and the symbols."""
        return QSize(_EYE + 2 * _GAP, max(option.fontMetrics.height() + 8, 24))

    def _paint_background(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        style_option = QStyleOptionViewItem(option)
        self.initStyleOption(style_option, index)
        style_option.text = ""
        # A row is what is selected: a frame around the one cell with the focus says nothing.
        style_option.state &= ~QStyle.StateFlag.State_HasFocus
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawControl(
            QStyle.ControlElement.CE_ItemViewItem, style_option, painter, option.widget
        )


def text_color(palette: QPalette, alpha: int) -> QColor:
    """Return the text colour of a palette with an opacity of 0 to 255."""
    color = QColor(palette.color(QPalette.ColorRole.Text))
    color.setAlpha(alpha)
    return color


def marks(prompt: ClassPrompt) -> str:
    """Return what stands behind a name: ``"+2 ¶"``."""
    parts = [f"+{len(prompt.synonyms)}"] if prompt.synonyms else []
    parts += ["¶"] if prompt.auxiliary_texts else []
    return " ".join(parts)


def paint_swatch(
    painter: QPainter, rect: QRect, fill: str, line: QColor, filled: bool = True
) -> None:
    """Draw a class's colour as a rounded square; only its edge when not ``filled``."""
    side = 14.0
    square = QRectF(0.0, 0.0, side, side)
    square.moveCenter(QRectF(rect).center())
    edge = QColor(line)
    edge.setAlpha(90)
    # An edge in the text's colour keeps a swatch visible on a ground of its own colour.
    painter.setPen(QPen(edge if filled else QColor(fill), 1.0 if filled else 2.0))
    painter.setBrush(QColor(fill) if filled else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(square.adjusted(0.5, 0.5, -0.5, -0.5), 3.0, 3.0)


def paint_eye(painter: QPainter, rect: QRect, color: QColor, is_open: bool) -> None:
    """Draw an eye, struck through when not ``is_open``."""
    center = QRectF(rect).center()
    half, height = 7.0, 5.0
    left, right = center - QPointF(half, 0.0), center + QPointF(half, 0.0)
    path = QPainterPath(left)
    path.quadTo(center - QPointF(0.0, 2 * height), right)
    path.quadTo(center + QPointF(0.0, 2 * height), left)
    painter.setPen(QPen(color, 1.3))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)
    if is_open:
        painter.setBrush(color)
        painter.drawEllipse(center, 2.2, 2.2)
    else:
        painter.drawLine(center + QPointF(-5.0, 5.0), center + QPointF(5.0, -5.0))


def paint_lock(painter: QPainter, rect: QRect, color: QColor, is_locked: bool) -> None:
    """Draw a padlock, filled and closed when ``is_locked``."""
    center = QRectF(rect).center()
    body = QRectF(center.x() - 5.0, center.y() - 0.5, 10.0, 7.5)
    lift = 0.0 if is_locked else 1.5
    bow = QPainterPath(QPointF(center.x() - 3.0, body.top()))
    bow.lineTo(center.x() - 3.0, body.top() - 2.5 - lift)
    bow.arcTo(QRectF(center.x() - 3.0, body.top() - 5.5 - lift, 6.0, 6.0), 180.0, -180.0)
    if is_locked:
        bow.lineTo(center.x() + 3.0, body.top())
    painter.setPen(QPen(color, 1.3))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(bow)
    painter.setBrush(color if is_locked else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(body, 1.5, 1.5)


def _paint_name(painter: QPainter, option: Any, prompt: ClassPrompt, color: QColor) -> None:
    """Draw a name, shortened where it is long, and its marks, which are never cut off."""
    rect = option.rect.adjusted(4, 0, -3, 0)
    metrics = QFontMetrics(option.font)
    flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    behind = marks(prompt)
    width = metrics.horizontalAdvance(behind)
    room = rect.width() - (width + _GAP if behind else 0)
    name = metrics.elidedText(prompt.name, Qt.TextElideMode.ElideMiddle, max(room, 0))
    font = option.font
    font.setItalic(prompt.background)
    painter.setFont(font)
    painter.setPen(color)
    painter.drawText(rect, flags, name)
    if behind:
        faint = QColor(color)
        faint.setAlpha(min(color.alpha(), 160))
        painter.setPen(faint)
        place = QRect(rect.right() - width + 1, rect.top(), width, rect.height())
        painter.drawText(place, flags, behind)

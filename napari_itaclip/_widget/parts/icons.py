"""Small icons drawn in the colour of the text around them.

Drawn, not written: characters such as a triangle or a cross are missing from some fonts and come
as coloured pictures from others. They follow the theme because they ask the widget's palette.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QAbstractButton, QWidget

_SCALE = 4
"""Pixels drawn per logical pixel: sharp on every screen there is."""

_RESTYLED = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange, QEvent.Type.Polish)


def _polygon(*corners: tuple[float, float]) -> QPainterPath:
    path = QPainterPath()
    path.addPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
    return path


def _play() -> QPainterPath:
    path = _polygon((4, 2.5), (13, 8), (4, 13.5))
    path.closeSubpath()
    return path


def _cross() -> QPainterPath:
    path = _polygon((4, 4), (12, 12))
    path.addPath(_polygon((12, 4), (4, 12)))
    return path


def _dots() -> QPainterPath:
    path = QPainterPath()
    for x in (3, 8, 13):
        path.addEllipse(QPointF(x, 8), 1.4, 1.4)
    return path


def _undo() -> QPainterPath:
    path = QPainterPath(QPointF(3, 6.5))
    path.lineTo(9.5, 6.5)
    path.arcTo(QRectF(6, 6.5, 7, 7), 90, -180)
    path.lineTo(6, 13.5)
    path.addPath(_polygon((6.5, 3), (3, 6.5), (6.5, 10)))
    return path


def _copy() -> QPainterPath:
    path = QPainterPath()
    path.addRoundedRect(QRectF(5.5, 5.5, 7.5, 8), 1, 1)
    path.addPath(_polygon((3, 10.5), (3, 2.5), (10.5, 2.5)))
    return path


def _right() -> QPainterPath:
    return _polygon((6, 3.5), (10.5, 8), (6, 12.5))


def _down() -> QPainterPath:
    return _polygon((3.5, 6), (8, 10.5), (12.5, 6))


_SHAPES: dict[str, Callable[[], QPainterPath]] = {
    "play": _play,
    "cross": _cross,
    "dots": _dots,
    "undo": _undo,
    "copy": _copy,
    "right": _right,
    "down": _down,
}

_FILLED = {"play", "dots"}

NAMES: tuple[str, ...] = tuple(_SHAPES)
"""What can be drawn."""


def draw_icon(name: str, palette: QPalette, size: int = 16) -> QIcon:
    """Draw an icon in the colours of ``palette``'s button text, also for disabled buttons.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    palette : QPalette
        Where the colours come from.
    size : int
        Width and height in logical pixels.

    Returns
    -------
    QIcon
        The icon.

    Raises
    ------
    KeyError
        If there is no such icon.
    """
    icon = QIcon()
    role = QPalette.ColorRole.ButtonText
    normal = palette.color(QPalette.ColorGroup.Active, role)
    disabled = QColor(normal)
    disabled.setAlphaF(0.4)
    for mode, color in ((QIcon.Mode.Normal, normal), (QIcon.Mode.Disabled, disabled)):
        icon.addPixmap(_pixmap(name, color, size), mode)
    return icon


def _pixmap(name: str, color: QColor, size: int) -> QPixmap:
    pixmap = QPixmap(size * _SCALE, size * _SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size * _SCALE / 16, size * _SCALE / 16)
    if name in _FILLED:
        painter.fillPath(_SHAPES[name](), color)
    else:
        pen = QPen(color, 1.6)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.strokePath(_SHAPES[name](), pen)
    painter.end()
    pixmap.setDevicePixelRatio(_SCALE)
    return pixmap


class _Restyler(QObject):  # type: ignore[misc, unused-ignore]
    """Calls a function again whenever the theme of a widget changes."""

    def __init__(self, widget: QWidget, apply: Callable[[QPalette], None]) -> None:
        super().__init__(widget)
        self._apply = apply
        self._color: QColor | None = None
        self._watched = widget
        widget.installEventFilter(self)
        self._refresh()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look out for another theme; nothing is ever held back."""
        if event is not None and event.type() in _RESTYLED:
            self._refresh()
        return False

    def _refresh(self) -> None:
        palette = self._watched.palette()
        color = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText)
        # Only on a real change: setting an icon is itself a reason to restyle for some widgets.
        if color != self._color:
            self._color = color
            self._apply(palette)


def follow_theme(widget: QWidget, apply: Callable[[QPalette], None]) -> None:
    """Call ``apply`` with the widget's palette now and whenever its text colour changes."""
    _Restyler(widget, apply)


def set_icon(button: QAbstractButton, name: str) -> None:
    """Give a button one of the icons of `NAMES`, in the theme's colours from now on."""
    follow_theme(button, lambda palette: button.setIcon(draw_icon(name, palette)))

"""A part of the dock that folds away."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

from napari_itaclip._widget.parts.icons import draw_icon, follow_theme

_NO_LIMIT = 16_777_215
"""Qt's largest height of a widget."""


def make_section(title: str, content: QWidget, *, tooltip: str, name: str) -> QCollapsible:
    """Return ``content`` under a title that a click folds away and back; folded at first.

    Parameters
    ----------
    title : str
        What stands beside the arrow.
    content : QWidget
        What is shown and hidden.
    tooltip : str
        What the part is for.
    name : str
        Object name of the section; its button has the same with "_button".

    Returns
    -------
    QCollapsible
        The section; its ``toggled`` signal tells whether it is open.
    """
    section = QCollapsible(title)
    section.setObjectName(name)
    placeholder = section.content()
    section.setContent(content)
    section.layout().removeWidget(placeholder)
    placeholder.deleteLater()
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.layout().setSpacing(2)
    # At once: while it moves, everything below moves under the pointer.
    section.setDuration(0)
    content.setMaximumHeight(0)
    content.setVisible(False)

    def open_or_close(opened: bool) -> None:
        # The superclass fixes the height that the content has now; it may grow later.
        content.setMaximumHeight(_NO_LIMIT if opened else 0)
        content.setVisible(opened)

    section.toggled.connect(open_or_close)
    button = section.toggleButton()
    button.setObjectName(f"{name}_button")
    button.setToolTip(tooltip)
    button.setAccessibleName(title)
    button.setIconSize(QSize(12, 12))
    # A heading, not a button that is held down: the theme's look of checked buttons is loud.
    button.setStyleSheet(
        "QPushButton { text-align: left; border: none; outline: none; background: transparent; }"
    )

    def restyle(palette: QPalette) -> None:
        section.setExpandedIcon(draw_icon("down", palette))
        section.setCollapsedIcon(draw_icon("right", palette))

    follow_theme(button, restyle)
    return section

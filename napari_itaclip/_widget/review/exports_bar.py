"""Whether the exported files say what the labels say."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_itaclip._widget.parts.text import WrappedLabel
from napari_itaclip.session.review_exports import WHOLE

_LINES = 3


class ExportsBar(QWidget):  # type: ignore[misc, unused-ignore]
    """One line while all is well; what failed, with a button to try again, otherwise."""

    retry_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("exports_bar")
        self.label = WrappedLabel(max_lines=_LINES)
        self.label.setObjectName("exports_text")
        self.retry_button = QPushButton("Try again")
        self.retry_button.setObjectName("exports_retry")
        self.retry_button.setToolTip("Write the exports again that failed. The labels are safe.")
        self.retry_button.clicked.connect(self.retry_requested)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.retry_button)
        self.show_state(0, False, {})

    def show_state(self, pending: int, busy: bool, errors: Mapping[str, str]) -> None:
        """Show how it stands.

        Parameters
        ----------
        pending : int
            Images whose exports are still to be written.
        busy : bool
            Whether anything is being written.
        errors : mapping of str to str
            What failed and why, see `ExportRefresher.errors`.
        """
        text = exports_text(pending, busy, errors)
        self.label.setText(text)
        details = [f"{key or 'The whole data set'}: {text}" for key, text in errors.items()]
        self.label.setToolTip("\n".join(details))
        self.retry_button.setVisible(bool(errors) and not busy)


def exports_text(pending: int, busy: bool, errors: Mapping[str, str]) -> str:
    """Return how the exports stand, in a sentence; parameters as `ExportsBar.show_state`."""
    if pending:
        return f"Writing exports: {pending} {_images(pending)} left"
    if busy:
        return "Writing exports: the data set's own files"
    if not errors:
        return "Exports are up to date"
    first = next(iter(errors.values()))
    failed = len(errors) - (WHOLE in errors)
    if not failed:
        return f"The data set's own files could not be written: {first}"
    return f"Exports of {failed} {_images(failed)} could not be written: {first}"


def _images(count: int) -> str:
    return "image" if count == 1 else "images"

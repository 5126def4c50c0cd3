"""Export, import and batch: what is behind these sections of the dock, and their wires."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import ref

from napari_itaclip._widget.batching import Batching
from napari_itaclip._widget.column import DockColumn
from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.exploration import Exploration
from napari_itaclip._widget.exporting import Exporting
from napari_itaclip._widget.importing import Importing
from napari_itaclip._widget.panels.batch_panel import connect_batch
from napari_itaclip._widget.panels.export_panel import connect_export
from napari_itaclip._widget.panels.import_panel import connect_import
from napari_itaclip._widget.parts.main_thread import MainThread
from napari_itaclip._widget.parts.remembered import Remembered
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import Message
from napari_itaclip.session.session import Session


class DataSets:
    """What reads and writes annotation files for a dock.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    session : Session
        Has words, settings and the model.
    controller : Controller
        Tells which images have labels.
    dock : DockColumn
        The dock, built; only its life is watched.
    """

    def __init__(
        self, viewer: Any, session: Session, controller: Controller, dock: DockColumn
    ) -> None:
        self.viewer = viewer
        self.exporting = Exporting(viewer, session, controller, MainThread(dock).post)
        self.importing = Importing(viewer, controller, MainThread(dock).post)
        self.batching = Batching(session, MainThread(dock).post)
        self._review: Any = lambda: None

    @property
    def busy(self) -> bool:
        """Whether anything is read, written or labelled."""
        return any(model.busy for model in (self.exporting, self.importing, self.batching))

    def close(self) -> None:
        """Stop everything; what is finished stays."""
        self.importing.close()
        self.exporting.close()
        self.batching.close()

    def connect(self, dock: DockColumn, exploration: Exploration, *, remember: bool) -> None:
        """Wire the dock's sections.

        Parameters
        ----------
        dock : DockColumn
            Has the panels.
        exploration : Exploration
            Compares imported labels.
        remember : bool
            Whether folders and formats are remembered.
        """
        status, remembered = dock.status_line, Remembered(keep=remember)
        connect_export(dock.export_panel, self.exporting, dock.export_section, status, remembered)
        connect_import(dock.import_panel, self.importing, dock.import_section, status, exploration)

        def tell(message: Message) -> None:
            way_out = ("Settings", dock.open_settings) if message.settings else None
            status.show_message(message.text, message.level, way_out)

        def review(folder: Path) -> None:
            try:
                self.review(folder)
            except ItaclipError as error:
                tell(Message(str(error), "error"))

        connect_batch(
            dock.batch_panel, self.batching, dock.batch_section, status, remembered, review
        )
        for model in (self.exporting, self.importing, self.batching):
            model.said.connect(tell)

    def review(self, folder: Path) -> Any:
        """Open the review of a batch beside this dock; return its dock.

        Raises
        ------
        ItaclipError
            If there is no batch, or it cannot be read.
        """
        from napari_itaclip._widget.review.dock import ReviewDock

        dock = self._review()
        if dock is None or dock.closed:
            dock = ReviewDock(self.viewer)
            self.viewer.window.add_dock_widget(dock, name="Review a batch", area="right")
            self._review = ref(dock)
        dock.open_batch(folder)
        return dock

"""Labels of the viewer into annotation files: what is chosen, and the work in its own thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari.layers import Labels
from psygnal import Signal

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.export_job import Conflict, ExportJob, ExportRequest
from napari_itaclip._widget.layers.images import ImageEntry
from napari_itaclip._widget.layers.label_sources import (
    LayerSnapshot,
    check_some,
    label_layers,
    snapshot_of_entry,
    snapshot_of_layer,
)
from napari_itaclip.errors import FormatError, ItaclipError, OutputError
from napari_itaclip.session.outcome import Message, message_of
from napari_itaclip.session.session import Session
from napari_itaclip.session.worker import Post, Stopped, Worker

if TYPE_CHECKING:
    from napari_itaclip.formats.dataset import Replace

CURRENT = "current"
"""The labels of the image that is worked on."""

ALL = "all"
"""The labels of all images."""


@dataclass(frozen=True)
class Source:
    """Something that can be exported.

    Attributes
    ----------
    title : str
        What a person reads.
    key : object
        `CURRENT`, `ALL`, or a weak reference to a labels layer.
    stack : bool
        Whether it has slices.
    reason : str or None
        Why it cannot be exported now.
    """

    title: str
    key: object
    stack: bool = False
    reason: str | None = None


class Exporting:
    """Writes labels of the viewer into data sets.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers are offered.
    session : Session
        Has the words.
    controller : Controller
        Tells which image is looked at, and which have labels.
    post : callable
        Brings a function into the main thread.

    Attributes
    ----------
    busy : bool
        Whether something is being written.
    conflict : Conflict or None
        What waits for a decision.
    sources_changed : Signal()
        `sources` may be others.
    progressed : Signal(object)
        (images done, images) while something is written; None when it is over.
    asked : Signal(object)
        `Conflict` that waits for a decision; None when it waits no more.
    finished : Signal(object)
        `ExportDone`.
    said : Signal(Message)
        Something that a person should read.
    """

    sources_changed = Signal()
    progressed = Signal(object)
    asked = Signal(object)
    finished = Signal(object)
    said = Signal(object)

    def __init__(self, viewer: Any, session: Session, controller: Controller, post: Post) -> None:
        self.viewer = viewer
        self.session = session
        self.controller = controller
        self.conflict: Conflict | None = None
        self.busy = False
        self._worker = Worker(post)
        for emitter in self._emitters():
            emitter.connect(self._on_layers)
        controller.image_changed.connect(self._on_layers)

    def close(self) -> None:
        """Stop after the image that is being written, and let go of everything."""
        for emitter in self._emitters():
            emitter.disconnect(self._on_layers)
        self.controller.image_changed.disconnect(self._on_layers, missing_ok=True)
        self._worker.close()

    # ---- what there is --------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[Source, ...]:
        """What can be exported: the current image, all of them, each labels layer."""
        entry, image = self.controller.entry, self.controller.image
        alive = self._alive()
        none = "There are no labels yet: press Segment first."
        has = entry is not None and entry.labels.alive
        name = "current image" if image is None else f"current: {image.name}"
        found = [
            Source(name, CURRENT, image is not None and image.ndim > 2, None if has else none),
            Source(
                f"all images with labels ({len(alive)})",
                ALL,
                any(len(one.labels.shape) > 2 for one in alive),
                None if alive else none,
            ),
        ]
        for layer in label_layers(self.viewer):
            found.append(Source(f"layer: {layer.name}", ref(layer), layer.ndim > 2))
        return tuple(found)

    # ---- what a person does ---------------------------------------------------------------------

    def export(self, request: ExportRequest) -> None:
        """Write what is asked for; what is there already waits for `replace`."""
        self._set_conflict(None)
        self._start(request, None, False)

    def replace(self) -> None:
        """Replace the images that are in the data set already."""
        conflict = self.conflict
        if conflict is not None:
            self._set_conflict(None)
            self._start(conflict.request, frozenset(conflict.names), conflict.replace)

    def keep(self) -> None:
        """Leave the images that are in the data set as they are."""
        self._set_conflict(None)

    def stop(self) -> None:
        """Stop after the image that is being written."""
        self._worker.cancel()

    # ---- inside ---------------------------------------------------------------------------------

    def _start(self, request: ExportRequest, only: frozenset[str] | None, replace: Replace) -> None:
        if self.busy:
            return
        try:
            folder = _checked_folder(request.folder)
            snapshots = self._snapshots(request)
            check_some(snapshots)
        except (ItaclipError, MemoryError) as error:
            self.said.emit(_as_warning(message_of(error)))
            return
        job = ExportJob(request, folder, snapshots, only, replace)
        self.busy = True
        self.progressed.emit((0, 0))

        def tell(done: int, total: int) -> None:
            self._worker.post(lambda: self.progressed.emit((done, total)))

        self._worker.start(
            lambda ticket: job.steps(ticket, tell), lambda ending: self._on_over(job, ending)
        )

    def _snapshots(self, request: ExportRequest) -> tuple[LayerSnapshot, ...]:
        only_view = request.slices == "view"
        if request.source == CURRENT:
            entry = self.controller.entry
            entries = [entry] if entry is not None and entry.labels.alive else []
        elif request.source == ALL:
            entries = list(self._alive())
        else:
            layer = request.source() if isinstance(request.source, ref) else None
            if layer is None or layer not in self.viewer.layers:
                raise FormatError("That labels layer is gone; choose another one.")
            assert isinstance(layer, Labels)
            found = next((one for one in self._alive() if one.labels.layer is layer), None)
            if found is None:
                return (snapshot_of_layer(layer, self.viewer, only_view=only_view),)
            entries = [found]
        # Only the image in view has a slice in view.
        return tuple(
            snapshot_of_entry(
                one,
                self.viewer,
                self._vocabulary_of(one),
                only_view=only_view and request.source != ALL,
            )
            for one in entries
        )

    def _vocabulary_of(self, entry: ImageEntry) -> Any:
        """Return the table's words if they mean the labels, else those of the labels."""
        editor = self.session.editor
        same = entry.target.lineage == editor.lineage
        return editor.vocabulary if same and editor.vocabulary else entry.target.vocabulary

    def _alive(self) -> tuple[ImageEntry, ...]:
        return tuple(one for one in self.controller.images.entries if one.labels.alive)

    def _on_over(self, job: ExportJob, ending: BaseException | None) -> None:
        self.busy = False
        self.progressed.emit(None)
        if ending is not None and not isinstance(ending, Stopped):
            self.said.emit(message_of(ending))
            return
        done = job.done(stopped=isinstance(ending, Stopped))
        if done.images or done.stopped:
            self.finished.emit(done)
        if done.problems:
            text = done.problems[0]
            if len(done.problems) > 1:
                text = f"{text} And {len(done.problems) - 1} more images could not be written."
            self.said.emit(Message(text, "error"))
        if job.in_the_way:
            self._set_conflict(job.conflict())

    def _set_conflict(self, conflict: Conflict | None) -> None:
        self.conflict = conflict
        self.asked.emit(conflict)

    def _emitters(self) -> tuple[Any, ...]:
        events = self.viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def _on_layers(self, event: Any = None) -> None:
        self.sources_changed.emit()


def _as_warning(message: Message) -> Message:
    """Return a message about something that a person can put right at once as a warning."""
    return replace(message, level="warning")


def _checked_folder(text: str) -> Path:
    if not text:
        raise OutputError("Choose the folder of the data set first.")
    folder = Path(text).expanduser()
    if not folder.is_absolute():
        raise OutputError(f"{text} is no whole path: choose a folder with the button beside it.")
    return folder

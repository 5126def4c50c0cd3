"""The dock that walks through the images of a batch: its parts, and the wires between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_itaclip._widget.parts.main_thread import MainThread
from napari_itaclip._widget.review.ended import EndedReviews
from napari_itaclip._widget.review.ending import Ending
from napari_itaclip._widget.review.review_column import ReviewColumn
from napari_itaclip._widget.review.review_keys import ReviewKeys
from napari_itaclip._widget.review.review_layers import ReviewLayers
from napari_itaclip.annotation.review import UncertainRegion
from napari_itaclip.annotation.review_queue import Order
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import Message
from napari_itaclip.session.review_exports import Finish, Refresh, finish_exports, refresh_exports
from napari_itaclip.session.review_session import ReviewSession

AUTOSAVE_MS = 1000
"""Corrections are on their way to the disk so long after they were made, at the latest."""

_PATIENCE = 1.0
"""For so many seconds closing waits for what is being written; the rest has to go on alone."""

_COUNT_MS = 150
"""The share of edited pixels is counted at most so often."""

_ALL_SHOWN = "All uncertain regions were shown; the next press begins with the first again."
_PICTURE = "picture"
"""Names messages about an image that is not where it was."""


class ReviewDock(ReviewColumn):
    """Reviews the images of a batch in a viewer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer it belongs to.
    parent : QWidget, optional
        Its parent.
    refresh, finish : callable
        Write exports, see `batch.refresh`.

    Attributes
    ----------
    session : ReviewSession or None
        The review under way.
    layers : ReviewLayers or None
        Its layers.
    ended : EndedReviews
        The reviews before.
    """

    def __init__(
        self,
        napari_viewer: Viewer,
        parent: QWidget | None = None,
        *,
        refresh: Refresh = refresh_exports,
        finish: Finish = finish_exports,
    ) -> None:
        super().__init__(parent)
        # napari hands plugins a proxy whose layers are proxies, too: never the same object twice.
        self.viewer: Any = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.session: ReviewSession | None = None
        self.layers: ReviewLayers | None = None
        self._refresh, self._finish = refresh, finish
        self._closed = False
        self.ended = EndedReviews()
        self._main_thread = MainThread(self)
        self._autosave_timer = self._timer(AUTOSAVE_MS, self._autosave)
        self._count_timer = self._timer(_COUNT_MS, self._count)
        self._connect_parts()
        self.keys = ReviewKeys(
            self.viewer,
            self,
            {
                "accept": self.decision_bar.accept_button.click,
                "fix": self.decision_bar.fix_button.click,
                "skip": self.decision_bar.skip_button.click,
                "take_back": self.decision_bar.back_button.click,
                "previous": self.walk_bar.previous_button.click,
                "next": self.walk_bar.next_button.click,
                "next_uncertain": self.decision_bar.uncertain_button.click,
            },
            self.class_list.press_digit,
        )
        self._ending = Ending(self, self.viewer, self.shut)
        self.show_batch(None)

    def _timer(self, interval: int, slot: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(slot)
        return timer

    def _connect_parts(self) -> None:
        self.open_requested.connect(self._choose_batch)
        self.walk_bar.previous_requested.connect(lambda: self._step(-1))
        self.walk_bar.next_requested.connect(lambda: self._step(1))
        self.decision_bar.accept_requested.connect(self._accept)
        self.decision_bar.fix_requested.connect(self._fix)
        self.decision_bar.skip_requested.connect(self._skip)
        self.decision_bar.take_back_requested.connect(self._take_back)
        self.decision_bar.reset_requested.connect(self._reset)
        self.decision_bar.uncertain_requested.connect(self._next_uncertain)
        self.class_list.class_chosen.connect(self._choose_class)
        self.queue_list.image_chosen.connect(self._go_to)
        self.queue_list.reviewed_toggled.connect(self._show_reviewed)
        self.offer_bar.restore_requested.connect(self._restore)
        self.offer_bar.discard_requested.connect(self._discard)
        self.exports_bar.retry_requested.connect(self._retry_exports)

    # ---- a batch -------------------------------------------------------------------------------

    def open_batch(
        self, path: Path, *, order: Order = "uncertainty", include_reviewed: bool = False
    ) -> None:
        """Review a batch, in place of the one before.

        Parameters
        ----------
        path : Path
            An export folder of the batch, or its state folder.
        order : {"uncertainty", "name"}
            In which order the images come.
        include_reviewed : bool
            Whether to walk the images, too, that are done already.

        Raises
        ------
        ItaclipError
            If there is no batch, it cannot be read, or somebody else is working on it. The review
            before goes on then.
        """
        state = BatchState.find(path)
        if self.session is not None and state.folder == self.session.state.folder:
            self._end_session()
        self.ended.check(state)
        session = ReviewSession(
            state,
            self._main_thread.post,
            order=order,
            include_reviewed=include_reviewed,
            refresh=self._refresh,
            finish=self._finish,
        )
        self._end_session()
        self.status_line.clear_message()
        self.session = session
        self.layers = layers = ReviewLayers(self.viewer, session.vocabulary)
        session.read_labels = lambda: layers.labels
        self._connect_session(session, layers)
        self.class_list.set_classes(session.vocabulary)
        self.queue_list.set_reviewed_shown(include_reviewed)
        self.show_batch(state.home.name, str(state.home))
        session.start()
        self._show_exports()

    def _connect_session(self, session: ReviewSession, layers: ReviewLayers) -> None:
        session.image_changed.connect(self._show_image)
        session.labels_changed.connect(layers.replace)
        session.queue_changed.connect(self._show_queue)
        session.offer_changed.connect(self._show_offer)
        session.exports_changed.connect(self._show_exports)
        session.said.connect(self._on_said)
        session.region_found.connect(self._on_region)
        session.not_saved.connect(self._on_not_saved)
        layers.edited.connect(self._on_edited)
        layers.closed.connect(self._on_layer_deleted)
        layers.class_selected.connect(self.class_list.select)
        layers.digit_pressed.connect(self.class_list.press_digit)

    def _choose_batch(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open the folder of a batch")
        if not folder:
            return
        try:
            self.open_batch(Path(folder))
        except ItaclipError as error:
            self.status_line.show_message(str(error), "error")

    def _end_session(self) -> None:
        if self.session is None or self.layers is None:
            return
        self._autosave_timer.stop()
        self._count_timer.stop()
        self.ended.end(self.session, _PATIENCE)
        self.layers.clear()
        self.layers.close()
        self.session = self.layers = None
        self.offer_bar.hide()
        self.show_batch(None)

    # ---- what a person does --------------------------------------------------------------------

    @property
    def _calm(self) -> ReviewSession | None:
        """The session, unless a stroke is being painted: it must end in its own image."""
        drawing = self.layers is not None and self.layers.drawing
        return None if drawing else self.session

    def _accept(self) -> None:
        if self._calm is not None:
            self._calm.accept()

    def _skip(self) -> None:
        if self._calm is not None:
            self._calm.skip()

    def _fix(self) -> None:
        if self.layers is not None:
            self.layers.begin_painting()

    def _take_back(self) -> None:
        if self._calm is not None:
            self._calm.take_back()

    def _reset(self) -> None:
        if self._calm is not None:
            self._calm.revert()

    def _step(self, steps: int) -> None:
        if self._calm is not None:
            self._calm.step(steps)

    def _go_to(self, key: str) -> None:
        if self._calm is not None:
            self._calm.go_to(key)

    def _show_reviewed(self, shown: bool) -> None:
        if self.session is not None:
            self.session.show_reviewed(shown)

    def _choose_class(self, class_id: int) -> None:
        if self.layers is not None:
            self.layers.select_class(class_id)

    def _restore(self) -> None:
        if self._calm is not None:
            self._calm.restore()

    def _discard(self) -> None:
        if self._calm is not None:
            self._calm.discard()

    def _retry_exports(self) -> None:
        if self.session is not None:
            self.session.exports.retry()

    def _next_uncertain(self) -> None:
        if self.session is not None:
            self.session.next_uncertain()

    def _choose_picture_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "The folder that holds the images now")
        if folder and self.session is not None:
            self.session.look_in(Path(folder))

    # ---- what happens --------------------------------------------------------------------------

    def _on_edited(self) -> None:
        # Not started anew by every stroke: who paints on and on is saved all the same.
        for timer in (self._autosave_timer, self._count_timer):
            if not timer.isActive():
                timer.start()

    def _autosave(self) -> None:
        if self.session is not None:
            self.session.note_edits()

    def _count(self) -> None:
        if self.session is not None:
            self.session.recount()
            self._show_state()

    def _on_layer_deleted(self) -> None:
        # Not now: napari is in the middle of removing it.
        QTimer.singleShot(0, self._bring_back)

    def _bring_back(self) -> None:
        if self.session is not None and not self._closed:
            self.session.reload()
            text = "The review needs both layers: they are back, with your corrections."
            self.status_line.show_message(text)

    def _on_region(self, found: UncertainRegion | None) -> None:
        if found is None:
            self.status_line.show_message(_ALL_SHOWN)
        elif self.layers is not None:
            self.layers.look_at(found.region)

    def _on_not_saved(self, key: str, reason: str) -> None:
        if self.session is not None:
            way_back = None if self.session.shows(key) else ("Show it", lambda: self._go_to(key))
            text = f"{key} is not saved, but kept here: accept it again. {reason}"
            self.status_line.show_message(text, "error", way_back)

    def _on_said(self, message: Message) -> None:
        self.status_line.show_message(message.text, message.level)

    def _show_image(self) -> None:
        session, layers = self.session, self.layers
        if session is None or layers is None:
            return
        self.status_line.clear_message(_PICTURE)
        image = session.image
        if session.loading:
            # What is on the screen is another image: nobody may paint in it any more.
            layers.set_editable(False)
        elif image is None or session.labels is None:
            layers.clear()
        else:
            layers.show(image.record.name, image.picture, session.labels)
            self._tell_of_picture(image.problem, image.note)
        self._show_state()

    def _tell_of_picture(self, problem: str | None, note: str | None) -> None:
        if problem is not None:
            way_out = ("Choose folder…", self._choose_picture_folder)
            self.status_line.show_message(problem, "warning", way_out, key=_PICTURE)
        elif note is not None:
            self.status_line.show_message(note, "warning", key=_PICTURE)

    def _show_queue(self) -> None:
        if self.session is None:
            return
        queue = self.session.queue
        self.walk_bar.show_progress(queue.progress)
        self.walk_bar.show_image(queue.current, queue.place, len(queue.entries))
        self.queue_list.show_entries(queue.entries, queue.place)
        self._show_state()

    def _show_state(self) -> None:
        """Show decision and share of corrected pixels, and what can be done."""
        session = self.session
        if session is None:
            return
        image, entry = session.image, session.queue.current
        pixels = 0 if image is None else image.labels.size
        problem = None if image is None else image.problem
        if image is None and entry is not None:
            problem = "The labels cannot be read."
        if session.loading:
            problem = "The image is being read."
        if session.offer is not None:
            problem = "Restore or discard the unsaved corrections first."
        if entry is None:
            problem = "There is no image to decide about."
        self.decision_bar.set_usable(
            image=entry is not None, problem=problem, back=session.can_take_back
        )
        self.decision_bar.show_state(entry, session.edited_pixels, pixels)
        self.decision_bar.reset_button.setVisible(session.offer is None)

    def _show_offer(self) -> None:
        session, layers = self.session, self.layers
        if session is None or layers is None:
            return
        offer = session.offer
        layers.set_editable(offer is None and not session.loading)
        if offer is None or session.queue.current is None:
            self.offer_bar.hide()
        else:
            name = session.queue.current.name
            self.offer_bar.offer(name, offer.saved_at, fits=session.corrections.offer_fits)
        self._show_state()

    def _show_exports(self) -> None:
        if self.session is not None:
            exports = self.session.exports
            self.exports_bar.show_state(exports.pending, exports.busy, exports.errors)

    # ---- the end -------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it has let go of its viewer."""
        return self._closed

    def shut(self) -> None:
        """Keep what was done, and let go of the viewer. Can be called again.

        An export that takes longer goes on in the background, see `ended`.
        """
        if self._closed:
            return
        self._closed = True
        self.keys.close()
        self._end_session()

"""The dock: one column in the order in which a person works, and the wires between its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QWidget

from napari_itaclip._widget.column import DockColumn
from napari_itaclip._widget.competing import Competing
from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.data_sets import DataSets
from napari_itaclip._widget.exploration import Exploration
from napari_itaclip._widget.here import WhatIsHere
from napari_itaclip._widget.layers.image_input import Scope, scope_problem
from napari_itaclip._widget.panels.confusion_panel import connect_confusions
from napari_itaclip._widget.panels.edits_bar import Reset
from napari_itaclip._widget.panels.empty_state import Missing
from napari_itaclip._widget.panels.here_panel import connect_here
from napari_itaclip._widget.panels.hover import HoverReadout
from napari_itaclip._widget.panels.shortcuts import Shortcuts
from napari_itaclip._widget.panels.status_line import Status
from napari_itaclip._widget.panels.suggest_panel import connect_suggest
from napari_itaclip._widget.parts.main_thread import MainThread
from napari_itaclip._widget.preferences import load_preferences, save_preferences
from napari_itaclip._widget.starters import example_words, open_demo_scene
from napari_itaclip._widget.suggesting import Suggesting
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.outcome import Message, Outcome, Progress, Stage
from napari_itaclip.session.run import Load, load_segmenter
from napari_itaclip.session.session import MEGABYTE, Session
from napari_itaclip.session.settings import SessionSettings
from napari_itaclip.session.sources import Sources
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.session.worker_thread import prepare_thread

_SAVE_DELAY_MS = 1000
"""Settings are remembered once they have been left alone so long: a slider is many changes."""

_RESET_SCOPES = {
    Reset.RECTANGLE: Scope.RECTANGLE,
    Reset.FIELD: Scope.FIELD,
    Reset.SLICE: Scope.WHOLE,
}


class SegmentDock(DockColumn):
    """Segments the viewer's images with words.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer it belongs to.
    parent : QWidget, optional
        Its parent.
    settings : SessionSettings, optional
        What to begin with, and not to remember; the person's preferences, if not given.
    load : callable
        Loads a model, see `session.run.load_segmenter`.
    """

    # Qt sends events before the constructor has ended.
    _docked = False
    _closed = False

    def __init__(
        self,
        napari_viewer: Viewer,
        parent: QWidget | None = None,
        *,
        settings: SessionSettings | None = None,
        load: Load = load_segmenter,
    ) -> None:
        super().__init__(parent)
        # napari hands plugins a proxy whose layers are proxies, too: never the same object twice.
        napari_viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.viewer = napari_viewer
        self._remember = settings is None
        self._notes: tuple[str, ...] = ()
        settings = load_preferences() if settings is None else settings
        self.editor = VocabularyEditor()
        self.session = Session(self.editor, settings, MainThread(self).post, prepare_thread, load)
        self.controller = Controller(napari_viewer, self.session)
        self.exploration = Exploration(napari_viewer, self.session, self.controller)
        sources = Sources(MainThread(self).post)
        self.suggesting = Suggesting(napari_viewer, self.session, self.controller, sources)
        self.here = WhatIsHere(napari_viewer, self.session, self.controller)
        self.competing = Competing(self.session, self.controller)
        self.build(napari_viewer, self.controller.follower, self.editor, settings)
        self._connect_input()
        self._connect_session()
        self.hover = HoverReadout(napari_viewer, self.exploration.hover, self)
        self._connect_exploration()
        self._connect_words()
        self.data_sets = DataSets(napari_viewer, self.session, self.controller, self)
        self.data_sets.connect(self, self.exploration, remember=self._remember)
        self.shortcuts = Shortcuts(napari_viewer, self, self._actions())
        self._save_timer = QTimer(self)
        self._save_timer.setSingleShot(True)
        self._save_timer.setInterval(_SAVE_DELAY_MS)
        self._save_timer.timeout.connect(self._save_settings)
        self._watch_the_end()
        self._update()
        self.session.warm_up()

    # ---- wires ----------------------------------------------------------------------------------

    def _connect_input(self) -> None:
        self.empty_state.demo_requested.connect(self._open_demo)
        self.empty_state.open_requested.connect(self._open_image)
        self.empty_state.example_words_requested.connect(self._add_example_words)
        self.input_panel.layer_chosen.connect(self.controller.choose_image)
        self.input_panel.scope_chosen.connect(self._on_scope)
        self.input_panel.level_chosen.connect(self.controller.choose_level)
        self.vocabulary_view.failed.connect(lambda text: self.tell(text, "warning"))
        self.vocabulary_view.noticed.connect(self.tell)
        self.run_bar.run_requested.connect(self.run)
        self.run_bar.cancel_requested.connect(self.session.cancel)
        self.run_bar.preset_chosen.connect(self._on_preset)
        self.run_bar.live_changed.connect(lambda on: self._change_settings(live=on))
        self.edits_bar.undo_run_requested.connect(self.controller.undo_last_run)
        self.edits_bar.reset_requested.connect(self._on_reset)
        self.edits_bar.mask_requested.connect(self.controller.show_edit_mask)
        self.settings_panel.changed.connect(self.session.change_settings)
        self.settings_panel.failed.connect(lambda text: self.tell(text, "warning"))
        # Asking for devices loads torch, which takes seconds: not before somebody wants to know.
        self.settings_section.toggled.connect(lambda on: self._show_devices() if on else None)

    def _connect_session(self) -> None:
        self.session.progressed.connect(self._on_progress)
        self.session.labelled.connect(self._on_labelled)
        self.session.said.connect(self._on_said)
        self.session.settings_changed.connect(self._on_settings)
        self.session.model_loaded.connect(self._update_status)
        self.session.store.changed.connect(self._update_status)
        self.controller.said.connect(self._on_said)
        self.controller.image_changed.connect(self._update)
        self.controller.statistics_changed.connect(self.vocabulary_view.set_statistics)
        self.controller.edits_changed.connect(self._update_edits)
        self.editor.changed.connect(self._update)
        self.editor.selection_changed.connect(self._update_edits)

    def _connect_exploration(self) -> None:
        panel, model = self.explore_panel, self.exploration
        panel.phrase_changed.connect(model.set_phrase)
        panel.phrase_added.connect(self._add_phrase)
        panel.heat_map_toggled.connect(model.set_heat_map)
        panel.kind_changed.connect(model.set_kind)
        panel.uncertainty_toggled.connect(model.set_uncertainty)
        panel.next_uncertain_requested.connect(model.next_uncertain)
        panel.keep_requested.connect(model.keep_as_a)
        panel.compare_toggled.connect(model.set_comparing)
        model.readout_changed.connect(panel.set_readout)
        model.subject_changed.connect(panel.set_subject)
        model.uncertain_changed.connect(panel.set_uncertain_count)
        model.compared.connect(self._on_compared)
        model.state_changed.connect(self._update_exploration)
        model.said.connect(self._on_said)
        layers = model.layers.layers
        layers.visible_changed.connect(self._on_layer_shown)
        layers.deleted.connect(self._on_layer_deleted)
        layers.orphaned.connect(self._on_orphans)
        self.explore_section.toggled.connect(lambda _: self._follow_cursor())

    def _connect_words(self) -> None:
        connect_suggest(self.suggest_panel, self.suggesting, self.suggest_section)
        connect_here(self.here_panel, self.here, self.here_section)
        connect_confusions(self.confusion_panel, self.competing, self.confusion_section)
        for model in (self.suggesting, self.here):
            model.said.connect(self._on_said)

    def _actions(self) -> dict[str, Callable[[], object]]:
        box = self.explore_panel.heat_map_box
        return {
            "run": self.run,
            "cancel": self.session.cancel,
            "next_class": lambda: self.editor.select_neighbour(1),
            "previous_class": lambda: self.editor.select_neighbour(-1),
            "heat_map": lambda: box.isEnabled() and box.toggle(),
            "next_uncertain": self.exploration.next_uncertain,
            "labels": self.controller.toggle_labels,
        }

    # ---- what a person does ---------------------------------------------------------------------

    def run(self) -> None:
        """Segment what is chosen, or say why that cannot be done."""
        self.vocabulary_view.commit_typed()
        problem = self.controller.problem()
        if problem is not None:
            self.tell(problem, "warning")
            if self.controller.image is not None and self.editor.vocabulary is None:
                self.vocabulary_view.focus_add_line()
            return
        self.status_line.clear_message()
        self.controller.segment()

    def tell(self, text: str, level: str = "info") -> None:
        """Show a message in the status line."""
        self.status_line.show_message(text, level)

    def _open_demo(self) -> None:
        layer, vocabulary = open_demo_scene(self.viewer)
        self.controller.follower.choose(layer)
        if self.editor.vocabulary is None:
            self.editor.open(vocabulary)

    def _open_image(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open an image")
        if not paths:
            return
        try:
            self.viewer.open(paths)
        except Exception as error:  # readers are plugins and fail in their own ways
            self.tell(f"napari cannot open {', '.join(paths)}: {error}", "error")

    def _add_example_words(self) -> None:
        self.editor.add(example_words(self.controller.image))

    def _add_phrase(self, phrase: str) -> None:
        try:
            self.editor.add(phrase)
        except ItaclipError as error:
            self.tell(str(error), "warning")
        else:
            self.explore_panel.set_phrase("")
            self.exploration.set_phrase("")

    def _on_scope(self, scope: Scope) -> None:
        self.controller.choose_scope(scope)
        self._update()

    def _on_preset(self, name: str) -> None:
        self._change_settings(preset=name)

    def _on_reset(self, what: Reset) -> None:
        if what is Reset.CLASS:
            self.controller.reset(class_id=self.editor.selected)
        else:
            self.controller.reset(_RESET_SCOPES.get(what))

    def _change_settings(self, **values: Any) -> None:
        try:
            self.session.change_settings(replace(self.session.settings, **values))
        except ItaclipError as error:
            self.tell(str(error), "warning")
            self._on_settings(self.session.settings)

    # ---- what happens ---------------------------------------------------------------------------

    def _on_settings(self, settings: SessionSettings) -> None:
        self.settings_panel.set_settings(settings)
        self.run_bar.set_preset(settings.preset)
        self.run_bar.set_live(settings.live)
        self._update_status()
        if self._remember:
            self._save_timer.start()

    def _save_settings(self) -> None:
        save_preferences(self.session.settings)

    def _on_progress(self, progress: Progress | None) -> None:
        self.run_bar.set_running(progress)
        if progress is None:
            self._update()

    def _on_labelled(self, outcome: Outcome) -> None:
        self._update_edits()
        self._update_status()
        if outcome.stage is Stage.FINAL:
            self._show_notes(outcome.parts[-1].segmentation.notes)

    def _show_notes(self, notes: tuple[str, ...]) -> None:
        """Say what is to be known of a result, once and not after every edit."""
        if notes and notes != self._notes:
            way_out = ("Settings", self.open_settings)
            self.status_line.show_message(notes[0], "info", way_out, details="\n".join(notes))
        self._notes = notes

    def _on_said(self, message: Message) -> None:
        way_out = ("Settings", self.open_settings) if message.settings else None
        self.status_line.show_message(message.text, message.level, way_out)

    def _on_layer_shown(self, image: object, role: str, visible: bool) -> None:
        """Keep a layer's eye and its box in the panel alike."""
        if image is self.controller.image:
            self.exploration.note_shown(role, visible)
            self._update_exploration()

    def _on_layer_deleted(self, image: object, role: str) -> None:
        self._on_layer_shown(image, role, False)
        # What is left of a comparison goes too, once napari has finished with this layer.
        QTimer.singleShot(0, self._match_comparison)

    def _match_comparison(self) -> None:
        self.exploration.set_comparing(self.exploration.comparing)

    def _on_orphans(self) -> None:
        # Not now: napari is in the middle of removing their image.
        QTimer.singleShot(0, self.exploration.layers.layers.sweep)

    def _follow_cursor(self) -> None:
        """Read the cursor while somebody can see the read-out."""
        opened = self.explore_section.isExpanded()
        self.hover.follow(self.controller.image if opened else None)

    def _on_compared(self, counts: tuple[int, int] | None) -> None:
        self.explore_panel.set_changed(*(counts or (None, 0)))

    def _update(self) -> None:
        """Bring everything up to date that depends on the image and on whether there are words."""
        image, words = self.controller.image, self.editor.vocabulary
        missing = Missing.IMAGE if image is None else Missing.NOTHING if words else Missing.WORDS
        self.empty_state.set_missing(missing)
        self.run_bar.set_enabled_reason(self.controller.problem())
        self._follow_cursor()
        self._update_edits()
        self._update_exploration()
        self._update_status()

    def _update_edits(self) -> None:
        entry, image = self.controller.entry, self.controller.image
        alive = entry is not None and entry.labels.alive
        self.edits_bar.set_count(entry.labels.edit_count if entry is not None and alive else 0)
        if entry is None or not alive:
            reason: str | None = "Nothing has been segmented yet."
        elif not entry.labels.can_undo_last_run:
            reason = "The newest change is not a run. Ctrl+Z in the labels layer goes back."
        else:
            reason = None
        self.edits_bar.set_undo_reason(reason)
        self.edits_bar.set_stack(image is not None and image.ndim > 2)
        for what in (Reset.RECTANGLE, Reset.FIELD):
            problem = scope_problem(image, self.viewer, _RESET_SCOPES[what])
            self.edits_bar.set_reset_reason(what, problem)
        self.edits_bar.set_class_name(self._selected_name())

    def _selected_name(self) -> str | None:
        selected = self.editor.selected
        found = (prompt.name for prompt in self.editor.classes if prompt.id == selected)
        return None if selected is None else next(found, None)

    def _update_exploration(self) -> None:
        reason = None if self.exploration.ready else "There is nothing to explore yet: Segment."
        self.explore_panel.set_enabled_reason(reason)
        self.explore_panel.set_kept(self.exploration.kept)
        self.explore_panel.set_heat_map(self.exploration.heat_map)
        self.explore_panel.set_uncertainty(self.exploration.uncertainty)
        self.explore_panel.set_comparing(self.exploration.comparing)

    def _update_status(self) -> None:
        segmenter, store = self.session.segmenter, self.session.store
        self.status_line.set_status(
            Status(
                model=self.session.settings.model_title,
                device="" if segmenter is None else str(segmenter.model.device),
                precision="" if segmenter is None else str(segmenter.model.dtype).split(".")[-1],
                edit_ms=self.session.edit_ms,
                used_mb=round(store.nbytes / MEGABYTE),
                budget_mb=round(store.budget / MEGABYTE),
                over_budget=store.over_budget,
            )
        )

    def _show_devices(self) -> None:
        from napari_itaclip.clip.device import available_devices

        self.settings_panel.set_devices(available_devices())

    # ---- the end --------------------------------------------------------------------------------

    def _watch_the_end(self) -> None:
        """Stop the worker however the dock goes: closed, taken out, with its window or with Qt."""
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut)
        window = getattr(getattr(self.viewer, "window", None), "_qt_window", None)
        if window is not None:
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Shut down when the viewer's window closes."""
        if event.type() == QEvent.Type.Close:
            if event.spontaneous():
                # The person may yet be asked and stay: look again when that is decided.
                QTimer.singleShot(0, self._shut_with_window)
            else:
                # napari has asked already, and deletes the window as soon as it is closed.
                self.shut()
        elif event.type() == QEvent.Type.DeferredDelete:
            self.shut()
        return False

    def event(self, event: QEvent) -> bool:
        """Shut down when napari takes the dock out of its window."""
        if event.type() == QEvent.Type.ParentChange:
            self._docked = self._docked or self.parentWidget() is not None
            QTimer.singleShot(0, self._shut_if_taken_out)
        return bool(super().event(event))

    def closeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Shut down with the dock."""
        self.shut()
        super().closeEvent(event)

    def _shut_with_window(self) -> None:
        window = getattr(getattr(self.viewer, "window", None), "_qt_window", None)
        if window is None or not window.isVisible():
            self.shut()

    def _shut_if_taken_out(self) -> None:
        if self._docked and self.parentWidget() is None:
            self.shut()

    def shut(self) -> None:
        """Stop what runs and let go of the viewer; what is in it stays. Can be called again."""
        if self._closed:
            return
        self._closed = True
        if self._save_timer.isActive():
            self._save_timer.stop()
            self._save_settings()
        self.shortcuts.close()
        self.hover.close()
        self.exploration.close()
        for model in (self.suggesting, self.here, self.competing):
            model.close()
        self.data_sets.close()
        self.input_panel.close_panel()
        self.controller.close()
        self.session.close()

"""The parts of the dock, in one column in the order in which a person works."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_itaclip._widget.layers.layer_follower import LayerFollower
from napari_itaclip._widget.panels.batch_panel import BatchPanel
from napari_itaclip._widget.panels.confusion_panel import ConfusionPanel
from napari_itaclip._widget.panels.edits_bar import EditsBar
from napari_itaclip._widget.panels.empty_state import EmptyState
from napari_itaclip._widget.panels.explore_panel import ExplorePanel
from napari_itaclip._widget.panels.export_panel import ExportPanel
from napari_itaclip._widget.panels.help_panel import HelpPanel
from napari_itaclip._widget.panels.here_panel import HerePanel
from napari_itaclip._widget.panels.import_panel import ImportPanel
from napari_itaclip._widget.panels.input_panel import InputPanel
from napari_itaclip._widget.panels.run_bar import RunBar
from napari_itaclip._widget.panels.settings_panel import SettingsPanel
from napari_itaclip._widget.panels.status_line import StatusLine
from napari_itaclip._widget.panels.suggest_panel import SuggestPanel
from napari_itaclip._widget.parts.section import make_section
from napari_itaclip._widget.vocabulary.vocabulary_view import VocabularyView
from napari_itaclip.session.settings import SessionSettings
from napari_itaclip.session.vocabulary_editor import VocabularyEditor

MINIMUM_WIDTH = 280
"""Of the dock, in pixels: everything can be read and reached at this width."""


class DockColumn(QWidget):
    """The dock without its wires; `build` makes and lays out its parts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("itaclip_dock")
        self.setMinimumWidth(MINIMUM_WIDTH)

    def build(
        self,
        viewer: Any,
        follower: LayerFollower,
        editor: VocabularyEditor,
        settings: SessionSettings,
    ) -> None:
        """Make the parts.

        Parameters
        ----------
        viewer : napari.Viewer
            Whose images are offered.
        follower : LayerFollower
            Keeps up with them.
        editor : VocabularyEditor
            The table's content.
        settings : SessionSettings
            What is shown at first.
        """
        self.empty_state = EmptyState()
        self.input_panel = InputPanel(viewer, follower)
        self.vocabulary_view = VocabularyView(editor)
        self.run_bar = RunBar()
        self.run_bar.set_preset(settings.preset)
        self.run_bar.set_live(settings.live)
        self.edits_bar = EditsBar()
        self.explore_panel = ExplorePanel()
        self.suggest_panel = SuggestPanel()
        self.here_panel = HerePanel()
        self.confusion_panel = ConfusionPanel()
        self.export_panel = ExportPanel()
        self.import_panel = ImportPanel()
        self.batch_panel = BatchPanel()
        self.settings_panel = SettingsPanel(settings)
        self.status_line = StatusLine()
        self._make_sections()
        self._lay_out()

    def _make_sections(self) -> None:
        self.explore_section = make_section(
            "Explore",
            self.explore_panel,
            tooltip="Heat maps, uncertainty, comparison, and the classes under the cursor.",
            name="explore_section",
        )
        self.suggest_section = make_section(
            "Suggest",
            self.suggest_panel,
            tooltip="Other words and definitions for the selected class, and what each would do.",
            name="suggest_section",
        )
        self.here_section = make_section(
            "What is here?",
            self.here_panel,
            tooltip="Which words of a pack are in the image.",
            name="here_section",
        )
        self.confusion_section = make_section(
            "Confusions",
            self.confusion_panel,
            tooltip="Which classes compete, and what may help.",
            name="confusion_section",
        )
        self.export_section = make_section(
            "Export",
            self.export_panel,
            tooltip="Write the labels into files that other tools read.",
            name="export_section",
        )
        self.import_section = make_section(
            "Import",
            self.import_panel,
            tooltip="Open labels from files as a layer.",
            name="import_section",
        )
        self.batch_section = make_section(
            "Batch",
            self.batch_panel,
            tooltip="Label a folder of images with the words and settings of this dock.",
            name="batch_section",
        )
        self.settings_section = make_section(
            "Settings",
            self.settings_panel,
            tooltip="Model, device, memory, and what differs from the preset.",
            name="settings_section",
        )
        self.help_section = make_section(
            "Help", HelpPanel(), tooltip="How to work, and the keys.", name="help_section"
        )

    def _lay_out(self) -> None:
        column = QWidget()
        rows = QVBoxLayout(column)
        rows.setContentsMargins(8, 8, 8, 4)
        rows.setSpacing(8)
        rows.addWidget(self.empty_state)
        rows.addWidget(self.input_panel)
        rows.addWidget(self.vocabulary_view, 1)
        rows.addWidget(self.suggest_section)
        for part in (
            self.run_bar,
            self.edits_bar,
            self.explore_section,
            self.here_section,
            self.confusion_section,
            self.export_section,
            self.import_section,
            self.batch_section,
            self.settings_section,
            self.help_section,
        ):
            rows.addWidget(part)
        self.scroll_area = QScrollArea()
        self.scroll_area.setObjectName("dock_scroll_area")
        self.scroll_area.setWidgetResizable(True)
        self.scroll_area.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll_area.setWidget(column)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.setSpacing(0)
        around.addWidget(self.scroll_area, 1)
        # Below the scroll area: errors must be seen wherever a person has scrolled to.
        around.addWidget(self.status_line)

    def open_settings(self) -> None:
        """Unfold the settings and bring them into view."""
        self.settings_section.expand()
        self.scroll_area.widget().layout().activate()
        self.scroll_area.ensureWidgetVisible(self.settings_section)

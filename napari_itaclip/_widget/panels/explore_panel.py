"""Looking into a result: heat map, uncertainty, comparison, and the classes under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtGui import QKeyEvent, QStandardItemModel
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QElidingLabel

from napari_itaclip._widget.layers.explore_layers import HeatKind
from napari_itaclip._widget.panels.readout_bars import ReadoutBars, ReadoutRow, percent
from napari_itaclip._widget.panels.shortcuts import with_keys
from napari_itaclip._widget.parts.form import add_choice, make_combo, make_row

PHRASE_DELAY_MS = 200
"""A phrase counts once nothing was typed for so long: half a word is no phrase."""

_PHRASE_TIP = (
    "Show where a word or phrase is found, without adding it to the table.\n"
    "Enter looks at once, Escape goes back to the selected class."
)
_ADD_TIP = "Add this phrase to the table as a class."
_HEAT_TIP = "Show where the phrase above is found or, without one, the class selected in the table."
_KIND_TIPS = {
    HeatKind.PROBABILITY: "How likely it is against all other classes, 0 to 1.",
    HeatKind.SIMILARITY: "How well it fits by itself, whatever other classes there are.",
}
_UNCERTAINTY_TIP = "Show where the two best classes are close: bright places are worth a look."
_NEXT_TIP = (
    "Go to the next place where the labels are least certain.\n"
    "The number tells how many there are to visit; places that you painted are left out."
)
_KEEP_TIP = "Keep the present labels as A, to compare them with what other words give."
_COMPARE_TIP = (
    "Show A to the right of the image. What changed since is marked in pink over the image."
)
_READOUT_TIP = "The five most likely classes of the pixel under the cursor."

_NO_PHRASE = "Type a phrase first."
_NOTHING_UNCERTAIN = "No uncertain place is left to visit."
_NOT_SEARCHED = "There are no labels to review yet: press Segment first."
_NOTHING_KEPT = "Nothing to compare with: press “Keep as A” first."


class PhraseEdit(QLineEdit):  # type: ignore[misc, unused-ignore]
    """A line for a phrase that Escape empties."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Empty the line on Escape; an empty one lets the key through."""
        if event is not None and event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
            return
        super().keyPressEvent(event)


class ExplorePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """What goes into the dock's section "Explore".

    It shows what it is told and says what a person wants; the setters emit nothing. Typing a phrase
    turns the heat map on, because there would be nothing to see else.
    """

    phrase_changed = Signal(str)
    """The phrase, without space around it; empty when it is gone."""
    phrase_added = Signal(str)
    """The phrase is to become a class."""
    heat_map_toggled = Signal(bool)
    kind_changed = Signal(object)
    """A `HeatKind`."""
    uncertainty_toggled = Signal(bool)
    next_uncertain_requested = Signal()
    keep_requested = Signal()
    compare_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("explore_panel")
        self._reason: str | None = None
        self._kind_reasons: dict[HeatKind, str | None] = {}
        self._count: int | None = None
        self._kept: str | None = None
        self._phrase = ""
        self._make_heat_map()
        self._make_uncertainty()
        self._make_comparison()
        self.heading = QLabel("Under the cursor")
        self.heading.setObjectName("readout_heading")
        self.heading.setIndent(0)
        self.heading.setToolTip(_READOUT_TIP)
        self.readout = ReadoutBars()
        self.readout.setToolTip(_READOUT_TIP)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(PHRASE_DELAY_MS)
        self._delay.timeout.connect(self._tell_phrase)
        self._lay_out()
        self.set_subject(None)
        self.set_changed(None)
        self._update_controls()

    # ---- making ----------------------------------------------------------------------------------

    def _make_heat_map(self) -> None:
        self.phrase_edit = PhraseEdit()
        self.phrase_edit.setObjectName("phrase_edit")
        self.phrase_edit.setPlaceholderText("any word or phrase…")
        self.phrase_edit.setAccessibleName("Phrase to look for")
        self.phrase_edit.setClearButtonEnabled(True)
        self.phrase_edit.setMinimumWidth(60)
        self.phrase_edit.textChanged.connect(self._on_phrase)
        self.phrase_edit.returnPressed.connect(self._tell_phrase)
        self.add_button = _button("add_phrase_button", "Add", "Add the phrase as a class")
        self.add_button.clicked.connect(self._on_add)
        self.heat_map_box = _check_box("heat_map_box", "Heat map")
        self.heat_map_box.toggled.connect(self.heat_map_toggled)
        self.kind_box = make_combo("heat_kind_box", "What the heat map shows", "")
        for kind in HeatKind:
            add_choice(self.kind_box, kind.value, kind, _KIND_TIPS[kind])
        self.kind_box.currentIndexChanged.connect(self._on_kind)
        self.subject_label = _quiet_label("heat_subject_label")

    def _make_uncertainty(self) -> None:
        self.uncertainty_box = _check_box("uncertainty_box", "Uncertainty")
        self.uncertainty_box.toggled.connect(self.uncertainty_toggled)
        self.next_button = _button("next_uncertain_button", "Next", "Next uncertain region")
        self.next_button.clicked.connect(lambda: self.next_uncertain_requested.emit())

    def _make_comparison(self) -> None:
        self.keep_button = _button("keep_button", "Keep as A", "Keep the present labels as A")
        self.keep_button.clicked.connect(lambda: self.keep_requested.emit())
        self.compare_box = _check_box("compare_box", "Compare with A")
        self.compare_box.toggled.connect(self._on_compare)
        self.changed_label = _quiet_label("changed_label")

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 0, 4, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        grid.addWidget(make_row([(self.phrase_edit, 1), self.add_button]), 0, 0, 1, 2)
        grid.addWidget(self.heat_map_box, 1, 0)
        grid.addWidget(self.kind_box, 1, 1)
        grid.addWidget(self.subject_label, 2, 0, 1, 2)
        grid.addWidget(self.uncertainty_box, 3, 0)
        grid.addWidget(self.next_button, 3, 1)
        grid.addWidget(self.compare_box, 4, 0)
        grid.addWidget(self.keep_button, 4, 1)
        grid.addWidget(self.changed_label, 5, 0, 1, 2)
        grid.addWidget(self.heading, 6, 0, 1, 2)
        grid.addWidget(self.readout, 7, 0, 1, 2)

    # ---- what is shown ---------------------------------------------------------------------------

    @property
    def phrase(self) -> str:
        """The phrase as it stands in the line, without space around it."""
        return str(self.phrase_edit.text()).strip()

    @property
    def kind(self) -> HeatKind:
        """What the heat map shows."""
        return HeatKind(self.kind_box.currentData())

    def set_phrase(self, phrase: str) -> None:
        """Put a phrase into the line."""
        # Told already: the signals are not blocked, since the line's own clear button needs them.
        self._phrase = phrase.strip()
        self.phrase_edit.setText(phrase)
        self.phrase_edit.setCursorPosition(0)
        self._delay.stop()

    def set_subject(self, name: str | None) -> None:
        """Say what the heat map is of; None if neither a class nor a phrase is chosen."""
        text = "Heat map of: nothing yet" if name is None else f"Heat map of: {name}"
        self.subject_label.setText(text)
        self.subject_label.setAccessibleName(text)
        self.subject_label.setToolTip(f"{text}\n{_HEAT_TIP}")

    def set_heat_map(self, shown: bool) -> None:
        """Say whether the heat map is shown."""
        _check(self.heat_map_box, shown)

    def set_kind(self, kind: HeatKind) -> None:
        """Say what the heat map shows."""
        with QSignalBlocker(self.kind_box):
            self.kind_box.setCurrentIndex(list(HeatKind).index(kind))
        self._update_controls()

    def set_kind_reason(self, kind: HeatKind, reason: str | None) -> None:
        """Say why one kind of heat map cannot be chosen now, or with None that it can."""
        self._kind_reasons[kind] = reason
        at = list(HeatKind).index(kind)
        tip = _KIND_TIPS[kind] if reason is None else reason
        self.kind_box.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)
        model = self.kind_box.model()
        if isinstance(model, QStandardItemModel) and (item := model.item(at)) is not None:
            item.setEnabled(reason is None)
        self._update_controls()

    def set_uncertainty(self, shown: bool) -> None:
        """Say whether the uncertainty layer is shown."""
        _check(self.uncertainty_box, shown)

    def set_uncertain_count(self, count: int | None) -> None:
        """Say how many uncertain places are left to visit; None before there is a result."""
        self._count = count
        self._update_controls()

    def set_kept(self, description: str | None) -> None:
        """Say what is kept as A, such as "aerial.yaml, 12:04"; None for nothing."""
        self._kept = description
        self._update_controls()
        if description is None or not self.compare_box.isChecked():
            self.set_changed(None)

    def set_comparing(self, shown: bool) -> None:
        """Say whether A is shown beside the image."""
        _check(self.compare_box, shown)
        if not shown:
            self.set_changed(None)

    def set_changed(self, changed: int | None, total: int = 0) -> None:
        """Show how many of ``total`` pixels changed their class since A; None if not compared."""
        if changed is not None:
            share = f" ({percent(changed / total)})" if total else ""
            text = f"{changed:,} px changed since A{share}" if changed else "No change since A"
        elif self._kept is not None:
            text = f"A: {self._kept}"
        else:
            text = "A: nothing kept yet"
        self.changed_label.setText(text)
        self.changed_label.setAccessibleName(text)
        kept = f"\nA: {self._kept}" if self._kept is not None and changed is not None else ""
        self.changed_label.setToolTip(f"{text}{kept}")

    def set_readout(self, rows: Sequence[ReadoutRow]) -> None:
        """Show the best classes under the cursor: name, colour, value 0 to 1; empty for none."""
        self.readout.set_rows(rows)

    def set_enabled_reason(self, reason: str | None) -> None:
        """Say why nothing can be explored now, or with None that it can."""
        self._reason = reason
        if reason is not None:
            self.readout.set_rows(())
        self.readout.set_hint(reason)
        self.readout.setToolTip(_READOUT_TIP if reason is None else reason)
        self._update_controls()

    # ---- what a person does ----------------------------------------------------------------------

    def _on_phrase(self) -> None:
        self._update_controls()
        if self.phrase:
            self._delay.start()
        else:
            self._tell_phrase()

    def _tell_phrase(self) -> None:
        self._delay.stop()
        phrase = self.phrase
        if phrase == self._phrase:
            return
        self._phrase = phrase
        self.phrase_changed.emit(phrase)
        if phrase and not self.heat_map_box.isChecked():
            self.heat_map_box.setChecked(True)

    def _on_add(self) -> None:
        # The phrase first: whoever adds it may empty the line.
        phrase = self.phrase
        self._tell_phrase()
        self.phrase_added.emit(phrase)

    def _on_kind(self) -> None:
        self._update_controls()
        self.kind_changed.emit(self.kind)

    def _on_compare(self, shown: bool) -> None:
        if not shown:
            self.set_changed(None)
        self.compare_toggled.emit(shown)

    def _update_controls(self) -> None:
        """Enable what can be used; what cannot says why in its tooltip."""
        all_of_it = self._reason
        _set_usable(self.phrase_edit, _PHRASE_TIP, all_of_it)
        _set_usable(self.add_button, _ADD_TIP, all_of_it or (None if self.phrase else _NO_PHRASE))
        _set_usable(self.heat_map_box, with_keys(_HEAT_TIP, "heat_map"), all_of_it)
        _set_usable(self.kind_box, _KIND_TIPS[self.kind], all_of_it)
        _set_usable(self.uncertainty_box, _UNCERTAINTY_TIP, all_of_it)
        count = self._count
        self.next_button.setText("Next uncertain" + (f" ({count})" if count else ""))
        none_left = _NOT_SEARCHED if count is None else _NOTHING_UNCERTAIN
        _set_usable(
            self.next_button,
            with_keys(_NEXT_TIP, "next_uncertain"),
            all_of_it or (None if count else none_left),
        )
        for label in (self.subject_label, self.changed_label, self.heading):
            label.setEnabled(all_of_it is None)
        _set_usable(self.keep_button, _KEEP_TIP, all_of_it)
        kept = None if self._kept is not None else _NOTHING_KEPT
        _set_usable(self.compare_box, _COMPARE_TIP, all_of_it or kept)


def _button(name: str, text: str, label: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAccessibleName(label)
    # Return in the phrase's line must not press a button.
    button.setAutoDefault(False)
    return button


def _check_box(name: str, text: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setObjectName(name)
    box.setAccessibleName(text)
    return box


def _quiet_label(name: str) -> QElidingLabel:
    label = QElidingLabel()
    label.setObjectName(name)
    label.setIndent(0)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def _check(box: QCheckBox, checked: bool) -> None:
    with QSignalBlocker(box):
        box.setChecked(checked)


def _set_usable(widget: QWidget, tooltip: str, reason: str | None) -> None:
    widget.setEnabled(reason is None)
    widget.setToolTip(tooltip if reason is None else reason)

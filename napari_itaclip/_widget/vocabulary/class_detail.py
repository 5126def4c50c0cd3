"""All about the selected class: its words, its texts, how it is weighed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpacerItem,
    QVBoxLayout,
    QWidget,
)

from napari_itaclip._widget.parts.follow import follow
from napari_itaclip._widget.parts.section import make_section
from napari_itaclip._widget.vocabulary.auxiliary_texts import AuxiliaryTexts
from napari_itaclip._widget.vocabulary.number_slider import NumberSlider
from napari_itaclip._widget.vocabulary.word_chips import WordChips, escaped
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.prompts import ClassPrompt

MAX_BIAS = 3.0
"""The slider's range in log-odds: e³ is twenty times as likely."""

BIAS_TOOLTIP = (
    "Makes the class win more (right) or less (left) often, at once.\n"
    "+0.69 doubles its odds against each other class. Double-click resets it."
)
THRESHOLD_TOOLTIP = (
    "Pixels that this class wins with less probability become background.\n"
    "0 keeps all of them. Double-click resets it."
)
TOGGLE_TOOLTIP = "Show or fold words, texts, weight and bias of the selected class"
NONE_TOOLTIP = "Select a class in the table to see its words, texts, weight and bias"
ALPHA_TOOLTIP = "How much of the texts is mixed into the words, from 0 to 1."
NO_TEXT_TOOLTIP = "The weight has nothing to mix in: add a definition, or tick one, first."
NO_BACKGROUND_TEXT_TOOLTIP = "The background takes no texts, so there is nothing to weigh."


class ClassDetail(QWidget):  # type: ignore[misc, unused-ignore]
    """A folding section about the class that is selected.

    Parameters
    ----------
    editor
        Whose class it is.
    parent
        The Qt parent.
    """

    failed = Signal(str)

    def __init__(self, editor: VocabularyEditor, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self.setObjectName("class_detail")
        self._title = ""
        self._shown: int | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.words = WordChips()
        self.texts = AuxiliaryTexts()
        self.alpha = NumberSlider("class weight", 0.0, 1.0)
        self.follow_alpha = QCheckBox()
        self.share_alpha = QPushButton("for all")
        self.bias = NumberSlider("class bias", -MAX_BIAS, MAX_BIAS)
        self.threshold = NumberSlider("class threshold", 0.0, 1.0)
        self.background = QCheckBox("background")
        self._fields = self._content()
        self.section = make_section(
            "", self._fields, tooltip=TOGGLE_TOOLTIP, name="class_detail_section"
        )
        # A long name is shortened; it must not widen the dock.
        self.section.toggleButton().setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed
        )
        layout.addWidget(self.section)
        self._connect()
        self.section.expand(animate=False)
        self._show()

    def expand(self, expanded: bool = True) -> None:
        """Unfold the section, or fold it."""
        if expanded:
            self.section.expand(animate=False)
        else:
            self.section.collapse(animate=False)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Shorten the title to what fits, and align what spans both columns."""
        super().resizeEvent(event)
        self._align()
        self._show_title()

    def event(self, event: QEvent) -> bool:
        """Align anew when the layout has changed, such as by a font."""
        done = bool(super().event(event))
        if event.type() == QEvent.Type.LayoutRequest:
            self._align()
        return done

    def _align(self) -> None:
        row = self._indent_row
        width = self.alpha.x() - row.x() - row.layout().spacing()
        if self._indent.sizeHint().width() != width:
            self._indent.changeSize(max(width, 0), 0, QSizePolicy.Policy.Maximum)
            row.layout().invalidate()

    # ---- building -----------------------------------------------------------------------------

    def _content(self) -> QWidget:
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(6, 2, 2, 2)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        top = Qt.AlignmentFlag.AlignTop
        self.bias.setToolTip(BIAS_TOOLTIP)
        self.threshold.setToolTip(THRESHOLD_TOOLTIP)
        rows: tuple[tuple[str, QWidget | None, Any, str], ...] = (
            ("words", self.words, top, "The words that stand for the class"),
            ("texts ¶", self.texts, top, "Definitions that are mixed into the class's words"),
            ("weight α", self.alpha, Qt.AlignmentFlag.AlignVCenter, ALPHA_TOOLTIP),
            ("", None, None, ""),
            ("bias", self.bias, Qt.AlignmentFlag.AlignVCenter, BIAS_TOOLTIP),
            ("threshold", self.threshold, Qt.AlignmentFlag.AlignVCenter, THRESHOLD_TOOLTIP),
            ("", self.background, Qt.AlignmentFlag.AlignVCenter, ""),
        )
        for row, (text, widget, alignment, tooltip) in enumerate(rows):
            if text:
                label = QLabel(text)
                label.setToolTip(tooltip)
                grid.addWidget(label, row, 0, alignment)
            if widget is not None:
                grid.addWidget(widget, row, 1)
        grid.addWidget(self._alpha_row(), 3, 0, 1, 2)
        self.background.setObjectName("class_background")
        self.background.setToolTip(
            "This class stands for everything that is not looked for. There is one at most."
        )
        return content

    def _alpha_row(self) -> QWidget:
        """Return what belongs to the weight: under it, and below its label where it is narrow."""
        row = QWidget()
        self._indent_row = row
        self._indent = QSpacerItem(0, 0, QSizePolicy.Policy.Maximum)
        layout = QHBoxLayout(row)
        layout.addItem(self._indent)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.follow_alpha.setObjectName("class_weight_default")
        self.share_alpha.setObjectName("class_weight_for_all")
        layout.addWidget(self.follow_alpha)
        layout.addStretch(1)
        layout.addWidget(self.share_alpha)
        return row

    def _connect(self) -> None:
        editor = self._editor
        self.words.edited.connect(self._edit_word)
        self.words.removed.connect(self._remove_word)
        self.words.added.connect(self._add_words)
        self.texts.changed.connect(lambda texts: self._edit(editor.set_auxiliary, texts))
        self.texts.failed.connect(self.failed)
        self.follow_alpha.toggled.connect(self._follow_alpha)
        self.share_alpha.clicked.connect(lambda: self._edit(editor.share_alpha))
        self.background.toggled.connect(lambda on: self._edit(editor.set_background, on))
        for slider, setter in (
            (self.alpha, editor.set_alpha),
            (self.bias, editor.set_bias),
            (self.threshold, editor.set_threshold),
        ):
            slider.value_changed.connect(
                lambda value, setter=setter: self._edit(setter, value, merge="drag")
            )
            slider.released.connect(editor.finish_merge)
        follow(self, editor.changed, self._show)
        follow(self, editor.selection_changed, self._show)

    # ---- showing ------------------------------------------------------------------------------

    def _show(self) -> None:
        """Show the selected class as it is."""
        id = self._editor.selected
        prompt = None if id is None else self._editor.find(id)
        if id != self._shown:
            self._shown = id
            self.words.line.clear()
            self.texts.discard_typed()
        self._fields.setVisible(prompt is not None and self.section.isExpanded())
        self.section.toggleButton().setEnabled(prompt is not None)
        self.section.toggleButton().setToolTip(NONE_TOOLTIP if prompt is None else TOGGLE_TOOLTIP)
        if prompt is None:
            self._title = "no class selected"
            self._show_title()
            self.words.set_words(())
            self.texts.set_texts(())
            return
        self._title = prompt.name
        self._show_title()
        self.words.set_words(prompt.words)
        self.texts.set_texts(prompt.auxiliary)
        self._show_alpha(prompt)
        self.bias.set_value(prompt.bias)
        self.threshold.set_value(prompt.threshold)
        self.background.blockSignals(True)
        self.background.setChecked(prompt.background)
        self.background.blockSignals(False)

    def _show_alpha(self, prompt: ClassPrompt) -> None:
        own = prompt.alpha is not None
        common = self._editor.alpha
        self.alpha.set_value(common if prompt.alpha is None else prompt.alpha)
        self.follow_alpha.blockSignals(True)
        self.follow_alpha.setText(f"as vocabulary ({common:.2f})")
        self.follow_alpha.setChecked(not own)
        self.follow_alpha.blockSignals(False)
        useful = bool(prompt.auxiliary_texts)
        why = NO_BACKGROUND_TEXT_TOOLTIP if prompt.background else NO_TEXT_TOOLTIP
        self.alpha.setEnabled(useful)
        self.alpha.setToolTip(ALPHA_TOOLTIP if useful else why)
        self.follow_alpha.setEnabled(useful)
        self.follow_alpha.setToolTip("Use the weight that all classes share" if useful else why)
        self.share_alpha.setEnabled(useful and own)
        self.share_alpha.setToolTip(
            "Make this the weight of all classes that have none of their own"
            if useful and own
            else why
            if not useful
            else "The class has the weight of all classes already"
        )

    def _show_title(self) -> None:
        button = self.section.toggleButton()
        room = max(self.width() - 32, 40)
        short = button.fontMetrics().elidedText(self._title, Qt.TextElideMode.ElideMiddle, room)
        self.section.setText(escaped(short))
        button.setAccessibleName(f"details of {self._title}")

    # ---- editing ------------------------------------------------------------------------------

    def _edit(self, setter: Callable[..., Any], *values: Any, **options: Any) -> bool:
        """Edit the selected class; report what fails and show what is."""
        id = self._editor.selected
        if id is None:
            return False
        try:
            setter(id, *values, **options)
        except ItaclipError as error:
            self.failed.emit(str(error))
            self._show()
            return False
        return True

    def _synonyms(self) -> list[str]:
        prompt = self._editor.find(self._editor.selected or 0)
        return [] if prompt is None else list(prompt.synonyms)

    def _edit_word(self, position: int, text: str) -> None:
        if position == 0:
            self._edit(self._editor.rename, text)
            return
        words = self._synonyms()
        words[position - 1 : position] = _split(text)
        self._edit(self._editor.set_synonyms, words)

    def _remove_word(self, position: int) -> None:
        words = self._synonyms()
        del words[position - 1]
        self._edit(self._editor.set_synonyms, words)

    def _add_words(self, text: str) -> None:
        if self._edit(self._editor.set_synonyms, [*self._synonyms(), *_split(text)]):
            self.words.line.clear()

    def _follow_alpha(self, follow_it: bool) -> None:
        value = None if follow_it else self._editor.alpha
        self._edit(self._editor.set_alpha, value)


def _split(text: str) -> list[str]:
    """Return the words of ``"a, b"``."""
    return [word.strip() for word in text.replace("\n", ",").split(",") if word.strip()]

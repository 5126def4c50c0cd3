"""A vocabulary to edit, and ways to look at it."""

from __future__ import annotations

from napari_itaclip.session.vocabulary_editor import VocabularyEditor

SIGNALS = ("changed", "display_changed", "selection_changed", "document_changed")
"""The signals that tell of changes, in the order in which one edit sends them."""


def make_editor() -> VocabularyEditor:
    """Return an editor with three classes, one of them with a synonym."""
    editor = VocabularyEditor()
    editor.add("building\nroad, street\npalm tree")
    return editor


def names(editor: VocabularyEditor) -> tuple[str, ...]:
    """Return the classes' names in order."""
    return tuple(prompt.name for prompt in editor.classes)


def id_of(editor: VocabularyEditor, name: str) -> int:
    """Return the id of a class."""
    assert editor.vocabulary is not None
    number = editor.vocabulary[name].id
    assert number is not None
    return number


def listen(editor: VocabularyEditor) -> list[str]:
    """Return a list that fills with the names of the signals that ``editor`` sends."""
    heard: list[str] = []
    for name in SIGNALS:
        getattr(editor, name).connect(lambda name=name: heard.append(name))
    return heard

"""The vocabulary that a person works on: its steps, its file, what is shown of it.

`Vocabulary` itself never changes; this holds the present one and what it was before.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from psygnal import Signal

from napari_itaclip.errors import VocabularyError
from napari_itaclip.session import class_edits
from napari_itaclip.session.class_edits import Classes
from napari_itaclip.session.undo import UndoStack
from napari_itaclip.vocabulary._frozen import FrozenMapping
from napari_itaclip.vocabulary.classes import DEFAULT_ALPHA, Vocabulary
from napari_itaclip.vocabulary.files import dump_vocabulary
from napari_itaclip.vocabulary.importers import is_own_file, read_vocabulary
from napari_itaclip.vocabulary.prompts import ClassPrompt
from napari_itaclip.vocabulary.templates import DEFAULT_TEMPLATES, Templates

UNTITLED = "untitled"
"""The title of words that are in no file."""


@dataclass(frozen=True)
class _Content:
    """What a vocabulary holds; unlike one it can be empty, and it does not count ids."""

    classes: Classes = ()
    alpha: float = DEFAULT_ALPHA
    templates: Templates = DEFAULT_TEMPLATES
    domain: str | None = None
    allow_shared_words: bool = False
    about: Mapping[str, str | bool] = FrozenMapping()

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> _Content:
        return cls(
            vocabulary.classes,
            vocabulary.alpha,
            vocabulary.templates,
            vocabulary.domain,
            vocabulary.allow_shared_words,
            vocabulary.about,
        )

    def vocabulary(self, next_id: int) -> Vocabulary | None:
        if not self.classes:
            return None
        return Vocabulary(
            self.classes,
            self.alpha,
            self.templates,
            self.domain,
            self.allow_shared_words,
            next_id,
            self.about,
        )


@dataclass
class _Document:
    """What stays with a vocabulary through its edits and is not undone."""

    lineage: int
    saved: _Content = field(default_factory=_Content)
    next_id: int = 1
    path: Path | None = None
    title: str = UNTITLED
    hidden: frozenset[int] = frozenset()
    locked: frozenset[int] = frozenset()
    selected: int | None = None


@dataclass(frozen=True)
class _State:
    """One step: the document (by identity) and what it held."""

    document: _Document = field(compare=False)
    content: _Content


class VocabularyDocument:
    """A vocabulary with its undo steps, its file, and which classes are shown and selected.

    Within one `lineage` an id always means the same class: ids of removed classes are not handed
    out again, whatever is undone. The exception is 0, which means "unlabelled" while no background
    class has it. Signals are sent after everything is in place.

    Attributes
    ----------
    changed : Signal()
        Anything in the vocabulary: words, order, names, weights, colours, biases.
    display_changed : Signal()
        `hidden` or `locked`.
    selection_changed : Signal()
        `selected`.
    document_changed : Signal()
        `path`, `dirty` or `title`.
    noticed : Signal(str)
        Something a person should know about an edit that went well, such as words left out.
    """

    changed = Signal()
    display_changed = Signal()
    selection_changed = Signal()
    document_changed = Signal()
    noticed = Signal(str)

    def __init__(self) -> None:
        self._document = _Document(lineage=0)
        self._lineages = 0
        self._steps = UndoStack(_State(self._document, _Content()))
        self._vocabulary: Vocabulary | None = None

    # ---- looking at it ------------------------------------------------------------------------

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The present vocabulary; None while there are no classes."""
        return self._vocabulary

    @property
    def classes(self) -> Classes:
        """The classes in order, each with id and colour; empty while there are none."""
        return self._content.classes

    @property
    def alpha(self) -> float:
        """Share of auxiliary texts for the classes that have no share of their own."""
        return self._content.alpha

    @property
    def templates(self) -> Templates:
        """The sentences that words are put into: the name of a set, or sentences."""
        return self._content.templates

    @property
    def lineage(self) -> int:
        """Changes when another vocabulary takes the place of this one."""
        return self._document.lineage

    @property
    def revision(self) -> int:
        """Changes with every step, undo and redo; edits that merge into one step share it."""
        return self._steps.count

    @property
    def path(self) -> Path | None:
        """The file that the vocabulary was read from or written to."""
        return self._document.path

    @property
    def dirty(self) -> bool:
        """Whether there is something to save."""
        return self._content != self._document.saved

    @property
    def title(self) -> str:
        """The file's name, or what the vocabulary was called when it was opened."""
        return self._document.title

    @property
    def hidden(self) -> frozenset[int]:
        """Ids of classes that are not shown."""
        return self._document.hidden & self._ids

    @property
    def locked(self) -> frozenset[int]:
        """Ids of classes whose pixels stay as they are."""
        return self._document.locked & self._ids

    @property
    def selected(self) -> int | None:
        """The id of the class that is edited and painted with."""
        chosen = self._document.selected
        return chosen if chosen in self._ids else None

    def find(self, id: int) -> ClassPrompt | None:
        """Return the class with an id, if there is one."""
        return next((prompt for prompt in self.classes if prompt.id == id), None)

    # ---- undo ---------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._steps.undo_text is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._steps.redo_text is not None

    @property
    def undo_text(self) -> str | None:
        """What `undo` takes back, such as ``"rename 'road'"``."""
        return self._steps.undo_text

    @property
    def redo_text(self) -> str | None:
        """What `redo` does again."""
        return self._steps.redo_text

    def undo(self) -> None:
        """Take the last edit back (also the opening of another vocabulary); nothing if none."""
        with self._announced():
            if self._steps.undo():
                self._restore()

    def redo(self) -> None:
        """Do again what was undone; nothing if there is nothing."""
        with self._announced():
            if self._steps.redo():
                self._restore()

    # ---- files --------------------------------------------------------------------------------

    def load(self, path: str | os.PathLike[str]) -> None:
        """Open a vocabulary file, or the class list of another tool.

        What came from another tool's file belongs to no file yet, so that saving asks for one.

        Raises
        ------
        VocabularyError
            When it cannot be read; the present vocabulary stays.
        """
        file = Path(path)
        self.open(read_vocabulary(file), file if is_own_file(file) else None, title=file.name)

    def open(
        self, vocabulary: Vocabulary, path: Path | None = None, *, title: str | None = None
    ) -> None:
        """Let another vocabulary take the place of this one: a new `lineage`.

        `undo` brings the old one back, with its unsaved changes.

        Parameters
        ----------
        vocabulary
            What to edit.
        path
            The file that it belongs to, if any.
        title
            What to call it; None takes the file's name.
        """
        self._lineages += 1
        content = _Content.of(vocabulary)
        document = _Document(
            lineage=self._lineages,
            saved=content,
            next_id=vocabulary.next_id,
            path=path,
            title=title or (UNTITLED if path is None else path.name),
            selected=vocabulary.ids[0],
        )
        with self._announced():
            self._steps.push(_State(document, content), f"open '{document.title}'")
            self._restore()

    def save(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the vocabulary, by default to the file that it belongs to.

        Raises
        ------
        VocabularyError
            When there is nothing to write, or no file.
        OutputError
            When the file cannot be written.
        """
        target = self.path if path is None else Path(path)
        if target is None:
            raise VocabularyError("the vocabulary has no file yet: choose where to save it")
        if self._vocabulary is None:
            raise VocabularyError("there is nothing to save: add a class first")
        dump_vocabulary(self._vocabulary, target)
        with self._announced():
            self._document.path = target
            self._document.title = target.name
            self._document.saved = self._content
        return target

    def export_text(self, ids: Iterable[int] | None = None) -> str:
        """Return classes (None: all) as lines ``name, synonym, synonym`` that `add` reads."""
        chosen = self._ids if ids is None else self._known(ids)
        return class_edits.as_text(prompt for prompt in self.classes if prompt.id in chosen)

    # ---- inside -------------------------------------------------------------------------------

    @property
    def _content(self) -> _Content:
        return self._steps.state.content

    @property
    def _ids(self) -> frozenset[int]:
        return frozenset(prompt.id or 0 for prompt in self.classes)

    def _known(self, ids: Iterable[int]) -> frozenset[int]:
        """Return the ids as a set; an error for one that no class has."""
        chosen = frozenset(ids)
        for id in chosen - self._ids:
            raise VocabularyError(f"there is no class with the id {id}")
        return chosen

    def _set_classes(self, classes: Classes, text: str, merge: Hashable | None = None) -> None:
        self._set_content(replace(self._content, classes=classes), text, merge)

    def _set_content(self, content: _Content, text: str, merge: Hashable | None = None) -> None:
        """Make a step, or raise and leave everything as it is."""
        vocabulary = content.vocabulary(self._document.next_id)
        if vocabulary is not None:
            content = _Content.of(vocabulary)  # with the ids and colours that were given
        if content == self._content:
            return
        self._vocabulary = vocabulary
        if vocabulary is not None:
            self._document.next_id = vocabulary.next_id
        self._steps.push(_State(self._document, content), text, merge)

    def _restore(self) -> None:
        """Take document and vocabulary from the present step."""
        self._document = self._steps.state.document
        self._vocabulary = self._content.vocabulary(self._document.next_id)

    @contextmanager
    def _announced(self) -> Iterator[None]:
        """Send the signals for what differs after the block."""
        content, display = self._content, (self.hidden, self.locked)
        selected, document = self.selected, (self.path, self.dirty, self.title)
        lineage = self.lineage
        yield
        other = lineage != self.lineage
        pending = (
            (self.changed, other or content != self._content),
            (self.display_changed, other or display != (self.hidden, self.locked)),
            (self.selection_changed, other or selected != self.selected),
            (self.document_changed, other or document != (self.path, self.dirty, self.title)),
        )
        for signal, due in pending:
            if due:
                signal.emit()

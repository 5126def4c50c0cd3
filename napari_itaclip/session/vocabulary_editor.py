"""Edits of the vocabulary that a person works on, each of them undoable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import replace

from napari_itaclip.errors import VocabularyError
from napari_itaclip.session import class_edits
from napari_itaclip.session.vocabulary_document import VocabularyDocument
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.prompts import AuxiliaryText, ClassPrompt
from napari_itaclip.vocabulary.templates import validate_templates


class VocabularyEditor(VocabularyDocument):
    """Edits a vocabulary class by class; classes are named by their id.

    An edit that fails raises `VocabularyError` and changes nothing. An edit that changes nothing
    is no step and sends no signal.
    """

    # ---- words --------------------------------------------------------------------------------

    def add(self, text: str) -> tuple[str, ...]:
        """Add the classes that ``text`` lists and select the first of them.

        ``"building, road"`` are two classes; ``"road, street;"`` is one with a synonym, as is
        ``"road, street"`` among several lines. Words that are there already are left out, which
        `noticed` reports; synonyms of a class that is there are added to it.

        Returns
        -------
        tuple of str
            The names of the new classes.

        Raises
        ------
        VocabularyError
            When nothing in the text is new.
        """
        addition = class_edits.add_text(self.classes, text)
        count = len(addition.added)
        what = f"add '{addition.added[0]}'" if count == 1 else f"add {count or 'synonyms'}"
        with self._announced():
            self._set_classes(addition.classes, f"{what} classes" if count > 1 else what)
            if addition.added and self._vocabulary is not None:
                self._document.selected = self._vocabulary[addition.added[0]].id
        if addition.notice:
            self.noticed.emit(addition.notice)
        return addition.added

    def add_prompts(self, prompts: Iterable[ClassPrompt]) -> None:
        """Add classes as they are, in one step; ids and colours they have are not kept.

        Raises
        ------
        VocabularyError
            When a word is in the table already.
        """
        added = [replace(prompt, id=None, color=None) for prompt in prompts]
        what = f"add '{added[0].name}'" if len(added) == 1 else f"add {len(added)} classes"
        with self._announced():
            self._set_classes((*self.classes, *added), what)

    def edit(self, id: int, what: str, change: Callable[[ClassPrompt], ClassPrompt]) -> None:
        """Change a class by a function, in one step named ``what``, such as "texts of"."""
        self._change(id, what, change)

    def rename(self, id: int, name: str) -> None:
        """Give a class another name; ``"name, synonym"`` adds synonyms."""
        self._change(id, "rename", lambda prompt: class_edits.rename(prompt, name))

    def set_synonyms(self, id: int, words: Iterable[str]) -> None:
        """Set the other words for a class."""
        synonyms = tuple(words)
        self._change(id, "change words of", lambda prompt: replace(prompt, synonyms=synonyms))

    def set_auxiliary(self, id: int, texts: Iterable[AuxiliaryText | str]) -> None:
        """Set the definitions and synonyms that are mixed into a class's words."""
        auxiliary = tuple(texts)
        # Strings become `AuxiliaryText` in the constructor.
        self._change(
            id,
            "change texts of",
            lambda prompt: replace(prompt, auxiliary=auxiliary),  # type: ignore[arg-type]
        )

    # ---- numbers and colours ------------------------------------------------------------------

    def set_alpha(
        self, id: int | None, alpha: float | None, *, merge: Hashable | None = None
    ) -> None:
        """Set the share of auxiliary texts.

        Parameters
        ----------
        id
            A class, or None for the vocabulary.
        alpha
            0 to 1; None for a class takes the vocabulary's.
        merge
            Edits of the same thing that follow each other with the same value become one undo
            step, until `finish_merge`.
        """
        if id is not None:
            self._change(id, "weight of", lambda prompt: replace(prompt, alpha=alpha), merge)
            return
        if alpha is None:
            raise VocabularyError("the weight of a vocabulary must be a number from 0 to 1")
        Vocabulary(("_",), alpha=alpha)  # checks it, also while there are no classes
        key = None if merge is None else ("weight", None, merge)
        with self._announced():
            self._set_content(replace(self._content, alpha=float(alpha)), "weight of texts", key)

    def share_alpha(self, id: int) -> None:
        """Make a class's share of auxiliary texts the vocabulary's; the class follows it then."""
        prompt = self.classes[class_edits.position_of(self.classes, id)]
        if prompt.alpha is None:
            return
        classes, _ = class_edits.change(self.classes, id, lambda old: replace(old, alpha=None))
        with self._announced():
            self._set_content(
                replace(self._content, classes=classes, alpha=prompt.alpha),
                f"weight of '{prompt.name}' for all",
            )

    def set_templates(self, templates: str | Iterable[str]) -> None:
        """Set the sentences that words are put into: the name of a set, or sentences with {}.

        Raises
        ------
        VocabularyError
            For an unknown set or a sentence without exactly one ``{}``.
        """
        checked = validate_templates(templates)
        with self._announced():
            self._set_content(replace(self._content, templates=checked), "templates")

    def set_color(self, id: int, color: str, *, merge: Hashable | None = None) -> None:
        """Set a class's colour, as ``"#rrggbb"``; ``merge`` as for `set_alpha`."""
        self._change(id, "colour of", lambda prompt: replace(prompt, color=color), merge)

    def set_bias(self, id: int, bias: float, *, merge: Hashable | None = None) -> None:
        """Set what is added to a class's log-odds; ``merge`` as for `set_alpha`."""
        self._change(id, "bias of", lambda prompt: replace(prompt, bias=bias), merge)

    def set_threshold(self, id: int, threshold: float, *, merge: Hashable | None = None) -> None:
        """Set the least probability with which a class wins; ``merge`` as for `set_alpha`."""
        self._change(id, "threshold of", lambda prompt: replace(prompt, threshold=threshold), merge)

    def set_background(self, id: int, background: bool) -> None:
        """Mark a class as the one of everything that is not looked for, or unmark it.

        There is one at most: the mark moves. Ids and colours stay, except that a class with id 0
        gets another id when it stops being the background.
        """
        name = self._name(id)
        classes = class_edits.mark_background(self.classes, id, background)
        with self._announced():
            kept = self._document.selected
            at = class_edits.position_of(self.classes, id)
            self._set_classes(classes, f"background: '{name}'")
            if kept == id:
                self._document.selected = self.classes[at].id

    def finish_merge(self) -> None:
        """End a row of merged edits: the next one is an undo step of its own."""
        self._steps.finish_merge()

    # ---- rows ---------------------------------------------------------------------------------

    def move(self, ids: Iterable[int], position: int) -> None:
        """Put classes before the one that is now at ``position`` (the number of classes: last)."""
        chosen = self._known(ids)
        with self._announced():
            self._set_classes(
                class_edits.move(self.classes, chosen, position), f"move {self._called(chosen)}"
            )

    def duplicate(self, ids: Iterable[int]) -> tuple[int, ...]:
        """Put a copy after each class, named ``"road 2"``, and select the first copy.

        Synonyms are not copied (unless the vocabulary allows words in several classes).

        Returns
        -------
        tuple of int
            The copies' ids.
        """
        chosen, before = self._known(ids), self._ids
        if not chosen:
            return ()
        classes = class_edits.duplicate(self.classes, chosen, self._content.allow_shared_words)
        with self._announced():
            self._set_classes(classes, f"duplicate {self._called(chosen)}")
            copies = tuple(prompt.id or 0 for prompt in self.classes if prompt.id not in before)
            self._document.selected = copies[0]
        return copies

    def remove(self, ids: Iterable[int]) -> None:
        """Remove classes; if the selected one is among them, its neighbour is selected."""
        chosen = self._known(ids)
        rest = tuple(prompt for prompt in self.classes if prompt.id not in chosen)
        with self._announced():
            if self.selected in chosen:
                self._document.selected = self._neighbour(chosen)
            self._set_classes(rest, f"remove {self._called(chosen)}")

    def clear(self) -> None:
        """Remove all classes."""
        self.remove(self._ids)

    # ---- what is shown ------------------------------------------------------------------------

    def set_hidden(self, id: int, hidden: bool) -> None:
        """Hide a class, or show it."""
        self._known((id,))
        with self._announced():
            self._document.hidden = self.hidden | {id} if hidden else self.hidden - {id}

    def isolate(self, id: int) -> None:
        """Show one class only; show all if it is the only one already."""
        others = self._ids - self._known((id,))
        with self._announced():
            self._document.hidden = frozenset() if self.hidden == others else others

    def show_all(self) -> None:
        """Show all classes."""
        with self._announced():
            self._document.hidden = frozenset()

    def set_locked(self, id: int, locked: bool) -> None:
        """Keep the pixels of a class as they are, or let them change again."""
        self._known((id,))
        with self._announced():
            self._document.locked = self.locked | {id} if locked else self.locked - {id}

    def select(self, id: int | None) -> None:
        """Select a class; None, or an id that no class has, selects none."""
        with self._announced():
            self._document.selected = id if id in self._ids else None

    def select_neighbour(self, step: int) -> None:
        """Select the class ``step`` rows further down (up if negative), going round at the ends."""
        ids = [prompt.id for prompt in self.classes]
        if not ids:
            return
        if self.selected is None:
            self.select(ids[0 if step > 0 else -1])
        else:
            self.select(ids[(ids.index(self.selected) + step) % len(ids)])

    # ---- inside -----------------------------------------------------------------------------

    def _name(self, id: int) -> str:
        return self.classes[class_edits.position_of(self.classes, id)].name

    def _called(self, ids: Collection[int]) -> str:
        """Return the classes' name for a step: the name of one, the number of several."""
        return f"{len(ids)} classes" if len(ids) != 1 else f"'{self._name(next(iter(ids)))}'"

    def _neighbour(self, gone: Collection[int]) -> int | None:
        """Return the class to select when ``gone`` goes: the next one, else the one before."""
        at = class_edits.position_of(self.classes, self.selected or 0)
        following = [prompt.id for prompt in self.classes[at:] if prompt.id not in gone]
        leading = [prompt.id for prompt in self.classes[:at] if prompt.id not in gone]
        return following[0] if following else leading[-1] if leading else None

    def _change(
        self,
        id: int,
        what: str,
        edit: Callable[[ClassPrompt], ClassPrompt],
        merge: Hashable | None = None,
    ) -> None:
        """Edit one class."""
        classes, name = class_edits.change(self.classes, id, edit)
        key = None if merge is None else (what, id, merge)
        with self._announced():
            self._set_classes(classes, f"{what} '{name}'", key)

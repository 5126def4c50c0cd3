"""Trying a text on a class before it is accepted, and accepting it.

What a trial is computed from and what acceptance then does are one function,
`with_suggestion`, so that a preview cannot promise anything else than what comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import VocabularyError
from napari_itaclip.segmentation.settings import DecisionSettings, RefineSettings
from napari_itaclip.session import class_edits
from napari_itaclip.session.looking import Shown
from napari_itaclip.session.pictures import Region
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary._checks import word_key
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.prompts import ClassPrompt

if TYPE_CHECKING:  # torch takes a second to load: not before there is work for it
    from napari_itaclip.segmentation.effects import Effect, TextFit
    from napari_itaclip.segmentation.segmenter import Segmenter
    from napari_itaclip.suggestion.provider import Suggestion

GAINED, LOST, OTHER = 1, 2, 3
"""Marks of a preview: pixels that the class gains, that it loses, and that change among others."""

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Measure:
    """What a text would do to its class in the plane in view.

    Attributes
    ----------
    share_before, share_after : float
        The class's part of the plane, 0 to 1.
    confidence_before, confidence_after : float
        Mean confidence over the class's pixels; NaN where it has none.
    changed_share : float
        Part of the plane whose label changes, of whatever class, 0 to 1.
    """

    share_before: float
    share_after: float
    confidence_before: float
    confidence_after: float
    changed_share: float


@dataclass(frozen=True)
class Offer:
    """A suggestion for a class and what is known of it so far.

    Attributes
    ----------
    suggestion : Suggestion
        The text.
    class_id : int
        The class that it is for.
    measure : Measure or None
        Its effect; None while that is not known.
    fit : TextFit or None
        How it lies among the classes' words; None while that is not known.
    problem : str or None
        Why it cannot be accepted or measured.
    acceptable : bool
        Whether it can be accepted.
    after : tuple of ndarray of int, or None
        The labels that acceptance gives, one for each part of the result; None if they are not
        known or were too large to keep.
    """

    suggestion: Suggestion
    class_id: int
    measure: Measure | None = None
    fit: TextFit | None = None
    problem: str | None = None
    acceptable: bool = True
    after: tuple[Labels, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """What tells this offer from the others for its class."""
        return self.suggestion.kind, word_key(self.suggestion.text)

    def unmeasured(self) -> Offer:
        """Return the offer without what was found out for an earlier vocabulary or image."""
        return Offer(self.suggestion, self.class_id)


# ---- the edit -----------------------------------------------------------------------------------


def with_suggestion(prompt: ClassPrompt, suggestion: Suggestion) -> ClassPrompt:
    """Return a class that has a suggested text, too, and knows where it is from.

    Raises
    ------
    VocabularyError
        When the text cannot be used, such as a synonym that the class has already.
    """
    if suggestion.kind != "synonym":
        return replace(prompt, auxiliary=(*prompt.auxiliary, suggestion.as_auxiliary()))
    sources = {**prompt.synonym_sources, suggestion.text: suggestion.credit}
    return replace(prompt, synonyms=(*prompt.synonyms, suggestion.text), synonym_sources=sources)


def is_used(prompt: ClassPrompt, suggestion: Suggestion) -> bool:
    """Tell whether a class has a text already."""
    taken = (
        prompt.words if suggestion.kind == "synonym" else [text.text for text in prompt.auxiliary]
    )
    return word_key(suggestion.text) in {word_key(text) for text in taken}


def after_accepting(vocabulary: Vocabulary, class_id: int, suggestion: Suggestion) -> Vocabulary:
    """Return what a vocabulary is once a suggestion is accepted.

    Raises
    ------
    VocabularyError
        When it cannot be accepted: no such class, or the word stands in another one.
    """
    prompt = vocabulary[class_edits.position_of(vocabulary.classes, class_id)]
    return vocabulary.replace(prompt.name, with_suggestion(prompt, suggestion))


def accept(editor: VocabularyEditor, class_id: int, suggestion: Suggestion) -> None:
    """Give a class a suggested text: one step that can be undone.

    Raises
    ------
    VocabularyError
        As `after_accepting`; nothing has changed then.
    """
    what = "word" if suggestion.kind == "synonym" else "text"
    editor.edit(
        class_id, f"suggested {what} for", lambda prompt: with_suggestion(prompt, suggestion)
    )


def add_classes(
    editor: VocabularyEditor, prompts: Iterable[ClassPrompt], like: Vocabulary
) -> tuple[str, ...]:
    """Add classes with their synonyms and texts: one step that can be undone.

    Words that the table has already are left out; ids and colours are given anew. An empty table
    takes templates, weight and domain of the vocabulary that the classes are from.

    Parameters
    ----------
    editor : VocabularyEditor
        The table.
    prompts : iterable of ClassPrompt
        The classes.
    like : Vocabulary
        Where they are from.

    Returns
    -------
    tuple of str
        Names of the new classes.

    Raises
    ------
    VocabularyError
        When none of them is new.
    """
    taken = {word_key(word) for prompt in editor.classes for word in prompt.words}
    has_background = any(prompt.background for prompt in editor.classes)
    added: list[ClassPrompt] = []
    for prompt in prompts:
        if word_key(prompt.name) in taken:
            continue
        synonyms = tuple(word for word in prompt.synonyms if word_key(word) not in taken)
        background = prompt.background and not has_background
        has_background |= background
        added.append(replace(prompt, synonyms=synonyms, background=background, id=None, color=None))
        taken.update(word_key(word) for word in added[-1].words)
    if not added:
        raise VocabularyError("nothing new: all of these are in the table already")
    if not editor.classes:
        editor.open(Vocabulary(added, like.alpha, like.templates, like.domain))
    else:
        editor.add_prompts(added)
    return tuple(prompt.name for prompt in added)


# ---- its effect ---------------------------------------------------------------------------------


def effects(
    segmenter: Segmenter,
    shown: Shown,
    before: Vocabulary,
    after: Vocabulary,
    class_id: int,
    *,
    refine: RefineSettings,
    decision: DecisionSettings,
    check: Callable[..., None],
) -> list[Effect]:
    """Return what an edit does to each part of a result; runs in the worker's thread.

    Parameters
    ----------
    segmenter : Segmenter
        The model that made the result.
    shown : Shown
        The result: its features are labelled.
    before, after : Vocabulary
        Without and with the edit.
    class_id : int
        The edited class.
    refine, decision : RefineSettings, DecisionSettings
        As the table's edits are labelled with.
    check : callable
        Raises to stop.

    Raises
    ------
    ItaclipError
        When words or features cannot be used.
    """
    from napari_itaclip.segmentation.effects import effect_of

    # Embedded here, where it can be stopped; what follows finds the words in the cache.
    segmenter.embed(after, check)
    found = []
    for part, features in zip(shown.outcome.parts, shown.features, strict=True):
        check()
        found.append(
            effect_of(
                segmenter,
                features,
                before,
                after,
                class_id,
                refine=refine,
                decision=decision,
                known=part.segmentation,
            )
        )
    return found


def measured(found: Sequence[Effect]) -> Measure:
    """Return the effects on all parts as one; parts that overlap count each."""
    sizes = np.array([effect.changed.size for effect in found], np.float64)

    def mean(values: Iterable[float], weights: NDArray[np.float64]) -> float:
        pairs = [(v, w) for v, w in zip(values, weights.tolist(), strict=True) if w and v == v]
        total = sum(weight for _, weight in pairs)
        return sum(value * weight for value, weight in pairs) / total if total else math.nan

    before = [effect.share_before for effect in found]
    after = [effect.share_after for effect in found]
    return Measure(
        share_before=mean(before, sizes),
        share_after=mean(after, sizes),
        confidence_before=mean([e.confidence_before for e in found], sizes * before),
        confidence_after=mean([e.confidence_after for e in found], sizes * after),
        changed_share=mean([e.changed_share for e in found], sizes),
    )


def preview_marks(
    present: Labels,
    patches: Iterable[tuple[Region | None, Labels]],
    class_id: int,
    *,
    painted: NDArray[np.bool_] | None,
    locked: Collection[int],
) -> NDArray[np.uint8]:
    """Return which pixels of a plane change when new labels are written around hand edits.

    Parameters
    ----------
    present : ndarray of int, shape (H, W)
        The labels as they are.
    patches : iterable of (Region or None, ndarray of int)
        The labels to come; later ones win.
    class_id : int
        The class that is edited.
    painted : ndarray of bool, shape (H, W), or None
        Pixels that a person painted: they stay.
    locked : collection of int
        Classes whose pixels stay.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        `GAINED`, `LOST` or `OTHER` where the label changes, else 0.
    """
    new = np.array(present)
    for region, labels in patches:
        new[region.slices if region is not None else ...] = labels
    changed = new != present
    if painted is not None:
        changed &= ~painted
    if locked:
        changed &= ~np.isin(present, np.fromiter(locked, np.int64))
    marks = np.where(changed, np.uint8(OTHER), np.uint8(0))
    marks[changed & (new == class_id)] = GAINED
    marks[changed & (present == class_id)] = LOST
    return marks

"""Which class of a vocabulary stands for which class of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary._checks import word_key
from napari_itaclip.vocabulary.classes import Vocabulary


@dataclass(frozen=True)
class TruthClass:
    """A class of a data set.

    Attributes
    ----------
    id : int
        The number by which vocabularies and label files name it.
    name : str
        Its name.
    background : bool
        Whether it is the data set's background.
    """

    id: int
    name: str
    background: bool = False


@dataclass(frozen=True)
class Matching:
    """A vocabulary's ids and the classes they stand for.

    Attributes
    ----------
    positions : mapping of int to int
        Id in the vocabulary → position of the class in the data set.
    by_id : tuple of (str, str)
        Pairs (word, class) that have different names and were matched by their id.
    extra : tuple of str
        Classes of the vocabulary that the data set does not have; pixels labelled as one of them
        count as misses.
    """

    positions: Mapping[int, int]
    by_id: tuple[tuple[str, str], ...] = ()
    extra: tuple[str, ...] = ()


def match_classes(classes: Sequence[TruthClass], vocabulary: Vocabulary) -> Matching:
    """Find each class of a data set in a vocabulary: by name, and what is left by id.

    Parameters
    ----------
    classes : sequence of TruthClass
        The data set's.
    vocabulary : Vocabulary
        The words. Names are compared as words are: without case and extra blanks.

    Returns
    -------
    Matching
        Every class has exactly one id.

    Raises
    ------
    VocabularyError
        If a class has no counterpart. Ids are trusted only where those of the classes with equal
        names agree.
    """
    by_name = {word_key(prompt.name): prompt for prompt in vocabulary}
    by_id = dict(zip(vocabulary.ids, vocabulary, strict=True))
    named = {
        at: by_name[word_key(one.name)]
        for at, one in enumerate(classes)
        if word_key(one.name) in by_name
    }
    rest = [at for at in range(len(classes)) if at not in named]
    taken = {prompt.name for prompt in named.values()}
    agree = all(prompt.id == classes[at].id for at, prompt in named.items())
    found = dict(named)
    for at in rest:
        other = by_id.get(classes[at].id)
        if agree and other is not None and other.name not in taken:
            found[at] = other
    missing = [classes[at] for at in rest if at not in found]
    if missing:
        shown = ", ".join(f"{one.name!r} (id {one.id})" for one in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise VocabularyError(
            f"the vocabulary has no class for {shown}{more}: a class of the data set is matched by "
            "its name or, where all other ids agree, by its id"
        )
    chosen = {prompt.name for prompt in found.values()}
    return Matching(
        positions={prompt.id or 0: at for at, prompt in sorted(found.items())},
        by_id=tuple((found[at].name, classes[at].name) for at in rest),
        extra=tuple(prompt.name for prompt in vocabulary if prompt.name not in chosen),
    )

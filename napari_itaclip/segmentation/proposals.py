"""What is in this image? Which of many words win real area, from features at hand.

In an open vocabulary some word always wins, so winning is not enough; `_selection` says what is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation._cells import (
    cell_scores,
    valid_cells,
)
from napari_itaclip.segmentation._checks import check_number
from napari_itaclip.segmentation._closeness import GENERIC_WORDS
from napari_itaclip.segmentation._selection import EVIDENCE_PART, MIN_LEAD, select
from napari_itaclip.segmentation.decide import pool_words
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import DecisionSettings
from napari_itaclip.vocabulary._checks import word_key
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.templates import DEFAULT_TEMPLATES

SMALL_TEMPLATES = "imagenet-7"
"""Replaces the 80 templates for ranking: hundreds of words would take minutes on a CPU."""


@dataclass(frozen=True)
class Extent:
    """A rectangle of whole pixels in the original image.

    Attributes
    ----------
    top, left : int
        First row and column.
    height, width : int
        Size in pixels, at least 1.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index of the rectangle in the image."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


@dataclass(frozen=True)
class Proposal:
    """A word that wins real area in an image.

    Attributes
    ----------
    prompt : ClassPrompt
        The class, as it stands among the candidates.
    share : float
        Part of the image that it wins, in [0, 1].
    confidence : float
        Mean probability there, against the other proposals and the generic prompts.
    region : Extent
        Where it wins most of it in one piece.
    source : str
        The list of candidates that it comes from; for a single one its title or domain.
    """

    prompt: ClassPrompt
    share: float
    confidence: float
    region: Extent
    source: str


@torch.inference_mode()
def what_is_here(
    segmenter: Segmenter,
    features: ImageFeatures,
    candidates: Vocabulary | Mapping[str, Vocabulary],
    *,
    decision: DecisionSettings | None = None,
    min_share: float = 0.002,
    min_lead: float = MIN_LEAD,
    evidence_part: float = EVIDENCE_PART,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Proposal, ...]:
    """Return the candidates that an image shows.

    The image tower does not run; the text tower does, for words that it has not seen.

    Parameters
    ----------
    segmenter : Segmenter
        Embeds the words, each list with its own templates (`SMALL_TEMPLATES` for the 80).
    features : ImageFeatures
        Features of the image.
    candidates : Vocabulary, or mapping of str to Vocabulary
        The words to choose from; several lists by the names of their sources. A class of which a
        word stands in an earlier list is left out. Background classes compete, but are not
        proposed; their words that another class has do not count.
    decision : DecisionSettings, optional
        Scale and pooling; thresholds and closing play no part.
    min_share : float
        Smallest part of the image that a proposal must win.
    min_lead : float
        Mean lead over the next word, in log-odds, that a proposal needs: the larger, the fewer.
    evidence_part : float
        Part of the strongest evidence in the image that a place needs to be named at all.
    progress : callable, optional
        Called with prompts embedded and total; an exception that it raises ends the work.

    Returns
    -------
    tuple of Proposal
        Those that win the most, weighted with the confidence, first.

    Raises
    ------
    SettingsError
        If the features are of another model, or a number is out of its range.
    VocabularyError
        If a word cannot be embedded.
    """
    check_number("min_share", min_share, 0, 1)
    check_number("min_lead", min_lead, 0, 1000)
    check_number("evidence_part", evidence_part, 0, 1)
    if features.model != segmenter.model.identity:
        raise SettingsError(
            f"These features were computed by {features.model}, but the model is "
            f"{segmenter.model.identity}; encode the image again."
        )
    decision = DecisionSettings() if decision is None else decision
    if isinstance(candidates, Vocabulary):
        name = candidates.about.get("title") or candidates.domain or ""
        candidates = {str(name): candidates}
    valid = torch.from_numpy(valid_cells(features))
    if not candidates or not valid.any():
        return ()
    known = _embed(segmenter, candidates, progress)
    soft = decision.pooling == "log_mean_exp"

    def logits(embeddings: Tensor, owners: list[int]) -> Tensor:
        scores = cell_scores(features, embeddings)[:, valid] * decision.logit_scale
        return pool_words(scores, owners, soft=soft)

    found = select(
        logits(known.words, known.owners),
        logits(known.generic, [0] * len(known.generic))[0],
        rivals=[at for at, prompt in enumerate(known.prompts) if prompt.background],
        min_cells=min_share * int(valid.sum()),
        min_lead=min_lead,
        evidence_part=evidence_part,
    )
    proposals = []
    for won in found:
        cells = np.zeros(tuple(valid.shape), bool)
        cells[valid.numpy()] = won.cells.numpy()
        proposals.append(
            Proposal(
                prompt=known.prompts[won.position],
                share=float(cells.mean()),
                confidence=won.confidence,
                region=_largest_piece(cells, features.shape),
                source=known.sources[won.position],
            )
        )
    return tuple(sorted(proposals, key=lambda one: -one.share * one.confidence))


@dataclass(frozen=True)
class _Candidates:
    """The classes of all lists with their embeddings.

    Attributes
    ----------
    prompts : list of ClassPrompt, length C
        The classes.
    sources : list of str, length C
        The list that each comes from.
    words : Tensor, shape (W, D)
        The embeddings of their words.
    owners : list of int, length W
        Position of each word's class.
    generic : Tensor, shape (G, D)
        The embeddings of the prompts that name nothing in particular.
    """

    prompts: list[ClassPrompt]
    sources: list[str]
    words: Tensor
    owners: list[int]
    generic: Tensor


def _embed(
    segmenter: Segmenter,
    lists: Mapping[str, Vocabulary],
    progress: Callable[[int, int], None] | None,
) -> _Candidates:
    """Embed all lists and leave out what an earlier one has."""
    taken: set[str] = set()
    prompts: list[ClassPrompt] = []
    sources: list[str] = []
    owners: list[int] = []
    words: list[Tensor] = []
    generic: list[Tensor] = []
    grounds = []
    for number, (source, vocabulary) in enumerate(lists.items()):
        eighty = vocabulary.templates == DEFAULT_TEMPLATES
        templates = SMALL_TEMPLATES if eighty else vocabulary.templates
        shown = None if progress is None else _part_of(progress, number, len(lists))
        embedded = segmenter.embed(vocabulary, shown, templates=templates)
        rows = list(embedded.embeddings)
        generic.append(segmenter.embed_texts(GENERIC_WORDS, templates))
        for prompt in vocabulary:
            own, rows = rows[: len(prompt.words)], rows[len(prompt.words) :]
            keys = [word_key(word) for word in prompt.words]
            if prompt.background:
                grounds.append((prompt, source, keys, own))
            elif not taken.intersection(keys):
                taken.update(keys)
                owners += [len(prompts)] * len(own)
                words += own
                prompts.append(prompt)
                sources.append(source)
    # Last, as the words of a background give way to the classes of any list: "grass" may be
    # background in one and looked for in another.
    for prompt, source, keys, own in grounds:
        kept = [row for key, row in zip(keys, own, strict=True) if key not in taken]
        if kept:
            taken.update(keys)
            owners += [len(prompts)] * len(kept)
            words += kept
            prompts.append(prompt)
            sources.append(source)
    return _Candidates(prompts, sources, torch.stack(words), owners, torch.cat(generic))


def _part_of(
    progress: Callable[[int, int], None], number: int, count: int
) -> Callable[[int, int], None]:
    """Return what reports the progress of one of several lists as that of the whole."""
    # The other lists' prompts are not known yet: they are taken to be as many.
    return lambda done, total: progress(number * total + done, count * total)


def _largest_piece(cells: NDArray[np.bool_], shape: tuple[int, int]) -> Extent:
    """Return the extent in pixels of the largest connected piece of some cells ``(h, w)``."""
    pieces, _ = ndimage.label(cells, np.ones((3, 3)))
    largest = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    box = ndimage.find_objects(pieces)[largest - 1]
    sides = []
    for part, count, length in zip(box, cells.shape, shape, strict=True):
        first = part.start * length // count
        last = max(first + 1, -(-part.stop * length // count))
        sides.append((first, last - first))
    (top, height), (left, width) = sides
    return Extent(top, left, height, width)

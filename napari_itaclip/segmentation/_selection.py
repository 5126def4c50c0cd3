"""Which of many words win real area, as numbers: no words, no images.

In an open vocabulary some word always wins, so winning is not enough. A word is selected when

1. in the cells that it wins, the evidence for it (its lead over prompts that name nothing in
   particular) comes near the strongest evidence in the image: cells that fall short of that show
   something that no candidate names;
2. it leads the best other word that is selected clearly: of two words for the same thing, or a word
   and its near miss, one remains and takes over the other's cells;
3. what it wins so is large enough.

The weakest word is dropped and its cells are given out anew, until all that remain pass. Everything
compares words within a cell, or cells within the image, so nothing depends on how high a model's
scores are in general, nor on the number of candidates. The price: where no candidate fits anywhere,
the best of them still passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_LEAD = 1.0
"""Mean lead over the next word, in log-odds, that a selected word needs.

On the demo model anything from 0.5 to 1.5 does the same within half a percent; at 0 synonyms are
selected side by side (57 % of all), at 2 words begin to be lost:
``python -m training.proposals --seed 501 --scenes 12 --sweep``.
"""

EVIDENCE_PART = 0.5
"""Part of the image's strongest evidence that a cell needs.

Where half of the words are withheld, so that much of an image has no name, false proposals fall
from 23 % at 0 to 3 % at 0.5; at 0.6 two percent of the words are lost (the same command).
"""

STRONGEST = 0.99
"""Quantile of the cells' evidence that counts as the strongest, so that no single cell decides."""


@dataclass(frozen=True)
class Won:
    """What one selected word wins.

    Attributes
    ----------
    position : int
        The word.
    cells : Tensor of bool, shape (n,)
        Where it wins.
    confidence : float
        Its mean probability there, against the other selected words and the generic prompts.
    """

    position: int
    cells: Tensor
    confidence: float


@torch.inference_mode()
def select(
    logits: Tensor,
    generic: Tensor,
    *,
    rivals: Sequence[int] = (),
    min_cells: float = 1,
    min_lead: float = MIN_LEAD,
    evidence_part: float = EVIDENCE_PART,
) -> tuple[Won, ...]:
    """Return the words that win real area.

    Parameters
    ----------
    logits : Tensor, shape (C, n)
        Logits of the words in the cells.
    generic : Tensor, shape (n,)
        The best logit of prompts that name nothing in particular.
    rivals : sequence of int
        Words that compete to the end, but are not selected.
    min_cells : float
        Cells that a word must win at least; one in any case.
    min_lead : float
        Mean lead over the next word that it needs.
    evidence_part : float
        Part of the strongest evidence that a cell needs.

    Returns
    -------
    tuple of Won
        In the order of the words.
    """
    evidence = logits.amax(dim=0) - generic
    needed = max(0.0, evidence_part * float(evidence.quantile(STRONGEST)))
    count = len(logits)
    fixed = torch.zeros(count + 1, dtype=torch.bool)
    fixed[[*rivals, count]] = True  # the last row are the generic prompts
    table = torch.cat([logits, generic[None]])
    # What wins nothing to begin with could only stand in for words that are dropped.
    losers = torch.bincount(logits.argmax(dim=0), minlength=count + 1) == 0
    table[losers & ~fixed] = -torch.inf
    values, order = table.topk(2, dim=0)
    while True:
        named = (order[0] != count) & (values[0] - generic > needed)
        winner = order[0][named]
        cells = torch.bincount(winner, minlength=count + 1)
        lead = torch.zeros(count + 1).index_add_(0, winner, (values[0] - values[1])[named])
        weak = (cells < max(1.0, min_cells)) | (lead < min_lead * cells)
        weak &= ~fixed & table[:, 0].isfinite()
        if not weak.any():
            break
        weakest = int(torch.where(weak, lead, torch.inf).argmin())
        table[weakest] = -torch.inf
        touched = (order == weakest).any(dim=0)
        values[:, touched], order[:, touched] = table[:, touched].topk(2, dim=0)
    total = table.logsumexp(dim=0)
    found = []
    for position in torch.unique(winner).tolist():
        if not fixed[position]:
            own = named & (order[0] == position)
            confidence = float((table[position] - total)[own].exp().mean())
            found.append(Won(position, own, confidence))
    return tuple(found)

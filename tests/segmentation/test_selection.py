"""Which words win real area, on scores made by hand."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from napari_itaclip.segmentation._selection import EVIDENCE_PART, select

CELLS = 100
GENERIC = torch.zeros(CELLS)


def scores(*words: dict[range, float]) -> Tensor:
    """Return logits of words that are -1 but for the given cells."""
    table = torch.full((len(words), CELLS), -1.0)
    for row, parts in zip(table, words, strict=True):
        for cells, value in parts.items():
            row[cells.start : cells.stop] = value
    return table


LEFT, RIGHT, ALL = range(50), range(50, 100), range(CELLS)


def positions(
    logits: Tensor,
    generic: Tensor = GENERIC,
    *,
    min_cells: float = 1,
    evidence_part: float = EVIDENCE_PART,
) -> list[int]:
    found = select(logits, generic, min_cells=min_cells, evidence_part=evidence_part)
    return [won.position for won in found]


def test_clear_winners_are_selected_with_their_cells() -> None:
    found = select(scores({LEFT: 8}, {RIGHT: 9}, {ALL: 1}), GENERIC)
    assert [won.position for won in found] == [0, 1]
    assert found[0].cells.nonzero()[:, 0].tolist() == list(range(50))
    assert found[0].confidence == pytest.approx(1, abs=0.01)


def test_of_two_words_for_the_same_thing_one_remains_and_gets_all_cells() -> None:
    first, second = range(25), range(25, 50)
    halves = scores({first: 8.2, second: 8.0}, {first: 8.0, second: 8.1})
    found = select(halves, GENERIC)
    assert [won.position for won in found] == [0]
    assert int(found[0].cells.sum()) == 50


def test_a_word_that_wins_by_a_whisker_everywhere_is_not_selected() -> None:
    assert positions(scores({ALL: 0.2})) == []


def test_weak_evidence_next_to_strong_means_that_no_word_fits() -> None:
    assert positions(scores({LEFT: 20}, {RIGHT: 5})) == [0]
    assert positions(scores({LEFT: 20}, {RIGHT: 15})) == [0, 1]
    assert positions(scores({LEFT: 20}, {RIGHT: 5}), evidence_part=0.1) == [0, 1]


def test_a_single_outstanding_cell_does_not_set_the_bar() -> None:
    assert positions(scores({LEFT: 8, range(1): 80}, {RIGHT: 8})) == [0, 1]


def test_small_areas_are_left_out() -> None:
    table = scores({LEFT: 8}, {range(50, 52): 8})
    assert positions(table, min_cells=2) == [0, 1]
    assert positions(table, min_cells=3) == [0]


def test_rivals_compete_but_are_not_selected() -> None:
    table = scores({LEFT: 8}, {ALL: 7.5})
    assert [won.position for won in select(table, GENERIC, rivals=[1])] == []
    assert [won.position for won in select(table, GENERIC)] == [1]


def test_nothing_depends_on_the_level_of_the_scores_or_on_losers() -> None:
    torch.manual_seed(3)
    table = 4 * torch.randn(12, CELLS)
    assert positions(table + 30, GENERIC + 30) == positions(table)
    more = torch.cat([table, table.amin(dim=0, keepdim=True).repeat(50, 1) - 1])
    assert positions(more) == positions(table)


def test_the_selected_pass_every_criterion() -> None:
    torch.manual_seed(5)
    centres = torch.randn(40, CELLS).cumsum(dim=1)  # neighbours alike, as in images
    found = select(centres, GENERIC, min_cells=2)
    assert found
    chosen = centres[[won.position for won in found]]
    for won in found:
        others = chosen[[other.position != won.position for other in found]]
        second = torch.cat([others, GENERIC[None]]).amax(dim=0)
        lead = (centres[won.position] - second)[won.cells]
        assert (lead > 0).all()
        assert lead.mean() >= 1
        assert len(lead) >= 2


def test_hundreds_of_words_take_about_a_second_at_worst() -> None:
    torch.manual_seed(0)
    table = torch.randn(400, 8000)  # nothing but noise: every word wins something
    start = time.perf_counter()
    select(table, torch.zeros(8000), min_cells=16)
    assert time.perf_counter() - start < 5  # alone about 0.5 s

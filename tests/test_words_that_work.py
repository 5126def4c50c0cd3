"""The helpers for better words, on the shipped model: suggestions, proposals, confusions.

Scenes come from seeds that training stops short of and that no threshold was chosen on. They are
encoded with the preset ``draft``, which is quick; ``python -m training.proposals`` measures with
``balanced``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip import ClassPrompt, Segmenter, Vocabulary
from napari_itaclip.clip.checkpoints import load_clip
from napari_itaclip.sample_data import WORLDS, sample_image, sample_labels, sample_words
from napari_itaclip.segmentation.confusions import competing_classes
from napari_itaclip.segmentation.effects import effect_of, fit_of
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.proposals import what_is_here
from napari_itaclip.segmentation.settings import get_preset
from training.lexicon import load_lexicon
from training.proposals import (
    Look,
    Tally,
    all_names,
    all_words,
    half_of_them,
    looks,
    measure,
)

DRAFT = get_preset("draft")
TEMPLATES = "imagenet-7"

RARE_WORDS = [
    ("everyday", "umbrella", "bumbershoot"),
    ("everyday", "car", "jalopy"),
    ("driving", "truck", "artic"),
    ("driving", "bicycle", "boneshaker"),
    ("aerial", "greenhouse", "orangery"),
    ("aerial", "field", "paddock"),
    ("microscopy", "algae", "diatom"),
    ("microscopy", "pollen", "palynomorph"),
]
"""Names that the model was never taught, with the word for them that it was."""


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(load_clip("demo", device="cpu", precision="float32"))


@pytest.fixture(scope="module")
def sample(segmenter: Segmenter) -> Any:
    @cache
    def encode(world: str) -> ImageFeatures:
        return segmenter.encode(sample_image(world), DRAFT)

    return encode


@pytest.fixture(scope="module")
def held_out(segmenter: Segmenter) -> list[Look]:
    return list(looks(segmenter, seed=503, scenes=10, preset="draft"))


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def in_rare_words(world: str, word: str, rare: str) -> tuple[Vocabulary, Vocabulary]:
    """Return a sample's vocabulary with a rare name, without and with the word as its synonym."""
    names = [rare if name == word else name for name in sample_words(world)]
    before = Vocabulary(names, templates=TEMPLATES)
    return before, before.replace(rare, ClassPrompt(rare, (word,)))


@pytest.mark.parametrize(("world", "word", "rare"), RARE_WORDS)
def test_a_synonym_helps_a_class_with_a_rare_name(
    segmenter: Segmenter, sample: Any, world: str, word: str, rare: str
) -> None:
    features = sample(world)
    before, after = in_rare_words(world, word, rare)
    id_ = before[rare].id
    assert id_ is not None
    effect = effect_of(
        segmenter, features, before, after, id_, refine=DRAFT.refine, decision=DRAFT.decide
    )
    truth = sample_labels(world) == sample_words(world).index(word)
    old, new = (overlap(truth, r.labels == id_) for r in (effect.before, effect.after))
    assert new > old + 0.5
    assert effect.share_after > effect.share_before
    assert effect.confidence_after > 0.85
    accepted = segmenter.segment(features, after, "draft")
    assert np.array_equal(effect.after.labels, accepted.labels)
    assert np.array_equal(effect.after.confidence, accepted.confidence)
    fit = fit_of(segmenter, before, id_, word, "synonym")
    assert not fit.pulls_to_rival


def test_the_preview_is_exact_with_refinement_too(segmenter: Segmenter, sample: Any) -> None:
    balanced = get_preset("balanced")
    before, after = in_rare_words("everyday", "umbrella", "bumbershoot")
    id_ = before["bumbershoot"].id or 0
    effect = effect_of(
        segmenter,
        sample("everyday"),
        before,
        after,
        id_,
        refine=balanced.refine,
        decision=balanced.decide,
    )
    old, new = (segmenter.segment(sample("everyday"), v, balanced) for v in (before, after))
    assert np.array_equal(effect.changed, old.labels != new.labels)
    assert np.array_equal(effect.after.labels, new.labels)


@pytest.mark.parametrize("world", WORLDS)
def test_texts_that_belong_to_another_class_are_warned_of(segmenter: Segmenter, world: str) -> None:
    lexicon = load_lexicon()
    words = sample_words(world)
    vocabulary = Vocabulary(words, templates=TEMPLATES)
    for word, other in zip(words, (*words[1:], words[0]), strict=True):
        id_ = vocabulary[word].id or 0
        own = [(text, "synonym") for text in lexicon[word].synonyms]
        own.append((lexicon[word].definition, "definition"))
        foreign = [(text, "synonym") for text in lexicon[other].synonyms]
        foreign.append((lexicon[other].definition, "definition"))
        for text, kind in own:
            assert not fit_of(segmenter, vocabulary, id_, text, kind).pulls_to_rival, text
        for text, kind in foreign:
            fit = fit_of(segmenter, vocabulary, id_, text, kind)
            assert fit.pulls_to_rival, text
            assert fit.nearest_rival == other


def total(counts: dict[str, Tally]) -> Tally:
    return sum(counts.values(), Tally())


def test_what_is_here_finds_what_is_there(segmenter: Segmenter, held_out: list[Look]) -> None:
    assert len(held_out) == 40
    counts = measure(segmenter, held_out, all_words)
    assert total(counts).recall > 0.95
    assert total(counts).false_share < 0.05
    for world, count in counts.items():
        assert count.recall > 0.9, world
        assert count.false_share < 0.1, world


def test_what_is_here_names_each_thing_once(segmenter: Segmenter, held_out: list[Look]) -> None:
    counts = total(measure(segmenter, held_out[::4], all_names))
    assert counts.recall > 0.9
    assert counts.twice <= 0.02 * counts.proposed


def test_what_is_here_leaves_unnamed_what_no_candidate_names(
    segmenter: Segmenter, held_out: list[Look]
) -> None:
    counts = total(measure(segmenter, held_out, half_of_them))
    assert counts.recall > 0.9
    assert counts.false_share < 0.15


@pytest.mark.parametrize("world", WORLDS)
def test_proposals_point_at_the_thing(segmenter: Segmenter, sample: Any, world: str) -> None:
    words = sample_words(world)
    truth = sample_labels(world)
    found = what_is_here(segmenter, sample(world), Vocabulary(list(load_lexicon())))
    right = [proposal for proposal in found if proposal.prompt.name in words]
    assert len(right) >= 0.8 * max(len(words), len(found))
    for proposal in right:
        own = truth == words.index(proposal.prompt.name)
        assert own[proposal.region.slices].mean() >= own.mean()
        assert proposal.share == pytest.approx(own.mean(), abs=0.06)


def test_two_names_for_one_thing_compete_most(segmenter: Segmenter, sample: Any) -> None:
    vocabulary = Vocabulary([*sample_words("everyday"), "automobile"], templates=TEMPLATES)
    embeddings = segmenter.embed(vocabulary)
    pair = competing_classes(segmenter, sample("everyday"), vocabulary, embeddings, DRAFT.decide)[0]
    assert {pair.first, pair.second} == {"car", "automobile"}
    assert pair.similarity > 0.8
    assert "synonym" in pair.hint

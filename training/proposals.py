"""Measure "what is in this image?" on held-out scenes: ``python -m training.proposals --seed 501``.

Every seed gives a fresh set of scenes, of every world the same number. A word is there when it
covers at least the smallest share that is proposed; a proposal is false when nothing of its word is
in the scene, or another word for the same thing is proposed before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from napari_itaclip.segmentation._selection import EVIDENCE_PART, MIN_LEAD
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.proposals import Proposal, what_is_here
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.vocabulary.classes import Vocabulary
from training.evaluate import first_seed
from training.lexicon import load_lexicon
from training.scenes import WORLDS, draw_scene

MIN_SHARE = 0.002
"""Words that cover less of a scene are neither asked for nor held against a proposal."""


@dataclass(frozen=True)
class Tally:
    """Proposals counted over scenes.

    Attributes
    ----------
    there, found : int
        Words in the scenes that were among the candidates, and those of them that were proposed.
    proposed, absent, twice : int
        Proposals, those of which nothing is in the scene, and those that repeat another.
    """

    there: int = 0
    found: int = 0
    proposed: int = 0
    absent: int = 0
    twice: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Add the counts."""
        return Tally(
            self.there + other.there,
            self.found + other.found,
            self.proposed + other.proposed,
            self.absent + other.absent,
            self.twice + other.twice,
        )

    @property
    def recall(self) -> float:
        """Part of the words there that were found; NaN if there were none."""
        return self.found / self.there if self.there else float("nan")

    @property
    def false_share(self) -> float:
        """Part of the proposals that are absent or repeat another; 0 if there are none."""
        return (self.absent + self.twice) / self.proposed if self.proposed else 0.0


@dataclass(frozen=True)
class Look:
    """A scene, encoded.

    Attributes
    ----------
    world : str
        Its world.
    features : ImageFeatures
        What the model sees.
    shares : dict of str to float
        Part of the picture that each word in it covers.
    """

    world: str
    features: ImageFeatures
    shares: dict[str, float]


def looks(segmenter: Segmenter, seed: int, scenes: int, preset: str) -> Iterator[Look]:
    """Draw and encode ``scenes`` held-out scenes of each world."""
    for world in WORLDS:
        for number in range(scenes):
            scene = draw_scene(world, first_seed(seed) + number)
            features = segmenter.encode(scene.image, preset)
            words = WORLDS[world].words
            covered = np.bincount(scene.labels(words).ravel(), minlength=len(words))
            shares = zip(words, (covered / scene.region_map.size).tolist(), strict=False)
            yield Look(world, features, {word: share for word, share in shares if share})


def tally(look: Look, candidates: Vocabulary, proposals: Sequence[Proposal]) -> Tally:
    """Compare proposals with what is in a scene; synonyms stand for their word."""
    meant = {name: word for word, entry in load_lexicon().items() for name in entry.names}
    asked = {meant[name] for name in candidates.names}
    there = {word for word in asked if look.shares.get(word, 0) >= MIN_SHARE}
    found = [meant[proposal.prompt.name] for proposal in proposals]
    return Tally(
        there=len(there),
        found=len(there & set(found)),
        proposed=len(found),
        absent=sum(word not in look.shares for word in found),
        twice=sum(word in found[:at] for at, word in enumerate(found)),
    )


def all_words(look: Look, rng: np.random.Generator) -> list[str]:
    """Return the words of all worlds."""
    return list(load_lexicon())


def all_names(look: Look, rng: np.random.Generator) -> list[str]:
    """Return the words of all worlds and their synonyms, each as a candidate of its own."""
    return [name for word, entry in load_lexicon().items() for name in (word, *entry.synonyms)]


def half_of_them(look: Look, rng: np.random.Generator) -> list[str]:
    """Return half of the words, so that about half of each scene has no name."""
    words = list(load_lexicon())
    chosen: NDArray[np.int64] = rng.permutation(len(words))[: len(words) // 2]
    return [words[at] for at in chosen]


def none_of_them(look: Look, rng: np.random.Generator) -> list[str]:
    """Return the words of which nothing is in the scene."""
    return [word for word in load_lexicon() if word not in look.shares]


Choice = Callable[[Look, np.random.Generator], list[str]]

CHOICES: dict[str, Choice] = {
    "all words": all_words,
    "all synonyms, too": all_names,
    "half of the words": half_of_them,
    "only absent words": none_of_them,
}
"""Ways to choose the candidates for a scene."""


def measure(
    segmenter: Segmenter,
    scenes: Sequence[Look],
    choice: Choice,
    min_lead: float = MIN_LEAD,
    evidence_part: float = EVIDENCE_PART,
) -> dict[str, Tally]:
    """Return the counts by world."""
    rng = np.random.default_rng(0)
    counts = dict.fromkeys(WORLDS, Tally())
    for look in scenes:
        candidates = Vocabulary(choice(look, rng))
        found = what_is_here(
            segmenter,
            look.features,
            candidates,
            min_share=MIN_SHARE,
            min_lead=min_lead,
            evidence_part=evidence_part,
        )
        counts[look.world] += tally(look, candidates, found)
    return counts


def main(
    seed: Annotated[int, typer.Option(help="Which held-out scenes; any whole number.")] = 0,
    scenes: Annotated[int, typer.Option(help="Scenes per world.")] = 15,
    model: Annotated[str, typer.Option(help="Model by name, or a checkpoint file.")] = "demo",
    preset: Annotated[str, typer.Option(help="draft, balanced or paper.")] = "balanced",
    sweep: Annotated[bool, typer.Option("--sweep", help="Try other thresholds, too.")] = False,
) -> None:
    """Measure the proposals of a model."""
    segmenter = Segmenter.from_pretrained(model, device="cpu", precision="float32")
    drawn = list(looks(segmenter, seed, scenes, preset))
    print(f"{len(drawn)} scenes")
    heads = f"{'lead':>6}{'part':>6}{'recall':>8}{'false':>8}{'per scene':>11}"
    print(f"{'candidates':<20}{heads}  worlds: recall, false")
    settings = [(MIN_LEAD, EVIDENCE_PART)]
    if sweep:
        settings = [(lead, EVIDENCE_PART) for lead in (0.0, 0.5, 1.0, 1.5, 2.0)]
        settings += [(MIN_LEAD, part) for part in (0.0, 0.3, 0.4, 0.5, 0.6)]
    for name, choice in CHOICES.items():
        for lead, part in settings:
            counts = measure(segmenter, drawn, choice, lead, part)
            total = sum(counts.values(), Tally())
            worlds = "  ".join(
                f"{world} {count.recall:.2f} {count.false_share:.2f}"
                for world, count in counts.items()
            )
            print(
                f"{name:<20}{lead:>6.1f}{part:>6.1f}{total.recall:>8.3f}{total.false_share:>8.3f}"
                f"{total.proposed / len(drawn):>11.1f}  {worlds}"
            )


if __name__ == "__main__":
    typer.run(main)

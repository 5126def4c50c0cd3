"""Measure a model on scenes it was never trained on: ``python -m training.evaluate --seed 0``.

Every seed gives a fresh set of held-out scenes. The vocabulary of a scene is all words of its
world, each by its plain name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from napari_itaclip.clip.recipes import RECIPES
from napari_itaclip.evaluation.confusion import confusion_matrix, intersection_over_union
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import Preset, RefineSettings, get_preset
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.templates import DEFAULT_TEMPLATES
from training.lexicon import load_lexicon
from training.pool import HELD_OUT
from training.scenes import WORLDS, draw_scene

_SEEDS_APART = 10_000
"""Distance between the first scenes of two evaluation seeds."""

_SIZE = (512, 512)


@dataclass(frozen=True)
class Result:
    """IoU of every word of every world."""

    iou: dict[str, dict[str, float]]

    @property
    def worlds(self) -> dict[str, float]:
        """Mean IoU of each world's words."""
        return {world: float(np.nanmean(list(words.values()))) for world, words in self.iou.items()}

    @property
    def overall(self) -> float:
        """Mean IoU over all words of all worlds."""
        return float(np.nanmean([value for words in self.iou.values() for value in words.values()]))


@dataclass(frozen=True)
class Variant:
    """One line of the comparison table."""

    name: str
    preset: Preset
    auxiliary: bool = False
    templates: str = DEFAULT_TEMPLATES


def first_seed(seed: int) -> int:
    """Return the first scene of an evaluation ``seed``; training stops short of all of them."""
    return HELD_OUT + (seed % 100_000) * _SEEDS_APART


def world_vocabulary(world: str, *, auxiliary: bool = False) -> Vocabulary:
    """Return all words of ``world``, with the lexicon's definitions if ``auxiliary``."""
    lexicon = load_lexicon()
    return Vocabulary(
        [
            ClassPrompt(word, auxiliary=(lexicon[word].definition,) if auxiliary else ())
            for word in WORLDS[world].words
        ]
    )


def replace_templates(vocabulary: Vocabulary, templates: str) -> Vocabulary:
    """Return the same classes with other sentences around their words."""
    return Vocabulary(vocabulary.classes, alpha=vocabulary.alpha, templates=templates)


def evaluate(
    segmenter: Segmenter,
    variants: Sequence[Variant],
    seed: int,
    scenes: int,
    worlds: Sequence[str] = tuple(WORLDS),
) -> dict[str, Result]:
    """Return the result of every variant over ``scenes`` held-out scenes of each world."""
    found: dict[str, dict[str, dict[str, float]]] = {variant.name: {} for variant in variants}
    for world in worlds:
        words = WORLDS[world].words
        counts = {
            variant.name: np.zeros((len(words), len(words) + 1), np.int64) for variant in variants
        }
        vocabularies = {
            auxiliary: world_vocabulary(world, auxiliary=auxiliary) for auxiliary in (False, True)
        }
        for number in range(scenes):
            scene = draw_scene(world, first_seed(seed) + number, _SIZE)
            truth = scene.labels(words)
            features = {}
            for variant in variants:
                settings = variant.preset.encode
                if settings not in features:
                    features[settings] = segmenter.encode(scene.image, settings)
                vocabulary = replace_templates(vocabularies[variant.auxiliary], variant.templates)
                result = segmenter.segment(features[settings], vocabulary, variant.preset)
                counts[variant.name] += confusion_matrix(
                    truth, _positions(vocabulary)[result.labels], len(words)
                )
        for name, matrix in counts.items():
            iou = intersection_over_union(matrix).tolist()
            found[name][world] = dict(zip(words, iou, strict=True))
    return {name: Result(iou) for name, iou in found.items()}


def comparison() -> list[Variant]:
    """Return the paper's ingredients, one after the other."""
    balanced = get_preset("balanced")
    bare = replace(
        balanced,
        encode=replace(balanced.encode, image_engineering=False),
        refine=RefineSettings(iterations=0),
    )
    variants = [
        Variant(name, replace(bare, encode=replace(bare.encode, recipe=RECIPES[name])))
        for name in ("clip", "maskclip", "sclip", "clearclip", "naclip", "itaclip")
    ]
    engineered = replace(bare, encode=balanced.encode)
    variants += [
        Variant("itaclip + image engineering", engineered),
        Variant("itaclip + PAMR", replace(bare, refine=balanced.refine)),
        Variant("itaclip + both (balanced)", balanced),
        Variant("itaclip + both + auxiliary text", balanced, auxiliary=True),
    ]
    return variants


def print_result(result: Result) -> None:
    """Print the IoU of every word, and the means."""
    for world, words in result.iou.items():
        print(f"{world}  {result.worlds[world]:.3f}")
        for word, value in sorted(words.items(), key=lambda item: item[1]):
            print(f"  {word:<16}{value:.3f}")
    lowest = min(
        (value, word, world) for world, words in result.iou.items() for word, value in words.items()
    )
    print(f"lowest {lowest[0]:.3f} ({lowest[1]}, {lowest[2]})")
    print(f"mIoU {result.overall:.4f}")


def main(
    seed: Annotated[int, typer.Option(help="Which held-out scenes; any whole number.")] = 0,
    scenes: Annotated[int, typer.Option(help="Scenes per world.")] = 40,
    model: Annotated[str, typer.Option(help="Model by name, or a checkpoint file.")] = "demo",
    preset: Annotated[str, typer.Option(help="draft, balanced or paper.")] = "balanced",
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or auto.")] = "float32",
    templates: Annotated[
        str, typer.Option(help="Template set around the words.")
    ] = DEFAULT_TEMPLATES,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare recipes and ingredients.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--json", help="Also write JSON here.")] = None,
) -> None:
    """Measure a model on held-out scenes."""
    torch.manual_seed(0)
    segmenter = Segmenter.from_pretrained(model, device="cpu", precision=precision)
    variants = (
        comparison() if compare else [Variant(preset, get_preset(preset), templates=templates)]
    )
    results = evaluate(segmenter, variants, seed, scenes)
    if compare:
        print(f"{'':<34}" + "".join(f"{world:>12}" for world in WORLDS) + f"{'all':>8}")
        for name, result in results.items():
            cells = "".join(f"{value:>12.3f}" for value in result.worlds.values())
            print(f"{name:<34}{cells}{result.overall:>8.3f}")
    else:
        print_result(results[preset])
    if output is not None:
        output.write_text(
            json.dumps(
                {
                    name: {"mIoU": result.overall, "worlds": result.worlds, "words": result.iou}
                    for name, result in results.items()
                },
                indent=2,
            ),
            encoding="utf-8",
        )


def _positions(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the table from class ids to positions in the vocabulary."""
    table = np.full(max(vocabulary.ids) + 1, -1)
    table[list(vocabulary.ids)] = np.arange(len(vocabulary))
    return table


if __name__ == "__main__":
    typer.run(main)

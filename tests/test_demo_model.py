"""The shipped model: its words mean something, and editing them does what a person expects.

Scenes come from seeds that training stops short of. The bounds leave room for the small spread
between processors, not for a worse model.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open

from napari_itaclip import ClassPrompt, Segmenter, Vocabulary
from napari_itaclip.clip.checkpoints import load_clip
from napari_itaclip.sample_data import WORLDS, sample_image, sample_labels, sample_words
from napari_itaclip.segmentation.features import ImageFeatures
from training.evaluate import Variant, evaluate
from training.lexicon import load_lexicon
from training.scenes import Scene, draw_scene

Labels = NDArray[np.integer[Any]]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(load_clip("demo", device="cpu", precision="float32"))


@cache
def scene(world: str, seed: int) -> Scene:
    return draw_scene(world, seed)


@pytest.fixture(scope="module")
def encoded(segmenter: Segmenter) -> Any:
    @cache
    def encode(world: str, seed: int | None = None) -> ImageFeatures:
        image = sample_image(world) if seed is None else scene(world, seed).image
        return segmenter.encode(image)

    return encode


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def where(result: Any, name: str) -> NDArray[np.bool_]:
    ids = {row.name: row.id for row in result.classes}
    found: NDArray[np.bool_] = result.labels == ids[name]
    return found


def test_file_is_small_and_says_what_it_is() -> None:
    with as_file(files("napari_itaclip") / "data" / "demo.safetensors") as path:
        assert path.stat().st_size < 20e6
        with safe_open(path, "np") as content:
            metadata = content.metadata()
    assert metadata["activation"] == "quick_gelu"
    assert {"format", "seed", "steps"} <= metadata.keys()


def test_results_say_which_model_made_them(segmenter: Segmenter, encoded: Any) -> None:
    result = segmenter.segment(encoded("everyday"), "sky; grass")
    assert result.settings.model_name == "demo"
    assert any("demo model" in note for note in result.notes)


@pytest.mark.parametrize("world", WORLDS)
def test_samples_are_understood(segmenter: Segmenter, encoded: Any, world: str) -> None:
    words = sample_words(world)
    result = segmenter.segment(encoded(world), list(words))
    truth = sample_labels(world)
    values = [overlap(truth == i, where(result, word)) for i, word in enumerate(words)]
    assert np.mean(values) > 0.75, dict(zip(words, values, strict=True))


def test_held_out_scenes(segmenter: Segmenter) -> None:
    from napari_itaclip.segmentation.settings import get_preset

    variant = Variant("balanced", get_preset("balanced"))
    result = evaluate(segmenter, [variant], seed=77, scenes=8)["balanced"]
    assert result.overall > 0.82
    assert min(result.worlds.values()) > 0.75


def test_adding_grass_takes_over_exactly_the_grass(segmenter: Segmenter, encoded: Any) -> None:
    features = encoded("everyday")
    words = [word for word in sample_words("everyday") if word != "grass"]
    before = Vocabulary.parse(words)
    after = before.add("grass")
    old = segmenter.segment(features, before).labels
    new = segmenter.segment(features, after)
    grass = sample_labels("everyday") == sample_words("everyday").index("grass")
    changed = old != new.labels
    assert np.array_equal(changed, where(new, "grass"))
    assert overlap(changed, grass) > 0.85


@pytest.mark.parametrize(
    ("world", "seed", "word", "synonym"),
    [
        ("driving", None, "car", "automobile"),
        ("driving", None, "pavement", "sidewalk"),
        ("aerial", None, "greenhouse", "glasshouse"),
        ("everyday", None, "umbrella", "parasol"),
        ("everyday", 2_000_013, "car", "motorcar"),
    ],
)
def test_a_synonym_alone_finds_the_thing(
    segmenter: Segmenter, encoded: Any, world: str, seed: int | None, word: str, synonym: str
) -> None:
    if seed is None:
        words = sample_words(world)
        truth = sample_labels(world) == words.index(word)
    else:
        drawn = scene(world, seed)
        words = tuple(dict.fromkeys(region.word for region in drawn.regions))
        truth = drawn.labels(words) == words.index(word)
    vocabulary = [synonym if name == word else name for name in words]
    result = segmenter.segment(encoded(world, seed), vocabulary)
    assert overlap(truth, where(result, synonym)) > 0.6


@pytest.mark.parametrize(
    ("world", "seed", "colours"),
    [
        ("everyday", 2_000_013, ("yellow", "purple")),
        ("everyday", 2_000_042, ("red", "purple")),
        ("aerial", 2_000_031, ("red", "green")),
    ],
)
def test_a_colour_word_picks_the_right_car(
    segmenter: Segmenter, encoded: Any, world: str, seed: int, colours: tuple[str, str]
) -> None:
    drawn = scene(world, seed)
    others = [w for w in dict.fromkeys(r.word for r in drawn.regions) if w != "car"]
    names = [f"{colour} car" for colour in colours]
    result = segmenter.segment(encoded(world, seed), [*others, *names])
    for name, colour in zip(names, colours, strict=True):
        mine = [i for i, r in enumerate(drawn.regions) if r.word == "car" and r.colour == colour]
        truth = np.isin(drawn.region_map, mine)
        assert overlap(truth, where(result, name)) > 0.5, name


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("nonsense", ["qwrtzp", "blorfish", "giraffe"])
def test_a_nonsense_word_wins_almost_nothing(
    segmenter: Segmenter, encoded: Any, world: str, nonsense: str
) -> None:
    result = segmenter.segment(encoded(world), [*sample_words(world), nonsense])
    assert where(result, nonsense).mean() < 0.01


def test_an_auxiliary_text_pulls_towards_what_it_describes(
    segmenter: Segmenter, encoded: Any
) -> None:
    # A name that the model does not know finds its thing by the definition.
    definition = load_lexicon()["umbrella"].definition
    words = [word for word in sample_words("everyday") if word != "umbrella"]
    plain = Vocabulary([*words, "zorble"])
    described = Vocabulary([*words, ClassPrompt("zorble", auxiliary=(definition,), alpha=0.8)])
    truth = sample_labels("everyday") == sample_words("everyday").index("umbrella")
    features = encoded("everyday")
    before = overlap(truth, where(segmenter.segment(features, plain), "zorble"))
    after = overlap(truth, where(segmenter.segment(features, described), "zorble"))
    assert after > before + 0.3

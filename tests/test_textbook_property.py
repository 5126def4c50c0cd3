"""The fast path agrees with the textbook version on random settings, to 1e-5.

The textbook computes in ``float64``: it is the truth, and the fast path's ``float32`` is what is
judged. The settings reach the corners: windows at the border, strides that do not divide, sides
that nothing divides, images smaller than a window, one class and 300, every recipe and ablation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from open_clip.model import CLIP
from torch import Tensor

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.recipes import RECIPES, AttentionTerm, Recipe
from napari_itaclip.clip.text import TextEncoder
from napari_itaclip.clip.vision import visual_tokens
from napari_itaclip.segmentation.decide import decide
from napari_itaclip.segmentation.image import MIN_SIDE
from napari_itaclip.segmentation.refine import pamr, refinement_guide
from napari_itaclip.segmentation.scores import score_map
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import DecisionSettings, EncodeSettings
from tests import textbook as tb
from tests.tiny import make_tiny_clip, save_tiny_clip

TOLERANCE = 1e-5
EXAMPLES = 25
WORDS = ("cat", "a very small dog", "sky", "person in a striped shirt", "cup, saucer and spoon")
TEMPLATES = ("a photo of a {}.", "{}", "itap of my {}.", "a rendition of the {} in a video game.")


@dataclass(frozen=True)
class Network:
    """Sizes of a tiny CLIP."""

    width: int
    layers: int
    patch: int
    image_size: int


NETWORKS = (Network(64, 4, 16, 64), Network(128, 3, 8, 32), Network(64, 12, 16, 48))

Models = Callable[[Network], ClipModel]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Return what loads each tiny network once, through a file, as a person's own checkpoint."""
    folder = tmp_path_factory.mktemp("networks")
    loaded: dict[Network, ClipModel] = {}

    def get(network: Network) -> ClipModel:
        if network not in loaded:
            clip = make_tiny_clip(
                network.width, network.layers, network.patch, network.image_size, seed=7
            )
            path = save_tiny_clip(clip, folder / f"{len(loaded)}.safetensors")
            loaded[network] = load_clip(path, device="cpu", precision="float32")
        return loaded[network]

    return get


@dataclass(frozen=True)
class RecipePair:
    """The same recipe for both sides."""

    fast: Recipe
    plain: tb.TextbookRecipe


def published(name: str, depth: int) -> RecipePair:
    """Return a published recipe; ITACLIP's middle layers at the same fractions of ``depth``."""
    plain = tb.TEXTBOOK_RECIPES[name]
    middle = {int(layer / 12 * depth + 0.5) for layer in plain.middle}
    layers = tuple(sorted(layer for layer in middle if layer < depth))
    return RecipePair(
        RECIPES[name],
        tb.TextbookRecipe(plain.attention, plain.residual, plain.feed_forward, layers),
    )


TERMS: tuple[AttentionTerm, ...] = ("qk", "qq", "kk", "vv", "identity")


@st.composite
def ablations(draw: st.DrawFn, depth: int) -> RecipePair:
    """Draw any last block that can be expressed."""
    terms = draw(st.lists(st.sampled_from(TERMS), min_size=1, max_size=3, unique=True))
    residual, feed_forward = draw(st.booleans()), draw(st.booleans())
    layers = draw(st.lists(st.integers(1, depth - 1), max_size=3, unique=True))
    sigma = draw(st.none() | st.floats(0.5, 8))
    fast = Recipe(
        "ablation",
        tuple(terms),
        residual=residual,
        feed_forward=feed_forward,
        middle_layers=tuple(layer / depth for layer in layers),
        gaussian_sigma=sigma,
    )
    near = "" if sigma is None else "+gauss"
    plain = tb.TextbookRecipe(
        tuple(term if term == "identity" else term + near for term in terms),
        residual,
        feed_forward,
        tuple(layers),
        sigma=5.0 if sigma is None else sigma,
    )
    return RecipePair(fast, plain)


def recipes(depth: int) -> st.SearchStrategy[RecipePair]:
    named = st.sampled_from(sorted(RECIPES)).map(lambda name: published(name, depth))
    return named | ablations(depth)


def random_unit_rows(count: int, width: int, seed: int) -> Tensor:
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=-1)


def random_picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return blocks of colour, some black or white, half of the picture with noise on them."""
    random = np.random.default_rng(seed)
    coarse = random.choice([0, 255, 40, 130, 201], (height // 9 + 1, width // 7 + 1, 3))
    picture = np.kron(coarse, np.ones((9, 7, 1), np.int64))[:height, :width]
    picture[: height // 2] += random.integers(-30, 30, picture[: height // 2].shape)
    return picture.clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Scene:
    """Everything that decides about the scores of one picture."""

    network: Network
    height: int
    width: int
    short_side: int
    max_long_side: int
    window: int
    stride: int
    recipe: RecipePair
    lam: float | None
    words: int
    seed: int

    @property
    def encode_settings(self) -> EncodeSettings:
        return EncodeSettings(
            short_side=self.short_side,
            max_long_side=self.max_long_side,
            window=self.window,
            stride=self.stride,
            recipe=self.recipe.fast,
            image_engineering=self.lam is not None,
            lam=0.75 if self.lam is None else self.lam,
            antialias=False,
        )


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    network = draw(st.sampled_from(NETWORKS))
    short_side = draw(st.integers(16, 72))
    window = draw(st.integers(-(-16 // network.patch), 64 // network.patch)) * network.patch
    return Scene(
        network=network,
        height=draw(st.integers(MIN_SIDE, 90)),
        width=draw(st.integers(MIN_SIDE, 90)),
        short_side=short_side,
        max_long_side=draw(st.integers(short_side, 110)),
        window=window,
        stride=draw(st.integers(window // 3, window)),
        recipe=draw(recipes(network.layers)),
        lam=draw(st.none() | st.floats(0, 1)),
        words=draw(st.sampled_from([1, 2, 5, 300])),
        seed=draw(st.integers(0, 1000)),
    )


def example_scene(
    height: int, width: int, short_side: int, stride: int, words: int, recipe: str = "itaclip"
) -> Scene:
    return Scene(
        NETWORKS[0], height, width, short_side, 110, 64, stride,
        published(recipe, NETWORKS[0].layers), 0.7, words, seed=1,
    )  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_tokens(models: Models, data: st.DataObject) -> None:
    network = data.draw(st.sampled_from(NETWORKS))
    pair = data.draw(recipes(network.layers))
    sides = st.integers(1, 5).map(lambda count: count * network.patch)
    shape = (data.draw(st.integers(1, 3)), 3, data.draw(sides), data.draw(sides))
    seed = data.draw(st.integers(0, 1000))
    windows = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    clip = cast(CLIP, models(network).network)
    found = visual_tokens(clip, windows, pair.fast)
    expected = tb.visual_tokens(clip, windows.double(), pair.plain)
    error = (found - expected).norm(dim=-1) / expected.norm(dim=-1)
    assert float(error.max()) < TOLERANCE


@settings(max_examples=EXAMPLES)
@given(scene=scenes())
@example(scene=example_scene(90, 61, 70, 28, 300))
@example(scene=example_scene(9, 83, 20, 33, 1))
@example(scene=example_scene(31, 30, 41, 64, 2, "naclip"))
@example(scene=example_scene(64, 64, 64, 64, 3, "sclip"))
def test_scores(models: Models, scene: Scene) -> None:
    model = models(scene.network)
    picture = random_picture(scene.height, scene.width, scene.seed)
    embeddings = random_unit_rows(scene.words, model.embed_dim, scene.seed)
    features = Segmenter(model).encode(picture, scene.encode_settings)

    size = tb.resized_shape(scene.height, scene.width, scene.short_side, scene.max_long_side)
    resized = tb.resize_image(picture, size)
    np.testing.assert_array_equal(features.picture, resized)
    mean, std = ([255 * v for v in values] for values in (model.mean, model.std))
    expected = tb.slide_scores(
        model.network,
        tb.normalise(resized, mean, std, torch.float64),
        embeddings.double(),
        scene.recipe.plain,
        window=scene.window,
        stride=scene.stride,
        lam=scene.lam,
    )
    for where, truth in (
        ("resized", expected),
        ("original", tb.resize_scores(expected, (scene.height, scene.width))),
        ((37, 113), tb.resize_scores(expected, (37, 113))),
    ):
        found = score_map(features, embeddings, where)
        np.testing.assert_allclose(found, truth, atol=TOLERANCE, rtol=0, err_msg=str(where))


@settings(max_examples=EXAMPLES)
@given(
    height=st.integers(MIN_SIDE, 90),
    width=st.integers(MIN_SIDE, 90),
    short_side=st.integers(16, 72),
    words=st.sampled_from([1, 2, 5, 300]),
    iterations=st.integers(0, 12),
    dilations=st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 1000),
)
def test_refinement(
    models: Models,
    height: int,
    width: int,
    short_side: int,
    words: int,
    iterations: int,
    dilations: list[int],
    seed: int,
) -> None:
    picture = random_picture(height, width, seed)
    plain = EncodeSettings(
        short_side=short_side, max_long_side=110, image_engineering=False, stride=64,
        recipe=RECIPES["maskclip"], antialias=False,
    )  # fmt: skip
    features = Segmenter(models(NETWORKS[0])).encode(picture, plain)
    resized = tb.resize_image(picture, tb.resized_shape(height, width, short_side, 110))
    guide = refinement_guide(features)
    truth = tb.pamr_guide(resized, (height, width))
    np.testing.assert_allclose(guide, truth, atol=TOLERANCE, rtol=1e-7)

    # Both refine along the same float32 guide: where the picture is all but constant, PAMR compares
    # differences with a tiny spread, and the guide's last bit alone can move a pixel by 2e-5.
    scores = torch.randn(words, height, width, generator=torch.Generator().manual_seed(seed)) / 4
    found = pamr(scores.clone(), guide, iterations, dilations)
    expected = tb.pamr(scores.double(), guide.double(), iterations, dilations)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


@settings(max_examples=EXAMPLES)
@given(
    synonyms=st.lists(st.integers(1, 4), min_size=1, max_size=12) | st.just([1] * 300),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    logit_scale=st.floats(1, 100),
    prob_threshold=st.floats(0, 0.9),
    area_threshold=st.none() | st.floats(0, 0.5),
    closing=st.booleans(),
    biased=st.booleans(),
    seed=st.integers(0, 1000),
)
@example([1], 5, 7, 50.0, 0.5, 0.1, True, False, 0)
@example([2, 1, 3], 60, 41, 60.0, 0.1, 0.1, True, False, 1)
@example([2, 1, 3], 60, 41, 60.0, 0.1, 0.1, True, True, 1)
def test_decision(
    synonyms: list[int],
    height: int,
    width: int,
    logit_scale: float,
    prob_threshold: float,
    area_threshold: float | None,
    closing: bool,
    biased: bool,
    seed: int,
) -> None:
    word_class = tuple(c for c, count in enumerate(synonyms) for _ in range(count))
    coarse = (len(word_class), -(-height // 6), -(-width // 6))
    noise = torch.randn(coarse, generator=torch.Generator().manual_seed(seed))
    scores = tb.resize_scores(noise / 8, (height, width))
    random = np.random.default_rng(seed)
    biases = random.uniform(-20, 20, len(synonyms)).tolist() if biased else None
    thresholds = random.uniform(0, 1, len(synonyms)).tolist() if biased else None
    found = decide(
        scores,
        word_class,
        DecisionSettings(
            logit_scale=logit_scale,
            pooling="max_probability",
            probability_threshold=prob_threshold,
            area_threshold=area_threshold,
            closing="labels" if closing else "off",
        ),
        background=0,
        keep_probabilities=True,
        class_bias=biases,
        class_threshold=thresholds,
    )
    expected = tb.decide(
        scores.double(),
        word_class,
        logit_scale=logit_scale,
        prob_threshold=prob_threshold,
        area_threshold=area_threshold,
        closing=closing,
        class_bias=biases,
        class_threshold=thresholds,
    )
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=TOLERANCE, rtol=0)
    best = expected.probabilities.sort(dim=0, descending=True).values
    clear = (best[0] - prob_threshold).abs().min() > TOLERANCE
    for threshold in thresholds or ():
        clear &= (best[0] - threshold).abs().min() > TOLERANCE
    if len(best) > 1:
        clear &= (best[0] - best[1]).min() > TOLERANCE
    agreement = (found.positions == expected.labels).mean()
    assert agreement == 1 or (not clear and agreement > 0.97)
    np.testing.assert_allclose(found.confidence, best[0], atol=TOLERANCE, rtol=0)
    if len(best) > 1:
        np.testing.assert_allclose(found.margin, best[0] - best[1], atol=TOLERANCE, rtol=0)


@settings(max_examples=EXAMPLES)
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True),
    templates=st.lists(st.sampled_from(TEMPLATES), min_size=1, unique=True),
)
def test_text(models: Models, words: list[str], templates: list[str]) -> None:
    model = models(NETWORKS[0])
    found = TextEncoder(model).encode(words, tuple(templates))
    expected = tb.text_embeddings(model.network, words, templates, model.tokenize, torch.float64)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)

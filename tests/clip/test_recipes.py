"""Recipes: the published methods, every ablation of the paper, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from open_clip.model import CLIP

from napari_itaclip.clip.recipes import (
    ITACLIP_MIDDLE_LAYERS,
    RECIPES,
    AttentionTerm,
    Recipe,
    get_recipe,
)
from napari_itaclip.clip.vision import visual_tokens
from napari_itaclip.errors import SettingsError

ITACLIP = RECIPES["itaclip"]

BAD_FIELDS: list[tuple[str, Any]] = [
    ("attention", ()),
    ("attention", ("qx",)),
    ("attention", ("qq", "")),
    ("attention", "qq"),
    ("attention", None),
    ("residual", 1),
    ("residual", None),
    ("feed_forward", "no"),
    ("middle_layers", (0.0,)),
    ("middle_layers", (0.5, 1.0)),
    ("middle_layers", (7,)),
    ("middle_layers", (-0.1,)),
    ("middle_layers", (float("nan"),)),
    ("middle_layers", ("7",)),
    ("middle_layers", 0.5),
    ("middle_weight", -0.1),
    ("middle_weight", 1.1),
    ("middle_weight", float("nan")),
    ("middle_weight", "half"),
    ("middle_weight", True),
    ("gaussian_sigma", 0.0),
    ("gaussian_sigma", -5.0),
    ("gaussian_sigma", float("inf")),
    ("gaussian_sigma", float("nan")),
    ("gaussian_sigma", "5"),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_a_bad_field_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        replace(ITACLIP, name="mine", **{field: value})
    message = str(caught.value)
    assert "mine" in message
    assert field.split("_")[0].rstrip("s") in message


@pytest.mark.parametrize("name", ["clip2", "", "ITA", None, 5])
def test_an_unknown_recipe_names_the_known_ones(name: Any) -> None:
    with pytest.raises(SettingsError, match=r"maskclip.*itaclip") as caught:
        get_recipe(name)
    assert repr(name) in str(caught.value)


def test_a_recipe_is_found_by_name_in_any_case_or_passed_on() -> None:
    assert get_recipe("ItaCLIP") is ITACLIP
    mine = replace(ITACLIP, name="mine")
    assert get_recipe(mine) is mine


def test_lists_become_tuples_so_that_recipes_can_be_compared_and_hashed() -> None:
    listed = Recipe("a", cast(Any, ["qq", "kk"]), True, False, cast(Any, [0.5]))
    assert listed == Recipe("a", ("qq", "kk"), True, False, (0.5,))
    assert len({listed, replace(listed)}) == 1


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [
        (12, (6, 7, 9)),  # the paper's layers 7, 8 and 10, counted from 0
        (24, (13, 15, 19)),
        (6, (3, 4)),  # 3.5, 4 and 5 round to layers 4, 4 and 5
        (3, (1,)),  # 1.75, 2 and 2.5 round to 2, 2 and the last layer, which is not a middle one
        (2, (0,)),
        (1, ()),
    ],
)
def test_middle_layers_scale_with_the_depth(depth: int, blocks: tuple[int, ...]) -> None:
    assert replace(ITACLIP, middle_layers=ITACLIP_MIDDLE_LAYERS).middle_blocks(depth) == blocks


def test_a_very_early_middle_layer_is_the_first() -> None:
    assert replace(ITACLIP, middle_layers=(0.01,)).middle_blocks(4) == (0,)


ATTENTION_ABLATIONS: list[tuple[AttentionTerm, ...]] = [
    ("qk",),
    ("qq",),
    ("kk",),
    ("vv",),
    ("qq", "kk"),
    ("qq", "vv"),
    ("qq", "kk", "vv"),
]
LAYER_ABLATIONS = [(), (7 / 12,), (7 / 12, 8 / 12), ITACLIP_MIDDLE_LAYERS, (7 / 12, 8 / 12, 0.75)]


def test_every_ablation_of_the_paper_is_a_different_network(tiny_clip: CLIP) -> None:
    windows = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    recipes = [replace(ITACLIP, attention=terms) for terms in ATTENTION_ABLATIONS]
    recipes += [replace(ITACLIP, feed_forward=True), replace(ITACLIP, residual=False)]
    results = [visual_tokens(tiny_clip, windows, recipe) for recipe in recipes]
    for index, result in enumerate(results):
        assert torch.isfinite(result).all()
        for other in results[:index]:
            assert (result - other).abs().max() > 1e-3


def test_middle_layers_matter_as_much_as_their_weight_says(tiny_clip: CLIP) -> None:
    windows = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def tokens(**changes: Any) -> torch.Tensor:
        return visual_tokens(tiny_clip, windows, replace(ITACLIP, **changes))

    none = tokens(middle_layers=())
    torch.testing.assert_close(tokens(middle_weight=0.0), none)
    for layers in LAYER_ABLATIONS[1:]:
        assert (tokens(middle_layers=layers) - none).abs().max() > 1e-3


def test_a_term_counts_twice_when_named_twice(tiny_clip: CLIP) -> None:
    """Maps are added, not averaged (eq. 6)."""
    windows = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    once = visual_tokens(tiny_clip, windows, replace(ITACLIP, attention=("qq",)))
    twice = visual_tokens(tiny_clip, windows, replace(ITACLIP, attention=("qq", "qq")))
    assert (once - twice).abs().max() > 1e-3

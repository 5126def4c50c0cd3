"""Patch features: any window size, an unmodified network, CLIP itself as a special case."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from open_clip.model import CLIP
from torch import Tensor

from napari_itaclip.clip.recipes import RECIPES
from napari_itaclip.clip.vision import patch_features, vision_tower, visual_tokens
from napari_itaclip.errors import CheckpointError, SettingsError
from tests.tiny import make_tiny_clip


def windows_of(height: int, width: int, count: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("quick_gelu", [True, False])
@pytest.mark.parametrize("size", [(4, 16, 64), (3, 8, 40), (2, 32, 64)])
def test_recipe_clip_is_open_clips_forward(size: tuple[int, int, int], quick_gelu: bool) -> None:
    layers, patch, side = size
    network = make_tiny_clip(
        128, layers, patch, side, text_layers=1, vocab_size=64, quick_gelu=quick_gelu
    )
    windows = windows_of(side, side, count=2)
    with torch.inference_mode():
        expected = network.encode_image(windows)
    torch.testing.assert_close(
        visual_tokens(network, windows, "clip")[:, 0], expected, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 112), (160, 16), (16, 16)])
def test_any_window_of_whole_patches(tiny_clip: CLIP, recipe: str, height: int, width: int) -> None:
    features, grid = patch_features(tiny_clip, windows_of(height, width, 2), recipe)
    assert grid == (height // 16, width // 16)
    assert features.shape == (2, *grid, 64)
    assert features.dtype == torch.float32
    norms = features.norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones_like(norms))


@pytest.mark.parametrize(("height", "width"), [(65, 64), (64, 63), (8, 64), (0, 64)])
def test_a_window_of_broken_patches_is_refused(tiny_clip: CLIP, height: int, width: int) -> None:
    with pytest.raises(SettingsError, match=f"{height}x{width}.*16x16.*multiples"):
        visual_tokens(tiny_clip, windows_of(height, width))


def test_patches_are_placed_row_by_row(tiny_clip: CLIP) -> None:
    """A change of one patch shows most in that patch's features."""
    plain = windows_of(48, 80)
    changed = plain.clone()
    changed[:, :, 16:32, 64:80] += 5
    recipe = "maskclip"
    difference = (
        patch_features(tiny_clip, plain, recipe)[0] - patch_features(tiny_clip, changed, recipe)[0]
    ).norm(dim=-1)[0]
    assert divmod(int(difference.argmax()), 5) == (1, 4)


def test_a_call_changes_neither_network_nor_input(tiny_clip: CLIP) -> None:
    before = copy.deepcopy(tiny_clip.state_dict())
    windows = windows_of(96, 64)
    given = windows.clone()
    grid = tuple(vision_tower(tiny_clip).grid_size)
    for recipe in RECIPES:
        visual_tokens(tiny_clip, windows, recipe)
    assert torch.equal(windows, given)
    assert not any(module.training for module in tiny_clip.modules())
    assert tuple(vision_tower(tiny_clip).grid_size) == grid
    after = tiny_clip.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in tiny_clip.parameters())
    assert not any(module._forward_hooks for module in tiny_clip.modules())


@pytest.mark.parametrize("recipe", ["itaclip", "naclip"])
def test_windows_of_a_batch_do_not_see_each_other(tiny_clip: CLIP, recipe: str) -> None:
    batch = windows_of(64, 64, count=5)
    together = visual_tokens(tiny_clip, batch, recipe)
    for index, alone in enumerate(batch):
        torch.testing.assert_close(
            visual_tokens(tiny_clip, alone[None], recipe)[0], together[index], atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("recipe", RECIPES)
def test_bfloat16_is_close_to_float32(tiny_clip: CLIP, recipe: str) -> None:
    windows = windows_of(64, 96, count=2)
    single, _ = patch_features(tiny_clip, windows, recipe)
    half, _ = patch_features(copy.deepcopy(tiny_clip).bfloat16(), windows, recipe)
    assert half.dtype == torch.float32
    similarity = (single * half).sum(dim=-1)
    assert float(similarity.min()) > 0.995


def test_the_positions_fit_every_length_of_window() -> None:
    """The scale factor of the position grid must never round to one patch more or less."""
    network = make_tiny_clip(64, 2, 16, 48, text_layers=1, vocab_size=64)
    for count in [*range(1, 40), 128]:
        _, grid = patch_features(network, windows_of(16, 16 * count), "maskclip")
        assert grid == (1, count)


def test_a_resnet_is_refused() -> None:
    network = open_clip.model.CLIP(
        embed_dim=32,
        vision_cfg=open_clip.CLIPVisionCfg(layers=(1, 1, 1, 1), width=16, image_size=64),
        text_cfg=open_clip.CLIPTextCfg(vocab_size=32, width=64, heads=1, layers=1),
    ).eval()
    with pytest.raises(CheckpointError, match=r"ModifiedResNet.*vision transformer"):
        visual_tokens(network, windows_of(64, 64))

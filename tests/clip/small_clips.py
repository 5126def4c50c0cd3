"""Small CLIP networks with random weights, and files made of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor, nn

VOCABULARY_SIZE = 49408


def small_clip(
    *,
    grid: int = 2,
    patch: int = 8,
    vision_width: int = 128,
    vision_layers: int = 3,
    text_width: int = 64,
    text_layers: int = 2,
    embed_dim: int = 32,
    context: int = 77,
    mlp_ratio: float = 4.0,
    head_width: int = 64,
    quick_gelu: bool = True,
    seed: int = 0,
) -> CLIP:
    """Build an open_clip network of a few thousand parameters (and a full token table)."""
    torch.manual_seed(seed)
    network = CLIP(
        embed_dim,
        CLIPVisionCfg(
            layers=vision_layers,
            width=vision_width,
            head_width=head_width,
            patch_size=patch,
            image_size=patch * grid,
            mlp_ratio=mlp_ratio,
        ),
        CLIPTextCfg(
            context_length=context,
            vocab_size=VOCABULARY_SIZE,
            width=text_width,
            heads=text_width // 64,
            layers=text_layers,
            mlp_ratio=mlp_ratio,
        ),
        quick_gelu=quick_gelu,
    )
    return network.eval().requires_grad_(False)


def outputs(network: nn.Module, side: int = 16) -> tuple[Tensor, Tensor]:
    """Encode one fixed image and two fixed texts."""
    image = torch.linspace(-1, 1, 3 * side * side).reshape(1, 3, side, side)
    tokens = torch.zeros(2, 77, dtype=torch.long)
    tokens[:, 0] = 49406
    tokens[0, 1:4] = torch.tensor([320, 2368, 49407])
    tokens[1, 1:3] = torch.tensor([1929, 49407])
    dtype = network.state_dict()["visual.proj"].dtype
    with torch.inference_mode():
        return network.encode_image(image.to(dtype)), network.encode_text(tokens)  # type: ignore[operator, unused-ignore]


class _Box(nn.Module):
    """A module with given parameters and submodules, as OpenAI's archives hold them."""

    def forward(self, x: Tensor) -> Tensor:
        """Do nothing of interest."""
        return x + 1


def save_archive(state: dict[str, Tensor], path: Path) -> Path:
    """Save tensors as the attributes of a TorchScript program."""
    root = _Box()
    for name, tensor in {
        **state,
        "input_resolution": torch.tensor(16),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(VOCABULARY_SIZE),
    }.items():
        *modules, leaf = name.split(".")
        owner: nn.Module = root
        for part in modules:
            if not hasattr(owner, part):
                owner.add_module(part, _Box())
            owner = getattr(owner, part)
        if tensor.is_floating_point():
            owner.register_parameter(leaf, nn.Parameter(tensor))
        else:
            owner.register_buffer(leaf, tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out; OpenAI's files stay
        program = torch.jit.trace(root, torch.zeros(1))  # type: ignore[no-untyped-call]
        torch.jit.save(program, path)
    return path

"""Small random CLIPs, quick to build and to run."""

from __future__ import annotations

from pathlib import Path

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import save_file


def make_tiny_clip(
    width: int = 64,
    layers: int = 4,
    patch: int = 16,
    image_size: int = 64,
    embed_dim: int = 64,
    text_width: int = 64,
    text_layers: int = 2,
    *,
    head_width: int = 64,
    vocab_size: int = 49408,
    quick_gelu: bool = True,
    seed: int = 0,
) -> CLIP:
    """Return a random CLIP in float32 and evaluation mode, the same for the same arguments.

    The weights are larger than at the start of a training, so that attention is not uniform and
    biases and norms matter: a network in which a forgotten term would show.

    Parameters
    ----------
    width, layers, patch, image_size : int
        Of the image tower; ``width`` is a multiple of ``head_width``.
    embed_dim : int
        Size of the common space.
    text_width, text_layers : int
        Of the text tower, 64 per head.
    head_width : int
        Channels per visual head.
    vocab_size : int
        Rows of the token table.
    quick_gelu : bool
        Activation of both towers.
    seed : int
        Of the weights.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = CLIP(
            embed_dim=embed_dim,
            vision_cfg=CLIPVisionCfg(
                layers=layers,
                width=width,
                head_width=head_width,
                patch_size=patch,
                image_size=image_size,
            ),
            text_cfg=CLIPTextCfg(
                context_length=77,
                vocab_size=vocab_size,
                width=text_width,
                heads=text_width // 64,
                layers=text_layers,
            ),
            quick_gelu=quick_gelu,
        )
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                noise = torch.randn_like(parameter)
                if name.endswith("bias"):
                    parameter.copy_(0.2 * noise)
                elif "ln_" in name:
                    parameter.copy_(1 + 0.2 * noise)
                elif "in_proj_weight" in name:
                    parameter.copy_(1.5 * noise * parameter.shape[-1] ** -0.5)
                elif "embedding" in name:
                    parameter.copy_(0.5 * noise)
    return network.eval().requires_grad_(False)


def save_tiny_clip(network: CLIP, path: Path) -> Path:
    """Write ``network`` as a ``.safetensors`` state dict with OpenAI's key names."""
    state = {name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(state, path)
    return path

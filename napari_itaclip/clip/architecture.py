"""Tell a CLIP network from the shapes of its tensors, and build it around them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_itaclip.errors import CheckpointError

TOKENIZER_SIZE = 49408
"""Tokens of CLIP's byte-pair vocabulary."""

# Channels per attention head; the larger open_clip image towers differ from the usual 64.
_HEAD_WIDTH = 64
_VISION_HEAD_WIDTHS = {1280: 80, 1408: 88, 1664: 104}

_TEXT_TOWER = (
    "token_embedding.",
    "positional_embedding",
    "transformer.",
    "ln_final.",
    "text_projection",
)
# Facts that OpenAI's archives store as tensors. A bias on the logits (SigLIP-style training) shifts
# every class alike and changes no decision.
_NOT_NEEDED = {"input_resolution", "context_length", "vocab_size", "logit_bias"}

# What other networks' files look like: a telling piece of a name, and what it tells.
_FOREIGN = (
    ("visual.attnpool.", "it is a ResNet CLIP; only ViT image towers have the patches needed here"),
    ("visual.layer1.", "it is a ResNet CLIP; only ViT image towers have the patches needed here"),
    (
        "vision_model.",
        "it is in Hugging Face transformers' layout; use the open_clip or OpenAI file of the model",
    ),
    (
        "visual.trunk.",
        "its image tower is a timm network (SigLIP, MobileCLIP, ConvNeXt…), not a plain CLIP ViT",
    ),
    ("visual.attn_pool", "its image tower ends in attention pooling (CoCa), not in a class token"),
    ("text_decoder.", "it is a CoCa model, not a CLIP"),
    ("text.cls_emb", "it is a CoCa model, not a CLIP"),
    ("text.transformer.embeddings.", "its text tower is a Hugging Face network, not CLIP's"),
    ("text.transformer.encoder.", "its text tower is a Hugging Face network, not CLIP's"),
    ("text.text_projection.weight", "its text projection has a bias; CLIP's has none"),
    ("patch_embed.", "it is an image network without a text tower (timm, DINO…), not a CLIP"),
)

_NEEDED = (
    ("visual.conv1.weight", 4),
    ("visual.class_embedding", 1),
    ("visual.positional_embedding", 2),
    ("visual.ln_pre.weight", 1),
    ("visual.proj", 2),
    ("visual.transformer.resblocks.0.mlp.c_fc.weight", 2),
    ("token_embedding.weight", 2),
    ("positional_embedding", 2),
    ("text_projection", 2),
    ("transformer.resblocks.0.mlp.c_fc.weight", 2),
)


@dataclass(frozen=True)
class Architecture:
    """The sizes that make up a CLIP network with a ViT.

    Parameters
    ----------
    embed_dim
        Length of the common embedding.
    patch_size, grid
        Pixels per side of a patch, patches per side of the native input.
    vision_width, vision_layers, vision_head_width, vision_hidden
        Image tower: channels, blocks, channels per head, channels of the feed-forward.
    text_width, text_layers, text_hidden
        Text tower: channels, blocks, channels of the feed-forward; 64 channels per head.
    context_length, vocab_size
        Tokens per text, tokens known.
    """

    embed_dim: int
    patch_size: int
    grid: int
    vision_width: int
    vision_layers: int
    vision_head_width: int
    vision_hidden: int
    text_width: int
    text_layers: int
    text_hidden: int
    context_length: int
    vocab_size: int

    @property
    def window(self) -> int:
        """Side of the native square input, in pixels."""
        return self.patch_size * self.grid

    def __str__(self) -> str:
        """Summarise for a person."""
        return (
            f"ViT/{self.patch_size} at {self.window} px, {self.vision_layers} layers of "
            f"{self.vision_width}; text {self.text_layers} layers of {self.text_width}; "
            f"embedding {self.embed_dim}"
        )


def clip_layout(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Bring names to CLIP's layout and refuse files of other networks.

    Parameters
    ----------
    tensors
        Name to tensor, as read. open_clip's custom-text layout (``text.`` before the names of the
        text tower) is accepted.
    source
        What messages call the file.

    Returns
    -------
    dict
        The tensors under OpenAI's names.

    Raises
    ------
    CheckpointError
        For a network of another kind: says which.
    """
    for piece, what in _FOREIGN:
        if any(name.startswith(piece) for name in tensors):
            raise _unusable(source, what)
    if any(name.startswith("text.token_embedding.") for name in tensors):
        tensors = {
            name.removeprefix("text.")
            if name.startswith("text.") and name.removeprefix("text.").startswith(_TEXT_TOWER)
            else name: tensor
            for name, tensor in tensors.items()
        }
    tensors = {
        name: tensor
        for name, tensor in tensors.items()
        # Masks follow from the context length, and are rebuilt.
        if name not in _NOT_NEEDED and name.rpartition(".")[2] != "attn_mask"
    }
    if not any(name.startswith("visual.") for name in tensors):
        shown = ", ".join(sorted(tensors)[:3])
        raise _unusable(source, f"it holds no CLIP image tower (its tensors: {shown}, …)")
    if not any(name.startswith(_TEXT_TOWER) for name in tensors):
        raise _unusable(source, "it holds an image tower but no text tower")
    return tensors


def infer_architecture(tensors: Mapping[str, Tensor], source: str) -> Architecture:
    """Read the sizes of the network off its tensors.

    Parameters
    ----------
    tensors
        In CLIP's layout (see `clip_layout`).
    source
        What messages call the file.

    Returns
    -------
    Architecture
        Its sizes.

    Raises
    ------
    CheckpointError
        When tensors are missing or their shapes are not those of a CLIP with a ViT.
    """
    for name, dimensions in _NEEDED:
        if name not in tensors:
            raise _unusable(source, f"the tensor {name!r} is missing")
        if tensors[name].ndim != dimensions:
            raise _unusable(source, f"the tensor {name!r} has the shape {_shape(tensors[name])}")
    width, channels, patch, patch_width = tensors["visual.conv1.weight"].shape
    if channels != 3 or patch != patch_width or patch == 0:
        raise _unusable(
            source,
            f"'visual.conv1.weight' has the shape {_shape(tensors['visual.conv1.weight'])}: "
            "not square patches of three channels",
        )
    tokens = tensors["visual.positional_embedding"].shape[0]
    grid = math.isqrt(max(tokens - 1, 0))
    if grid == 0 or grid * grid + 1 != tokens:
        raise _unusable(
            source,
            f"its position embedding has {tokens} rows: not a class token and a square of patches",
        )
    vocab_size, text_width = tensors["token_embedding.weight"].shape
    if vocab_size != TOKENIZER_SIZE:
        raise _unusable(
            source, f"it knows {vocab_size} tokens, CLIP's tokenizer makes {TOKENIZER_SIZE}"
        )
    head_width = _VISION_HEAD_WIDTHS.get(width, _HEAD_WIDTH)
    for tower, size, per_head in (("image", width, head_width), ("text", text_width, _HEAD_WIDTH)):
        if size == 0 or size % per_head:
            raise _unusable(source, f"the {tower} tower's {size} channels are no multiple of 64")
    return Architecture(
        embed_dim=tensors["text_projection"].shape[1],
        patch_size=patch,
        grid=grid,
        vision_width=width,
        vision_layers=_count_layers(tensors, "visual.transformer.resblocks."),
        vision_head_width=head_width,
        vision_hidden=tensors["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        text_width=text_width,
        text_layers=_count_layers(tensors, "transformer.resblocks."),
        text_hidden=tensors["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        context_length=tensors["positional_embedding"].shape[0],
        vocab_size=vocab_size,
    )


def build_network(
    sizes: Architecture,
    tensors: Mapping[str, Tensor],
    source: str,
    *,
    quick_gelu: bool,
    device: torch.device,
    dtype: torch.dtype,
    ignorable: Collection[str] = (),
) -> nn.Module:
    """Build an open_clip network around given tensors, without initialising it first.

    Parameters
    ----------
    sizes
        From `infer_architecture`.
    tensors
        In CLIP's layout, any floating-point format.
    source
        What messages call the file.
    quick_gelu
        Whether the feed-forwards use ``x * sigmoid(1.702 x)`` instead of the exact GELU.
    device, dtype
        Where the parameters are, and the format of the image tower's. The text tower is always
        float32: it runs once per word, and classes may lie so close together that half precision
        would move their borders.
    ignorable
        Names that may be left over.

    Returns
    -------
    open_clip.model.CLIP
        In evaluation mode, without gradients.

    Raises
    ------
    CheckpointError
        When tensors are missing, left over, of the wrong shape, or not finite numbers.
    """
    network = _empty_network(sizes, quick_gelu)
    expected = network.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    if missing:
        raise _unusable(source, f"it lacks {len(missing)} tensors ({_some(missing)})")
    extra = sorted(tensors.keys() - expected.keys() - set(ignorable))
    if extra:
        raise _unusable(
            source, f"it has {len(extra)} tensors that a plain CLIP has not ({_some(extra)})"
        )
    placed = {}
    for name, wanted in expected.items():
        tensor = tensors[name].detach()
        if name == "logit_scale":
            tensor = tensor.reshape(()) if tensor.numel() == 1 else tensor
        if tensor.shape != wanted.shape:
            raise _unusable(
                source,
                f"the tensor {name!r} has the shape {_shape(tensor)}, expected {_shape(wanted)}",
            )
        if not tensor.is_floating_point():
            raise _unusable(source, f"the tensor {name!r} holds {tensor.dtype}, not real numbers")
        target = dtype if name.startswith("visual.") else torch.float32
        # A copy also where nothing changes: the file may be mapped into memory, and be replaced.
        placed[name] = tensor.to(device=device, dtype=target, copy=True).contiguous()
        # Not-a-number and infinity survive a sum, which is much cheaper than looking at each.
        if not math.isfinite(placed[name].sum(dtype=torch.float32).item()):
            raise _unusable(source, f"the tensor {name!r} holds values that are not finite")
    network.load_state_dict(placed, assign=True)
    # Not part of any file: no token attends to a later one.
    mask = torch.full((sizes.context_length,) * 2, float("-inf"), device=device)
    network.register_buffer("attn_mask", mask.triu_(1), persistent=False)
    return network.requires_grad_(False).eval()


def _empty_network(sizes: Architecture, quick_gelu: bool) -> nn.Module:
    """Lay the network out on the meta device: names and shapes, no memory and no random numbers."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision: Any = CLIPVisionCfg(
        layers=sizes.vision_layers,
        width=sizes.vision_width,
        head_width=sizes.vision_head_width,
        mlp_ratio=_ratio(sizes.vision_hidden, sizes.vision_width),
        patch_size=sizes.patch_size,
        image_size=sizes.window,
    )
    text: Any = CLIPTextCfg(
        context_length=sizes.context_length,
        vocab_size=sizes.vocab_size,
        width=sizes.text_width,
        heads=sizes.text_width // _HEAD_WIDTH,
        layers=sizes.text_layers,
        mlp_ratio=_ratio(sizes.text_hidden, sizes.text_width),
    )
    with torch.device("meta"):
        network: nn.Module = CLIP(sizes.embed_dim, vision, text, quick_gelu=quick_gelu)
    return network


def _ratio(hidden: int, width: int) -> float:
    """Return the factor that open_clip multiplies with the width and rounds down."""
    return hidden / width if hidden % width == 0 else (hidden + 0.5) / width


def _count_layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)})


def _unusable(source: str, what: str) -> CheckpointError:
    return CheckpointError(f"cannot use {source}: {what}.")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")

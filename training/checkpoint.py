"""Files of a training run: the resumable state and the small file that the package ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor

from napari_itaclip.clip.compact import IDS, ROWS, WEIGHT
from training.lexicon import lexicon_hash
from training.model import ModelConfig
from training.text import TokenRows

FORMAT = "napari-itaclip-demo"
FULL_VOCABULARY = 49408


def export_model(
    path: Path,
    weights: dict[str, Tensor],
    rows: TokenRows,
    config: ModelConfig,
    seed: int,
    steps: int,
) -> None:
    """Write ``weights`` as float16 safetensors with the compact token table.

    Parameters
    ----------
    path : Path
        File to write; replaced only when it is complete.
    weights : dict of str to Tensor
        State dict of the model whose token table has one row per known token and the unknown row.
    rows : TokenRows
        Which token ids those rows belong to.
    config : ModelConfig
        Sizes of the network, stored as JSON in the metadata.
    seed, steps : int
        What the run was, stored in the metadata.
    """
    tensors = {
        key: value.detach().to("cpu", torch.float16).contiguous() for key, value in weights.items()
    }
    tensors[ROWS] = tensors.pop(WEIGHT)
    tensors[IDS] = torch.tensor(rows.ids, dtype=torch.int32)
    metadata = {
        "format": FORMAT,
        "activation": "quick_gelu",
        "context_length": str(config.context_length),
        "vocab_size": str(FULL_VOCABULARY),
        "seed": str(seed),
        "steps": str(steps),
        "lexicon": lexicon_hash(),
        "config": json.dumps(config.as_dict()),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata)
    partial.chmod(0o644)  # it is packed into the wheel, so everyone must be able to read it
    partial.replace(path)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the resumable state; an interrupted write leaves the previous one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def averaged_copy(model: CLIP, average: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the model's state dict with the averaged parameters in place of the current ones."""
    return {**model.state_dict(), **average}

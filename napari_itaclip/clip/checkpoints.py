"""Load a CLIP model by name or from a file, ready to run.

The parts: `registry` (what there is), `weights_cache` (where it lies), `weights_file` (reading it
safely), `architecture` (building the network), `device` (where and in which precision).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_itaclip.clip.architecture import (
    Architecture,
    build_network,
    clip_layout,
    infer_architecture,
)
from napari_itaclip.clip.device import available_devices, resolve_device, resolve_precision
from napari_itaclip.clip.registry import (
    DEFAULT_MODEL,
    MODELS,
    Activation,
    ModelSpec,
    model_spec,
)
from napari_itaclip.clip.weights_cache import ModelStatus, Progress, cached, fetch, list_models
from napari_itaclip.clip.weights_file import WeightsFile, read_weights
from napari_itaclip.errors import CheckpointError, SettingsError

if TYPE_CHECKING:
    from open_clip.tokenizer import SimpleTokenizer

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "ClipModel",
    "ModelSpec",
    "ModelStatus",
    "available_devices",
    "cached",
    "fetch",
    "list_models",
    "load_clip",
]

_SUFFIXES = {".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".zip"}
_ACTIVATIONS: tuple[Activation, ...] = ("quick_gelu", "gelu")


@dataclass(frozen=True, eq=False)
class ClipModel:
    """A network that is ready to run, and what is known about it.

    Parameters
    ----------
    spec
        Name, licence, template set, middle layers. For a local file, what could be found out.
    network
        open_clip's ``CLIP`` in evaluation mode, without gradients, on `device`; the image tower in
        `dtype`, everything else in float32.
    sizes
        The sizes of the network.
    device, dtype
        Where the parameters are, and the format of the image tower's.
    mean, std
        For normalising images, RGB in [0, 1].
    identity
        Name, content hash and activation of the weights: equal for equal word embeddings, and for
        equal features in the same precision, so caches can be keyed by it.
    """

    spec: ModelSpec
    network: nn.Module
    sizes: Architecture
    device: torch.device
    dtype: torch.dtype
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    identity: str

    @property
    def patch_size(self) -> int:
        """Side of a patch, in pixels."""
        return self.sizes.patch_size

    @property
    def window(self) -> int:
        """Side of the native square input, in pixels."""
        return self.sizes.window

    @property
    def depth(self) -> int:
        """Number of blocks of the image tower."""
        return self.sizes.vision_layers

    @property
    def embed_dim(self) -> int:
        """Length of the embeddings."""
        return self.sizes.embed_dim

    @property
    def context_length(self) -> int:
        """Tokens per text, start and end included."""
        return self.sizes.context_length

    def tokenize(self, texts: str | Sequence[str]) -> Tensor:
        """Turn texts into tokens.

        Parameters
        ----------
        texts
            One text or several.

        Returns
        -------
        torch.Tensor
            (N, context_length) int64 on the CPU: start, the text's tokens, end, zeros. A text that
            is too long is cut off before the end token.
        """
        several = [texts] if isinstance(texts, str) else list(texts)
        tokens: Tensor = _tokenizer()(several, context_length=self.context_length)
        return tokens

    def count_tokens(self, text: str) -> int:
        """Return how many tokens ``text`` has, start and end not counted and nothing cut off."""
        return len(_tokenizer().encode(text))


def load_clip(
    name_or_path: str | Path = DEFAULT_MODEL,
    *,
    device: str | torch.device = "auto",
    precision: str | torch.dtype = "auto",
    activation: str = "auto",
    progress: Progress | None = None,
) -> ClipModel:
    """Load a CLIP model, downloading its weights if need be.

    Parameters
    ----------
    name_or_path
        A name in `MODELS`, or the path of a weights file: OpenAI's ``.pt`` archive, a PyTorch state
        dict or safetensors. The network is told from the shapes of the tensors; nothing in the file
        is executed.
    device
        ``auto``, ``cuda``, ``cuda:N``, ``mps`` or ``cpu``.
    precision
        ``auto``, ``float32``, ``bfloat16`` or ``float16`` (not on a CPU).
    activation
        ``quick_gelu`` or ``gelu``. The tensors do not tell which one they were trained with.
        ``auto`` takes a named model's, for a local file the entry ``activation`` of its safetensors
        metadata, and where there is none OpenAI's ``quick_gelu``; ``spec.description`` says so.
    progress
        For the download: called with the bytes that are there and the total.

    Returns
    -------
    ClipModel
        The network and what is known about it.

    Raises
    ------
    CheckpointError
        When the weights cannot be found, downloaded, read, or are not those of a CLIP with a ViT.
    SettingsError
        For a device, precision or activation that does not exist here.
    """
    # The cheap questions first: no download for a typing mistake.
    if activation not in ("auto", *_ACTIVATIONS):
        raise SettingsError(
            f"unknown activation {activation!r}: use auto, {', '.join(_ACTIVATIONS)}"
        )
    where = resolve_device(device)
    dtype = resolve_precision(precision, where)
    named = _named(name_or_path)
    path = fetch(named.name, progress) if named else Path(name_or_path).expanduser()
    weights = read_weights(path)
    source = f"{str(path)!r}" + (f" (model {named.name!r})" if named else "")
    tensors = clip_layout(weights.tensors, source)
    tensors = _expand_tokens(tensors, weights, source)
    sizes = infer_architecture(tensors, source)
    used, said_by = _choose_activation(activation, named, weights, source)
    spec = named or _local_spec(path, sizes, said_by)
    spec = replace(spec, activation=used)
    # An archive also holds a module's plain attributes; only its parameters must all have a place.
    ignorable = [
        name
        for name, tensor in tensors.items()
        if weights.format == "torchscript" and not tensor.requires_grad
    ]
    network = build_network(
        sizes,
        tensors,
        source,
        quick_gelu=used == "quick_gelu",
        device=where,
        dtype=dtype,
        ignorable=ignorable,
    )
    return ClipModel(
        spec=spec,
        network=network,
        sizes=sizes,
        device=where,
        dtype=dtype,
        mean=spec.mean,
        std=spec.std,
        identity=f"{spec.name}-{weights.sha256[:16]}-{used}",
    )


def _named(name_or_path: str | Path) -> ModelSpec | None:
    """Tell a model's name from a path; None for a path."""
    if isinstance(name_or_path, Path):
        return None
    if not isinstance(name_or_path, str) or not name_or_path.strip():
        raise CheckpointError(
            f"a model is named by text or a path, not {name_or_path!r}. "
            f"Named models: {', '.join(MODELS)}."
        )
    if name_or_path in MODELS:
        return MODELS[name_or_path]
    path = Path(name_or_path).expanduser()
    separators = {os.sep, os.altsep or os.sep, "/"}
    looks_like_path = path.suffix.lower() in _SUFFIXES or any(s in name_or_path for s in separators)
    if looks_like_path or path.exists():
        return None
    return model_spec(name_or_path)  # says which names there are


def _expand_tokens(
    tensors: dict[str, Tensor], weights: WeightsFile, source: str
) -> dict[str, Tensor]:
    """Give a compact token table (the demo model's) its full size."""
    if "token_embedding.rows" not in tensors:
        return tensors
    from napari_itaclip.clip.compact import expand_token_rows

    size = weights.metadata.get("vocab_size", "")
    if not size.isdecimal():
        raise CheckpointError(
            f"cannot use {source}: its token table is compact, but its metadata has no vocab_size."
        )
    try:
        return dict(expand_token_rows(tensors, int(size)))
    except CheckpointError as error:
        raise CheckpointError(
            f"cannot use {source}: its compact token table is damaged. {error}"
        ) from error


def _choose_activation(
    asked: str, named: ModelSpec | None, weights: WeightsFile, source: str
) -> tuple[Activation, str]:
    """Choose the activation, and say who said so."""
    stored = weights.metadata.get("activation")
    if asked != "auto":
        choice, said_by = asked, "as asked for"
    elif stored is not None:
        choice, said_by = stored, "as the file says"
    elif named is not None:
        choice, said_by = named.activation, "as the model was trained"
    else:
        choice, said_by = (
            "quick_gelu",
            "assumed, as in OpenAI's models; the file does not say. Weights that open_clip "
            "trained without 'quickgelu' in the name need activation='gelu'",
        )
    for known in _ACTIVATIONS:
        if choice == known:
            return known, said_by
    raise CheckpointError(
        f"cannot use {source}: its metadata names the activation {choice!r}; "
        f"known are {', '.join(_ACTIVATIONS)}."
    )


def _local_spec(path: Path, sizes: Architecture, said_by: str) -> ModelSpec:
    """Describe a file that nothing is known about but its tensors."""
    return ModelSpec(
        name=path.stem,
        title=f"Local file {path.name}",
        architecture=str(sizes),
        pretrained=str(path),
        licence="unknown",
        size_mb=round(path.stat().st_size / 1e6, 1),
        description=f"Network told from the shapes of its tensors. Activation: {said_by}.",
    )


@cache
def _tokenizer() -> SimpleTokenizer:
    """Return CLIP's byte-pair tokenizer, which all the models here share."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()

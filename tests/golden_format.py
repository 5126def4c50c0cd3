"""Reader of a folder of golden outputs (``tiny_clip.safetensors``, ``cases.json``, ``*.npz``)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import load_file

ENVIRONMENT_VARIABLE = "ITACLIP_GOLDEN"
PIXEL_MEAN = (122.771, 116.746, 104.094)
"""Subtracted from the 8-bit pictures of a golden folder."""
PIXEL_STD = (68.501, 66.632, 70.323)
LONG_SIDE = 2048
WINDOW = 224
PAMR_ITERATIONS = 10
PAMR_DILATIONS = (8, 16)
SCORES_STEP = 4
"""Every so-many-th pixel of the scores is stored."""
PROBABILITIES_STEP = 2

WITH_CLS = frozenset({"itaclip", "sclip"})
"""The feature entries that hold the CLS token first."""


def golden_folder() -> Path | None:
    """Return the folder named by the environment, else the one beside the checkout, else None."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        folder = Path(named)
        if not (folder / "cases.json").is_file():
            raise FileNotFoundError(f"{ENVIRONMENT_VARIABLE}={named} holds no cases.json")
        return folder
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "golden"
    return folder if (folder / "cases.json").is_file() else None


@dataclass(frozen=True)
class GoldenCase:
    """One whole run: its settings and what it gave.

    ``auxiliary`` has one text, or None, for every word.
    """

    name: str
    classes: tuple[tuple[str, ...], ...]
    auxiliary: tuple[str | None, ...]
    short_side: int
    stride: int
    window: int
    pamr_iterations: int
    alpha: float
    lam: float
    logit_scale: float
    prob_threshold: float
    area_threshold: float | None
    arrays: dict[str, NDArray[Any]]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for words in self.classes for word in words)

    @property
    def word_class(self) -> tuple[int, ...]:
        return tuple(c for c, words in enumerate(self.classes) for _ in words)

    @property
    def class_auxiliary(self) -> tuple[str | None, ...]:
        """One text, or None, for every class."""
        return tuple(self.auxiliary[self.word_class.index(c)] for c in range(len(self.classes)))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def case_names(folder: Path) -> list[str]:
    return sorted(json.loads((folder / "cases.json").read_text()))


def read_case(folder: Path, name: str) -> GoldenCase:
    entry = json.loads((folder / "cases.json").read_text())[name]
    classes = tuple(tuple(words) for words in entry["classes"])
    texts: list[str | None] = list(entry.get("aux") or [])
    if len(texts) == len(classes) - 1:  # "aux_for": "all but class 0"
        texts = [None, *texts]
    if not texts:
        texts = [None] * len(classes)
    if len(texts) != len(classes):
        raise ValueError(f"{name}: {len(texts)} auxiliary texts for {len(classes)} classes")
    return GoldenCase(
        name=name,
        classes=classes,
        auxiliary=tuple(text for c, text in enumerate(texts) for _ in classes[c]),
        short_side=entry["short_side"],
        stride=entry["slide_stride"],
        window=entry.get("slide_crop") or WINDOW,
        pamr_iterations=entry.get("pamr_steps", PAMR_ITERATIONS),
        alpha=entry.get("def_coefficient", 0.0),
        lam=entry["img_eng_coefficient"],
        logit_scale=entry["logit_scale"],
        prob_threshold=entry.get("prob_thd") or 0.0,
        area_threshold=entry.get("area_thd"),
        arrays=_arrays(folder / f"{name}.npz"),
    )


def feature_names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("features_*.npz"))


def feature_keys(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (file stem, recipe key) of every stored feature map."""
    for name in feature_names(folder):
        with np.load(folder / f"{name}.npz") as archive:
            for key in sorted(archive.files):
                if key != "image":
                    yield name, key


def read_features(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    return _arrays(folder / f"{name}.npz")


def split_feature_key(key: str) -> tuple[str, bool | None]:
    """Return the recipe's name and, for the variants, whether residual and feed-forward are in.

    ``None``: the recipe as it is.
    """
    name, full = key, None
    if key.endswith("_attn_only"):
        name, full = key.removesuffix("_attn_only"), False
    elif key.endswith("_residual_ffn"):
        name, full = key.removesuffix("_residual_ffn"), True
    return ("clip" if name == "vanilla" else name), full


def read_text(folder: Path) -> tuple[list[str], NDArray[np.float32]]:
    prompts = json.loads((folder / "text_prompts.json").read_text())
    return list(prompts), _arrays(folder / "text.npz")["embeddings"]


def checkpoint_path(folder: Path) -> Path:
    return folder / "tiny_clip.safetensors"


def read_network(folder: Path) -> CLIP:
    """Build the folder's CLIP with open_clip, its sizes read off the tensors; float32, eval."""
    state = {key: t.float() for key, t in load_file(checkpoint_path(folder)).items()}
    vision = state["visual.conv1.weight"]
    grid = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
    text_width = state["ln_final.weight"].shape[0]

    def layers(prefix: str) -> int:
        ends = ".ln_1.weight"
        return sum(key.startswith(f"{prefix}resblocks") and key.endswith(ends) for key in state)

    network = CLIP(
        embed_dim=state["text_projection"].shape[1],
        vision_cfg=CLIPVisionCfg(
            layers=layers("visual.transformer."),
            width=vision.shape[0],
            head_width=64,
            patch_size=vision.shape[-1],
            image_size=grid * vision.shape[-1],
        ),
        text_cfg=CLIPTextCfg(
            context_length=len(state["positional_embedding"]),
            vocab_size=len(state["token_embedding.weight"]),
            width=text_width,
            heads=text_width // 64,
            layers=layers("transformer."),
        ),
        quick_gelu=True,
    )
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def tokenize(texts: list[str]) -> torch.Tensor:
    tokens: torch.Tensor = open_clip.tokenize(texts)
    return tokens

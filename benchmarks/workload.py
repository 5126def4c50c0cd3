"""What is measured: a network of random weights, a photo, words, and the settings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import skimage.data
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP
from PIL import Image
from torch import Tensor
from torch.nn import functional

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.device import resolve_precision
from napari_itaclip.clip.text import ClassEmbeddings
from napari_itaclip.segmentation.settings import DecisionSettings, EncodeSettings, Preset
from napari_itaclip.vocabulary.classes import Vocabulary
from tests import textbook
from tests.tiny import make_tiny_clip, save_tiny_clip

ARCHITECTURE = "ViT-B-16-quickgelu"
SEED = 0

WORDS = (
    "astronaut", "orange space suit", "flag", "space shuttle", "helmet", "face", "hair", "wall",
)  # fmt: skip
OTHER_WORDS = ("person", "glove", "cloth", "model rocket", "patch", "hand", "studio", "shadow")


@dataclass(frozen=True)
class MemoryCase:
    """A segmentation whose memory is measured.

    Attributes
    ----------
    classes, height, width : int
        Number of classes; size of the picture in pixels.
    limit_gb : float
        What the peak has to stay under, in 1e9 bytes.
    """

    classes: int
    height: int
    width: int
    limit_gb: float


@dataclass(frozen=True)
class Size:
    """How much work a benchmark is.

    Attributes
    ----------
    picture : (int, int)
        Height and width of the photo in pixels.
    short_side : int
        What its short side is resized to.
    stride : int
        Step between windows on a CPU.
    gpu_stride : int
        The same on a GPU.
    words : int
        Number of classes, a word each.
    templates : str or tuple of str
        What each word is put into.
    rounds : int
        Times that each of two competing versions runs.
    edits : int
        Changes of the vocabulary between two runs of the network.
    probe_s : float
        Seconds that the rate of matrix products is measured at a time.
    memory : tuple of MemoryCase
        What is measured in processes of their own.
    demo : bool
        Whether the demo model takes part.
    """

    picture: tuple[int, int]
    short_side: int
    stride: int
    gpu_stride: int
    words: int
    templates: str | tuple[str, ...]
    rounds: int
    edits: int
    probe_s: float
    memory: tuple[MemoryCase, ...]
    demo: bool


FULL = Size(
    picture=(586, 640),
    short_side=336,
    stride=112,
    gpu_stride=28,
    words=8,
    templates="imagenet-80",
    rounds=3,
    edits=30,
    probe_s=0.25,
    memory=(MemoryCase(171, 480, 640, 2.5), MemoryCase(20, 2048, 2048, 3.0)),
    demo=True,
)
"""What the targets are about."""

QUICK = Size(
    picture=(72, 90),
    short_side=72,
    stride=32,
    gpu_stride=32,
    words=3,
    templates=("a photo of a {}.", "{}"),
    rounds=2,
    edits=3,
    probe_s=0.005,
    memory=(MemoryCase(5, 40, 60, 2.5),),
    demo=False,
)
"""A tiny network, to see that the benchmark itself works; its numbers mean nothing."""


def save_random_clip(path: Path, *, tiny: bool) -> Path:
    """Write a checkpoint of random weights.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file to be.
    tiny : bool
        A network of four narrow blocks, in place of open_clip's ViT-B/16 with its own
        initialisation.
    """
    if tiny:
        return save_tiny_clip(make_tiny_clip(seed=SEED), path)
    config = open_clip.get_model_config(ARCHITECTURE)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = CLIP(**config)
    return save_tiny_clip(network.eval().requires_grad_(False), path)


def random_rows(count: int, width: int, seed: int) -> Tensor:
    """Return ``(count, width)`` rows of length 1: embeddings of words that nobody knows."""
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(rows, dim=-1)


def photo(height: int, width: int) -> NDArray[np.uint8]:
    """Return a photograph ``(height, width, 3)`` that ships with scikit-image."""
    astronaut: NDArray[np.uint8] = cast(Any, skimage.data).astronaut()
    picture = Image.fromarray(astronaut)
    return np.array(picture.resize((width, height), Image.Resampling.BICUBIC))


@dataclass
class Workload:
    """Everything that the measurements share.

    Attributes
    ----------
    size : Size
        How much work it is.
    checkpoint : Path
        Random weights, read like a person's own file.
    device : torch.device
        Where it runs.
    """

    size: Size
    checkpoint: Path
    device: torch.device

    def __post_init__(self) -> None:
        """Start without a network in memory."""
        self._models: dict[str, ClipModel] = {}

    def model(self, precision: str = "float32") -> ClipModel:
        """Return the network in a precision."""
        if precision not in self._models:
            self._models[precision] = load_clip(
                self.checkpoint, device=self.device, precision=precision
            )
        return self._models[precision]

    @property
    def on_cpu(self) -> bool:
        """Whether the targets, which are about two cores, apply."""
        return self.device.type == "cpu"

    @property
    def fast_precision(self) -> str:
        """Precision of the fast path where the textbook's float32 is not asked for."""
        return "float32" if self.on_cpu else self.half_precision

    @property
    def half_precision(self) -> str:
        """The two-byte format of the device."""
        if self.on_cpu:
            return "bfloat16"
        chosen = resolve_precision("auto", self.device)
        return "bfloat16" if chosen == torch.float32 else str(chosen).removeprefix("torch.")

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """The photo."""
        return photo(*self.size.picture)

    @cached_property
    def preset(self) -> Preset:
        """The settings of a whole run; sampled like the textbook, so that results can be equal."""
        return Preset(
            name="benchmark",
            description="Default settings at the benchmark's size.",
            encode=EncodeSettings(
                short_side=self.size.short_side,
                stride=self.size.stride if self.on_cpu else self.size.gpu_stride,
                antialias=False,
            ),
            decide=DecisionSettings(),
        )

    def vocabulary(self, words: tuple[str, ...] = WORDS) -> Vocabulary:
        """Return a class for each of the first ``words``."""
        return Vocabulary(words[: self.size.words], templates=self.size.templates)

    def random_embeddings(self, vocabulary: Vocabulary, seed: int) -> ClassEmbeddings:
        """Return embeddings at hand: random ones, which cost the text tower nothing."""
        width = self.model(self.fast_precision).embed_dim
        rows = random_rows(len(vocabulary.words), width, seed).to(self.device)
        return ClassEmbeddings(
            rows, tuple(vocabulary.word_class_index), tuple(vocabulary.words), {}
        )

    @cached_property
    def textbook_recipe(self) -> textbook.TextbookRecipe:
        """ITACLIP for the textbook; the middle layers at the same fractions of the depth."""
        plain = textbook.TEXTBOOK_RECIPES["itaclip"]
        depth = self.model().depth
        middle = self.preset.encode.recipe.middle_blocks(depth)
        return textbook.TextbookRecipe(
            plain.attention,
            plain.residual,
            plain.feed_forward,
            tuple(block + 1 for block in middle),
        )

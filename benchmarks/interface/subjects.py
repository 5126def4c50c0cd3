"""What is measured: networks, pictures, words and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.encoding import HOPELESS
from benchmarks.workload import OTHER_WORDS, WORDS, save_random_clip
from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.device import cpu_bfloat16_gain, resolve_precision
from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import EncodeSettings, Preset, get_preset

MORE_WORDS = (
    "collar", "badge", "sky", "button", "tube", "screen", "carpet", "chair", "window", "poster",
)  # fmt: skip
NEW_WORDS = (
    "rusty iron gate", "palm tree", "fishing boat", "gravel path", "bell tower", "snow field",
    "wheat", "greenhouse",
)  # fmt: skip
"""Words that no other vocabulary of the benchmark has, one for each edit that brings a new one."""


@dataclass(frozen=True)
class Size:
    """How much work a benchmark is.

    Attributes
    ----------
    picture : (int, int)
        Height and width in pixels of the picture that is panned over and encoded.
    edit_picture : (int, int)
        Height and width of the picture whose labels are edited.
    window : (int, int)
        Width and height of the viewer's window.
    classes : int
        Number of classes, a word each.
    templates, quick_templates : str or tuple of str
        What each word is put into, for good and for the first answer.
    rounds : int
        Times that each of the competing loads is measured.
    seconds : float
        Least time that a load is measured at a stretch.
    edits, new_words : int
        Edits with known words, and edits that bring a new one.
    preset : Preset
        Settings of all steps.
    tiny : bool
        Whether a tiny network takes the place of all others.
    """

    picture: tuple[int, int]
    edit_picture: tuple[int, int]
    window: tuple[int, int]
    classes: int
    templates: str | tuple[str, ...]
    quick_templates: str | tuple[str, ...]
    rounds: int
    seconds: float
    edits: int
    new_words: int
    preset: Preset
    tiny: bool

    @property
    def words(self) -> tuple[str, ...]:
        """One word more than there are classes, so that edits can swap one for another."""
        return (*WORDS, *OTHER_WORDS, *MORE_WORDS)[: self.classes + 1]


FULL = Size(
    picture=(600, 800),
    edit_picture=(512, 512),
    window=(1100, 850),
    classes=20,
    templates="imagenet-80",
    quick_templates="imagenet-7",
    rounds=3,
    seconds=4.0,
    edits=10,
    new_words=5,
    preset=get_preset("balanced"),
    tiny=False,
)
"""What the targets are about."""

QUICK = Size(
    picture=(72, 90),
    edit_picture=(64, 64),
    window=(700, 500),
    classes=4,
    templates=("a photo of a {}.", "{}"),
    quick_templates=("{}",),
    rounds=1,
    seconds=0.3,
    edits=2,
    new_words=2,
    preset=Preset("quick", "Tiny.", EncodeSettings(short_side=72, window=64, stride=32)),
    tiny=True,
)
"""A tiny network, to see that the benchmark itself works; its numbers mean nothing."""


@dataclass(frozen=True)
class Subject:
    """A network under test.

    Attributes
    ----------
    name : str
        For tables; says the number format where there are several.
    segmenter : Segmenter
        Has the network; it remembers words in memory only.
    size : Size
        How much is to be done with it.
    """

    name: str
    segmenter: Segmenter
    size: Size


def subjects(size: Size, folder: Path, device: torch.device) -> Iterator[Subject]:
    """Make the networks under test, one at a time.

    Parameters
    ----------
    size : Size
        How much work it is.
    folder : Path
        Where the checkpoint of random weights is put.
    device : torch.device
        Where the networks compute.

    Yields
    ------
    Subject
        The demo model and a ViT-B/16 in each fast number format; or a tiny network alone.
    """
    if size.tiny:
        checkpoint = save_random_clip(folder / "tiny.safetensors", tiny=True)
        yield _subject("tiny", load_clip(checkpoint, device=device, precision="float32"), size)
        return
    yield _subject("demo", load_clip("demo", device=device), size)
    checkpoint = save_random_clip(folder / "random.safetensors", tiny=False)
    for precision in _fast_formats(device):
        model = load_clip(checkpoint, device=device, precision=precision)
        yield _subject(f"ViT-B/16 {precision}", model, size)


def _subject(name: str, model: ClipModel, size: Size) -> Subject:
    return Subject(name, Segmenter(model, EmbeddingCache()), size)


def _fast_formats(device: torch.device) -> tuple[str, ...]:
    """Return float32 and, unless the device merely emulates it, a format of two bytes."""
    if device.type == "cpu":
        return ("float32", "bfloat16") if cpu_bfloat16_gain() >= HOPELESS else ("float32",)
    half = str(resolve_precision("auto", device)).removeprefix("torch.")
    return ("float32",) if half == "float32" else (half, "float32")

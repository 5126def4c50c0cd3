"""The options that several commands have, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_itaclip.errors import SettingsError

if TYPE_CHECKING:
    from napari_itaclip.vocabulary.classes import Vocabulary

Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        "-c",
        help='Classes: "road, building, palm tree"; with synonyms: "car, automobile; road".',
    ),
]
VocabularyFile = Annotated[
    Path | None,
    typer.Option(
        "--vocabulary", "-v", help="Vocabulary file (YAML, a list, COCO, CVAT, Label Studio)."
    ),
]
Model = Annotated[str | None, typer.Option(help="Model by name; see `napari-itaclip models`.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Local weights (.pt, .safetensors) instead of a model.")
]
Activation = Annotated[
    str, typer.Option(help="Activation of a local checkpoint: auto, quick_gelu or gelu.")
]
PresetName = Annotated[
    str, typer.Option("--preset", "-p", help="draft, balanced, paper, or a benchmark's name.")
]
RecipeName = Annotated[
    str | None, typer.Option(help="itaclip, sclip, clearclip, naclip, maskclip or clip.")
]
Stride = Annotated[
    int | None, typer.Option(help="Step between windows in pixels of the working size.")
]
Alpha = Annotated[float | None, typer.Option(help="Weight of auxiliary texts, 0 to 1.")]
Device = Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")]
Precision = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]


def read_words(
    classes: str | None, vocabulary: Path | None, alpha: float | None = None
) -> Vocabulary:
    """Return the classes that were named in one of the two ways.

    Raises
    ------
    SettingsError
        If they were named in none or in both.
    VocabularyError
        If they cannot be used.
    """
    from napari_itaclip.vocabulary.classes import Vocabulary

    if (classes is None) == (vocabulary is None):
        raise SettingsError(
            "Say what to look for with either --classes or --vocabulary, for example "
            '--classes "road, building, sky".'
        )
    words = Vocabulary.parse(classes if classes is not None else vocabulary)
    return words if alpha is None else words.with_alpha(alpha)


def check_one_model(model: str | None, checkpoint: Path | None) -> None:
    """Check that not both were given.

    Raises
    ------
    SettingsError
        If they were.
    """
    if model is not None and checkpoint is not None:
        raise SettingsError("Give either --model or --checkpoint, not both.")

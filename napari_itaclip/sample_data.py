"""The pictures that ship with the package: one drawn scene per world, with its ground truth.

The scenes are drawn by ``training/make_samples.py`` from seeds that the demo model never saw. Plain
arrays come out; the four functions named after the worlds are what napari's sample menu calls.
"""

from __future__ import annotations

import json
from importlib.resources import files
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_itaclip.errors import ImageError
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

__all__ = [
    "WORLDS",
    "aerial",
    "driving",
    "everyday",
    "microscopy",
    "sample_image",
    "sample_labels",
    "sample_vocabulary",
    "sample_words",
]

WORLDS: tuple[str, ...] = ("everyday", "driving", "aerial", "microscopy")
"""Names of the sample scenes."""

LayerData: TypeAlias = tuple[NDArray[np.uint8], dict[str, Any], str]
"""A napari layer as a plain tuple: data, keyword arguments, layer type."""

_FOLDER = files("napari_itaclip") / "data" / "samples"


def sample_image(world: str) -> NDArray[np.uint8]:
    """Return the sample picture of a world.

    Parameters
    ----------
    world : str
        One of `WORLDS`.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB picture.

    Raises
    ------
    ImageError
        If there is no such world, or its file is missing or damaged.
    """
    return _read_png(world, f"{_known(world)}.png", "RGB")


def sample_labels(world: str) -> NDArray[np.uint8]:
    """Return the ground truth of a sample picture.

    Parameters
    ----------
    world : str
        One of `WORLDS`.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Each pixel's index into `sample_words`.

    Raises
    ------
    ImageError
        If there is no such world, or its file is missing or damaged.
    """
    return _read_png(world, f"{_known(world)}_labels.png", "L")


def sample_words(world: str) -> tuple[str, ...]:
    """Return the class words of a sample picture, in the order of its label ids.

    Parameters
    ----------
    world : str
        One of `WORLDS`.

    Returns
    -------
    tuple of str
        The word at position ``i`` names the pixels with label ``i`` in `sample_labels`.

    Raises
    ------
    ImageError
        If there is no such world, or the list of words is missing or damaged.
    """
    return _column(world, "words")


def sample_vocabulary(world: str) -> Vocabulary:
    """Return the words of a sample picture as classes, in colours that suggest them.

    Parameters
    ----------
    world : str
        One of `WORLDS`.

    Returns
    -------
    Vocabulary
        The class at position ``i`` is the word at position ``i`` of `sample_words`.

    Raises
    ------
    ImageError
        If there is no such world, or the list of words is missing or damaged.
    """
    words = _column(world, "words")
    colors = _column(world, "colors")
    return Vocabulary(
        [ClassPrompt(word, color=color) for word, color in zip(words, colors, strict=True)]
    )


def _column(world: str, key: str) -> tuple[str, ...]:
    """Return one list of a world's entry in the table of samples."""
    name = "samples.json"
    content = _read_bytes(_known(world), name)
    try:
        return tuple(str(value) for value in json.loads(content)[world][key])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(world, name) from error


def everyday() -> list[LayerData]:
    """Return the everyday scene as napari layers."""
    return _layers("everyday")


def driving() -> list[LayerData]:
    """Return the driving scene as napari layers."""
    return _layers("driving")


def aerial() -> list[LayerData]:
    """Return the aerial scene as napari layers."""
    return _layers("aerial")


def microscopy() -> list[LayerData]:
    """Return the microscopy scene as napari layers."""
    return _layers("microscopy")


def _layers(world: str) -> list[LayerData]:
    """Return one image layer; the words travel along as metadata."""
    about = {"name": f"{world} scene", "rgb": True, "metadata": {"words": sample_words(world)}}
    return [(sample_image(world), about, "image")]


def _known(world: str) -> str:
    if world not in WORLDS:
        raise ImageError(f"there is no sample scene {world!r}; there are: {', '.join(WORLDS)}")
    return world


def _read_bytes(world: str, name: str) -> bytes:
    try:
        return (_FOLDER / name).read_bytes()
    except OSError as error:
        raise ImageError(
            f"the sample scene {world!r} lacks its file {name!r}: the installation of"
            " napari-itaclip is incomplete, install it again"
        ) from error


def _read_png(world: str, name: str, mode: str) -> NDArray[np.uint8]:
    content = _read_bytes(world, name)
    try:
        with Image.open(BytesIO(content)) as picture:
            picture.load()
            # A palette picture holds the label ids themselves; converting it would lose them.
            flat = picture if mode == "L" and picture.mode == "P" else picture.convert(mode)
            return np.array(flat, dtype=np.uint8)
    except (UnidentifiedImageError, OSError) as error:
        raise _damaged(world, name) from error


def _damaged(world: str, name: str) -> ImageError:
    return ImageError(
        f"the file {name!r} of the sample scene {world!r} is damaged: install napari-itaclip again"
    )

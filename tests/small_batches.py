"""Finished batches of small images, as ``napari-itaclip batch`` leaves them; no model is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.batch.records import ItemRecord, Source, StoredExport, StoredJob
from napari_itaclip.batch.refresh import finish_exports, refresh_exports
from napari_itaclip.batch.state import STATE_PLACE, BatchState
from napari_itaclip.formats.model import ExportOptions
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

SIZE = (24, 32)
"""Height and width of the images."""

CLASSES = Vocabulary(
    [ClassPrompt("ground", id=1), ClassPrompt("water", id=2), ClassPrompt("tree", id=3)]
)

UNCERTAINTIES = (0.1, 0.7, 0.4)
"""Of the images of a small batch, in the order of their names: "a", "b", …"""


def make_batch(
    folder: Path,
    uncertainties: Sequence[float] = UNCERTAINTIES,
    *,
    exports: bool = True,
    size: tuple[int, int] = SIZE,
    vocabulary: Vocabulary = CLASSES,
) -> BatchState:
    """Make a batch of gray images "a", "b", … below ``folder``: in "images" and "out".

    The left half of every image is labelled with the first class, the right half with the second.

    Parameters
    ----------
    folder : Path
        Where to put it.
    uncertainties : sequence of float
        Of each image.
    exports : bool
        Whether it has an export (png).
    size : (int, int)
        Height and width of the images.
    vocabulary : Vocabulary
        The classes.
    """
    home = folder / "out"
    state = BatchState(home.joinpath(*STATE_PLACE))
    stored = (StoredExport("png", ".", ExportOptions(images=False)),) if exports else ()
    job = StoredJob(("../images",), "demo-0", "demo", {}, stored, "digest", "1")
    state.save_job(job, vocabulary)
    for place, uncertainty in enumerate(uncertainties):
        add_image(state, folder / "images", chr(ord("a") + place), uncertainty, size)
    if exports:
        for record in state.items():
            saved = refresh_exports(state, record, state.load_labels(record))
            assert not saved.edited
        finish_exports(state)
    return state


def add_image(
    state: BatchState, images: Path, name: str, uncertainty: float, size: tuple[int, int] = SIZE
) -> ItemRecord:
    """Add an image to a batch."""
    images.mkdir(parents=True, exist_ok=True)
    picture = np.arange(size[0] * size[1], dtype=np.uint32).reshape(size) % 200
    path = images / f"{name}.png"
    Image.fromarray(picture.astype(np.uint8)).save(path)
    labels = first_labels(size)
    margin = np.full(size, round(255 * (1 - uncertainty)), np.uint8)
    margin[: size[0] // 4, : size[1] // 4] = 0
    place = state.path("margins", name, ".png")
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(margin).save(place)
    record = ItemRecord(
        key=name,
        name=name,
        source=Source(state.place(path)),
        input_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        digest="digest",
        shape=size,
        labels=f"labels/{name}.png",
        labels_sha256="",
        margin=f"margins/{name}.png",
        uncertainty=uncertainty,
        classes={},
    )
    record = state.save_labels(record, labels)
    state.save_item(record)
    return record


def first_labels(size: tuple[int, int] = SIZE) -> NDArray[Any]:
    """Return the labels ``(H, W)`` that the images of a batch have at first."""
    labels = np.ones(size, np.uint8)
    labels[:, size[1] // 2 :] = 2
    return labels


def exported(state: BatchState, name: str) -> NDArray[Any]:
    """Return the labels ``(H, W)`` that were exported of an image."""
    [path] = [
        state.home / file for file in state.item(name).exports["png"] if file.endswith(".png")
    ]
    with Image.open(path) as picture:
        return np.asarray(picture)

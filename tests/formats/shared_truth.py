"""Ground truth of the data sets in ``../shared/data``, where that folder is there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_itaclip.formats.model import LabelClass, LabelledImage
from napari_itaclip.vocabulary.palette import palette_color

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class SharedSet:
    """Some images of a data set."""

    name: str
    items: tuple[LabelledImage, ...]


def shared_names() -> list[str]:
    """Return the names of the data sets that are there."""
    return sorted(one.parent.name for one in DATA.glob("*/classes.json"))


def shared_sets(images: int, crop: int | None = None) -> Iterator[SharedSet]:
    """Return the first images of each data set, or the middle of them."""
    for name in shared_names():
        masks = sorted((DATA / name / "masks").glob("*.png"))[:images]
        yield SharedSet(name, tuple(_items(DATA / name, masks, crop)))


def _items(folder: Path, masks: list[Path], crop: int | None) -> Iterator[LabelledImage]:
    """Return images with their ground truth."""
    classes = _classes(json.loads((folder / "classes.json").read_text(encoding="utf-8")))
    for mask in masks:
        (picture,) = (folder / "images").glob(f"{mask.stem}.*")
        labels = np.asarray(Image.open(mask)).astype(np.int64)
        image = np.asarray(Image.open(picture).convert("RGB"))
        if crop is not None:
            top, left = (max(0, (side - crop) // 2) for side in labels.shape)
            labels = labels[top : top + crop, left : left + crop]
            image = image[top : top + crop, left : left + crop]
        yield LabelledImage(mask.stem, labels, classes, image=image)


def _classes(about: Mapping[str, Any]) -> tuple[LabelClass, ...]:
    """Return the classes of a data set."""
    names = sorted((int(value), name) for value, name in about["classes"].items())
    return tuple(
        LabelClass(value, name, palette_color(at), value == 0 and name.startswith("background"))
        for at, (value, name) in enumerate(names)
    )

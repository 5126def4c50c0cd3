"""Small made-up data sets in the folders of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Labels = NDArray[np.integer[Any]]

SIZE = (12, 16)


def put_image(path: Path, seed: int = 0) -> None:
    """Write a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(noise).save(path)


def put_mask(path: Path, values: list[int]) -> Labels:
    """Write a mask with columns of the given values; return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.resize(np.array(values, np.uint8), SIZE)
    Image.fromarray(mask).save(path)
    return mask


def put_list(path: Path, *names: str) -> None:
    """Write a list of images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def make_voc(root: Path, values: list[int], year: str = "2012") -> Path:
    """Make VOC or Context with two validation images and one of another split."""
    folder = root / f"VOC{year}"
    masks = "SegmentationClass" if year == "2012" else "SegmentationClassContext"
    lists = "Segmentation" if year == "2012" else "SegmentationContext"
    for name in ("2007_000001", "2007_000002", "2007_000009"):
        put_image(folder / "JPEGImages" / f"{name}.jpg")
        put_mask(folder / masks / f"{name}.png", values)
    put_list(folder / "ImageSets" / lists / "val.txt", "2007_000002", "2007_000001")
    return folder


def make_coco(root: Path, ending: str, values: list[int], *, unpacked: bool = False) -> Path:
    """Make COCO with two validation images and one of the training set."""
    images, masks = ("val2017", "stuffthingmaps/val2017") if unpacked else (
        "images/val2017", "annotations/val2017",
    )  # fmt: skip
    for name in ("000000000139", "000000000285"):
        put_image(root / images / f"{name}.jpg")
        put_mask(root / masks / f"{name}{ending}", values)
    put_image(root / "images/train2017/000000000001.jpg")
    return root


def make_cityscapes(root: Path, ending: str, values: list[int]) -> Path:
    """Make Cityscapes with images of two towns."""
    for town, name in (("lindau", "lindau_000000_000019"), ("munster", "munster_000001_000019")):
        put_image(root / "leftImg8bit/val" / town / f"{name}_leftImg8bit.png")
        put_mask(root / "gtFine/val" / town / f"{name}{ending}", values)
    return root


def make_ade(root: Path, values: list[int]) -> Path:
    """Make ADE20K with two validation images."""
    for name in ("ADE_val_00000001", "ADE_val_00000002"):
        put_image(root / "images/validation" / f"{name}.jpg")
        put_mask(root / "annotations/validation" / f"{name}.png", values)
    return root

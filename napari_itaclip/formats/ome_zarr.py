"""OME-Zarr 0.5: labels as a pyramid beside their image, for large and for scientific images.

Each image becomes a folder ``….ome.zarr`` with the group ``labels/classes`` (class ids; names and
colours in its metadata), ``labels/objects`` if there are instances, and the picture at the top if
it is wanted. The layout is that of the OME-NGFF specification, version 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts.exchange import label_dtype, left_out
from napari_itaclip.formats.parts.extras import first_below, needed
from napari_itaclip.formats.parts.pixels import values_of
from napari_itaclip.formats.paths import file_name
from napari_itaclip.formats.reading.ome_zarr import CLASSES, OBJECTS, is_zarr, read
from napari_itaclip.formats.shapes.regions import unlabelled_value
from napari_itaclip.vocabulary.palette import color_to_rgb

__all__ = ["OME_ZARR", "read", "sniff"]

VERSION = "0.5"
"""Version of OME-NGFF that is written."""

_CHUNK = 1024
"""Pixels along the side of a chunk."""

_SMALLEST = 256
"""Levels get smaller until no side is longer."""

_CHANNELS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's labels, and the picture if it is wanted."""
    zarr = needed("zarr", "OME-Zarr", "omezarr")
    memory = needed("zarr.storage", "OME-Zarr", "omezarr")
    nothing = unlabelled_value(item.classes)
    values, losses = values_of(item, options, {one.id: one.id for one in item.classes}, nothing)
    dtype = label_dtype(max(nothing, *(one.id for one in item.classes)))
    store: dict[str, Any] = {}
    root = zarr.create_group(memory.MemoryStore(store_dict=store), zarr_format=3)
    top: dict[str, Any] = {"version": VERSION}
    if options.images and item.image is not None:
        top |= _write_picture(root, item.image, item.name)
    root.attrs["ome"] = top
    layers = {CLASSES: (values.astype(dtype), _class_metadata(item.classes))}
    if item.instances is not None:
        numbers, renumbered = _numbers(item.instances)
        layers[OBJECTS] = (numbers, {})
        losses += renumbered
    labels = root.create_group("labels")
    labels.attrs["ome"] = {"version": VERSION, "labels": list(layers)}
    for name, (array, metadata) in layers.items():
        _write_labels(labels.create_group(name), array, name, metadata)
    folder = f"{file_name(item.name)}.ome.zarr"
    files = {f"{folder}/{key}": store[key].to_bytes() for key in sorted(store)}
    losses += left_out(item, "background and unlabelled", "instances")
    return Rendered(files, None, losses)


def _numbers(instances: NDArray[Any]) -> tuple[NDArray[Any], tuple[Loss, ...]]:
    """Return objects' numbers from 0 that a label image can hold."""
    lowest, highest = int(instances.min()), int(instances.max())
    if lowest >= 0 and highest < 2**32:
        return instances.astype(label_dtype(highest)), ()
    values, numbers = np.unique(instances, return_inverse=True)
    fresh = np.arange(values.size) + (0 if 0 in values else 1)
    loss = Loss("objects renumbered", "numbers below 0 or above 4,294,967,295")
    return fresh[numbers].reshape(instances.shape).astype(label_dtype(values.size)), (loss,)


def _class_metadata(classes: tuple[LabelClass, ...]) -> dict[str, Any]:
    """Return names and colours as OME-NGFF's ``image-label`` holds them."""
    rows = sorted(classes, key=lambda one: one.id)
    return {
        "colors": [
            {
                "label-value": one.id,
                "rgba": [*color_to_rgb(one.color), 0 if one.background else 255],
            }
            for one in rows
        ],
        "properties": [
            {"label-value": one.id, "class": one.name, "color": one.color}
            | ({"background": True} if one.background else {})
            for one in rows
        ],
    }


def _write_labels(group: Any, array: NDArray[Any], name: str, metadata: Mapping[str, Any]) -> None:
    """Write a pyramid of labels: every second pixel of the level before."""
    levels = [array]
    while max(levels[-1].shape) > _SMALLEST:
        levels.append(levels[-1][::2, ::2])
    for at, level in enumerate(levels):
        _write_array(group, str(at), level, ("y", "x"))
    # The first pixel of every level is the image's first pixel, so that nothing is shifted.
    steps = [([2.0**at, 2.0**at], [0.0, 0.0]) for at in range(len(levels))]
    group.attrs["ome"] = {
        "version": VERSION,
        "multiscales": [_multiscale(name, "yx", steps, "nearest")],
        "image-label": {**metadata, "source": {"image": "../../"}},
    }


def _write_picture(root: Any, image: NDArray[np.uint8], name: str) -> dict[str, Any]:
    """Write a pyramid of the picture: means of 2 × 2 pixels of the level before."""
    levels = [np.moveaxis(image[..., :3], -1, 0)]
    while max(levels[-1].shape[1:]) > _SMALLEST:
        levels.append(_halved(levels[-1]))
    for at, level in enumerate(levels):
        _write_array(root, str(at), level, ("c", "y", "x"))
    # The middle of a mean lies between the middles of the first pixels.
    steps = [
        ([1.0, 2.0**at, 2.0**at], [0.0, (2.0**at - 1) / 2, (2.0**at - 1) / 2])
        for at in range(len(levels))
    ]
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [
        {"label": label, "color": color, "active": True, "window": window}
        for label, color in _CHANNELS
    ]
    return {
        "multiscales": [_multiscale(name, "cyx", steps, "mean")],
        "omero": {"channels": channels, "rdefs": {"model": "color"}},
    }


def _halved(level: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return means of 2 × 2 pixels; a last odd row or column is repeated."""
    odd = [(0, 0), (0, level.shape[1] % 2), (0, level.shape[2] % 2)]
    wide = np.pad(level, odd, mode="edge").astype(np.uint16)
    total = wide[:, ::2, ::2] + wide[:, 1::2, ::2] + wide[:, ::2, 1::2] + wide[:, 1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def _write_array(group: Any, name: str, array: NDArray[Any], axes: tuple[str, ...]) -> None:
    """Write one level."""
    chunks = tuple(min(side, _CHUNK) for side in array.shape)
    target = group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunks,
        fill_value=0,
        dimension_names=axes,
        chunk_key_encoding={"name": "default", "separator": "/"},
    )
    target[...] = array


def _multiscale(
    name: str, axes: str, steps: list[tuple[list[float], list[float]]], kind: str
) -> dict[str, Any]:
    """Describe a pyramid."""
    return {
        "name": name,
        "type": kind,
        "axes": [{"name": axis, "type": "channel" if axis == "c" else "space"} for axis in axes],
        "datasets": list(_datasets(steps)),
    }


def _datasets(steps: list[tuple[list[float], list[float]]]) -> Iterator[dict[str, Any]]:
    """Describe levels by the distances of their pixels and the place of the first one."""
    for at, (scale, translation) in enumerate(steps):
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(translation):
            transforms.append({"type": "translation", "translation": translation})
        yield {"path": str(at), "coordinateTransformations": transforms}


def sniff(path: Path) -> bool:
    """Tell whether a folder is an OME-Zarr, or holds one."""
    if not path.is_dir():
        return False
    wanted = first_below(path, lambda one: one.name.endswith(".zarr") and is_zarr(one))
    return is_zarr(path) or wanted is not None


OME_ZARR = Format(
    name="ome-zarr",
    title="OME-Zarr labels",
    description="Label pyramids (OME-NGFF 0.5) with the image, exact to the pixel.",
    render=render,
    read=read,
    sniff=sniff,
    geometry="pixels",
    extra="omezarr",
)

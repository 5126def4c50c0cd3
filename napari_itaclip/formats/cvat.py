"""CVAT for images 1.1: one XML file with masks, and the pictures beside it.

The format is described in CVAT's documentation ("XML annotation format", version 1.1). A mask is a
box and the lengths of runs in it, row by row, the first run outside the object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Rendered,
)
from napari_itaclip.formats.parts.exchange import (
    drawn_regions,
    image_name,
    left_out,
    picture_files,
    renamed,
)
from napari_itaclip.formats.parts.xml_files import (
    attributes,
    class_names,
    name_losses,
    root_tag,
    text,
)
from napari_itaclip.formats.reading.cvat import FILE_NAME, read
from napari_itaclip.formats.shapes.regions import Region

__all__ = ["CVAT", "read", "sniff"]


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's masks: one for each class, or for each object if there are instances."""
    regions, losses = drawn_regions(item, options)
    path, files = picture_files(item, options)
    record = {
        "file": path,
        "width": item.shape[1],
        "height": item.shape[0],
        "masks": [describe(region) for region in regions],
    }
    losses += left_out(item, "instances", "name")
    losses += renamed(item.name, image_name(path.removeprefix("images/")))
    return Rendered(files, record, losses + name_losses(item.classes))


def describe(region: Region) -> dict[str, Any]:
    """Return the box of a region and the lengths of the runs in it.

    Returns
    -------
    dict
        ``class`` id; ``left``, ``top``, ``width``, ``height`` of the box in pixels; and ``rle``:
        lengths separated by commas, row by row, beginning with pixels outside (perhaps none).
    """
    left, top, width, height = region.bbox
    flat = region.mask.ravel()
    borders = [0] if flat[0] else []
    borders += (np.flatnonzero(np.diff(flat)) + 1).tolist()
    lengths = np.diff([*borders, flat.size], prepend=0)
    return {
        "class": region.class_id,
        "rle": ", ".join(map(str, lengths.tolist())),
        "left": left,
        "top": top,
        "width": width,
        "height": height,
    }


def assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Write the XML file about all images."""
    names = class_names(classes)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    lines += _meta(classes, names, len(records), str(about.get("made_by", "")))
    for number, record in enumerate(records.values()):
        lines += _image(number, record, names)
    lines.append("</annotations>\n")
    return {FILE_NAME: "\n".join(lines).encode()}


def _meta(
    classes: Sequence[LabelClass], names: Mapping[int, str], size: int, made_by: str
) -> Iterator[str]:
    """Describe the task and its labels.

    CVAT has no ids and no background. They stand in attributes of our own, which it ignores.
    """
    yield "  <meta>\n    <task>"
    yield "      <name>napari-itaclip</name>"
    yield f"      <size>{size}</size>\n      <mode>annotation</mode>\n      <labels>"
    for one in classes:
        own = attributes(itaclip__id=one.id)
        own += attributes(itaclip__background="true") if one.background else ""
        yield (
            f"        <label{own}>\n          <name>{text(names[one.id])}</name>\n"
            f"          <color>{text(one.color)}</color>\n          <type>mask</type>\n"
            "          <attributes></attributes>\n        </label>"
        )
    yield f"      </labels>\n    </task>\n    <source>{text(made_by)}</source>\n  </meta>"


def _image(number: int, record: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    """Describe one image and its masks."""
    # CVAT looks for pictures by their path inside the folder "images".
    name = str(record["file"]).removeprefix("images/")
    head = attributes(id=number, name=name, width=record["width"], height=record["height"])
    yield f"  <image{head}>"
    for mask in record["masks"]:
        box = {key: mask[key] for key in ("rle", "left", "top", "width", "height")}
        label = names[mask["class"]]
        inner = attributes(label=label, source="auto", occluded=0, **box, z_order=0)
        yield f"    <mask{inner}></mask>"
    yield "  </image>"


def sniff(path: Path) -> bool:
    """Tell whether a file, or the file in a folder, is CVAT's XML."""
    return root_tag(path / FILE_NAME if path.is_dir() else path) == "annotations"


CVAT = Format(
    name="cvat",
    title="CVAT for images 1.1",
    description="XML with masks, exact to the pixel; objects or classes, no background.",
    render=render,
    assemble=assemble,
    read=read,
    sniff=sniff,
    geometry="pixels",
    instances=True,
)

"""Cityscapes: label ids by an explicit map, and the same in colours."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts.class_tables import table_text
from napari_itaclip.formats.parts.exchange import picture
from napari_itaclip.formats.parts.pixels import encode_color_png, encode_png, not_held, values_of
from napari_itaclip.formats.paths import file_name
from napari_itaclip.formats.reading.cityscapes import (
    COLOR_ENDING,
    LABEL_ENDING,
    PICTURE_ENDING,
    TABLE_NAME,
    read,
    sniff,
)

__all__ = ["CITYSCAPES", "cityscapes_values", "read", "render", "sniff"]


def cityscapes_values(classes: Sequence[LabelClass], options: ExportOptions) -> dict[int, int]:
    """Return the value of each class's id: from the map, else the id.

    Raises
    ------
    FormatError
        If the map names a class that is not there, or a value is above 255, taken twice, or the
        one of unlabelled pixels.
    """
    names = [one.name for one in classes]
    for name in options.id_map:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise FormatError(f"the id map names {name!r}, which is no class{hint}")
    values: dict[int, int] = {}
    owner = {options.void: "unlabelled pixels"}
    for one in classes:
        value = options.id_map.get(one.name, one.id)
        if not 0 <= value <= 255:
            raise FormatError(
                f"Cityscapes images hold values from 0 to 255; {one.name!r} has {value}: give it "
                "another one in the id map, or write png or tiff"
            )
        if value in owner:
            raise FormatError(
                f"{one.name!r} and {owner[value]} have the same value {value}; give one of them "
                "another value in the id map"
            )
        owner[value] = repr(one.name)
        values[one.id] = value
    return values


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Return an image as ``gtFine/SPLIT/NAME_gtFine_labelIds.png``, and in colours."""
    by_id = cityscapes_values(item.classes, options)
    values, losses = values_of(item, options, by_id, options.void)
    colors = {by_id[one.id]: one.color for one in item.classes}
    stem = f"{options.split}/{file_name(item.name)}"
    files = {
        f"gtFine/{stem}{LABEL_ENDING}": encode_png(values, colors, deep=False),
        f"gtFine/{stem}{COLOR_ENDING}": encode_color_png(values, colors),
    }
    if options.images:
        path, content = picture(item, f"leftImg8bit/{options.split}")
        if content is not None:
            ending = path.rpartition(".")[2]
            files[f"leftImg8bit/{stem}{PICTURE_ENDING}.{ending}"] = content
    moved = [f"{one.name!r} {by_id[one.id]}" for one in item.classes if by_id[one.id] != one.id]
    if moved:
        more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
        text = f"values by the id map: {', '.join(moved[:5])}{more}"
        losses += (Loss("ids changed", text),)
    return Rendered(files=files, record={"split": options.split}, losses=(*losses, *not_held(item)))


def assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Return the id map."""
    facts = {key: value for key, value in sorted(about.items()) if value}
    by_id = cityscapes_values(classes, options)
    text = table_text(classes, options.void, values=by_id, about=facts, indent=2)
    return {f"gtFine/{TABLE_NAME}": (text + "\n").encode()}


CITYSCAPES = Format(
    name="cityscapes",
    title="Cityscapes label ids",
    description="every pixel's class as a value of an explicit id map, 0 to 255; and in colours",
    render=render,
    assemble=assemble,
    read=read,
    sniff=sniff,
)

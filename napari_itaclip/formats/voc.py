"""Pascal VOC: label images with a colour table, lists of images, a map of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Labels,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts.class_tables import table_text
from napari_itaclip.formats.parts.exchange import picture
from napari_itaclip.formats.parts.pixels import encode_png, not_held, values_of
from napari_itaclip.formats.paths import file_name
from napari_itaclip.formats.reading.voc import (
    VOID_COLOR,
    VOID_NAME,
    find_root,
    read,
    sniff,
    voc_color,
)
from napari_itaclip.vocabulary.palette import color_to_rgb

__all__ = ["VOC", "find_root", "read", "render", "sniff", "voc_values"]

MAX_CLASSES = 254


def voc_values(classes: Sequence[LabelClass], void: int) -> dict[int, int]:
    """Return the value of each class's id in the files.

    The background is 0. The others keep their ids where they fit; the rest gets values from 254
    downwards. Classes added at the end do not change the values of those before.

    Raises
    ------
    FormatError
        If there are more classes than values.
    """
    if len(classes) > MAX_CLASSES:
        raise FormatError(
            f"VOC images hold {MAX_CLASSES} classes, not {len(classes)}; write png, tiff or coco, "
            "which hold more"
        )
    free = set(range(256)) - {void}
    values: dict[int, int] = {}
    for one in classes:
        wanted = 0 if one.background and 0 in free else one.id
        values[one.id] = wanted if wanted in free else max(free)
        free.remove(values[one.id])
    return values


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Return an image as ``SegmentationClass/NAME.png``, and its objects and its picture."""
    by_id = voc_values(item.classes, options.void)
    values, losses = values_of(item, options, by_id, options.void)
    colors = {by_id[one.id]: one.color for one in item.classes} | {options.void: VOID_COLOR}
    stem = file_name(item.name)
    files = {f"SegmentationClass/{stem}.png": encode_png(values, colors, deep=False)}
    moved = [one for one in item.classes if by_id[one.id] != one.id]
    if moved:
        text = ", ".join(f"{one.name!r} {one.id} → {by_id[one.id]}" for one in moved[:5])
        more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
        losses += (Loss("ids changed", f"values in the files: {text}{more}"),)
    if item.instances is not None:
        numbers, lost = _objects(item, options.void)
        # VOC's own colours, by which other tools know the numbers; void is 224,224,192 there.
        table = {value: voc_color(value) for value in range(256)}
        files[f"SegmentationObject/{stem}.png"] = encode_png(numbers, table, deep=False)
        losses += lost
    if options.images:
        path, content = picture(item, "JPEGImages")
        if content is not None:
            files[path] = content
    return Rendered(
        files=files,
        record={"split": options.split},
        losses=(*losses, *_name_losses(item.classes), *not_held(item, "instances")),
    )


def assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Return the lists of images, ``labelmap.txt`` for other tools and ``labelmap.json``."""
    splits: dict[str, list[str]] = {options.split: []}
    for name, record in records.items():
        splits.setdefault(record["split"], []).append(file_name(name))
    files = {
        f"ImageSets/Segmentation/{split}.txt": "".join(f"{stem}\n" for stem in stems).encode()
        for split, stems in sorted(splits.items())
    }
    by_id = voc_values(classes, options.void)
    facts = {key: value for key, value in sorted(about.items()) if value}
    text = table_text(classes, options.void, values=by_id, about=facts, indent=2)
    files["labelmap.json"] = (text + "\n").encode()
    files["labelmap.txt"] = _labelmap(classes, by_id).encode()
    return files


def _labelmap(classes: Sequence[LabelClass], by_id: Mapping[int, int]) -> str:
    """Return names and colours in the order of the values, as CVAT and Datumaro read them.

    They tell classes by their colours and refuse a colour that has no line, so void has one.
    """
    lines = ["# label:color_rgb:parts:actions"]
    for one in sorted(classes, key=lambda one: by_id[one.id]):
        rgb = ",".join(map(str, color_to_rgb(one.color)))
        lines.append(f"{_plain(one.name)}:{rgb}::")
    if VOID_COLOR not in [one.color for one in classes]:  # else the class has it
        void = ",".join(map(str, color_to_rgb(VOID_COLOR)))
        lines.append(f"{VOID_NAME}:{void}::")
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    """Return a name without what ends it in ``labelmap.txt``."""
    text = " ".join(name.replace(":", " ").split()) or "unnamed"
    return f"_{text}" if text.startswith("#") else text


def _name_losses(classes: Sequence[LabelClass]) -> tuple[Loss, ...]:
    """Say which names labelmap.txt cannot hold, and which colours do not tell classes apart."""
    changed = [one.name for one in classes if _plain(one.name) != one.name]
    losses: tuple[Loss, ...] = ()
    if changed:
        names = ", ".join(map(repr, changed[:5]))
        losses += (Loss("names changed", f"only in labelmap.txt: {names}"),)
    colors = [VOID_COLOR, *(one.color for one in classes)]
    twice = [one.name for one in classes if colors.count(one.color) > 1]
    if twice:
        names = ", ".join(map(repr, twice[:5]))
        losses += (
            Loss("colours shared", f"tools that tell classes by colour mix up {names}"),
        )  # fmt: skip
    return losses


def _objects(item: LabelledImage, void: int) -> tuple[Labels, tuple[Loss, ...]]:
    """Return objects as numbers from 1; those above 254 and unlabelled pixels are void."""
    assert item.instances is not None  # asked by the caller
    objects = np.where(item.instances > 0, item.instances, 0).astype(np.int64)
    objects[item.unlabelled] = 0
    found, ranks = np.unique(objects, return_inverse=True)
    ranks = ranks.reshape(objects.shape) + (0 if found[0] == 0 else 1)
    numbers = np.array([value for value in range(256) if value != void])
    if void == 0:
        numbers = np.concatenate([[0], numbers])
    inside = ranks < len(numbers)
    values = np.where(inside, numbers[np.minimum(ranks, len(numbers) - 1)], void)
    values[item.unlabelled] = void
    count = int(ranks.max()) - len(numbers) + 1
    if count <= 0:
        return values.astype(np.uint8), ()
    lost = Loss(
        "objects left out",
        f"{count} objects of {item.name!r} do not fit into an 8-bit image; their classes are kept",
        int((~inside).sum()),
    )
    return values.astype(np.uint8), (lost,)


VOC = Format(
    name="voc",
    title="Pascal VOC",
    description="every pixel's class as an indexed PNG with 255 for void; up to 254 classes",
    render=render,
    assemble=assemble,
    read=read,
    sniff=sniff,
    suffixes=(".png",),
)

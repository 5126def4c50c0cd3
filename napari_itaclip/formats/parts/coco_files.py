"""What COCO's files have in common: categories, ids of images and annotations, the marks we leave.

COCO's tools ignore keys that they do not know. These are ours; with them labels read back as they
were:

- ``info.napari_itaclip``: ``{"format": …, "background": {"id", "name", "color"}}``.
- ``categories[].napari_itaclip_id``: the class's id, where the category's differs.
- ``images[].napari_itaclip_name``: the image's name, where it cannot be told from its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from napari_itaclip.formats.model import LabelClass, Loss
from napari_itaclip.formats.parts.exchange import image_name
from napari_itaclip.vocabulary.palette import color_to_rgb

MARK = "napari_itaclip"
ID_MARK = "napari_itaclip_id"
NAME_MARK = "napari_itaclip_name"


def category_ids(classes: Sequence[LabelClass]) -> dict[int, int]:
    """Return the category id of each class id.

    They are the same but for the class 0, as many tools take category 0 for the background: it
    gets the number after the highest.
    """
    highest = max((one.id for one in classes), default=0)
    return {one.id: one.id or highest + 1 for one in classes}


def id_losses(classes: Sequence[LabelClass]) -> tuple[Loss, ...]:
    """Return the loss of a class id, but the background's, that COCO's tools misunderstand."""
    ids = category_ids(classes)
    return tuple(
        Loss("ids changed", f"the class {one.name!r} has the id 0; its category is {ids[one.id]}")
        for one in classes
        if ids[one.id] != one.id and not one.background
    )


def categories(
    classes: Sequence[LabelClass], things: Iterable[int] | None = None
) -> list[dict[str, Any]]:
    """Return COCO's categories.

    Parameters
    ----------
    classes
        The classes that become categories.
    things
        The ids of those that are things; None for files that do not tell things from stuff.
    """
    ids = category_ids(classes)
    countable = None if things is None else set(things)
    rows = []
    for one in classes:
        row: dict[str, Any] = {
            "id": ids[one.id],
            "name": one.name,
            "supercategory": "background" if one.background else "",
            "color": list(color_to_rgb(one.color)),
        }
        if countable is not None:
            row["isthing"] = int(one.id in countable)
        if row["id"] != one.id:
            row[ID_MARK] = one.id
        rows.append(row)
    return rows


def info(
    format_name: str, classes: Sequence[LabelClass], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return COCO's ``info``. Without dates: the same labels give the same file."""
    mark: dict[str, Any] = {"format": format_name}
    background = next((one for one in classes if one.background), None)
    if background is not None:
        mark["background"] = {
            "id": background.id,
            "name": background.name,
            "color": background.color,
        }
    return {"description": str(about.get("made_by", "")), "version": "1.0", MARK: mark}


def image_row(number: int, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of COCO's ``images``; ``file_name`` is relative to the folder ``images``."""
    file = str(record["file"]).removeprefix("images/")
    row = {
        "id": number,
        "file_name": file,
        "width": record["width"],
        "height": record["height"],
    }
    if image_name(file) != name:
        row[NAME_MARK] = name
    return row


class Numbers:
    """Ids made from names: they stay the same when other images join the data set.

    The ids are below 2**52, whole numbers even where a tool keeps them as floating point numbers.
    """

    def __init__(self) -> None:
        """Begin with no ids taken."""
        self._taken: set[int] = set()

    def of(self, name: str) -> int:
        """Return the id of a name, above 0 and given only once."""
        turn = 0
        while True:
            text = f"{name}\n{turn}".encode("utf-8", "surrogatepass")
            number = int.from_bytes(hashlib.sha256(text).digest()[:8]) >> 12
            if number and number not in self._taken:
                self._taken.add(number)
                return number
            turn += 1


def splits(records: Mapping[str, Any], current: str) -> dict[str, dict[str, Any]]:
    """Return the records by their splits, sorted; the current split alone when there are none."""
    found: dict[str, dict[str, Any]] = {} if records else {current: {}}
    for name, record in records.items():
        found.setdefault(record["split"], {})[name] = record
    return dict(sorted(found.items()))

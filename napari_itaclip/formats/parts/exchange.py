"""What formats that carry objects and pictures share: classes, what is left out, pictures."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats.model import ExportOptions, LabelClass, LabelledImage, Loss
from napari_itaclip.formats.paths import file_name, inside
from napari_itaclip.formats.shapes.filling import checked_ring, fill_area
from napari_itaclip.formats.shapes.regions import (
    Region,
    class_regions,
    empty_value,
    labels_dtype,
    object_regions,
    uncovered_losses,
    without_small,
)
from napari_itaclip.formats.shapes.run_lengths import check_size
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR, free_color, normalize_color

_KEPT_AS_THEY_ARE = {"JPEG": ".jpg", "PNG": ".png"}


@dataclass(frozen=True)
class FoundClass:
    """A class as a foreign file names it.

    Attributes
    ----------
    name : str
        Its name.
    color : str or None
        Its colour, in any spelling.
    id : int or None
        Its id, where the file holds one.
    background : bool
        Whether the file says that it is the background.
    """

    name: str
    color: str | None = None
    id: int | None = None
    background: bool = False


def resolve_classes(
    found: Iterable[FoundClass], given: Sequence[LabelClass] | None = None
) -> tuple[LabelClass, ...]:
    """Give classes from a file ids and colours.

    Parameters
    ----------
    found
        The file's classes; names that occur again are dropped.
    given
        Classes whose ids and colours are taken where the names agree. All of them stay.

    Returns
    -------
    tuple of LabelClass
        The given classes, then the others. Ids that the file does not hold are 0 for a class
        called "background" and the lowest free number above 0 for all others.
    """
    known = {one.name for one in given or ()}
    fresh: list[FoundClass] = []
    for one in found:
        if one.name not in known:
            known.add(one.name)
            fresh.append(one)
    background = any(one.background for one in given or ()) or any(one.background for one in fresh)
    taken = {one.id for one in given or ()}
    taken_colors = [one.color for one in given or ()]
    ids = _ids(fresh, taken)
    result = list(given or ())
    for at, (one, id_) in enumerate(zip(fresh, ids, strict=True)):
        is_background = one.background or (not background and _is_background_name(one.name))
        background = background or is_background
        color = normalize_color(one.color) if one.color else None
        color = color or (BACKGROUND_COLOR if is_background else free_color(at, taken_colors))
        taken_colors.append(color)
        result.append(LabelClass(id_, one.name, color, is_background))
    return tuple(result)


def _ids(found: Sequence[FoundClass], taken: Collection[int]) -> list[int]:
    """Return an id for each class: its own where it has one that is free."""
    used = set(taken)
    ids: list[int | None] = []
    for one in found:
        own = one.id if one.id is not None and one.id >= 0 and one.id not in used else None
        if own is None and one.id is None and _is_background_name(one.name) and 0 not in used:
            own = 0
        if own is not None:
            used.add(own)
        ids.append(own)
    following = 1
    for at, id_ in enumerate(ids):
        if id_ is None:
            while following in used:
                following += 1
            used.add(following)
            ids[at] = following
    return [id_ for id_ in ids if id_ is not None]


def _is_background_name(name: str) -> bool:
    """Tell whether a class is called what everybody calls the background."""
    return name.strip().lower() in {"background", "_background_"}


def picture(item: LabelledImage, folder: str = "images") -> tuple[str, bytes | None]:
    """Return where a picture lies beside annotations, and its content.

    Parameters
    ----------
    item
        The image. A JPEG or PNG file of a single picture is taken as it is, byte for byte; any
        other picture is written as PNG.
    folder
        The folder of pictures in the data set.

    Returns
    -------
    path : str
        Relative to the data set's folder.
    content : bytes or None
        None if there is no picture.
    """
    stem = f"{folder}/{file_name(item.name)}"
    if item.image_path is not None and item.page is None:
        with contextlib.suppress(OSError, ValueError):
            content = item.image_path.read_bytes()
            ending = _ending(content, item.shape)
            if ending:
                return stem + ending, content
    if item.image is None:
        return f"{stem}.png", None
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(item.image)).save(stream, "PNG")
    return f"{stem}.png", stream.getvalue()


def _ending(content: bytes, shape: tuple[int, int]) -> str | None:
    """Return the file ending for pictures that other tools can show as they are."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            turned = image.getexif().get(0x0112, 1) != 1  # orientation: tools disagree about it
            plain = image.mode in ("RGB", "L", "RGBA", "P")
            if turned or not plain or (image.height, image.width) != shape:
                return None
            return _KEPT_AS_THEY_ARE.get(image.format or "")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def picture_files(item: LabelledImage, options: ExportOptions) -> tuple[str, dict[str, bytes]]:
    """Return where the picture lies, and the file to write if it is wanted and there is one."""
    path, content = picture(item)
    return path, {path: content} if options.images and content is not None else {}


def find_picture(root: Path, *candidates: str) -> Path | None:
    """Return the first of several relative paths that is a file inside a folder."""
    for candidate in candidates:
        with contextlib.suppress(OutputError, OSError, ValueError):
            path = inside(root, candidate.replace("\\", "/"))
            if path.is_file():
                return path
    return None


def image_name(file: str) -> str:
    """Return what an image is called in a data set, from the path of its file.

    The folder ``images`` at the front and the ending are left out.
    """
    parts = [
        part
        for part in PurePosixPath(file.replace("\\", "/")).parts
        if part not in ("/", "..", ".")
    ]
    if len(parts) > 1 and parts[0] == "images":
        parts = parts[1:]
    if not parts:
        return file or "unnamed"
    *folders, last = parts
    stem = last.rpartition(".")[0] or last
    return "/".join([*folders, stem])


def unique_names(names: Iterable[str]) -> list[str]:
    """Return names with " (2)", " (3)" … behind those that occurred before."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        fresh, number = name, 1
        while fresh in taken:
            number += 1
            fresh = f"{name} ({number})"
        taken.add(fresh)
        result.append(fresh)
    return result


def drawn_regions(
    item: LabelledImage, options: ExportOptions
) -> tuple[tuple[Region, ...], tuple[Loss, ...]]:
    """Return what formats of masks draw.

    One region for each object if there are instances, else one for each class. Objects that are
    smaller than the options allow are left out, of classes as well.
    """
    if item.instances is not None:
        return drawn_objects(item, options)
    if options.min_pixels <= 1:
        return class_regions(item), ()
    small = small_objects(item, options.min_pixels)
    rest = ~small if item.valid is None else item.valid & ~small
    return class_regions(replace(item, valid=rest)), small_loss(small, options.min_pixels)


def drawn_objects(
    item: LabelledImage, options: ExportOptions
) -> tuple[tuple[Region, ...], tuple[Loss, ...]]:
    """Return the objects that are not smaller than the options allow, and what was left out."""
    return without_small(object_regions(item), options.min_pixels)


def left_out(item: LabelledImage, *held: str) -> tuple[Loss, ...]:
    """Return what a format leaves out of an image's data.

    Parameters
    ----------
    item
        The labels.
    held
        What the format does hold of "background and unlabelled" (which formats of objects cannot
        tell apart), "instances", "confidence", "georeference", and "name", which files named by
        `paths.file_name` do not hold.
    """
    losses = [] if "background and unlabelled" in held else [*uncovered_losses(item)]
    if "instances" not in held and item.instances is not None:
        losses.append(Loss("instances left out", "touching objects of a class become one"))
    if "confidence" not in held and item.confidence is not None:
        losses.append(Loss("confidence left out", "how sure each pixel is has no place here"))
    if "georeference" not in held and item.georeference is not None:
        losses.append(Loss("georeference left out", "the place on Earth has no place here"))
    if "name" not in held:
        losses += renamed(item.name, file_name(item.name))
    return tuple(losses)


def renamed(name: str, kept: str) -> tuple[Loss, ...]:
    """Return the loss of an image's name if it reads back as another one."""
    return () if kept == name else (Loss("names changed", f"{name!r} is called {kept!r}"),)


def small_objects(item: LabelledImage, least: int) -> NDArray[np.bool_]:
    """Return the pixels ``(H, W)`` of objects with fewer than ``least`` pixels."""
    small = np.zeros(item.shape, dtype=bool)
    for region in object_regions(item) if least > 1 else ():
        if region.area < least:
            small[region.window] |= region.mask
    return small


def small_loss(small: NDArray[np.bool_], least: int) -> tuple[Loss, ...]:
    """Return the loss of small objects that are left out, if there are any."""
    count = int(small.sum())
    if not count:
        return ()
    return (Loss("small objects left out", f"objects of fewer than {least} pixels", count),)


def free_value(classes: Iterable[LabelClass], wanted: int = 255) -> int:
    """Return a value for unlabelled pixels: ``wanted`` or the lowest one that no class has."""
    taken = {one.id for one in classes}
    if wanted not in taken:
        return wanted
    return next(value for value in range(len(taken) + 1) if value not in taken)


def label_dtype(highest: int) -> Any:
    """Return the smallest type of unsigned numbers that holds a value."""
    for dtype in (np.uint8, np.uint16, np.uint32):
        if highest <= np.iinfo(dtype).max:
            return dtype
    raise FormatError(f"the class id {highest} is too high for label files; use ids below 2**32")


def checked_size(height: int, width: int, where: str) -> tuple[int, int]:
    """Return a height and a width that a file claims, if such an image can be read."""
    return check_size(height, width, where)


def sure(item: LabelledImage, mask: NDArray[np.bool_] | None = None) -> float | None:
    """Return the mean confidence of some pixels ``(H, W)``, or of all that are labelled."""
    if item.confidence is None:
        return None
    values = item.confidence[~item.unlabelled if mask is None else mask]
    return round(float(values.mean()), 4) if values.size else None


class Canvas:
    """Labels and objects drawn on top of each other.

    Parameters
    ----------
    shape
        Height and width.
    classes
        All classes; pixels that stay uncovered are the background, or unlabelled.
    """

    def __init__(self, shape: tuple[int, int], classes: Sequence[LabelClass]) -> None:
        """Start with nothing drawn."""
        self.labels = np.full(shape, empty_value(classes), dtype=labels_dtype(classes))
        self._objects = np.zeros(shape, dtype=np.int32)
        self._counts: dict[int, int] = {}

    def mask(self, mask: NDArray[np.bool_], at: tuple[int, int], value: int) -> None:
        """Draw a mask whose first pixel lies at a row and column."""
        window = tuple(
            slice(first, first + size) for first, size in zip(at, mask.shape, strict=True)
        )
        self._count(value)
        self.labels[window][mask] = value
        self._objects[window][mask] = sum(self._counts.values())

    def polygon(self, points: Sequence[tuple[float, float]], value: int, what: str) -> None:
        """Fill an outline: the pixels whose centre is inside.

        Parameters
        ----------
        points
            Corners ``(x, y)`` in pixels from the upper left corner of the upper left pixel.
        value
            The class.
        what
            What to call the outline in errors.
        """
        self._count(value)
        ring = checked_ring([part for point in points for part in point], self.labels.shape, what)
        patch = fill_area([ring], self.labels.shape)
        self.labels[patch.window][patch.mask] = value
        self._objects[patch.window][patch.mask] = sum(self._counts.values())

    def _count(self, value: int) -> None:
        """Count an object of a class."""
        self._counts[value] = self._counts.get(value, 0) + 1

    @property
    def instances(self) -> NDArray[np.int32] | None:
        """The numbers of the objects, from 1 in the order they were drawn.

        None if no class has more than one: then they say no more than the classes.
        """
        return self._objects if max(self._counts.values(), default=0) > 1 else None

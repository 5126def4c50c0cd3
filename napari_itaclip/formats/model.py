"""What goes into annotation files and comes out of them, and what a format is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR

if TYPE_CHECKING:
    from napari_itaclip.segmentation.result import Segmentation

Labels = NDArray[np.integer[Any]]
"""Class ids ``(H, W)``."""


@dataclass(frozen=True)
class LabelClass:
    """A class as annotation files know it.

    Attributes
    ----------
    id : int
        Its value in label images, at least 0.
    name : str
        Any text; formats that cannot hold it say so.
    color : str
        ``#rrggbb``.
    background : bool
        Whether it is what remains when everything else is taken away. Formats of objects leave it
        out; formats with a background value give it that.
    """

    id: int
    name: str
    color: str
    background: bool = False


@dataclass(frozen=True)
class Georeference:
    """Where on Earth a picture lies.

    Attributes
    ----------
    transform : tuple of 6 floats
        ``(a, b, c, d, e, f)``: the point ``(column, row)``, counted from the upper left corner of
        the upper left pixel, lies at ``x = a·column + b·row + c``, ``y = d·column + e·row + f``
        (the order of rasterio's ``Affine``).
    crs : str
        Coordinate reference system as WKT, or "EPSG:…"; empty when unknown.
    """

    transform: tuple[float, float, float, float, float, float]
    crs: str = ""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image's labels, and what files may want to say about them.

    Attributes
    ----------
    name : str
        What the image is called in the data set: a relative path with ``/`` and without an ending,
        such as ``"day 1/field 3"``. Files are named after it (`paths.file_name`).
    labels : ndarray of int, shape (H, W)
        Class ids. Values that no class has are unlabelled.
    classes : tuple of LabelClass
        All classes of the data set, those that do not occur as well.
    image : ndarray of uint8, shape (H, W, 3), or None
        The picture, for formats that carry it along.
    image_path : Path or None
        The image's own file.
    page : int or None
        Its page, when that file holds several images.
    valid : ndarray of bool, shape (H, W), or None
        Pixels that show something; the others are unlabelled for ever. None: all of them.
    instances : ndarray of int, shape (H, W), or None
        Number of the object that a pixel belongs to, 0 for none. None: objects are the connected
        regions of each class.
    confidence : ndarray of float, shape (H, W), or None
        How sure the labels are, 0 to 1, for the formats that can hold it.
    georeference : Georeference or None
        Where it lies.
    made_by : str
        One line on how the labels came to be, for the formats that have room for a comment.
    """

    name: str
    labels: Labels
    classes: tuple[LabelClass, ...]
    image: NDArray[np.uint8] | None = None
    image_path: Path | None = None
    page: int | None = None
    valid: NDArray[np.bool_] | None = None
    instances: NDArray[np.integer[Any]] | None = None
    confidence: NDArray[np.floating[Any]] | None = None
    georeference: Georeference | None = None
    made_by: str = ""

    def __post_init__(self) -> None:
        """Check that everything is there and fits together."""
        if self.labels.ndim != 2 or self.labels.size == 0:
            raise FormatError(
                f"the labels of {self.name!r} must be a plane (H, W) of at least one pixel, not of "
                f"shape {self.labels.shape}"
            )
        if self.labels.dtype.kind not in "ui":
            raise FormatError(
                f"the labels of {self.name!r} must be whole numbers, not {self.labels.dtype}"
            )
        check_classes(self.classes)
        for what in ("image", "valid", "instances", "confidence"):
            array = getattr(self, what)
            if array is not None and array.shape[:2] != self.labels.shape:
                raise FormatError(
                    f"{what} of {self.name!r} has the shape {array.shape}, its labels "
                    f"{self.labels.shape}; they must cover the same pixels"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    @property
    def background(self) -> LabelClass | None:
        """The background class, if there is one."""
        return next((one for one in self.classes if one.background), None)

    @property
    def things(self) -> tuple[LabelClass, ...]:
        """All classes but the background."""
        return tuple(one for one in self.classes if not one.background)

    def mask(self, class_id: int) -> NDArray[np.bool_]:
        """Return the pixels ``(H, W)`` of a class."""
        found: NDArray[np.bool_] = self.labels == class_id
        return found if self.valid is None else found & self.valid

    @property
    def unlabelled(self) -> NDArray[np.bool_]:
        """The pixels ``(H, W)`` that belong to no class, or show nothing."""
        known = np.isin(self.labels, [one.id for one in self.classes])
        return ~known if self.valid is None else ~(known & self.valid)

    def with_labels(self, labels: Labels) -> LabelledImage:
        """Return the same image with other labels: corrected ones."""
        return replace(self, labels=labels, instances=None, confidence=None)


def check_classes(classes: Sequence[LabelClass]) -> None:
    """Check that classes can stand in one file.

    Raises
    ------
    FormatError
        If there is none, an id or a name occurs twice, or there is a second background.
    """
    if not classes:
        raise FormatError("there are no classes: annotation files need at least one")
    for what, values in (
        ("id", [one.id for one in classes]),
        ("name", [one.name for one in classes]),
    ):
        twice = next((value for at, value in enumerate(values) if value in values[:at]), None)
        if twice is not None:
            raise FormatError(f"two classes have the {what} {twice!r}; give each its own")
    if min(one.id for one in classes) < 0:
        raise FormatError("the id of a class must be 0 or more")
    if sum(one.background for one in classes) > 1:
        raise FormatError("two classes are marked as the background; mark only one")


def classes_of(vocabulary: Vocabulary) -> tuple[LabelClass, ...]:
    """Return a vocabulary's classes as annotation files know them."""
    return tuple(
        LabelClass(id_, prompt.name, color or BACKGROUND_COLOR, prompt.background)
        for prompt, id_, color in zip(
            vocabulary.classes, vocabulary.ids, vocabulary.colors, strict=True
        )
    )


def labelled(
    result: Segmentation, name: str, *, image: NDArray[np.uint8] | None = None, **rest: Any
) -> LabelledImage:
    """Return a segmentation as a labelled image; ``rest`` are further fields of it."""
    from napari_itaclip import __version__

    made_by = f"napari-itaclip {__version__}, model {result.settings.model}."
    return LabelledImage(
        name=name,
        labels=result.labels,
        classes=classes_of(result.vocabulary),
        image=image,
        confidence=result.confidence,
        made_by=" ".join(filter(None, [made_by, result.settings.notice])),
        **rest,
    )


@dataclass(frozen=True)
class Loss:
    """Something that a format cannot hold.

    Attributes
    ----------
    kind : str
        Which loss it is, for counting: "holes bridged", "slivers dropped", "ids changed", …
    detail : str
        What exactly, for a person: numbers, names.
    pixels : int
        How many pixels read back other than they were; 0 for what is not about pixels.
    """

    kind: str
    detail: str
    pixels: int = 0


@dataclass(frozen=True)
class Rendered:
    """One image in the form of a format.

    Attributes
    ----------
    files : mapping of str to bytes
        The files that belong to this image alone; paths relative to the data set's folder, with
        ``/``.
    record : JSON value
        What the files about the whole data set need to know of it; None when nothing.
    losses : tuple of Loss
        What could not be held.
    """

    files: Mapping[str, bytes]
    record: Any = None
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class ExportOptions:
    """What a person may choose about annotation files. Formats use what concerns them.

    Attributes
    ----------
    images : bool
        Whether to put the pictures beside the annotations, where the format has a place for them.
    void : int
        The value of unlabelled pixels in formats that have one, 0 to 255.
    id_map : mapping of str to int
        The value that a class, by its name, gets in label images with ids of their own
        (Cityscapes); classes that are not named keep their ids.
    split : str
        The part of the data set that the images belong to: "train", "val", "test" or any other
        name for a folder.
    min_pixels : int
        Objects with fewer pixels are left out (and reported).
    tolerance : float
        How far in pixels a polygon may lie from the pixels' edges, where polygons are written. 0
        follows the edges exactly.
    """

    images: bool = True
    void: int = 255
    id_map: Mapping[str, int] = field(default_factory=dict)
    split: str = "train"
    min_pixels: int = 0
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        if not 0 <= self.void <= 255:
            raise FormatError(f"the value of unlabelled pixels must be 0 to 255, not {self.void}")
        if not self.split or self.split.startswith(".") or set(self.split) & set('/\\:*?"<>|\0'):
            raise FormatError(
                f"the split {self.split!r} cannot be a folder's name; use for example 'train'"
            )
        if self.min_pixels < 0:
            raise FormatError(f"the least size must be 0 pixels or more, not {self.min_pixels}")
        if not 0 <= self.tolerance <= 100:
            raise FormatError(f"the tolerance must be 0 to 100 pixels, not {self.tolerance}")


Render = Callable[[LabelledImage, ExportOptions], Rendered]
"""Turns one image into files and a record; a pure function."""

Assemble = Callable[
    [Mapping[str, Any], Sequence[LabelClass], ExportOptions, Mapping[str, Any]],
    Mapping[str, bytes],
]
"""Makes the files about the whole data set from ``(records, classes, options, about)``: records by
image name, in the order of the names; ``about`` are facts such as ``"made_by"``. A pure function:
the same records give the same bytes, so that an interrupted export ends like an undisturbed one."""


@dataclass(frozen=True)
class ReadableDataset:
    """Annotations that were found, before the labels are read.

    Attributes
    ----------
    format : str
        Name of the format.
    classes : tuple of LabelClass
        The classes, ids as they will be in the labels.
    names : tuple of str
        The images, see `LabelledImage.name`.
    load : callable
        Returns the `LabelledImage` of a name; raises `FormatError`.
    notes : tuple of str
        What a person should know: what was left out and why.
    """

    format: str
    classes: tuple[LabelClass, ...]
    names: tuple[str, ...]
    load: Callable[[str], LabelledImage]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A kind of annotation files.

    Attributes
    ----------
    name : str
        What a person types: ``"coco-panoptic"``.
    title : str
        What menus show.
    description : str
        One line: what it holds and what it does not.
    render, assemble : callable
        The writer; None for what can only be read. ``assemble`` is None where every image stands
        for itself.
    read : callable or None
        Takes a file or folder (and, by the keyword ``classes``, the classes where the files do not
        name them) and returns a `ReadableDataset`; raises `FormatError`.
    sniff : callable or None
        Says cheaply whether a file or folder is of this format: without reading more than the
        first kilobytes of a file or the first names of a folder.
    suffixes : tuple of str
        Endings by which one image's labels can be saved as one file of this format (napari's
        ``layer.save``); empty when it needs a folder.
    geometry : {"pixels", "polygons"}
        Whether it holds every pixel or outlines.
    instances : bool
        Whether it holds objects rather than classes of pixels.
    extra : str or None
        The extra of the package that it needs.
    """

    name: str
    title: str
    description: str
    render: Render | None = None
    assemble: Assemble | None = None
    read: Callable[..., ReadableDataset] | None = None
    sniff: Callable[[Path], bool] | None = None
    suffixes: tuple[str, ...] = ()
    geometry: Literal["pixels", "polygons"] = "pixels"
    instances: bool = False
    extra: str | None = None

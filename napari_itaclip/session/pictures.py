"""What is segmented: a 2-D cut through a layer, or a rectangle of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.segmentation.image import PreparedImage


@dataclass(frozen=True)
class Plane:
    """A 2-D cut through data of any number of axes (colours not counted).

    Attributes
    ----------
    index : tuple of int or None
        One entry for each axis of the data: the position on the axes that are cut, None on the two
        axes that the plane spans.
    transposed : bool
        Whether the plane's rows run along the later of its two axes.
    """

    index: tuple[int | None, ...]
    transposed: bool = False

    def cut(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the plane ``(H, W)`` of ``array``: a view, where the array is a NumPy array."""
        at = tuple(slice(None) if place is None else place for place in self.index)
        cut: NDArray[Any] = array[at]
        return cut.swapaxes(0, 1) if self.transposed else cut

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return height and width in pixels of this plane of data of ``shape``."""
        first, second = (
            size for size, place in zip(shape, self.index, strict=True) if place is None
        )
        return (second, first) if self.transposed else (first, second)


@dataclass(frozen=True)
class Region:
    """A rectangle of whole pixels in a plane.

    Attributes
    ----------
    top, left : int
        First row and column.
    height, width : int
        Size in pixels, at least 1.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index of the rectangle in a plane."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width


@dataclass(frozen=True)
class PictureKey:
    """What tells the pixels of one picture from another's.

    Attributes
    ----------
    layer : int
        A number of the layer that no other layer of this process has.
    version : int
        Grows when the layer's data are replaced.
    level : int
        Resolution level, 0 for the finest.
    plane : Plane
        The plane of that level.
    region : Region or None
        The part of the plane; None for all of it.
    contrast : (float, float) or None
        The values shown as black and white in a gray image; None for colours.
    """

    layer: int
    version: int
    level: int
    plane: Plane
    region: Region | None
    contrast: tuple[float, float] | None


@dataclass(frozen=True)
class Picture:
    """A picture that can be segmented, and where its labels belong.

    Attributes
    ----------
    key : hashable
        Equal for the same pixels in the same look (layer, version of its data, level, plane,
        region, contrast): what features are kept under.
    name : str
        For messages, such as ``"stack [3]"``.
    plane : Plane
        The plane of the labels that it belongs to.
    region : Region or None
        The part of that plane; None for all of it.
    shape : (int, int)
        Height and width in pixels.
    read : callable
        Returns the pixels as `PreparedImage`. Called in a worker thread: it must not touch the
        layer, only what it captured, and it may take long (Dask, Zarr).
    """

    key: Hashable
    name: str
    plane: Plane
    region: Region | None
    shape: tuple[int, int]
    read: Callable[[], PreparedImage] = field(compare=False)


@dataclass(frozen=True)
class PictureLabels:
    """New labels for a part of a labels layer.

    Attributes
    ----------
    plane : Plane
        Where they belong.
    region : Region or None
        The part of the plane that they cover; None for all of it.
    labels : ndarray of int, shape (H, W)
        Class ids.
    """

    plane: Plane
    region: Region | None
    labels: NDArray[np.integer[Any]]

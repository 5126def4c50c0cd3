"""How a large image is worked through: its size, its windows, its strips and blocks.

A strip is a range of rows of the working picture over its full width, and the unit of progress. It
is decided block by block. Around each block lies a halo as wide as the refinement and the closing
reach, so that no block knows where it ends and no seam can show.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.windows import Axis, plan_axis

if TYPE_CHECKING:
    from napari_itaclip.clip.checkpoints import ClipModel
    from napari_itaclip.segmentation.settings import DecisionSettings, Preset, RefineSettings

DEFAULT_MEMORY = 1 << 30
"""Bytes that the arrays of one block may take, roughly."""

MIN_WORKING_SIDE = 16
"""Working pictures with a shorter side (pixels) are refused, as the engine does."""

_CLOSING_REACH = 3
"""Pixels around a block that the 3x3 closing needs: two, and one to be safe at its own border."""

_MIN_BLOCK = 128
_ALIGNMENT = 64


@dataclass(frozen=True)
class LargePlan:
    """Where everything lies on the working picture.

    Attributes
    ----------
    source : (int, int)
        Height and width of the full image in pixels.
    size : (int, int)
        Height and width of the working picture.
    level : int
        Level of the source that it is made from.
    rows, columns : Axis
        The windows.
    refine_reach, closing_reach : int
        How far in pixels refinement and closing look around.
    block : int
        Side of a block in pixels, without its halo; the height of a strip.
    """

    source: tuple[int, int]
    size: tuple[int, int]
    level: int
    rows: Axis
    columns: Axis
    refine_reach: int
    closing_reach: int
    block: int

    @property
    def halo(self) -> int:
        """Pixels around a block whose scores it needs."""
        return self.refine_reach + self.closing_reach

    @property
    def windows(self) -> int:
        """Number of windows of the whole picture."""
        return len(self.rows.starts) * len(self.columns.starts)

    def strips(self, done: int = 0) -> Iterator[tuple[int, int]]:
        """Yield first row and end of the strips that are left when ``done`` rows are finished."""
        for top in range(done, self.size[0], self.block):
            yield top, min(self.size[0], top + self.block)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield first column and end of the blocks of any strip."""
        for left in range(0, self.size[1], self.block):
            yield left, min(self.size[1], left + self.block)


def working_shape(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return the size of the working picture of an image at a scale.

    Raises
    ------
    SettingsError
        If the scale lies outside (0, 1], or leaves too few pixels.
    """
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale):
        raise SettingsError(f"the scale is {scale!r}, but must be a number between 0 and 1.")
    if not 0 < scale <= 1:
        raise SettingsError(
            f"the scale is {scale:g}, but must lie between 0 and 1: working pixels per pixel of "
            "the image, along each side."
        )
    height, width = (max(1, int(side * scale + 0.5)) for side in shape)
    if min(height, width) < MIN_WORKING_SIDE:
        raise SettingsError(
            f"at the scale {scale:g} the image of {shape[0]}×{shape[1]} pixels becomes "
            f"{height}×{width}; at least {MIN_WORKING_SIDE}×{MIN_WORKING_SIDE} are needed: choose "
            "a larger scale."
        )
    return height, width


def scale_for(pixel_size: float, source_pixel_size: float | None) -> float:
    """Return the scale at which a working pixel has the wanted size.

    Raises
    ------
    SettingsError
        If the source does not tell the size of its pixels, or they are larger already.
    """
    if not (math.isfinite(pixel_size) and pixel_size > 0):
        raise SettingsError(f"the pixel size is {pixel_size!r}, but must be above 0.")
    if source_pixel_size is None:
        raise SettingsError(
            "the image does not say how large its pixels are; give --scale instead of a pixel size."
        )
    scale = source_pixel_size / pixel_size
    if scale > 1 + 1e-9:
        raise SettingsError(
            f"the image's pixels are {source_pixel_size:g} wide; the pixel size must be at least "
            f"that, not {pixel_size:g}."
        )
    return min(scale, 1.0)


def check_preset(preset: Preset) -> None:
    """Refuse settings that can only be decided with the whole image at once.

    Raises
    ------
    SettingsError
        If the preset removes classes by their share of the image.
    """
    if preset.decide.area_threshold is not None:
        raise SettingsError(
            f"the preset {preset.name!r} removes classes that cover less than a share of the "
            "image, which is only known when all of it has been labelled; choose another preset "
            "for large images, such as balanced, or set area_threshold to None."
        )


def make_plan(
    source: tuple[int, int],
    size: tuple[int, int],
    level: int,
    model: ClipModel,
    preset: Preset,
    words: int,
    *,
    memory: int = DEFAULT_MEMORY,
    block: int | None = None,
) -> LargePlan:
    """Lay windows, strips and blocks over a working picture.

    Parameters
    ----------
    source, size : (int, int)
        Height and width of the full image and of the working picture.
    level : int
        Level that the working picture is made from.
    model : ClipModel
        The network.
    preset : Preset
        Settings of all steps.
    words : int
        Number of words that are scored.
    memory : int
        Bytes that the arrays of one block may take, roughly.
    block : int, optional
        Side of a block instead of the one that suits the memory.

    Raises
    ------
    SettingsError
        If window and stride do not suit the model, or the settings need the whole image.
    """
    from napari_itaclip.segmentation.encode import window_of

    check_preset(preset)
    window = window_of(model, preset.encode)
    rows, columns = (
        plan_axis(side, window, preset.encode.stride, model.patch_size) for side in size
    )
    reach = refine_reach(preset.refine)
    closing = _CLOSING_REACH if preset.decide.closing != "off" else 0
    if block is None:
        per_pixel = _bytes_per_pixel(words, preset.refine, preset.decide)
        side = int(math.sqrt(memory / per_pixel)) - 2 * (reach + closing)
        # The rows of the picture that a strip needs are held as well, twice, over the full width.
        side = min(side, memory // (6 * size[1]) - 2 * (reach + closing + window))
        block = max(_MIN_BLOCK, side - side % _ALIGNMENT)
    return LargePlan(source, size, level, rows, columns, reach, closing, block)


def refine_reach(refine: RefineSettings) -> int:
    """Return how far in pixels the refinement carries a score.

    Each round looks as far as the largest dilation; the weights at a pixel depend on the picture
    no further around it than a round does.
    """
    return refine.iterations * max(refine.dilations) if refine.iterations else 0


def touching(axis: Axis, low: int, high: int) -> range:
    """Return the numbers of the windows that touch the pixels ``low … high - 1``."""
    first = bisect.bisect_right(axis.starts, low - axis.window)
    return range(first, bisect.bisect_left(axis.starts, high))


def part_of(axis: Axis, windows: range) -> Axis:
    """Return these windows as an axis of their own, beginning at the first one's start."""
    first = axis.starts[windows[0]]
    starts = tuple(axis.starts[number] - first for number in windows)
    return Axis(starts[-1] + axis.window, axis.window, axis.padded, axis.patch, starts)


def _bytes_per_pixel(words: int, refine: RefineSettings, decide: DecisionSettings) -> int:
    """Return what a pixel of a block costs: scores, their refined copy, weights, decision."""
    floats = words + 12
    if refine.iterations:
        floats += words + 8 * len(refine.dilations) + 16
    if decide.pooling == "max_probability":
        floats += 8
    return 4 * floats

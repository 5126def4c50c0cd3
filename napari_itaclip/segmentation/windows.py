"""Where the sliding windows lie, and in which order they are worth computing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from napari_itaclip.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Axis:
    """The windows along one axis of the resized image.

    Attributes
    ----------
    length : int
        Length of the resized image in pixels.
    window : int
        Length of a window in pixels: the wanted one, or the image's where that is shorter.
    padded : int
        ``window`` rounded up to whole patches; the network sees this length.
    patch : int
        Length of a patch in pixels.
    starts : tuple of int
        First pixel of each window, ascending. The last window ends at the image's end.
    """

    length: int
    window: int
    padded: int
    patch: int
    starts: tuple[int, ...]

    @property
    def grid(self) -> int:
        """Number of patches along a window."""
        return self.padded // self.patch


def plan_axis(length: int, window: int, stride: int, patch: int) -> Axis:
    """Lay windows of ``window`` pixels every ``stride`` pixels over ``length`` pixels.

    There are ``max(length - window + stride - 1, 0) // stride + 1`` of them; the last one is
    shifted back inside.

    Raises
    ------
    SettingsError
        If the window does not consist of whole patches, or the stride leaves gaps.
    """
    if window % patch:
        raise SettingsError(
            f"window is {window}, but must be a multiple of the model's patch size {patch}; "
            f"use {max(patch, round(window / patch) * patch)}."
        )
    if not 1 <= stride <= window:
        raise SettingsError(
            f"stride is {stride}, but must lie between 1 and the window of {window} pixels."
        )
    window = min(window, length)
    count = max(length - window + stride - 1, 0) // stride + 1
    starts = tuple(min(i * stride, length - window) for i in range(count))
    return Axis(length, window, -(-window // patch) * patch, patch, starts)


def read_axis(values: Mapping[str, Any]) -> Axis:
    """Return the axis of these field values, as read from a file.

    Raises
    ------
    SettingsError
        If they are no windows that cover their length.
    """
    axis = Axis(**values)
    numbers = (axis.length, axis.window, axis.padded, axis.patch, *axis.starts)
    if all(isinstance(number, int) for number in numbers) and axis.starts and axis.patch > 0:
        steps = [after - before for before, after in itertools.pairwise(axis.starts)]
        ends = (axis.starts[0], axis.starts[-1]) == (0, axis.length - axis.window)
        whole = axis.padded == -(-axis.window // axis.patch) * axis.patch
        if ends and whole and axis.window > 0 and all(0 < step <= axis.window for step in steps):
            return axis
    raise SettingsError(f"The windows {values!r} do not cover their length.")


def thin(axis: Axis, step: int) -> Axis:
    """Keep every ``step``-th window and the last: the plan of ``step`` times the stride."""
    kept = sorted({*axis.starts[::step], axis.starts[-1]})
    return Axis(axis.length, axis.window, axis.padded, axis.patch, tuple(kept))


def coarse_to_fine(rows: Axis, columns: Axis, stride: int) -> Iterator[tuple[Axis, Axis]]:
    """Yield ever denser plans, each containing the one before; the last is the whole plan.

    Every plan covers the image without gaps, so its windows alone already give a result.
    """
    step = 1
    while step * 2 * stride <= max(rows.window, columns.window):
        step *= 2
    seen: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    while step >= 1:
        plan = thin(rows, step), thin(columns, step)
        if (plan[0].starts, plan[1].starts) != seen:
            seen = plan[0].starts, plan[1].starts
            yield plan
        step //= 2

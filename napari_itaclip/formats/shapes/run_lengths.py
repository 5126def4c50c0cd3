"""Run lengths of masks as COCO writes them: down the columns, beginning with a run outside.

A mask ``(H, W)`` is read column by column; ``counts`` are the lengths of its runs, alternately
outside and inside, the first one outside (0 when the first pixel is inside). COCO's compressed form
is a text of them: each count from the fourth on as the difference to the count two before, in
groups of five bits, the lowest first, a sixth bit for "more follows", and 48 added to make them
printable. The results equal pycocotools' (``pycocotools.mask.encode``) byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError

Counts = NDArray[np.int64]
"""Lengths of runs, outside first."""

Mask = NDArray[np.bool_]
"""Pixels ``(H, W)`` that are inside."""

MAX_PIXELS = 2**29
"""The largest image that is read from files that merely state a size: 23,000 × 23,000 pixels.

Without a bound, a file of a few bytes could ask for all memory."""

_DIGITS_OF_A_COUNT = 8
"""Five bits each: more than any count up to `MAX_PIXELS` needs."""


def check_size(height: int, width: int, what: str) -> tuple[int, int]:
    """Return ``(height, width)`` if an image of that size can be read.

    Parameters
    ----------
    height, width
        As a file states them.
    what
        The image or file, for the message.

    Raises
    ------
    FormatError
        If a side is not positive or there are more than `MAX_PIXELS` pixels.
    """
    if height < 1 or width < 1:
        raise FormatError(f"{what}: the size {width}×{height} is not one of an image")
    if height * width > MAX_PIXELS:
        raise FormatError(
            f"{what}: the size {width}×{height} is more than the {MAX_PIXELS:,} pixels that are "
            "read; check the stated height and width, or cut the image into tiles"
        )
    return height, width


def encode(
    mask: Mask, at: tuple[int, int] = (0, 0), shape: tuple[int, int] | None = None
) -> Counts:
    """Return the run lengths of a mask.

    Parameters
    ----------
    mask
        Booleans ``(h, w)``.
    at
        Row and column of the mask's first pixel in the image.
    shape
        Height and width of the image; that of the mask by default. The rest is outside.

    Returns
    -------
    ndarray of int64
        The run lengths; their sum is the image's number of pixels.
    """
    height, width = shape if shape is not None else mask.shape
    # A row outside above and below, so that every run has both its ends within its column.
    columns = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)
    columns[:, 1:-1] = mask.T
    changes = np.diff(columns, axis=1)
    first = (np.arange(mask.shape[1])[:, None] + at[1]) * height + at[0]
    starts = (first + np.arange(mask.shape[0] + 1))[changes == 1]
    ends = (first + np.arange(mask.shape[0] + 1))[changes == -1]
    # A run that reaches a column's end and one that begins the next column are one run.
    apart = np.ones(len(starts) + 1, bool)
    apart[1:-1] = starts[1:] != ends[:-1]
    starts, ends = starts[apart[:-1]], ends[apart[1:]]
    bounds = np.empty(2 * len(starts) + 1, np.int64)
    bounds[0:-1:2], bounds[1::2], bounds[-1] = starts, ends, height * width
    counts = np.diff(bounds, prepend=0)
    # The last run outside is left out when it is empty.
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def decode(counts: Counts, shape: tuple[int, int]) -> Mask:
    """Return the mask ``(H, W)`` of run lengths that `checked` has let pass."""
    columns = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(shape[1], shape[0])
    return np.ascontiguousarray(columns.T)


def checked(counts: Sequence[Any] | Counts, shape: tuple[int, int], what: str) -> Counts:
    """Return run lengths from a file as an array.

    Raises
    ------
    FormatError
        If they are no whole numbers, one is negative, or they do not make up the image.
    """
    total = shape[0] * shape[1]
    try:
        numbers = np.asarray(counts)
        whole = numbers.ndim == 1 and (numbers.dtype.kind in "iu" or numbers.size == 0)
    except (ValueError, OverflowError):
        whole = False
    if not whole:
        raise FormatError(f"{what}: the run lengths must be a list of whole numbers")
    if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) <= total:
        raise FormatError(f"{what}: a run length is negative or longer than the image")
    checked_counts: Counts = numbers.astype(np.int64)
    if int(checked_counts.sum()) != total:
        raise FormatError(
            f"{what}: the run lengths make {int(checked_counts.sum())} pixels, but an image of "
            f"{shape[1]}×{shape[0]} has {total}; the size or the runs are wrong"
        )
    return checked_counts


def to_text(counts: Counts) -> str:
    """Return run lengths in COCO's compressed form."""
    values = counts.astype(np.int64)
    values[3:] -= counts[1:-2]
    digits = np.empty((len(values), _DIGITS_OF_A_COUNT), np.uint8)
    used = np.zeros(digits.shape, bool)
    more = np.ones(len(values), bool)
    for at in range(_DIGITS_OF_A_COUNT):
        low = values & 0x1F
        values = values >> 5
        used[:, at] = more
        # It ends where the sign bit of this group is already that of all higher ones.
        more = more & np.where(low & 0x10, values != -1, values != 0)
        digits[:, at] = low | (more.astype(np.int64) << 5)
    return (digits[used] + 48).tobytes().decode("ascii")


def from_text(text: str, what: str) -> Counts:
    """Return the run lengths of COCO's compressed form.

    Raises
    ------
    FormatError
        If it holds other characters, breaks off, or a count is too large.
    """
    try:
        digits = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        digits = np.array([-1])
    if digits.size and not 0 <= int(digits.min()) <= int(digits.max()) < 64:
        raise FormatError(f"{what}: the compressed run lengths hold a character of no meaning")
    last = np.flatnonzero(digits < 32)
    if digits.size == 0:
        return np.zeros(0, np.int64)
    if not last.size or last[-1] != len(digits) - 1:
        raise FormatError(f"{what}: the compressed run lengths break off")
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if int(lengths.max()) > _DIGITS_OF_A_COUNT:
        raise FormatError(f"{what}: a compressed run length is larger than any image")
    place = np.arange(len(digits)) - np.repeat(first, lengths)
    values = np.add.reduceat((digits & 0x1F) << (5 * place), first)
    values -= np.where(digits[last] & 0x10, np.int64(1) << (5 * lengths), 0)
    # Differences to the count two before, from the fourth on: sums along each parity.
    counts = values.copy()
    counts[1::2] = np.cumsum(values[1::2])
    counts[2::2] = np.cumsum(values[2::2])
    return counts

"""Run lengths of masks as Label Studio's brush writes them.

A mask is the flat sequence of an RGBA image's bytes (four for each pixel, row by row), packed bit
by bit, the highest bit first: 32 bits for the number of bytes; 5 bits for the width of a word less
one (8 bits here); four times 4 bits for the widths of lengths less one (3, 4, 8 and 16 bits here);
then packets: one bit that says whether one word is repeated (1) or as many words follow (0); two
bits that choose the width of the length; the length less one; the word or the words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.shapes.regions import Region

_WORD = 8
_WIDTHS = (3, 4, 8, 16)
_LONGEST = 2**16
_CHANNELS = 4
_HALF = 128
"""Alpha from which a pixel belongs to a mask: the brush's edges are soft."""


def encode_brush(region: Region, shape: tuple[int, int]) -> bytes:
    """Return the run lengths of a region in an image of a shape ``(H, W)``.

    Raises
    ------
    FormatError
        If the image has so many pixels that their number does not fit into 32 bits.
    """
    total = shape[0] * shape[1] * _CHANNELS
    if total >= 2**32:
        raise FormatError(
            f"an image of {shape[1]} × {shape[0]} pixels is too large for Label Studio's masks; "
            "cut it into tiles"
        )
    lengths, values = _runs(region, shape)
    head = _bits(np.array([total]), np.array([32]))
    head = np.concatenate([head, _bits(np.array([_WORD - 1]), np.array([5]))])
    widths = np.array(_WIDTHS)
    head = np.concatenate([head, _bits(widths - 1, np.full(4, 4))])
    choice = np.searchsorted(2**widths, lengths)
    width = widths[choice]
    codes = (1 << 2 | choice) << width | (lengths - 1)
    packets = _bits(codes << _WORD | values, 3 + width + _WORD)
    return np.packbits(np.concatenate([head, packets])).tobytes()


def _runs(region: Region, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return lengths (1 to 65,536 bytes) and values (0 or 255) of the runs in the RGBA image."""
    left, top, _, _ = region.bbox
    padded = np.pad(region.mask, ((0, 0), (1, 1))).astype(np.int8)
    rows, columns = np.nonzero(np.diff(padded, axis=1))
    # Begin and end of each run in turn; one that ends with its row touches the next.
    borders = (rows + top) * shape[1] + columns + left
    borders = np.concatenate([[0], borders, [shape[0] * shape[1]]]).astype(np.int64)
    lengths = np.diff(borders) * _CHANNELS
    values = np.arange(lengths.size) % 2 * 255
    pieces = -(-lengths // _LONGEST)
    values = np.repeat(values, pieces)
    last = np.cumsum(pieces)[pieces > 0] - 1
    result = np.full(values.size, _LONGEST, dtype=np.int64)
    result[last] = ((lengths - 1) % _LONGEST + 1)[pieces > 0]
    return result, values


def _bits(codes: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the bits of numbers of different widths one after the other."""
    ends = np.cumsum(widths)
    shifts = np.repeat(ends, widths) - 1 - np.arange(ends[-1])
    bits: NDArray[np.uint8] = (np.repeat(codes, widths) >> shifts & 1).astype(np.uint8)
    return bits


def decode_brush(rle: Sequence[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask ``(H, W)`` that run lengths describe: where alpha is at least one half.

    Parameters
    ----------
    rle
        Bytes.
    shape
        Height and width, already known to be sensible.

    Raises
    ------
    FormatError
        If they are no such run lengths, or belong to an image of another size.
    """
    try:
        bits = _Reader(bytes(rle))
    except (ValueError, TypeError) as error:
        raise FormatError("a brush mask is no list of bytes") from error
    total = bits.read(32)
    if total != shape[0] * shape[1] * _CHANNELS:
        raise FormatError(
            f"a brush mask is made for {total} bytes and not for the {shape[1]} × {shape[0]} "
            "pixels of its image"
        )
    word = bits.read(5) + 1
    widths = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(total, dtype=np.uint8)
    at = 0
    while at < total:
        repeated = bits.read(1)
        end = at + 1 + bits.read(widths[bits.read(2)])
        if repeated:
            values[at:end] = min(bits.read(word), 255)
        else:
            words = bits.words(min(end, total) - at, word)
            values[at:end] = np.minimum(words, 255)
        at = end
    mask: NDArray[np.bool_] = values.reshape(*shape, _CHANNELS)[..., -1] >= _HALF
    return mask


class _Reader:
    """Reads numbers of any width from bytes."""

    def __init__(self, data: bytes) -> None:
        """Start at the first bit."""
        self._data = data
        self._at = 0

    def read(self, width: int) -> int:
        """Return the next number."""
        first, self._at = self._at, self._at + width
        self._check()
        last = (self._at + 7) // 8
        number = int.from_bytes(self._data[first // 8 : last], "big")
        return number >> (last * 8 - self._at) & ((1 << width) - 1)

    def words(self, count: int, width: int) -> NDArray[np.int64]:
        """Return the next numbers of one width."""
        first, self._at = self._at, self._at + count * width
        self._check()
        part = np.frombuffer(self._data[first // 8 : (self._at + 7) // 8], dtype=np.uint8)
        bits = np.unpackbits(part)[first % 8 :][: count * width].reshape(count, width)
        numbers: NDArray[np.int64] = bits @ (1 << np.arange(width - 1, -1, -1, dtype=np.int64))
        return numbers

    def _check(self) -> None:
        """Check that there were as many bits."""
        if self._at > len(self._data) * 8:
            raise FormatError("a brush mask ends too early")

"""The picture of a result: the image in its classes' colours, with a legend."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import OutputError
from napari_itaclip.files import write_atomically
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR, color_to_rgb, palette_color

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    _Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

UNLABELLED = "unlabelled"
"""The name shown for pixels that no class has."""

MAX_ABSENT = 40
"""Classes without pixels are listed one by one up to this many entries, then counted."""

MAX_ENTRIES = 160
"""The legend lists no more classes than this; the JSON legend has them all."""

_PAPER = (255, 255, 255)
_INK = (34, 34, 34)
_FAINT = (150, 150, 150)
_OUTLINE = (110, 110, 110)

# Tried when the built-in font lacks a name's letters; found only where the system has them.
_OTHER_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf",
    "ArialUnicode.ttf", "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "segoeui.ttf", "arial.ttf",
)  # fmt: skip


class ClassLike(Protocol):
    """What a legend needs to know of a class; `ClassPrompt` and `ClassSummary` fit."""

    @property
    def id(self) -> int | None:
        """Value in label images."""

    @property
    def name(self) -> str:
        """Name to show."""

    @property
    def color(self) -> str | None:
        """``"#rrggbb"``; None takes one from the palette."""


@dataclass(frozen=True)
class LegendEntry:
    """One line of a legend.

    Parameters
    ----------
    id
        Value in the label image.
    name
        Name to show.
    color
        ``"#rrggbb"``.
    share
        Part of the image, 0 to 1.
    """

    id: int
    name: str
    color: str
    share: float


def write_overlay_png(
    path: str | os.PathLike[str],
    rgb: NDArray[np.uint8],
    labels: NDArray[Any],
    classes: Iterable[ClassLike],
    *,
    legend: bool = True,
    alpha: float = 0.55,
    caption: str = "",
) -> Path:
    """Write the image blended with its classes' colours, with a legend beside it.

    Parameters
    ----------
    path
        The file; missing folders are made.
    rgb
        uint8 (H, W, 3).
    labels
        Class ids (H, W). Id 0, background or unlabelled, keeps the image's own colours.
    classes
        The classes with name, id and colour: a `Vocabulary` or a class table.
    legend
        Whether to add names and shares, on the right or, for wide images, below.
    alpha
        How strong the colours are, 0 to 1.
    caption
        A line of text below everything, such as a remark about the model.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OutputError
        When image and labels do not fit together or the file cannot be written.
    """
    from PIL import Image

    target = Path(path)
    rgb, labels = np.asarray(rgb), np.asarray(labels)
    if rgb.dtype != np.uint8 or rgb.shape != (*labels.shape, 3) or labels.dtype.kind not in "bui":
        raise OutputError(
            f"cannot write {target}: a picture {rgb.dtype} {rgb.shape} and labels {labels.dtype} "
            f"{labels.shape} do not go together; needed are uint8 (H, W, 3) and integers (H, W)"
        )
    known = tuple(classes)
    picture = Image.fromarray(blend(rgb, labels, known, alpha=alpha))
    if legend:
        picture = add_legend(picture, legend_entries(labels, known))
    if caption:
        picture = add_caption(picture, caption)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_atomically(target, buffer.getvalue())
    return target


def blend(
    rgb: NDArray[np.uint8],
    labels: NDArray[Any],
    classes: Iterable[ClassLike],
    *,
    alpha: float = 0.55,
) -> NDArray[np.uint8]:
    """Blend an image with its classes' colours and draw each class's border.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    labels
        Class ids (H, W). Id 0 keeps the image's own colours.
    classes
        The classes with id and colour.
    alpha
        How strong the colours are, 0 to 1.

    Returns
    -------
    ndarray
        uint8 (H, W, 3).
    """
    ids, where = _ids_and_positions(labels)
    colors = {prompt.id: prompt.color for prompt in classes}
    table = np.array(
        [color_to_rgb(colors.get(int(i)) or _default_color(int(i))) for i in ids], np.uint16
    ).reshape(-1, 3)
    # Fixed point in 16 bits: 255 · 256 just fits, and no float copy of the image is needed.
    weight = round(min(max(alpha, 0.0), 1.0) * 256)
    weights = np.where(ids == 0, 0, weight).astype(np.uint16)
    out = np.empty(rgb.shape, np.uint8)
    for channel in range(3):
        tint = (table[:, channel] * weights)[where]
        out[..., channel] = (rgb[..., channel] * (256 - weights)[where] + tint) >> 8
    thickness = max(1, round(min(labels.shape) / 500))
    border = _borders(labels, thickness) & (labels != 0)
    out[border] = table.astype(np.uint8)[where[border]]
    return out


def legend_entries(labels: NDArray[Any], classes: Iterable[ClassLike]) -> list[LegendEntry]:
    """Return the legend's lines: what covers most comes first, classes without pixels last.

    Parameters
    ----------
    labels
        Class ids (H, W).
    classes
        The classes; ids in ``labels`` that none of them has are added at the end.

    Returns
    -------
    list of LegendEntry
        Without any limit on their number.
    """
    ids, where = _ids_and_positions(labels)
    counts = np.bincount(where.ravel(), minlength=len(ids))
    share = {int(i): float(n) / labels.size for i, n in zip(ids, counts, strict=True)}
    entries = []
    for prompt in classes:
        number = prompt.id or 0
        color = prompt.color or _default_color(number)
        entries.append(LegendEntry(number, prompt.name, color, share.pop(number, 0.0)))
    for number, part in share.items():
        name = UNLABELLED if number == 0 else f"class {number}"
        entries.append(LegendEntry(number, name, _default_color(number), part))
    return sorted(entries, key=lambda entry: -entry.share)


def add_legend(picture: Image.Image, entries: list[LegendEntry]) -> Image.Image:
    """Return the picture with a legend on the right or, when it is wide, below.

    Small pictures are enlarged by a whole number, so that the legend stays legible beside them.

    Parameters
    ----------
    picture
        The picture, RGB.
    entries
        The legend's lines, in order.

    Returns
    -------
    Image
        A new, larger picture.
    """
    from PIL import Image, ImageDraw

    factor = math.ceil(320 / max(picture.size))
    if factor > 1:
        size = (picture.width * factor, picture.height * factor)
        picture = picture.resize(size, Image.Resampling.NEAREST)
    shown, rest = _shown(entries)
    lines = len(shown) + bool(rest)
    below = picture.width > 1.5 * picture.height
    em = min(max(round(math.sqrt(picture.width * picture.height) / 34), 13), 40)
    if not below:  # many classes: smaller letters before more columns
        em = min(em, max(13, int(picture.height / (1.7 * max(lines, 1) + 1))))
    layout = _Layout(em, lines, [_label(e, em) for e in shown], picture.size, below)
    panel = Image.new("RGB", layout.size, _PAPER)
    draw = ImageDraw.Draw(panel)
    for at, entry in enumerate(shown):
        _draw_entry(draw, layout, at, entry)
    if rest:
        x, y = layout.corner(len(shown))
        note = f"and {rest} more" if shown and shown[-1].share else f"and {rest} more, not found"
        draw.text((x, y), note, _FAINT, font=_font(em, ""))
    corner = (0, picture.height) if below else (picture.width, 0)
    canvas = Image.new("RGB", (corner[0] + panel.width, corner[1] + panel.height), _PAPER)
    canvas.paste(panel, corner)
    canvas.paste(picture, (0, 0))
    return canvas


def add_caption(picture: Image.Image, caption: str) -> Image.Image:
    """Return the picture with a line of text below it, in letters small enough to fit."""
    from PIL import Image, ImageDraw

    em = max(round(math.sqrt(picture.width * picture.height) / 50), 13)
    while em > 9 and _width(caption, em) > picture.width - 2 * em:
        em -= 1
    strip = round(2.2 * em)
    canvas = Image.new("RGB", (picture.width, picture.height + strip), _PAPER)
    canvas.paste(picture, (0, 0))
    place = (em, picture.height + strip / 2)
    ImageDraw.Draw(canvas).text(place, caption, _FAINT, font=_font(em, caption), anchor="lm")
    return canvas


class _Layout:
    """Where each line of a legend goes: columns filled from top to bottom."""

    def __init__(
        self, em: int, lines: int, labels: list[str], picture: tuple[int, int], below: bool
    ) -> None:
        self.em = em
        self.row = round(1.7 * em)
        self.pad = em
        self.swatch = round(1.1 * em)
        self.share_width = _width("<0.1 %", em)
        widest = max((_width(label, em) for label in labels), default=0)
        self.name_width = max(widest, 6 * em)
        self.column = self.swatch + round(0.6 * em) + self.name_width + em + self.share_width
        gap = 2 * em
        if below:
            columns = max(1, (picture[0] - 2 * self.pad + gap) // (self.column + gap))
            columns = min(columns, max(lines, 1))
            self.rows = math.ceil(lines / columns)
        else:
            self.rows = max(1, (picture[1] - 2 * self.pad) // self.row)
            columns = math.ceil(lines / self.rows)
            # Balanced columns; a legend wider than two pictures grows downwards instead.
            columns = min(columns, max(1, 2 * picture[0] // (self.column + gap)))
            self.rows = math.ceil(lines / max(columns, 1))
        self.stride = self.column + gap
        width = 2 * self.pad + max(columns, 1) * self.stride - gap
        height = 2 * self.pad + self.rows * self.row
        self.size = (max(width, picture[0]), height) if below else (width, max(height, picture[1]))

    def corner(self, at: int) -> tuple[int, int]:
        """Return the upper left corner of a line."""
        column, row = divmod(at, max(self.rows, 1))
        return self.pad + column * self.stride, self.pad + row * self.row


def _draw_entry(draw: ImageDraw.ImageDraw, layout: _Layout, at: int, entry: LegendEntry) -> None:
    """Draw one line: a swatch, the name, the share."""
    x, y = layout.corner(at)
    em, side = layout.em, layout.swatch
    middle = y + side / 2
    own = entry.id == 0  # these pixels keep the image's colours: the swatch stays empty
    draw.rounded_rectangle(
        (x, y, x + side, y + side),
        radius=max(2, em // 5),
        fill=_PAPER if own else color_to_rgb(entry.color),
        outline=_OUTLINE,
        width=max(1, em // 14),
    )
    ink = _INK if entry.share else _FAINT
    label = _label(entry, em)
    left = x + side + round(0.6 * em)
    draw.text((left, middle), label, ink, font=_font(em, label), anchor="lm")
    right = x + layout.column
    draw.text((right, middle), _percent(entry.share), ink, font=_font(em, ""), anchor="rm")


def _shown(entries: list[LegendEntry]) -> tuple[list[LegendEntry], int]:
    """Return the lines to draw and how many are left out."""
    present = sum(entry.share > 0 for entry in entries)
    limit = min(max(present, MAX_ABSENT), MAX_ENTRIES)
    return entries[:limit], max(len(entries) - limit, 0)


def _percent(share: float) -> str:
    """Return a share as people write it."""
    percent = 100 * share
    if percent == 0:
        return "0 %"
    if percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:.0f} %"


def _label(entry: LegendEntry, em: int) -> str:
    """Return the name, cut with an ellipsis where it is longer than the column may be."""
    name = " ".join(entry.name.encode("utf-8", "replace").decode("utf-8").split())
    if not _covers(_font(em, name[:120]), name[:120]):
        name = f"{entry.id}: {name}"  # boxes instead of letters: the id tells who it is
    limit = 14 * em
    if _width(name[:120], em) <= limit and len(name) <= 120:
        return name
    low, high = 0, min(len(name), 120)
    while high - low > 1:
        middle = (low + high) // 2
        if _width(name[:middle].rstrip() + "…", em) <= limit:
            low = middle
        else:
            high = middle
    return name[:low].rstrip() + "…"


def _width(text: str, em: int) -> int:
    """Return how wide a text is in pixels."""
    return math.ceil(_font(em, text).getlength(text))


def _font(em: int, text: str) -> _Font:
    """Return a font that has the text's letters, if the system has one."""
    plain = _plain_font(em)
    if text.isascii() or _covers(plain, text):
        return plain
    return next((font for font in _other_fonts(em) if _covers(font, text)), plain)


@lru_cache(maxsize=64)
def _plain_font(em: int) -> _Font:
    """Return the font that comes with Pillow."""
    from PIL import ImageFont

    return ImageFont.load_default(size=em)


@lru_cache(maxsize=16)
def _other_fonts(em: int) -> tuple[_Font, ...]:
    """Return those of the other fonts that the system has."""
    from PIL import ImageFont

    found: list[_Font] = []
    for name in _OTHER_FONTS:
        try:
            found.append(ImageFont.truetype(name, em))
        except OSError:
            continue
    return tuple(found)


@lru_cache(maxsize=4096)
def _covers(font: _Font, text: str) -> bool:
    """Tell whether a font has every letter: a missing one is drawn like a code without meaning."""
    missing = bytes(font.getmask("\uffff"))
    return all(
        bytes(font.getmask(letter)) != missing for letter in set(text) if not letter.isspace()
    )


def _default_color(number: int) -> str:
    """Return the colour of an id that brings none."""
    return BACKGROUND_COLOR if number <= 0 else palette_color(number - 1)


def _ids_and_positions(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the ids that occur, and each pixel's position among them (H, W)."""
    if labels.dtype.kind in "bui" and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if low >= 0 and high < 65536:  # counting is much faster than sorting
            flat = labels.astype(np.uint16, copy=False)
            ids = np.flatnonzero(np.bincount(flat.ravel())).astype(np.int64)
            table = np.zeros(high + 1, np.intp)
            table[ids] = np.arange(len(ids))
            return ids, table[flat]
    ids, where = np.unique(labels, return_inverse=True)
    return ids.astype(np.int64), where.reshape(labels.shape).astype(np.intp, copy=False)


def _borders(labels: NDArray[Any], thickness: int) -> NDArray[np.bool_]:
    """Return the pixels within ``thickness`` of another class, along rows and columns."""
    border = np.zeros(labels.shape, np.bool_)
    for distance in range(1, thickness + 1):
        rows = labels[distance:] != labels[:-distance]
        border[distance:] |= rows
        border[:-distance] |= rows
        columns = labels[:, distance:] != labels[:, :-distance]
        border[:, distance:] |= columns
        border[:, :-distance] |= columns
    return border

"""Class colours: many, distinct, the same every time.

The first colours are chosen by hand and put in an order in which each lies far from those before
it, also for readers who do not see red and green as different (simulated as in Machado et al.,
"A physiologically-based model for simulation of color vision deficiency", 2009). The others walk
around the hue circle of OKLCH by the golden ratio, on changing levels of lightness.
OKLCH: B. Ottosson, "A perceptual color space for image processing", 2020.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from functools import cache

BACKGROUND_COLOR = "#000000"
"""The colour of the background class and of unlabelled pixels."""

FIRST_COLORS: tuple[str, ...] = (
    "#0072b2",
    "#e69f00",
    "#b22222",
    "#00a37a",
    "#3344dd",
    "#ffb3c6",
    "#5c2a4d",
    "#00e5ff",
    "#ffd8a8",
    "#f0e442",
    "#8c564b",
    "#d55e00",
    "#607d8b",
    "#a6d854",
    "#b39ddb",
    "#1b5e20",
    "#cc79a7",
    "#7fe3d4",
    "#7a3ea3",
    "#808000",
    "#56b4e9",
    "#c2185b",
)

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_LIGHTNESS = (0.72, 0.52, 0.84, 0.62, 0.42)
_CHROMA = (0.14, 0.17, 0.10)
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})")


def palette_color(index: int) -> str:
    """Return the colour at a position of the endless palette.

    Parameters
    ----------
    index
        Position, from 0.

    Returns
    -------
    str
        ``"#rrggbb"``.
    """
    if index < 0:
        raise ValueError(f"a palette position cannot be negative: {index}")
    if index < len(FIRST_COLORS):
        return FIRST_COLORS[index]
    return _generated_color(index - len(FIRST_COLORS))


def free_color(index: int, taken: Collection[str]) -> str:
    """Return the first palette colour from ``index`` on that is not in ``taken``.

    Parameters
    ----------
    index
        Position to start from.
    taken
        Colours as ``"#rrggbb"`` in lower case.
    """
    while (color := palette_color(index)) in taken:
        index += 1
    return color


def normalize_color(text: str) -> str | None:
    """Bring ``#rgb``, ``#rrggbb`` or ``rrggbb`` to ``"#rrggbb"`` in lower case.

    Returns
    -------
    str or None
        None where the text is no such colour.
    """
    found = _HEX.fullmatch(text.strip().lower())
    if found is None:
        return None
    digits = found[1]
    return "#" + ("".join(d * 2 for d in digits) if len(digits) == 3 else digits)


def color_to_rgb(color: str) -> tuple[int, int, int]:
    """Return the red, green and blue parts (0 to 255) of ``"#rrggbb"``."""
    normal = normalize_color(color)
    if normal is None:
        raise ValueError(f"not a colour like '#1f77b4': {color!r}")
    return int(normal[1:3], 16), int(normal[3:5], 16), int(normal[5:7], 16)


@cache
def _generated_color(step: int) -> str:
    """Return one colour of the generated part of the palette."""
    hue = math.tau * math.fmod(0.11 + step * _GOLDEN, 1.0)
    lightness = _LIGHTNESS[step % len(_LIGHTNESS)]
    # A slow drift keeps colours apart after the hues have come round to nearly the same place.
    lightness += 0.06 * (math.fmod(step * (math.sqrt(2.0) - 1.0), 1.0) - 0.5)
    chroma = _CHROMA[step % len(_CHROMA)]
    while True:
        parts = _oklch_to_linear(lightness, chroma, hue)
        if all(-1e-4 <= part <= 1.0001 for part in parts):
            return "#" + "".join(f"{_gamma(part):02x}" for part in parts)
        chroma *= 0.94


def _oklch_to_linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Convert OKLCH (hue in radians) to linear sRGB; parts may leave 0..1."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(linear: float) -> int:
    """Convert one part of linear sRGB to 0..255 with the sRGB transfer curve."""
    linear = min(max(linear, 0.0), 1.0)
    curve = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * curve)

"""Colours are many, distinct and always the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_itaclip.vocabulary.palette import (
    BACKGROUND_COLOR,
    FIRST_COLORS,
    color_to_rgb,
    free_color,
    normalize_color,
    palette_color,
)


def test_no_colour_comes_twice_among_six_hundred() -> None:
    colors = [palette_color(i) for i in range(600)]
    assert len(set(colors)) == 600
    assert BACKGROUND_COLOR not in colors
    assert all(normalize_color(color) == color for color in colors)


def test_first_colours_are_far_apart() -> None:
    for one, other in itertools.combinations(FIRST_COLORS, 2):
        difference = [
            abs(a - b) for a, b in zip(color_to_rgb(one), color_to_rgb(other), strict=True)
        ]
        assert sum(difference) >= 60, (one, other)


def test_first_ten_colours_stay_apart_without_red_or_green_cones() -> None:
    # Machado et al. 2009, severity 1.0: protanopia and deuteranopia, on linear sRGB.
    views = (
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    )
    colors = np.array([color_to_rgb(color) for color in FIRST_COLORS[:10]]) / 255
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    for view in views:
        seen = np.clip(linear @ np.array(view).T, 0, 1)
        gamma = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = rgb2lab(gamma[None])[0]
        apart = np.linalg.norm(lab[:, None] - lab, axis=-1)[np.triu_indices(10, 1)]
        assert apart.min() > 15


def test_far_positions_are_cheap_and_in_range() -> None:
    assert normalize_color(palette_color(2**31)) is not None
    with pytest.raises(ValueError, match="negative"):
        palette_color(-1)


def test_free_colour_passes_over_taken_ones() -> None:
    assert free_color(0, set()) == FIRST_COLORS[0]
    assert free_color(0, set(FIRST_COLORS[:3])) == FIRST_COLORS[3]


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("#ABC", "#aabbcc"),
        ("00ff00", "#00ff00"),
        (" #12aB9f ", "#12ab9f"),
        ("red", None),
        ("#12", None),
    ],
)
def test_colour_spellings(text: str, color: str | None) -> None:
    assert normalize_color(text) == color


def test_rgb_of_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="not a colour"):
        color_to_rgb("mauve")

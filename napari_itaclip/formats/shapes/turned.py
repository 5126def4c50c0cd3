"""Outlines of boxes and ellipses that may be turned."""

from __future__ import annotations

import math
from collections.abc import Sequence


def outline_of_box(
    box: tuple[float, float, float, float], angle: float, center: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return the corners of a box ``(x0, y0, x1, y1)`` turned clockwise around a point."""
    x0, y0, x1, y1 = box
    return _turned([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], angle, center)


def outline_of_ellipse(
    center: tuple[float, float], radii: tuple[float, float], angle: float
) -> list[tuple[float, float]]:
    """Return points around an ellipse that is turned clockwise around its centre."""
    count = 180
    steps = [2 * math.pi * step / count for step in range(count)]
    (x, y), (rx, ry) = center, radii
    points = [(x + rx * math.cos(step), y + ry * math.sin(step)) for step in steps]
    return _turned(points, angle, center)


def _turned(
    points: Sequence[tuple[float, float]], angle: float, center: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return points turned clockwise (rows point down) around a centre."""
    cos, sin = math.cos(angle), math.sin(angle)
    return [
        (
            center[0] + (x - center[0]) * cos - (y - center[1]) * sin,
            center[1] + (x - center[0]) * sin + (y - center[1]) * cos,
        )
        for x, y in points
    ]

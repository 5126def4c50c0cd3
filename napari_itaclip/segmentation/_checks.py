"""Checks of single parameters, with messages that name them and their range."""

from __future__ import annotations

import math

from napari_itaclip.errors import SettingsError

MAX_SIDE = 32_768
"""Longest side of a picture that is worked on, in pixels."""


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is not a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(f"{name} is {value!r}, but must be a whole number.")
    if not low <= value <= high:
        raise SettingsError(f"{name} is {value}, but must lie between {low} and {high}.")


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Refuse what is not a finite number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingsError(f"{name} is {value!r}, but must be a finite number.")
    if not low <= value <= high:
        raise SettingsError(f"{name} is {value:g}, but must lie between {low:g} and {high:g}.")


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise SettingsError(f"{name} is {value!r}, but must be True or False.")


def check_one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is none of ``choices``."""
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}; choose from {', '.join(choices)}.")

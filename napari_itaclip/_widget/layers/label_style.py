"""Colours and names of classes in the form in which a napari labels layer takes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

CLEAR = "transparent"

METADATA_KEY = "napari-itaclip"

OPACITY = 0.6
"""Labels let the picture show through."""


def color_table(
    colors: Mapping[int, str], *, hidden: Collection[int] = (), others: str = CLEAR
) -> dict[int | None, str]:
    """Return what a direct colormap of napari is made from.

    Parameters
    ----------
    colors : mapping of int to str
        Colour of each class id. 0, the background or "unlabelled", is transparent in any case.
    hidden : collection of int
        Classes that are not shown.
    others : str
        Colour of all other values.
    """
    table: dict[int | None, str] = {None: others}
    table.update(colors.items())
    table.update(dict.fromkeys(hidden, CLEAR))
    table[0] = CLEAR
    return table


def class_table(names: Mapping[int, str]) -> dict[str, list[Any]]:
    """Return the features of a labels layer whose classes have these names.

    napari finds a pixel's row by ``index`` and shows the rest of the row in the status bar.
    """
    return {"index": list(names), "class": list(names.values())}


def provenance_metadata(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return layer metadata that say how labels were made."""
    return {METADATA_KEY: dict(provenance)}

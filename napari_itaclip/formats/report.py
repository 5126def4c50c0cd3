"""What an export did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from napari_itaclip.formats.model import Loss


@dataclass(frozen=True)
class Added:
    """What adding one image wrote.

    Attributes
    ----------
    files : mapping of str to str
        SHA-256 of each of the image's files, by its path in the data set.
    losses : tuple of Loss
        What the format could not hold.
    """

    files: Mapping[str, str]
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class ExportReport:
    """What a data set holds after an export.

    Attributes
    ----------
    images : int
        Number of images in it.
    files : int
        Number of files in it, those about the whole data set included.
    losses : tuple of Loss
        What the format could not hold, one entry for each kind.
    written : tuple of str
        The files about the whole data set, relative to its folder.
    """

    images: int
    files: int
    losses: tuple[Loss, ...]
    written: tuple[str, ...]


def summed_losses(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """Return one loss for each kind, in the order of the kinds: pixels added up, images counted."""
    kinds: dict[str, list[Loss]] = {}
    for loss in losses:
        kinds.setdefault(loss.kind, []).append(loss)
    summed = []
    for kind, found in sorted(kinds.items()):
        details = list(dict.fromkeys(loss.detail for loss in found))
        text = details[0] if len(details) == 1 else f"{details[0]}; and {len(details) - 1} more"
        if len(found) > 1:
            text = f"{text} ({len(found)} times)"
        summed.append(Loss(kind, text, sum(loss.pixels for loss in found)))
    return tuple(summed)

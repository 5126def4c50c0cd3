"""Where results belong: the labels of one image, and the parts of it that have been encoded."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from napari_itaclip.session.pictures import Picture, PictureLabels, Plane, Region
from napari_itaclip.vocabulary.classes import Vocabulary


class LabelsWriter(Protocol):
    """What the session needs of a labels layer; see `_widget.labels_layer.LabelsBinding`."""

    def write(
        self,
        patches: Sequence[PictureLabels],
        *,
        step: Hashable,
        vocabulary: Vocabulary,
        lineage: int,
        provenance: Mapping[str, Any],
        locked: frozenset[int],
    ) -> object:
        """Write automatic labels around the hand edits; one undo step for each ``step``."""

    def style(self, vocabulary: Vocabulary | None, hidden: frozenset[int], *, lineage: int) -> None:
        """Show colours and names without touching the labels."""

    def revert(self, step: Hashable) -> bool:
        """Take back what was written as ``step``; False when strokes lie on top of it."""


@dataclass(frozen=True)
class Patch:
    """A picture of a target that has been encoded.

    Attributes
    ----------
    picture : Picture
        The picture.
    features_key : hashable
        What its features are kept under in the feature store.
    """

    picture: Picture
    features_key: Hashable


@dataclass(eq=False)
class Target:
    """One image and its labels.

    Attributes
    ----------
    name : str
        Name of the image, for messages.
    labels : LabelsWriter
        Where results go.
    patches : dict of (Plane, Region or None) to Patch
        What has been encoded, later ones lying on top.
    lineage : int or None
        Of the vocabulary that the labels were made with; None before the first result.
    alive : bool
        False once the image is gone: whatever still comes for it is dropped.
    """

    name: str
    labels: LabelsWriter
    patches: dict[tuple[Plane, Region | None], Patch] = field(default_factory=dict)
    lineage: int | None = None
    vocabulary: Vocabulary | None = None
    alive: bool = True

    def add(self, patch: Patch) -> None:
        """Put a patch on top; one of a whole plane replaces whatever the plane had."""
        picture = patch.picture
        if picture.region is None:
            self.patches = {at: p for at, p in self.patches.items() if at[0] != picture.plane}
        self.patches.pop((picture.plane, picture.region), None)
        self.patches[picture.plane, picture.region] = patch

    def planes(self, first: Plane | None) -> tuple[Plane, ...]:
        """Return the planes that have patches, ``first`` before the others."""
        planes = dict.fromkeys(plane for plane, _ in self.patches)
        ahead = [first] if first in planes and first is not None else []
        return (*ahead, *(plane for plane in planes if plane != first))

    def of_plane(self, plane: Plane) -> tuple[Patch, ...]:
        """Return the patches of a plane, the lowest first."""
        return tuple(patch for (at, _), patch in self.patches.items() if at == plane)

"""What is asked of a labels layer, and what came of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from napari_itaclip.annotation.hand_edits import block_of
from napari_itaclip.session.pictures import PictureLabels, Plane, Region
from napari_itaclip.vocabulary.classes import Vocabulary


@dataclass(frozen=True)
class WriteReport:
    """What an automatic write did.

    Attributes
    ----------
    changed : int
        Pixels that got another label; a pixel that two patches change counts twice.
    kept : int
        Pixels that would have got another label, had they not been painted or locked.
    waiting : bool
        Nothing was written yet, because a stroke is being painted.
    undone : bool
        Nothing was written, because a person took back an earlier write of the same step.
    """

    changed: int = 0
    kept: int = 0
    waiting: bool = False
    undone: bool = False


@dataclass(frozen=True)
class WriteRequest:
    """The arguments of `LabelsBinding.write`."""

    patches: tuple[PictureLabels, ...]
    step: Hashable
    vocabulary: Vocabulary
    lineage: int
    provenance: Mapping[str, Any]
    locked: frozenset[int]

    @property
    def places(self) -> set[tuple[Plane, Region | None]]:
        """What is written to."""
        return {(patch.plane, patch.region) for patch in self.patches}

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse patches that do not fit labels of ``shape``.

        Raises
        ------
        ValueError
            If one does not.
        """
        for patch in self.patches:
            block_of(patch.plane, patch.region, shape)
            expected = patch.region.shape if patch.region else patch.plane.shape(shape)
            if patch.labels.shape != expected:
                raise ValueError(
                    f"labels of shape {patch.labels.shape} do not fill {expected} pixels"
                )

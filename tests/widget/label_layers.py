"""Small labels layers for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray

from napari_itaclip._widget.layers.labels_layer import LabelsBinding, WriteReport
from napari_itaclip.session.pictures import PictureLabels, Plane, Region
from napari_itaclip.vocabulary.classes import Vocabulary

FLAT = Plane((None, None))
CLASSES = Vocabulary(["building", "road", "tree", "water"])


class Bench:
    """A viewer, a labels layer and what is needed to write to it."""

    def __init__(self, shape: tuple[int, ...] = (8, 10), **options: Any) -> None:
        self.viewer = ViewerModel()
        self.viewer.add_image(np.zeros(shape), name="picture")
        self.binding = LabelsBinding(
            self.viewer, name="labels", shape=shape, geometry=options.pop("geometry", {}), **options
        )
        self.steps = 0

    @property
    def labels(self) -> NDArray[Any]:
        return np.asarray(self.binding.layer.data)

    @property
    def mask(self) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self.binding.edit_mask
        return mask

    def write(
        self,
        labels: Any,
        *,
        plane: Plane = FLAT,
        region: Region | None = None,
        step: Any = None,
        **options: Any,
    ) -> WriteReport | None:
        """Write one patch, in a step of its own unless one is named."""
        if np.ndim(labels) == 0:
            shape = plane.shape(self.binding.shape) if region is None else region.shape
            labels = np.full(shape, labels)
        if step is None:
            self.steps += 1
            step = ("step", self.steps)
        told: dict[str, Any] = {"vocabulary": CLASSES, "lineage": 1}
        told |= {"provenance": {"step": str(step)}} | options
        return self.binding.write([PictureLabels(plane, region, labels)], step=step, **told)

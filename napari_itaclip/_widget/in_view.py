"""What a person looks at: the image's plane in view and the newest result there."""

from __future__ import annotations

from dataclasses import dataclass

from napari.layers import Image

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.layers.images import ImageEntry
from napari_itaclip.session.looking import Shown
from napari_itaclip.session.pictures import Plane, Region
from napari_itaclip.session.session import Session


@dataclass(frozen=True)
class InView:
    """An image's plane and the newest result there.

    Attributes
    ----------
    image : Image
        The image layer.
    entry : ImageEntry
        Its labels and results.
    plane : Plane
        The plane that the viewer shows.
    shown : Shown
        The newest result of that plane.
    """

    image: Image
    entry: ImageEntry
    plane: Plane
    shown: Shown

    @property
    def stamp(self) -> tuple[object, ...]:
        """What the features were computed from: equal for equal features."""
        return tuple(
            (part.picture.key, features.model, features.settings, tuple(features.features.shape))
            for part, features in zip(self.shown.outcome.parts, self.shown.features, strict=True)
        )

    @property
    def widest(self) -> int:
        """Position of the part of the result that covers most pixels."""
        sizes = [part.segmentation.labels.size for part in self.shown.outcome.parts]
        return sizes.index(max(sizes))

    def region_of(self, part: int) -> Region:
        """Return where a part of the result lies in the plane."""
        picture = self.shown.outcome.parts[part].picture
        return picture.region or Region(0, 0, *picture.shape)


def in_view(session: Session, controller: Controller, *, same_words: bool = True) -> InView | None:
    """Return what is looked at; None without a result.

    Parameters
    ----------
    session, controller : Session, Controller
        Know the results and what is in view.
    same_words : bool
        Whether a result that was made with another vocabulary than the table's is none.
    """
    image, entry, plane = controller.image, controller.entry, controller.plane
    if image is None or entry is None or plane is None or not entry.labels.alive:
        return None
    if same_words and entry.target.lineage != session.editor.lineage:
        return None
    shown = session.shown(entry.target, plane)
    return None if shown is None else InView(image, entry, plane, shown)

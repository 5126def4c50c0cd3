"""Going from one uncertain region of an image to the next."""

from __future__ import annotations

from napari_itaclip.annotation.hand_edits import Mask
from napari_itaclip.annotation.review import UncertainRegion, least_certain_regions, next_region
from napari_itaclip.session.pictures import Region
from napari_itaclip.session.review_files import ReviewImage


def uncertain_regions(image: ReviewImage, edited: Mask) -> tuple[UncertainRegion, ...]:
    """Return the regions of an image worth a look; what was ``edited`` ``(H, W)`` is certain."""
    if image.margin is None:
        return ()
    return least_certain_regions(image.margin, valid=image.valid, skip=edited)


class DoubtTour:
    """Which regions of the image a person has been shown."""

    def __init__(self) -> None:
        self._visited: list[Region] = []

    def begin(self) -> None:
        """Begin with another image, or anew."""
        self._visited.clear()

    def next(self, regions: tuple[UncertainRegion, ...]) -> UncertainRegion | None:
        """Return the next region; None when all have been shown, then it begins anew."""
        found = next_region(regions, self._visited)
        if found is None:
            self.begin()
        else:
            self._visited.append(found.region)
        return found

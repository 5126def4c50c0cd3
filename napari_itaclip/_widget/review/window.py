"""A napari window for the review of a batch."""

from __future__ import annotations

from pathlib import Path

from napari_itaclip.annotation.review_queue import Order
from napari_itaclip.errors import ItaclipError, OutputError


def review_in_window(path: Path, *, order: Order, include_reviewed: bool) -> None:
    """Open a window in which a batch is reviewed, and wait until it is closed.

    Parameters
    ----------
    path : Path
        An export folder of the batch, or its state folder.
    order : {"uncertainty", "name"}
        In which order the images come.
    include_reviewed : bool
        Whether to walk the images, too, that are done already.

    Raises
    ------
    ItaclipError
        If napari finds no Qt binding or no screen, if the batch cannot be reviewed, or if at the
        end corrections could not be saved.
    """
    try:
        import napari  # type: ignore[import-untyped, unused-ignore]

        viewer = napari.Viewer(title="Review a batch")

        from napari_itaclip._widget.review.dock import ReviewDock
    except Exception as error:
        # Qt reports a missing binding in several ways, depending on the binding and the system.
        raise ItaclipError(
            f"napari cannot open a window: {error}. Install a Qt binding with "
            'pip install "napari-itaclip[all]"; with --list, the queue is printed instead.'
        ) from error
    dock = ReviewDock(viewer)
    viewer.window.add_dock_widget(dock, name="Review a batch", area="right")
    try:
        dock.open_batch(path, order=order, include_reviewed=include_reviewed)
    except ItaclipError:
        viewer.close()
        raise
    napari.run()
    dock.shut()
    if dock.lost:
        lost = "; ".join(f"{key}: {reason}" for key, reason in dock.lost.items())
        raise OutputError(f"corrections could not be saved: {lost}")

"""A napari window for the review of a batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_itaclip.annotation.review_queue import Order
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import ItaclipError, OutputError
from napari_itaclip.session.review_exports import left_over, write_left_over


def review_in_window(
    path: Path, *, order: Order, include_reviewed: bool, tell: Callable[[str], object]
) -> None:
    """Open a window in which a batch is reviewed, and wait until it is closed.

    Parameters
    ----------
    path : Path
        An export folder of the batch, or its state folder.
    order : {"uncertainty", "name"}
        In which order the images come.
    include_reviewed : bool
        Whether to walk the images, too, that are done already.
    tell : callable
        Told what goes on after the window was closed.

    Raises
    ------
    ItaclipError
        If napari finds no Qt binding or no screen, if the batch cannot be reviewed, or if at the
        end corrections could not be saved.
    """
    state = BatchState.find(path)
    with state.lock():
        pass  # Who is told that somebody else works on it, need not see a window open and close.
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
    if not dock.ended.wait(0):
        tell("Saving what was decided, and an export that was begun …")
        dock.ended.wait()
    if dock.ended.lost:
        lost = "; ".join(f"{key}: {reason}" for key, reason in dock.ended.lost.items())
        raise OutputError(f"corrections could not be saved: {lost}")
    _write_exports(state, tell)


def _write_exports(state: BatchState, tell: Callable[[str], object]) -> None:
    left = left_over(state)
    if not left:
        return
    images = "1 image" if len(left) == 1 else f"{len(left)} images"
    tell(f"Writing the exports of {images} (Ctrl+C leaves them to the next review) …")
    for key, reason in write_left_over(state).items():
        tell(f"{key or 'The whole data set'}: {reason} The next review tries again.")

"""Reviews that are over, but may still be writing what was decided."""

from __future__ import annotations

from napari.utils.notifications import show_info, show_warning

from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import OutputError
from napari_itaclip.session.review_session import ReviewSession


class EndedReviews:
    """The reviews that a dock has ended."""

    def __init__(self) -> None:
        self._sessions: list[ReviewSession] = []
        self._lost: dict[str, str] = {}

    def end(self, session: ReviewSession, patience: float) -> None:
        """End a review, after so many seconds without waiting, and tell what is left to do."""
        over = session.close(patience)
        session.read_labels = lambda: None
        if over:
            self._lost.update(session.lost)
        else:
            self._sessions.append(session)
        name, left = session.state.home.name, session.exports.pending
        if session.lost:
            reasons = "; ".join(f"{key}: {reason}" for key, reason in session.lost.items())
            show_warning(f"Corrections of {name} could not be saved: {reasons}")
        if left:
            show_info(
                f"The labels of {name} are safe. The exports of {left} of its images are older: "
                "the next review of it writes them."
            )

    def wait(self, patience: float | None = None) -> bool:
        """Wait for them, so many seconds each, or to their end; return whether all are over."""
        over = [session.close(patience) for session in self._sessions]
        return all(over)

    def check(self, state: BatchState) -> None:
        """See that a batch is free for another review.

        Raises
        ------
        OutputError
            If one of these is still writing to it.
        """
        for session in self._sessions:
            if session.state.folder == state.folder and not session.close(0):
                raise OutputError(
                    f"the review of {state.home.name} before this one is still writing an export; "
                    "try again in a moment"
                )

    @property
    def lost(self) -> dict[str, str]:
        """Corrections that are on no disk, and why, by the image's key; known after `wait`."""
        lost = dict(self._lost)
        for session in self._sessions:
            lost.update(session.lost)
        return lost

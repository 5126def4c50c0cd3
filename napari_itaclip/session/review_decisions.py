"""Decisions on their way to the batch: kept whole in one file first, finished after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_itaclip.annotation.autosave import (
    Corrections,
    decode_corrections,
    encode_corrections,
    fingerprint,
)
from napari_itaclip.annotation.hand_edits import Labels
from napari_itaclip.batch.records import ReviewVerdict
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import FormatError, ItaclipError, OutputError
from napari_itaclip.files import write_atomically
from napari_itaclip.session.review_exports import mark_stale
from napari_itaclip.session.review_files import (
    ReviewImage,
    read_review_image,
    remove,
    save_decision,
    save_labels,
)

_DECIDED = "decided"
"""Folder of labels that were decided about but are not all saved yet."""

_SUFFIX = ".png"
_VERDICTS: tuple[ReviewVerdict, ...] = ("accepted", "fixed", "skipped")


@dataclass(frozen=True, eq=False)
class Decision:
    """What a person decided of an image.

    Attributes
    ----------
    key : str
        The image.
    verdict : {"accepted", "fixed", "skipped"}
        What was decided.
    edited_pixels : int
        How many labels are not the batch's.
    image : ReviewImage or None
        The image as it was before; None where its labels stay.
    labels : ndarray of int, shape (H, W), or None
        What its labels become: nobody else's copy. None where they stay.
    """

    key: str
    verdict: ReviewVerdict
    edited_pixels: int
    image: ReviewImage | None = None
    labels: Labels | None = None


def keep_decision(state: BatchState, decision: Decision, bases: Sequence[Labels]) -> None:
    """Write all of a decision into one file, so that nothing of it can get lost any more.

    Parameters
    ----------
    state : BatchState
        The batch.
    decision : Decision
        What was decided.
    bases : sequence of ndarray of int, shape (H, W)
        Labels that may lie on disk when the file is found, the oldest first.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    labels = decision.labels
    if labels is None:
        return
    kept = Corrections(
        labels,
        labels != bases[0],
        " ".join(map(fingerprint, bases)),
        left_in_order=True,
        verdict=decision.verdict,
    )
    write_atomically(state.path(_DECIDED, decision.key, _SUFFIX), encode_corrections(kept))


def save(state: BatchState, decision: Decision) -> None:
    """Write labels and decision to where they belong.

    Raises
    ------
    ItaclipError
        If something cannot be written. Labels and decision are then as they were, or the labels
        are the new ones, whole.
    """
    if decision.image is not None and decision.labels is not None:
        save_labels(state, decision.image, decision.labels)
    save_decision(state, state.item(decision.key), decision.verdict, decision.edited_pixels)


def forget(state: BatchState, key: str) -> None:
    """Remove what `keep_decision` wrote.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    remove(state.path(_DECIDED, key, _SUFFIX))


def finish_decisions(state: BatchState, folders: Sequence[Path]) -> tuple[str, ...]:
    """Save what an earlier review was told to save and did not come to.

    Whoever calls this holds the batch's lock.

    Parameters
    ----------
    state : BatchState
        The batch.
    folders : sequence of Path
        Where to look for pictures that are not where they were.

    Returns
    -------
    tuple of str
        What could not be finished, and why. It stays, for the next review to try again.
    """
    problems = []
    folder = state.folder / _DECIDED
    for path in sorted(folder.rglob(f"*{_SUFFIX}")):
        key = path.relative_to(folder).as_posix().removesuffix(_SUFFIX)
        try:
            _finish(state, key, path, folders)
        except ItaclipError as error:
            problems.append(f"A decision about {key} could not be finished: {error}")
    return tuple(problems)


def _finish(state: BatchState, key: str, path: Path, folders: Sequence[Path]) -> None:
    image = read_review_image(state, key, folders)
    kept = decode_corrections(_content(path), image.record.shape)
    autosave = state.path("autosave", key, _SUFFIX)
    verdict = next((one for one in _VERDICTS if one == kept.verdict), None)
    bases = {*kept.base.split(), fingerprint(kept.labels)}
    fits = fingerprint(image.labels) in bases
    if verdict is None or not fits:
        # The batch has labelled the image anew since: the person is asked what to do with them.
        _move(path, autosave)
        return
    mark_stale(state, key)
    edited = int(np.count_nonzero(kept.labels != image.automatic))
    save(state, Decision(key, verdict, edited, image, kept.labels))
    if _base_of(autosave, image.record.shape) in bases - {fingerprint(kept.labels)}:
        remove(autosave)  # strokes that the decision was made after
    remove(path)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}") from error


def _base_of(path: Path, shape: tuple[int, int]) -> str | None:
    try:
        return decode_corrections(_content(path), shape).base
    except FormatError:
        return None


def _move(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error

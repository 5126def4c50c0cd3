"""What a review reads from a batch's folder, and what it writes there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.annotation.hand_edits import Labels, Mask
from napari_itaclip.annotation.relabel_ids import values_in
from napari_itaclip.annotation.review_queue import QueueEntry
from napari_itaclip.batch._json import read_json, write_json
from napari_itaclip.batch.inputs import BatchInput
from napari_itaclip.batch.records import ItemRecord, ReviewRecord, ReviewVerdict
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import FormatError, ImageError, ItaclipError, OutputError
from napari_itaclip.files import write_atomically
from napari_itaclip.formats.paths import inside
from napari_itaclip.vocabulary.classes import Vocabulary

_AUTOMATIC = "automatic"
"""Folder of the labels as the batch made them, for images that were corrected since."""

_POSITION = "position.json"

_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True, eq=False)
class ReviewImage:
    """One image of a batch, as it is looked at.

    Attributes
    ----------
    record : ItemRecord
        What the batch knows of it.
    labels : ndarray of int, shape (H, W)
        Its labels as they lie on disk, corrected or not.
    automatic : ndarray of int, shape (H, W)
        Its labels as the batch made them.
    margin : ndarray of float32, shape (H, W), or None
        By how much the best class led, 0 to 1; None if that cannot be read.
    valid : ndarray of bool, shape (H, W), or None
        Pixels that show something; None for all.
    picture : ndarray, shape (h, w), (h, w, 3) or (h, w, 4), or None
        The image itself; None if it cannot be read. Its size is that of the labels, or that of its
        file.
    problem : str or None
        Why there is no picture, and the way out.
    note : str or None
        What a person should know of the picture.
    found : Path or None
        Where its file is, if that is not where it was.
    """

    record: ItemRecord
    labels: Labels
    automatic: Labels
    margin: NDArray[np.float32] | None
    valid: NDArray[np.bool_] | None
    picture: NDArray[Any] | None
    problem: str | None = None
    note: str | None = None
    found: Path | None = None


def read_entries(state: BatchState) -> tuple[tuple[QueueEntry, ...], tuple[str, ...]]:
    """Return all images of a batch with what was decided of them.

    Returns
    -------
    tuple of QueueEntry
        The images.
    tuple of str
        What is wrong with images whose records cannot be read: they are left out.
    """
    entries: list[QueueEntry] = []
    problems: list[str] = []
    try:
        reviews = state.reviews()
    except FormatError as error:
        reviews = {}
        problems.append(f"{error} All images count as not reviewed.")
    for key in state.finished_keys():
        try:
            record = state.item(key)
        except FormatError as error:
            problems.append(str(error))
            continue
        review = reviews.get(key)
        entries.append(
            QueueEntry(
                key,
                record.name,
                record.uncertainty,
                None if review is None else review.state,
                0 if review is None else review.edited_pixels,
            )
        )
    return tuple(entries), tuple(problems)


def read_review_image(state: BatchState, key: str, folders: Sequence[Path]) -> ReviewImage:
    """Read an image, its labels and its margin.

    Parameters
    ----------
    state : BatchState
        The batch.
    key : str
        The image.
    folders : sequence of Path
        Where to look for the picture if it is not where it was.

    Raises
    ------
    ItaclipError
        If the labels cannot be read. A picture or a margin that cannot be read is no error.
    """
    record = state.item(key)
    labels = state.load_labels(record)
    image = ReviewImage(
        record,
        labels,
        _automatic_labels(state, record, labels),
        _if_readable(lambda: state.load_margin(record)),
        _if_readable(lambda: state.load_valid(record)),
        None,
    )
    try:
        path = find_source(state, record, folders)
        picture, note = read_picture(record, path)
    except ItaclipError as error:
        return replace(image, problem=str(error))
    moved = path != state.source_path(record) and note is None
    return replace(image, picture=picture, note=note, found=path if moved else None)


def find_source(state: BatchState, record: ItemRecord, folders: Sequence[Path]) -> Path:
    """Return where an image's file is: where it was, or in one of the folders.

    A folder may hold the file itself, or the folders around it as they were.

    Raises
    ------
    ImageError
        If it is nowhere.
    """
    before = state.source_path(record)
    if before.exists():
        return before
    parts = [part for part in PurePosixPath(before.as_posix()).parts if part not in ("/", "..")]
    for folder in folders:
        for start in range(len(parts)):
            candidate = folder.joinpath(*parts[start:])
            if candidate.exists():
                return candidate
    searched = f" nor in {', '.join(str(folder) for folder in folders)}" if folders else ""
    raise ImageError(
        f"The image is not at {before} any more{searched}. Name the folder that holds it now, or "
        "skip it."
    )


def read_picture(record: ItemRecord, path: Path) -> tuple[NDArray[Any], str | None]:
    """Return an image's pixels, read from a file, and what a person should know of them.

    Raises
    ------
    ItaclipError
        If they cannot be read, or are of other proportions than the labels.
    """
    source = record.source
    found = BatchInput(record.name, path, source.page, source.array, source.scale)
    picture = found.read()
    if not _same_proportions(picture.shape[:2], record.shape):
        raise ImageError(
            f"{path} is of {picture.shape[1]} × {picture.shape[0]} pixels, its labels of "
            f"{record.shape[1]} × {record.shape[0]}: it is another image than the one that was "
            "labelled. Name the folder that holds that one, or skip it."
        )
    # The content of a folder (Zarr) would have to be read once more for this.
    if path.is_file() and found.sha256() != record.input_sha256:
        return picture, f"{path} has changed since it was labelled."
    return picture, None


def problem_with(
    image: ReviewImage, labels: Labels, changed: Mask, vocabulary: Vocabulary
) -> str | None:
    """Say why labels ``(H, W)`` cannot be an image's, and the way out; None if they can.

    ``changed`` are those that are not the batch's.
    """
    rows = changed.any(axis=1)
    # Of large images only the rows that a person painted in are looked through.
    unknown = values_in(labels[rows][changed[rows]]) - {0, *vocabulary.ids}
    unknown -= values_in(image.automatic) if unknown else set()
    if not unknown:
        return None
    return (
        f"Pixels have the label {min(unknown)}, which no class of this batch has. Choose a class "
        "from the list and paint over them, or undo (Ctrl+Z)."
    )


def save_labels(state: BatchState, image: ReviewImage, labels: Labels) -> ReviewImage:
    """Write corrected labels and the mask of what was corrected.

    The labels as the batch made them are kept beside, so that one can always go back to them.

    Parameters
    ----------
    state : BatchState
        The batch.
    image : ReviewImage
        The image as it was read.
    labels : ndarray of int, shape (H, W)
        What its labels are now.

    Returns
    -------
    ReviewImage
        The image as it is on disk now.

    Raises
    ------
    ItaclipError
        If something cannot be written; the labels are then as before, whole.
    """
    # Not the record as it was read: the exports and an earlier decision may have written to it.
    record = state.item(image.record.key)
    copy = state.path(_AUTOMATIC, record.key, ".png")
    if not _is_automatic(copy, record):
        write_atomically(copy, _read_bytes(inside(state.folder, record.labels)))
    state.save_edits(record, labels != image.automatic)
    written = replace(state.save_labels(record, labels), edited=True)
    if image.found is not None:
        # The exports may need the picture, and nobody else would know where it is.
        source = replace(written.source, path=state.place(image.found))
        written = replace(written, source=source)
    state.save_item(written)
    return replace(image, record=written, labels=labels)


def save_decision(
    state: BatchState, record: ItemRecord, verdict: ReviewVerdict, edited_pixels: int
) -> None:
    """Write what was decided about an image.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    state.save_review(ReviewRecord(record.key, verdict, record.labels_sha256, edited_pixels))


def drop_decision(state: BatchState, key: str) -> None:
    """Forget what was decided about an image; its labels stay as they are.

    Raises
    ------
    OutputError
        If the file cannot be removed.
    """
    remove(state.path("reviews", key, ".json"))


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be removed: {error.strerror or error}") from error


@dataclass(frozen=True)
class Position:
    """Where a review stopped.

    Attributes
    ----------
    key : str or None
        The image that was looked at.
    folders : tuple of Path
        Where pictures were found that are not where they were.
    """

    key: str | None = None
    folders: tuple[Path, ...] = ()


def read_position(state: BatchState) -> Position:
    """Return where the last review stopped; what cannot be read counts as none."""
    try:
        values = read_json(state.folder / _POSITION)
    except FormatError:
        return Position()
    key, folders = values.get("key"), values.get("folders")
    known = folders if isinstance(folders, list) else []
    return Position(
        key if isinstance(key, str) else None,
        tuple(Path(folder) for folder in known if isinstance(folder, str)),
    )


def save_position(state: BatchState, position: Position) -> None:
    """Write where the review is.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    folders = [str(folder) for folder in position.folders]
    write_json(state.folder / _POSITION, {"key": position.key, "folders": folders})


def _if_readable(load: Callable[[], _Loaded]) -> _Loaded | None:
    try:
        return load()
    except FormatError:
        return None


def _same_proportions(picture: tuple[int, ...], labels: tuple[int, int]) -> bool:
    """Say whether labels can be of a picture that was read at some scale, sides rounded."""
    scale = labels[0] / picture[0]
    return abs(picture[1] * scale - labels[1]) <= 1 + scale


def _automatic_labels(state: BatchState, record: ItemRecord, labels: Labels) -> Labels:
    copy = state.path(_AUTOMATIC, record.key, ".png")
    if not _is_automatic(copy, record):
        return labels
    try:
        return state.load_labels(replace(record, labels=f"{_AUTOMATIC}/{record.key}.png"))
    except FormatError:
        return labels


def _is_automatic(copy: Path, record: ItemRecord) -> bool:
    """Say whether a copy holds the labels that the batch made last.

    One from before the batch labelled the image anew does not. A crash may have come between the
    corrected labels and the note that they are corrected; then the copy's hash tells.
    """
    if not copy.is_file():
        return False
    if record.edited:
        return True
    return hashlib.sha256(_read_bytes(copy)).hexdigest() == record.labels_sha256


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error

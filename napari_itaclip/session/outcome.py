"""What the session tells: progress, results and messages."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum

from napari_itaclip.errors import CheckpointError, ItaclipError, SettingsError
from napari_itaclip.segmentation.result import ClassSummary, Segmentation
from napari_itaclip.session.pictures import Picture, Plane
from napari_itaclip.session.target import Target


class Stage(Enum):
    """How far a result has come; every stage covers its picture completely."""

    COARSE = "coarse"
    """Few windows, or words embedded with few templates."""
    UNREFINED = "unrefined"
    """All windows and templates, before the refinement."""
    FINAL = "final"
    """As the settings ask for."""


@dataclass(frozen=True)
class Part:
    """The result for one picture.

    Attributes
    ----------
    picture : Picture
        The picture.
    segmentation : Segmentation
        Its labels.
    classes : tuple of ClassSummary
        The segmentation's class table, which takes a moment to count.
    """

    picture: Picture
    segmentation: Segmentation
    classes: tuple[ClassSummary, ...]


@dataclass(frozen=True)
class Outcome:
    """New labels of a plane.

    Attributes
    ----------
    target : Target
        Whose labels they are.
    plane : Plane
        The plane.
    parts : tuple of Part
        One for each picture in the plane, the lowest first.
    stage : Stage
        How far they have come.
    step : hashable
        The undo step that they belong to.
    lineage : int
        Of the vocabulary.
    seconds : float
        What computing them took, the network's part left out.
    """

    target: Target
    plane: Plane
    parts: tuple[Part, ...]
    stage: Stage
    step: Hashable
    lineage: int
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes
    ----------
    label : str
        What is being done.
    fraction : float or None
        Part of the work that is done, 0 to 1; None while it cannot be told.
    seconds_left : float or None
        Estimate of the time left; None while it cannot be told.
    """

    label: str
    fraction: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class Message:
    """Something that a person should read.

    Attributes
    ----------
    text : str
        What happened, and the way out.
    level : str
        "info", "warning" or "error".
    settings : bool
        Whether the settings are the place to do something about it.
    """

    text: str
    level: str = "info"
    settings: bool = False


def message_of(error: BaseException) -> Message:
    """Return what a person should read about an error that ended some work."""
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        text = (
            f"There is not enough memory: {error}. Choose the draft preset or a larger stride, a "
            "part of the image, or another device."
        )
    elif isinstance(error, ItaclipError):
        text = str(error)
    else:
        text = f"Something unexpected went wrong: {type(error).__name__}: {error}"
    return Message(text, "error", isinstance(error, CheckpointError | SettingsError | MemoryError))

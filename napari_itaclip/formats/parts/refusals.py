"""Why a data set on disk is left as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_itaclip.errors import OutputError
from napari_itaclip.formats.model import LabelClass


def check_classes_added(
    folder: Path, before: Sequence[LabelClass], now: Sequence[LabelClass]
) -> None:
    """Refuse classes that are not those of a data set with perhaps more behind them.

    Raises
    ------
    OutputError
        Names the first class that differs.
    """
    if tuple(now[: len(before)]) == tuple(before):
        return
    pairs = enumerate(zip(now, before, strict=False))
    at = next((at for at, (mine, theirs) in pairs if mine != theirs), len(now))
    here = _described(now[at]) if at < len(now) else "nothing"
    raise OutputError(
        f"the data set in {folder} has other classes: number {at + 1} is {_described(before[at])} "
        f"there and {here} here; choose another folder, or add new classes at the end only"
    )


def foreign(path: Path) -> OutputError:
    """Return the error for a file that belongs to something else."""
    return OutputError(
        f"{path} is already there and was not written by this data set; choose another folder, or "
        "move that file away"
    )


def edited_by_hand(path: Path) -> OutputError:
    """Return the error for a file that a person has edited."""
    return OutputError(
        f"{path} was edited after it was written here and is left alone; move it away, or ask for "
        "edited files to be replaced"
    )


def _described(one: LabelClass) -> str:
    return f"{one.name!r} with the id {one.id} and the colour {one.color}"

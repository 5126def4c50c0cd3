"""A picture of a confusion matrix; needs matplotlib (extra ``plots``)."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import MissingExtraError
from napari_itaclip.evaluation.report import NO_CLASS, Report
from napari_itaclip.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 40
"""Data sets with more classes are shown by their most confused classes."""

_OTHERS = "other classes"
_CELL_INCHES = 0.3
_NUMBERED_ROWS = 25
_MAX_NAME = 26


@dataclass(frozen=True, eq=False)
class Shown:
    """The part of a confusion matrix that a picture shows.

    Attributes
    ----------
    shares : ndarray of float64, shape (R, K)
        Pixels as shares of their row; NaN in rows without pixels.
    rows, columns : tuple of str
        Names.
    ious : ndarray of float64, shape (R,)
        IoU of the rows' classes; NaN where there is none.
    left_out : int
        How many classes are put together as others.
    """

    shares: NDArray[np.float64]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    ious: NDArray[np.float64]
    left_out: int


def shown_part(report: Report, most: int = MOST_ROWS) -> Shown:
    """Return what a picture shows: all classes, or the most confused with the others as one.

    Parameters
    ----------
    report : Report
        The numbers.
    most : int
        The most classes shown.

    Returns
    -------
    Shown
        Rows are true classes in the order of the data set. Classes that neither occur nor were
        given are left out first; of the rest those that lose or take most pixels are kept.
    """
    matrix = report.counts.confusion
    classes = len(matrix)
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    mixed = wrong.sum(axis=1) + wrong[:, :classes].sum(axis=0)
    present = np.flatnonzero(matrix.sum(axis=1) + matrix[:, :classes].sum(axis=0))
    kept = np.sort(present[np.argsort(-mixed[present], kind="stable")[:most]])
    left_out = len(present) - len(kept)
    # Each class's place in the picture; classes that do not occur have nothing to add anywhere.
    place = np.full(classes + 1, len(kept))
    place[kept] = np.arange(len(kept))
    place[classes] = len(kept) + 1
    counts = np.zeros((len(kept) + 1, len(kept) + 2), np.int64)
    np.add.at(counts, (place[:classes, None], place[None, :]), matrix)
    rows = [*(report.names[at] for at in kept), _OTHERS]
    columns = [*rows, NO_CLASS]
    ious = [*(report.measures.classes[at].iou for at in kept), np.nan]
    if not left_out:
        counts = np.delete(np.delete(counts, len(kept), axis=1), len(kept), axis=0)
        del rows[-1], columns[-2], ious[-1]
    if not counts[:, -1].any():
        counts = counts[:, :-1]
        del columns[-1]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
    return Shown(shares, tuple(rows), tuple(columns), np.array(ious), left_out)


def confusion_picture(report: Report) -> bytes:
    """Return a confusion matrix as PNG.

    Parameters
    ----------
    report : Report
        The numbers.

    Returns
    -------
    bytes
        A PNG file; rows are true classes, colours the share of a row's pixels.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    part = shown_part(report)
    side = max(len(part.rows), 6) * _CELL_INCHES
    figure = Figure(figsize=(side * len(part.columns) / max(len(part.rows), 1) + 4.4, side + 2.6))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(part.shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    _label(axes, part)
    if len(part.rows) <= _NUMBERED_ROWS:
        _number(axes, part.shares)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label("share of the true class's pixels")
    axes.set_title(_title(report, part), fontsize=10, loc="left")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for it
        figure.savefig(buffer, dpi=110, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def write_picture(path: Path, report: Report) -> None:
    """Write the picture of a report's confusion matrix.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    OutputError
        If the file cannot be written.
    """
    write_atomically(path, confusion_picture(report))


def check_matplotlib() -> None:
    """Check that matplotlib is there.

    Raises
    ------
    MissingExtraError
        If not.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "the picture of a confusion matrix needs matplotlib; install it with: "
            "pip install 'napari-itaclip[plots]'"
        ) from error


def _label(axes: Axes, part: Shown) -> None:
    """Name rows and columns; a row's name is followed by its IoU."""
    axes.set_xticks(range(len(part.columns)), [_short(name) for name in part.columns])
    axes.tick_params(axis="x", rotation=90, labelsize=8)
    rows = [
        _short(name) if np.isnan(iou) else f"{_short(name)}  {iou * 100:.1f}"
        for name, iou in zip(part.rows, part.ious, strict=True)
    ]
    axes.set_yticks(range(len(part.rows)), rows)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("labelled as")
    axes.set_ylabel("true class  (IoU in %)")


def _number(axes: Axes, shares: NDArray[np.float64]) -> None:
    """Write percentages into the cells that hold at least half a percent."""
    for (row, column), share in np.ndenumerate(shares):
        if not np.isnan(share) and share >= 0.005:
            color = "white" if share > 0.55 else "black"
            text = f"{share * 100:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=color)


def _title(report: Report, part: Shown) -> str:
    """Return the title: what is shown, and the means."""
    found = report.measures
    lines = [
        f"{_plain(report.title)}: {report.images} images",
        f"mIoU {found.mean_iou * 100:.2f} %, pixel accuracy {found.pixel_accuracy * 100:.2f} %",
    ]
    if part.left_out:
        shown = len(part.rows) - 1
        lines.append(f"the {shown} most confused of {shown + part.left_out} classes that occur")
    notice: Any = report.run.about.get("notice")
    if notice:
        lines.append(_plain(str(notice)))
    return "\n".join(lines)


def _short(name: str) -> str:
    """Return a name that fits beside a cell."""
    return _plain(name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…")


def _plain(text: str) -> str:
    """Return text in which no pair of dollar signs is taken for a formula."""
    return text.replace("$", r"\$")

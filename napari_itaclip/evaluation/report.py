"""The result of an evaluation: numbers with everything that it takes to get them again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_itaclip import __version__
from napari_itaclip.evaluation.boundary import DILATION_RATIO
from napari_itaclip.evaluation.counts import Counts, add_counts
from napari_itaclip.evaluation.metrics import Measures, measures, most_confused
from napari_itaclip.evaluation.state import ImageCounts, Run, digest_of
from napari_itaclip.files import write_atomically

SCHEMA = 1
NO_CLASS = "(none)"
"""What pixels are called in a confusion matrix that were labelled as no class of the data set."""


@dataclass(frozen=True, eq=False)
class Report:
    """How well a data set was labelled, and how that was found.

    Attributes
    ----------
    run : Run
        What was evaluated.
    images : int
        How many images.
    content : str
        SHA-256 over names and contents of all files that took part.
    counts : Counts
        The sums over all images.
    measures : Measures
        What follows from them.
    """

    run: Run
    images: int
    content: str
    counts: Counts
    measures: Measures

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names."""
        return tuple(str(one["name"]) for one in self.run.about["classes"])

    @property
    def title(self) -> str:
        """The data set, for people."""
        return str(self.run.about["title"])

    def to_data(self) -> dict[str, Any]:
        """Return the report as JSON values; what has no value (NaN) is None."""
        about = dict(self.run.about)
        classes = about.pop("classes")
        rows = zip(classes, self.measures.classes, strict=True)
        named = (*self.names, NO_CLASS)
        return {
            "schema": SCHEMA,
            "data_set": about.pop("data_set"),
            "title": about.pop("title"),
            "images": self.images,
            "images_in_data_set": len(self.run.images),
            "pixels": self.counts.pixels,
            "ignored_pixels": self.counts.ignored,
            "mean_iou": _known(self.measures.mean_iou),
            "pixel_accuracy": _known(self.measures.pixel_accuracy),
            "mean_accuracy": _known(self.measures.mean_accuracy),
            "mean_boundary_iou": _known(self.measures.mean_boundary_iou),
            "boundary_ratio": DILATION_RATIO,
            "classes": [
                {
                    **one,
                    "pixels": row.pixels,
                    "predicted_pixels": row.predicted,
                    "iou": _known(row.iou),
                    "accuracy": _known(row.accuracy),
                    "boundary_iou": _known(row.boundary_iou),
                }
                for one, row in rows
            ],
            "most_confused": [
                {
                    "truth": named[pair.truth],
                    "labelled_as": named[pair.predicted],
                    "pixels": pair.pixels,
                    "share": round(pair.share, 6),
                }
                for pair in most_confused(self.counts.confusion)
            ],
            "confusion": self.counts.confusion.tolist(),
            "confusion_columns": list(named),
            "how": about,
            "made_by": f"napari-itaclip {__version__}",
            "digest": self.run.digest,
            "content": self.content,
        }


def make_report(run: Run, images: Sequence[ImageCounts]) -> Report:
    """Return the report over ``images``, which are in the order of the data set."""
    classes = len(run.about["classes"])
    counts = add_counts((image.counts for image in images), classes)
    content = digest_of([[image.name, dict(image.content)] for image in images])
    return Report(run, len(images), content, counts, measures(counts))


def write_report(path: Path, report: Report) -> None:
    """Write a report as JSON.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_atomically(path, report_text(report).encode())


def report_text(report: Report) -> str:
    """Return a report as JSON text; the confusion matrix with one row in a line."""
    data: Mapping[str, Any] = report.to_data()
    text = json.dumps({**data, "confusion": []}, indent=2, ensure_ascii=False, allow_nan=False)
    rows = ",\n    ".join(json.dumps(row) for row in data["confusion"])
    return text.replace('"confusion": []', f'"confusion": [\n    {rows}\n  ]', 1) + "\n"


def _known(value: float) -> float | None:
    """Return a number that JSON can hold."""
    return None if math.isnan(value) else float(np.round(value, 12))

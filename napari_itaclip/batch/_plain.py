"""A batch as plain values, for processes on other machines: no pickled objects, absolute paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_itaclip.batch.inputs import BatchInput
from napari_itaclip.batch.job import BatchJob, ExportTarget
from napari_itaclip.batch.places import absolute
from napari_itaclip.formats.model import ExportOptions
from napari_itaclip.vocabulary.classes import Vocabulary


def job_to_values(job: BatchJob) -> dict[str, Any]:
    """Return a job as values that JSON can hold."""
    from napari_itaclip.segmentation.settings import get_preset

    preset = get_preset(job.preset)
    return {
        "inputs": [str(absolute(Path(one))) for one in job.inputs],
        "vocabulary": job.vocabulary.to_dict(),
        "exports": [
            {
                "format": one.format,
                "folder": str(absolute(one.folder)),
                "options": asdict(one.options),
            }
            for one in job.exports
        ],
        "preset": {
            "name": preset.name,
            "description": preset.description,
            **job.settings(),
        },
        "model": job.model_source,
        "is_file": isinstance(job.model, Path),
        "device": job.device,
        "precision": job.precision,
        "activation": job.activation,
        "redo_edited": job.redo_edited,
        "scale": job.scale,
        "state": str(absolute(job.state_folder)),
    }


def job_from_values(values: Mapping[str, Any]) -> BatchJob:
    """Return the job that `job_to_values` gave.

    What only matters for finding images (subfolders, the limit) is left out: they are found once.
    """
    from napari_itaclip.segmentation.settings import (
        DecisionSettings,
        Preset,
        RefineSettings,
        encode_settings_from_dict,
    )

    preset = values["preset"]
    return BatchJob(
        inputs=tuple(values["inputs"]),
        vocabulary=Vocabulary.from_dict(values["vocabulary"]),
        exports=tuple(
            ExportTarget(one["format"], Path(one["folder"]), ExportOptions(**one["options"]))
            for one in values["exports"]
        ),
        preset=Preset(
            name=preset["name"],
            description=preset["description"],
            encode=encode_settings_from_dict(preset["encode"]),
            refine=RefineSettings(**preset["refine"]),
            decide=DecisionSettings(**preset["decide"]),
        ),
        model=Path(values["model"]) if values["is_file"] else values["model"],
        device=values["device"],
        precision=values["precision"],
        activation=values["activation"],
        redo_edited=values["redo_edited"],
        scale=values["scale"],
        state=Path(values["state"]),
    )


def input_to_values(item: BatchInput) -> dict[str, Any]:
    """Return an image of a batch as values that JSON can hold."""
    return {**asdict(item), "path": str(item.path)}


def input_from_values(values: Mapping[str, Any]) -> BatchInput:
    """Return the image that `input_to_values` gave."""
    return BatchInput(**{**values, "path": Path(values["path"])})

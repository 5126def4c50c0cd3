"""Evaluating a data set: image by image, in shards, and on from where it stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_itaclip.errors import (
    FormatError,
    ImageError,
    ItaclipError,
    OutputError,
    SettingsError,
)
from napari_itaclip.evaluation.counts import Counts, count_image
from napari_itaclip.evaluation.datasets import DataSet, Sample
from napari_itaclip.evaluation.predictors import Predictor
from napari_itaclip.evaluation.report import Report, make_report, write_report
from napari_itaclip.evaluation.state import (
    EvaluationState,
    ImageCounts,
    Run,
    differences,
    file_digest,
)
from napari_itaclip.evaluation.truth import positions_of, read_labels
from napari_itaclip.evaluation.words import Matching

STATE_FOLDER = "state"
REPORT_FILE = "report.json"

_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Shard:
    """A part of the images: every ``count``-th, beginning with number ``index`` (from 1)."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``"2/8"``.

        Raises
        ------
        SettingsError
            If it is something else.
        """
        match = _SHARD.fullmatch(text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise SettingsError(f"a shard is written like 2/8 (the second of eight), not {text!r}")
        return cls(int(match[1]), int(match[2]))

    def of(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        """Return this part of the samples."""
        return tuple(samples[self.index - 1 :: self.count])


@dataclass(frozen=True)
class Evaluation:
    """What to evaluate, and where the result goes.

    Attributes
    ----------
    data : DataSet
        Images and truth.
    predictor : Predictor
        Where the labels come from.
    matching : Matching
        Which label stands for which class.
    output : Path
        Folder for the report and the state.
    shard : Shard
        Which part of the images to count here.
    limit : int or None
        Only the first images; None for all.
    restart : bool
        Whether to throw away what another evaluation left in the folder.
    """

    data: DataSet
    predictor: Predictor
    matching: Matching
    output: Path
    shard: Shard = field(default_factory=Shard)
    limit: int | None = None
    restart: bool = False

    @property
    def run(self) -> Run:
        """Everything that the counts depend on."""
        coding = self.data.coding
        about: dict[str, Any] = {
            "data_set": self.data.name,
            "title": self.data.title,
            "classes": [asdict(one) for one in self.data.classes],
            "values": {str(value): at for value, at in sorted(coding.positions.items())},
            "ignored_values": sorted(coding.ignored),
            "label_ids": {str(id_): at for id_, at in sorted(self.matching.positions.items())},
            **self.predictor.about,
        }
        # As it will be read back from the folder, so that a merged report is the same.
        plain = json.loads(json.dumps(about, sort_keys=True, allow_nan=False))
        return Run(plain, tuple(sample.name for sample in self.data.samples))


@dataclass(frozen=True)
class Outcome:
    """What an evaluation came to.

    Attributes
    ----------
    report : Report or None
        None while images are missing.
    counted, kept : int
        Images counted now, and images of this shard that had been counted before.
    missing : int
        Images that are not counted yet, in all shards together.
    failures : tuple of (str, str)
        Names of images that could not be evaluated, and why.
    """

    report: Report | None
    counted: int
    kept: int
    missing: int
    failures: tuple[tuple[str, str], ...]


Progress = Callable[[int, int], None]
"""Called with the images done and their number."""


def evaluate(evaluation: Evaluation, progress: Progress | None = None) -> Outcome:
    """Count every image of a shard; when all images are counted, write the report.

    Images that were counted before, from files of the same content and in the same way, are not
    counted again. What cannot be evaluated is told at the end and does not stop the rest.

    Parameters
    ----------
    evaluation : Evaluation
        What to do.
    progress : callable, optional
        See `Progress`.

    Raises
    ------
    SettingsError
        If the folder holds another evaluation.
    OutputError
        If something cannot be written; what was counted before stays.
    """
    run = evaluation.run
    state = EvaluationState(evaluation.output / STATE_FOLDER)
    _prepare(state, run, restart=evaluation.restart)
    samples = evaluation.data.samples[: evaluation.limit]
    own = evaluation.shard.of(samples)
    done: dict[str, ImageCounts] = {}
    failures: list[tuple[str, str]] = []
    kept = 0
    for number, sample in enumerate(own):
        if progress is not None:
            progress(number, len(own))
        try:
            found, was_there = _one(evaluation, run, state, sample)
        except OutputError:
            raise
        except ItaclipError as error:
            failures.append((sample.name, str(error)))
            continue
        done[sample.name] = found
        kept += was_there
    if progress is not None:
        progress(len(own), len(own))
    failed = {name for name, _ in failures}
    everything = _gather(state, run, [one.name for one in samples], done, failed)
    missing = len(samples) - len(everything)
    report = None
    if not missing:
        report = make_report(run, everything)
        write_report(evaluation.output / REPORT_FILE, report)
    return Outcome(report, len(done) - kept, kept, missing, tuple(failures))


def merge(folders: Sequence[Path], output: Path, limit: int | None = None) -> Report:
    """Put shards together that were evaluated into folders of their own.

    Parameters
    ----------
    folders : sequence of Path
        The folders given as output to the shards.
    output : Path
        Folder for the report and the counts of all images.
    limit : int or None
        As given to the shards.

    Raises
    ------
    FormatError
        If a folder holds no evaluation, or images are missing.
    SettingsError
        If the folders hold different evaluations.
    OutputError
        If something cannot be written.
    """
    states = [EvaluationState(folder / STATE_FOLDER) for folder in folders]
    runs = []
    for folder, state in zip(folders, states, strict=True):
        run = state.read_run()
        if run is None:
            raise FormatError(f"{folder} holds no evaluation to merge")
        runs.append(run)
    run = runs[0]
    for folder, other in zip(folders, runs, strict=True):
        if (other.digest, other.images) != (run.digest, run.images):
            what = ", ".join(differences(run.about, other.about)) or "images"
            raise SettingsError(
                f"{folders[0]} and {folder} were evaluated in different ways ({what}); their "
                "counts cannot be added"
            )
    target = EvaluationState(output / STATE_FOLDER)
    _prepare(target, run, restart=False)
    classes = len(run.about["classes"])
    for state in states:
        for name in run.images[:limit]:
            image = state.load(run, name, classes)
            if image is not None and state.folder.resolve() != target.folder.resolve():
                target.save(run, image)
    names = list(run.images[:limit])
    everything = _gather(target, run, names, {}, set())
    if len(everything) < len(names):
        there = {image.name for image in everything}
        first = next(name for name in names if name not in there)
        raise FormatError(
            f"{len(names) - len(everything)} of {len(names)} images are not counted yet, first "
            f"{first!r}; evaluate the missing shards, or give the --limit that they were given"
        )
    report = make_report(run, everything)
    write_report(output / REPORT_FILE, report)
    return report


def _prepare(state: EvaluationState, run: Run, *, restart: bool) -> None:
    """Make sure that the folder is this evaluation's."""
    if restart:
        state.clear()
    before = state.read_run()
    if before is not None and before.digest != run.digest:
        what = ", ".join(differences(before.about, run.about))
        raise SettingsError(
            f"{state.folder.parent} holds an evaluation done in another way (different: {what}); "
            "choose another folder with --output, or throw it away with --restart"
        )
    state.write_run(run)


def _one(
    evaluation: Evaluation, run: Run, state: EvaluationState, sample: Sample
) -> tuple[ImageCounts, bool]:
    """Return the counts of one image, and whether they had been there."""
    content = {"truth": file_digest(sample.mask), **evaluation.predictor.content(sample)}
    classes = len(evaluation.data.classes)
    before = state.load(run, sample.name, classes)
    if before is not None and before.content == content:
        return before, True
    counts = _count(evaluation, sample, classes)
    image = ImageCounts(sample.name, content, counts)
    state.save(run, image)
    return image, False


def _count(evaluation: Evaluation, sample: Sample, classes: int) -> Counts:
    """Compare the labels of one image with the truth."""
    truth = evaluation.data.coding.decode(read_labels(sample.mask), str(sample.mask))
    labels = evaluation.predictor.labels(sample)
    if labels.shape != truth.shape:
        raise ImageError(
            f"the labels of {sample.name} are {_size(labels.shape)}, the mask {sample.mask} is "
            f"{_size(truth.shape)}; they must cover the same pixels"
        )
    return count_image(truth, positions_of(labels, evaluation.matching.positions), classes)


def _size(shape: tuple[int, ...]) -> str:
    """Return a shape as people say it."""
    return f"{shape[1]} × {shape[0]} pixels"


def _gather(
    state: EvaluationState,
    run: Run,
    names: Sequence[str],
    done: dict[str, ImageCounts],
    failed: set[str],
) -> list[ImageCounts]:
    """Return the counts of all images that have some, other shards' as well."""
    classes = len(run.about["classes"])
    found = []
    for name in names:
        image = done.get(name)
        if image is None and name not in failed:
            image = state.load(run, name, classes)
        if image is not None:
            found.append(image)
    return found

"""Where the labels to be judged come from: a model, or files that are there already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.evaluation.datasets import Sample
from napari_itaclip.evaluation.state import file_digest
from napari_itaclip.evaluation.truth import LABEL_ENDINGS, read_labels

if TYPE_CHECKING:
    from napari_itaclip.formats.model import ReadableDataset
    from napari_itaclip.segmentation.segmenter import Segmenter
    from napari_itaclip.segmentation.settings import Preset
    from napari_itaclip.vocabulary.classes import Vocabulary

Labels = NDArray[np.integer[Any]]

_SUFFIXES = ("", "_labels", "_labelTrainIds", "_gtFine_labelTrainIds", "_gtFine_labelIds")


class Predictor(Protocol):
    """Gives the labels of an image."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What the labels depend on, beside the image, as JSON values."""

    def content(self, sample: Sample) -> Mapping[str, str]:
        """Return SHA-256 of what the labels of an image are made from, by what it is."""

    def labels(self, sample: Sample) -> Labels:
        """Return the class ids of an image ``(H, W)``."""


@dataclass(frozen=True)
class ModelLabels:
    """Labels from a model.

    Attributes
    ----------
    segmenter : Segmenter
        The model.
    vocabulary : Vocabulary
        The words; labels hold its ids.
    preset : Preset
        The settings.
    """

    segmenter: Segmenter
    vocabulary: Vocabulary
    preset: Preset

    @property
    def about(self) -> Mapping[str, Any]:
        """Model, precision, settings, words, and what to know about the model."""
        model = self.segmenter.model
        return {
            "labels": "model",
            "model": model.identity,
            "model_name": model.spec.name,
            "notice": model.spec.notice,
            "precision": str(model.dtype).removeprefix("torch."),
            "preset": self.preset.name,
            "settings": {
                "encode": asdict(self.preset.encode),
                "refine": asdict(self.preset.refine),
                "decide": asdict(self.preset.decide),
            },
            "vocabulary": self.vocabulary.to_dict(),
        }

    def content(self, sample: Sample) -> Mapping[str, str]:
        """Return the image's."""
        return {"image": file_digest(sample.image)}

    def labels(self, sample: Sample) -> Labels:
        """Run the model on an image.

        Raises
        ------
        ImageError
            If the image cannot be read.
        """
        from napari_itaclip.segmentation.image_files import read_image

        image = read_image(sample.image)
        return self.segmenter.segment(image, self.vocabulary, self.preset).labels


@dataclass(frozen=True)
class FileLabels:
    """Labels from files.

    Attributes
    ----------
    found : mapping of str to Path
        The file of each image, by its name.
    """

    found: Mapping[str, Path]

    @property
    def about(self) -> Mapping[str, Any]:
        """Only that the labels are files: their content is told apart image by image."""
        return {"labels": "files"}

    def content(self, sample: Sample) -> Mapping[str, str]:
        """Return the label file's."""
        return {"labels": file_digest(self.found[sample.name])}

    def labels(self, sample: Sample) -> Labels:
        """Read an image's label file.

        Raises
        ------
        ImageError
            If it cannot be read.
        """
        return read_labels(self.found[sample.name])


@dataclass(frozen=True)
class AnnotationLabels:
    """Labels from annotation files of any format that can be read.

    Attributes
    ----------
    dataset : ReadableDataset
        The annotations.
    found : mapping of str to str
        Name in the annotations of each image, by its name in the data set.
    """

    dataset: ReadableDataset
    found: Mapping[str, str]

    @property
    def about(self) -> Mapping[str, Any]:
        """Only that the labels are files, and of which format."""
        return {"labels": "files", "format": self.dataset.format}

    def content(self, sample: Sample) -> Mapping[str, str]:
        """Return that of the labels themselves: several images may lie in one file."""
        labels = self.labels(sample)
        digest = hashlib.sha256(repr(labels.shape).encode())
        digest.update(np.ascontiguousarray(labels, "<i8").tobytes())
        return {"labels": digest.hexdigest()}

    def labels(self, sample: Sample) -> Labels:
        """Read an image's labels.

        Raises
        ------
        FormatError
            If they cannot be read.
        """
        found = self.dataset.load(self.found[sample.name])
        return np.where(found.unlabelled, -1, found.labels.astype(np.int64))


def read_annotations(path: Path, format_name: str | None = None) -> ReadableDataset:
    """Open annotation files.

    Parameters
    ----------
    path : Path
        A file or a folder.
    format_name : str or None
        Their format; None finds out.

    Raises
    ------
    FormatError
        If they cannot be read.
    """
    from napari_itaclip.formats.registry import get_format, guess_format

    chosen = guess_format(path) if format_name is None else get_format(format_name)
    if chosen.read is None:
        raise FormatError(f"the format {chosen.name} can be written, but not read")
    opened: ReadableDataset = chosen.read(path)
    return opened


def has_own_classes(path: Path) -> bool:
    """Say whether labels come with a list of their classes, by which their ids are known."""
    from napari_itaclip.formats.parts.class_tables import TABLE_NAMES
    from napari_itaclip.formats.registry import written_here

    if path.is_file():
        return True
    return bool(written_here(path)) or any((path / name).is_file() for name in TABLE_NAMES)


def annotation_classes(dataset: ReadableDataset) -> Vocabulary:
    """Return the classes of annotations as words, to be matched with those of a data set."""
    from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

    return Vocabulary(
        [
            ClassPrompt(one.name, id=one.id, background=one.background and one.id == 0)
            for one in dataset.classes
        ]
    )


def find_annotations(dataset: ReadableDataset, samples: tuple[Sample, ...]) -> AnnotationLabels:
    """Find the annotation of every image: by its name, or the last part of it.

    Raises
    ------
    FormatError
        If one is missing.
    """
    names = set(dataset.names)
    last: dict[str, list[str]] = {}
    for name in dataset.names:
        last.setdefault(name.rpartition("/")[2], []).append(name)
    found: dict[str, str] = {}
    for sample in samples:
        same = last.get(sample.name.rpartition("/")[2], [])
        if sample.name in names:
            found[sample.name] = sample.name
        elif len(same) == 1:
            found[sample.name] = same[0]
        else:
            raise FormatError(
                f"the annotations ({dataset.format}) have no image {sample.name!r}; they have "
                f"{len(names)} images, such as {', '.join(map(repr, dataset.names[:3]))}"
            )
    return AnnotationLabels(dataset, found)


def find_label_files(folder: Path, samples: tuple[Sample, ...]) -> FileLabels:
    """Find the label file of every image in a folder.

    Parameters
    ----------
    folder : Path
        Where the label images lie: named like the images, also with ``_labels`` at the end; in
        folders like theirs, or all in one.
    samples : tuple of Sample
        The images.

    Raises
    ------
    FormatError
        If the folder is not there, or the labels of an image are missing or ambiguous.
    """
    if not folder.is_dir():
        raise FormatError(f"there is no folder {folder} with labels")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in LABEL_ENDINGS and not path.name.startswith("."):
            files.setdefault(path.stem, []).append(path)
    found: dict[str, Path] = {}
    missing: list[str] = []
    for sample in samples:
        own = _file_of(sample.name, folder, files)
        if own is None:
            missing.append(sample.name)
        else:
            found[sample.name] = own
    if missing:
        raise FormatError(
            f"{folder} lacks the labels of {len(missing)} of {len(samples)} images, first "
            f"{missing[0]!r}; they are looked for as {missing[0]}.png, {missing[0]}_labels.png or "
            f"TIFF"
        )
    return FileLabels(found)


def _file_of(name: str, folder: Path, files: Mapping[str, list[Path]]) -> Path | None:
    """Return the label file of one image: in its own folder if possible."""
    *parents, stem = name.split("/")
    for suffix in _SUFFIXES:
        paths = files.get(f"{stem}{suffix}", [])
        own = [path for path in paths if path.parent == folder.joinpath(*parents)]
        if len(own or paths) > 1:
            raise FormatError(
                f"the labels of {name!r} could be {paths[0]} or {paths[1]}: keep one of them"
            )
        if paths:
            return (own or paths)[0]
    return None

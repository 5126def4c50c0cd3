"""Labels into annotation files, and annotation files into labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.files import write_atomically
from napari_itaclip.formats.dataset import DatasetWriter, ExportReport, Replace
from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    ReadableDataset,
    classes_of,
    labelled,
)
from napari_itaclip.formats.parts.layer_tables import labelled_layer, plane_of
from napari_itaclip.formats.registry import get_format, guess_format
from napari_itaclip.formats.report import summed_losses
from napari_itaclip.vocabulary.classes import Vocabulary

__all__ = [
    "as_classes",
    "as_labelled_image",
    "export_labels",
    "import_labels",
    "one_file",
    "parse_target",
]


def export_labels(
    labels: Any,
    path: str | os.PathLike[str],
    format: str | Format,
    *,
    classes: Any = None,
    image: NDArray[np.uint8] | None = None,
    name: str | None = None,
    options: ExportOptions | None = None,
    replace: Replace = False,
) -> ExportReport:
    """Write one image's labels into annotation files.

    Parameters
    ----------
    labels
        A `Segmentation`, a `LabelledImage`, a labels layer of napari, or class ids ``(H, W)``
        together with ``classes``.
    path
        The data set's folder, which is made or extended; or, for formats that can hold one image
        in one file, a file with an ending of theirs.
    format
        A format's name (`registry.format_names`) or a `Format`.
    classes
        The classes: a `Vocabulary`, a sequence of `LabelClass`, or anything that
        `Vocabulary.parse` takes. None takes those of ``labels``.
    image
        The picture ``(H, W, 3)``, for formats that carry it along.
    name
        What the image is called; None takes the layer's name, or the file's.
    options
        The choices that formats leave to a person.
    replace
        What may happen to files of the same image in the data set, see `dataset.Replace`. A file
        named by ``path`` is always replaced.

    Returns
    -------
    ExportReport
        What the data set now holds, and what the format could not hold.

    Raises
    ------
    FormatError
        If the format cannot hold the labels at all, or the classes are not known.
    OutputError
        If something is there that must not be overwritten, or a file cannot be written.
    MissingExtraError
        If the format needs an extra of the package that is not installed.
    """
    kind = format if isinstance(format, Format) else get_format(format)
    target = Path(path)
    single = target.suffix.lower() in kind.suffixes and not target.is_dir()
    called = name or str(getattr(labels, "name", "") or "") or (target.stem if single else "image")
    item = as_labelled_image(labels, called, classes=classes, image=image)
    chosen = options or ExportOptions()
    if single:
        content, losses = one_file(kind, item, target.suffix.lower(), chosen)
        write_atomically(target, content)
        return ExportReport(1, 1, losses, (target.name,))
    about = {"made_by": item.made_by} if item.made_by else {}
    writer = DatasetWriter(target, kind, item.classes, chosen, about=about)
    writer.add(item, replace=replace)
    return writer.finish()


def import_labels(
    path: str | os.PathLike[str], format: str | Format | None = None, classes: Any = None
) -> ReadableDataset:
    """Find annotations in a file or folder.

    Parameters
    ----------
    path
        The file or folder.
    format
        The format or its name; None finds it out.
    classes
        The classes, for files that do not name them, see `export_labels`.

    Returns
    -------
    ReadableDataset
        The classes and the images' names; its ``load`` reads the labels of a name.

    Raises
    ------
    FormatError
        If there are no annotations, or they cannot be read.
    """
    place = Path(path)
    if not place.exists():
        raise FormatError(f"there is no file or folder {place}")
    kind = guess_format(place) if format is None else format
    kind = kind if isinstance(kind, Format) else get_format(kind)
    if kind.read is None:
        raise FormatError(f"{kind.title} can only be written, not read")
    given = None if classes is None else as_classes(classes)
    try:
        return kind.read(place, classes=given)
    except RecursionError:
        raise FormatError(f"{place} is nested too deeply to be read") from None


def as_classes(classes: Any) -> tuple[LabelClass, ...]:
    """Return classes as annotation files know them.

    Parameters
    ----------
    classes
        A sequence of `LabelClass`, a `Vocabulary`, or what `Vocabulary.parse` takes: text such as
        ``"road; car"``, the path of a file with classes, a list of names.
    """
    listed = isinstance(classes, Sequence) and not isinstance(classes, str) and len(classes) > 0
    if listed and all(isinstance(one, LabelClass) for one in classes):
        return tuple(classes)
    return classes_of(Vocabulary.parse(classes))


def as_labelled_image(
    labels: Any,
    name: str,
    *,
    classes: Any = None,
    image: NDArray[np.uint8] | None = None,
) -> LabelledImage:
    """Return whatever holds labels as a labelled image; see `export_labels`.

    Raises
    ------
    FormatError
        If the labels are no plane of whole numbers, or there are no classes.
    """
    given = None if classes is None else as_classes(classes)
    if isinstance(labels, LabelledImage):
        item = changed(labels, name=name)
    elif hasattr(labels, "labels") and hasattr(labels, "vocabulary"):
        item = labelled(labels, name)
    elif hasattr(labels, "data") and hasattr(labels, "features"):
        attributes = {
            key: getattr(labels, key, None) for key in ("features", "colormap", "metadata")
        }
        item = labelled_layer(labels.data, attributes, name, given)
    elif given is None:
        raise FormatError("the labels alone do not say what their values mean: give the classes")
    else:
        item = LabelledImage(name, plane_of(labels, name), given)
    if given is not None:
        item = changed(item, classes=given)
    return item if image is None else changed(item, image=np.asarray(image))


def one_file(
    format: Format, item: LabelledImage, suffix: str, options: ExportOptions
) -> tuple[bytes, tuple[Any, ...]]:
    """Return one image's annotations as the content of one file, and what it cannot hold.

    Raises
    ------
    FormatError
        If the format needs several files for an image.
    """
    if format.render is None:
        raise FormatError(f"{format.title} can only be read; choose another format")
    alone = changed(options, images=False)
    held = changed(item, instances=None) if format.geometry == "pixels" else item
    rendered = format.render(held, alone)
    files: dict[str, bytes] = dict(rendered.files)
    if format.assemble is not None and not _ending(files, suffix):
        about = {"made_by": item.made_by} if item.made_by else {}
        files |= format.assemble({item.name: rendered.record}, item.classes, alone, about)
    found = _ending(files, suffix)
    if not found:
        raise FormatError(f"{format.title} needs a folder, not a file {suffix}")
    return files[found[0]], summed_losses(rendered.losses)


def parse_target(text: str) -> tuple[Format, Path]:
    """Return the format and the folder in ``FORMAT:FOLDER``, such as ``voc:out``.

    Raises
    ------
    FormatError
        If it is not written so, or there is no such format.
    """
    name, colon, folder = text.partition(":")
    if not colon or not name.strip() or not folder.strip():
        raise FormatError(f"say where to write as FORMAT:FOLDER, such as 'voc:out', not {text!r}")
    return get_format(name), Path(folder)


def _ending(files: Mapping[str, bytes], suffix: str) -> list[str]:
    """Return the files with an ending."""
    return [path for path in files if path.lower().endswith(suffix)]

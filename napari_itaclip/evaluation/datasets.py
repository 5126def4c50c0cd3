"""Data sets with ground truth: which images there are, and what their masks mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_itaclip.errors import FormatError
from napari_itaclip.evaluation.benchmarks import Benchmark, Layout
from napari_itaclip.evaluation.truth import Coding
from napari_itaclip.evaluation.words import TruthClass
from napari_itaclip.vocabulary.classes import Vocabulary

_MAX_LISTING_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """An image and its truth.

    Attributes
    ----------
    name : str
        Relative path without ending, with ``/``.
    image, mask : Path
        The files.
    """

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class DataSet:
    """Images with ground truth.

    Attributes
    ----------
    name, title : str
        A short name, and one for people.
    classes : tuple of TruthClass
        The classes; those of the truth are positions in this tuple.
    coding : Coding
        What the values in the masks mean.
    samples : tuple of Sample
        In the order of their names.
    vocabulary : Vocabulary
        The words that go with it.
    notes : tuple of str
        What a person should know.
    """

    name: str
    title: str
    classes: tuple[TruthClass, ...]
    coding: Coding
    samples: tuple[Sample, ...]
    vocabulary: Vocabulary
    notes: tuple[str, ...] = ()


def find_benchmark(benchmark: Benchmark, folder: Path) -> DataSet:
    """Find a benchmark's images and masks.

    Parameters
    ----------
    benchmark : Benchmark
        Which one.
    folder : Path
        The data set's own folder, or one that holds it under its usual name.

    Returns
    -------
    DataSet
        All images of the validation set.

    Raises
    ------
    FormatError
        If they are not there, or masks are missing. The message tells which folders and files are
        expected and where the data can be had.
    """
    candidates = (folder, *(folder / name for name in benchmark.folders))
    for root in candidates:
        for layout in benchmark.layouts:
            if has_layout(layout, root):
                return _with_samples(benchmark, layout, root)
    raise FormatError(_not_found(benchmark, folder))


def has_layout(layout: Layout, root: Path) -> bool:
    """Say whether a folder has a data set's folders, its list and at least one mask."""
    if not (root / layout.images).is_dir() or not (root / layout.masks).is_dir():
        return False
    if layout.listing is not None and not (root / layout.listing).is_file():
        return False
    return any(_is_mask(path, layout) for path in (root / layout.masks).rglob("*"))


def _is_mask(path: Path, layout: Layout) -> bool:
    """Say whether a file is a mask of this layout and not of one with a longer ending."""
    if not path.name.endswith(layout.mask_ending):
        return False
    return layout.mask_ending != ".png" or not path.name.endswith("TrainIds.png")


def benchmark_classes(benchmark: Benchmark, vocabulary: Vocabulary) -> tuple[TruthClass, ...]:
    """Return a benchmark's classes; a background is called so, whatever its first word."""
    return tuple(
        TruthClass(
            prompt.id or 0, "background" if prompt.background else prompt.name, prompt.background
        )
        for prompt in vocabulary
    )


def _with_samples(benchmark: Benchmark, layout: Layout, root: Path) -> DataSet:
    """Return the data set in a folder that has the layout."""
    names = _names(layout, root)
    samples = tuple(
        Sample(
            name,
            root / layout.images / f"{name}{layout.image_ending}",
            root / layout.masks / f"{name}{layout.mask_ending}",
        )
        for name in names
    )
    missing = [path for one in samples for path in (one.image, one.mask) if not path.is_file()]
    if not samples or missing:
        what = f"{len(missing)} files are missing, first {missing[0]}" if missing else "no images"
        raise FormatError(f"{benchmark.title} in {root}: {what}. {expected(benchmark)}")
    notes = []
    if len(samples) != benchmark.images:
        notes.append(f"{len(samples)} images; the published numbers are about {benchmark.images}.")
    vocabulary = benchmark.vocabulary()
    return DataSet(
        name=benchmark.name,
        title=benchmark.title,
        classes=benchmark_classes(benchmark, vocabulary),
        coding=layout.values,
        samples=samples,
        vocabulary=vocabulary,
        notes=tuple(notes),
    )


def _names(layout: Layout, root: Path) -> list[str]:
    """Return the names of the images, in order, each once."""
    if layout.listing is None:
        folder = root / layout.images
        return sorted(
            path.relative_to(folder).as_posix().removesuffix(layout.image_ending)
            for path in folder.rglob(f"*{layout.image_ending}")
        )
    path = root / layout.listing
    if path.stat().st_size > _MAX_LISTING_BYTES:
        raise FormatError(f"{path} is too large for a list of images")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot read the list of images {path}: {error}") from error
    names = sorted({line.strip() for line in lines if line.strip()})
    for name in names:
        check_inside(name, path)
    return names


def check_inside(name: str, source: Path) -> None:
    """Check that a name from a file stays in its folder.

    Raises
    ------
    FormatError
        If it is absolute or goes up.
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if (
        posix.is_absolute()
        or windows.drive
        or windows.root
        or ".." in (*posix.parts, *windows.parts)
        or "\0" in name
    ):
        raise FormatError(f"{source} names {name!r}, which lies outside of the data set's folder")


def expected(benchmark: Benchmark) -> str:
    """Return one text about a benchmark's files: where they lie, and where they can be had."""
    files = dict.fromkeys(
        f"{one.images}/*{one.image_ending} and {one.masks}/*{one.mask_ending}"
        + (f", listed in {one.listing}" if one.listing else "")
        for one in benchmark.layouts
    )
    return f"Expected: {'; or '.join(files)}. The data: {benchmark.source}."


def _not_found(benchmark: Benchmark, folder: Path) -> str:
    """Return the message for a benchmark that is not in a folder."""
    if not folder.is_dir():
        return (
            f"there is no folder {folder}; name the one with {benchmark.title} with --data. "
            f"{expected(benchmark)}"
        )
    others = _in_words(f"{folder.name or folder}/{name}" for name in benchmark.folders)
    return (
        f"{folder} does not hold {benchmark.title} (also looked in {others}). {expected(benchmark)}"
    )


def _in_words(names: Iterable[str]) -> str:
    return ", ".join(names)

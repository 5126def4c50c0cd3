"""Any folder of images, masks and a list of classes as a data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_itaclip.errors import FormatError
from napari_itaclip.evaluation.benchmarks import BENCHMARKS
from napari_itaclip.evaluation.datasets import DataSet, Sample, has_layout
from napari_itaclip.evaluation.truth import LABEL_ENDINGS, Coding
from napari_itaclip.evaluation.words import TruthClass
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Endings of files that are taken for images."""

CLASS_FILES = ("classes.json", "classes.txt", "vocabulary.yaml", "vocabulary.yml")
"""Names of the list of classes, in the order in which they are looked for."""

VOID = 255
"""The value that is ignored unless the list of classes says otherwise."""

_OWN_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class ClassList:
    """What a list of classes says.

    Attributes
    ----------
    classes : tuple of TruthClass
        Ids are the values in the masks.
    ignored : frozenset of int
        Values to leave out.
    vocabulary : Vocabulary or None
        The words, where the file holds more than names.
    """

    classes: tuple[TruthClass, ...]
    ignored: frozenset[int]
    vocabulary: Vocabulary | None = None


def find_folder(folder: Path, ignore: Iterable[int] = ()) -> DataSet:
    """Return the data set in a folder of images, masks and a list of classes.

    Parameters
    ----------
    folder : Path
        With ``images/``, ``masks/`` (equal names, folders in them are fine) and one of
        `CLASS_FILES`.
    ignore : iterable of int
        Further values of pixels to leave out.

    Raises
    ------
    FormatError
        If something is missing or ambiguous.
    """
    images, masks = folder / "images", folder / "masks"
    if not images.is_dir() or not masks.is_dir():
        raise FormatError(_not_found(folder))
    found = read_class_list(folder)
    by_name = _by_name(images, IMAGE_ENDINGS)
    truth = _by_name(masks, LABEL_ENDINGS)
    names = sorted(by_name.keys() & truth.keys())
    if not names:
        raise FormatError(
            f"no image in {images} has a mask of the same name in {masks} "
            f"({len(by_name)} images, {len(truth)} masks)"
        )
    notes = []
    if len(names) < len(by_name):
        notes.append(f"{len(by_name) - len(names)} images have no mask and are left out.")
    if len(names) < len(truth):
        notes.append(f"{len(truth) - len(names)} masks have no image and are left out.")
    ignored = found.ignored | frozenset(ignore)
    classes = tuple(one for one in found.classes if one.id not in ignored)
    if not classes:
        raise FormatError(f"all classes of {folder} are ignored")
    return DataSet(
        name=folder.resolve().name,
        title=folder.resolve().name,
        classes=classes,
        coding=Coding({one.id: at for at, one in enumerate(classes)}, ignored),
        samples=tuple(Sample(name, by_name[name], truth[name]) for name in names),
        vocabulary=found.vocabulary or _own_words(folder) or _plain_words(classes),
        notes=tuple(notes),
    )


def read_class_list(folder: Path) -> ClassList:
    """Return what the list of classes in a folder says.

    Raises
    ------
    FormatError
        If there is none, or it cannot be read.
    """
    for name in CLASS_FILES:
        path = folder / name
        if path.is_file():
            return _from_vocabulary(path) if path.suffix in _OWN_ENDINGS else _from_table(path)
    raise FormatError(
        f"{folder} has no list of classes: put one of {', '.join(CLASS_FILES)} there, for example "
        'classes.json with {"classes": {"0": "road", "1": "tree"}, "ignore": 255}'
    )


def _from_vocabulary(path: Path) -> ClassList:
    """Take a vocabulary's classes with their ids; 0 is unlabelled unless it is one of them."""
    vocabulary = Vocabulary.from_yaml(path)
    classes = tuple(
        TruthClass(id_, prompt.name, prompt.background)
        for id_, prompt in zip(vocabulary.ids, vocabulary, strict=True)
    )
    return ClassList(classes, frozenset({0, VOID}.difference(vocabulary.ids)), vocabulary)


def _from_table(path: Path) -> ClassList:
    """Read JSON or text; a class is known by its value in the masks."""
    from napari_itaclip.formats.parts.class_tables import read_table

    table = read_table(path)
    classes = sorted(
        (TruthClass(table.value_by_id[one.id], one.name, one.background) for one in table.classes),
        key=lambda one: one.id,
    )
    nothing = table.unlabelled or frozenset({VOID})
    return ClassList(tuple(classes), nothing.difference(one.id for one in classes))


def _own_words(folder: Path) -> Vocabulary | None:
    """Return the words that lie beside a list of names, if there are any."""
    paths = (folder / name for name in CLASS_FILES if name.endswith(_OWN_ENDINGS))
    return next((Vocabulary.from_yaml(path) for path in paths if path.is_file()), None)


def _plain_words(classes: Iterable[TruthClass]) -> Vocabulary:
    """Return the classes' names as words."""
    return Vocabulary(
        [
            ClassPrompt(one.name, id=one.id, background=one.background and one.id == 0)
            for one in classes
        ]
    )


def _by_name(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Return the files below a folder by their relative path without ending."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in endings or path.name.startswith(".") or not path.is_file():
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise FormatError(
                f"{found[name]} and {path} have the same name; only one of them can be evaluated"
            )
        found[name] = path
    return found


def _not_found(folder: Path) -> str:
    """Return the message for a folder that is no data set."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    wanted = "images/, masks/ and classes.json (or classes.txt, vocabulary.yaml)"
    for benchmark in BENCHMARKS.values():
        if any(has_layout(layout, folder) for layout in benchmark.layouts):
            return (
                f"{folder} is no folder with {wanted}, but it looks like {benchmark.title}: "
                f"napari-itaclip evaluate {benchmark.name} --data {folder}"
            )
    return f"{folder} must hold {wanted}; masks have the names of their images"

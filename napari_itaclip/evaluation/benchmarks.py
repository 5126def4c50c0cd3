"""The published benchmarks as data: their folders, files, values, words and settings.

Classes are those of the pack, and a class's position is its place in the pack. Values in mask files
are given as ranges, so that each table can be checked by eye against its data set's documentation.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_itaclip.errors import SettingsError
from napari_itaclip.evaluation.truth import Coding
from napari_itaclip.vocabulary.classes import Vocabulary

__all__ = ["BENCHMARKS", "Benchmark", "Layout", "get_benchmark"]


@dataclass(frozen=True)
class Layout:
    """One way in which a data set lies in its folder.

    Attributes
    ----------
    images, masks : str
        Folders, relative to the data set's.
    image_ending, mask_ending : str
        What follows an image's name in file names, ``".jpg"`` or ``"_leftImg8bit.png"``. The name
        may hold folders.
    values : Coding
        What the values in the masks mean.
    listing : str or None
        A file with the names of the images, one in a line; None: all images in the folder.
    """

    images: str
    masks: str
    image_ending: str
    mask_ending: str
    values: Coding
    listing: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """A published benchmark.

    Attributes
    ----------
    name : str
        What a person types.
    title : str
        For people.
    pack : str
        The vocabulary pack with its words.
    preset : str
        The preset with its settings.
    background : bool
        Whether the background of the pack takes part.
    folders : tuple of str
        Where the data set may lie below the folder that a person names, beside that folder itself.
    layouts : tuple of Layout
        Tried in this order.
    images : int
        How many images the published numbers are about.
    source : str
        Where the data can be had, and what has to be done with it.
    """

    name: str
    title: str
    pack: str
    preset: str
    background: bool
    folders: tuple[str, ...]
    layouts: tuple[Layout, ...]
    images: int
    source: str

    def vocabulary(self) -> Vocabulary:
        """Return the published words, without the background if it takes no part."""
        from napari_itaclip.vocabulary.packs import load_pack

        pack = load_pack(self.pack)
        if self.background or pack.background is None:
            return pack
        return pack.remove(pack.background.name)


def _run(first: int, last: int, to: int) -> dict[int, int]:
    """Map the values ``first`` … ``last`` to positions from ``to`` on."""
    return {value: to + value - first for value in range(first, last + 1)}


def _numbered(values: Iterable[int]) -> dict[int, int]:
    """Map values to 0, 1, 2, … in their order."""
    return {value: position for position, value in enumerate(values)}


def _coding(positions: Mapping[int, int], *ignored: int) -> Coding:
    return Coding(MappingProxyType(dict(positions)), frozenset(ignored))


# COCO-Stuff's files hold the category's number less one; eleven numbers belong to no category.
_COCO_GAPS = frozenset({11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90})
_COCO_RAW = [value for value in range(182) if value not in _COCO_GAPS]
_OBJECTS = 80

# The 19 classes that Cityscapes evaluates, by their number among all of its labels.
_CITYSCAPES = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_CITYSCAPES_LABELS = range(34)


def _voc(values: Coding) -> tuple[Layout, ...]:
    return (
        Layout(
            "JPEGImages", "SegmentationClass", ".jpg", ".png", values,
            "ImageSets/Segmentation/val.txt",
        ),
    )  # fmt: skip


def _context(values: Coding) -> tuple[Layout, ...]:
    return (
        Layout(
            "JPEGImages", "SegmentationClassContext", ".jpg", ".png", values,
            "ImageSets/SegmentationContext/val.txt",
        ),
    )  # fmt: skip


def _coco(ending: str, values: Coding) -> tuple[Layout, ...]:
    """Return the layouts of COCO: with the folders as they are unpacked, or as mmsegmentation's."""
    return tuple(
        Layout(images, masks, ".jpg", ending, values)
        for images, masks in (
            ("images/val2017", "annotations/val2017"),
            ("val2017", "stuffthingmaps/val2017"),
        )
    )


def _cityscapes(ending: str, values: Coding) -> Layout:
    return Layout("leftImg8bit/val", "gtFine/val", "_leftImg8bit.png", ending, values)


_OBJECT_OF_RAW = {
    value: position + 1 if position < _OBJECTS else 0 for position, value in enumerate(_COCO_RAW)
}
_OBJECT_OF_TRAIN = {
    position: position + 1 if position < _OBJECTS else 0 for position in range(len(_COCO_RAW))
}

_VOC_SOURCE = (
    "VOCtrainval_11-May-2012.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2012/; unpacked it "
    "is the folder VOCdevkit/VOC2012"
)
_CONTEXT_SOURCE = (
    "VOCtrainval_03-May-2010.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2010/ and "
    "trainval_merged.json from https://cs.stanford.edu/~roozbeh/pascal-context/; mmsegmentation's "
    "tools/dataset_converters/pascal_context.py makes the folder SegmentationClassContext and "
    "ImageSets/SegmentationContext/val.txt"
)
_COCO_SOURCE = (
    "val2017.zip from https://cocodataset.org/#download, unpacked into images/, and "
    "stuffthingmaps_trainval2017.zip from https://github.com/nightrome/cocostuff, unpacked into "
    "annotations/"
)
_CITYSCAPES_SOURCE = (
    "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from "
    "https://www.cityscapes-dataset.com (after registration), unpacked into one folder"
)
_ADE_SOURCE = (
    "ADEChallengeData2016.zip from http://sceneparsing.csail.mit.edu (data.csail.mit.edu/places/"
    "ADEchallenge/ADEChallengeData2016.zip)"
)
_VOC_FOLDERS = ("VOC2012", "VOCdevkit/VOC2012")
_CONTEXT_FOLDERS = ("VOC2010", "VOCdevkit/VOC2010")
_COCO_FOLDERS = ("coco_stuff164k", "coco_object", "coco")

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        benchmark.name: benchmark
        for benchmark in (
            Benchmark(
                "voc21", "Pascal VOC 2012 with background (21 classes)", "voc21", "voc21", True,
                _VOC_FOLDERS, _voc(_coding(_run(0, 20, 0), 255)), 1449, _VOC_SOURCE,
            ),
            Benchmark(
                "voc20", "Pascal VOC 2012 without background (20 classes)", "voc21", "voc20", False,
                _VOC_FOLDERS, _voc(_coding(_run(1, 20, 0), 0, 255)), 1449, _VOC_SOURCE,
            ),
            Benchmark(
                "context60", "Pascal Context with background (60 classes)",
                "context60", "context60", True, _CONTEXT_FOLDERS,
                _context(_coding(_run(0, 59, 0), 255)), 5104, _CONTEXT_SOURCE,
            ),
            Benchmark(
                "context59", "Pascal Context without background (59 classes)",
                "context60", "context59", False, _CONTEXT_FOLDERS,
                _context(_coding(_run(1, 59, 0), 0, 255)), 5104, _CONTEXT_SOURCE,
            ),
            Benchmark(
                "coco_object", "COCO-Object (80 classes and background)",
                "coco_object", "coco_object", True, _COCO_FOLDERS,
                (
                    *_coco("_instanceTrainIds.png", _coding(_run(0, 80, 0), 255)),
                    # The conversion in use makes everything else background, unlabelled as well.
                    *_coco("_labelTrainIds.png", _coding({**_OBJECT_OF_TRAIN, 255: 0})),
                    *_coco(".png", _coding({**_OBJECT_OF_RAW, 255: 0})),
                ),
                5000, _COCO_SOURCE,
            ),
            Benchmark(
                "coco_stuff", "COCO-Stuff 164k (171 classes)", "coco_stuff", "coco_stuff", False,
                _COCO_FOLDERS,
                (
                    *_coco("_labelTrainIds.png", _coding(_run(0, 170, 0), 255)),
                    *_coco(".png", _coding(_numbered(_COCO_RAW), 255)),
                ),
                5000, _COCO_SOURCE,
            ),
            Benchmark(
                "cityscapes", "Cityscapes (19 classes)", "cityscapes", "cityscapes", False,
                ("cityscapes",),
                (
                    _cityscapes("_gtFine_labelTrainIds.png", _coding(_run(0, 18, 0), 255)),
                    _cityscapes(
                        "_gtFine_labelIds.png",
                        _coding(
                            _numbered(_CITYSCAPES),
                            *(value for value in _CITYSCAPES_LABELS if value not in _CITYSCAPES),
                            255,
                        ),
                    ),
                ),
                500, _CITYSCAPES_SOURCE,
            ),
            Benchmark(
                "ade20k", "ADE20K (150 classes)", "ade20k", "ade20k", False,
                ("ADEChallengeData2016", "ade/ADEChallengeData2016"),
                (
                    Layout(
                        "images/validation", "annotations/validation", ".jpg", ".png",
                        _coding(_run(1, 150, 0), 0, 255),
                    ),
                ),
                2000, _ADE_SOURCE,
            ),
        )
    }
)  # fmt: skip
"""The benchmarks by name."""


def get_benchmark(name: str) -> Benchmark:
    """Return the benchmark of that name; ``-`` and upper case are read as ``_`` and lower case.

    Raises
    ------
    SettingsError
        If there is none.
    """
    key = name.lower().replace("-", "_")
    if key in BENCHMARKS:
        return BENCHMARKS[key]
    near = difflib.get_close_matches(key, BENCHMARKS, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SettingsError(
        f"{name!r} is neither a folder nor a benchmark; {hint}The benchmarks are "
        f"{', '.join(BENCHMARKS)}; a folder of one's own holds images/, masks/ and classes.json"
    )

"""Data sets that this package wrote, read by other people's libraries.

The libraries (datumaro, supervision, OpenCV, pycocotools, Label Studio's converter) live in an
environment of their own, ``.venv-readers`` beside ``.venv``, or the one whose Python
ITACLIP_READERS_PYTHON names: they ask for older versions of what napari's environment has. Without
it these tests skip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import ExportOptions, LabelledImage
from napari_itaclip.formats.reading.voc import VOID_NAME
from napari_itaclip.formats.registry import FORMATS
from tests.formats.difficult import (
    UNLABELLED,
    difficult_image,
    kinds,
    lost,
    many_classes_image,
    named,
    opened,
    pixels_lost,
    touching_image,
    write,
)
from tests.formats.shared_truth import shared_names, shared_sets

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("other_readers.py")

READS = {
    "voc": ("datumaro",),
    "coco": ("pycocotools", "datumaro"),
    "coco-instances": ("pycocotools", "datumaro", "supervision"),
    "coco-polygons": ("pycocotools", "datumaro", "supervision"),
    "coco-panoptic": ("datumaro",),
    "yolo": ("supervision", "opencv"),
    "labelme": ("supervision", "opencv"),
    "cvat": ("datumaro",),
    "label-studio": ("label_studio_converter",),
}
"""Which libraries read a format's labels."""

KEEPS_BACKGROUND = ("voc", "coco-panoptic")
"""Formats in which the background is a class like others."""

HOLDS_AT_MOST = {"voc": 254}
"""Classes."""

DRAWS_EDGES = (("coco-polygons", "supervision"),)
"""Libraries that round corners to whole pixels and colour an outline's own pixels as well."""

OPTIONS = {"labelme": ExportOptions(tolerance=0.01)}
"""supervision reads LabelMe's polygons, which a tolerance asks for, but not its masks."""

CROP = 160
"""Side in pixels of the part of each real image that is used."""


@dataclass(frozen=True)
class Case:
    """A data set: its images, and which classes they share."""

    name: str
    items: tuple[LabelledImage, ...]


def readers_python() -> Path | None:
    """Return the Python that has the other libraries."""
    given = os.environ.get("ITACLIP_READERS_PYTHON")
    if given:
        return Path(given)
    folder = ROOT / ".venv-readers"
    scripts = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    return folder / scripts if (folder / ".ready").is_file() else None


@lru_cache
def cases() -> Mapping[str, Case]:
    """Return all data sets: some made to be difficult, and parts of the shared ones' images."""
    found = []
    for item in (difficult_image("one"), touching_image(), many_classes_image()):
        picture = np.full((*item.shape, 3), 127, np.uint8)
        found.append(Case(item.name, (replace(item, image=picture),)))
    found += [Case(one.name, one.items) for one in shared_sets(2, CROP)]
    return {one.name: one for one in found}


def holds(format_: str, case: str) -> bool:
    """Tell whether a format holds a data set's classes."""
    return len(cases()[case].items[0].classes) <= HOLDS_AT_MOST.get(format_, 10**6)


def read_everything(python: Path, folder: Path) -> None:
    """Write all data sets in all formats, and have them read by one process."""
    jobs = []
    for format_, readers in READS.items():
        for name, case in cases().items():
            if not holds(format_, name):
                continue
            place = folder / format_ / name
            write(FORMATS[format_], case.items, place, OPTIONS.get(format_))
            jobs += [
                {
                    "reader": reader,
                    "format": format_,
                    "folder": str(place),
                    "out": str(folder / "out" / reader / format_ / name),
                }
                for reader in readers
            ]
    done = subprocess.run(
        [str(python), str(SCRIPT)],
        input=json.dumps(jobs).encode(),
        capture_output=True,
        timeout=240,
        check=False,
    )
    message = done.stderr.decode(errors="replace")[-2000:] if done.returncode else ""
    (folder / "done.txt").write_text(message, encoding="utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what the other libraries read; made once for all test processes."""
    python = readers_python()
    if python is None:
        pytest.skip("no .venv-readers (see CONTRIBUTING.md) and no ITACLIP_READERS_PYTHON")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "readers"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "done.txt").exists():
            read_everything(python, folder)
    message = (folder / "done.txt").read_text(encoding="utf-8")
    assert not message, message
    return folder / "out"


def seen(results: Path, reader: str, format_: str, case: str) -> dict[str, NDArray[np.object_]]:
    """Return the class names of the pixels of each image, as a library read them."""
    folder = results / reader / format_ / case
    error = folder / "error.txt"
    assert not error.exists(), error.read_text(encoding="utf-8")
    found = {}
    for file in folder.glob("*.npz"):
        with np.load(file) as content:
            about = json.loads(str(content["about"]))
            names = np.array([UNLABELLED, *about["classes"]], dtype=object)
            found[about["id"]] = names[content["labels"]]
    return found


def expected(item: LabelledImage, format_: str, reader: str) -> NDArray[np.object_]:
    """Return the class names of the pixels, without what the format has no place for."""
    names = named(item)
    if format_ == "voc":
        # Its list of names has one in each line; the writer says so ("names changed").
        names = np.frompyfunc(lambda name: " ".join(name.split()), 1, 1)(names)
        if item.instances is not None:  # then datumaro takes the objects alone
            names[item.instances == 0] = UNLABELLED
    if format_ == "yolo" and reader == "opencv":  # the files count classes, but for the background
        things = [one for one in item.classes if not one.background]
        names[:] = UNLABELLED
        for at, one in enumerate(things):
            names[item.mask(one.id)] = f"#{at}"
    if item.background is not None and format_ not in KEEPS_BACKGROUND:
        names[item.mask(item.background.id)] = UNLABELLED
    return names


def codes(names: NDArray[np.object_]) -> NDArray[np.intp]:
    """Return numbers in place of names."""
    return np.unique(names.astype(str), return_inverse=True)[1].reshape(names.shape)


def beside_borders(names: NDArray[np.object_], item: LabelledImage) -> NDArray[np.bool_]:
    """Return the pixels that touch a pixel of another class or another object."""
    layers = [codes(names), *([] if item.instances is None else [item.instances])]
    found = [maximum_filter(layer, 3) != minimum_filter(layer, 3) for layer in layers]
    beside: NDArray[np.bool_] = np.any(found, axis=0)
    return beside


CASES = ["one", "touching", "many", *shared_names()]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("format_", "reader"), [(name, reader) for name, all_ in READS.items() for reader in all_]
)
def test_other_libraries_read_the_same_pixels(
    results: Path, format_: str, reader: str, case: str
) -> None:
    if not holds(format_, case):
        pytest.skip(f"{format_} does not hold so many classes")
    found = seen(results, reader, format_, case)
    items = cases()[case].items
    assert sorted(found) == sorted(item.name for item in items)
    for item in items:
        wanted = expected(item, format_, reader)
        if format_ == "voc":
            found[item.name][found[item.name] == VOID_NAME] = UNLABELLED
        different = found[item.name] != wanted
        if (format_, reader) in DRAWS_EDGES:
            assert not (different & ~beside_borders(wanted, item)).any()
        else:
            assert not different.any()


@pytest.mark.parametrize("format_", list(FORMATS))
def test_the_losses_that_are_reported_are_those_that_happen(tmp_path: Path, format_: str) -> None:
    for case in cases().values():
        try:
            rendered = write(FORMATS[format_], case.items, tmp_path / case.name)
        except FormatError:
            assert len(case.items[0].classes) > 254
            continue
        found = opened(FORMATS[format_], tmp_path / case.name)
        items = sorted(case.items, key=lambda item: item.name)
        for item, name in zip(items, sorted(found.names), strict=True):
            renamed = "names changed" in kinds(rendered[item.name])
            if not renamed:
                assert pixels_lost(item, found.load(name)) == lost(rendered[item.name])

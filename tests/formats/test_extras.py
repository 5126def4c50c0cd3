"""Formats that need an extra of the package, and what they say without it."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_itaclip.errors import MissingExtraError
from napari_itaclip.formats.model import ExportOptions, Georeference, LabelledImage
from napari_itaclip.formats.registry import FORMATS
from tests.formats.difficult import opened, touching_image, write

BROUGHT_BY_EXTRAS = (
    "rasterio", "zarr", "ome_zarr", "shapely", "pycocotools", "dask", "distributed", "matplotlib",
    "sklearn", "cv2",
)  # fmt: skip
ONLY_WITH = {"geotiff": ("geo", "rasterio"), "ome-zarr": ("omezarr", "zarr")}
PLACE = Georeference((0.5, 0.0, 400_000.0, 0.0, -0.5, 5_000_000.0), "EPSG:32633")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing but what the package itself requires."""
    for name in [*sys.modules, *BROUGHT_BY_EXTRAS]:
        if name.partition(".")[0] in BROUGHT_BY_EXTRAS:
            monkeypatch.setitem(sys.modules, name, None)


def load_first(folder: Path, name: str) -> LabelledImage:
    """Read an image of a data set."""
    found = opened(FORMATS[name], folder)
    return found.load(found.names[0])


def check_message(error: MissingExtraError, extra: str, library: str) -> None:
    """Check that a message tells what is missing, and that the extra it names brings it."""
    found = re.search(r"needs (\w+); install it with: pip install 'napari-itaclip\[(\w+)\]'$",
                      str(error))  # fmt: skip
    assert found is not None, error
    assert found.groups() == (library, extra)
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [re.split(r"[\[<>=!~ ]", one)[0] for one in project["optional-dependencies"][extra]]
    assert library in named


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", [one for one in FORMATS if one not in ONLY_WITH])
def test_most_formats_need_no_extra(name: str, tmp_path: Path) -> None:
    item = replace(touching_image(), image=np.zeros((20, 30, 3), np.uint8))
    assert FORMATS[name].extra is None or name == "geojson"
    write(FORMATS[name], [item], tmp_path)
    found = opened(FORMATS[name], tmp_path)
    assert found.load(found.names[0]).shape == item.shape


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", ONLY_WITH)
def test_formats_that_need_an_extra_name_it(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    extra, library = ONLY_WITH[name]
    assert format_.extra == extra
    assert format_.render is not None
    with pytest.raises(MissingExtraError) as writing:
        format_.render(touching_image(), ExportOptions())
    check_message(writing.value, extra, library)


@pytest.mark.parametrize("name", ONLY_WITH)
def test_reading_names_the_extra_too(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip(ONLY_WITH[name][1])
    write(FORMATS[name], [touching_image()], tmp_path)
    request.getfixturevalue("bare")
    sniff = FORMATS[name].sniff
    assert sniff is not None
    assert sniff(tmp_path)
    with pytest.raises(MissingExtraError) as reading:
        load_first(tmp_path, name)
    check_message(reading.value, *ONLY_WITH[name])


@pytest.mark.usefixtures("bare")
def test_a_place_on_earth_needs_the_extra() -> None:
    render = FORMATS["geojson"].render
    assert render is not None
    with pytest.raises(MissingExtraError) as writing:
        render(replace(touching_image(), georeference=PLACE), ExportOptions())
    check_message(writing.value, "geo", "rasterio")

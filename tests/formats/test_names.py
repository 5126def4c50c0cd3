"""Names of images that cannot be names of files: kept, or said to be changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_itaclip.formats.registry import FORMATS
from tests.formats.difficult import kinds, opened, touching_image, write

KEEP_NAMES = ("coco", "coco-instances", "coco-polygons", "coco-panoptic", "labelme", "label-studio")


@pytest.mark.parametrize("name", ["day: 1?/field *3*", "../../up", "images/one", "plain/one.2"])
@pytest.mark.parametrize("format_", list(FORMATS))
def test_names_are_kept_or_said_to_be_changed(format_: str, name: str, tmp_path: Path) -> None:
    item = replace(touching_image(name), image=np.zeros((20, 30, 3), np.uint8))
    rendered = write(FORMATS[format_], [item], tmp_path)[name]
    (found,) = opened(FORMATS[format_], tmp_path).names
    assert ("names changed" in kinds(rendered)) == (found != name)
    if format_ in KEEP_NAMES:
        assert found == name

"""Reading masks, and what their values mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_itaclip.errors import ImageError
from napari_itaclip.evaluation.truth import Coding, positions_of, read_labels


def test_values_become_positions() -> None:
    coding = Coding({7: 0, 8: 1, 300: 2}, frozenset({0, 255}))
    values = np.array([[7, 8, 300], [0, 255, 7]], np.uint16)
    assert coding.decode(values, "m.png").tolist() == [[0, 1, 2], [-1, -1, 0]]


def test_values_that_nobody_announced_are_an_error() -> None:
    coding = Coding({0: 0}, frozenset({255}))
    with pytest.raises(ImageError, match=r"m\.png holds the values 1, 2, .*--ignore"):
        coding.decode(np.array([[0, 1], [2, 255]]), "m.png")


def test_class_ids_of_any_size_become_positions() -> None:
    labels = np.array([[0, 2**31 - 1], [5, 6]], np.int32)
    assert positions_of(labels, {2**31 - 1: 0, 5: 1}).tolist() == [[-1, 0], [1, -1]]


def test_files_of_many_kinds_give_their_values(tmp_path: Path) -> None:
    small = np.array([[0, 1], [2, 255]], np.uint8)
    large = np.array([[0, 1], [300, 65535]], np.uint16)
    palette = Image.fromarray(small).convert("P")
    palette.putdata(small.ravel().tolist())
    palette.putpalette([9, 8, 7] * 256)
    palette.save(tmp_path / "palette.png")
    Image.fromarray(small).save(tmp_path / "gray.png")
    Image.fromarray(small).save(tmp_path / "gray.bmp")
    Image.fromarray(large).save(tmp_path / "deep.png")
    Image.fromarray(small > 0).save(tmp_path / "bits.png")
    tifffile.imwrite(tmp_path / "deep.tif", large[None])
    for name in ("palette.png", "gray.png", "gray.bmp"):
        assert read_labels(tmp_path / name).tolist() == small.tolist(), name
    assert read_labels(tmp_path / "deep.png").tolist() == large.tolist()
    assert read_labels(tmp_path / "deep.tif").tolist() == large.tolist()
    assert read_labels(tmp_path / "bits.png").tolist() == [[0, 1], [1, 1]]


def test_colours_fractions_and_damage_are_errors(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2)).save(tmp_path / "colours.png")
    tifffile.imwrite(tmp_path / "fractions.tif", np.zeros((2, 2), np.float32))
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    for name, said in {
        "colours.png": "picture in colours",
        "fractions.tif": "fractions",
        "damaged.png": "cannot be read as a label image",
        "missing.png": "there is no file",
    }.items():
        with pytest.raises(ImageError, match=said) as caught:
            read_labels(tmp_path / name)
        assert name in str(caught.value)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "large.png")
    tifffile.imwrite(tmp_path / "large.tif", np.zeros((20, 20), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name in ("large.png", "large.tif"):
        with pytest.raises(ImageError, match=name):
            read_labels(tmp_path / name)

"""Label images on disk: read whatever their size is, if it is the one that is known."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_itaclip.batch._stored import count_classes, gray_png, mask_png, read_png
from napari_itaclip.errors import FormatError


def test_no_limit_but_the_known_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40) % 250
    path = tmp_path / "labels.png"
    path.write_bytes(gray_png(values.astype(np.uint8)))
    # Pillow refuses pictures of twice as many pixels as this, to open them at all.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    np.testing.assert_array_equal(read_png(path, (30, 40)), values)
    path.write_bytes(mask_png(values > 100))
    np.testing.assert_array_equal(read_png(path, (30, 40)), values > 100)


def test_a_picture_of_another_size_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.png"
    path.write_bytes(gray_png(np.zeros((300, 400), np.uint8)))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(FormatError, match="400×300"):
        read_png(path, (30, 40))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_coloured_picture_is_refused(tmp_path: Path, mode: str) -> None:
    path, buffer = tmp_path / "labels.png", io.BytesIO()
    Image.new(mode, (4, 3)).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    with pytest.raises(FormatError, match="coloured picture"):
        read_png(path, (3, 4))


@pytest.mark.parametrize("kept", [0, 7, 20, 40])
def test_a_damaged_file_is_told(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "labels.png"
    path.write_bytes(gray_png(np.arange(12, dtype=np.uint8).reshape(3, 4))[:kept])
    with pytest.raises(FormatError, match="damaged"):
        read_png(path, (3, 4))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_classes_are_counted(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_itaclip.batch._stored._COUNTED", 10)
    labels = np.array([[0, 1, 1], [200, 1, 0], [3, 3, 3], [0, 0, 0]], dtype)
    assert count_classes(labels) == {0: 5, 1: 3, 3: 3, 200: 1}

"""Image files are read as they look; results are written whole; mistakes name the file."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from skimage import data

from napari_itaclip.errors import ImageError, OutputError
from napari_itaclip.segmentation.image import prepare_image
from napari_itaclip.segmentation.image_files import (
    legend_records,
    read_image,
    write_label_png,
    write_legend_json,
)
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.palette import color_to_rgb


def sample(name: str) -> np.ndarray[Any, Any]:
    """Return one of scikit-image's bundled photographs."""
    photo: np.ndarray[Any, Any] = getattr(data, name)()
    return photo


PHOTO = sample("astronaut")[:96, :128]
DEEP = (sample("camera")[:40, :50].astype(np.uint16) * 257)[::-1]


@pytest.fixture
def photographs() -> list[Path]:
    """Return some photographs from the data folder beside the checkout."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("ITACLIP_DATA", beside))
    found = [
        path for group in sorted(folder.glob("*/images")) for path in sorted(group.iterdir())[:2]
    ]
    if not found:
        pytest.skip("no photographs beside the checkout and none named by ITACLIP_DATA")
    return found


def test_real_photographs(photographs: list[Path]) -> None:
    for path in photographs:
        prepared = prepare_image(read_image(path))
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            assert prepared.shape == (upright.height, upright.width)
        assert prepared.rgb.std() > 1


@pytest.mark.parametrize(
    "name",
    ["astronaut.png", "camera.png", "coffee.png", "rocket.jpg", "chelsea.png", "phantom.png"],
)
def test_photographs_of_scikit_image(name: str) -> None:
    path = Path(data.__file__ or "").parent / name
    if not path.exists():
        pytest.skip(f"this scikit-image does not ship {name}")
    assert min(prepare_image(read_image(path)).shape) >= 300


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tif", "ppm", "gif", "jpg"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(PHOTO).save(path, lossless=True)
    image = read_image(path)
    assert image.shape[:2] == (96, 128)
    assert image.dtype == np.uint8
    if suffix in ("png", "bmp", "webp", "tif", "ppm"):
        np.testing.assert_array_equal(image, PHOTO)
    else:
        assert np.abs(image.astype(int) - PHOTO).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    jpeg, tiff = tmp_path / "photo.jpg", tmp_path / "photo.tif"
    Image.fromarray(PHOTO).save(jpeg, exif=exif, quality=95)
    tifffile.imwrite(tiff, PHOTO, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    with Image.open(jpeg) as image:
        np.testing.assert_array_equal(read_image(jpeg), np.asarray(ImageOps.exif_transpose(image)))
    assert read_image(jpeg).shape == ((96, 128, 3) if orientation < 5 else (128, 96, 3))
    assert np.abs(read_image(tiff).astype(int) - read_image(jpeg)).mean() < 5


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    png, tiff = tmp_path / "deep.png", tmp_path / "deep.tif"
    Image.fromarray(DEEP).save(png)
    tifffile.imwrite(tiff, DEEP, byteorder=">")
    for path in (png, tiff):
        image = read_image(path)
        assert image.dtype.kind == "u"
        assert image.dtype.itemsize == 2
        np.testing.assert_array_equal(image, DEEP)


def test_palettes_transparency_and_colour_models(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    palette = Image.fromarray(PHOTO).quantize(200)
    palette.save(path)
    np.testing.assert_array_equal(read_image(path), np.asarray(palette.convert("RGB")))
    palette.save(path, transparency=0)
    assert read_image(path).shape == (96, 128, 4)
    Image.fromarray(PHOTO).convert("LA").save(path)
    assert read_image(path).shape == (96, 128, 4)
    Image.fromarray(PHOTO).convert("1").save(path)
    assert read_image(path).dtype == np.bool_
    for name in ("photo.jpg", "photo.tif"):
        Image.fromarray(PHOTO).convert("CMYK").save(tmp_path / name)
        image = read_image(tmp_path / name)
        assert image.shape == PHOTO.shape
        assert np.abs(image.astype(int) - PHOTO).mean() < 12


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
def test_compressed_tiff(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "photo.tif"
    Image.fromarray(PHOTO).save(path, compression=compression)
    image = read_image(path)
    assert image.shape == PHOTO.shape
    assert np.abs(image.astype(int) - PHOTO).mean() < 12


def test_tiff_layouts(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    values = np.linspace(-1, 1, 200, dtype=np.float32).reshape(10, 20)
    values[0, 0] = np.nan
    for shape in ((10, 20), (1, 1, 10, 20)):
        tifffile.imwrite(path, values.reshape(shape), photometric="minisblack")
        np.testing.assert_array_equal(read_image(path), values)
    tifffile.imwrite(path, np.moveaxis(PHOTO, 2, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(path), PHOTO)
    four = np.dstack([PHOTO, PHOTO[..., 0]])
    tifffile.imwrite(path, four, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(path), four)
    tifffile.imwrite(path, four, photometric="rgb", extrasamples=["unspecified"])  # near infrared
    np.testing.assert_array_equal(read_image(path), PHOTO)
    tifffile.imwrite(path, 255 - PHOTO[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path), PHOTO[..., 0])


def test_stacks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((5, 16, 17), np.uint8), photometric="minisblack")
    with pytest.raises(ImageError, match=r"stack\.tif holds a stack.*\(5, 16, 17\)"):
        read_image(path)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(PHOTO, photometric="rgb")
        tiff.write(PHOTO[::4, ::4], photometric="rgb")  # a thumbnail
    np.testing.assert_array_equal(read_image(path), PHOTO)
    frames = [Image.fromarray(PHOTO), Image.fromarray(PHOTO[::-1])]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"film\.gif is an animation of 2 pictures"):
        read_image(tmp_path / "film.gif")


def _png(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds nothing."""
    parts = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        parts += struct.pack(">I", len(body)) + kind + body
        parts += struct.pack(">I", zlib.crc32(kind + body))
    return parts


def _saved(suffix: str) -> bytes:
    """Return the photograph's file."""
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, suffix)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"just some text\n", "not an image: it is text, beginning with 'just some text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is text"),
        (bytes(range(256)) * 4, "not an image: its content"),
        (_saved("JPEG")[:800], "damaged or cut off"),
        (_saved("PNG")[:800], "damaged or cut off"),
        (_saved("TIFF")[:800], "damaged or cut off"),
        (_saved("WEBP")[:800], "damaged|not an image"),
        (_saved("TIFF")[:9], "damaged|no image"),
        (b"II*\0" + bytes(100), "damaged|no image"),
        (_saved("BMP")[:30], "damaged|not an image"),
        (_png(100, 100), "damaged or cut off"),
        (_png(30_000, 30_000), "too large to open"),
    ],
)
def test_files_that_are_no_image(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"photo\.png.*({says})"):
        read_image(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"there is no file .*nothing\.png"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="cannot read"):
        read_image("a\0b.png")


def test_large_tiff_is_held_to_the_same_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, PHOTO, photometric="rgb")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"large\.tif is too large.*12288 pixels"):
        read_image(path)


# ---- writing ---------------------------------------------------------------------------------


def test_labels_with_a_colour_table(tmp_path: Path) -> None:
    labels = np.arange(256).reshape(16, 16).astype(np.int32)
    path = write_label_png(tmp_path / "new" / "labels.png", labels, {1: "#ff0000", 255: "#00ff00"})
    with Image.open(path) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), labels)
        colors = np.asarray(image.convert("RGB"))
    assert tuple(colors[0, 1]) == (255, 0, 0)
    assert tuple(colors[-1, -1]) == (0, 255, 0)
    assert tuple(colors[0, 0]) == (0, 0, 0)
    small = np.eye(9, dtype=np.uint8)
    with Image.open(write_label_png(path, small, {})) as image:
        np.testing.assert_array_equal(np.asarray(image), small)
    assert [p.name for p in path.parent.iterdir()] == ["labels.png"]


def test_labels_beyond_eight_bits(tmp_path: Path) -> None:
    labels = np.array([[0, 256], [1, 65535]])
    path = write_label_png(tmp_path / "labels.png", labels, {})
    with Image.open(path) as image:
        assert image.mode.startswith("I")
        np.testing.assert_array_equal(np.asarray(image), labels)
    for wrong in (labels + 1, labels - 1, labels / 2, labels[0], labels[:0]):
        with pytest.raises(OutputError, match=r"labels\.png"):
            write_label_png(path, wrong, {})
    np.testing.assert_array_equal(read_image(path), labels)


@dataclass
class Result:
    """What a legend is made from."""

    labels: np.ndarray[Any, Any]
    confidence: np.ndarray[Any, Any]
    vocabulary: Vocabulary


def test_legend(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 1, 5]] * 2)
    vocabulary = Vocabulary(["cat", ClassPrompt("dög 🐶", ["puppy"], id=5), "car"])
    result = Result(labels, np.array([[0.0, 0.5, 1.0, 0.25]] * 2), vocabulary)
    path = write_legend_json(tmp_path / "legend.json", result, extra={"preset": "draft"})
    read = json.loads(path.read_text(encoding="utf-8"))
    assert read["preset"] == "draft"
    assert (read["width"], read["height"]) == (4, 2)
    assert read["classes"] == legend_records(result)
    cat, dog, car, rest = read["classes"]
    assert cat == {
        "id": 1, "name": "cat", "synonyms": [], "color": vocabulary["cat"].color,
        "pixels": 4, "share": 0.5, "mean_confidence": 0.75,
    }  # fmt: skip
    assert (dog["name"], dog["synonyms"], dog["share"]) == ("dög 🐶", ["puppy"], 0.25)
    assert (car["pixels"], car["share"], car["mean_confidence"]) == (0, 0.0, None)
    assert (rest["id"], rest["name"], rest["pixels"]) == (0, "unlabelled", 2)
    assert all(len(color_to_rgb(row["color"])) == 3 for row in read["classes"])
    with pytest.raises(OutputError, match=r"legend\.json"):
        write_legend_json(path, result, extra={"what": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == read


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    labels = np.zeros((3, 3), np.uint8)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file"):
        write_label_png(tmp_path / "file" / "labels.png", labels, {})
    with pytest.raises(OutputError, match=tmp_path.name):
        write_label_png(tmp_path, labels, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permission on Windows")
def test_read_only_folder(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"labels\.png"):
        write_label_png(tmp_path / "labels.png", np.zeros((3, 3), np.uint8), {})


@pytest.mark.parametrize("channels", [3, 5])
def test_tiff_with_channels_of_no_meaning_is_refused(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "bands.tif"
    data = np.zeros((40, 40, channels), np.uint8)
    tifffile.imwrite(path, data, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match=f"{channels} channels"):
        read_image(path)


@pytest.mark.parametrize("high", [3, 300])
def test_label_png_keeps_its_comment(tmp_path: Path, high: int) -> None:
    path = tmp_path / "labels.png"
    labels = np.array([[0, high]])
    write_label_png(path, labels, {}, comment="made by a test, ünïcode")
    with Image.open(path) as image:
        assert image.info["Comment"] == "made by a test, ünïcode"
        assert np.array_equal(np.asarray(image), labels)

"""Images come out the same however they are stored, and in parts."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.batch.large import sources, tiff_source
from napari_itaclip.batch.large.sources import LargeImage, array_level, band_height, open_large
from napari_itaclip.errors import ImageError, MissingExtraError

RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (70, 90, 3), np.uint8)
GRAY = RNG.integers(0, 60_000, (70, 90), np.uint16)


def read(image: LargeImage, level: int = 0, step: int = 13) -> NDArray[Any]:
    """Read a level in bands, forwards, and check a band in the middle."""
    one = image.levels[level]
    parts = [one.rows(top, min(one.height, top + step)) for top in range(0, one.height, step)]
    whole = np.concatenate(parts)
    np.testing.assert_array_equal(one.rows(31, 32), whole[31:32])
    assert whole.shape == one.shape + (() if one.channels is None else (one.channels,))
    assert whole.dtype.newbyteorder("=") == one.dtype.newbyteorder("=")
    return whole


TIFFS: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "one piece": (RGB, {}),
    "strips": (RGB, {"rowsperstrip": 8}),
    "compressed strips": (RGB, {"rowsperstrip": 8, "compression": "zlib"}),
    "tiles": (RGB, {"tile": (32, 16)}),
    "compressed tiles": (RGB, {"tile": (32, 16), "compression": "zlib", "predictor": True}),
    "bigtiff": (RGB, {"tile": (16, 16), "bigtiff": True}),
    "gray tiles": (GRAY, {"tile": (16, 32)}),
    "gray, big endian": (GRAY, {"byteorder": ">"}),
    "float": (GRAY / 7.0, {"compression": "zlib", "rowsperstrip": 5}),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff(name: str, tmp_path: Path) -> None:
    array, options = TIFFS[name]
    path = tmp_path / "image.tif"
    photometric = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(path, array, photometric=photometric, **options)
    image = open_large(path)
    np.testing.assert_array_equal(read(image), array)
    image.close()


@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tiff_with_the_colours_apart(tmp_path: Path, tile: tuple[int, int] | None) -> None:
    path = tmp_path / "planes.tif"
    planes = np.moveaxis(RGB, 2, 0)
    tifffile.imwrite(
        path, planes, photometric="rgb", planarconfig="separate", tile=tile, compression="zlib"
    )
    np.testing.assert_array_equal(read(open_large(path)), RGB)


def test_tiff_with_near_infrared_or_alpha(tmp_path: Path) -> None:
    four = np.dstack([RGB, RGB[..., :1]])
    for kind, expected in (("unspecified", RGB), ("unassalpha", four)):
        path = tmp_path / f"{kind}.tif"
        tifffile.imwrite(
            path, four, photometric="rgb", extrasamples=[kind], compression="zlib", tile=(16, 16)
        )
        np.testing.assert_array_equal(read(open_large(path)), expected)


def write_pyramid(path: Path, factors: tuple[int, ...] = (1, 2, 4)) -> None:
    with tifffile.TiffWriter(path) as writer:
        for factor in factors:
            own: dict[str, Any] = (
                {"subifds": len(factors) - 1} if factor == 1 else {"subfiletype": 1}
            )
            writer.write(
                RGB[::factor, ::factor], tile=(16, 16), photometric="rgb", metadata=None, **own
            )


def test_tiff_pyramid(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    write_pyramid(path)
    image = open_large(path)
    assert [level.shape for level in image.levels] == [(70, 90), (35, 45), (18, 23)]
    np.testing.assert_array_equal(read(image, 1), RGB[::2, ::2])


def test_overviews_of_a_map_are_a_pyramid(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "map.tif"
    profile = {
        "driver": "GTiff", "height": 70, "width": 90, "count": 3, "dtype": "uint8", "tiled": True,
        "blockxsize": 16, "blockysize": 16, "photometric": "RGB", "compress": "deflate",
        "nodata": 0, "crs": "EPSG:25832",
        "transform": rasterio.Affine(0.25, 0, 500_000, 0, -0.25, 5_000_000),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.moveaxis(RGB, 2, 0))
        file.build_overviews([2], rasterio.enums.Resampling.average)
    image = open_large(path)
    assert [level.shape for level in image.levels] == [(70, 90), (35, 45)]
    assert image.pixel_size == 0.25
    assert image.nodata == 0
    np.testing.assert_array_equal(read(image), RGB)


def test_the_smallest_level_that_suffices_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    write_pyramid(path)
    image = open_large(path)
    for size, level in (((70, 90), 0), ((36, 40), 0), ((35, 45), 1), ((20, 20), 1), ((18, 23), 2)):
        assert image.level_for(size) == level


def test_only_what_is_needed_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, RGB, tile=(16, 16), compression="zlib", photometric="rgb")
    image = open_large(path)
    decoded: list[int] = []
    page = tifffile.TiffPage
    original: Callable[..., Any] = page.decode.func  # type: ignore[attr-defined]

    def counting(self: Any) -> Any:
        decode = original(self)

        def one(data: Any, index: int, **options: Any) -> Any:
            decoded.append(index)
            return decode(data, index, **options)

        return one

    monkeypatch.setattr(page, "decode", property(counting))
    image.levels[0].rows(16, 40)
    assert sorted(decoded) == list(range(6, 18))  # the second and third row of six tiles


def test_damaged_and_unsuitable_tiffs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.tif"

    def refuses(message: str, error: type[Exception] = ImageError) -> None:
        with pytest.raises(error, match=message):
            open_large(path)

    tifffile.imwrite(path, np.zeros((5, 40, 40), np.uint8), photometric="minisblack")
    refuses("stack|several")
    tifffile.imwrite(path, np.zeros((40, 40, 6), np.uint8), photometric="rgb")
    refuses("6 channels")
    tifffile.imwrite(path, RGB, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    refuses("turned")
    tifffile.imwrite(path, GRAY, photometric="miniswhite")
    refuses("MINISWHITE")
    tifffile.imwrite(path, RGB, photometric="rgb", compression="zlib", rowsperstrip=70)
    monkeypatch.setattr(tiff_source, "_MAX_SEGMENT", 1000)
    refuses("in one piece")
    monkeypatch.undo()
    tifffile.imwrite(path, RGB, photometric="rgb", tile=(16, 16), compression="zlib")
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 3])
    refuses("damaged|cut off")
    path.write_bytes(b"II*\0")
    refuses("damaged|no image")


def test_a_compression_that_cannot_be_undone(tmp_path: Path) -> None:
    if importlib.util.find_spec("imagecodecs") is not None:
        pytest.skip("imagecodecs is installed")
    path = tmp_path / "lzw.tif"
    Image.fromarray(RGB).save(path, compression="tiff_lzw")
    with pytest.raises(MissingExtraError, match="pip install imagecodecs"):
        open_large(path)


def test_arrays(tmp_path: Path) -> None:
    lazy: Any = pytest.importorskip("dask.array")
    np.save(tmp_path / "image.npy", RGB)
    np.save(tmp_path / "first.npy", np.moveaxis(RGB, 2, 0))
    stored = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=RGB.shape, chunks=(16, 32, 3), dtype="u1"
    )
    stored[:] = RGB
    for source in (
        RGB,
        np.moveaxis(RGB, 2, 0),
        lazy.from_array(RGB, chunks=(20, 40, 3)),
        np.load(tmp_path / "image.npy", mmap_mode="r"),
        tmp_path / "image.npy",
        tmp_path / "first.npy",
        stored,
        str(tmp_path / "a.zarr"),
    ):
        image = open_large(source)
        np.testing.assert_array_equal(read(image), RGB)
    np.testing.assert_array_equal(read(open_large(RGB[..., :1])), RGB[..., 0])


def write_ome(path: Path, version: str) -> None:
    root = zarr.create_group(str(path), zarr_format=3 if version == "0.5" else 2)
    for number, factor in enumerate((1, 2)):
        part = np.moveaxis(RGB[::factor, ::factor], 2, 0)[None, :, None]
        array = root.create_array(
            str(number), shape=part.shape, chunks=(1, 1, 1, 16, 16), dtype="u1"
        )
        array[:] = part
    scales = [[1, 1, 1, 0.5 * factor, 0.5 * factor] for factor in (1, 2)]
    image: Any = {
        "version": version,
        "axes": [{"name": name, "type": "space"} for name in "tczyx"],
        "datasets": [
            {
                "path": str(number),
                "coordinateTransformations": [{"type": "scale", "scale": scale}],
            }
            for number, scale in enumerate(scales)
        ],
    }
    if version == "0.5":
        root.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    else:
        root.attrs["multiscales"] = [image]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path: Path, version: str) -> None:
    path = tmp_path / "image.zarr"
    write_ome(path, version)
    for source in (path, zarr.open_group(str(path), mode="r")):
        image = open_large(source)
        assert [level.shape for level in image.levels] == [(70, 90), (35, 45)]
        assert image.pixel_size == 0.5
        assert image.levels[0].chunk_rows == 16
        np.testing.assert_array_equal(read(image), RGB)
        np.testing.assert_array_equal(read(image, 1), RGB[::2, ::2])


def test_zarr_that_is_no_image(tmp_path: Path) -> None:
    zarr.create_group(str(tmp_path / "empty.zarr"))
    with pytest.raises(ImageError, match="without an image"):
        open_large(tmp_path / "empty.zarr")
    with pytest.raises(ImageError, match="is a folder"):
        open_large(tmp_path)
    path = tmp_path / "hostile.zarr"
    write_ome(path, "0.4")
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["multiscales"][0]["datasets"][0]["path"] = "../other"
    (path / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(ImageError, match="leads out of"):
        open_large(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 30, 30, 3)), r"\(height, width"),
        (np.zeros((30, 30, 7)), "has the shape"),
        (np.zeros((30, 30), complex), "must be numbers"),
        (np.zeros((0, 30)), "no pixels"),
    ],
)
def test_arrays_that_are_no_image(array: NDArray[Any], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        open_large(array)
    with pytest.raises(ImageError, match="stack of images"):
        array_level(np.zeros((2, 3, 1, 30, 30)), "it", "tczyx")


def test_other_files(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "image.png")
    np.testing.assert_array_equal(read(open_large(tmp_path / "image.png")), RGB)
    (tmp_path / "notes.txt").write_text("no image")
    for name, message in (("notes.txt", "not an image"), ("none.tif", "there is no file")):
        with pytest.raises(ImageError, match=message):
            open_large(tmp_path / name)


def test_an_image_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    np.save(path, RGB)
    first = open_large(path).identity
    assert open_large(path).identity == first
    np.save(path, RGB[::-1])
    assert open_large(path).identity != first
    assert open_large(RGB).identity == open_large(RGB.copy()).identity
    assert open_large(RGB).identity != open_large(RGB[:, ::-1]).identity


def test_bands_are_whole_chunks_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    level = array_level(zarr.zeros((1000, 100), chunks=(64, 64), dtype="u1"), "it")
    monkeypatch.setattr(sources, "READ_BYTES", 20_000)
    assert band_height(level) == 192
    monkeypatch.setattr(sources, "READ_BYTES", 2_000)
    assert band_height(level) == 64
    monkeypatch.setattr(sources, "READ_BYTES", 500)
    assert band_height(level) == 5

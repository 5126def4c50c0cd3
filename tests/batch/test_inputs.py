"""Which images a batch finds, and what they are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given as drawn
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from napari_itaclip.batch.inputs import BatchInput, find_inputs
from napari_itaclip.batch.job import BatchJob
from napari_itaclip.batch.naming import Plane, distinct_names
from napari_itaclip.batch.run import run_batch
from napari_itaclip.errors import ImageError, MissingExtraError, SettingsError
from napari_itaclip.formats.paths import file_name
from napari_itaclip.segmentation.segmenter import Segmenter
from tests.batch.world import picture, save_pictures

Make = Callable[..., BatchJob]


def names(found: tuple[BatchInput, ...]) -> list[str]:
    return [item.name for item in found]


def save(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path)
    return path


def test_a_folder_and_the_folders_inside(job: Make, given: Path) -> None:
    save(given / "sub" / "deep" / "a.jpg")
    save(given / ".hidden" / "b.png")
    save(given / ".c.png")
    (given / "notes.md").write_text("no image")
    flat = ["image 000", "image 001", "image 002", "image 003"]
    assert names(find_inputs(job())) == flat
    assert names(find_inputs(job(recursive=True))) == [*flat, "sub/deep/a"]


def test_single_files_and_duplicates(job: Make, given: Path) -> None:
    one = given / "image 001.png"
    found = find_inputs(job(inputs=(one, str(one), given / "sub" / ".." / "image 001.png")))
    assert names(found) == ["image 001"]


def test_patterns(job: Make, given: Path) -> None:
    save(given / "a" / "b" / "x.png")
    assert names(find_inputs(job(inputs=(str(given / "image 00[12].png"),)))) == [
        "image 001",
        "image 002",
    ]
    assert names(find_inputs(job(inputs=(str(given / "**" / "x.png"),)))) == ["x"]
    with pytest.raises(SettingsError, match="fits no file"):
        find_inputs(job(inputs=(str(given / "*.bmp"),)))


def test_a_name_that_looks_like_a_pattern(job: Make, given: Path) -> None:
    save(given / "[ab].png")
    assert names(find_inputs(job(inputs=(str(given / "[ab].png"),)))) == ["[ab]"]


def test_a_list_is_relative_to_its_folder(job: Make, given: Path) -> None:
    listed = given / "list.txt"
    listed.write_text("\ufeffimage 001.png\n\n./image 000.png\r\nmissing.png\n", "utf-8")
    found = find_inputs(job(inputs=(listed,)))
    assert names(found) == ["image 000", "image 001", "missing"]
    with pytest.raises(ImageError, match="there is no file"):
        found[2].sha256()
    listed.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ImageError, match="one path per line"):
        find_inputs(job(inputs=(listed,)))


def test_nothing_there(job: Make, given: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no file or folder"):
        find_inputs(job(inputs=(tmp_path / "nowhere",)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"no images in .*--recursive"):
        find_inputs(job(inputs=(tmp_path / "empty",)))


def test_what_was_exported_is_no_input(job: Make, given: Path, tmp_path: Path) -> None:
    exports = (replace(job().exports[0], folder=given / "out"),)
    before = names(find_inputs(job(exports=exports, recursive=True)))
    save(given / "out" / "labels" / "image 000.png")  # by this batch
    save(given / "earlier" / "labels" / "image 000.png")  # by another
    (given / "earlier" / ".itaclip").mkdir()
    assert names(find_inputs(job(exports=exports, recursive=True))) == before
    pattern = str(given / "**" / "*.png")
    found = find_inputs(job(exports=exports, inputs=(pattern,)))
    assert not [one for one in found if "out" in one.path.parts]
    named = given / "out" / "labels" / "image 000.png"
    assert len(find_inputs(job(exports=exports, inputs=(named,)))) == 1
    assert len(find_inputs(job(exports=exports, inputs=(named.parent,)))) == 1


def test_a_folder_that_is_searched_wholly_is_not_exported_to(job: Make, given: Path) -> None:
    exports = (replace(job().exports[0], folder=given),)
    assert len(find_inputs(job(exports=exports))) == 4
    for changes in ({"recursive": True}, {"inputs": (str(given / "**" / "*.png"),)}):
        with pytest.raises(SettingsError, match="searched with the folders inside it"):
            find_inputs(job(exports=exports, **changes))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
def test_a_pipe_is_not_waited_for(job: Make, given: Path) -> None:
    os.mkfifo(given / "pipe.png")
    pipe = find_inputs(job())[-1]
    with pytest.raises(ImageError, match="is no file"):
        pipe.sha256()


@pytest.mark.parametrize("kind", ["png", "tif", "stack"])
def test_an_image_that_is_too_large_names_the_way_out(
    job: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "large" / ("a.png" if kind == "png" else "a.tif")
    path.parent.mkdir()
    if kind == "png":
        save(path)
    else:
        tifffile.imwrite(path, np.zeros((2, 24, 32) if kind == "stack" else (24, 32), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    item = find_inputs(job(inputs=(path.parent,)))[0]
    with pytest.raises(ImageError, match="napari-itaclip segment-large"):
        item.prepare()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ImageError) as damaged:
        item.prepare()
    assert "segment-large" not in str(damaged.value)


def test_names_that_are_no_text(job: Make, segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    try:
        with (tmp_path / "odd" / os.fsdecode(b"caf\xe9.png")).open("wb") as file:
            Image.fromarray(picture(1)).save(file, "PNG")
    except OSError:
        pytest.skip("this file system takes text only")
    given = job(inputs=(tmp_path / "odd",))
    assert run_batch(given, segmenter=segmenter).done == 1
    assert run_batch(given, segmenter=segmenter).skipped == 1


def test_names_from_several_folders_start_where_they_meet(job: Make, tmp_path: Path) -> None:
    inputs = (save(tmp_path / "x" / "day 1" / "a.png").parent, save(tmp_path / "x/day 2/a.png"))
    assert names(find_inputs(job(inputs=inputs))) == ["day 1/a", "day 2/a"]


def test_equal_names_get_their_endings(job: Make, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "A.bmp", "b.png"):
        save(tmp_path / "same" / name)
    found = names(find_inputs(job(inputs=(tmp_path / "same",))))
    assert sorted(found) == ["A.bmp", "a.jpg", "a.png", "b"]


Stack = NDArray[Any]


def stacks() -> dict[str, tuple[Stack, dict[str, Any], str]]:
    """Return TIFF stacks: values, how they are written, their axes."""
    rng = np.random.default_rng(3)
    gray, colors = rng.integers(0, 255, (5, 20, 30), np.uint8), (2, 20, 30, 3)
    return {
        "pages": (gray, {}, "ZYX"),
        "packed": (gray.astype(np.uint16) * 99, {"compression": "zlib"}, "ZYX"),
        "rgb": (rng.integers(0, 255, colors, np.uint8), {"photometric": "rgb"}, "ZYXS"),
        "imagej": (
            rng.integers(0, 255, (2, 3, 20, 30), np.uint8),
            {"imagej": True, "metadata": {"axes": "TCYX"}},
            "TCYX",
        ),
        "planar": (
            rng.integers(0, 255, (2, 3, 20, 30), np.uint8),
            {"photometric": "rgb", "planarconfig": "separate"},
            "ZSYX",
        ),
        "volume": (
            rng.integers(0, 255, (16, 32, 48), np.uint8),
            {"volumetric": True, "tile": (16, 16, 16)},
            "ZYX",
        ),
        "inverted": (gray, {"photometric": "miniswhite"}, "ZYX"),
    }


@pytest.mark.parametrize("kind", sorted(stacks()))
def test_every_page_of_a_tiff(job: Make, tmp_path: Path, kind: str) -> None:
    values, options, axes = stacks()[kind]
    path = tmp_path / "stacks" / f"{kind}.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, values, **options)
    found = find_inputs(job(inputs=(path,)))
    if axes == "ZSYX":
        values = np.moveaxis(values, 1, 3)
    planes = values.reshape(-1, *(values.shape[-3:] if "S" in axes else values.shape[-2:]))
    if kind == "inverted":
        planes = 255 - planes
    assert names(found) == [f"{kind}/p{number:04d}" for number in range(1, len(planes) + 1)]
    for item, plane in zip(found, planes, strict=True):
        np.testing.assert_array_equal(item.read(), plane)
    assert len({item.sha256() for item in found}) == len(planes)


def test_a_page_is_read_without_the_rest(
    job: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((50, 64, 64), np.uint8), compression="zlib")
    decoded = []
    original = tifffile.TiffPage.asarray

    def asarray(self: Any, *arguments: Any, **options: Any) -> Any:
        decoded.append(self.index)
        return original(self, *arguments, **options)

    monkeypatch.setattr(tifffile.TiffPage, "asarray", asarray)
    monkeypatch.setattr(tifffile.TiffFrame, "asarray", asarray, raising=False)
    find_inputs(job(inputs=(path,)))[30].read()
    assert set(decoded) <= {30}


def test_a_damaged_tiff_is_one_image_that_says_so(job: Make, tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, np.zeros((5, 64, 64), np.uint8))
    path.write_bytes(path.read_bytes()[:200])
    item = find_inputs(job(inputs=(path,)))[0]
    with pytest.raises(ImageError, match="damaged"):
        item.read()


def test_a_zarr_array_and_an_ome_zarr_image(job: Make, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    values = np.random.default_rng(0).integers(0, 255, (2, 3, 20, 30), np.uint8)
    store = tmp_path / "zarrs" / "plain.zarr"
    zarr.create_array(store, data=values)
    group = zarr.open_group(tmp_path / "zarrs" / "ome.zarr", mode="w")
    group.create_array("0", data=values.astype(np.uint16))
    group.create_array("1", data=values[..., ::2, ::2].astype(np.uint16))
    axes = [{"name": name} for name in "tcyx"]
    scales = [{"axes": axes, "datasets": [{"path": "0"}, {"path": "1"}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
    found = find_inputs(job(inputs=(tmp_path / "zarrs",)))
    assert names(found) == [
        *(f"ome/0/p{number:04d}" for number in range(1, 7)),
        *(f"plain/p{number:04d}" for number in range(1, 7)),
    ]
    for item, plane in zip(found, 2 * list(values.reshape(6, 20, 30)), strict=True):
        np.testing.assert_array_equal(item.read(), plane)


def test_a_damaged_zarr_image_is_one_image_that_says_so(job: Make, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    folder = tmp_path / "some"
    save_pictures(folder, 1)
    (folder / "bad.zarr").mkdir()
    (folder / "bad.zarr" / "zarr.json").write_text("{")
    bad, good = find_inputs(job(inputs=(folder,)))
    assert (bad.name, good.name) == ("bad", "image 000")
    with pytest.raises(ImageError, match="cannot be read as Zarr"):
        bad.read()


def test_colours_of_a_zarr_image_come_last(job: Make, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    values = np.random.default_rng(0).integers(0, 255, (3, 20, 30), np.uint8)
    group = zarr.open_group(tmp_path / "photo.zarr", mode="w")
    group.create_array("full", data=values)
    scales = [{"axes": [{"name": n} for n in "cyx"], "datasets": [{"path": "full"}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
    (item,) = find_inputs(job(inputs=(tmp_path / "photo.zarr",)))
    np.testing.assert_array_equal(item.read(), np.moveaxis(values, 0, 2))


def test_zarr_without_zarr(job: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "unreadable.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"napari-itaclip\[omezarr\]"):
        find_inputs(job(inputs=(store,)))


def test_a_smaller_scale(job: Make, tmp_path: Path) -> None:
    save_pictures(tmp_path / "one", 1)
    (item,) = find_inputs(job(inputs=(tmp_path / "one",), scale=0.5))
    assert item.prepare().shape == (12, 16)


NAMES = st.text(st.sampled_from("aA./ jsonpg\n-é🌳"), min_size=1, max_size=12)


@drawn(st.lists(NAMES, min_size=1, max_size=12, unique=True), st.lists(NAMES, max_size=3))
def test_names_are_distinct_and_no_file_is_in_anothers_way(
    stems: list[str], known: list[str]
) -> None:
    planes: dict[Plane, str] = {
        (Path(f"/x/{at}.png"), None, ""): stem for at, stem in enumerate(stems)
    }
    before: dict[Plane, str] = {
        (Path(f"/y/{at}.png"), None, ""): name for at, name in enumerate(known)
    }
    found = distinct_names(list(planes), planes, before)
    assert set(found) == set(planes)
    keys = [file_name(name).casefold() for name in found.values()]
    assert len(set(keys)) == len(keys)
    assert set(keys).isdisjoint(file_name(name).casefold() for name in known)
    folders = {key.rpartition("/")[0] for key in keys}
    for key in keys:
        assert f"{key}.json" not in folders
        assert f"{key}.png" not in folders

"""What napari's own menus and `layer.save` do with labels and annotation files."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from npe2 import PluginManager, PluginManifest
from PIL import Image

from napari_itaclip.formats.napari_files import get_reader

MANIFEST = Path(__file__).parents[1] / "napari.yaml"
NAMES = ["unlabelled", "road", "water, deep"]


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    """Return napari's own readers and writers, and ours."""
    manager = PluginManager()
    manager.register(PluginManifest.from_distribution(distribution("napari").name))
    manager.register(PluginManifest.from_file(MANIFEST))
    manager.activate("napari-itaclip")
    return manager


@pytest.fixture
def layer() -> Labels:
    data = np.zeros((12, 16), np.uint16)
    data[2:9, 3:8], data[5:11, 10:15] = 1, 7
    return Labels(
        data,
        name="labels",
        features={"index": [0, 1, 7], "class": NAMES},
        colormap={None: "transparent", 0: "transparent", 1: "#ff0000", 7: "#00ff00"},
    )


def save(plugins: PluginManager, layer: Labels, path: Path, command: str | None = None) -> Path:
    """Save a layer as napari does, with the writer that it takes or that was chosen."""
    if command is None:
        writer, _ = plugins.get_writer(str(path), ["labels"], "napari-itaclip")
    else:
        writers = plugins.iter_compatible_writers(["labels"])
        writer = next(one for one in writers if one.command == f"napari-itaclip.{command}")
    assert writer is not None
    data, attributes, _ = layer.as_layer_data_tuple()
    [saved] = writer.exec(args=(str(path), data, attributes), _registry=plugins.commands)
    return Path(saved)


def test_every_writer_gives_what_is_read_again(
    plugins: PluginManager, layer: Labels, tmp_path: Path
) -> None:
    writers = [
        one
        for one in plugins.iter_compatible_writers(["labels"])
        if one.command.startswith("napari-itaclip.")
    ]
    assert len(writers) == 9
    for writer in writers:
        command = writer.command.removeprefix("napari-itaclip.")
        if command == "write_geotiff":
            pytest.importorskip("rasterio")
        path = tmp_path / command / f"labels{writer.filename_extensions[0]}"
        path.parent.mkdir()
        saved = save(plugins, layer, path, command)
        if command == "write_voc_png":  # holds no names: for napari it is a picture
            with Image.open(saved) as picture:
                values = np.asarray(picture)
            assert np.unique(values[layer.data > 0]).size == 2
            continue
        read = get_reader(str(saved))
        assert read is not None, command
        [(data, attributes, kind)] = read(str(saved))
        assert kind == "labels"
        table: dict[str, Any] = attributes["features"]
        ids = dict(zip(table["class"], table["index"], strict=True))
        for name, value in zip(NAMES[1:], (1, 7), strict=True):
            np.testing.assert_array_equal(data == ids[name], layer.data == value, err_msg=command)


def test_pictures_and_folders_are_left_to_napari(plugins: PluginManager, tmp_path: Path) -> None:
    """Two readers for one ending would make napari ask, and refuse to open it in scripts."""
    for name in ("picture.png", "picture.tif", "scan.zarr"):
        path = tmp_path / name
        if path.suffix == ".zarr":
            path.mkdir()
        else:
            Image.new("RGB", (9, 9)).save(path)
        readers = [one.plugin_name for one in plugins.iter_compatible_readers([str(path)])]
        assert readers == ["napari"], name
    for name in ("labels.json", "labels.geojson", "labels.xml"):
        [reader] = plugins.iter_compatible_readers([str(tmp_path / name)])
        assert reader.plugin_name == "napari-itaclip"


def test_napari_keeps_its_own_writer_for_tiff(plugins: PluginManager) -> None:
    """It writes stacks, which annotation files do not hold."""
    writer, _ = plugins.get_writer("labels.tif", ["labels"])
    assert writer is not None
    assert writer.plugin_name == "napari"

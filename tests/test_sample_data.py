"""The sample scenes: picture, ground truth and words belong together; errors name the cause."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_itaclip import sample_data
from napari_itaclip.errors import ImageError
from napari_itaclip.sample_data import WORLDS, sample_image, sample_labels, sample_words


@pytest.mark.parametrize("world", WORLDS)
def test_picture_ground_truth_and_words_fit_together(world: str) -> None:
    image, labels, words = sample_image(world), sample_labels(world), sample_words(world)
    assert image.dtype == np.uint8
    assert image.shape == (*labels.shape, 3)
    assert min(labels.shape) >= 512
    assert labels.max() < len(words)
    assert len(np.unique(labels)) >= 3


@pytest.mark.parametrize("world", WORLDS)
def test_menu_entry_gives_one_image_layer(world: str) -> None:
    [(data, about, kind)] = getattr(sample_data, world)()
    assert kind == "image"
    assert data.shape[-1] == 3
    assert about["rgb"] is True
    assert world in about["name"]
    assert about["metadata"]["words"] == sample_words(world)


@pytest.mark.parametrize("read", [sample_image, sample_labels, sample_words])
def test_unknown_world_is_named_with_the_known_ones(read: object) -> None:
    assert callable(read)
    with pytest.raises(ImageError, match=r"'mars'.*everyday, driving, aerial, microscopy"):
        read("mars")


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (sample_image, "aerial.png"),
        (sample_labels, "aerial_labels.png"),
        (sample_words, "samples.json"),
    ],
)
def test_missing_and_damaged_files_are_named(
    read: object, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(read)
    monkeypatch.setattr(sample_data, "_FOLDER", tmp_path)
    with pytest.raises(ImageError, match=f"lacks its file '{name}'"):
        read("aerial")
    (tmp_path / name).write_bytes(b"not what it should be")
    with pytest.raises(ImageError, match=f"'{name}'.*damaged"):
        read("aerial")


def test_ground_truth_stored_with_a_palette_keeps_its_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_data, "_FOLDER", tmp_path)
    ids = np.array([[0, 1], [2, 7]], np.uint8)
    picture = Image.fromarray(ids, "P")
    picture.putpalette([200, 10, 60] * 8)
    picture.save(tmp_path / "aerial_labels.png")
    np.testing.assert_array_equal(sample_labels("aerial"), ids)

"""Features are kept in files: what is written comes back, anything else is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_itaclip.clip.recipes import RECIPES
from napari_itaclip.errors import ImageError, OutputError, SettingsError
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import EncodeSettings

Header = dict[str, Any]
Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def features(segmenter: Segmenter, photo: NDArray[np.uint8]) -> ImageFeatures:
    image = photo.astype(np.float32) / 255
    image[:20, :30] = np.nan
    settings = EncodeSettings(
        short_side=70, window=64, stride=32, recipe=RECIPES["sclip"], lam=0.25, antialias=False
    )
    return segmenter.encode(image, settings)


def test_a_round_trip(features: ImageFeatures, tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.safetensors"
    features.save(path)
    found = ImageFeatures.load(str(path))
    assert torch.equal(found.features, features.features)
    np.testing.assert_array_equal(found.picture, features.picture)
    assert features.valid is not None
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid, features.valid)
    for name in ("rows", "columns", "shape", "model", "settings"):
        assert getattr(found, name) == getattr(features, name)
    assert found.nbytes == features.nbytes > features.features.nbytes


def test_without_missing_pixels(
    segmenter: Segmenter, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    features = segmenter.encode(photo, EncodeSettings(short_side=64, window=64, stride=64))
    assert features.valid is None
    features.save(tmp_path / "a")
    assert ImageFeatures.load(tmp_path / "a").valid is None


def test_labels_from_a_file_are_the_same(
    segmenter: Segmenter, features: ImageFeatures, tmp_path: Path
) -> None:
    features.save(tmp_path / "a.safetensors")
    loaded = ImageFeatures.load(tmp_path / "a.safetensors")
    results = [segmenter.segment(each, "cat; dog") for each in (features, loaded)]
    np.testing.assert_array_equal(results[0].labels, results[1].labels)
    np.testing.assert_array_equal(results[0].confidence, results[1].confidence)


def test_features_of_another_model_are_refused(
    segmenter: Segmenter, features: ImageFeatures
) -> None:
    foreign = dataclasses.replace(features, model="other-0123-gelu")
    with pytest.raises(SettingsError, match=r"other-0123-gelu.*tiny.*encode the image again"):
        segmenter.segment(foreign, "cat; dog")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no file.*gone\.safetensors"):
        ImageFeatures.load(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file(features: ImageFeatures, tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.safetensors"
    features.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError, match=r"cut\.safetensors.*Encode the image again"):
        ImageFeatures.load(path)


def test_foreign_files(tmp_path: Path) -> None:
    text, folder, weights = tmp_path / "a.txt", tmp_path / "folder", tmp_path / "w.safetensors"
    text.write_text("features? no.")
    folder.mkdir()
    save_file({"features": torch.zeros(3)}, weights)
    for path in (text, folder, weights):
        with pytest.raises(ImageError) as caught:
            ImageFeatures.load(path)
        assert path.name in str(caught.value)


def change_header(change: Callable[[Header], object]) -> Callable[[Header, Tensors], object]:
    return lambda header, tensors: change(header)


def change_tensors(change: Callable[[Tensors], object]) -> Callable[[Header, Tensors], object]:
    return lambda header, tensors: change(tensors)


DAMAGES: dict[str, Callable[[Header, Tensors], object]] = {
    "no model": change_header(lambda h: h.pop("model")),
    "no rows": change_header(lambda h: h.pop("rows")),
    "rows are a list": change_header(lambda h: h.update(rows=[1, 2])),
    "no patch": change_header(lambda h: h["rows"].update(patch=0)),
    "gaps between windows": change_header(lambda h: h["rows"].update(starts=[0])),
    "one window more": change_header(lambda h: h["columns"]["starts"].insert(1, 1)),
    "an unknown field": change_header(lambda h: h["rows"].update(more=1)),
    "one side": change_header(lambda h: h.update(shape=[100])),
    "no height": change_header(lambda h: h.update(shape=[0, 150])),
    "another shape": change_header(lambda h: h.update(shape=[101, 150])),
    "sides are words": change_header(lambda h: h.update(shape=["tall", "wide"])),
    "settings are a list": change_header(lambda h: h.update(settings=[1])),
    "a bad setting": change_header(lambda h: h["settings"].update(stride=0)),
    "an unknown recipe": change_header(lambda h: h["settings"].update(recipe="x")),
    "no features": change_tensors(lambda t: t.pop("features")),
    "fewer features": change_tensors(lambda t: t.update(features=t["features"][1:])),
    "flat features": change_tensors(lambda t: t.update(features=t["features"].flatten(3))),
    "half features": change_tensors(lambda t: t.update(features=t["features"].half())),
    "no picture": change_tensors(lambda t: t.pop("picture")),
    "a small picture": change_tensors(lambda t: t.update(picture=t["picture"][1:])),
    "a float picture": change_tensors(lambda t: t.update(picture=t["picture"].float())),
    "a small mask": change_tensors(lambda t: t.update(valid=t["valid"][1:])),
    "a numeric mask": change_tensors(lambda t: t.update(valid=t["valid"].float())),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_inconsistent_content(features: ImageFeatures, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "odd.safetensors"
    features.save(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in ("features", "picture", "valid")}
    header = json.loads(metadata["header"])
    DAMAGES[damage](header, tensors)
    kept = {key: tensor.contiguous() for key, tensor in tensors.items()}
    save_file(kept, path, {**metadata, "header": json.dumps(header)})
    with pytest.raises(ImageError, match=r"odd\.safetensors.*Encode the image again"):
        ImageFeatures.load(path)


@pytest.mark.parametrize("header", ["", "[]", "null", "{", "[" * 100_000])
def test_a_header_that_is_none(features: ImageFeatures, tmp_path: Path, header: str) -> None:
    path = tmp_path / "odd.safetensors"
    features.save(path)
    with safe_open(path, "pt") as file:
        metadata = {**file.metadata(), "header": header}
    save_file({"features": torch.zeros(1)}, path, metadata)
    with pytest.raises(ImageError, match=r"odd\.safetensors"):
        ImageFeatures.load(path)


def test_another_version(features: ImageFeatures, tmp_path: Path) -> None:
    path = tmp_path / "new.safetensors"
    save_file({"features": torch.zeros(1)}, path, {"format": "napari-itaclip features 99"})
    with pytest.raises(ImageError, match=r"new\.safetensors.*this version"):
        ImageFeatures.load(path)


def test_a_failing_write_leaves_the_old_file(
    features: ImageFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    features.save(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"a\.safetensors.*No space left"):
        dataclasses.replace(features, model="other").save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_to_another_device_and_back(features: ImageFeatures) -> None:
    moved = features.to("meta")
    assert moved.features.device.type == "meta"
    assert moved.rows is features.rows
    assert torch.equal(features.to(torch.device("cpu")).features, features.features)

"""Encoding an image: coarse to fine, in any batch size, and it can be stopped."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_itaclip.clip.checkpoints import ClipModel
from napari_itaclip.clip.recipes import ITACLIP_MIDDLE_LAYERS, RECIPES
from napari_itaclip.errors import ImageError, SettingsError
from napari_itaclip.segmentation import encode as encode_module
from napari_itaclip.segmentation.encode import (
    EncodeProgress,
    model_recipe,
    normalise,
    window_of,
    working_size,
)
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import EncodeSettings

SETTINGS = EncodeSettings(short_side=100, window=64, stride=16)


def steps(
    segmenter: Segmenter, image: object, settings: EncodeSettings = SETTINGS
) -> list[EncodeProgress]:
    return list(segmenter.iter_encode(image, settings))


def test_progress_counts_every_window_once(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    run = steps(segmenter, photo)
    features = run[-1].features
    assert features is not None
    total = len(features.rows.starts) * len(features.columns.starts)
    assert {step.total for step in run} == {total}
    assert run[-1].done == total
    assert run[0].done > 0
    assert all(before.done < after.done for before, after in pairwise(run))


def test_coarse_features_are_those_of_a_coarser_stride(
    segmenter: Segmenter, photo: NDArray[np.uint8]
) -> None:
    found = [step for step in steps(segmenter, photo) if step.features is not None]
    assert [round(step.done / step.total, 2) for step in found] == sorted(
        {round(step.done / step.total, 2) for step in found}
    )
    assert len(found) == 3
    for step, stride in zip(found, (64, 32, 16), strict=True):
        assert step.features is not None
        direct = segmenter.encode(photo, dataclasses.replace(SETTINGS, stride=stride))
        assert step.features.rows == direct.rows
        assert step.features.columns == direct.columns
        torch.testing.assert_close(step.features.features, direct.features, atol=1e-5, rtol=0)
        np.testing.assert_array_equal(step.features.picture, direct.picture)


def test_no_window_is_computed_twice(
    segmenter: Segmenter, photo: NDArray[np.uint8], network_calls: list[int]
) -> None:
    features = segmenter.encode(photo, SETTINGS)
    windows = len(features.rows.starts) * len(features.columns.starts)
    assert sum(network_calls) == 5 * windows  # five views each
    network_calls.clear()
    segmenter.encode(photo, dataclasses.replace(SETTINGS, image_engineering=False))
    assert sum(network_calls) == windows


def test_closing_the_generator_stops_the_work(
    segmenter: Segmenter, photo: NDArray[np.uint8], network_calls: list[int]
) -> None:
    run = segmenter.iter_encode(photo, SETTINGS)
    assert network_calls == []
    next(run)
    next(run)
    assert len(network_calls) == 2
    run.close()  # type: ignore[attr-defined]
    assert list(run) == []
    assert len(network_calls) == 2


@pytest.mark.parametrize("crops", [1, 5, 1000])
def test_features_do_not_depend_on_the_batch_size(
    segmenter: Segmenter,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    crops: int,
) -> None:
    settings = dataclasses.replace(SETTINGS, stride=32)
    expected = segmenter.encode(photo, settings)
    monkeypatch.setitem(encode_module._CROPS_PER_BATCH, "cpu", crops)
    found = segmenter.encode(photo, settings)
    torch.testing.assert_close(found.features, expected.features, atol=1e-5, rtol=0)


def test_the_progress_callback(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    calls: list[tuple[int, int]] = []
    segmenter.encode(photo, SETTINGS, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(step.done, step.total) for step in steps(segmenter, photo)]


def test_bad_images_are_refused_before_anything_runs(
    segmenter: Segmenter, network_calls: list[int]
) -> None:
    with pytest.raises(ImageError, match="no pixels"):
        segmenter.iter_encode(np.zeros((0, 0, 3)), SETTINGS)
    assert network_calls == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (EncodeSettings(stride=65), "stride is 65.*window of 64"),
        (EncodeSettings(window=72, stride=8), "window is 72.*patch size 16"),
    ],
)
def test_settings_that_do_not_suit_the_model(
    segmenter: Segmenter, photo: NDArray[np.uint8], settings: EncodeSettings, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        segmenter.encode(photo, settings)
    with pytest.raises(SettingsError, match=message):
        window_of(segmenter.model, settings)


def test_the_window_is_the_models_unless_it_is_set(model: ClipModel) -> None:
    assert window_of(model, EncodeSettings(stride=16)) == 64
    assert window_of(model, EncodeSettings(stride=16, window=96)) == 96


@pytest.mark.parametrize(
    ("shape", "short", "longest", "expected"),
    [
        ((480, 640), 336, 2048, (336, 448)),
        ((640, 480), 336, 2048, (448, 336)),
        ((100, 1000), 336, 2048, (205, 2048)),
        ((10, 10_000), 336, 2048, (2, 2048)),
        ((10, 100_000), 336, 2048, (1, 2048)),
        ((8, 8), 336, 2048, (336, 336)),
    ],
)
def test_the_working_size(
    shape: tuple[int, int], short: int, longest: int, expected: tuple[int, int]
) -> None:
    assert working_size(shape, EncodeSettings(short, longest)) == expected


@pytest.mark.parametrize("shape", [(8, 8), (9, 300), (300, 9), (63, 65), (64, 64)])
def test_images_of_any_shape(segmenter: Segmenter, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    settings = EncodeSettings(short_side=40, max_long_side=130, window=64, stride=64)
    features = segmenter.encode(picture, settings)
    assert features.shape == shape
    assert features.picture.shape[:2] == working_size(shape, settings)
    assert torch.isfinite(features.features).all()


def test_features_do_not_follow_a_later_change_of_the_image(segmenter: Segmenter) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    features = segmenter.encode(picture, EncodeSettings(short_side=64, window=64, stride=64))
    before = features.picture.copy()
    picture[:] = 0
    np.testing.assert_array_equal(features.picture, before)


def test_pixels_are_normalised_with_the_models_mean_and_spread() -> None:
    picture = np.array([[[255, 0, 51]]], np.uint8)
    found = normalise(picture, (0.5, 0.25, 0.2), (0.5, 0.5, 0.1), torch.device("cpu"))
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([1.0, -0.5, 0.0]))


def test_a_model_may_bring_its_own_middle_layers(model: ClipModel) -> None:
    def middle(own: tuple[float, ...] | None, recipe_layers: tuple[float, ...]) -> object:
        other = dataclasses.replace(model, spec=dataclasses.replace(model.spec, middle_layers=own))
        recipe = dataclasses.replace(RECIPES["itaclip"], middle_layers=recipe_layers)
        return model_recipe(other, recipe).middle_layers

    assert middle((0.5,), ITACLIP_MIDDLE_LAYERS) == (0.5,)
    assert middle((), ITACLIP_MIDDLE_LAYERS) == ()
    assert middle(None, ITACLIP_MIDDLE_LAYERS) == ITACLIP_MIDDLE_LAYERS
    assert middle((0.5,), (0.75,)) == (0.75,)  # set by hand
    assert middle((0.5,), ()) == ()

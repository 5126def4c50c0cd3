"""Labelled part by part, an image gets the labels that it gets as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_itaclip.batch.large import strips
from napari_itaclip.batch.large.run import segment_large
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    Preset,
    RefineSettings,
    get_preset,
)
from tests.batch.large.conftest import QUICK, WORDS, Whole

UNREFINED = replace(QUICK, refine=RefineSettings(iterations=0))
FAR = replace(QUICK, refine=RefineSettings(iterations=5, dilations=(4, 8)))
CLOSED = replace(QUICK, decide=DecisionSettings(closing="labels", pooling="max_probability"))
CLOSED_EACH = replace(QUICK, decide=DecisionSettings(closing="per_class", margin_threshold=0.02))
VIEWS = replace(QUICK, encode=replace(QUICK.encode, image_engineering=True))


def run(image: Any, segmenter: Segmenter, target: Path, **options: Any) -> NDArray[Any]:
    report = segment_large(image, WORDS, segmenter, output=target, overwrite=True, **options)
    return np.asarray(tifffile.imread(report.labels))


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.37])
@pytest.mark.parametrize("preset", [UNREFINED, QUICK], ids=["unrefined", "refined"])
def test_the_labels_are_those_of_the_whole_image(
    photo: NDArray[np.uint8],
    segmenter: Segmenter,
    whole: Whole,
    target: Path,
    scale: float,
    preset: Preset,
) -> None:
    expected = whole(photo, scale, preset).labels
    found = run(photo, segmenter, target, scale=scale, preset=preset, block=48)
    assert found.dtype == expected.dtype
    assert len(np.unique(expected)) > 2
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "preset", [FAR, CLOSED, CLOSED_EACH, VIEWS], ids=["far", "closed", "closed each", "views"]
)
def test_what_looks_around_sees_across_the_borders(
    photo: NDArray[np.uint8], segmenter: Segmenter, whole: Whole, target: Path, preset: Preset
) -> None:
    expected = whole(photo, 0.6, preset).labels
    found = run(photo, segmenter, target, scale=0.6, preset=preset, block=40)
    np.testing.assert_array_equal(found, expected)


def test_without_the_halo_there_would_be_seams(
    photo: NDArray[np.uint8],
    segmenter: Segmenter,
    whole: Whole,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_itaclip.batch.large import plan

    monkeypatch.setattr(plan, "refine_reach", lambda refine: 0)
    expected = whole(photo, 0.6, FAR).labels
    found = run(photo, segmenter, target, scale=0.6, preset=FAR, block=40)
    assert (found != expected).any()


@pytest.mark.parametrize("block", [13, 64, 1000])
def test_the_size_of_the_blocks_does_not_matter(
    photo: NDArray[np.uint8], segmenter: Segmenter, whole: Whole, target: Path, block: int
) -> None:
    part = photo[:66, :70]
    expected = whole(part, 1.0, QUICK).labels
    np.testing.assert_array_equal(
        run(part, segmenter, target, scale=1.0, preset=QUICK, block=block), expected
    )


def test_rows_of_many_windows_are_looked_at_in_groups(
    photo: NDArray[np.uint8],
    segmenter: Segmenter,
    whole: Whole,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strips, "_WINDOWS_AT_ONCE", 3)
    expected = whole(photo, 1.0, UNREFINED).labels
    found = run(photo, segmenter, target, scale=1.0, preset=UNREFINED, block=64)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (33, 47)])
def test_images_narrower_than_a_window(
    photo: NDArray[np.uint8],
    segmenter: Segmenter,
    whole: Whole,
    target: Path,
    shape: tuple[int, int],
) -> None:
    part = photo[: shape[0], : shape[1]]
    expected = whole(part, 1.0, QUICK).labels
    found = run(part, segmenter, target, scale=1.0, preset=QUICK, block=24)
    np.testing.assert_array_equal(found, expected)


def test_gray_16_bit_images_are_stretched_by_their_whole_range(
    photo: NDArray[np.uint8], segmenter: Segmenter, whole: Whole, target: Path
) -> None:
    gray = 300 + 90 * photo[..., 1].astype(np.uint16)
    gray[:60] //= 7  # the range of one strip is not that of another
    expected = whole(gray, 0.5, QUICK).labels
    found = run(gray, segmenter, target, scale=0.5, preset=QUICK, block=40)
    np.testing.assert_array_equal(found, expected)


def test_margin_counts_and_uncertainty(
    photo: NDArray[np.uint8], segmenter: Segmenter, whole: Whole, target: Path
) -> None:
    expected = whole(photo, 0.5, QUICK)
    report = segment_large(
        photo, WORDS, segmenter, scale=0.5, preset=QUICK, block=40, output=target, margin=True
    )
    assert report.margin is not None
    margin = tifffile.imread(report.margin).astype(float)
    assert np.abs(margin - expected.margin * 255).max() < 0.51
    ids, pixels = np.unique(expected.labels, return_counts=True)
    assert report.pixels == dict(zip(ids.tolist(), pixels.tolist(), strict=True))
    assert report.uncertainty == pytest.approx(1 - expected.margin.mean(), abs=1e-5)
    assert report.working_shape == report.shape == (105, 125)
    assert report.windows == 3 * 3


def test_pixels_without_a_value_have_no_label(
    photo: NDArray[np.uint8], segmenter: Segmenter, whole: Whole, target: Path
) -> None:
    image = photo / 255.0
    image[20:90, 100:180] = np.nan
    found = run(image, segmenter, target, scale=1.0, preset=QUICK, block=64)
    missing = np.isnan(image).any(axis=2)
    assert (found[missing] == 0).all()
    np.testing.assert_array_equal(found[~missing], whole(image, 1.0, QUICK).labels[~missing])


def test_biases_and_thresholds_of_classes_count(
    photo: NDArray[np.uint8], segmenter: Segmenter, target: Path
) -> None:
    from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary

    words = Vocabulary([ClassPrompt("face", bias=20.0), ClassPrompt("flag"), ClassPrompt("wall")])
    report = segment_large(photo, words, segmenter, scale=0.4, preset=QUICK, output=target)
    assert set(report.pixels) == {words.ids[0]}


def test_presets_that_need_the_whole_image_are_refused(
    photo: NDArray[np.uint8], segmenter: Segmenter, target: Path
) -> None:
    from napari_itaclip.errors import SettingsError

    with pytest.raises(SettingsError, match=r"'voc21'.*choose another preset"):
        segment_large(photo, WORDS, segmenter, preset="voc21", output=target)
    assert get_preset("voc21").decide.area_threshold is not None
    assert not target.parent.exists()

"""The front door, end to end on a photograph with a tiny network."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP

import napari_itaclip
from napari_itaclip.clip.checkpoints import ClipModel
from napari_itaclip.clip.embedding_cache import CACHE_VARIABLE, EmbeddingCache
from napari_itaclip.errors import (
    CheckpointError,
    ImageError,
    ItaclipError,
    SettingsError,
    VocabularyError,
)
from napari_itaclip.segmentation.segmenter import Segmentation, Segmenter
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    EncodeSettings,
    Preset,
    RefineSettings,
)
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from tests.tiny import save_tiny_clip

PRESET = Preset(
    "tests",
    "Quick.",
    EncodeSettings(short_side=70, window=64, stride=32),
    RefineSettings(iterations=2, dilations=(2,)),
)
WORDS = Vocabulary(
    ["face, head", "space suit", ClassPrompt("flag", auxiliary=["a piece of cloth"])],
    templates="imagenet-7",
)


def kinds(photo: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    gray = photo.mean(axis=2)
    alpha = np.full((*photo.shape[:2], 1), 255, np.uint8)
    hole = photo.astype(np.float32) / 255
    hole[10:20, 30:60] = np.nan
    return {
        "rgb": photo,
        "gray uint8": gray.astype(np.uint8),
        "gray uint16": (gray * 200).astype(np.uint16),
        "gray float": gray,
        "bool": gray > 100,
        "rgba": np.concatenate([photo, alpha], axis=2),
        "rgb uint16": photo.astype(np.uint16) * 257,
        "rgb float": photo / 255.0,
        "rgb with holes": hole,
        "fortran order": np.asfortranarray(photo),
        "every second pixel": photo[::2, ::2],
    }


@pytest.mark.parametrize("kind", kinds(np.zeros((100, 150, 3), np.uint8)))
def test_any_image_that_napari_shows(
    segmenter: Segmenter, photo: NDArray[np.uint8], kind: str
) -> None:
    image = kinds(photo)[kind]
    before = image.copy()
    result = segmenter.segment(image, WORDS, PRESET)
    np.testing.assert_array_equal(image, before)
    assert result.labels.shape == result.confidence.shape == result.margin.shape == image.shape[:2]
    assert result.labels.dtype == np.uint8
    assert set(np.unique(result.labels)) <= {0, 1, 2, 3}
    assert len(np.unique(result.labels)) > 1
    assert ((result.confidence >= 0) & (result.confidence <= 1 + 1e-6)).all()
    assert ((result.margin >= 0) & (result.margin <= result.confidence + 1e-6)).all()
    if kind in ("rgba", "rgb uint16", "rgb float", "fortran order"):
        same = segmenter.segment(photo, WORDS, PRESET)
        assert (same.labels == result.labels).mean() > 0.99


def test_pixels_without_a_value_are_nobodys(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    image = photo.astype(np.float32) / 255
    image[10:20, 30:60] = np.nan
    result = segmenter.segment(image, WORDS, PRESET)
    hole = np.zeros(image.shape[:2], bool)
    hole[10:20, 30:60] = True
    for values in (result.labels, result.confidence, result.margin):
        assert not values[hole].any()
        assert values[~hole].all()
    assert result.classes[-1].name == "unlabelled"
    assert result.classes[-1].pixels == 300


@pytest.mark.parametrize("probabilities", [False, True])
def test_features_at_hand_give_the_same_result(
    segmenter: Segmenter, photo: NDArray[np.uint8], probabilities: bool
) -> None:
    direct = segmenter.segment(photo, WORDS, PRESET, probabilities=probabilities)
    features = segmenter.encode(photo, PRESET)
    again = segmenter.segment(features, WORDS, PRESET, probabilities=probabilities)
    for name in ("labels", "confidence", "margin"):
        np.testing.assert_array_equal(getattr(direct, name), getattr(again, name))
    assert direct.settings == again.settings
    assert (direct.probabilities is not None) == probabilities


def test_other_words_need_no_network(
    segmenter: Segmenter, photo: NDArray[np.uint8], network_calls: list[int]
) -> None:
    features = segmenter.encode(photo, PRESET)
    network_calls.clear()
    first = segmenter.segment(features, WORDS, PRESET)
    edited = WORDS.add("background of stars")
    second = segmenter.segment(features, edited, PRESET)
    third = segmenter.segment(features, edited.remove("background of stars"), PRESET)
    assert network_calls == []
    assert {row.name for row in second.classes} >= {"background of stars"}
    np.testing.assert_array_equal(third.labels, first.labels)


def test_probabilities_on_request(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    result = segmenter.segment(photo, WORDS, PRESET, probabilities=True)
    assert result.probabilities is not None
    assert result.probabilities.shape == (3, *photo.shape[:2])
    np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(result.labels, result.probabilities.argmax(axis=0) + 1)
    np.testing.assert_allclose(result.confidence, result.probabilities.max(axis=0), atol=1e-6)
    assert segmenter.segment(photo, WORDS, PRESET).probabilities is None


def test_settings_replace_the_presets_and_are_recorded(
    segmenter: Segmenter, photo: NDArray[np.uint8]
) -> None:
    refine, decision = RefineSettings(0), DecisionSettings(logit_scale=5, margin_threshold=0.02)
    result = segmenter.segment(photo, WORDS, PRESET, refine=refine, decision=decision)
    assert result.settings.encode == PRESET.encode
    assert result.settings.refine == refine
    assert result.settings.decide == decision
    assert result.settings.model == segmenter.model.identity
    assert result.settings.model_name == segmenter.model.spec.name
    # Some pixels are now too close to call; without a background class they are unlabelled.
    np.testing.assert_array_equal(result.labels == 0, result.margin < 0.02)
    assert 0 < (result.labels == 0).mean() < 1


def test_one_class_takes_all(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    result = segmenter.segment(photo, Vocabulary(["anything"], templates="word"), PRESET)
    assert (result.labels == 1).all()
    assert (result.confidence == 1).all()


@pytest.mark.parametrize(
    ("first_id", "dtype"), [(1, np.uint16), (65_400, np.int32), (2**31 - 300, np.int32)]
)
def test_three_hundred_classes_keep_their_ids(
    segmenter: Segmenter, photo: NDArray[np.uint8], first_id: int, dtype: type
) -> None:
    prompts = [ClassPrompt(f"w{index}", id=first_id + index) for index in range(299)]
    words = Vocabulary([*prompts, ClassPrompt("last", id=first_id + 299)], templates="word")
    result = segmenter.segment(photo, words, PRESET, refine=RefineSettings(0), probabilities=True)
    assert result.labels.dtype == dtype
    assert result.probabilities is not None
    np.testing.assert_array_equal(
        result.labels.astype(np.int64), result.probabilities.argmax(axis=0) + first_id
    )
    assert sum(row.pixels for row in result.classes) == result.labels.size


def test_background_and_given_ids(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    words = Vocabulary(
        [
            ClassPrompt("face", id=7),
            ClassPrompt("all the rest", background=True),
            ClassPrompt("flag", id=2),
        ],
        templates="word",
    )
    strict = DecisionSettings(probability_threshold=0.999)
    result = segmenter.segment(photo, words, PRESET, decision=strict)
    assert set(np.unique(result.labels)) <= {0, 2, 7}
    assert (result.labels == 0).mean() > 0.5
    assert [row.name for row in result.classes] == ["face", "all the rest", "flag"]


def test_the_class_table(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    result = segmenter.segment(photo, WORDS, PRESET)
    rows = result.classes
    assert [row.id for row in rows] == [1, 2, 3]
    assert [row.color for row in rows] == list(WORDS.colors)
    assert math.isclose(sum(row.share for row in rows), 1)
    for row in rows:
        mask = result.labels == row.id
        assert row.pixels == mask.sum()
        assert row.share == mask.mean()
        assert row.confidence == pytest.approx(result.confidence[mask].mean())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_the_class_table_of_absent_classes(
    segmenter: Segmenter, photo: NDArray[np.uint8], dtype: type
) -> None:
    result = segmenter.segment(photo, WORDS, PRESET)
    labels: NDArray[Any] = np.zeros(result.labels.shape, dtype)
    labels[0] = 3
    rows = dataclasses.replace(result, labels=labels).classes
    assert [row.name for row in rows] == ["face", "space suit", "flag", "unlabelled"]
    assert [row.pixels for row in rows] == [0, 0, 150, 99 * 150]
    assert math.isnan(rows[0].confidence)
    assert rows[3].confidence == pytest.approx(result.confidence[1:].mean())
    assert all(row.color.startswith("#") for row in rows)


def test_what_was_cut_is_noted(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    text = " ".join(["a person with many belongings and"] * 20)
    words = Vocabulary([ClassPrompt("face", auxiliary=[text]), "flag"], templates="word")
    [note] = segmenter.segment(photo, words, PRESET).notes
    assert text in note
    assert "Cut" in note
    assert not segmenter.segment(photo, WORDS, PRESET).notes


@pytest.mark.parametrize("words", ["face; flag", ["face", "flag"], "face, flag"])
def test_words_in_any_form(
    segmenter: Segmenter, photo: NDArray[np.uint8], words: Any, tmp_path: Path
) -> None:
    assert segmenter.segment(photo, words, PRESET).vocabulary.names == ("face", "flag")
    file = tmp_path / "words.yaml"
    file.write_text("schema: 1\nclasses:\n  - name: face\n  - name: flag\n")
    assert segmenter.segment(photo, file, PRESET).vocabulary.names == ("face", "flag")


GOOD = np.zeros((40, 40, 3), np.uint8)

BAD_INPUTS: list[tuple[Any, Any, type[ItaclipError], str]] = [
    (GOOD, [], VocabularyError, "empty"),
    (GOOD, "", VocabularyError, "empty"),
    (GOOD, " ; ;", VocabularyError, "empty"),
    (GOOD, "cat; Cat", VocabularyError, "'Cat'"),
    (GOOD, ["cat", "dog", "dog"], VocabularyError, "'dog'"),
    (GOOD, 5, VocabularyError, "5"),
    (GOOD[:1, :1], "cat", ImageError, "1×1"),
    (GOOD[:0], "cat", ImageError, "no pixels"),
    (np.full((40, 40), np.nan), "cat", ImageError, "NaN"),
    (np.full((40, 40, 3), np.nan), "cat", ImageError, "NaN"),
    (np.zeros((40, 40), complex), "cat", ImageError, "complex"),
    (np.zeros((40, 40, 5)), "cat", ImageError, "5 channels"),
    (np.zeros((9, 40, 40)), "cat", ImageError, "stack"),
    ("photo.png", "cat", ImageError, "photo.png"),
    (None, "cat", ImageError, "None"),
]


@pytest.mark.parametrize(("image", "words", "error", "cause"), BAD_INPUTS)
def test_bad_input_is_refused_by_its_cause(
    segmenter: Segmenter, image: Any, words: Any, error: type[ItaclipError], cause: str
) -> None:
    with pytest.raises(error) as caught:
        segmenter.segment(image, words, PRESET)
    assert cause in str(caught.value)


@pytest.mark.parametrize("stride", [65, 1000])
def test_an_absurd_stride(segmenter: Segmenter, photo: NDArray[np.uint8], stride: int) -> None:
    preset = dataclasses.replace(PRESET, encode=EncodeSettings(stride=stride))
    with pytest.raises(SettingsError, match=f"stride is {stride}.*64"):
        segmenter.segment(photo, WORDS, preset)


def test_an_unknown_preset(segmenter: Segmenter, photo: NDArray[np.uint8]) -> None:
    with pytest.raises(SettingsError, match=r"'best'.*balanced"):
        segmenter.segment(photo, WORDS, "best")


def test_from_a_file_with_words_on_disk(
    tiny_clip: CLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: NDArray[np.uint8]
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    path = save_tiny_clip(tiny_clip, tmp_path / "mine.safetensors")
    results: list[Segmentation] = []
    for _ in range(2):
        segmenter = napari_itaclip.Segmenter.from_pretrained(
            path, device="cpu", precision="float32"
        )
        results.append(segmenter.segment(photo, WORDS, PRESET))
    np.testing.assert_array_equal(results[0].labels, results[1].labels)
    assert list((tmp_path / "cache").iterdir())
    with pytest.raises(CheckpointError, match=r"gone\.safetensors"):
        Segmenter.from_pretrained(tmp_path / "gone.safetensors")


def test_embedding_reports_progress_once(model: ClipModel) -> None:
    segmenter = Segmenter(model, EmbeddingCache())
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        segmenter.embed(WORDS, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (35, 35)  # four words and a text in seven templates
    assert len({done for done, _ in calls}) == len(calls)


def test_a_preview_with_other_templates(model: ClipModel) -> None:
    segmenter = Segmenter(model, EmbeddingCache())
    words = Vocabulary(WORDS.classes, templates="imagenet-80")
    preview = segmenter.embed(words, templates="plain")
    plain = segmenter.embed(Vocabulary(WORDS.classes, templates="plain"))
    assert torch.equal(preview.embeddings, plain.embeddings)
    assert preview.words == words.words
    full = segmenter.embed(words)
    assert not torch.allclose(full.embeddings, preview.embeddings, atol=1e-3)
    assert torch.equal(
        segmenter.embed(words, templates=["a photo of a {}."]).embeddings, preview.embeddings
    )
    with pytest.raises(VocabularyError, match="imagenet-81"):
        segmenter.embed(words, templates="imagenet-81")


def test_phrases_of_no_vocabulary(segmenter: Segmenter) -> None:
    rows = segmenter.embed_texts(["face", "  a   white flag "], "word")
    expected = segmenter.embed(Vocabulary(["face", "a white flag"], templates="word")).embeddings
    assert torch.equal(rows, expected)
    assert segmenter.embed_texts([], "word").shape == (0, 64)
    with pytest.raises(VocabularyError, match="phrase is empty"):
        segmenter.embed_texts(["face", " "], "word")


def test_biases_and_thresholds_of_the_vocabulary_count(
    segmenter: Segmenter, photo: NDArray[np.uint8]
) -> None:
    features = segmenter.encode(photo, PRESET)

    def labels(bias: float = 0.0, threshold: float = 0.0) -> Segmentation:
        favoured = dataclasses.replace(WORDS["flag"], bias=bias, threshold=threshold)
        return segmenter.segment(features, WORDS.replace("flag", favoured), PRESET)

    shares = [labels(bias=bias).classes[2].share for bias in (-20, -1, 0, 1, 20)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    plain, strict = labels(), labels(threshold=0.5)
    unsure = (plain.labels == 3) & (plain.confidence < 0.5)
    assert unsure.any()
    np.testing.assert_array_equal(strict.labels, np.where(unsure, 0, plain.labels))


def test_embeddings_of_other_words_are_refused(
    segmenter: Segmenter, photo: NDArray[np.uint8]
) -> None:
    features = segmenter.encode(photo, PRESET)
    for other in (WORDS.add("star"), WORDS.reorder(["flag", "face", "space suit"])):
        with pytest.raises(SettingsError, match="embed the vocabulary again"):
            segmenter.segment_embedded(
                features,
                other,
                segmenter.embed(WORDS),
                refine=PRESET.refine,
                decision=PRESET.decide,
            )

"""What is here: lists of candidates, what is computed, and what is handed back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation._cells import MAX_CELLS, cell_shape
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.proposals import Proposal, what_is_here
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import EncodeSettings
from napari_itaclip.segmentation.windows import plan_axis
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary


@pytest.fixture(scope="module")
def painted(segmenter: Segmenter, photo: NDArray[np.uint8]) -> ImageFeatures:
    """Return features whose left half is a wheel and whose right half is a flag, to the model."""
    features = segmenter.encode(photo, EncodeSettings(short_side=64, window=64, stride=32))
    wheel, flag = segmenter.embed_texts(["wheel", "flag"], "word")
    fake = wheel.expand(features.features.shape).clone()
    starts = np.array(features.columns.starts)[:, None] + 16 * np.arange(features.columns.grid)
    right = torch.from_numpy(starts >= features.columns.length // 2)
    fake[:, right[:, None].expand(-1, features.rows.grid, -1)] = flag
    return dataclasses.replace(features, features=fake)


def words(*classes: ClassPrompt | str, domain: str | None = None) -> Vocabulary:
    return Vocabulary(classes, templates="word", domain=domain)


def names(proposals: tuple[Proposal, ...]) -> list[str]:
    return [proposal.prompt.name for proposal in proposals]


def test_finds_what_is_there_and_where(segmenter: Segmenter, painted: ImageFeatures) -> None:
    candidates = words("bottle", "wheel", "flag", "nucleus", domain="harbours")
    found = {p.prompt.name: p for p in what_is_here(segmenter, painted, candidates)}
    assert found.keys() == {"wheel", "flag"}
    height, width = painted.shape
    for name, left in (("wheel", 0), ("flag", width // 2)):
        proposal = found[name]
        assert proposal.prompt is candidates[name]
        assert proposal.share == pytest.approx(0.5, abs=0.15)
        assert 0.5 < proposal.confidence <= 1
        assert proposal.source == "harbours"
        region = proposal.region
        assert (region.top, region.height) == (0, height)
        assert region.left == pytest.approx(left, abs=16)
        assert region.width == pytest.approx(width / 2, abs=16)
        assert np.zeros(painted.shape)[region.slices].shape == (region.height, region.width)


def test_runs_no_image_tower(
    segmenter: Segmenter, painted: ImageFeatures, network_calls: list[int]
) -> None:
    what_is_here(segmenter, painted, words("wheel", "flag"))
    assert network_calls == []


def test_several_lists_keep_their_names_and_earlier_ones_win(
    segmenter: Segmenter, painted: ImageFeatures
) -> None:
    lists = {
        "tools": words("wheel", "pollen"),
        "things": words(ClassPrompt("roll", ("Wheel",)), "flag"),
    }
    found = {p.prompt.name: p.source for p in what_is_here(segmenter, painted, lists)}
    assert found == {"wheel": "tools", "flag": "things"}
    assert what_is_here(segmenter, painted, {}) == ()


def test_background_words_compete_but_are_not_proposed(
    segmenter: Segmenter, painted: ImageFeatures
) -> None:
    ground = ClassPrompt("the rest", ("flag",), background=True)
    assert names(what_is_here(segmenter, painted, words("wheel", "bottle", ground))) == ["wheel"]
    lists = {"a": words("wheel", ground), "b": words("flag")}
    assert set(names(what_is_here(segmenter, painted, lists))) == {"wheel", "flag"}


def test_min_share_and_holes(segmenter: Segmenter, painted: ImageFeatures) -> None:
    candidates = words("wheel", "flag")
    valid = np.ones(painted.shape, bool)
    valid[:, painted.shape[1] // 2 - 16 :] = False
    holed = dataclasses.replace(painted, valid=valid)
    assert names(what_is_here(segmenter, holed, candidates)) == ["wheel"]
    assert what_is_here(segmenter, painted, candidates, min_share=0.9) == ()
    nothing = dataclasses.replace(painted, valid=np.zeros(painted.shape, bool))
    assert what_is_here(segmenter, nothing, candidates) == ()


def test_progress_goes_up_to_the_total_and_may_stop_it(
    segmenter: Segmenter, painted: ImageFeatures
) -> None:
    steps: list[tuple[int, int]] = []
    fresh = Segmenter(segmenter.model)
    lists = {"a": words("wheel", "pollen"), "b": words("flag", "nucleus")}
    what_is_here(fresh, painted, lists, progress=lambda done, total: steps.append((done, total)))
    assert steps
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        what_is_here(Segmenter(segmenter.model), painted, lists, progress=stop)


def test_refuses_foreign_features_and_numbers_out_of_range(
    segmenter: Segmenter, painted: ImageFeatures
) -> None:
    with pytest.raises(SettingsError, match="another"):
        what_is_here(segmenter, dataclasses.replace(painted, model="another"), words("wheel"))
    with pytest.raises(SettingsError, match="min_share"):
        what_is_here(segmenter, painted, words("wheel"), min_share=2)
    with pytest.raises(SettingsError, match="min_lead"):
        what_is_here(segmenter, painted, words("wheel"), min_lead=-1)
    with pytest.raises(SettingsError, match="evidence_part"):
        what_is_here(segmenter, painted, words("wheel"), evidence_part=1.5)


def test_a_panorama_is_looked_at_more_coarsely(painted: ImageFeatures) -> None:
    assert cell_shape(painted)[0] == 8
    wide = dataclasses.replace(painted, columns=plan_axis(64_000, 64, 32, 16))
    height, width = cell_shape(wide)
    assert height * width == pytest.approx(MAX_CELLS, rel=0.2)

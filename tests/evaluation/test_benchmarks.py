"""The published benchmarks: small trees in the layouts of the real data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_itaclip.errors import FormatError, SettingsError
from napari_itaclip.evaluation.benchmarks import BENCHMARKS, get_benchmark
from napari_itaclip.evaluation.datasets import DataSet, find_benchmark
from napari_itaclip.evaluation.truth import read_labels
from napari_itaclip.evaluation.words import match_classes
from napari_itaclip.segmentation.settings import PRESETS
from napari_itaclip.vocabulary.packs import PACKS, load_pack
from tests.evaluation import trees

CLASSES = {
    "voc21": 21, "voc20": 20, "context60": 60, "context59": 59, "coco_object": 81,
    "coco_stuff": 171, "cityscapes": 19, "ade20k": 150,
}  # fmt: skip


def decoded(found: DataSet) -> list[int]:
    """Return the first row of the first mask as positions."""
    mask = found.samples[0].mask
    positions: list[int] = found.coding.decode(read_labels(mask), str(mask))[0].tolist()
    return positions


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_words_settings_and_values(name: str) -> None:
    benchmark = BENCHMARKS[name]
    vocabulary = benchmark.vocabulary()
    assert len(vocabulary) == CLASSES[name]
    assert benchmark.pack in PACKS
    assert benchmark.preset in PRESETS
    assert (vocabulary.background is not None) == benchmark.background
    for layout in benchmark.layouts:
        assert set(layout.values.positions.values()) == set(range(CLASSES[name]))
        assert not layout.values.ignored & layout.values.positions.keys()
        assert {*layout.values.positions, *layout.values.ignored} >= {0, 255}


@pytest.mark.parametrize("name", ["voc20", "context59"])
def test_without_a_background_no_threshold_leaves_pixels_unlabelled(name: str) -> None:
    decide = PRESETS[name].decide
    assert decide.probability_threshold == 0
    assert decide.area_threshold is None


def test_voc_with_and_without_background(tmp_path: Path) -> None:
    folder = trees.make_voc(tmp_path / "VOCdevkit", [0, 1, 20, 255])
    with_background = find_benchmark(BENCHMARKS["voc21"], tmp_path)
    assert [one.name for one in with_background.samples] == ["2007_000001", "2007_000002"]
    assert decoded(with_background)[:4] == [0, 1, 20, -1]
    assert with_background.classes[0].name == "background"
    assert with_background.notes == ("2 images; the published numbers are about 1449.",)
    without = find_benchmark(BENCHMARKS["voc20"], folder)
    assert decoded(without)[:4] == [-1, 0, 19, -1]
    assert without.classes[0].name == "aeroplane"
    assert without.vocabulary.ids == tuple(range(1, 21))


def test_context_with_and_without_background(tmp_path: Path) -> None:
    trees.make_voc(tmp_path, [0, 1, 59, 255], "2010")
    assert decoded(find_benchmark(BENCHMARKS["context60"], tmp_path))[:4] == [0, 1, 59, -1]
    assert decoded(find_benchmark(BENCHMARKS["context59"], tmp_path))[:4] == [-1, 0, 58, -1]


@pytest.mark.parametrize(
    ("ending", "values", "positions"),
    [
        # Background, person, toothbrush, ignored.
        ("_instanceTrainIds.png", [0, 1, 80, 255], [0, 1, 80, -1]),
        # Person, toothbrush, banner (stuff), unlabelled: the last two are background.
        ("_labelTrainIds.png", [0, 79, 80, 255], [1, 80, 0, 0]),
        (".png", [0, 89, 91, 255], [1, 80, 0, 0]),
    ],
)
def test_coco_object_in_every_form(
    tmp_path: Path, ending: str, values: list[int], positions: list[int]
) -> None:
    root = trees.make_coco(tmp_path / "coco_stuff164k", ending, values)
    for folder in (tmp_path, root):
        assert decoded(find_benchmark(BENCHMARKS["coco_object"], folder))[:4] == positions


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize(
    ("ending", "values"),
    # Person, street sign's neighbour "stop sign", toothbrush, banner, wood, unlabelled.
    [("_labelTrainIds.png", [0, 11, 79, 80, 170, 255]), (".png", [0, 12, 89, 91, 181, 255])],
)
def test_coco_stuff_in_both_forms(
    tmp_path: Path, ending: str, values: list[int], *, unpacked: bool
) -> None:
    trees.make_coco(tmp_path, ending, values, unpacked=unpacked)
    found = find_benchmark(BENCHMARKS["coco_stuff"], tmp_path)
    positions = decoded(found)[:6]
    assert positions == [0, 11, 79, 80, 170, -1]
    named = [found.classes[at].name for at in positions[:-1]]
    assert named == ["person", "stopsign", "toothbrush", "banner", "wood"]


def test_converted_masks_of_coco_come_before_raw_ones(tmp_path: Path) -> None:
    trees.make_coco(tmp_path, ".png", [0, 12, 255])
    trees.make_coco(tmp_path, "_labelTrainIds.png", [0, 11, 255])
    found = find_benchmark(BENCHMARKS["coco_stuff"], tmp_path)
    assert found.samples[0].mask.name == "000000000139_labelTrainIds.png"
    assert len(found.samples) == 2


@pytest.mark.parametrize(
    ("ending", "values", "positions"),
    [
        ("_gtFine_labelTrainIds.png", [0, 6, 18, 255], [0, 6, 18, -1]),
        # Road, traffic light, bicycle; unlabelled and parking are not evaluated.
        ("_gtFine_labelIds.png", [7, 19, 33, 0, 9], [0, 6, 18, -1, -1]),
    ],
)
def test_cityscapes_in_both_forms(
    tmp_path: Path, ending: str, values: list[int], positions: list[int]
) -> None:
    trees.make_cityscapes(tmp_path / "cityscapes", ending, values)
    found = find_benchmark(BENCHMARKS["cityscapes"], tmp_path)
    assert [one.name for one in found.samples] == [
        "lindau/lindau_000000_000019",
        "munster/munster_000001_000019",
    ]
    assert decoded(found)[: len(positions)] == positions


def test_ade20k_leaves_out_what_is_no_class(tmp_path: Path) -> None:
    trees.make_ade(tmp_path / "ade" / "ADEChallengeData2016", [0, 1, 150])
    found = find_benchmark(BENCHMARKS["ade20k"], tmp_path)
    assert decoded(found)[:3] == [-1, 0, 149]
    assert (found.classes[0].name, found.classes[149].name) == ("wall", "flag")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_missing_data_is_told_with_layout_and_source(name: str, tmp_path: Path) -> None:
    benchmark = BENCHMARKS[name]
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FormatError) as caught:
            find_benchmark(benchmark, folder)
        said = str(caught.value)
        assert str(folder) in said
        for layout in benchmark.layouts:
            assert f"{layout.images}/*{layout.image_ending}" in said
            assert f"{layout.masks}/*{layout.mask_ending}" in said
        assert "http" in said or "data.csail" in said


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    folder = trees.make_voc(tmp_path, [0, 1])
    (folder / "SegmentationClass" / "2007_000002.png").unlink()
    with pytest.raises(FormatError, match=r"1 files are missing, first .*2007_000002\.png"):
        find_benchmark(BENCHMARKS["voc21"], tmp_path)


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "C:\\x", "a\0b"])
def test_a_list_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = trees.make_voc(tmp_path, [0, 1])
    trees.put_list(folder / "ImageSets/Segmentation/val.txt", "2007_000001", name)
    with pytest.raises(FormatError, match="outside"):
        find_benchmark(BENCHMARKS["voc21"], tmp_path)


def test_names_are_forgiving_and_errors_helpful() -> None:
    assert get_benchmark("COCO-Stuff").name == "coco_stuff"
    with pytest.raises(SettingsError, match="did you mean 'cityscapes'"):
        get_benchmark("cityscape")


def test_the_words_of_voc_match_its_classes() -> None:
    benchmark = BENCHMARKS["voc21"]
    vocabulary = benchmark.vocabulary()
    positions = np.arange(21)
    from napari_itaclip.evaluation.datasets import benchmark_classes

    found = match_classes(benchmark_classes(benchmark, vocabulary), load_pack("voc21"))
    assert dict(found.positions) == dict(zip(vocabulary.ids, positions.tolist(), strict=True))
    assert found.by_id == (("sky", "background"),)

"""``napari-itaclip evaluate`` from the shell's side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_itaclip.evaluation.confusion import confusion_matrix, intersection_over_union
from napari_itaclip.sample_data import WORLDS, sample_image, sample_labels, sample_words
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.cli_runner import Ran, Run, checkpoint, run
from tests.cli_runner import _own_world as _own_world
from tests.evaluation import trees

__all__ = ["checkpoint", "run"]

QUICK = ("--device", "cpu", "--precision", "float32", "--preset", "draft")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a folder of three images whose labels are known."""
    place = tmp_path / "set"
    for number, labels in enumerate(([1, 2], [1, 1], [2, 7])):
        trees.put_image(place / "images" / f"{number}.png", number)
        trees.put_mask(place / "masks" / f"{number}.png", [1, 2])
        trees.put_mask(place / "found" / f"{number}_labels.png", labels)
    (place / "classes.json").write_text(json.dumps({"1": "road, wet", "2": "[tree]"}))
    return place


def report_of(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return data


def test_the_sample_scenes_get_the_numbers_of_the_library(run: Run, tmp_path: Path) -> None:
    words = sorted({word for world in WORLDS for word in sample_words(world)})
    vocabulary = Vocabulary(words)
    ids = dict(zip(vocabulary.names, vocabulary.ids, strict=True))
    for world in WORLDS:
        table = np.array([ids[word] for word in sample_words(world)], np.uint8)
        for kind, values in (
            ("images", sample_image(world)), ("masks", table[sample_labels(world)]),
        ):  # fmt: skip
            path = tmp_path / "scenes" / kind / f"{world}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
    (tmp_path / "scenes" / "classes.json").write_text(json.dumps({ids[one]: one for one in words}))
    ran = run("evaluate", "scenes", "--model", "demo", *QUICK, "--output", "out")
    assert ran.code == 0

    segmenter = Segmenter.from_pretrained("demo", device="cpu", precision="float32")
    total = np.zeros((len(words), len(words) + 1), np.int64)
    for world in WORLDS:
        table = np.array([ids[word] - 1 for word in sample_words(world)])
        found = segmenter.segment(sample_image(world), vocabulary, "draft").labels.astype(int) - 1
        total += confusion_matrix(table[sample_labels(world)], found, len(words))
    report = report_of(tmp_path / "out")
    assert report["confusion"] == total.tolist()
    expected = float(np.nanmean(intersection_over_union(total)))
    assert report["mean_iou"] == pytest.approx(expected, abs=1e-9)
    assert f"{expected * 100:.2f}" in ran.out
    # What it takes to do it again, and what to know about it.
    assert report["how"]["model"] == segmenter.model.identity
    assert report["how"]["preset"] == "draft"
    assert report["how"]["settings"]["encode"]["stride"] == 224
    assert report["how"]["vocabulary"] == vocabulary.to_dict()
    assert "drawn scenes" in report["how"]["notice"]
    assert "drawn scenes" in ran.said
    assert (tmp_path / "out" / "confusion.png").stat().st_size > 5000


def test_label_files_are_judged(run: Run, small: Path) -> None:
    ran = run("evaluate", "set", "--labels", "set/found", "--no-picture")
    assert ran.code == 0
    report = report_of(Path("itaclip-evaluation/set"))
    half = trees.SIZE[0] * trees.SIZE[1] // 2
    # Right; all road; all shifted by one class, the second of which is none.
    assert report["confusion"] == [[2 * half, half, 0], [half, half, half]]
    assert [one["iou"] for one in report["classes"]] == [0.5, 0.25]
    assert report["mean_iou"] == 0.375
    for shown in ("road, wet", "[tree]", "50.00", "25.00", "37.50", "mIoU", "boundary IoU"):
        assert shown in ran.out
    assert "set: 3 images, 2 classes" in ran.said
    assert not Path("itaclip-evaluation/set/confusion.png").exists()


def test_json_is_the_report(run: Run, small: Path) -> None:
    ran = run("evaluate", "set", "--labels", "set/found", "-o", "out", "--json", "--no-picture")
    assert ran.code == 0
    assert json.loads(ran.out) == report_of(Path("out"))


def test_shards_and_merging(run: Run, small: Path) -> None:
    def shard(text: str, output: str) -> Ran:
        common = ("set", "--labels", "set/found", "--no-picture")
        return run("evaluate", *common, "--shard", text, "--output", output)

    assert run("evaluate", "set", "--labels", "set/found", "-o", "whole").code == 0
    first = shard("1/2", "one")
    assert first.code == 0
    assert "Shard 1/2 is done; 1 images of other shards are not counted yet" in first.said
    assert first.out == ""
    lacking = run("evaluate", "--merge", "one", "-o", "both")
    assert lacking.code == 1
    assert "1 of 3 images are not counted yet" in lacking.said
    assert shard("2/2", "two").code == 0
    assert run("evaluate", "--merge", "one", "--merge", "two", "-o", "both").code == 0
    assert report_of(Path("both")) == report_of(Path("whole"))
    assert shard("2/2", "one").code == 0
    assert report_of(Path("one")) == report_of(Path("whole"))


def test_a_benchmark_is_found_below_data(run: Run, tmp_path: Path) -> None:
    folder = trees.make_voc(tmp_path / "data" / "VOCdevkit", [0, 7, 20, 255])
    for name in ("2007_000001", "2007_000002"):
        trees.put_mask(tmp_path / "found" / f"{name}.png", [0, 7, 20, 1])
    for name, classes, pixels in (("voc21", 21, 3 / 4), ("voc20", 20, 2 / 4)):
        ran = run("evaluate", name, "--labels", "found", "--no-picture")
        assert ran.code == 0
        report = report_of(Path("itaclip-evaluation") / name)
        assert len(report["classes"]) == classes
        assert report["mean_iou"] == 1
        assert report["pixels"] == pixels * 2 * trees.SIZE[0] * trees.SIZE[1]
        assert "the published numbers are about 1449" in ran.said
    refused = run("evaluate", "voc20", "--labels", "found", "--ignore", 7, "-o", "x")
    assert refused.code == 2
    assert "7 is a class of Pascal VOC" in refused.said
    elsewhere = ("--data", folder, "--labels", "found", "-o", "out", "--limit", 1)
    assert run("evaluate", "voc21", *elsewhere).code == 0
    assert report_of(Path("out"))["images"] == 1


def test_a_benchmark_brings_its_words_and_settings(
    run: Run, tmp_path: Path, checkpoint: Path
) -> None:
    trees.make_voc(tmp_path / "data", [0, 7, 255])
    weights = ("--checkpoint", checkpoint, *QUICK[:4], "--limit", 1, "--no-picture")
    assert run("evaluate", "voc20", *weights).code == 0
    how = report_of(Path("itaclip-evaluation/voc20"))["how"]
    assert how["preset"] == "voc20"
    assert how["settings"]["encode"]["stride"] == 28
    assert how["settings"]["decide"]["probability_threshold"] == 0
    assert len(how["vocabulary"]["classes"]) == 20
    other = run("evaluate", "voc20", *weights, "--preset", "draft")
    assert other.code == 2
    assert "different: preset, settings.decide, settings.encode" in other.said
    assert "--restart" in other.said
    assert run("evaluate", "voc20", *weights, "--preset", "draft", "--restart").code == 0
    assert report_of(Path("itaclip-evaluation/voc20"))["how"]["preset"] == "draft"


def test_single_settings_can_be_changed(run: Run, small: Path, checkpoint: Path) -> None:
    weights = ("--checkpoint", checkpoint, *QUICK[:4], "--limit", 1, "--no-picture")
    changes = ("--recipe", "sclip", "--stride", 112, "--no-refine")
    assert run("evaluate", "set", *weights, "--preset", "voc21", *changes).code == 0
    settings = report_of(Path("itaclip-evaluation/set"))["how"]["settings"]
    assert settings["encode"]["recipe"]["name"] == "sclip"
    assert settings["encode"]["stride"] == 112
    assert settings["refine"]["iterations"] == 0
    assert settings["decide"]["logit_scale"] == 60


def test_own_words_are_matched(run: Run, small: Path, checkpoint: Path) -> None:
    Path("words.yaml").write_text(
        "classes:\n  - {name: street, id: 1}\n  - {name: '[tree]', id: 2, synonyms: [oak]}\n"
        "  - {name: lamp, id: 5}\n"
    )
    weights = ("--checkpoint", checkpoint, *QUICK, "--limit", 1, "--no-picture")
    ran = run("evaluate", "set", "--vocabulary", "words.yaml", *weights)
    assert ran.code == 0
    assert "Matched by id: street for road, wet" in ran.said
    assert "no class for (pixels count as misses): lamp" in ran.said
    report = report_of(Path("itaclip-evaluation/set"))
    assert [one["name"] for one in report["classes"]] == ["road, wet", "[tree]"]
    Path("words.yaml").write_text("classes:\n  - {name: street, id: 9}\n")
    ran = run("evaluate", "set", "--vocabulary", "words.yaml", *weights)
    assert ran.code == 2
    assert "no class for 'road, wet' (id 1), '[tree]' (id 2)" in ran.said


def test_what_cannot_be_evaluated_ends_with_one(run: Run, small: Path) -> None:
    trees.put_mask(small / "masks" / "1.png", [1, 9])
    ran = run("evaluate", "set", "--labels", "set/found", "-o", "out")
    assert ran.code == 1
    assert "1.png holds the values 9" in ran.said
    assert "1 images could not be evaluated, so there is no report" in ran.said
    assert not Path("out/report.json").exists()
    again = ("set", "--labels", "set/found", "-o", "out2", "--no-picture", "--ignore", 9)
    assert run("evaluate", *again).code == 0
    assert report_of(Path("out2"))["ignored_pixels"] == trees.SIZE[0] * trees.SIZE[1] // 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Say what to evaluate"),
        (["cityscape"], 2, "did you mean 'cityscapes'"),
        (["ade20k"], 1, "annotations/validation/*.png"),
        (["set", "--shard", "3/2"], 2, "like 2/8"),
        (["set", "--labels", "set/found", "--model", "demo"], 2, "either --labels or a model"),
        (["set", "--model", "demo", "--checkpoint", "x.pt"], 2, "either --model or --checkpoint"),
        (["set", "--labels", "set/images"], 1, "in colours"),
        (["set", "--labels", "nowhere"], 1, "there is no folder nowhere"),
        (["set", "--model", "demo", "--preset", "fast"], 2, "no preset 'fast'"),
        (["--merge", "nowhere"], 1, "holds no evaluation"),
        (["set/images"], 1, "must hold images/, masks/ and classes.json"),
    ],
)
def test_mistakes_are_explained(
    run: Run, small: Path, arguments: list[str], code: int, said: str
) -> None:
    ran = run("evaluate", *arguments)
    assert ran.code == code
    assert said in ran.said


def test_without_matplotlib_there_is_a_report_and_a_hint(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = run("evaluate", "set", "--labels", "set/found", "-o", "out")
    assert ran.code == 0
    assert "pip install 'napari-itaclip[plots]'" in ran.said
    assert report_of(Path("out"))["images"] == 3
    assert not Path("out/confusion.png").exists()
    asked = run("evaluate", "set", "--labels", "set/found", "-o", "out3", "--picture")
    assert asked.code == 1
    assert not Path("out3").exists()

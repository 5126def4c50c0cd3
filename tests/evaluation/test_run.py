"""Whole evaluations: with known numbers, killed and resumed, in shards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_itaclip.errors import FormatError, OutputError, SettingsError
from napari_itaclip.evaluation.datasets import Sample
from napari_itaclip.evaluation.folder import find_folder
from napari_itaclip.evaluation.predictors import (
    FileLabels,
    Labels,
    annotation_classes,
    find_annotations,
    find_label_files,
    has_own_classes,
    read_annotations,
)
from napari_itaclip.evaluation.run import Evaluation, Shard, evaluate, merge
from napari_itaclip.evaluation.state import file_digest
from napari_itaclip.evaluation.words import match_classes
from napari_itaclip.files import write_atomically
from tests.evaluation import trees

IMAGES = 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data set of seven images with label files beside it, some of them wrong."""
    place = tmp_path / "set"
    random = np.random.default_rng(3)
    for number in range(IMAGES):
        trees.put_image(place / "images" / f"{number}.png", number)
        truth = trees.put_mask(place / "masks" / f"{number}.png", [1, 1, 2, 2, 255])
        labels = np.where(random.random(truth.shape) < 0.2, 3 - np.minimum(truth, 2), truth)
        path = place / "found" / f"{number}_labels.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(labels.astype(np.uint8)).save(path)
    (place / "classes.json").write_text(json.dumps({"1": "road", "2": "tree"}))
    return place


def of_files(folder: Path, output: Path, **options: Any) -> Evaluation:
    data = find_folder(folder)
    labels = find_label_files(folder / "found", data.samples)
    return Evaluation(data, labels, match_classes(data.classes, data.vocabulary), output, **options)


def report_of(output: Path) -> str:
    return (output / "report.json").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Counting:
    """Label files that are noted when they are read."""

    inner: FileLabels
    read: list[str] = field(default_factory=list)
    stop_before: str | None = None

    @property
    def about(self) -> Mapping[str, Any]:
        return self.inner.about

    def content(self, sample: Sample) -> Mapping[str, str]:
        return self.inner.content(sample)

    def labels(self, sample: Sample) -> Labels:
        if sample.name == self.stop_before:
            raise KeyboardInterrupt
        self.read.append(sample.name)
        return self.inner.labels(sample)


def counting(evaluation: Evaluation, **options: Any) -> tuple[Evaluation, Counting]:
    assert isinstance(evaluation.predictor, FileLabels)
    predictor = Counting(evaluation.predictor, **options)
    return replace(evaluation, predictor=predictor), predictor


def test_known_numbers_come_out(tmp_path: Path) -> None:
    place = tmp_path / "set"
    for name, truth, labels in (("a", [[0, 0, 1, 9]], [[0, 1, 1, 0]]), ("b", [[1, 1]], [[1, 7]])):
        trees.put_image(place / "images" / f"{name}.png")
        for kind, values in (("masks", truth), ("found", labels)):
            path = place / kind / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.array(values, np.uint8)).save(path)
    (place / "classes.json").write_text(
        json.dumps({"classes": {"0": "road", "1": "tree", "2": "sky"}, "ignore": 9})
    )
    report = evaluate(of_files(place, tmp_path / "out")).report
    assert report is not None
    data = json.loads(report_of(tmp_path / "out"))
    assert data["confusion"] == [[1, 1, 0, 0], [0, 2, 0, 1], [0, 0, 0, 0]]
    assert data["confusion_columns"] == ["road", "tree", "sky", "(none)"]
    assert [one["iou"] for one in data["classes"]] == [0.5, 0.5, None]
    assert data["mean_iou"] == 0.5
    assert data["pixel_accuracy"] == pytest.approx(3 / 5)
    assert data["mean_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    # One row of pixels is boundary throughout, so boundary IoU is IoU here.
    assert [one["boundary_iou"] for one in data["classes"]] == [0.5, 0.5, None]
    assert (data["images"], data["pixels"], data["ignored_pixels"]) == (2, 5, 1)
    assert data["most_confused"][0]["truth"] == "road"
    assert data["how"]["label_ids"] == {"0": 0, "1": 1, "2": 2}
    assert str(tmp_path) not in report_of(tmp_path / "out")


def test_an_interrupted_evaluation_goes_on_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    evaluate(of_files(folder, tmp_path / "whole"))
    broken, first = counting(of_files(folder, tmp_path / "parts"), stop_before="4")
    with pytest.raises(KeyboardInterrupt):
        evaluate(broken)
    assert first.read == ["0", "1", "2", "3"]
    assert not (tmp_path / "parts" / "report.json").exists()
    again, second = counting(of_files(folder, tmp_path / "parts"))
    outcome = evaluate(again)
    assert second.read == ["4", "5", "6"]
    assert (outcome.counted, outcome.kept, outcome.missing) == (3, 4, 0)
    assert report_of(tmp_path / "parts") == report_of(tmp_path / "whole")


KILLED = """
import os, signal, sys
from pathlib import Path
from napari_itaclip import files
from tests.evaluation.test_run import of_files, evaluate
left, inside = int(sys.argv[3]), sys.argv[4] == "inside"
rename = Path.replace
def replace(path, target):
    global left
    if "images" in Path(target).parts:
        left -= 1
        if left < 0:
            if not inside:
                rename(path, target)
            os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
Path.replace = replace
evaluate(of_files(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
@pytest.mark.parametrize(("after", "moment"), [(0, "inside"), (3, "inside"), (5, "behind")])
def test_a_killed_evaluation_ends_with_the_same_report(
    folder: Path, tmp_path: Path, after: int, moment: str
) -> None:
    """Killed before a file of counts has its name (inside), or just after (behind)."""
    evaluate(of_files(folder, tmp_path / "whole"))
    command = [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "out"), str(after), moment]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, timeout=60, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (tmp_path / "out" / "report.json").exists()
    outcome = evaluate(of_files(folder, tmp_path / "out"))
    assert outcome.kept == after + (moment == "behind")
    left = list((tmp_path / "out").rglob("*.part"))
    assert len(left) == (moment == "inside")
    assert report_of(tmp_path / "out") == report_of(tmp_path / "whole")


def test_half_a_file_of_counts_is_counted_again(folder: Path, tmp_path: Path) -> None:
    evaluate(of_files(folder, tmp_path / "out"))
    before = report_of(tmp_path / "out")
    for number, path in enumerate(sorted((tmp_path / "out/state/images").iterdir())):
        text = path.read_text()
        path.write_text([text[:40], "[]", text.replace("confusion", "x"), "[" * 50_000][number % 4])
    outcome = evaluate(of_files(folder, tmp_path / "out"))
    assert (outcome.counted, outcome.kept) == (IMAGES, 0)
    assert report_of(tmp_path / "out") == before


def test_what_changed_is_counted_again(folder: Path, tmp_path: Path) -> None:
    evaluate(of_files(folder, tmp_path / "out"))
    before = report_of(tmp_path / "out")
    trees.put_mask(folder / "masks" / "2.png", [2, 1])
    again, noted = counting(of_files(folder, tmp_path / "out"))
    evaluate(again)
    assert noted.read == ["2"]
    assert report_of(tmp_path / "out") != before


@pytest.mark.parametrize("count", [2, 3, IMAGES + 2])
def test_shards_in_one_folder_give_the_same_report(
    folder: Path, tmp_path: Path, count: int
) -> None:
    evaluate(of_files(folder, tmp_path / "whole"))
    outcomes = [
        evaluate(of_files(folder, tmp_path / "out", shard=Shard(index, count)))
        for index in range(count, 0, -1)
    ]
    assert sum(one.counted for one in outcomes) == IMAGES
    assert [one.report is not None for one in outcomes[:-1]] == [False] * (count - 1)
    assert outcomes[0].missing == IMAGES - outcomes[0].counted
    assert report_of(tmp_path / "out") == report_of(tmp_path / "whole")


def test_shards_in_folders_of_their_own_are_merged(folder: Path, tmp_path: Path) -> None:
    evaluate(of_files(folder, tmp_path / "whole"))
    parts = [tmp_path / f"part{index}" for index in (1, 2, 3)]
    for index, part in enumerate(parts, 1):
        assert evaluate(of_files(folder, part, shard=Shard(index, 3))).report is None
    merge(parts, tmp_path / "out")
    assert report_of(tmp_path / "out") == report_of(tmp_path / "whole")
    # Into one of them, in another order.
    merge(parts[::-1], parts[1])
    assert report_of(parts[1]) == report_of(tmp_path / "whole")
    evaluate(of_files(folder, tmp_path / "part4", shard=Shard(2, 3)))
    with pytest.raises(FormatError, match="2 of 7 images are not counted yet, first '2'"):
        merge([parts[0], tmp_path / "part4"], tmp_path / "lacking")
    with pytest.raises(FormatError, match="holds no evaluation"):
        merge([tmp_path / "nothing"], tmp_path / "out")


def test_different_evaluations_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    evaluate(of_files(folder, tmp_path / "out"))
    evaluate(of_files(folder, tmp_path / "other", shard=Shard(1, 2)))
    (folder / "classes.json").write_text(json.dumps({"1": "street", "2": "tree"}))
    changed = of_files(folder, tmp_path / "out")
    with pytest.raises(SettingsError, match=r"in another way \(different: classes\).*--restart"):
        evaluate(changed)
    evaluate(of_files(folder, tmp_path / "third"))
    with pytest.raises(SettingsError, match=r"different ways \(classes\)"):
        merge([tmp_path / "other", tmp_path / "third"], tmp_path / "out2")
    (tmp_path / "out" / "mine.txt").write_text("keep")
    (tmp_path / "out" / "state" / ".itaclip-half.part").write_text("{")
    assert evaluate(replace(changed, restart=True)).counted == IMAGES
    assert not list((tmp_path / "out").rglob("*.part"))
    assert '"street"' in report_of(tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_a_trial_is_part_of_the_whole(folder: Path, tmp_path: Path) -> None:
    trial = evaluate(of_files(folder, tmp_path / "out", limit=2))
    assert trial.report is not None
    assert trial.report.images == 2
    assert json.loads(report_of(tmp_path / "out"))["images_in_data_set"] == IMAGES
    assert evaluate(of_files(folder, tmp_path / "out")).kept == 2


def test_what_cannot_be_evaluated_is_told_and_stops_nothing(folder: Path, tmp_path: Path) -> None:
    trees.put_mask(folder / "masks" / "1.png", [1, 77])
    (folder / "masks" / "3.png").write_bytes(b"no picture")
    Image.new("L", (3, 3), 1).save(folder / "found" / "5_labels.png")
    outcome = evaluate(of_files(folder, tmp_path / "out"))
    assert outcome.report is None
    assert outcome.counted == IMAGES - 3
    reasons = dict(outcome.failures)
    assert "values 77" in reasons["1"]
    assert "cannot be read" in reasons["3"]
    assert "3 × 3 pixels" in reasons["5"]
    assert "16 × 12 pixels" in reasons["5"]
    assert not (tmp_path / "out" / "report.json").exists()
    # Counts of a file that was good before are no stand-in for one that is bad now.
    trees.put_mask(folder / "masks" / "1.png", [1, 2])
    trees.put_mask(folder / "masks" / "3.png", [1, 2])
    Image.fromarray(np.ones(trees.SIZE, np.uint8)).save(folder / "found" / "5_labels.png")
    assert evaluate(of_files(folder, tmp_path / "out")).report is not None
    trees.put_mask(folder / "masks" / "1.png", [77])
    assert evaluate(of_files(folder, tmp_path / "out")).missing == 1


def test_a_folder_that_cannot_be_made_ends_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        evaluate(of_files(folder, tmp_path / "file" / "out"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_ends_it_and_keeps_what_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 4

    def fill(path: Path, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OutputError(f"{path} cannot be written: No space left on device.")
        write_atomically(path, content)

    monkeypatch.setattr("napari_itaclip.evaluation.state.write_atomically", fill)
    with pytest.raises(OutputError, match="No space left"):
        evaluate(of_files(folder, tmp_path / "out"))
    monkeypatch.undo()
    outcome = evaluate(of_files(folder, tmp_path / "out"))
    assert outcome.kept == 3
    assert outcome.report is not None


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2"])
def test_bad_shards_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="like 2/8"):
        Shard.parse(text)


def test_labels_are_found_under_the_images_names(folder: Path, tmp_path: Path) -> None:
    samples = find_folder(folder).samples
    place = tmp_path / "labels"
    for number, name in enumerate(["0.png", "1_labels.png", "sub/2.tif", "3.png"]):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 12), number).save(place / name)
    found = find_label_files(place, samples[:4]).found
    assert [path.relative_to(place).as_posix() for path in found.values()] == [
        "0.png", "1_labels.png", "sub/2.tif", "3.png",
    ]  # fmt: skip
    with pytest.raises(FormatError, match=r"lacks the labels of 3 of 7 images, first '4'"):
        find_label_files(place, samples)
    Image.new("L", (16, 12)).save(place / "sub" / "0.tif")
    Image.new("L", (16, 12)).save(place / "0.tif")
    with pytest.raises(FormatError, match="keep one of them"):
        find_label_files(place, samples[:1])
    with pytest.raises(FormatError, match="there is no folder"):
        find_label_files(place / "nowhere", samples)


def test_labels_with_their_own_classes_are_matched_by_name(folder: Path, tmp_path: Path) -> None:
    """The same labels under other ids, as a labelled data set with a list of classes."""
    evaluate(of_files(folder, tmp_path / "plain"))
    place = tmp_path / "exported"
    for path in sorted((folder / "found").iterdir()):
        values = np.asarray(Image.open(path))
        target = place / "labels" / path.name.replace("_labels", "")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.choose(np.minimum(values, 3), [0, 9, 4, 0]).astype(np.uint8)).save(
            target
        )
    table = {"unlabelled": 0, "classes": [{"id": 4, "name": "Tree"}, {"id": 9, "name": "road"}]}
    (place / "classes.json").write_text(json.dumps(table))
    assert has_own_classes(place)
    assert not has_own_classes(folder / "found")
    data = find_folder(folder)
    opened = read_annotations(place)
    matching = match_classes(data.classes, annotation_classes(opened))
    assert dict(matching.positions) == {9: 0, 4: 1}
    predictor = find_annotations(opened, data.samples)
    report = evaluate(Evaluation(data, predictor, matching, tmp_path / "out")).report
    assert report is not None
    plain = json.loads(report_of(tmp_path / "plain"))
    assert report.counts.confusion.tolist() == plain["confusion"]
    with pytest.raises(FormatError, match="have no image 'x'"):
        find_annotations(opened, (replace(data.samples[0], name="x"),))


def test_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read"):
        file_digest(tmp_path / "nothing")

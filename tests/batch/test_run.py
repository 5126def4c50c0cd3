"""What a batch does: the first time, again, after changes, and beside a person's work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_itaclip.batch.job import BatchJob, ExportTarget
from napari_itaclip.batch.progress import BatchProgress
from napari_itaclip.batch.records import ReviewRecord
from napari_itaclip.batch.refresh import finish_exports, refresh_exports
from napari_itaclip.batch.run import run_batch
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import OutputError, VocabularyError
from napari_itaclip.formats.model import ExportOptions
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.batch.world import QUICK, picture, save_pictures, tree

Make = Callable[..., BatchJob]


def no_model(*_: object, **__: object) -> Segmenter:
    raise AssertionError("the model must not be loaded")


def test_labels_are_those_of_the_engine(job: Make, given: Path, segmenter: Segmenter) -> None:
    report = run_batch(job(), segmenter=segmenter)
    assert (report.done, report.skipped, report.failed, report.left) == (4, 0, (), 0)
    state = BatchState.find(job().exports[0].folder)
    assert [record.name for record in state.items()] == [f"image {n:03d}" for n in range(4)]
    for record in state.items():
        source = state.source_path(record)
        expected = segmenter.segment(np.array(Image.open(source)), job().vocabulary, QUICK)
        np.testing.assert_array_equal(state.load_labels(record), expected.labels)
        np.testing.assert_allclose(state.load_margin(record), expected.margin, atol=0.5 / 255)
        assert record.uncertainty == pytest.approx(1 - expected.margin.mean(), abs=1 / 255)
        assert sum(record.classes.values()) == expected.labels.size
        exported = Image.open(job().exports[1].folder / f"SegmentationClass/{record.key}.png")
        np.testing.assert_array_equal(np.array(exported), expected.labels)
    assert state.vocabulary.names == job().vocabulary.names
    assert state.job.model == segmenter.model.identity


def test_what_is_finished_is_skipped_without_the_model(
    job: Make, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_batch(job(), segmenter=segmenter)
    before = tree(tmp_path / "out")
    monkeypatch.setattr(Segmenter, "from_pretrained", no_model)
    report = run_batch(job())
    assert (report.done, report.skipped) == (0, 4)
    assert tree(tmp_path / "out") == before


def test_new_and_changed_images_are_done_and_nothing_twice(
    job: Make, segmenter: Segmenter, given: Path
) -> None:
    run_batch(job(), segmenter=segmenter)
    save_pictures(given, 1, first=9)
    Image.fromarray(picture(99)).save(given / "image 001.png")
    report = run_batch(job(), segmenter=segmenter)
    assert (report.done, report.skipped) == (2, 3)
    assert dict(report.exports)["png"].images == 5


def test_other_inputs_keep_the_names_that_images_have(
    job: Make, segmenter: Segmenter, given: Path, tmp_path: Path
) -> None:
    run_batch(job(), segmenter=segmenter)
    save_pictures(tmp_path / "more", 1)
    report = run_batch(job(inputs=(tmp_path / "more", given)), segmenter=segmenter)
    assert (report.done, report.skipped) == (1, 4)
    names = [record.name for record in BatchState.find(tmp_path / "out" / "png").items()]
    assert names == ["image 000", "image 001", "image 002", "image 003", "more/image 000"]


def test_other_settings_do_everything_again(job: Make, segmenter: Segmenter) -> None:
    run_batch(job(), segmenter=segmenter)
    other = replace(QUICK, decide=replace(QUICK.decide, margin_threshold=0.2))
    assert run_batch(job(preset=other), segmenter=segmenter).done == 4
    assert run_batch(job(preset=other), segmenter=segmenter).done == 0


def test_another_format_is_written_without_the_model(
    job: Make, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = job().exports
    run_batch(job(exports=(first,)), segmenter=segmenter)
    monkeypatch.setattr(Segmenter, "from_pretrained", no_model)
    assert run_batch(job()).done == 4
    both = tree(tmp_path / "out")
    monkeypatch.undo()
    new = tuple(replace(one, folder=tmp_path / "new" / one.format) for one in (first, second))
    run_batch(job(exports=new), segmenter=segmenter)
    for path, content in tree(tmp_path / "new").items():
        assert both[path] == content, path


@pytest.mark.parametrize("what", ["labels", "margins"])
def test_missing_labels_are_made_again(
    job: Make, segmenter: Segmenter, tmp_path: Path, what: str
) -> None:
    run_batch(job(), segmenter=segmenter)
    before = tree(tmp_path / "out")
    (job().state_folder / what / "image 002.png").unlink()
    assert run_batch(job(), segmenter=segmenter).done == 1
    assert tree(tmp_path / "out") == before


def test_missing_export_files_are_written_from_the_labels(
    job: Make, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(job(), segmenter=segmenter)
    before = tree(tmp_path / "out")
    (tmp_path / "out/voc/SegmentationClass/image 002.png").unlink()
    (tmp_path / "out/png/classes.json").unlink()
    monkeypatch.setattr(Segmenter, "from_pretrained", no_model)
    assert run_batch(job()).done == 1
    assert tree(tmp_path / "out") == before


def test_unreadable_images_are_listed_and_stop_nothing(
    job: Make, segmenter: Segmenter, given: Path
) -> None:
    (given / "a text.png").write_text("not a picture")
    (given / "empty.jpg").write_bytes(b"")
    (given / "cut off.png").write_bytes((given / "image 000.png").read_bytes()[:60])
    seen: list[BatchProgress] = []
    report = run_batch(job(), segmenter=segmenter, progress=seen.append)
    assert report.done == 4
    assert [name for name, _ in report.failed] == ["a text", "cut off", "empty"]
    problems = json.loads((job().state_folder / "problems.json").read_text())["problems"]
    assert [(one["name"], one["reason"]) for one in problems] == list(report.failed)
    assert "it is text" in dict(report.failed)["a text"]
    assert (seen[-1].done, seen[-1].total, seen[-1].failed) == (7, 7, 3)
    assert seen[-1].rate > 0
    Image.fromarray(picture(5)).save(given / "empty.jpg")
    (given / "a text.png").unlink()
    (given / "cut off.png").unlink()
    assert run_batch(job(), segmenter=segmenter).failed == ()
    assert json.loads((job().state_folder / "problems.json").read_text())["problems"] == []


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError("decoder")])
def test_unexpected_errors_are_one_images_affair(
    job: Make, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from napari_itaclip.batch import inputs

    original = inputs.BatchInput.prepare

    def fail(self: inputs.BatchInput) -> object:
        if self.name == "image 001":
            raise error
        return original(self)

    monkeypatch.setattr(inputs.BatchInput, "prepare", fail)
    report = run_batch(job(), segmenter=segmenter)
    assert report.done == 3
    assert [name for name, _ in report.failed] == ["image 001"]


def edit(state: BatchState, key: str, what: str) -> None:
    """Do a person's work on an image."""
    record = state.item(key)
    labels = np.full(record.shape, 2, np.uint8)
    if what == "labels":
        state.save_labels(record, labels)
    elif what == "voc":
        path = state.export_folder("voc") / f"SegmentationClass/{key}.png"
        Image.fromarray(labels).save(path)
    elif what == "edits":
        state.save_edits(record, labels == 2)
    elif what == "refreshed":
        refresh_exports(state, record, labels)
        finish_exports(state)
    else:
        state.save_review(ReviewRecord(key, "accepted", record.labels_sha256))


@pytest.mark.parametrize("what", ["labels", "voc", "edits", "refreshed", "accepted"])
def test_a_persons_work_stays_unless_told(
    job: Make, segmenter: Segmenter, tmp_path: Path, given: Path, what: str
) -> None:
    run_batch(job(), segmenter=segmenter)
    fresh = tree(tmp_path / "out")
    state = BatchState.find(tmp_path / "out" / "png")
    edit(state, "image 002", what)
    Image.fromarray(picture(77)).save(given / "image 002.png")  # even a changed image
    before = tree(tmp_path / "out")
    other = replace(QUICK, decide=replace(QUICK.decide, margin_threshold=0.2))
    report = run_batch(job(preset=other), segmenter=segmenter)
    assert report.done == 3
    assert [name for name, _ in report.kept] == ["image 002"]
    after = tree(tmp_path / "out")
    for path in before:
        if "image 002" in path:
            assert after[path] == before[path], path
    # Told to, everything is as if nobody had ever touched it.
    Image.fromarray(picture(2)).save(given / "image 002.png")
    report = run_batch(job(redo_edited=True), segmenter=segmenter)
    assert (report.done, report.kept) == (4, ())
    assert tree(tmp_path / "out") == fresh


def test_a_skipped_review_protects_nothing(job: Make, segmenter: Segmenter) -> None:
    run_batch(job(), segmenter=segmenter)
    state = BatchState(job().state_folder)
    record = state.item("image 001")
    state.save_review(ReviewRecord(record.key, "skipped", record.labels_sha256))
    other = replace(QUICK, decide=replace(QUICK.decide, margin_threshold=0.2))
    assert run_batch(job(preset=other), segmenter=segmenter).done == 4


def test_corrected_labels_reach_every_format(job: Make, segmenter: Segmenter) -> None:
    run_batch(job(), segmenter=segmenter)
    state = BatchState(job().state_folder)
    record = state.item("image 001")
    labels = np.zeros(record.shape, np.uint8)
    labels[3:9, 4:20] = 3
    saved = refresh_exports(state, record, labels)
    assert saved == state.item("image 001")
    assert saved.edited
    assert saved.classes == {0: labels.size - 96, 3: 96}
    for path in ("voc/SegmentationClass/image 001.png", "png/labels/image 001.png"):
        shown = np.array(Image.open(job().exports[0].folder.parent / path))
        assert ((shown == 3) == (labels == 3)).all()
    again = run_batch(job(), segmenter=segmenter)
    assert ([name for name, _ in again.kept], again.skipped) == (["image 001"], 3)


def test_a_correction_does_not_overwrite_what_another_program_changed(
    job: Make, segmenter: Segmenter
) -> None:
    run_batch(job(), segmenter=segmenter)
    state = BatchState(job().state_folder)
    edit(state, "image 001", "voc")
    path = state.export_folder("voc") / "SegmentationClass/image 001.png"
    before = path.read_bytes()
    labels = np.full((24, 32), 1, np.uint8)
    with pytest.raises(OutputError, match="changed in another program"):
        refresh_exports(state, state.item("image 001"), labels)
    assert path.read_bytes() == before
    assert (state.load_labels(state.item("image 001")) == 1).all()
    assert (np.array(Image.open(state.export_folder("png") / "labels/image 001.png")) == 1).all()


def test_classes_added_at_the_end_leave_corrections_alone(
    job: Make, segmenter: Segmenter, tmp_path: Path
) -> None:
    run_batch(job(), segmenter=segmenter)
    state = BatchState(job().state_folder)
    edit(state, "image 002", "refreshed")
    labels = state.load_labels(state.item("image 002"))
    more = job().vocabulary.add("water")
    report = run_batch(job(vocabulary=more), segmenter=segmenter)
    assert (report.done, len(report.kept)) == (3, 1)
    np.testing.assert_array_equal(state.load_labels(state.item("image 002")), labels)
    assert state.vocabulary == more


def test_other_classes_are_refused_while_corrections_have_the_old_ids(
    job: Make, segmenter: Segmenter, tmp_path: Path
) -> None:
    run_batch(job(), segmenter=segmenter)
    state = BatchState(job().state_folder)
    edit(state, "image 002", "accepted")
    before = tree(tmp_path / "out")
    other = Vocabulary.parse("water; sky; grass")
    with pytest.raises(VocabularyError, match=r"'sky'.*would be 'water'.*another folder"):
        run_batch(job(vocabulary=other), segmenter=segmenter)
    assert tree(tmp_path / "out") == before
    assert run_batch(job(vocabulary=other, redo_edited=True), segmenter=segmenter).done == 4


def test_other_classes_begin_anew_when_nothing_stays(
    job: Make, segmenter: Segmenter, tmp_path: Path
) -> None:
    other = Vocabulary.parse("water; sky; grass")
    run_batch(job(), segmenter=segmenter)
    assert run_batch(job(vocabulary=other), segmenter=segmenter).done == 4
    again = tree(tmp_path / "out")
    exports = tuple(replace(one, folder=tmp_path / "new" / one.format) for one in job().exports)
    run_batch(job(vocabulary=other, exports=exports), segmenter=segmenter)
    assert tree(tmp_path / "new") == again


def test_other_options_are_rendered_anew(
    job: Make, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(job(), segmenter=segmenter)
    with_images = tuple(replace(one, options=ExportOptions()) for one in job().exports)
    monkeypatch.setattr(Segmenter, "from_pretrained", no_model)
    assert run_batch(job(exports=with_images)).done == 4
    assert len(list((tmp_path / "out/voc/JPEGImages").iterdir())) == 4


def test_a_limit_is_gone_on_from(job: Make, segmenter: Segmenter) -> None:
    first = run_batch(job(limit=3), segmenter=segmenter)
    assert (first.done, first.left) == (3, 1)
    second = run_batch(job(limit=3), segmenter=segmenter)
    assert (second.done, second.skipped, second.left) == (1, 3, 0)


def test_a_stopped_batch_goes_on_later(job: Make, segmenter: Segmenter, tmp_path: Path) -> None:
    seen: list[BatchProgress] = []
    report = run_batch(job(), segmenter=segmenter, progress=seen.append, stop=lambda: len(seen) > 0)
    assert report.done + report.left == 4
    assert report.done >= 1
    assert dict(report.exports)["voc"].images == report.done
    rest = run_batch(job(), segmenter=segmenter)
    assert (rest.done, rest.skipped) == (report.left, report.done)


def test_ctrl_c_ends_cleanly(job: Make, segmenter: Segmenter) -> None:
    def press(_: BatchProgress) -> None:
        raise KeyboardInterrupt

    def press_once(progress: BatchProgress) -> None:
        if progress.done == 1:
            press(progress)

    with pytest.raises(KeyboardInterrupt):
        run_batch(job(), segmenter=segmenter, progress=press_once)
    state = BatchState(job().state_folder)
    finished = len(state.items())
    assert (state.folder / "problems.json").is_file()
    assert run_batch(job(), segmenter=segmenter).skipped == finished


def test_one_batch_at_a_time(job: Make, segmenter: Segmenter) -> None:
    with (
        BatchState(job().state_folder).lock(),
        pytest.raises(OutputError, match="another batch or review is working on"),
    ):
        run_batch(job(), segmenter=segmenter)
    assert run_batch(job(), segmenter=segmenter).done == 4


def test_a_damaged_record_is_told_of_and_nothing_is_lost(job: Make, segmenter: Segmenter) -> None:
    run_batch(job(), segmenter=segmenter)
    record = job().state_folder / "items/image 001.json"
    record.write_text("{")
    labels = (job().state_folder / "labels/image 001.png").read_bytes()
    report = run_batch(job(), segmenter=segmenter)
    assert [name for name, _ in report.failed] == ["image 001"]
    assert "image 001.json" in report.failed[0][1]
    assert (job().state_folder / "labels/image 001.png").read_bytes() == labels


def test_a_foreign_data_set_is_not_touched(job: Make, segmenter: Segmenter, tmp_path: Path) -> None:
    classes = tmp_path / "out/png/classes.json"
    classes.parent.mkdir(parents=True)
    classes.write_text("[]")
    with pytest.raises(OutputError, match=r"classes\.json is already there"):
        run_batch(job(), segmenter=segmenter)
    assert classes.read_text() == "[]"


def test_the_state_can_lie_elsewhere(job: Make, segmenter: Segmenter, tmp_path: Path) -> None:
    elsewhere = tmp_path / "state"
    assert run_batch(job(state=elsewhere), segmenter=segmenter).done == 4
    state = BatchState.find(elsewhere)
    assert state.export_folder("voc") == tmp_path / "out" / "voc"
    assert state.source_path(state.item("image 001")) == tmp_path / "in" / "image 001.png"


def test_pixels_without_an_image_stay_unlabelled(
    job: Make, segmenter: Segmenter, given: Path, tmp_path: Path
) -> None:
    clear = np.dstack([picture(1), np.full((24, 32), 255, np.uint8)])
    clear[:, :9, 3] = 0
    Image.fromarray(clear).save(given / "image 001.png")
    run_batch(job(), segmenter=segmenter)
    state = BatchState(job().state_folder)
    valid = state.load_valid(state.item("image 001"))
    assert valid is not None
    assert not valid[:, :9].any()
    assert valid[:, 9:].all()
    before = (tmp_path / "out/voc/SegmentationClass/image 001.png").read_bytes()
    (tmp_path / "out/voc/SegmentationClass/image 001.png").unlink()
    assert run_batch(job(), segmenter=segmenter).done == 1
    assert (tmp_path / "out/voc/SegmentationClass/image 001.png").read_bytes() == before


def test_hostile_names_end_inside_the_folder(
    job: Make, segmenter: Segmenter, tmp_path: Path
) -> None:
    folder = tmp_path / "hostile"
    source = save_pictures(tmp_path / "in", 1)[0].read_bytes()
    names = ["a\nb.png", "-rf.png", "🌳.png", "CON.png", "a..png.png", "x.json.png", " sp .png",
             "~.png", "[1].png", "a\udc80.png"]  # fmt: skip
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source)
    (folder / "x.json").mkdir()
    (folder / "x.json" / "y.png").write_bytes(source)
    (folder / "x.png").write_bytes(source)
    made = job(inputs=(folder,), recursive=True)
    report = run_batch(made, segmenter=segmenter)
    assert report.failed == ()
    assert report.done == len(names) + 2
    assert run_batch(made, segmenter=segmenter).skipped == len(names) + 2
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == {"in", "out", "hostile"}


def test_files_of_one_batch_do_not_depend_on_threads(
    job: Make, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(job(), segmenter=segmenter)
    first = tree(tmp_path / "out")
    exports = tuple(replace(one, folder=tmp_path / "2" / one.format) for one in job().exports)
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    run_batch(job(exports=exports), segmenter=segmenter)
    assert tree(tmp_path / "2") == first


def test_exports_inside_the_input_folder_are_no_inputs(
    job: Make, segmenter: Segmenter, given: Path
) -> None:
    inside = job(exports=(ExportTarget("png", given / "labels", ExportOptions()),), recursive=True)
    assert run_batch(inside, segmenter=segmenter).done == 4
    assert run_batch(inside, segmenter=segmenter).skipped == 4

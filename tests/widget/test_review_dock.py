"""A batch is reviewed: painted in, accepted, put off, left, gone on with."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot  # type: ignore[import-untyped, unused-ignore]

from napari_itaclip._widget.review import dock as dock_module
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import ItaclipError, OutputError
from napari_itaclip.session import review_decisions, review_files, review_saving
from tests.small_batches import exported, first_labels, make_batch
from tests.widget.reviewing import Reviewer


@pytest.fixture
def state(tmp_path: Path) -> BatchState:
    """Return a batch without exports; in the order of review: b, c, a."""
    return make_batch(tmp_path, exports=False)


@pytest.fixture
def reviewer(qtbot: QtBot, state: BatchState) -> Iterator[Reviewer]:
    made = Reviewer(qtbot)
    made.open(state.home)
    yield made
    made.dock.shut()


def reopen(qtbot: QtBot, state: BatchState, **options: Any) -> Reviewer:
    again = Reviewer(qtbot)
    again.open(state.home, **options)
    return again


def test_a_walk_in_order_of_uncertainty(reviewer: Reviewer, state: BatchState) -> None:
    assert reviewer.image == "b"
    reviewer.press("accept")
    assert reviewer.image == "c"
    reviewer.press("skip")
    assert reviewer.image == "a"
    assert reviewer.progress == "1 of 3 reviewed · 1 skipped"
    reviewer.press("accept")
    # What was put off comes last.
    assert reviewer.image == "c"
    reviewer.press("accept")
    assert reviewer.progress == "3 of 3 reviewed"
    assert "last one" in reviewer.message
    assert {key: review.state for key, review in state.reviews().items()} == dict.fromkeys(
        "abc", "accepted"
    )
    # Nobody painted: the labels are not touched.
    assert not any(record.edited for record in state.items())


def test_painting_and_accepting_changes_labels_and_exports(qtbot: QtBot, tmp_path: Path) -> None:
    state = make_batch(tmp_path)
    reviewer = Reviewer(qtbot)
    reviewer.open(state.home)
    reviewer.press("fix")
    assert reviewer.layers.layer.mode == "paint"
    reviewer.paint((10, 5), (10, 20))
    painted = reviewer.labels
    assert (painted == 3).sum() > 50
    reviewer.press("accept")
    [review] = state.reviews().values()
    assert (review.key, review.state) == ("b", "fixed")
    assert review.edited_pixels == (painted == 3).sum()
    np.testing.assert_array_equal(state.load_labels(state.item("b")), painted)
    np.testing.assert_array_equal(state.load_edits(state.item("b")), painted == 3)
    reviewer.wait_for_exports()
    np.testing.assert_array_equal(exported(state, "b"), painted)
    np.testing.assert_array_equal(exported(state, "a"), first_labels())
    record = state.item("b")
    assert record.edited
    assert record.labels_sha256 == review.labels_sha256
    assert not list((state.folder / "stale").rglob("*.todo"))
    reviewer.dock.shut()


def test_undo_is_of_this_image_alone(reviewer: Reviewer) -> None:
    reviewer.paint((10, 5), (10, 20))
    reviewer.press("next")
    assert reviewer.image == "c"
    np.testing.assert_array_equal(reviewer.labels, first_labels())
    reviewer.layers.layer.undo()
    np.testing.assert_array_equal(reviewer.labels, first_labels())
    reviewer.paint((3, 3))
    reviewer.layers.layer.undo()
    np.testing.assert_array_equal(reviewer.labels, first_labels())
    # What was painted in the other image waits there, and reset takes it away, undo back.
    reviewer.press("previous")
    painted = reviewer.labels
    assert (painted == 3).any()
    reviewer.press("reset")
    np.testing.assert_array_equal(reviewer.labels, first_labels())
    reviewer.layers.layer.undo()
    np.testing.assert_array_equal(reviewer.labels, painted)


def test_stroke_and_undo_leave_nothing_to_save(reviewer: Reviewer, state: BatchState) -> None:
    reviewer.paint((10, 5), (10, 20))
    reviewer.wait_for_autosave("b")
    reviewer.layers.layer.undo()
    path = state.path("autosave", "b", ".png")
    reviewer.qtbot.waitUntil(lambda: not path.exists(), timeout=10_000)
    reviewer.press("accept")
    assert state.reviews()["b"].state == "accepted"


def test_closing_and_reopening_goes_on_where_one_stopped(
    reviewer: Reviewer, qtbot: QtBot, state: BatchState
) -> None:
    reviewer.press("accept")
    reviewer.press("next")
    reviewer.paint((10, 5), (10, 20))
    painted = reviewer.labels
    reviewer.dock.shut()
    again = reopen(qtbot, state)
    assert again.image == "a"
    assert again.progress == "1 of 3 reviewed"
    assert [entry.name for entry in again.session.queue.entries] == ["c", "a"]
    # Left in order: nothing is asked, the corrections are simply there.
    assert again.dock.offer_bar.isHidden()
    np.testing.assert_array_equal(again.labels, painted)
    again.dock.queue_list.reviewed_box.setChecked(True)
    assert [entry.name for entry in again.session.queue.entries] == ["b", "c", "a"]
    again.dock.shut()


def test_after_a_crash_corrections_are_offered_back(
    reviewer: Reviewer, qtbot: QtBot, state: BatchState
) -> None:
    reviewer.paint((10, 5), (10, 20))
    painted = reviewer.labels
    reviewer.wait_for_autosave("b")
    reviewer.crash()
    again = reopen(qtbot, state)
    bar = again.dock.offer_bar
    assert not bar.isHidden()
    assert bar.label.full_text().startswith("Unsaved corrections of b from ")
    np.testing.assert_array_equal(again.labels, first_labels())
    # Until that is answered nothing can be painted over them or decided, except "later".
    assert not again.layers.layer.editable
    assert not again.dock.decision_bar.accept_button.isEnabled()
    again.press("next")
    assert bar.isHidden()
    again.press("previous")
    bar.restore_button.click()
    np.testing.assert_array_equal(again.labels, painted)
    assert again.layers.layer.editable
    again.press("accept")
    np.testing.assert_array_equal(state.load_labels(state.item("b")), painted)
    assert not state.path("autosave", "b", ".png").exists()
    again.dock.shut()


def test_offered_corrections_can_be_discarded(
    reviewer: Reviewer, qtbot: QtBot, state: BatchState
) -> None:
    reviewer.paint((10, 5), (10, 20))
    path = reviewer.wait_for_autosave("b")
    reviewer.crash()
    again = reopen(qtbot, state)
    again.dock.offer_bar.discard_button.click()
    qtbot.waitUntil(lambda: not path.exists())
    assert again.layers.layer.editable
    again.press("accept")
    assert state.reviews()["b"].state == "accepted"
    again.dock.shut()


def test_a_full_disk_keeps_the_edits_and_says_so(
    reviewer: Reviewer, state: BatchState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("labels/b.png cannot be written: No space left on device.")

    reviewer.paint((10, 5), (10, 20))
    painted = reviewer.labels
    with monkeypatch.context() as patched:
        patched.setattr(review_files, "write_atomically", full)
        patched.setattr(review_decisions, "write_atomically", full)
        reviewer.press("accept")
        # The next image had come already; nobody is torn away from it.
        assert reviewer.image == "c"
        assert "No space left on device" in reviewer.message
        assert reviewer.progress == "0 of 3 reviewed"
    np.testing.assert_array_equal(state.load_labels(state.item("b")), first_labels())
    assert state.reviews() == {}
    reviewer.dock.status_line.message_box.action_button.click()
    assert reviewer.image == "b"
    np.testing.assert_array_equal(reviewer.labels, painted)
    reviewer.press("accept")
    np.testing.assert_array_equal(state.load_labels(state.item("b")), painted)
    assert reviewer.image == "c"
    reviewer.dock.shut()
    assert reviewer.dock.ended.lost == {}


def test_what_could_not_be_saved_up_to_the_end_is_named_or_kept(
    qtbot: QtBot, state: BatchState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("No space left on device.")

    for image, lost in ("b", ["b"]), ("c", []):
        reviewer = reopen(qtbot, state)
        assert reviewer.image == image
        reviewer.paint((10, 5), (10, 20))
        painted = reviewer.labels
        with monkeypatch.context() as patched:
            patched.setattr(review_files, "write_atomically", full)
            patched.setattr(review_decisions, "write_atomically", full)
            reviewer.press("accept")
            if lost:
                reviewer.dock.shut()
        # The second time there is room at the end: enough to be finished by the next review.
        reviewer.dock.shut()
        assert list(reviewer.dock.ended.lost) == lost
    again = reopen(qtbot, state)
    assert {key: one.state for key, one in state.reviews().items()} == {"c": "fixed"}
    np.testing.assert_array_equal(state.load_labels(state.item("c")), painted)
    again.dock.shut()


class Held:
    """Keeps decisions from being saved until `release`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release = threading.Event()
        save = review_decisions.save

        def later(state: BatchState, decision: Any) -> None:
            assert self.release.wait(20)
            save(state, decision)

        monkeypatch.setattr(review_saving, "save", later)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


def test_nobody_waits_for_the_disk(held: Held, reviewer: Reviewer, state: BatchState) -> None:
    reviewer.paint((10, 5), (10, 20))
    reviewer.press("accept", settle=False)
    # The decision shows at once, and the way on and back is free.
    assert (reviewer.image, reviewer.progress) == ("c", "1 of 3 reviewed · 1 fixed")
    reviewer.press("previous", settle=False)
    reviewer.qtbot.waitUntil(lambda: not reviewer.session.loading)
    assert (reviewer.layers.layer.data == 3).any()
    reviewer.paint((20, 5), label=2)
    second = np.array(reviewer.layers.layer.data)
    reviewer.press("accept", settle=False)
    reviewer.qtbot.waitUntil(lambda: not reviewer.session.loading)
    reviewer.press("take_back", settle=False)
    assert reviewer.image == "b"
    np.testing.assert_array_equal(state.load_labels(state.item("b")), first_labels())
    held.release.set()
    np.testing.assert_array_equal(reviewer.labels, second)
    np.testing.assert_array_equal(state.load_labels(state.item("b")), second)
    assert state.reviews() == {}
    assert not list((state.folder / "decided").rglob("*.png"))


def test_a_kill_before_all_is_saved_loses_nothing(
    held: Held, reviewer: Reviewer, qtbot: QtBot, state: BatchState, tmp_path: Path
) -> None:
    reviewer.paint((10, 5), (10, 20))
    reviewer.wait_for_autosave("b")
    reviewer.paint((20, 5), label=3)
    painted = reviewer.labels
    reviewer.press("accept", settle=False)
    kept = state.path("decided", "b", ".png")
    qtbot.waitUntil(kept.exists)
    after_kill = tmp_path / "copy"
    shutil.copytree(tmp_path / "out", after_kill / "out")
    shutil.copytree(tmp_path / "images", after_kill / "images")
    held.release.set()
    there = BatchState.find(after_kill / "out")
    assert there.reviews() == {}
    again = reopen(qtbot, there)
    assert again.dock.offer_bar.isHidden()
    assert there.reviews()["b"].state == "fixed"
    assert there.reviews()["b"].edited_pixels == (painted == 3).sum()
    np.testing.assert_array_equal(there.load_labels(there.item("b")), painted)
    assert not there.path("decided", "b", ".png").exists()
    assert not there.path("autosave", "b", ".png").exists()
    again.dock.shut()


def test_a_decision_about_labels_that_are_others_by_now_is_offered(
    held: Held, reviewer: Reviewer, qtbot: QtBot, state: BatchState, tmp_path: Path
) -> None:
    reviewer.paint((10, 5), (10, 20))
    reviewer.press("accept", settle=False)
    qtbot.waitUntil(state.path("decided", "b", ".png").exists)
    shutil.copytree(tmp_path / "out", tmp_path / "copy" / "out")
    shutil.copytree(tmp_path / "images", tmp_path / "copy" / "images")
    held.release.set()
    there = BatchState.find(tmp_path / "copy" / "out")
    there.save_item(there.save_labels(there.item("b"), np.full_like(first_labels(), 2)))
    again = reopen(qtbot, there)
    assert there.reviews() == {}
    again.press("previous")
    assert again.image == "b"
    assert "other labels since" in again.dock.offer_bar.label.full_text()
    again.dock.offer_bar.restore_button.click()
    assert set(np.unique(again.labels)) == {2, 3}
    again.dock.shut()


def test_the_end_does_not_wait_long_for_an_export(
    qtbot: QtBot, state: BatchState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dock_module, "_PATIENCE", 0.01)
    begun, release, written = threading.Event(), threading.Event(), []

    def refresh(_: BatchState, record: Any, labels: Any) -> None:
        begun.set()
        assert release.wait(20)
        written.append(record.key)

    reviewer = Reviewer(qtbot, refresh=refresh, finish=lambda _: written.append("whole"))
    reviewer.open(state.home)
    for _ in "bc":
        reviewer.paint((10, 5), (10, 20))
        reviewer.press("accept")
    assert begun.wait(10)
    reviewer.dock.shut()
    assert reviewer.dock.session is None
    assert not reviewer.dock.ended.wait(0)
    # The batch is not free before, and the dock that it was says why.
    with pytest.raises(OutputError, match="still writing an export"):
        reviewer.dock.open_batch(state.home)
    with pytest.raises(OutputError, match="another batch or review"), state.lock():
        pass
    release.set()
    assert reviewer.dock.ended.wait(20)
    assert written == ["b"]
    monkeypatch.setattr(dock_module, "_PATIENCE", 20)
    again = Reviewer(qtbot, refresh=refresh, finish=lambda _: written.append("whole"))
    again.open(state.home)
    again.wait_for_exports()
    assert sorted(written) == ["b", "b", "c", "whole"]
    again.dock.shut()


def test_corrections_that_cannot_be_kept_safe_are_told(
    reviewer: Reviewer, state: BatchState
) -> None:
    (state.folder / "autosave").write_text("a file where a folder should be")
    reviewer.paint((10, 5), (10, 20))
    reviewer.qtbot.waitUntil(lambda: "cannot be kept safe" in reviewer.message)
    # Saving them for good is another matter.
    reviewer.press("accept")
    assert state.reviews()["b"].state == "fixed"
    reviewer.dock.shut()
    assert reviewer.dock.ended.lost == {}


def test_corrections_that_are_lost_at_the_end_are_named(
    reviewer: Reviewer, state: BatchState
) -> None:
    (state.folder / "autosave").write_text("a file where a folder should be")
    reviewer.paint((10, 5), (10, 20))
    reviewer.dock.shut()
    assert list(reviewer.dock.ended.lost) == ["b"]


def test_a_decision_is_taken_back(reviewer: Reviewer, state: BatchState) -> None:
    reviewer.paint((10, 5), (10, 20))
    painted = reviewer.labels
    reviewer.press("accept")
    assert reviewer.image == "c"
    reviewer.press("take_back")
    assert reviewer.image == "b"
    assert state.reviews() == {}
    np.testing.assert_array_equal(reviewer.labels, painted)
    # The labels as the batch made them are not lost with the first correction.
    reviewer.press("reset")
    np.testing.assert_array_equal(reviewer.labels, first_labels())
    reviewer.press("accept")
    assert state.reviews()["b"].state == "accepted"
    np.testing.assert_array_equal(state.load_labels(state.item("b")), first_labels())


def test_exports_that_fail_are_shown_and_tried_again(qtbot: QtBot, state: BatchState) -> None:
    written: list[str] = []
    broken = [True]

    def refresh(_: BatchState, record: Any, labels: Any) -> None:
        if broken[0]:
            raise OutputError("the server is gone")
        written.append(record.key)

    reviewer = Reviewer(qtbot, refresh=refresh, finish=lambda _: written.append("whole"))
    reviewer.open(state.home)
    reviewer.paint((10, 5), (10, 20))
    reviewer.press("accept")
    bar = reviewer.dock.exports_bar
    qtbot.waitUntil(lambda: not bar.retry_button.isHidden())
    assert "the server is gone" in bar.label.full_text()
    assert reviewer.image == "c"
    reviewer.dock.shut()
    # What this review did not come to, the next one does.
    broken[0] = False
    again = Reviewer(qtbot, refresh=refresh, finish=lambda _: written.append("whole"))
    again.open(state.home)
    again.wait_for_exports()
    assert written == ["b", "whole"]
    assert again.session.exports.left_over() == ()
    again.dock.shut()


def test_a_picture_that_was_moved_can_be_found_again(
    reviewer: Reviewer, state: BatchState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    reviewer.press("next")
    reviewer.press("next")
    assert reviewer.image == "a"
    assert "Name the folder" in reviewer.message
    assert not reviewer.dock.decision_bar.accept_button.isEnabled()
    assert reviewer.dock.decision_bar.skip_button.isEnabled()
    dialog = f"{dock_module.__name__}.QFileDialog.getExistingDirectory"
    monkeypatch.setattr(dialog, lambda *_: str(tmp_path / "elsewhere"))
    reviewer.dock.status_line.message_box.action_button.click()
    reviewer.settle()
    assert reviewer.message == ""
    assert reviewer.layers.picture.data.any()
    reviewer.paint((10, 5), (10, 20))
    reviewer.press("accept")
    assert state.reviews()["a"].state == "fixed"
    assert state.source_path(state.item("a")) == tmp_path / "elsewhere" / "a.png"


def test_another_picture_in_the_same_place_is_told(
    reviewer: Reviewer, state: BatchState, tmp_path: Path
) -> None:
    path = tmp_path / "images" / "a.png"
    path.write_bytes((tmp_path / "images" / "b.png").read_bytes() + b"\0")
    reviewer.press("next")
    reviewer.press("next")
    assert "has changed since it was labelled" in reviewer.message


def test_labels_that_no_class_has_are_not_accepted(reviewer: Reviewer) -> None:
    reviewer.paint((10, 5), label=77)
    reviewer.press("accept")
    assert reviewer.image == "b"
    assert "label 77" in reviewer.message


def test_classes_are_chosen_in_list_and_viewer(reviewer: Reviewer) -> None:
    classes, layer = reviewer.dock.class_list, reviewer.layers.layer
    assert [classes.item(row).text().split()[-1] for row in range(4)] == [
        "ground", "water", "tree", "unlabelled",
    ]  # fmt: skip
    classes.press_digit(3)
    assert layer.selected_label == 3
    layer.selected_label = 2
    assert classes.currentRow() == 1
    reviewer.press("next")
    assert reviewer.layers.layer.selected_label == 2


def test_regions_of_doubt_are_shown_one_after_the_other(reviewer: Reviewer) -> None:
    center = reviewer.viewer.scene.camera.center
    found: list[object] = []
    reviewer.session.region_found.connect(found.append)
    for _ in range(10):
        before = len(found)
        reviewer.press("next_uncertain")
        reviewer.qtbot.waitUntil(lambda before=before: len(found) > before)  # type: ignore[misc]
        if before == 0:
            assert reviewer.viewer.scene.camera.center != center
        if "All uncertain regions" in reviewer.message:
            return
    pytest.fail("there is no end to the regions")


def test_a_deleted_layer_comes_back_with_its_corrections(reviewer: Reviewer) -> None:
    reviewer.paint((10, 5), (10, 20))
    painted = reviewer.labels
    reviewer.viewer.layers.clear()
    reviewer.qtbot.waitUntil(lambda: len(reviewer.viewer.layers) == 2)
    np.testing.assert_array_equal(reviewer.labels, painted)
    reviewer.press("accept")
    assert reviewer.image == "c"


def test_only_one_works_on_a_batch(
    reviewer: Reviewer, qtbot: QtBot, state: BatchState, tmp_path: Path
) -> None:
    other = Reviewer(qtbot)
    with pytest.raises(OutputError, match="another batch or review"):
        other.open(state.home)
    with pytest.raises(ItaclipError, match="no batch"):
        other.dock.open_batch(tmp_path / "images")
    reviewer.dock.shut()
    other.open(state.home)
    assert other.image == "b"
    other.dock.shut()


def test_a_damaged_image_does_not_stop_the_review(qtbot: QtBot, state: BatchState) -> None:
    state.path("labels", "b", ".png").write_bytes(b"")
    state.path("items", "a", ".json").write_text(json.dumps({"schema": 1}))
    reviewer = reopen(qtbot, state)
    assert reviewer.image == "b"
    assert len(reviewer.session.queue.entries) == 2
    reviewer.press("skip")
    assert reviewer.image == "c"
    reviewer.press("accept")
    assert {key: one.state for key, one in state.reviews().items()} == {
        "b": "skipped", "c": "accepted",
    }  # fmt: skip
    reviewer.dock.shut()


def test_everything_is_reviewed(qtbot: QtBot, reviewer: Reviewer, state: BatchState) -> None:
    for _ in range(3):
        reviewer.press("accept")
    reviewer.dock.shut()
    again = reopen(qtbot, state)
    assert again.image is None
    assert "No image is left" in again.dock.walk_bar.name_label.text()
    assert not again.dock.decision_bar.accept_button.isEnabled()
    again.dock.queue_list.reviewed_box.setChecked(True)
    assert again.image == "b"
    assert again.labels.any()
    again.dock.shut()

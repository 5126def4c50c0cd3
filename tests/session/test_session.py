"""The controller without Qt: runs, edits, cancelling, switching, failing, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.errors import ItaclipError
from napari_itaclip.evaluation.confusion import confusion_matrix, intersection_over_union
from napari_itaclip.sample_data import sample_image, sample_labels, sample_words
from napari_itaclip.segmentation.image import PreparedImage
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.session.outcome import Stage
from napari_itaclip.session.pictures import Picture, Region
from napari_itaclip.session.worker import Ticket
from tests.quick import BALANCED
from tests.session.conftest import PLANE, Bench, labels_of, picture_of

Scene = NDArray[np.uint8]


def test_a_run_goes_from_coarse_to_final_and_equals_the_engine(bench: Bench, scene: Scene) -> None:
    bench.session.change_settings(BALANCED)
    target, picture = bench.target(scene)
    bench.editor.add("sky, tree, house, grass, person, car")
    bench.session.segment(target, [picture])
    bench.finish()
    stages = [outcome.stage for outcome in bench.outcomes]
    assert stages[0] is Stage.COARSE
    assert stages[-2:] == [Stage.UNREFINED, Stage.FINAL]
    assert len({outcome.step for outcome in bench.outcomes}) == 1
    vocabulary = bench.editor.vocabulary
    assert vocabulary is not None
    segmenter = Segmenter.from_pretrained("demo", device="cpu", precision="float32")
    expected = segmenter.segment(scene, vocabulary)
    np.testing.assert_array_equal(labels_of(target).data, expected.labels)
    assert not bench.messages


def test_progress_is_one_rising_row_that_ends_with_none(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, tree")
    bench.session.segment(target, [picture])
    bench.finish()
    assert bench.progress[-1] is None
    told = [step for step in bench.progress if step is not None]
    assert any("Loading" in step.label for step in told)
    fractions = [step.fraction for step in told if step.fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(set(fractions)) > 2
    assert any(step.seconds_left is not None for step in told)


def test_an_edit_labels_again_without_the_network(
    bench: Bench, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass")
    bench.session.segment(target, [picture])
    bench.finish()
    before = labels_of(target).data.copy()

    def forbidden(*args: object, **options: object) -> None:
        raise AssertionError("the image tower ran")

    monkeypatch.setattr(Segmenter, "iter_encode", forbidden)
    bench.outcomes.clear()
    bench.editor.add("tree")
    bench.finish()
    assert bench.outcomes[-1].stage is Stage.FINAL
    tree = bench.editor.vocabulary["tree"].id if bench.editor.vocabulary else None
    assert (labels_of(target).data == tree).any()
    bench.editor.undo()
    bench.finish()
    np.testing.assert_array_equal(labels_of(target).data, before)


@pytest.mark.usefixtures("cold_cache")
def test_a_new_word_is_answered_with_few_templates_first(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass")
    bench.session.segment(target, [picture])
    bench.finish()
    bench.outcomes.clear()
    bench.editor.add("tree")
    bench.finish()
    stages = [outcome.stage for outcome in bench.outcomes]
    assert stages == [Stage.COARSE, Stage.UNREFINED, Stage.FINAL]
    bench.outcomes.clear()
    bench.editor.undo()
    bench.editor.redo()
    bench.finish()
    assert bench.outcomes[-1].stage is Stage.FINAL
    assert Stage.COARSE not in [outcome.stage for outcome in bench.outcomes]


def test_without_live_an_edit_waits_for_the_next_run(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass")
    bench.session.segment(target, [picture])
    bench.finish()
    bench.session.change_settings(replace(bench.session.settings, live=False))
    bench.outcomes.clear()
    bench.editor.add("tree")
    bench.finish()
    assert bench.outcomes == []
    assert labels_of(target).styled[-1][0] == ("sky", "grass", "tree")
    bench.session.segment(target, [picture])
    bench.finish()
    assert labels_of(target).names == ("sky", "grass", "tree")


def test_going_back_to_an_image_needs_no_network(
    bench: Bench, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, first_picture = bench.target(scene, "first")
    bench.editor.add("sky, grass, tree")
    bench.session.segment(first, [first_picture])
    bench.finish()
    second, second_picture = bench.target(scene[:, ::-1].copy(), "second")
    bench.session.segment(second, [second_picture])
    bench.finish()
    monkeypatch.delattr(Segmenter, "iter_encode")
    bench.editor.add("house")  # the second follows at once
    bench.finish()
    assert labels_of(second).names[-1] == "house"
    assert labels_of(first).names[-1] == "tree"
    bench.session.activate(first, PLANE)
    bench.finish()
    assert labels_of(first).names[-1] == "house"
    bench.session.segment(first, [first_picture])
    bench.finish()
    assert not bench.messages


def test_another_vocabulary_does_not_touch_labels_made_with_the_one_before(
    bench: Bench, scene: Scene
) -> None:
    first, picture = bench.target(scene, "first")
    bench.editor.add("sky, grass, tree")
    bench.session.segment(first, [picture])
    bench.finish()
    bench.target(scene, "second")
    other = bench.editor.vocabulary
    assert other is not None
    bench.editor.open(other.remove("sky"))
    bench.session.activate(first, PLANE)
    bench.finish()
    assert labels_of(first).names == ("sky", "grass", "tree")
    assert "another vocabulary" in bench.messages[-1].text


class Gate:
    """A picture whose reading waits until the test lets it go on."""

    def __init__(self, picture: Picture) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self._read = picture.read
        self.picture = replace(picture, read=self._wait)

    def _wait(self) -> PreparedImage:
        self.entered.set()
        assert self.open.wait(30)
        return self._read()


def test_cancelling_leaves_the_labels_from_before(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass, tree")
    bench.session.segment(target, [picture])
    bench.finish()
    before = labels_of(target).data.copy()
    bench.session.change_settings(replace(bench.session.settings, stride=32))
    bench.outcomes.clear()
    bench.session.segment(target, [picture])
    bench.pump.until(lambda: bool(bench.outcomes))
    assert bench.outcomes[0].stage is Stage.COARSE
    bench.session.cancel()
    bench.finish()
    assert bench.session.running is None
    assert bench.progress[-1] is None
    np.testing.assert_array_equal(labels_of(target).data, before)
    assert "Cancelled" in bench.messages[-1].text
    bench.editor.add("house")  # the features from before the run are still good
    bench.finish()
    assert labels_of(target).names[-1] == "house"


def test_cancelling_under_strokes_labels_as_before(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass, tree")
    bench.session.segment(target, [picture])
    bench.finish()
    before = labels_of(target).data.copy()
    bench.session.change_settings(replace(bench.session.settings, stride=32))
    bench.outcomes.clear()
    bench.session.segment(target, [picture])
    bench.pump.until(lambda: bool(bench.outcomes))
    labels_of(target).painted = True
    bench.session.cancel()
    bench.finish()
    np.testing.assert_array_equal(labels_of(target).data, before)


def test_edits_while_encoding_reach_the_result(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass")
    gate = Gate(picture)
    bench.session.segment(target, [gate.picture])
    assert gate.entered.wait(30)
    bench.editor.add("tree")
    gate.open.set()
    bench.finish()
    assert labels_of(target).names == ("sky", "grass", "tree")
    assert len(set(labels_of(target).steps)) == 1


def test_switching_while_encoding_leaves_each_result_with_its_image(
    bench: Bench, scene: Scene
) -> None:
    first, picture = bench.target(scene, "first")
    bench.editor.add("sky, grass")
    gate = Gate(picture)
    bench.session.segment(first, [gate.picture])
    assert gate.entered.wait(30)
    second, second_picture = bench.target(scene, "second")
    with pytest.raises(ItaclipError, match="first is being segmented"):
        bench.session.segment(second, [second_picture])
    gate.open.set()
    bench.finish()
    assert labels_of(first).data.any()
    assert not labels_of(second).steps
    bench.session.segment(second, [second_picture])
    bench.finish()
    assert labels_of(second).data.any()


def test_a_result_for_an_image_that_is_gone_is_dropped(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass")
    gate = Gate(picture)
    bench.session.segment(target, [gate.picture])
    assert gate.entered.wait(30)
    bench.session.drop(target)
    gate.open.set()
    bench.finish()
    assert labels_of(target).steps == []
    assert bench.session.running is None
    assert len(bench.session.store) == 0
    assert not bench.messages


def test_a_region_lies_on_top_and_follows_edits(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass, tree")
    bench.session.segment(target, [picture])
    bench.finish()
    whole = labels_of(target).data.copy()
    region = Region(40, 60, 120, 150)
    bench.session.segment(target, [picture_of(scene, region=region)])
    bench.finish()
    inside = np.zeros(whole.shape, bool)
    inside[region.slices] = True
    np.testing.assert_array_equal(labels_of(target).data[~inside], whole[~inside])
    closer = labels_of(target).data.copy()
    assert (closer != whole).any()
    bench.editor.add("house")
    bench.finish()
    assert len(bench.outcomes[-1].parts) == 2
    bench.editor.undo()
    bench.finish()
    np.testing.assert_array_equal(labels_of(target).data, closer)
    bench.session.segment(target, [picture])
    bench.finish()
    np.testing.assert_array_equal(labels_of(target).data, whole)


def test_errors_are_told_and_leave_everything_usable(bench: Bench, scene: Scene) -> None:
    target, picture = bench.target(scene)
    with pytest.raises(ItaclipError, match="Type what to look for"):
        bench.session.segment(target, [picture])
    bench.editor.add("sky, grass")

    def broken() -> PreparedImage:
        raise OSError("the disk is gone")

    bench.session.segment(target, [replace(picture, key="broken", read=broken)])
    bench.finish()
    assert bench.messages[-1].level == "error"
    assert "the disk is gone" in bench.messages[-1].text
    assert bench.progress[-1] is None
    bench.session.segment(target, [picture])
    bench.finish()
    assert labels_of(target).data.any()


def test_a_model_that_cannot_be_loaded_is_told(scene: Scene) -> None:
    bench = Bench()
    settings = replace(bench.session.settings, model="no-such-file.safetensors")
    bench.session.change_settings(settings)
    target, picture = bench.target(scene)
    bench.editor.add("sky")
    bench.session.segment(target, [picture])
    bench.finish()
    assert bench.messages[-1].level == "error"
    assert "no-such-file.safetensors" in bench.messages[-1].text
    bench.session.change_settings(replace(settings, model="demo"))
    bench.session.segment(target, [picture])
    bench.finish()
    assert labels_of(target).data.any()
    assert bench.session.close()


def test_features_that_were_dropped_are_asked_for_not_silently_missing(
    bench: Bench, scene: Scene
) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass")
    bench.session.segment(target, [picture])
    bench.finish()
    bench.session.store.clear()
    bench.editor.add("tree")
    bench.finish()
    assert "Press Segment" in bench.messages[-1].text


def test_a_slower_thread_never_writes_after_closing(scene: Scene) -> None:
    bench = Bench()
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass")
    gate = Gate(picture)
    bench.session.segment(target, [gate.picture])
    assert gate.entered.wait(30)
    threading.Timer(0.2, gate.open.set).start()
    assert bench.session.close()
    bench.pump.run()
    assert labels_of(target).steps == []
    assert "itaclip" not in [thread.name for thread in threading.enumerate()]


def test_settings_after_the_network_act_at_once_and_others_at_the_next_run(
    bench: Bench, scene: Scene
) -> None:
    target, picture = bench.target(scene)
    bench.editor.add("sky, grass, tree")
    bench.session.segment(target, [picture])
    bench.finish()
    bench.outcomes.clear()
    bench.session.change_settings(replace(bench.session.settings, pamr_iterations=0))
    bench.finish()
    assert [outcome.stage for outcome in bench.outcomes] == [Stage.FINAL]
    bench.outcomes.clear()
    bench.session.change_settings(replace(bench.session.settings, stride=56))
    bench.finish()
    assert bench.outcomes == []
    assert "Press Segment" in bench.messages[-1].text


def test_the_labels_are_good(bench: Bench) -> None:
    bench.session.change_settings(BALANCED)
    target, picture = bench.target(sample_image("aerial"), "aerial")
    bench.editor.add("\n".join(sample_words("aerial")))
    bench.session.segment(target, [picture])
    bench.finish()
    assert bench.editor.vocabulary is not None
    found = labels_of(target).data - 1  # the table's ids begin at 1, the truth's at 0
    matrix = confusion_matrix(sample_labels("aerial"), found, len(bench.editor.vocabulary))
    assert np.nanmean(intersection_over_union(matrix)) > 0.6


def test_asking_twice_answers_the_newest(bench: Bench) -> None:
    hold = threading.Event()
    answers: list[int] = []

    def answer(number: int) -> Callable[[Ticket], Callable[[], None]]:
        def work(ticket: Ticket) -> Callable[[], None]:
            assert hold.wait(30)
            return lambda: answers.append(number)

        return work

    for number in range(3):
        bench.session.ask("heat map", answer(number))
    hold.set()
    bench.finish()
    assert answers == [2]

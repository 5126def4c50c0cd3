"""The whole plugin in a real viewer with the demo model, driven as a person drives it."""

from __future__ import annotations

import gc
import itertools
import threading
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import pytest
from numpy.typing import NDArray
from qtpy.QtCore import Qt

from napari_itaclip._widget.layers.image_input import Scope
from napari_itaclip.evaluation.confusion import confusion_matrix, intersection_over_union
from napari_itaclip.sample_data import sample_image, sample_labels, sample_words
from napari_itaclip.segmentation.image import PreparedImage, prepare_image
from napari_itaclip.session.outcome import Stage
from napari_itaclip.session.session import SHOWN_PLANES
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.quick import BALANCED
from tests.widget.person import Person

Scene = NDArray[np.uint8]


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Return a part of a sample scene: large enough for several windows."""
    return sample_image("everyday")[:280, :350]


class Gate:
    """Holds the worker up while it reads an image, until the test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        monkeypatch.setattr("napari_itaclip._widget.layers.image_input.prepare_image", self._read)

    def _read(self, *args: Any, **options: Any) -> PreparedImage:
        self.entered.set()
        assert self.open.wait(30)
        return prepare_image(*args, **options)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def test_from_nothing_to_good_labels(person: Person) -> None:
    """Type words, press Segment, and the labels match the ground truth."""
    dock = person.dock
    dock.session.change_settings(BALANCED)
    assert dock.empty_state.isVisibleTo(dock)
    person.viewer.add_image(sample_image("aerial"), name="aerial", rgb=True)
    person.type_classes(", ".join(sample_words("aerial")))
    assert not dock.empty_state.isVisibleTo(dock)
    person.segment()
    words = sample_words("aerial")
    truth = sample_labels("aerial")
    matrix = confusion_matrix(truth, person.labels - 1, len(words))
    overlap = intersection_over_union(matrix)
    assert np.nanmean(overlap) > 0.6
    assert person.layer.name == "aerial labels"
    model = dock.vocabulary_view.table.vocabulary_model
    for row, pixels in enumerate(np.bincount(person.labels.ravel(), minlength=len(words) + 1)[1:]):
        assert pixels == 0 or model.index(row, 2).data() not in ("", "\N{EN DASH}", None)


def test_the_demo_button_leads_to_a_result(person: Person) -> None:
    dock = person.dock
    dock.session.change_settings(BALANCED)
    person.qtbot.mouseClick(dock.empty_state.demo_button, Qt.MouseButton.LeftButton)
    person.segment()
    assert len(np.unique(person.labels)) > 5
    assert "demo model" in (dock.status_line.message or "")


def test_an_edited_word_changes_the_labels_at_once(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.segment()
    before = person.labels
    person.type_classes("mountain")
    person.wait()
    mountain = person.class_id("mountain")
    assert (person.labels == mountain).any()
    assert ((person.labels == mountain) == (person.labels != before)).all()
    person.dock.editor.rename(mountain, "sun")
    person.wait()
    assert (person.labels != before).any()
    person.dock.editor.undo()
    person.dock.editor.undo()
    person.wait()
    np.testing.assert_array_equal(person.labels, before)


def test_strokes_survive_reruns_edits_and_presets_pixel_for_pixel(
    person: Person, scene: Scene
) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass, mountain")
    person.segment()
    before = person.labels
    grass = person.class_id("grass")
    person.paint((30, 30), (60, 200), label=grass)
    painted = person.labels
    mine = painted != before
    assert mine.sum() > 500
    person.segment()
    np.testing.assert_array_equal(person.labels, painted)
    person.type_classes("cloud, sun")
    person.wait()
    assert (person.labels[mine] == grass).all()
    assert (person.labels != painted).any()
    presets = person.dock.run_bar.preset_box
    presets.setCurrentIndex(presets.findData("balanced"))
    person.segment()
    assert (person.labels[mine] == grass).all()
    assert "px kept" in person.dock.edits_bar.label.text()
    person.dock.controller.reset()
    assert (person.labels[mine] != grass).any()
    person.layer.undo()
    assert (person.labels[mine] == grass).all()


def test_undo_goes_back_step_by_step(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.segment()
    states = [person.labels]
    person.paint((30, 30), (60, 200), label=person.class_id("grass"))
    states.append(person.labels)
    person.type_classes("mountain")
    person.wait()
    states.append(person.labels)
    person.paint((100, 30), (110, 90), label=person.class_id("mountain"))
    states.append(person.labels)
    for earlier, later in itertools.pairwise(states):
        assert (earlier != later).any()
    for state in reversed(states[:-1]):
        person.layer.undo()
        np.testing.assert_array_equal(person.labels, state)
    person.layer.undo()
    assert not person.labels.any()
    for state in states:
        person.layer.redo()
        np.testing.assert_array_equal(person.labels, state)


def test_cancelling_leaves_the_labels_from_before(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass, mountain")
    person.segment()
    before = person.labels
    dock = person.dock
    dock.session.change_settings(replace(dock.session.settings, stride=32))
    stages: list[Stage] = []
    dock.session.labelled.connect(lambda outcome: stages.append(outcome.stage))
    person.press_segment()
    person.qtbot.waitUntil(lambda: bool(stages), timeout=30_000)
    assert stages[0] is Stage.COARSE
    person.press_cancel()
    person.wait()
    np.testing.assert_array_equal(person.labels, before)
    assert "Cancelled" in (dock.status_line.message or "")
    assert dock.run_bar.run_button.isEnabled()


def test_cancelling_the_first_run_leaves_no_labels(
    person: Person, scene: Scene, gate: Gate
) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.press_segment()
    person.qtbot.waitUntil(gate.entered.is_set, timeout=30_000)
    person.press_cancel()
    gate.open.set()
    person.wait()
    assert [layer.name for layer in person.viewer.layers] == ["scene"]
    person.segment()
    assert person.labels.any()


def test_deleting_the_image_during_a_run_is_safe(person: Person, scene: Scene, gate: Gate) -> None:
    image = person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.press_segment()
    person.qtbot.waitUntil(gate.entered.is_set, timeout=30_000)
    person.viewer.layers.remove(image)
    gate.open.set()
    person.wait()
    assert len(person.viewer.layers) == 0
    assert person.dock.empty_state.isVisibleTo(person.dock)
    person.viewer.add_image(scene, name="again", rgb=True)
    person.segment()
    assert person.layer.name == "again labels"


def test_deleting_the_labels_during_a_run_drops_the_result(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.segment()
    dock = person.dock
    dock.session.change_settings(replace(dock.session.settings, stride=32))
    stages: list[Stage] = []
    dock.session.labelled.connect(lambda outcome: stages.append(outcome.stage))
    person.press_segment()
    person.qtbot.waitUntil(lambda: bool(stages), timeout=30_000)
    assert dock.session.busy
    person.viewer.layers.remove(person.layer)
    person.wait()
    assert [layer.name for layer in person.viewer.layers] == ["scene"]
    person.type_classes("mountain")  # an edit brings nothing back either
    person.wait()
    assert [layer.name for layer in person.viewer.layers] == ["scene"]
    person.segment()
    assert person.labels.any()


def test_switching_images_during_a_run_keeps_results_apart(
    person: Person, scene: Scene, gate: Gate
) -> None:
    first = person.viewer.add_image(scene, name="first", rgb=True)
    second = person.viewer.add_image(scene[:, ::-1].copy(), name="second", rgb=True)
    person.viewer.layers.selection.active = first
    person.type_classes("sky, grass, mountain")
    person.press_segment()
    person.qtbot.waitUntil(gate.entered.is_set, timeout=30_000)
    first.name = "renamed"
    person.viewer.layers.selection.active = second
    gate.open.set()
    person.wait()
    names = [layer.name for layer in person.viewer.layers]
    assert names == ["renamed", "second", "first labels"]
    person.segment()
    mirrored = person.labels
    person.viewer.layers.selection.active = first
    person.wait()
    assert (person.labels != mirrored).any()
    person.dock.session.store.discard(lambda key: False)
    # Both are known now: nothing runs the network, and each keeps its own labels.
    person.segment()
    person.viewer.layers.selection.active = second
    np.testing.assert_array_equal(person.labels, mirrored)


@pytest.mark.filterwarnings("error")
def test_closing_the_viewer_during_a_run_leaves_nothing_behind(
    person: Person, scene: Scene, gate: Gate, qtlog: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.press_segment()
    person.qtbot.waitUntil(gate.entered.is_set, timeout=30_000)
    threading.Timer(0.1, gate.open.set).start()
    person.viewer.close()
    person.qtbot.wait(50)
    person.qtbot.waitUntil(
        lambda: "itaclip" not in [thread.name for thread in threading.enumerate()], timeout=15_000
    )
    said = [str(record.message) for record in qtlog.records]
    # What a platform without a screen cannot do, it says when a window is made.
    assert [line for line in said if "not support" not in line] == []
    assert "Traceback" not in capfd.readouterr().err


def test_closing_the_dock_during_a_run_leaves_the_viewer_usable(
    person: Person, scene: Scene, gate: Gate
) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.press_segment()
    person.qtbot.waitUntil(gate.entered.is_set, timeout=30_000)
    threading.Timer(0.1, gate.open.set).start()
    person.viewer.window.remove_dock_widget(person.dock)
    person.qtbot.waitUntil(
        lambda: "itaclip" not in [thread.name for thread in threading.enumerate()], timeout=15_000
    )
    assert [layer.name for layer in person.viewer.layers] == ["scene"]
    again = Person(person.viewer, person.qtbot)
    again.type_classes("sky, grass")
    again.segment()
    assert again.labels.any()
    again.dock.shut()


def test_ten_reruns_do_not_grow_memory(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass, mountain")
    person.segment()
    person.segment()

    def held() -> tuple[int, int, int]:
        gc.collect()
        arrays = [each for each in gc.get_objects() if issubclass(type(each), np.ndarray)]
        history = len(person.layer._undo_history)
        return sum(each.nbytes for each in arrays), person.dock.session.store.nbytes, history

    before = held()
    for _ in range(10):
        person.segment()
    after = held()
    assert after[0] <= before[0] + scene.nbytes
    assert after[1:] == before[1:]


def test_a_stack_is_segmented_slice_by_slice(person: Person, scene: Scene) -> None:
    stack = np.stack([scene, scene[:, ::-1], scene[::-1]])
    person.viewer.add_image(stack, name="stack", rgb=True)
    person.viewer.dims.set_point(0, 0)
    person.type_classes("sky, grass, mountain")
    person.segment()
    assert person.labels.shape == (3, 280, 350)
    assert person.labels[0].any()
    assert not person.labels[1:].any()
    person.viewer.dims.set_point(0, 1)
    person.segment()
    first = person.labels
    assert first[1].any()
    assert not first[2].any()
    sky = person.class_id("sky")
    person.paint((1, 200, 100), (1, 220, 200), label=sky)
    mine = person.labels != first
    assert mine[1].any()
    assert not mine[[0, 2]].any()
    dock = person.dock
    at = dock.input_panel.scopes.findText("all slices")
    dock.input_panel.scopes.setCurrentIndex(at)
    dock.input_panel.scopes.activated.emit(at)
    person.segment()
    assert all(plane.any() for plane in person.labels)
    assert (person.labels[mine] == sky).all()
    person.type_classes("cloud")
    person.wait()
    assert all((plane == person.class_id("cloud")).any() for plane in person.labels)
    assert (person.labels[mine] == sky).all()


def test_a_lazy_gray_stack_and_its_contrast(person: Person, scene: Scene) -> None:
    gray = scene.mean(axis=2).astype(np.uint16) * 16
    data = np.stack([gray, gray[::-1]])
    stack = da.from_array(data, chunks=(1, 280, 350))  # type: ignore[no-untyped-call]
    person.viewer.add_image(stack, name="lazy", contrast_limits=(0, 4080))
    person.type_classes("sky, grass, mountain")
    person.segment()
    assert person.labels.any(axis=(1, 2)).sum() == 1


def test_labels_lie_on_a_rotated_anisotropic_image(person: Person, scene: Scene) -> None:
    image = person.viewer.add_image(
        scene, name="scene", rgb=True, scale=(2, 0.5), rotate=30, translate=(10, -20)
    )
    person.type_classes("sky, grass")
    person.segment()
    for corner in ((0, 0), (279, 0), (0, 349), (140, 200)):
        np.testing.assert_allclose(
            person.layer.data_to_world(corner), image.data_to_world(corner), atol=1e-9
        )
    # What is drawn is computed with the same matrices.
    canvas = person.viewer.window._qt_viewer.canvas
    drawn = [canvas.layer_to_visual[each].node.transform.matrix for each in (image, person.layer)]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-5)


def test_only_the_rectangle_changes(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass, mountain")
    person.segment()
    before = person.labels
    corners = np.array([[40, 60], [40, 259], [199, 259], [199, 60]])
    person.viewer.add_shapes([corners], shape_type="rectangle", name="part")
    dock = person.dock
    at = dock.input_panel.scopes.findText("rectangle")
    dock.input_panel.refresh_scopes()
    dock.input_panel.scopes.setCurrentIndex(at)
    dock.input_panel.scopes.activated.emit(at)
    person.segment()
    inside = np.zeros(before.shape, bool)
    inside[40:200, 60:260] = True
    changed = person.labels != before
    assert changed[inside].any()
    assert not changed[~inside].any()


def test_a_saved_layer_tells_how_it_was_made(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.segment()
    told = person.layer.metadata["napari-itaclip"]
    assert [each["name"] for each in told["vocabulary"]["classes"]] == ["sky", "grass"]
    assert told["settings"]["model_name"] == "demo"
    sky = person.class_id("sky")
    where = tuple(np.argwhere(person.labels == sky)[0])
    assert "sky" in str(person.layer.get_status(where))


def test_the_table_is_a_legend(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.segment()
    grass, sky = person.class_id("grass"), person.class_id("sky")
    person.dock.editor.select(grass)
    assert person.layer.selected_label == grass
    person.layer.selected_label = sky
    assert person.dock.editor.selected == sky
    person.dock.editor.isolate(grass)
    assert person.layer.get_color(sky)[3] == 0
    assert person.layer.get_color(grass)[3] == 1
    person.dock.editor.show_all()
    assert person.layer.get_color(sky)[3] == 1
    before = person.labels
    person.dock.editor.set_color(sky, "#123456")
    np.testing.assert_allclose(
        person.layer.get_color(sky)[:3], [0x12 / 255, 0x34 / 255, 0x56 / 255], atol=1e-6
    )
    np.testing.assert_array_equal(person.labels, before)


def test_locked_classes_keep_their_pixels(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.segment()
    grass = person.class_id("grass")
    mine = person.labels == grass
    person.dock.editor.set_locked(grass, True)
    person.type_classes("mountain, house, sand, cloud")
    person.wait()
    assert (person.labels[mine] == grass).all()
    person.dock.editor.set_locked(grass, False)
    person.segment()
    assert (person.labels[mine] != grass).any()


def test_exploring(person: Person, scene: Scene) -> None:
    image = person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass, mountain")
    person.segment()
    dock, model = person.dock, person.dock.exploration
    dock.explore_section.expand()
    dock.explore_panel.heat_map_box.click()
    person.wait()
    heat = next(layer for layer in person.viewer.layers if layer.name.startswith("heat map"))
    assert heat.name == "heat map: sky"
    sky = person.class_id("sky")
    values = np.asarray(heat.data)
    assert values[person.labels == sky].mean() > 0.8
    assert values[person.labels != sky].mean() < 0.2
    dock.editor.select(person.class_id("grass"))
    person.wait()
    assert heat.name == "heat map: grass"  # updated in place
    person.qtbot.keyClicks(dock.explore_panel.phrase_edit, "cloud")
    person.qtbot.keyClick(dock.explore_panel.phrase_edit, Qt.Key.Key_Return)
    person.wait()
    assert heat in person.viewer.layers
    assert heat.name == "heat map: cloud"
    assert dock.editor.vocabulary is not None
    assert "cloud" not in dock.editor.vocabulary
    dock.explore_panel.add_button.click()
    person.wait()
    assert "cloud" in dock.editor.vocabulary
    dock.explore_panel.uncertainty_box.click()
    assert any(layer.name == "uncertainty" for layer in person.viewer.layers)
    center = tuple(person.viewer.scene.camera.center)
    dock.explore_panel.next_button.click()
    assert tuple(person.viewer.scene.camera.center) != center
    model.keep_as_a()
    model.set_comparing(True)
    person.type_classes("sun, house")
    person.wait()
    assert "changed since A" in dock.explore_panel.changed_label.text()
    model.set_comparing(False)
    model.set_uncertainty(False)
    model.set_heat_map(False)
    person.wait()
    visible = [layer.name for layer in person.viewer.layers if layer.visible]
    assert visible == ["scene", "scene labels"]
    assert dock.controller.image is image


def test_strokes_follow_their_class_into_another_vocabulary(person: Person, scene: Scene) -> None:
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass, mountain")
    person.segment()
    before = person.labels
    person.paint((30, 30), (60, 200), label=person.class_id("grass"))
    mine = person.labels != before
    assert mine.any()
    person.dock.editor.open(Vocabulary(["mountain", "cloud", "grass", "sky"]))
    person.wait()
    assert person.class_id("grass") == 3
    assert (person.labels[mine] == 3).all()
    person.segment()
    assert (person.labels[mine] == 3).all()
    person.dock.editor.open(Vocabulary(["sky", "sea"]))  # no grass: the strokes stay grass
    person.wait()
    kept = set(np.unique(person.labels[mine]).tolist())
    assert len(kept) == 1
    assert not kept & {1, 2}
    assert "grass" in list(person.layer.features["class"])


def test_keys_of_the_dock_work_while_classes_are_typed(person: Person, scene: Scene) -> None:
    """Ctrl+Enter adds what stands in the line and segments; Enter alone only adds."""
    person.viewer.add_image(scene, name="scene", rgb=True)
    person.dock.window().show()
    line = person.dock.vocabulary_view.add_line
    line.setFocus()
    person.qtbot.keyClicks(line, "sky, grass")
    person.qtbot.keyClick(line, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    person.qtbot.waitUntil(lambda: person.dock.session.busy, timeout=5_000)
    person.wait()
    assert person.labels.any()


def test_every_slice_of_a_long_stack_can_be_explored(person: Person, scene: Scene) -> None:
    stack = np.stack([scene[:64, :64]] * (SHOWN_PLANES + 3))
    person.viewer.add_image(stack, name="stack", rgb=True)
    person.type_classes("sky, cloud")
    dock = person.dock
    dock.input_panel.set_scope(Scope.ALL_SLICES)
    person.segment()
    for place in (0, SHOWN_PLANES + 2, 1):
        person.viewer.dims.set_point(0, place)
        person.wait()
        assert dock.exploration.ready, place


def test_another_image_in_the_same_layer_is_noticed(person: Person, scene: Scene) -> None:
    image = person.viewer.add_image(scene, name="scene", rgb=True)
    person.type_classes("sky, grass")
    person.segment()
    image.data = scene[::-1].copy()
    assert "other pixels" in (person.dock.status_line.message or "")
    before = person.labels
    person.segment()
    assert (person.labels != before).any()

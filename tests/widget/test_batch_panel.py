"""A folder of images is labelled from the dock: run, stopped, run again, reviewed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_itaclip._widget.panels.batch_panel import batch_text
from napari_itaclip.batch.progress import BatchProgress
from napari_itaclip.batch.state import BatchState
from napari_itaclip.formats.export import import_labels
from napari_itaclip.sample_data import sample_image
from tests.widget.person import Person

NAMES = ("a", "b", "c")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a folder of three pictures of one window, and a file that is none."""
    folder = tmp_path / "images"
    (folder / "inside").mkdir(parents=True)
    scene = sample_image("everyday")
    for at, name in enumerate(NAMES):
        Image.fromarray(scene[40 * at :][:112, :112]).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


class Batcher:
    """A person at the section "Batch"."""

    def __init__(self, person: Person, images: Path) -> None:
        self.person = person
        self.dock, self.panel = person.dock, person.dock.batch_panel
        self.model = person.dock.data_sets.batching
        self.shown: list[str] = []
        self.model.progressed.connect(lambda _: self.shown.append(self.panel.bar.format()))
        self.dock.batch_section.expand()
        person.qtbot.keyClicks(self.panel.input.line, str(images))

    def run(self) -> None:
        assert self.panel.run_button.isEnabled()
        self.panel.run_button.click()
        assert self.panel.run_button.text() == "Stop"

    def wait(self) -> None:
        self.person.qtbot.waitUntil(lambda: not self.model.busy, timeout=60_000)

    @property
    def message(self) -> str:
        return self.dock.status_line.message or ""


def test_a_folder_is_labelled_stopped_and_finished(
    person: Person, images: Path, tmp_path: Path
) -> None:
    batcher, panel = Batcher(person, images), person.dock.batch_panel
    assert not panel.run_button.isEnabled()
    person.qtbot.keyClicks(panel.rows[0].folder.line, str(tmp_path / "png"))
    panel.add_button.click()
    second = panel.rows[1]
    second.format_box.setCurrentIndex(second.format_box.findData("coco"))
    person.qtbot.keyClicks(second.folder.line, str(tmp_path / "coco"))
    # Without words there is nothing to look for.
    panel.run_button.click()
    assert "Type into the table" in batcher.message
    person.type_classes("sky, grass, house")

    def stop(progress: object) -> None:
        if isinstance(progress, BatchProgress):
            batcher.model.stop()

    batcher.model.progressed.connect(stop)
    batcher.run()
    batcher.wait()
    batcher.model.progressed.disconnect(stop)
    state = BatchState.find(tmp_path / "png")
    before = {record.key: record for record in state.items()}
    assert len(before) < len(NAMES)
    assert "left for the next run" in batcher.message

    batcher.run()
    batcher.wait()
    assert {record.key for record in state.items()} == set(NAMES)
    assert before.items() <= {record.key: record for record in state.items()}.items()
    assert batcher.shown[-2].startswith("4 of 4")
    assert "1 unreadable" in batcher.message
    assert panel.problem_list.count() == 1
    assert panel.problem_list.item(0).text().startswith("broken: ")
    png, coco = import_labels(tmp_path / "png"), import_labels(tmp_path / "coco")
    assert png.names == coco.names == NAMES
    for name in NAMES:
        labels = png.load(name).labels
        np.testing.assert_array_equal(labels, coco.load(name).labels)
    # The dock labels an image of the folder the same way.
    with Image.open(images / "b.png") as picture:
        person.viewer.add_image(np.asarray(picture), name="b", rgb=True)
    person.segment()
    np.testing.assert_array_equal(person.labels, png.load("b").labels)
    # With the model of the dock, and nothing left to do.
    batcher.run()
    batcher.wait()
    assert "3 finished before" in batcher.message

    assert panel.review_button.isEnabled()
    panel.review_button.click()
    review = person.dock.data_sets.review(tmp_path / "png")
    person.qtbot.waitUntil(lambda: review.session is not None and review.session.image is not None)
    assert len(review.session.queue.entries) == len(NAMES)
    review.shut()


def test_closing_the_dock_stops_a_batch(person: Person, images: Path, tmp_path: Path) -> None:
    batcher, panel = Batcher(person, images), person.dock.batch_panel
    person.type_classes("sky, grass")
    person.qtbot.keyClicks(panel.rows[0].folder.line, str(tmp_path / "out"))
    batcher.run()
    person.dock.shut()
    # Whatever was done is whole, and nobody holds the folder.
    state = BatchState(tmp_path / "out" / ".itaclip" / "batch")
    with state.lock():
        for record in state.items():
            assert state.load_labels(record).shape == record.shape


def test_how_far_it_is() -> None:
    assert batch_text(BatchProgress()) == "0 of 0"
    some = BatchProgress(done=12, total=60, rate=1.3, seconds_left=40.4)
    assert batch_text(some) == "12 of 60 · 1.3 images/s · 40 s left"

"""The whole dock's answer to an edit: from the table to the pixels of the labels layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.interface.edits import Edit, measure_latency
from benchmarks.interface.figures import Reading
from benchmarks.interface.subjects import Subject
from benchmarks.interface.window import has_screen
from benchmarks.workload import photo
from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.session.outcome import Outcome, Stage
from napari_itaclip.session.settings import SessionSettings
from napari_itaclip.vocabulary.classes import Vocabulary

_PATIENCE_S = 300.0


def measure_dock(subject: Subject) -> Iterator[Reading]:
    """Time edits in a viewer: a class is renamed in the table, and its pixels arrive.

    Nothing is measured where there is no screen.
    """
    if not has_screen():
        return
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_itaclip._widget.dock import SegmentDock

    size = subject.size
    settings = SessionSettings(
        model="demo",
        stride=size.preset.encode.stride,
        short_side=size.preset.encode.short_side,
        pamr_iterations=size.preset.refine.iterations,
    )
    viewer = napari.Viewer(title="benchmark")
    # One that knows no words: other sections have embedded the new ones already.
    segmenter = Segmenter(subject.segmenter.model, EmbeddingCache())
    dock = SegmentDock(viewer, settings=settings, load=lambda *_: segmenter)
    viewer.window.add_dock_widget(dock, name="ITACLIP")
    application = QApplication.instance()

    def wait(done: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not done():
            if time.monotonic() > end:
                raise TimeoutError("the dock did not answer")
            application.processEvents()
            time.sleep(0.0005)

    try:
        viewer.add_image(photo(*size.edit_picture), rgb=True, name="photo")
        dock.editor.open(Vocabulary(size.words[:-1], templates=size.templates))
        dock.run()
        wait(lambda: not dock.session.busy)
        fresh = replace(subject, segmenter=segmenter)
        yield from measure_latency("dock", fresh, _respond(dock, wait))
    finally:
        viewer.close()
        application.processEvents()


def _respond(dock: Any, wait: Callable[[Callable[[], bool]], None]) -> Any:
    """Return what makes an edit in the table and waits for its labels."""

    def respond(edit: Edit) -> Mapping[str, float]:
        found: dict[str, float] = {}
        names = {
            Stage.COARSE: "new_quick",
            Stage.UNREFINED: "new_full" if edit.new else "unrefined",
            Stage.FINAL: "new_refined" if edit.new else "refined",
        }

        def on_labelled(outcome: Outcome) -> None:
            found.setdefault(names[outcome.stage], time.perf_counter() - start)

        last, wanted = dock.editor.classes[-1], edit.vocabulary.names[-1]
        if last.name == wanted:
            return found  # no edit, so no answer
        dock.session.labelled.connect(on_labelled)
        try:
            start = time.perf_counter()
            dock.editor.rename(last.id, wanted)
            wait(lambda: names[Stage.FINAL] in found)
        finally:
            dock.session.labelled.disconnect(on_labelled)
        return found

    return respond

"""Take the pictures of the dock: ``scripts/with-display python docs/make_screenshots.py``.

Every picture is a real window with the demo model behind it. ``--only NAME`` takes one of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "images"

WINDOW = (1280, 900)
"""Width and height of the window in pixels."""

HIGH_DPI = "high-dpi"
"""The picture that needs a process of its own: Qt reads the scale once, when it starts."""

LONG_NAMES = (
    "reinforced concrete bridge with a pedestrian walkway",
    "corrugated metal roof of a warehouse",
    "Straßenbahnhaltestelle",
    "water",
)

MANY = 40
"""Classes of the picture with many classes."""


class Stage:
    """A viewer with the dock, and what it takes to make it look as wished.

    Parameters
    ----------
    theme : str
        "dark" or "light".
    dock_width : int
        In pixels.
    """

    def __init__(self, theme: str = "dark", dock_width: int = 330) -> None:
        import napari
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QApplication, QDockWidget

        self.viewer = napari.Viewer(title="napari")
        self.viewer.theme = theme
        self.application = QApplication.instance()
        window = self.viewer.window._qt_window
        window.resize(*WINDOW)
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-itaclip", self.widget)
        around = next(
            each for each in window.findChildren(QDockWidget) if each.isAncestorOf(self.dock)
        )
        self.prepare()
        window.resizeDocks([around], [dock_width], Qt.Orientation.Horizontal)
        self.wait()

    widget = "Segment with words"
    """Its name in the manifest."""

    def prepare(self) -> None:
        """Make the dock quick and the same on every machine."""
        self.settings(model="demo", precision="float32", device="cpu")
        self.wait()

    @property
    def busy(self) -> bool:
        """Whether something is computed, read or written."""
        return bool(self.dock.session.busy or self.dock.data_sets.busy)

    def settings(self, **values: Any) -> None:
        """Change settings as the settings panel would."""
        session = self.dock.session
        session.change_settings(replace(session.settings, **values))

    def wait(self, seconds: float = 0.4) -> None:
        """Let the window live until nothing runs, and a little longer."""
        end = time.monotonic() + 120
        calm = time.monotonic() + seconds
        while time.monotonic() < min(end, calm):
            self.application.processEvents()
            time.sleep(0.005)
            if self.busy:
                calm = time.monotonic() + seconds

    def scene(self, world: str = "everyday", words: str | None = None) -> None:
        """Open a sample scene, fill the table and segment."""
        from napari_itaclip.sample_data import sample_vocabulary

        self.viewer.open_sample("napari-itaclip", world)
        if words is None:
            self.dock.editor.open(sample_vocabulary(world))
        else:
            self.dock.editor.add(words)
        self.wait()

    def segment(self) -> None:
        """Press Segment and wait."""
        self.dock.run_bar.run_button.click()
        self.wait()
        self.dock.status_line.clear_message()
        self.wait()

    def take(self, name: str, *, dock_only: bool = False) -> None:
        """Save what is seen."""
        from qtpy.QtGui import QImage

        self.wait()
        if dock_only:
            image: QImage = self.dock.grab().toImage()
        else:
            image = self.viewer.window._qt_window.grab().toImage()
            self._draw_canvas(image)
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw.png"
            image.save(str(raw))
            _compress(raw, FOLDER / f"{name}.png")
        print(f"{name}.png")

    def _draw_canvas(self, image: Any) -> None:
        """Put the canvas into the picture: Qt alone leaves what OpenGL draws black."""
        from qtpy.QtCore import QPoint
        from qtpy.QtGui import QImage, QPainter

        native = self.viewer.window._qt_viewer.canvas.native
        pixels = self.viewer.screenshot(canvas_only=True, flash=False)
        height, width, _ = pixels.shape
        canvas = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
        canvas.setDevicePixelRatio(width / native.width())
        painter = QPainter(image)
        window = self.viewer.window._qt_window
        painter.drawImage(native.mapTo(window, QPoint(0, 0)), canvas)
        painter.end()

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()
        self.application.processEvents()


class ReviewStage(Stage):
    """A viewer with the dock that reviews a batch."""

    widget = "Review a batch"

    def prepare(self) -> None:
        """Do nothing: there are no settings."""

    @property
    def busy(self) -> bool:
        """Whether something is computed: nothing that `wait` would not outlast."""
        return False


def _compress(source: Path, target: Path) -> None:
    """Save a picture with 256 colours: a third of the size, and the eye sees no difference."""
    from PIL import Image

    picture = Image.open(source).convert("RGB")
    few = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(target, optimize=True)


def empty() -> None:
    """Take what a person sees first."""
    stage = Stage()
    stage.take("dock-empty")
    stage.close()


def result(name: str = "dock-result") -> None:
    """Take a result in the dark theme."""
    stage = Stage()
    stage.scene()
    stage.segment()
    stage.take(name)
    stage.close()


def light() -> None:
    """Take a heat map and the read-outs in the light theme."""
    stage = Stage("light")
    stage.scene("aerial")
    stage.segment()
    stage.dock.editor.select(stage.dock.editor.classes[1].id)
    stage.dock.vocabulary_view.detail.section.collapse(animate=False)
    stage.dock.explore_section.expand()
    stage.dock.explore_panel.heat_map_box.click()
    stage.wait()
    stage.dock.explore_panel.set_readout(_middle(stage))
    stage.take("dock-heat-map-light")
    stage.close()


def _middle(stage: Stage) -> Any:
    """Return the read-out of the middle of the image, where no cursor is in this script."""
    from napari_itaclip.session.looking import readout_at

    controller = stage.dock.controller
    shown = stage.dock.session.shown(controller.entry.target, controller.plane)
    height, width = controller.plane.shape(controller.entry.labels.shape)
    return readout_at(shown, height // 2, width // 2)


def compare() -> None:
    """Take two vocabularies side by side."""
    stage = Stage()
    stage.scene("everyday", "sky, grass, house, car, sand")
    stage.segment()
    stage.dock.vocabulary_view.detail.section.collapse(animate=False)
    stage.dock.explore_section.expand()
    stage.dock.explore_panel.keep_button.click()
    stage.dock.editor.add("mountain, cloud, sun, umbrella, fence")
    stage.wait()
    stage.dock.explore_panel.compare_box.click()
    stage.take("dock-compare")
    stage.close()


def running() -> None:
    """Take the progress while an image is encoded."""
    stage = Stage()
    stage.scene("microscopy")
    stage.settings(stride=16)
    stage.dock.status_line.clear_message()
    stage.dock.run_bar.run_button.click()
    end = time.monotonic() + 60
    while stage.dock.run_bar.progress_bar.value() < 300 and time.monotonic() < end:
        stage.application.processEvents()
        time.sleep(0.005)
    image = stage.dock.grab().toImage()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.png"
        image.save(str(raw))
        _compress(raw, FOLDER / "dock-running.png")
    print("dock-running.png")
    stage.dock.session.cancel()
    stage.wait()
    stage.close()


def narrow() -> None:
    """Take long names in a dock of 300 pixels, with an error."""
    stage = Stage(dock_width=300)
    stage.scene("driving", "; ".join(LONG_NAMES))
    stage.segment()
    stage.settings(model="missing.safetensors")
    stage.dock.run_bar.run_button.click()
    stage.take("dock-narrow", dock_only=True)
    stage.close()


def many() -> None:
    """Take forty classes in the light theme."""
    stage = Stage("light", dock_width=300)
    words = "\n".join(f"class number {number + 1}" for number in range(MANY))
    stage.scene("microscopy", words)
    stage.segment()
    stage.take("dock-many-classes")
    stage.close()


def settings() -> None:
    """Take settings and help, unfolded."""
    from qtpy.QtWidgets import QScrollArea

    stage = Stage()
    stage.scene()
    stage.dock.vocabulary_view.detail.section.collapse(animate=False)
    for section in (stage.dock.settings_section, stage.dock.help_section):
        section.expand()
    stage.wait()
    bar = stage.dock.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(bar.maximum())
    stage.take("dock-settings", dock_only=True)
    stage.close()


def suggest() -> None:
    """Take suggestions for a class, one of them previewed."""
    from qtpy.QtWidgets import QAbstractButton

    stage = Stage()
    stage.scene("everyday", "sky, grass, sand, fence, brolly")
    stage.segment()
    stage.dock.vocabulary_view.detail.section.collapse(animate=False)
    stage.dock.editor.select(stage.dock.editor.classes[-1].id)
    stage.dock.suggest_section.expand()
    stage.wait()
    stage.dock.findChild(QAbstractButton, "suggest_button").click()
    stage.wait(2)
    preview = stage.dock.suggest_panel.findChildren(QAbstractButton, "suggestion_preview")
    if preview:
        preview[0].click()
    stage.take("dock-suggest")
    stage.close()


def here() -> None:
    """Take what of a pack is in the image."""
    from qtpy.QtWidgets import QAbstractButton

    stage = Stage("light")
    stage.scene("aerial", "road")
    stage.segment()
    stage.dock.vocabulary_view.detail.section.collapse(animate=False)
    stage.dock.here_section.expand()
    stage.wait()
    packs = stage.dock.here_panel.pack_box
    packs.setCurrentIndex(packs.findData("aerial"))
    stage.dock.findChild(QAbstractButton, "here_look").click()
    stage.wait(2)
    stage.take("dock-what-is-here")
    stage.close()


def export() -> None:
    """Take labels that were exported."""
    stage = Stage()
    stage.scene("driving")
    stage.segment()
    dock = stage.dock
    dock.vocabulary_view.detail.section.collapse(animate=False)
    dock.export_section.expand()
    panel = dock.export_panel
    panel.format_box.setCurrentIndex(panel.format_box.findData("coco-instances"))
    home = os.environ.get("HOME", "")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder  # whose name is not to be in the picture
        panel.folder.set_text("~/annotations")
        panel.button.click()
        stage.wait()
        dock.scroll_area.ensureWidgetVisible(dock.export_section)
        stage.dock.status_line.clear_message()
        stage.take("dock-export")
    os.environ["HOME"] = home
    stage.close()


def review() -> None:
    """Take a batch of the sample scenes under review."""
    from PIL import Image

    from napari_itaclip.batch.job import BatchJob, ExportTarget
    from napari_itaclip.batch.run import run_batch
    from napari_itaclip.sample_data import sample_image
    from napari_itaclip.vocabulary.classes import Vocabulary

    words = "road; car, automobile; sky; building, house; tree; grass; person; mountain; river"
    with tempfile.TemporaryDirectory() as folder:
        pictures, target = Path(folder) / "scenes", Path(folder) / "annotations"
        pictures.mkdir()
        for world in ("everyday", "driving", "aerial"):
            Image.fromarray(sample_image(world)).save(pictures / f"{world}.png")
        exports = (ExportTarget("coco", target),)
        vocabulary = Vocabulary.parse(words)
        run_batch(BatchJob((str(pictures),), vocabulary, exports=exports, model="demo"))
        stage = ReviewStage()
        stage.dock.open_batch(target)
        stage.wait(3)
        stage.take("dock-review")
        stage.close()
        stage.dock.ended.wait(10)


PICTURES: dict[str, Callable[[], None]] = {
    "empty": empty,
    "result": result,
    "light": light,
    "compare": compare,
    "running": running,
    "narrow": narrow,
    "many": many,
    "settings": settings,
    "suggest": suggest,
    "here": here,
    "export": export,
    "review": review,
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*PICTURES, HIGH_DPI], nargs="+")
    chosen = parser.parse_args().only or [*PICTURES, HIGH_DPI]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # Neither the person's preferences nor what this script changes are to mix.
        os.environ.setdefault("NAPARI_CONFIG", str(Path(folder) / "settings.yaml"))
        for name in chosen:
            if name == HIGH_DPI and os.environ.get("QT_SCALE_FACTOR") == "2":
                result("dock-high-dpi")
            elif name == HIGH_DPI:
                environment = os.environ | {"QT_SCALE_FACTOR": "2"}
                command = [sys.executable, __file__, "--only", HIGH_DPI]
                subprocess.run(command, env=environment, check=True)
            else:
                PICTURES[name]()


if __name__ == "__main__":
    main()

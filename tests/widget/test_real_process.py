"""A whole session in a process of its own, with a window that is really drawn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SESSION = """
import time
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
from napari_itaclip._widget.dock import SegmentDock
dock = SegmentDock(viewer)
viewer.window.add_dock_widget(dock, name="ITACLIP")
application = QApplication.instance()

def wait(done):
    end = time.monotonic() + 60
    while not done() and time.monotonic() < end:
        application.processEvents()
        time.sleep(0.002)
    assert done()

dock.empty_state.demo_button.click()
wait(lambda: dock.run_bar.run_button.isEnabled())
dock.run_bar.run_button.click()
wait(lambda: not dock.session.busy)
picture = viewer.screenshot(canvas_only=True, flash=False)
layer = dock.controller.entry.labels.layer
print("classes", len(set(layer.data.ravel().tolist())))
print("colours", len(set(map(tuple, picture.reshape(-1, 4).tolist()))) > 100)
viewer.close()
import threading
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(120)  # it may be loading torch, which takes long on a busy computer
print("threads", [thread.name for thread in threading.enumerate()])
"""


NOT_OURS = (
    "preferences could not be read",
    "could not determine DPI",  # vispy, where neither xdpyinfo nor xrandr is installed
)
"""What may be said on machines that lack something."""


@pytest.mark.skipif(
    os.environ.get("QT_QPA_PLATFORM") == "offscreen" or not os.environ.get("DISPLAY"),
    reason="needs a screen, if only a virtual one (scripts/with-display)",
)
def test_a_session_from_nothing_ends_cleanly(tmp_path: Path) -> None:
    """The libraries are loaded beside an open window here, as for a person, not before it."""
    environment = os.environ | {
        "NAPARI_ITACLIP_CACHE": str(tmp_path),
        "NAPARI_CONFIG": str(tmp_path / "settings.yaml"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SESSION],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "colours True" in done.stdout
    assert "threads ['MainThread']" in done.stdout
    said = [
        line for line in done.stderr.splitlines() if not any(known in line for known in NOT_OURS)
    ]
    assert said == []

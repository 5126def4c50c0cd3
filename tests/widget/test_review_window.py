"""The review in a napari window: its keys, and its end with the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot  # type: ignore[import-untyped, unused-ignore]
from qtpy.QtCore import Qt

from napari_itaclip._widget.review import window
from napari_itaclip._widget.review.review_keys import KEYS
from napari_itaclip.errors import FormatError, ItaclipError
from tests.small_batches import make_batch
from tests.widget.reviewing import Reviewer


def test_keys_and_the_end_with_the_window(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, tmp_path: Path
) -> None:
    state = make_batch(tmp_path, exports=False)
    viewer = make_napari_viewer()
    reviewer = Reviewer(qtbot, viewer)
    viewer.window.add_dock_widget(reviewer.dock, name="Review a batch")
    reviewer.open(state.home)
    layer, canvas = reviewer.layers.layer, viewer.window._qt_viewer.canvas.native
    assert reviewer.dock.keys.skipped == ()

    def press(key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        qtbot.keyClick(canvas, key, modifier)
        reviewer.settle()

    press(Qt.Key.Key_3)
    assert layer.selected_label == 3
    press(Qt.Key.Key_D)
    assert layer.mode == "paint"
    press(Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert reviewer.image == "c"
    press(Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert reviewer.image == "b"
    # The brush stays in the hand from image to image.
    assert reviewer.layers.layer.mode == "paint"
    reviewer.paint((10, 5), (10, 20))
    painted = reviewer.labels
    press(Qt.Key.Key_A)
    press(Qt.Key.Key_S)
    assert {key: one.state for key, one in state.reviews().items()} == {
        "b": "fixed", "c": "skipped",
    }  # fmt: skip
    press(Qt.Key.Key_U)
    assert reviewer.image == "c"
    reviewer.paint((10, 5), (10, 20))
    viewer.close()
    # The batch is free for others, the labels are saved, the open corrections are kept.
    assert reviewer.dock.session is None
    np.testing.assert_array_equal(state.load_labels(state.item("b")), painted)
    assert state.path("autosave", "c", ".png").is_file()
    with state.lock():
        pass


def test_no_key_is_one_of_napari_s_labels_layers() -> None:
    from app_model.types import KeyBinding
    from napari.layers import Labels
    from napari.utils.shortcuts import default_shortcuts

    taken = {
        str(KeyBinding.from_int(int(key)))
        for name, keys in default_shortcuts.items()
        if "label" in name or "polygon" in name or "brush" in name
        for key in keys
    } | {str(key) for key in Labels.class_keymap}
    own = {str(KeyBinding.from_int(int(key))) for key in KEYS.values()}
    assert taken & {"F", "E", "P"} == {"F", "E", "P"}
    assert not own & taken


def test_without_a_window_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari

    home = make_batch(tmp_path, exports=False).home

    def missing(**_: object) -> None:
        raise ImportError("No Qt bindings could be found")

    monkeypatch.setattr(napari, "Viewer", missing)
    with pytest.raises(ItaclipError, match=r"No Qt bindings.*napari-itaclip\[all\].*--list"):
        window.review_in_window(home, order="name", include_reviewed=False, tell=print)


def test_the_window_lasts_until_it_is_closed(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import napari

    state = make_batch(tmp_path, exports=False)
    viewer = make_napari_viewer()
    seen: list[str] = []

    def run() -> None:
        qtbot.waitUntil(lambda: len(viewer.layers) == 2)
        seen.extend(layer.name for layer in viewer.layers)
        seen.append(viewer.layers.selection.active.name)

    monkeypatch.setattr(napari, "Viewer", lambda **_: viewer)
    monkeypatch.setattr(napari, "run", run)
    window.review_in_window(state.home, order="name", include_reviewed=False, tell=print)
    assert seen == ["a", "a labels", "a labels"]
    with state.lock():
        pass
    with pytest.raises(FormatError, match="no batch"):
        window.review_in_window(tmp_path, order="name", include_reviewed=False, tell=print)
    assert len(seen) == 3

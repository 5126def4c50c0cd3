"""Results as napari layers, without a window."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from numpy.typing import NDArray

from napari_itaclip._widget.show import labels_layer_options, show_segmentations
from napari_itaclip.errors import ItaclipError
from napari_itaclip.segmentation.segmenter import Segmentation, SettingsUsed
from napari_itaclip.segmentation.settings import PRESETS
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary


def result_of(labels: NDArray[Any], *classes: ClassPrompt) -> Segmentation:
    preset = PRESETS["balanced"]
    return Segmentation(
        labels=labels,
        vocabulary=Vocabulary(classes),
        confidence=np.full(labels.shape, 0.5, np.float32),
        margin=np.full(labels.shape, 0.25, np.float32),
        probabilities=None,
        settings=SettingsUsed(
            model="m-1-gelu",
            model_name="m",
            notice="",
            encode=preset.encode,
            refine=preset.refine,
            decide=preset.decide,
        ),
        notes=("a note",),
    )


@pytest.fixture
def result() -> Segmentation:
    labels = np.array([[1, 1, 7], [0, 7, 300]], np.uint16)
    return result_of(
        labels,
        ClassPrompt("cat", ["kitten"], color="#ff0000"),
        ClassPrompt("dog", color="#00ff00", id=7),
        ClassPrompt("sky", color="#0000ff", id=300),
        ClassPrompt("absent", color="#123456", id=9),
    )


def rgba(layer: Labels, label: int) -> list[int]:
    return [round(float(part) * 255) for part in layer.get_color(label)]


def test_a_labels_layer(result: Segmentation) -> None:
    layer = Labels(result.labels, name="cats", **labels_layer_options(result))
    assert rgba(layer, 1) == [255, 0, 0, 255]
    assert rgba(layer, 7) == [0, 255, 0, 255]
    assert rgba(layer, 300) == [0, 0, 255, 255]
    assert rgba(layer, 9) == [0x12, 0x34, 0x56, 255]
    for nobody in (0, 5, 299):
        color = layer.get_color(nobody)
        assert color is None or color[3] == 0
    assert 0 < layer.opacity < 1


@pytest.mark.parametrize(
    ("position", "name"), [((0, 0), "cat"), ((0, 2), "dog"), ((1, 2), "sky"), ((1, 0), "unlabel")]
)
def test_the_status_bar_names_the_class(
    result: Segmentation, position: tuple[int, int], name: str
) -> None:
    layer = Labels(result.labels, **labels_layer_options(result))
    status = layer.get_status(position, view_direction=None, dims_displayed=[0, 1])
    assert name in status["value"]


def test_the_background_stays_transparent() -> None:
    result = result_of(
        np.array([[0, 1]], np.uint8), ClassPrompt("rest", background=True), ClassPrompt("cat")
    )
    layer = Labels(result.labels, **labels_layer_options(result))
    color = layer.get_color(0)
    assert color is None or color[3] == 0
    assert "rest" in layer.get_status((0, 0), dims_displayed=[0, 1])["value"]


def test_metadata_say_how_the_labels_were_made(result: Segmentation) -> None:
    metadata = labels_layer_options(result)["metadata"]
    stored = json.loads(json.dumps(metadata))["napari-itaclip"]
    assert Vocabulary.from_dict(stored["vocabulary"]) == result.vocabulary
    assert stored["settings"]["encode"]["stride"] == 112
    assert stored["settings"]["model_name"] == "m"
    assert stored["notes"] == ["a note"]


class FakeNapari:
    """Stands in for napari and remembers what it was asked to show."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, bool]] = []

    def Viewer(self, title: str) -> SimpleNamespace:  # noqa: N802  (napari's name)
        def add(kind: str) -> Any:
            def record(data: Any, *, name: str, visible: bool, **_: Any) -> None:
                self.calls.append((kind, name, visible))

            return record

        assert title
        return SimpleNamespace(add_image=add("image"), add_labels=add("labels"))

    def run(self) -> None:
        self.calls.append(("run", "", True))


def test_pictures_lie_under_their_labels_and_the_first_is_visible(
    result: Segmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNapari()
    monkeypatch.setitem(sys.modules, "napari", fake)
    picture = np.zeros((2, 3, 3), np.uint8)
    show_segmentations([("one", picture, result), ("two", picture, result)])
    assert fake.calls == [
        ("image", "one", True),
        ("labels", "one labels", True),
        ("image", "two", False),
        ("labels", "two labels", False),
        ("run", "", True),
    ]


def test_a_missing_window_system_is_explained(
    result: Segmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNapari()

    def viewer(title: str) -> None:
        raise RuntimeError("No Qt bindings could be found")

    monkeypatch.setattr(fake, "Viewer", viewer, raising=False)
    monkeypatch.setitem(sys.modules, "napari", fake)
    with pytest.raises(ItaclipError, match=r"No Qt bindings.*napari-itaclip\[all\]"):
        show_segmentations([("one", np.zeros((2, 3, 3), np.uint8), result)])
    monkeypatch.setitem(sys.modules, "napari", None)
    with pytest.raises(ItaclipError, match="cannot open a window"):
        show_segmentations([])

"""The overlay shows every class in its colour; the legend stays beside it and legible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from napari_itaclip.errors import OutputError
from napari_itaclip.segmentation.overlay import (
    LegendEntry,
    add_legend,
    blend,
    legend_entries,
    write_overlay_png,
)
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.palette import color_to_rgb


def sample(name: str) -> np.ndarray[Any, Any]:
    """Return one of scikit-image's bundled photographs."""
    photo: np.ndarray[Any, Any] = getattr(data, name)()
    return photo


def test_blending_and_borders() -> None:
    rgb = np.full((40, 60, 3), 100, np.uint8)
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 10:30] = 1
    out = blend(rgb, labels, [ClassPrompt("a", id=1, color="#ff0000")], alpha=0.5)
    assert out[20, 20].tolist() == [177, 50, 50]
    assert out[10, 20].tolist() == [255, 0, 0]  # the border, inside the class
    assert out[9, 20].tolist() == [100, 100, 100]  # id 0 keeps the image
    np.testing.assert_array_equal(out[labels == 0], rgb[labels == 0])


def test_full_strength_and_none() -> None:
    rgb = sample("astronaut")[:50, :50]
    labels = np.ones((50, 50), np.int64)
    vocabulary = Vocabulary(["a"])
    np.testing.assert_array_equal(blend(rgb, labels, vocabulary, alpha=0), rgb)
    full = blend(rgb, labels, vocabulary, alpha=1)
    assert (full == np.array(color_to_rgb(vocabulary.colors[0]), np.uint8)).all()


def test_large_and_negative_ids_do_no_harm() -> None:
    rgb = np.zeros((9, 9, 3), np.uint8)
    labels = np.full((9, 9), 2**31 - 1, np.int64)
    labels[0] = -1
    assert blend(rgb, labels, []).shape == rgb.shape


def test_entries_are_sorted_by_share_and_complete() -> None:
    labels = np.array([[0, 1, 1, 3], [9, 1, 3, 1]])
    entries = legend_entries(labels, Vocabulary(["a", "b", "c"]))
    assert [entry.name for entry in entries] == ["a", "c", "unlabelled", "class 9", "b"]
    assert [entry.share for entry in entries] == [0.5, 0.25, 0.125, 0.125, 0.0]


@pytest.mark.parametrize("size", [(64, 64), (300, 500), (500, 300), (1500, 500), (8, 9), (8, 900)])
@pytest.mark.parametrize("count", [1, 40, 300])
def test_legend_goes_beside_or_below(size: tuple[int, int], count: int) -> None:
    picture = Image.new("RGB", size, (0, 0, 255))
    entries = [
        LegendEntry(i, f"class number {i}", "#ff0000", 1 / count) for i in range(1, count + 1)
    ]
    out = np.asarray(add_legend(picture, entries))
    height, width = out.shape[:2]
    assert height * width > size[0] * size[1]
    assert height < 12_000
    assert width < 12_000
    inside = (out == (0, 0, 255)).all(axis=2)
    factor = -(-320 // max(size)) if max(size) < 320 else 1
    assert inside.sum() == size[0] * size[1] * factor**2
    swatches = (out == (255, 0, 0)).all(axis=2)
    assert swatches.sum() > min(count, 160) * 60
    # Nothing is cut off: the outermost pixels of the legend are paper.
    assert (out[-1, -1] == 255).all()


@pytest.mark.parametrize(
    "name",
    [
        "背景の空",
        "قطة صغيرة",
        "🐶👩‍🚀",
        "кошка",
        "x" * 5000,
        "a\nb\tc",
        "\u202emirrored",
        "\ud800",
        "",
    ],
)
def test_any_name_can_be_drawn(name: str) -> None:
    entries = [LegendEntry(1, name, "#00ff00", 1.0)]
    out = add_legend(Image.new("RGB", (400, 400)), entries)
    assert 400 < out.width < 1200


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=40), st.floats(0, 1)), max_size=6))
def test_any_legend_can_be_drawn(rows: list[tuple[str, float]]) -> None:
    entries = [LegendEntry(i, name, "#123456", share) for i, (name, share) in enumerate(rows)]
    add_legend(Image.new("RGB", (330, 200)), entries)


def test_overlay_file(tmp_path: Path) -> None:
    rgb = sample("astronaut")[:200, :300]
    labels = (np.indices((200, 300)).sum(axis=0) // 100).astype(np.uint16)
    vocabulary = Vocabulary.parse("cat; dog; palm tree; car")
    plain = write_overlay_png(tmp_path / "a" / "plain.png", rgb, labels, vocabulary, legend=False)
    with Image.open(plain) as image:
        np.testing.assert_array_equal(np.asarray(image), blend(rgb, labels, vocabulary))
    full = write_overlay_png(tmp_path / "full.png", rgb, labels, vocabulary)
    with Image.open(full) as image:
        assert image.width > 300


def test_things_that_do_not_go_together(tmp_path: Path) -> None:
    rgb = np.zeros((9, 9, 3), np.uint8)
    picture: Any
    for picture, labels in (
        (rgb, np.zeros((8, 9), int)),
        (rgb / 2, np.zeros((9, 9), int)),
        (rgb, np.zeros((9, 9))),
    ):
        with pytest.raises(OutputError, match=r"out\.png"):
            write_overlay_png(tmp_path / "out.png", picture, labels, [])
    assert not list(tmp_path.iterdir())

"""A session on the demo model, without a viewer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.sample_data import sample_image
from napari_itaclip.segmentation.image import prepare_image
from napari_itaclip.session.outcome import Message, Outcome, Progress
from napari_itaclip.session.pictures import Picture, PictureLabels, Plane, Region
from napari_itaclip.session.session import Session
from napari_itaclip.session.settings import SessionSettings
from napari_itaclip.session.target import Target
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.quick import QUICK
from tests.session.pump import Pump

PLANE = Plane((None, None))


class ArrayLabels:
    """Labels in a plain array that remember what was done to them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.data = np.zeros(shape, np.int32)
        self.steps: list[Hashable] = []
        self.names: tuple[str, ...] = ()
        self.styled: list[tuple[tuple[str, ...], frozenset[int]]] = []
        self.painted = False
        self._before: dict[Hashable, NDArray[np.int32]] = {}

    def write(
        self,
        patches: Sequence[PictureLabels],
        *,
        step: Hashable,
        vocabulary: Vocabulary,
        lineage: int,
        provenance: Mapping[str, Any],
        locked: frozenset[int],
    ) -> None:
        self._before.setdefault(step, self.data.copy())
        self.steps.append(step)
        self.names = vocabulary.names
        for patch in patches:
            plane = patch.plane.cut(self.data)
            plane[patch.region.slices if patch.region else ...] = patch.labels

    def style(self, vocabulary: Vocabulary | None, hidden: frozenset[int], *, lineage: int) -> None:
        self.styled.append((vocabulary.names if vocabulary else (), hidden))

    def revert(self, step: Hashable) -> bool:
        if self.painted or step not in self._before:
            return not self.painted
        self.data = self._before[step]
        return True


class Bench:
    """A session with everything it says written down."""

    def __init__(self, settings: SessionSettings = QUICK) -> None:
        self.pump = Pump()
        self.editor = VocabularyEditor()
        self.session = Session(self.editor, settings, self.pump.post)
        self.outcomes: list[Outcome] = []
        self.messages: list[Message] = []
        self.progress: list[Progress | None] = []
        self.session.labelled.connect(self.outcomes.append)
        self.session.said.connect(self.messages.append)
        self.session.progressed.connect(self.progress.append)

    def finish(self) -> None:
        """Let everything that is under way come to its end."""
        self.pump.until(lambda: not self.session.busy)
        self.pump.run()

    def target(self, image: NDArray[Any], name: str = "scene") -> tuple[Target, Picture]:
        """Return a target for an image, and its picture; the target is in view."""
        target = Target(name, ArrayLabels(image.shape[:2]))
        picture = picture_of(image, name)
        self.session.activate(target, PLANE)
        return target, picture


def picture_of(image: NDArray[Any], name: str = "scene", region: Region | None = None) -> Picture:
    """Return an image, or a part of it, as a picture."""
    part = image[region.slices] if region else image
    key = (name, region)
    shape = (part.shape[0], part.shape[1])
    return Picture(key, name, PLANE, region, shape, lambda: prepare_image(part))


def labels_of(target: Target) -> ArrayLabels:
    """Return a target's labels as what they are in these tests."""
    assert isinstance(target.labels, ArrayLabels)
    return target.labels


@pytest.fixture(scope="session")
def scene() -> NDArray[np.uint8]:
    """Return a part of a sample scene: large enough for several windows."""
    return sample_image("everyday")[:280, :350]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep embeddings of tests out of the person's cache."""
    folder = tmp_path_factory.getbasetemp() / "session-cache"
    monkeypatch.setenv("NAPARI_ITACLIP_CACHE", str(folder))


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Return a session with the demo model that has not been loaded yet."""
    made = Bench()
    yield made
    assert made.session.close()


@pytest.fixture
def cold_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no word be known from another test."""
    monkeypatch.setenv("NAPARI_ITACLIP_CACHE", str(tmp_path))

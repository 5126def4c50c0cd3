"""What the tests of widgets share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot  # type: ignore[import-untyped, unused-ignore]

from tests.widget.person import Person


@pytest.fixture
def person(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Person]:
    """Return a person with an empty viewer and the dock on the demo model."""
    # One cache for all tests: words need not be embedded again for each of them.
    monkeypatch.setenv("NAPARI_ITACLIP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    made = Person(make_napari_viewer(), qtbot)
    yield made
    made.dock.shut()

"""What the tests of widgets share."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot  # type: ignore[import-untyped, unused-ignore]

from tests.widget.person import Person

_loaded = 0
"""Modules when the collector was last told to pass over what they hold."""


def pytest_runtest_logfinish() -> None:
    """Clear away what a test has left, in the thread that Qt's objects belong to.

    Otherwise the collector comes when it likes, which may be in the next test's worker. What a
    library holds once it is loaded, it need not look at again: napari's fixture collects before and
    after every viewer, each time through a million objects of torch and napari, which took longer
    than the tests.
    """
    global _loaded
    gc.collect()
    if len(sys.modules) > _loaded:
        _loaded = len(sys.modules)
        gc.freeze()


def pytest_sessionfinish() -> None:
    """Let everything be cleared away at the end; some libraries complain otherwise."""
    gc.unfreeze()


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

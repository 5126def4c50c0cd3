"""``napari-itaclip review``: the queue on paper, and what it hands to the window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from napari_itaclip._cli.review import review
from napari_itaclip.batch.records import ReviewRecord
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import FormatError, SettingsError
from tests.small_batches import make_batch


@pytest.fixture
def state(tmp_path: Path) -> BatchState:
    made = make_batch(tmp_path, exports=False)
    made.save_review(ReviewRecord("c", "fixed", "", 12))
    return made


def run(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(review)
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_queue_is_printed(state: BatchState) -> None:
    done = run(state.home, "--list")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines[1:]] == ["b", "a", "1"]
    assert "1 of 3 reviewed · 1 fixed" in done.stdout


def test_order_and_what_is_done(state: BatchState) -> None:
    done = run(state.folder, "--list", "--include-reviewed", "--order", "name")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines[1:4]] == ["a", "b", "c"]
    assert lines[3][2:] == ["fixed", "12"]


def test_the_queue_as_json(state: BatchState) -> None:
    told = json.loads(run(state.home, "--json").stdout)
    assert (told["total"], told["reviewed"], told["fixed"]) == (3, 1, 1)
    assert [(one["name"], one["state"]) for one in told["images"]] == [("b", None), ("a", None)]
    assert told["images"][0]["uncertainty"] == 0.7


def test_looking_at_the_queue_needs_no_lock(state: BatchState) -> None:
    with state.lock():
        assert run(state.home, "--list").exit_code == 0


def test_wrong_orders_and_folders_are_named(state: BatchState, tmp_path: Path) -> None:
    done = run(state.home, "--order", "size")
    assert isinstance(done.exception, SettingsError)
    done = run(tmp_path, "--list")
    assert isinstance(done.exception, FormatError)


def test_the_window_is_told_what_to_show(
    state: BatchState, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_itaclip._widget.review import window

    told: list[Any] = []
    monkeypatch.setattr(window, "review_in_window", lambda path, **rest: told.append((path, rest)))
    assert run(state.home, "--order", "name").exit_code == 0
    (path, rest) = told[0]
    assert callable(rest.pop("tell"))
    assert (path, rest) == (state.home, {"order": "name", "include_reviewed": False})

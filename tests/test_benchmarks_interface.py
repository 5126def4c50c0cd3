"""The interface's benchmark runs and reports what it promises; how fast it is, is not judged."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.interface.__main__ import app
from benchmarks.interface.edits import STAGES, Edit, edits_of, measure_latency
from benchmarks.interface.figures import Reading
from benchmarks.interface.frames import Encoding
from benchmarks.interface.subjects import FULL, QUICK, Subject, subjects
from benchmarks.interface.window import has_screen
from napari_itaclip.errors import ItaclipError

ROOT = Path(__file__).parents[1]
KEYS = {
    "section", "network", "name", "meaning", "value", "unit", "target", "passed", "note", "details",
}  # fmt: skip
EDITS = {"unrefined", "refined", "new_quick", "new_full", "new_refined"}
FRAMES = {
    "idle", "encoding", "encoding_ordinary", "idle_gap", "still_gap", "encoding_gap",
    "ordinary_gap", "encode_still", "encode", "encode_ordinary",
}  # fmt: skip


def quick_run(file: Path, only: str) -> tuple[dict[str, Any], str]:
    command = [sys.executable, "-m", "benchmarks.interface", "--quick", "--threads", "1"]
    done = subprocess.run(
        [*command, "--only", only, "--json", str(file)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["schema"] == 1
    assert report["quick"] is True
    assert report["passed"] is None
    assert report["machine"]["threads"] == 1
    for reading in report["readings"]:
        assert set(reading) == KEYS
        assert reading["network"] == "tiny"
        assert reading["passed"] is None
        assert math.isfinite(reading["value"])
        assert reading["value"] > 0
    return report, done.stdout


def test_quick_run_reports_every_edit(tmp_path: Path) -> None:
    report, table = quick_run(tmp_path / "results" / "quick.json", "edit")
    readings = {reading["name"]: reading for reading in report["readings"]}
    assert set(readings) == EDITS
    assert {reading["section"] for reading in readings.values()} == {"edit"}
    assert len(readings["refined"]["details"]["all_s"]) == QUICK.edits
    assert len(readings["new_full"]["details"]["all_s"]) == QUICK.new_words
    # Times count from the edit, so a later stage is never there earlier.
    assert readings["unrefined"]["value"] <= readings["refined"]["value"]
    assert readings["new_quick"]["value"] <= readings["new_full"]["value"]
    for word in ("reading", "measured", "target", "edit"):
        assert word in table


@pytest.mark.skipif(not has_screen(), reason="frames are only drawn on a screen")
def test_quick_run_reports_frames(tmp_path: Path) -> None:
    report, table = quick_run(tmp_path / "quick.json", "frames")
    readings = {reading["name"]: reading for reading in report["readings"]}
    assert set(readings) == FRAMES
    assert readings["idle"]["unit"] == "frames/s"
    assert readings["encoding"]["target"] == 20
    assert report["machine"]["renderer"]
    assert min(report["machine"]["canvas"]) > 100
    assert readings["encoding"]["details"]["rounds"][0]["frames"] > 0
    assert "frames/s" in table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "edit,speed"), "choose from frames, edit"),
        (("--only", ","), "choose from frames, edit"),
        (("--only", "edit", "--device", "abacus"), "unknown device"),
    ],
)
def test_what_does_not_exist(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["--quick", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_frames_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    done = CliRunner().invoke(app, ["--quick", "--only", "frames"])
    assert done.exit_code == 2
    assert "scripts/with-display" in done.output


def test_many_frames_and_short_times_are_good() -> None:
    def passed(value: float | None, unit: Any, target: float | None = 20) -> bool | None:
        return Reading("s", "n", "n", "m", value, unit, target).passed

    assert passed(20, "frames/s") is True
    assert passed(19, "frames/s") is False
    assert passed(19, "ms") is True
    assert passed(20, "ms") is False
    assert passed(None, "ms") is None
    assert passed(1, "ms", None) is None


def test_the_issue_s_edits_are_made() -> None:
    edits = list(edits_of(FULL))
    known = [edit for edit in edits if not edit.new]
    assert {len(edit.vocabulary) for edit in edits} == {20}
    for one, other in pairwise(known):
        assert len(set(one.vocabulary.words) ^ set(other.vocabulary.words)) == 2
    seen = set(FULL.words)
    for edit in edits:
        assert len(set(edit.vocabulary.words) - seen) == edit.new
        seen |= set(edit.vocabulary.words)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    (found,) = subjects(QUICK, tmp_path_factory.mktemp("weights"), torch.device("cpu"))
    return found


def test_another_door_is_timed_with_the_same_edits(subject: Subject) -> None:
    answered: list[Edit] = []

    def respond(edit: Edit) -> Mapping[str, float]:
        assert subject.segmenter.knows(edit.vocabulary) is not edit.new
        answered.append(edit)
        return {"new_full": 0.5} if edit.new else {"unrefined": 0.05}

    readings = {each.name: each for each in measure_latency("dock", subject, respond)}
    assert [edit.new for edit in answered[1:]] == [False, False, True, True]
    assert {name: each.value for name, each in readings.items()} == {
        "unrefined": 50,
        "new_full": 500,
    }
    assert set(STAGES) == EDITS
    assert {each.section for each in readings.values()} == {"dock"}


def test_the_thread_is_prepared_first_and_encodes_whole_pictures(subject: Subject) -> None:
    prepared: list[int] = []
    encoding = Encoding(subject, lambda: prepared.append(threading.get_ident()), seconds=0)
    encoding.start()
    assert encoding.warm.wait(30)
    assert encoding.each_s == []
    encoding.begin()
    encoding.join(30)
    assert prepared == [encoding.ident]
    assert len(encoding.each_s) == 1
    assert encoding.failure is None


def test_a_thread_that_fails_says_why(subject: Subject) -> None:
    def fail() -> None:
        raise ItaclipError("no thread today")

    encoding = Encoding(subject, fail, seconds=0)
    encoding.start()
    assert encoding.warm.wait(30)
    encoding.join(30)
    assert isinstance(encoding.failure, ItaclipError)

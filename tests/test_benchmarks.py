"""The benchmark runs and reports what it promises; how fast anything is, is not judged here."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.engine import app
from benchmarks.operations import crop_operations
from benchmarks.report import Figure
from napari_itaclip.clip.architecture import Architecture
from napari_itaclip.clip.recipes import RECIPES

ROOT = Path(__file__).parents[1]
KEYS = {
    "section", "name", "meaning", "value", "unit", "target", "comparison", "passed", "note",
    "details",
}  # fmt: skip
PROMISED = {
    ("text", "gain", 7),
    ("encode", "matrix_rate_share_float32", 0.8),
    ("edit", "labels", 1000),
    ("edit", "score_map", None),
    ("edit", "scores_and_decision", None),
    ("pamr", "gain", 10),
    ("whole", "gain_float32", 3.5),
    ("memory", "5_classes_40x60", 2.5),
    ("bfloat16", "auto", None),
    ("bfloat16", "encode_gain", None),
}
VIT_B_16 = Architecture(
    embed_dim=512, patch_size=16, grid=14,
    vision_width=768, vision_layers=12, vision_head_width=64, vision_hidden=3072,
    text_width=512, text_layers=12, text_hidden=2048, context_length=77, vocab_size=49408,
)  # fmt: skip


def test_quick_run_reports_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "results" / "quick.json"
    command = [sys.executable, "-m", "benchmarks.engine", "--quick", "--threads", "1"]
    done = subprocess.run(
        [*command, "--json", str(file)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["schema"] == 1
    assert report["quick"] is True
    assert report["passed"] is None
    assert report["machine"]["threads"] == 1
    figures = report["figures"]
    assert all(set(figure) == KEYS for figure in figures)
    found = {(figure["section"], figure["name"], figure["target"]) for figure in figures}
    assert found >= PROMISED
    assert len(found) == len(figures)
    for figure in figures:
        assert figure["passed"] is None
        assert figure["unit"] in {"times", "fraction", "GB"}
        if figure["value"] is None:
            assert figure["note"]
        else:
            assert math.isfinite(figure["value"])
            assert figure["value"] > 0
    details = {(figure["section"], figure["name"]): figure["details"] for figure in figures}
    # What is timed against each other must compute the same.
    assert details["text", "gain"]["max_difference"] < 1e-5
    assert details["pamr", "gain"]["max_difference"] < 1e-5
    assert details["whole", "gain_float32"]["labels_equal"] > 0.999
    for word in ("section", "measured", "target", "whole", "memory"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "text,speed"), "text, encode, edit"),
        (("--only", ","), "text, encode, edit"),
        (("--device", "abacus"), "unknown device"),
    ],
)
def test_what_does_not_exist(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["--quick", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_operations_of_a_crop() -> None:
    plain = crop_operations(VIT_B_16, RECIPES["clip"], patches=196)
    # torchvision's table of models has 17.56 billion multiplications for a ViT-B/16.
    assert plain == pytest.approx(2 * 17.56e9, rel=0.01)
    # The last block: no feed-forward (2 x 1.86e9 less), eight maps in place of one.
    less = 4 * 197 * 768 * 3072
    more = 7 * 2 * 197**2 * 768
    assert crop_operations(VIT_B_16, RECIPES["itaclip"], patches=196) == plain - less + more


def test_a_figure_is_judged_by_its_comparison() -> None:
    def passed(value: float | None, target: float | None, comparison: Any = ">=") -> bool | None:
        return Figure("s", "n", "m", value, target=target, comparison=comparison).passed

    assert passed(7.0, 7) is True
    assert passed(6.9, 7) is False
    assert passed(2.4, 2.5, "<") is True
    assert passed(2.5, 2.5, "<") is False
    assert passed(1.0, None) is None
    assert passed(None, 1.0) is None

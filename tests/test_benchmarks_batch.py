"""The benchmark of batches runs and reports what it promises; nothing is judged here."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_quick_run_reports_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "quick.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch", "--quick", "--threads", "1", "--json", file],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(file.read_text())
    assert report["machine"]["threads"] == 1
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert set(figures) == {
        "share_of_engine_voc", "share_of_processor_voc", "share_of_engine_coco",
        "share_of_processor_coco", "growth",
    }  # fmt: skip
    for name, figure in figures.items():
        assert figure["passed"] is None
        if name != "growth":
            assert math.isfinite(figure["value"])
            assert figure["value"] > 0
    assert figures["share_of_engine_voc"]["target"] == 0.9
    assert figures["share_of_engine_voc"]["details"]["images"] == 2

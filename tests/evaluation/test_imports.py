"""Importing what judges labels loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "matplotlib", "scipy", "tifffile", "sklearn", "qtpy", "napari", "PIL")


def test_modules_load_nothing_heavy() -> None:
    folder = Path(__file__).parents[2] / "napari_itaclip" / "evaluation"
    names = sorted(f"napari_itaclip.evaluation.{path.stem}" for path in folder.glob("[a-z]*.py"))
    assert len(names) >= 12
    code = (
        "import importlib, sys\n"
        f"[importlib.import_module(name) for name in {names!r}]\n"
        "importlib.import_module('napari_itaclip._cli.evaluate')\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""

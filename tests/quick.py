"""Settings for tests of a session in which how good the labels are does not matter."""

from __future__ import annotations

from dataclasses import replace

from napari_itaclip.session.settings import SessionSettings

QUICK = SessionSettings(
    model="demo", device="cpu", precision="float32", preset="draft", stride=112, pamr_iterations=10
)
"""As balanced, with one view of each window instead of several: the same stages in less time."""

BALANCED = replace(QUICK, preset="balanced", stride=None, pamr_iterations=None)
"""What a person begins with."""

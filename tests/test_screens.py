"""The virtual screens of parallel test runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import screens


@pytest.mark.skipif(not screens.can_start(), reason="there is no Xvfb")
def test_every_screen_is_another_one() -> None:
    started = [screens.start() for _ in range(2)]
    try:
        assert len({display for _, display in started}) == 2
        assert [server.poll() for server, _ in started] == [None, None]
    finally:
        for server, _ in started:
            server.terminate()
            server.wait()


@pytest.mark.skipif(not screens.can_start(), reason="there is no Xvfb")
def test_a_server_that_does_not_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "Xvfb"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="exit status 3"):
        screens.start()


def test_where_windows_are_not_drawn_no_screen_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert not screens.wanted()

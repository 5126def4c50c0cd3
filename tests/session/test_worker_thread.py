"""The worker's thread stands back, and only it."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from napari_itaclip.session import worker_thread
from napari_itaclip.session.worker_thread import NICENESS, load_libraries, prepare_thread


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
def test_only_the_workers_thread_is_lowered() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    found: list[int] = []

    def work() -> None:
        prepare_thread()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [min(before + NICENESS, 19)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_system_that_forbids_it_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbid, raising=False)
    prepare_thread()


def test_libraries_are_loaded_once_and_without_triton_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_thread, "_has_loaded", lambda library: True)
    monkeypatch.setitem(sys.modules, "triton", None)
    load_libraries()
    assert "open_clip" in sys.modules

"""How the worker's thread leaves room for the interface, and loads what it needs."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

NICENESS = 5
"""How far the worker stands back where one thread's priority can be lowered (Linux): a few per cent
of its speed while the view is moved, for half as many frames again (docs/performance.md)."""


_LOADING = threading.Lock()
"""Held while libraries are loaded: how the loader works is one setting for all threads."""


def prepare_thread() -> None:
    """Let the interface go first; called in the worker's thread before any other work.

    The threads that torch starts for its arithmetic inherit the priority from the one that first
    needs them, so this must come before. Elsewhere than on Linux, where a thread has no priority of
    its own to set, nothing is done.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        try:
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(own + NICENESS, 19))
        except OSError:  # a container that forbids it: slower frames, nothing worse
            return


def load_libraries() -> None:
    """Import torch and open_clip, in an order that is safe beside an open window.

    torchvision imports triton where it is installed. Its library brings its own LLVM, and so do the
    drivers of Mesa (software rendering, some AMD cards); loaded after those in the usual way, its
    calls end up in theirs and the process crashes. Asking the loader to prefer a library's own
    symbols keeps them apart.
    """
    with _LOADING:
        if sys.platform == "linux" and "triton" not in sys.modules and _has_loaded("libLLVM"):
            flags = sys.getdlopenflags()
            sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
            try:
                import triton  # type: ignore[import-not-found, import-untyped, unused-ignore] # noqa: F401
            except ImportError:
                pass
            finally:
                sys.setdlopenflags(flags)
        import open_clip  # noqa: F401 - brings torch and torchvision


def _has_loaded(library: str) -> bool:
    """Say whether this process has loaded a shared library."""
    try:
        return library in Path("/proc/self/maps").read_text(errors="replace")
    except OSError:
        return False

"""A virtual screen for each process of a parallel test run.

Windows on one screen take the keyboard's focus from each other, so tests of two processes would
disturb each other there. The main process starts one Xvfb per worker and ends them all, also those
whose worker crashed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys

_SIZE = "1280x1024x24"
_SET_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of Linux: the signal for a process whose parent is gone."""


def can_start() -> bool:
    """Say whether this computer can give every process a screen of its own."""
    return sys.platform == "linux" and shutil.which("Xvfb") is not None


def wanted() -> bool:
    """Say whether tests open windows on an X screen at all."""
    return os.environ.get("QT_QPA_PLATFORM", "xcb") == "xcb"


def start() -> tuple[subprocess.Popen[bytes], str]:
    """Start a virtual screen.

    Returns
    -------
    server : Popen
        To be terminated by the caller.
    display : str
        What ``DISPLAY`` is to be for windows on it.

    Raises
    ------
    RuntimeError
        When the server ends instead of starting.
    """
    prctl = ctypes.CDLL(None).prctl
    reads, writes = os.pipe()
    # The server chooses a free number itself and writes it when it is ready: no race between two
    # of them. `-noreset`: without it the server starts anew, and may lose whoever connects
    # meanwhile, each time its last window goes.
    command = ["Xvfb", "-displayfd", str(writes), "-screen", "0", _SIZE]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp", "-noreset"],
        pass_fds=[writes],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl+C ends the tests, whose windows must not lose their screen before that.
        start_new_session=True,
        # However the tests end, be it killed, no server is left.
        preexec_fn=lambda: prctl(_SET_DEATH_SIGNAL, signal.SIGTERM),
    )
    os.close(writes)
    with os.fdopen(reads) as pipe:
        number = pipe.readline().strip()
    if not number:
        server.wait()
        raise RuntimeError(f"Xvfb could not be started (exit status {server.returncode})")
    return server, f":{number}"

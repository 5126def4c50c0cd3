"""Fixtures shared by all tests; nothing here reaches the network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as hypothesis_settings

from tests import screens

# torch is loaded in fixtures: the main process of a parallel run does without it.
if TYPE_CHECKING:
    from open_clip.model import CLIP

# Read when libraries are loaded, which no module here does at once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Tables are as wide as a test says, not as the terminal from which the tests are run.
for _size in ("COLUMNS", "LINES"):
    os.environ.pop(_size, None)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes side by side have one core each, and so have those that they start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis_settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, print_blob=False
)
hypothesis_settings.load_profile("repeatable")


_MOST_PROCESSES = 4
"""Each of them loads torch and napari: two gigabytes."""

_SCREENS = pytest.StashKey[list[subprocess.Popen[bytes]]]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes ``-n auto`` means; none beside this one where they would fight."""
    if screens.wanted() and not screens.can_start():
        return 0
    return min(_MOST_PROCESSES, os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a process of a parallel run, an xdist node, a screen of its own."""
    if screens.wanted() and screens.can_start():
        server, node.workerinput["display"] = screens.start()
        node.config.stash.setdefault(_SCREENS, []).append(server)


def pytest_configure(config: pytest.Config) -> None:
    """Use the screen that the main process of a parallel run has started for this one."""
    display = getattr(config, "workerinput", {}).get("display")
    if display is not None:
        os.environ["DISPLAY"] = display


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the screens."""
    for server in config.stash.get(_SCREENS, []):
        server.terminate()
        server.wait()


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    """Small tensors are slower on many threads."""
    import torch

    torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(scope="session")
def golden() -> Path:
    """Return the folder of golden outputs."""
    from tests import golden_format

    folder = golden_format.golden_folder()
    if folder is None:
        pytest.skip("no golden folder beside the checkout and none named by ITACLIP_GOLDEN")
    return folder


@pytest.fixture(scope="session")
def golden_network(golden: Path) -> CLIP:
    """Return the golden folder's CLIP, built with open_clip alone."""
    from tests import golden_format

    return golden_format.read_network(golden)


@pytest.fixture(scope="session")
def tiny_clip() -> CLIP:
    """Return a random CLIP of four visual layers, patch 16, 64 pixels."""
    from tests.tiny import make_tiny_clip

    return make_tiny_clip()

"""What gets installed: the manifest, the wheel, the public names, and what an import drags in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from npe2 import PluginManifest

import napari_itaclip

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "napari_itaclip"
HEAVY = ("torch", "open_clip", "numpy", "scipy", "skimage", "napari", "qtpy")
QT = ("qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6")
VIEWER = ("napari", "magicgui", "vispy")

# Prints where npe2 finds the manifest when `sys.argv[1]` comes before every other site folder.
FIND_MANIFEST = """
import site, sys
before = len(sys.path)
site.addsitedir(sys.argv[1])  # reads the .pth file of an editable install
sys.path[:0] = sys.path[before:]
from importlib.metadata import distribution
from npe2 import PluginManifest
assert str(distribution("napari-itaclip")._path).startswith(sys.argv[1])
manifest = PluginManifest.from_distribution("napari-itaclip")
print(manifest.name, len(manifest.contributions.sample_data or ()))
"""

IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys

blocked = set(sys.argv[1].split(","))

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
import napari_itaclip

done = []
for found in pkgutil.walk_packages(napari_itaclip.__path__, "napari_itaclip."):
    if not found.name.startswith("napari_itaclip._widget"):
        importlib.import_module(found.name)
        done.append(found.name)
print(json.dumps(done))
"""

# What napari does with the plugin, with the folder `sys.argv[1]` instead of the checkout
# `sys.argv[2]`: finds it, shows its menu entry, opens the dock, closes it.
OPEN_THE_DOCK = """
import os, sys, threading
site, checkout = sys.argv[1:]
sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != checkout]

from npe2 import PluginManager
plugins = PluginManager.instance()
plugins.discover()
manifest = plugins.get_manifest("napari-itaclip")
manifest.validate_imports()
[entry] = manifest.contributions.menus["napari/layers/segment"]
print("menu", entry.command)

import napari, napari_itaclip
from qtpy.QtWidgets import QApplication
assert os.path.realpath(napari_itaclip.__file__).startswith(site), napari_itaclip.__file__
viewer = napari.Viewer(show=False)
frame, dock = viewer.window.add_plugin_dock_widget("napari-itaclip")
print("dock", type(dock).__name__, dock.run_bar.run_button.text())
viewer.window.remove_dock_widget(frame)
QApplication.processEvents()
_, again = viewer.window.add_plugin_dock_widget("napari-itaclip")
print("again", again is not dock)
viewer.close()
QApplication.processEvents()
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(120)  # it may be loading torch, which takes long on a busy computer
print("threads", [thread.name for thread in threading.enumerate()])
"""

QT_STARTS = "from qtpy.QtWidgets import QApplication; QApplication([])"


def start_python(
    code: str, *arguments: str, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, with environment variables as given, to its end."""
    environment = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"} | variables
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def run_python(code: str, *arguments: str, cwd: Path = ROOT, **variables: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = start_python(code, *arguments, cwd=cwd, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(root: Path, kind: str, into: Path) -> Path:
    """Build a wheel ("standard" or "editable") of the project in ``root`` and return its path."""
    [wheel] = WheelBuilder(str(root)).build(directory=str(into), versions=[kind])
    return Path(wheel)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "standard", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """Return a folder with the package as pip installs it, without what it depends on."""
    site = (tmp_path / "site").resolve()
    options = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    command = (sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(wheel))
    subprocess.run(command, cwd=tmp_path, check=True)
    return site


@pytest.fixture
def qt_platform(tmp_path: Path) -> None:
    """Skip where Qt cannot start: it ends the whole process then."""
    done = start_python(QT_STARTS, cwd=tmp_path)
    if done.returncode != 0:
        reason = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        pytest.skip(f"no Qt platform to open a window on (scripts/with-display has one): {reason}")


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    """Copy what decides where the manifest lands, so that building leaves the sources alone."""
    root = tmp_path / "project"
    unneeded = shutil.ignore_patterns("data", "napari.yaml", "__pycache__")
    shutil.copytree(PACKAGE, root / "napari_itaclip", ignore=unneeded)
    for name in ("pyproject.toml", "napari.yaml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    return root


def test_manifest_is_valid_and_names_real_functions() -> None:
    manifest = PluginManifest.from_file(ROOT / "napari.yaml")
    assert manifest.name == "napari-itaclip"
    manifest.validate_imports()


def test_sample_data_of_the_manifest_covers_every_world() -> None:
    from napari_itaclip.sample_data import WORLDS

    manifest = PluginManifest.from_file(ROOT / "napari.yaml")
    keys = [sample.key for sample in manifest.contributions.sample_data or ()]
    assert keys == list(WORLDS)


@pytest.mark.parametrize("kind", ["standard", "editable"])
def test_npe2_finds_the_manifest(kind: str, small_project: Path, tmp_path: Path) -> None:
    wheel = build(small_project, kind, tmp_path / "dist")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert run_python(FIND_MANIFEST, str(site), cwd=tmp_path).split() == ["napari-itaclip", "4"]


@pytest.mark.usefixtures("qt_platform")
def test_napari_opens_and_closes_the_dock_of_an_installed_wheel(
    installed: Path, tmp_path: Path
) -> None:
    said = run_python(
        OPEN_THE_DOCK,
        str(installed),
        str(ROOT.resolve()),
        cwd=tmp_path,
        PYTHONPATH=str(installed),
        NAPARI_CONFIG=str(tmp_path / "settings.yaml"),
        NAPARI_ITACLIP_CACHE=str(tmp_path / "cache"),
    )
    assert said.splitlines() == [
        "menu napari-itaclip.segment",
        "dock SegmentDock Segment",
        "again True",
        "threads ['MainThread']",
    ]


def test_installed_manifest_is_the_one_in_the_sources() -> None:
    copy = PACKAGE / "napari.yaml"
    if copy.exists():  # an editable install made it
        message = "napari.yaml changed since the editable install; run: pip install -e ."
        assert copy.read_text("utf-8") == (ROOT / "napari.yaml").read_text("utf-8"), message


def test_wheel_holds_the_whole_package(wheel_names: list[str]) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wanted = sources | {"napari_itaclip/napari.yaml", "napari_itaclip/py.typed"}
    assert wanted <= set(wheel_names)


def test_wheel_holds_nothing_else(wheel_names: list[str]) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in wheel_names} == {"napari_itaclip"}
    assert len(wheel_names) == len(set(wheel_names))


def test_base_dependencies_hold_no_qt_binding() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bindings = ("pyqt", "pyside", "napari[")
    assert not [need for need in project["dependencies"] if need.lower().startswith(bindings)]


def test_importing_the_package_is_light() -> None:
    code = "import json, sys, napari_itaclip; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(run_python(code))
    assert not [name for name in loaded if name.partition(".")[0] in HEAVY]


def test_importing_the_vocabulary_loads_no_torch() -> None:
    code = "import sys, napari_itaclip.vocabulary as v; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"


def test_everything_but_the_dock_imports_without_qt_and_napari() -> None:
    done = json.loads(run_python(IMPORT_EVERYTHING, ",".join(QT + VIEWER)))
    assert "napari_itaclip.sample_data" in done


def test_public_names_are_frozen_and_importable() -> None:
    frozen = json.loads((ROOT / "tests" / "api_surface.json").read_text("utf-8"))
    message = "the public names changed: say so in CHANGELOG.md and update tests/api_surface.json"
    assert sorted(napari_itaclip.__all__) == frozen["napari_itaclip"], message
    for name in napari_itaclip.__all__:
        assert getattr(napari_itaclip, name) is not None
    assert set(napari_itaclip.__all__) <= set(dir(napari_itaclip))


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Segmentor'"):
        _ = napari_itaclip.Segmentor

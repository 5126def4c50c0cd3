"""What is remembered in napari's preferences."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from npe2 import PluginManifest

from napari_itaclip._widget import preferences
from napari_itaclip._widget.preferences import (
    AS_PRESET,
    AUTOMATIC,
    PLUGIN,
    SECTIONS,
    load_preferences,
    save_preferences,
)
from napari_itaclip.clip.recipes import RECIPES
from napari_itaclip.segmentation.settings import PRESETS
from napari_itaclip.session.settings import (
    MEMORY_BUDGET_RANGE,
    PRECISION_NAMES,
    SessionSettings,
    default_model,
)

MANIFEST = Path(__file__).parents[2] / "napari.yaml"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "_told", set())


@pytest.fixture
def registered(plugin_settings: None, npe2pm: Any) -> None:
    """Let napari know the plugin; its preferences lie in the test's own folder."""
    npe2pm.register(PluginManifest.from_file(MANIFEST))


def properties() -> dict[str, dict[str, Any]]:
    manifest = PluginManifest.from_file(MANIFEST)
    configurations = manifest.contributions.configurations or {}
    return {name: dict(group.properties) for name, group in configurations.items()}


def test_the_manifest_lists_every_setting_once() -> None:
    assert {name: tuple(group) for name, group in properties().items()} == SECTIONS
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(item.name for item in fields(SessionSettings))


def test_the_manifests_defaults_and_choices_are_those_of_the_settings() -> None:
    start, advanced = properties()["start"], properties()["advanced"]
    defaults = SessionSettings()
    for name, item in start.items():
        wanted = AUTOMATIC if name == "model" else getattr(defaults, name)
        assert item.default == wanted, name
    assert {name: item.default for name, item in advanced.items()} == AS_PRESET
    assert start["preset"].enum == list(PRESETS)
    assert start["precision"].enum == list(PRECISION_NAMES)
    memory = start["memory_budget_mb"]
    assert (memory.minimum, memory.maximum) == MEMORY_BUDGET_RANGE
    assert advanced["recipe"].enum == [AS_PRESET["recipe"], *RECIPES]


@pytest.mark.usefixtures("registered")
def test_at_first_everything_is_as_the_defaults() -> None:
    told: list[str] = []
    assert load_preferences(told.append) == SessionSettings()
    assert told == []


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    "settings",
    [
        SessionSettings(model="demo", preset="draft", live=False, memory_budget_mb=512),
        SessionSettings(model="/weights/mine.pt", device="cuda:1", precision="bfloat16"),
        SessionSettings(recipe="naclip", stride=56, short_side=448, pamr_iterations=0),
        SessionSettings(logit_scale=12.5, fast_words=False),
    ],
)
def test_settings_are_remembered_in_a_file(settings: SessionSettings, tmp_path: Path) -> None:
    from napari import settings as napari_settings

    assert save_preferences(settings)
    assert (tmp_path / f"{PLUGIN}.yaml").is_file()
    napari_settings._clear_plugin_settings_cache()  # as after a restart
    assert load_preferences() == settings


@pytest.mark.usefixtures("registered")
def test_the_default_model_is_not_remembered_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    save_preferences(SessionSettings(model=default_model()))
    later = "openai-vit-b-16" if default_model() == "demo" else "demo"
    monkeypatch.setattr("napari_itaclip.session.settings.cached", lambda _: later != "demo")
    default_model.cache_clear()
    try:
        assert load_preferences().model == later
    finally:
        default_model.cache_clear()


@pytest.mark.usefixtures("registered")
def test_a_value_that_cannot_be_used_costs_only_itself() -> None:
    from napari.settings import get_plugin_settings

    stored: Any = get_plugin_settings(PLUGIN)
    stored.start.device = "toaster"
    stored.start.live = False
    told: list[str] = []
    settings = load_preferences(told.append)
    assert (settings.device, settings.live) == ("auto", False)
    assert len(told) == 1
    assert "toaster" in told[0]
    load_preferences(told.append)
    assert len(told) == 1


@pytest.mark.usefixtures("plugin_settings")
def test_without_the_plugins_manifest_the_defaults_hold_and_it_is_said_once() -> None:
    told: list[str] = []
    assert load_preferences(told.append) == SessionSettings()
    assert load_preferences(told.append) == SessionSettings()
    assert not save_preferences(SessionSettings(), told.append)
    assert len(told) == 2
    assert "could not be read" in told[0]
    assert "could not be remembered" in told[1]


@pytest.mark.usefixtures("registered")
def test_a_broken_file_does_not_keep_the_dock_from_opening(tmp_path: Path) -> None:
    (tmp_path / f"{PLUGIN}.yaml").write_text("start: [unclosed", encoding="utf-8")
    assert load_preferences(lambda text: None) == SessionSettings()

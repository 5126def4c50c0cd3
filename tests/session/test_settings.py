"""What a person chose, checked and put together with the preset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from napari_itaclip.clip.device import PRECISIONS
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation.settings import PRESETS, get_preset
from napari_itaclip.session import settings as module
from napari_itaclip.session.settings import (
    OVERRIDES,
    PRECISION_NAMES,
    Effect,
    SessionSettings,
    default_model,
    effect_of_change,
    settings_from_dict,
)
from tests.test_packaging import run_python


@pytest.fixture
def settings() -> SessionSettings:
    return SessionSettings(model="demo")


@pytest.mark.parametrize("name", list(PRESETS))
def test_without_overrides_the_preset_is_as_it_is(name: str) -> None:
    assert SessionSettings(model="demo", preset=name).resolved() == get_preset(name)


def test_overrides_replace_single_values_of_the_preset(settings: SessionSettings) -> None:
    changed = replace(
        settings, recipe="naclip", stride=56, short_side=448, pamr_iterations=0, logit_scale=40.0
    )
    preset = changed.resolved()
    assert preset.name == "balanced"
    assert (preset.encode.recipe.name, preset.encode.stride) == ("naclip", 56)
    assert preset.encode.short_side == 448
    assert preset.refine.iterations == 0
    assert preset.decide.logit_scale == 40.0
    assert preset.encode.lam == get_preset("balanced").encode.lam
    assert set(changed.overrides) == set(OVERRIDES)
    assert changed.as_preset() == settings


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("model", "  ", "model"),
        ("model", None, "model"),
        ("preset", "best", "balanced"),
        ("recipe", "magic", "itaclip"),
        ("stride", 0, "stride"),
        ("short_side", 5, "short_side"),
        ("pamr_iterations", -1, "iterations"),
        ("logit_scale", 0.0, "logit_scale"),
        ("device", "gpu", "cuda:N"),
        ("device", "cuda:x", "cuda:N"),
        ("precision", "fp16", "float16"),
        ("memory_budget_mb", 0, "memory_budget_mb"),
        ("memory_budget_mb", 1.5, "memory_budget_mb"),
        ("live", 1, "live"),
        ("fast_words", "yes", "fast_words"),
    ],
)
def test_a_bad_value_is_refused_and_the_way_out_named(field: str, value: Any, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        SessionSettings(**{"model": "demo", field: value})


def test_an_override_must_fit_the_other_values_of_the_preset() -> None:
    with pytest.raises(SettingsError, match="between 1 and 224"):
        SessionSettings(model="demo", preset="voc21", stride=300)


def test_the_precisions_are_those_that_the_network_knows() -> None:
    assert set(PRECISION_NAMES) == {"auto", *PRECISIONS}


@pytest.mark.parametrize(("there", "name"), [(True, "openai-vit-b-16"), (False, "demo")])
def test_nothing_is_downloaded_by_default(
    there: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cached", lambda _: there)
    default_model.cache_clear()
    try:
        assert SessionSettings().model == name
    finally:
        default_model.cache_clear()


def test_a_weights_file_is_called_by_its_name() -> None:
    assert SessionSettings(model="/somewhere/mine.safetensors").model_title == "mine.safetensors"
    assert "Demo" in SessionSettings(model="demo").model_title


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({"live": False}, Effect.NOTHING),
        ({"memory_budget_mb": 100}, Effect.NOTHING),
        ({"recipe": "itaclip"}, Effect.NOTHING),
        ({"logit_scale": 40.0}, Effect.LABELS),
        ({"pamr_iterations": 3}, Effect.LABELS),
        ({"stride": 56}, Effect.FEATURES),
        ({"preset": "draft"}, Effect.FEATURES),
        ({"recipe": "naclip"}, Effect.FEATURES),
        ({"device": "cpu"}, Effect.MODEL),
        ({"precision": "float32"}, Effect.MODEL),
        ({"model": "other"}, Effect.MODEL),
    ],
)
def test_a_change_does_only_again_what_depends_on_it(
    settings: SessionSettings, change: dict[str, Any], effect: Effect
) -> None:
    assert effect_of_change(settings, replace(settings, **change)) is effect


def test_settings_survive_being_written_and_read(settings: SessionSettings) -> None:
    changed = replace(settings, preset="draft", stride=100, live=False, logit_scale=12.5)
    assert settings_from_dict(changed.to_dict()) == (changed, ())


def test_one_bad_value_does_not_cost_the_others() -> None:
    stored = {"model": "demo", "stride": 56, "precision": "fp8", "live": False, "colour": "red"}
    settings, problems = settings_from_dict(stored)
    assert (settings.stride, settings.precision, settings.live) == (56, "auto", False)
    assert len(problems) == 1
    assert "fp8" in problems[0]


def test_importing_the_settings_loads_no_torch() -> None:
    code = "import sys, napari_itaclip.session.settings; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"

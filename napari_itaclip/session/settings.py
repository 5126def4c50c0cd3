"""What a person chose for a session: the model, the preset and what differs from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from napari_itaclip.clip.recipes import get_recipe
from napari_itaclip.clip.registry import DEFAULT_MODEL, MODELS
from napari_itaclip.clip.weights_cache import cached
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation._checks import check_flag, check_one_of, check_whole
from napari_itaclip.segmentation.settings import Preset, get_preset

DEMO_MODEL = "demo"
"""The model that ships with the package and needs no download."""

PRECISION_NAMES: tuple[str, ...] = ("auto", "float32", "bfloat16", "float16")
"""What `SessionSettings.precision` may be."""

MEMORY_BUDGET_RANGE = (64, 1_048_576)
"""Smallest and largest budget for cached features, in megabytes."""

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


class Effect(IntEnum):
    """What has to be done again after a change of settings; a higher one includes the lower."""

    NOTHING = 0
    """Nothing visible depends on it."""
    LABELS = 1
    """Scores are decided or refined anew; the network does not run."""
    FEATURES = 2
    """The image is encoded again, by the model that is loaded."""
    MODEL = 3
    """The model is loaded again."""


@cache
def default_model() -> str:
    """Return the model to begin with: the default one if it was downloaded, else the demo model.

    Nobody should wait for a download of 600 MB that they did not ask for. The answer is looked up
    once.
    """
    return DEFAULT_MODEL if cached(DEFAULT_MODEL) else DEMO_MODEL


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Everything in the dock's settings that a result depends on, and two habits.

    Parameters
    ----------
    model : str
        Name of a registered model or path of a weights file; `default_model` if not given.
    preset : str
        Name of a preset; it gives every value that is None here.
    recipe : str or None
        Name of a recipe (what the network's last block computes).
    stride : int or None
        Step between windows in pixels.
    short_side : int or None
        Length in pixels that the image's short side is resized to.
    pamr_iterations : int or None
        Rounds of refinement; 0 switches it off.
    logit_scale : float or None
        Factor before the softmax.
    device : str
        "auto", "cpu", "mps", "cuda" or "cuda:N".
    precision : str
        One of `PRECISION_NAMES`.
    memory_budget_mb : int
        Memory for the features of images seen before, in megabytes (1e6 bytes).
    live : bool
        Whether labels follow every change of the words.
    fast_words : bool
        Whether a new word is first tried with few prompt templates, then with all.

    Raises
    ------
    SettingsError
        If a value is unknown or out of its range, also together with the preset's other values.
    """

    model: str = field(default_factory=default_model)
    preset: str = "balanced"
    recipe: str | None = None
    stride: int | None = None
    short_side: int | None = None
    pamr_iterations: int | None = None
    logit_scale: float | None = None
    device: str = "auto"
    precision: str = "auto"
    memory_budget_mb: int = 2048
    live: bool = True
    fast_words: bool = True

    def __post_init__(self) -> None:
        """Check every field."""
        if not isinstance(self.model, str) or not self.model.strip():
            raise SettingsError(
                f"model is {self.model!r}, but must be a model's name or a weights file's path."
            )
        if not isinstance(self.device, str) or not _DEVICE.fullmatch(self.device):
            raise SettingsError(f"device is {self.device!r}; use auto, cpu, mps, cuda or cuda:N.")
        check_one_of("precision", self.precision, PRECISION_NAMES)
        check_whole("memory_budget_mb", self.memory_budget_mb, *MEMORY_BUDGET_RANGE)
        check_flag("live", self.live)
        check_flag("fast_words", self.fast_words)
        self.resolved()

    def resolved(self) -> Preset:
        """Return the preset with the values that differ from it put in; it keeps its name.

        Raises
        ------
        SettingsError
            If there is no such preset or recipe, or a value does not fit.
        """
        preset = get_preset(self.preset)
        encode = _given(short_side=self.short_side, stride=self.stride)
        if self.recipe is not None:
            encode["recipe"] = get_recipe(self.recipe)
        refine = _given(iterations=self.pamr_iterations)
        decide = _given(logit_scale=self.logit_scale)
        return replace(
            preset,
            encode=replace(preset.encode, **encode),
            refine=replace(preset.refine, **refine),
            decide=replace(preset.decide, **decide),
        )

    @property
    def overrides(self) -> dict[str, Any]:
        """The values that replace the preset's, by field name."""
        return {name: value for name in OVERRIDES if (value := getattr(self, name)) is not None}

    @property
    def model_title(self) -> str:
        """What a person reads: the model's title, or the name of the weights file."""
        spec = MODELS.get(self.model)
        return spec.title if spec else Path(self.model).name or self.model

    def as_preset(self) -> SessionSettings:
        """Return these settings without anything that differs from the preset."""
        nothing: dict[str, Any] = dict.fromkeys(OVERRIDES)
        return replace(self, **nothing)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-safe values."""
        return asdict(self)


OVERRIDES: tuple[str, ...] = ("recipe", "stride", "short_side", "pamr_iterations", "logit_scale")
"""Fields of `SessionSettings` that replace a value of the preset."""


def settings_from_dict(values: Mapping[str, Any]) -> tuple[SessionSettings, tuple[str, ...]]:
    """Read what `SessionSettings.to_dict` wrote, leaving out what cannot be used.

    Meant for preferences, which other versions wrote or a person edited: one bad value must not
    cost the good ones.

    Parameters
    ----------
    values : mapping
        Field names and values; missing ones get their defaults, unknown ones are passed over.

    Returns
    -------
    settings : SessionSettings
        The settings.
    problems : tuple of str
        One sentence for each value that was replaced by its default.
    """
    settings = SessionSettings()
    problems: list[str] = []
    for item in fields(SessionSettings):
        if item.name not in values:
            continue
        try:
            settings = replace(settings, **{item.name: values[item.name]})
        except SettingsError as error:
            problems.append(str(error))
    return settings, tuple(problems)


def effect_of_change(before: SessionSettings, after: SessionSettings) -> Effect:
    """Say what has to be done again when ``before`` becomes ``after``."""
    if _loading(before) != _loading(after):
        return Effect.MODEL
    old, new = before.resolved(), after.resolved()
    if old.encode != new.encode:
        return Effect.FEATURES
    if (old.refine, old.decide) != (new.refine, new.decide):
        return Effect.LABELS
    return Effect.NOTHING


def _loading(settings: SessionSettings) -> tuple[str, str, str]:
    return settings.model, settings.device, settings.precision


def _given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}

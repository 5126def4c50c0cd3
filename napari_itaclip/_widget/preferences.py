"""The dock's settings in napari's preferences: read at the start, written when they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_itaclip.session.settings import (
    OVERRIDES,
    SessionSettings,
    default_model,
    settings_from_dict,
)

PLUGIN = "napari-itaclip"
"""The name of the plugin in the manifest."""

SECTIONS: dict[str, tuple[str, ...]] = {
    "start": (
        "model",
        "preset",
        "device",
        "precision",
        "memory_budget_mb",
        "live",
        "fast_words",
    ),
    "advanced": OVERRIDES,
}
"""The manifest's configurations and their properties: fields of `SessionSettings`."""

AS_PRESET: dict[str, Any] = {
    "recipe": "as preset",
    "stride": 0,
    "short_side": 0,
    "pamr_iterations": -1,
    "logit_scale": 0.0,
}
"""What stands for None, which the manifest cannot express."""

AUTOMATIC = "auto"
"""The model that stands for `default_model`."""

_told: set[str] = set()


def load_preferences(report: Callable[[str], None] | None = None) -> SessionSettings:
    """Return the remembered settings; the defaults for what is missing or cannot be used.

    Never raises: broken preferences must not keep the dock from opening.

    Parameters
    ----------
    report : callable, optional
        Is told what was wrong, once per process; napari's notifications, if not given.

    Returns
    -------
    SessionSettings
        The settings.
    """
    try:
        stored = _stored()
    except Exception as error:  # whatever another version or a broken file may lead to
        _tell_once(f"The preferences could not be read ({_reason(error)}).", report)
        return SessionSettings()
    values: dict[str, Any] = {}
    for section, names in SECTIONS.items():
        group = getattr(stored, section, None)
        for name in names:
            value = getattr(group, name, None)
            if value is not None and value != AS_PRESET.get(name):
                values[name] = value
    if str(values.get("model", "")).strip() in ("", AUTOMATIC):
        values.pop("model", None)
    settings, problems = settings_from_dict(values)
    for problem in problems:
        _tell_once(f"{problem} The default is used; see Preferences, ITACLIP.", report)
    return settings


def save_preferences(
    settings: SessionSettings, report: Callable[[str], None] | None = None
) -> bool:
    """Remember settings for the next start; never raises.

    Parameters
    ----------
    settings : SessionSettings
        What to remember.
    report : callable, optional
        As for `load_preferences`.

    Returns
    -------
    bool
        Whether they are remembered.
    """
    try:
        stored = _stored()
        for section, names in SECTIONS.items():
            group = getattr(stored, section)
            for name in names:
                value = _to_stored(settings, name)
                # Every assignment writes the file, so only what differs is assigned.
                if getattr(group, name) != value:
                    setattr(group, name, value)
    except Exception as error:  # no place to write, a manifest of another version
        _tell_once(f"The settings could not be remembered ({_reason(error)}).", report)
        return False
    return True


def _stored() -> Any:
    """Return napari's model of this plugin's preferences."""
    from napari.settings import get_plugin_settings

    return get_plugin_settings(PLUGIN)


def _to_stored(settings: SessionSettings, name: str) -> Any:
    value = getattr(settings, name)
    if name == "model" and value == default_model():
        # Not by name: once the better model is downloaded, it becomes the default.
        return AUTOMATIC
    return AS_PRESET[name] if value is None else value


def _tell_once(text: str, report: Callable[[str], None] | None) -> None:
    if text in _told:
        return
    _told.add(text)
    if report is None:
        from napari.utils.notifications import show_warning

        report = show_warning
    report(text)


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__

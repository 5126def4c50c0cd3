"""What a person configured is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_itaclip.errors import SettingsError
from napari_itaclip.suggestion.provider_settings import DEFAULT_URL, ProviderSettings, is_loopback


def test_defaults() -> None:
    settings = ProviderSettings()
    assert settings.model == ""
    assert settings.url == DEFAULT_URL == "http://127.0.0.1:11434/v1"
    assert settings.local
    assert not settings.allow_remote


def test_from_the_environment() -> None:
    assert ProviderSettings.from_environment({}) == ProviderSettings()
    settings = ProviderSettings.from_environment(
        {
            "NAPARI_ITACLIP_LLM_URL": "https://example.com/v1/",
            "NAPARI_ITACLIP_LLM_MODEL": " m ",
            "NAPARI_ITACLIP_LLM_ALLOW_REMOTE": "yes",
            "NAPARI_ITACLIP_LLM_KEY": "sk-1",
            "NAPARI_ITACLIP_ONTOLOGY": "cl.obo",
            "NAPARI_ITACLIP_WORDNET": "oewn:2024",
        }
    )
    assert settings == ProviderSettings(
        "m", "https://example.com/v1", True, ontology=Path("cl.obo"), lexicon="oewn:2024"
    )
    assert "sk-1" not in repr(settings)
    assert (settings.host, settings.port, settings.local) == ("example.com", 443, False)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("[::1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("[::ffff:10.0.0.1]", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("2130706433", False),
        ("localhost.example.com", False),
        ("127.0.0.1.nip.io", False),
    ],
)
def test_what_is_this_computer(host: str, local: bool) -> None:
    assert ProviderSettings(url=f"http://{host}:8080/v1").local is local


def test_no_number_is_no_loopback() -> None:
    assert not is_loopback("")
    assert not is_loopback("localhost")


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:11434", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http:///v1",
     "http://127.0.0.1:0/v1", "http://127.0.0.1:99999/v1", "http://127.0.0.1:x/v1",
     "http://a\nb/v1", "http://127.0.0.1/" + "x" * 400, "http://exämple.com/v1"],
)  # fmt: skip
def test_wrong_addresses(url: str) -> None:
    with pytest.raises(SettingsError, match="give one like http://127"):
        ProviderSettings(url=url)


@pytest.mark.parametrize("options", [{"model": "a\nb"}, {"model": "m" * 300}, {"allow_remote": 1}])
def test_other_wrong_values(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        ProviderSettings(**options)  # type: ignore[arg-type]

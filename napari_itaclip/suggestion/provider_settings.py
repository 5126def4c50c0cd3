"""Which sources a person configured. Holds no key: only where a key is to be found."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from napari_itaclip.errors import SettingsError

DEFAULT_URL = "http://127.0.0.1:11434/v1"
"""Where Ollama listens."""

URL_VARIABLE = "NAPARI_ITACLIP_LLM_URL"
MODEL_VARIABLE = "NAPARI_ITACLIP_LLM_MODEL"
KEY_VARIABLE = "NAPARI_ITACLIP_LLM_KEY"
REMOTE_VARIABLE = "NAPARI_ITACLIP_LLM_ALLOW_REMOTE"
ONTOLOGY_VARIABLE = "NAPARI_ITACLIP_ONTOLOGY"
LEXICON_VARIABLE = "NAPARI_ITACLIP_WORDNET"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MAX_URL = 300
_MAX_MODEL = 200


@dataclass(frozen=True)
class ProviderSettings:
    """Which sources to ask.

    Parameters
    ----------
    model
        The language model's name as its server knows it; empty turns the language model off.
    url
        The server's address up to and with ``/v1``.
    allow_remote
        Whether the language model may run on another computer. The class's name and the domain
        then leave this one.
    key_variable
        The environment variable that holds the server's key, if it wants one. Not the key.
    ontology
        The ontology file; None for none.
    lexicon
        The WordNet lexicon as ``wn`` names it; None for all English ones.

    Raises
    ------
    SettingsError
        If a value cannot be used. What might be a key is not repeated in the message.
    """

    model: str = ""
    url: str = DEFAULT_URL
    allow_remote: bool = False
    key_variable: str = KEY_VARIABLE
    ontology: Path | None = None
    lexicon: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        object.__setattr__(self, "model", self.model.strip())
        object.__setattr__(self, "url", self.url.strip().rstrip("/"))
        if len(self.model) > _MAX_MODEL or not self.model.isprintable():
            raise SettingsError("the language model's name is too long or holds control characters")
        _checked_url(self.url)
        if not _VARIABLE.fullmatch(self.key_variable):
            raise SettingsError(
                f"key_variable is the name of an environment variable, such as {KEY_VARIABLE}, "
                "and never the key itself"
            )
        if not isinstance(self.allow_remote, bool):
            raise SettingsError(f"allow_remote must be true or false, not {self.allow_remote!r}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ProviderSettings:
        """Return the settings that environment variables tell, and defaults for the others."""
        ontology = environment.get(ONTOLOGY_VARIABLE, "").strip()
        allowed = environment.get(REMOTE_VARIABLE, "").strip().lower()
        return cls(
            model=environment.get(MODEL_VARIABLE, ""),
            url=environment.get(URL_VARIABLE, "").strip() or DEFAULT_URL,
            allow_remote=allowed in ("1", "true", "yes", "on"),
            ontology=Path(ontology) if ontology else None,
            lexicon=environment.get(LEXICON_VARIABLE, "").strip() or None,
        )

    @property
    def address(self) -> SplitResult:
        """The parts of the server's address."""
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        """The server's name or number."""
        return self.address.hostname or ""

    @property
    def port(self) -> int:
        """The server's port."""
        return self.address.port or (443 if self.address.scheme == "https" else 80)

    @property
    def local(self) -> bool:
        """Whether the address is one of this computer's own."""
        return self.host == "localhost" or is_loopback(self.host)


def is_loopback(number: str) -> bool:
    """Tell whether an IP address never leaves this computer."""
    try:
        address = ipaddress.ip_address(number.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _checked_url(url: str) -> None:
    """Refuse what is no plain address of a server.

    The address itself is not repeated in messages: people paste keys into it.
    """
    way_out = f"give one like {DEFAULT_URL}"
    if len(url) > _MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise SettingsError(
            f"the language model's address is too long or holds blanks or special characters; "
            f"{way_out}"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingsError(f"the language model's address is not one; {way_out}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SettingsError(
            f"the language model's address must begin with http:// or https://; {way_out}"
        )
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url:
        raise SettingsError(
            "the language model's address must hold no user, password or key; a key belongs into "
            f"an environment variable or the system's keyring; {way_out}"
        )

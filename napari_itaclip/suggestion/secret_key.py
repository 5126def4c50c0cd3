"""The key of a language model's server: found when needed, kept nowhere, shown never."""

from __future__ import annotations

import importlib
import os
import re
from importlib.util import find_spec
from typing import NoReturn

from napari_itaclip.suggestion.provider import SuggestionError
from napari_itaclip.suggestion.provider_settings import ProviderSettings

KEYRING_SERVICE = "napari-itaclip"
"""Under this service, and the server's host as user, the keyring keeps a key."""

HIDDEN = "[key]"
"""What stands in place of a key in any text."""

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,4096}")


class SecretKey:
    """A key that does not show in ``repr``, ``str`` or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __bool__(self) -> bool:
        """Tell whether there is a key."""
        return bool(self._value)

    def __repr__(self) -> str:
        """Return a text without the key."""
        return "SecretKey(hidden)" if self._value else "SecretKey(none)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be written anywhere."""
        raise TypeError("a key is not written to files")

    def header(self) -> dict[str, str]:
        """Return the header that carries it."""
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def redact(self, text: str) -> str:
        """Return a text in which the key, should it be there, is hidden."""
        return text.replace(self._value, HIDDEN) if self._value else text


def find_key(settings: ProviderSettings) -> SecretKey:
    """Return the key from the environment or, for another computer's server, the keyring.

    The keyring is not opened for a server on this computer, which rarely wants a key: opening it
    may ask the person for a password.

    Raises
    ------
    SuggestionError
        If it is no key, or would be sent unencrypted to another computer.
    """
    value, place = os.environ.get(settings.key_variable, "").strip(), settings.key_variable
    if not value and not settings.local:
        value, place = _from_keyring(settings.host), "the keyring"
    if not value:
        return SecretKey()
    if not _PRINTABLE.fullmatch(value):
        raise SuggestionError(
            f"the key in {place} holds blanks or characters that no key has: set it anew"
        )
    if not settings.local and settings.address.scheme != "https":
        raise SuggestionError(
            f"a key is only sent encrypted: write https:// in the address of {settings.host}"
        )
    return SecretKey(value)


def _from_keyring(host: str) -> str:
    """Return the key that the system's keyring holds for a host; empty if none."""
    if find_spec("keyring") is None:
        return ""
    try:
        return (
            importlib.import_module("keyring").get_password(KEYRING_SERVICE, host) or ""
        ).strip()
    except Exception:  # a keyring that is missing, locked or broken holds no key for us
        return ""

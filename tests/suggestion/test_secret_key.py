"""A key is found when it is needed, and is in no file, message, repr or log."""

from __future__ import annotations

import logging
import pickle
import sys
import traceback
from pathlib import Path
from types import ModuleType

import keyring
import pytest
from keyring.errors import KeyringError

from napari_itaclip.errors import SettingsError
from napari_itaclip.suggestion import secret_key
from napari_itaclip.suggestion.answer_cache import AnswerCache
from napari_itaclip.suggestion.language_model import LanguageModelProvider
from napari_itaclip.suggestion.provider import SuggestionError
from napari_itaclip.suggestion.provider_settings import KEY_VARIABLE, ProviderSettings
from napari_itaclip.suggestion.secret_key import KEYRING_SERVICE, SecretKey, find_key
from tests.suggestion.asking import ask, model_of, texts
from tests.suggestion.chat_server import Request, chat_server

KEY = "sk-test-0123456789abcdef"
REMOTE = ProviderSettings(model="m", url="https://api.example.com/v1", allow_remote=True)


class MemoryKeyring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.broken = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.broken:
            raise KeyringError("locked")
        return self.kept.get((service, username))


@pytest.fixture(autouse=True)
def memory_keyring(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    backend = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_password", backend.get_password)
    return backend


def test_the_key_from_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f" {KEY}\n")
    with chat_server(lambda request: request.give("hoist")) as server:
        assert texts(model_of(server)) == ["hoist"]
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with chat_server(lambda request: request.give("hoist")) as server:
        ask(model_of(server, key_variable="MY_KEY"))
        ask(model_of(server))
    assert ["Authorization" in request.headers for request in server.requests] == [True, False]


def test_the_key_from_the_keyring(memory_keyring: MemoryKeyring) -> None:
    assert not find_key(REMOTE)
    memory_keyring.kept[KEYRING_SERVICE, "api.example.com"] = KEY
    assert find_key(REMOTE).header() == {"Authorization": f"Bearer {KEY}"}
    other = ProviderSettings(model="m", url="https://other.example.com/v1", allow_remote=True)
    assert not find_key(other)
    assert not find_key(ProviderSettings(model="m"))
    memory_keyring.broken = True
    assert not find_key(REMOTE)


def test_without_the_library_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_key, "find_spec", lambda name: None)
    broken = ModuleType("keyring")
    monkeypatch.setitem(sys.modules, "keyring", broken)
    assert not find_key(REMOTE)


def test_a_key_is_only_sent_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    plain = ProviderSettings(model="m", url="http://api.example.com/v1", allow_remote=True)
    with pytest.raises(SuggestionError, match="only sent encrypted") as caught:
        ask(LanguageModelProvider(plain, cache=AnswerCache()))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("bad", [f"{KEY} x", f"{KEY}\r\nX-Evil: 1", f"{KEY}é", f"{KEY}\x00"])
def test_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setattr("os.environ", {KEY_VARIABLE: bad})
    with chat_server(lambda request: request.give("hoist")) as server:
        with pytest.raises(SuggestionError, match="holds blanks or characters") as caught:
            ask(model_of(server))
        assert not server.requests
    assert KEY not in str(caught.value)


def parrot(request: Request) -> None:
    """Repeat the key wherever a server can."""
    request.fail(401, f"Incorrect key {request.headers['Authorization']}")


def parrot_in_words(request: Request) -> None:
    request.say(f"I know {request.headers['Authorization']}")


def parrot_refusing(request: Request) -> None:
    request.say(None, refusal=f"No, {request.headers['Authorization']}")


@pytest.mark.parametrize("respond", [parrot, parrot_in_words, parrot_refusing])
def test_a_server_that_repeats_the_key(
    monkeypatch: pytest.MonkeyPatch, respond: object, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    caplog.set_level(logging.DEBUG)
    with (
        chat_server(respond) as server,  # type: ignore[arg-type]
        pytest.raises(SuggestionError) as caught,
    ):
        ask(model_of(server))
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert "[key]" in shown
    assert KEY not in caplog.text


def test_a_key_among_the_suggestions_reaches_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    with chat_server(lambda r: r.give(r.headers["Authorization"], "hoist")) as server:
        provider = model_of(server, cache)
        found = texts(provider)
    assert "hoist" in found
    assert KEY not in "".join(found)
    for file in tmp_path.rglob("*"):
        assert KEY.encode() not in file.read_bytes()
    assert KEY not in repr((provider, vars(provider)))


def test_a_key_does_not_show() -> None:
    key = SecretKey(KEY)
    for shown in (repr(key), str(key), f"{key}", repr([key])):
        assert KEY not in shown
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(key)
    assert repr(SecretKey()) == "SecretKey(none)"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": f"http://user:{KEY}@127.0.0.1/v1"},
        {"url": f"http://127.0.0.1/v1?key={KEY}"},
        {"url": f"http://127.0.0.1/v1#{KEY}"},
        {"url": f"{KEY}"},
        {"url": f"http://127.0.0.1/v1 {KEY}"},
        {"url": f"http://[{KEY}/v1"},
        {"key_variable": KEY},
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        ProviderSettings(model="m", **settings)  # type: ignore[arg-type]
    assert KEY not in "".join(traceback.format_exception(caught.value, chain=True)).replace(
        repr(settings), ""
    )

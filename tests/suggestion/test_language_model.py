"""The language model behind a real server that behaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_itaclip.suggestion.answer_cache import AnswerCache
from napari_itaclip.suggestion.language_model import LanguageModelProvider
from napari_itaclip.suggestion.provider import SuggestionError
from napari_itaclip.suggestion.provider_settings import ProviderSettings
from tests.suggestion.asking import ask, model_of, texts
from tests.suggestion.chat_server import Request, chat_server


def give_two(request: Request) -> None:
    request.give("derrick", "hoist")


def test_synonyms() -> None:
    with chat_server(give_two) as server:
        found = ask(model_of(server), domain="building sites")
    assert [one.text for one in found] == ["derrick", "hoist"]
    assert {one.kind for one in found} == {"synonym"}
    assert {one.source for one in found} == {"language model tiny"}
    [request] = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.data["model"] == "tiny"
    assert request.data["stream"] is False
    assert json.loads(request.question.splitlines()[-1]) == {
        "term": "crane",
        "domain": "building sites",
    }
    schema = request.data["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["texts"]
    assert "Authorization" not in request.headers


def test_the_two_kinds_are_two_questions() -> None:
    with chat_server(lambda request: request.give("a tall machine with an arm.")) as server:
        provider = model_of(server)
        [definition] = ask(provider, kind="definition")
        assert ask(provider, kind="synonym")[0].kind == "synonym"
    assert definition.text == "a tall machine with an arm"
    assert definition.as_auxiliary().source == "language model tiny"
    first, second = (request.question for request in server.requests)
    assert "looks like" in first
    assert "other names" in second


SHAPES = [
    '{"texts": ["derrick", "hoist"]}',
    '```json\n{"texts": ["derrick", "hoist"]}\n```',
    'Sure! Here you are: {"texts": ["derrick", "hoist"]} Anything else?',
    '<think>{"texts": ["no"]} hm</think>{"texts": ["derrick", "hoist"]}',
    '["derrick", "hoist"]',
    'First {"a": 1}, then [1, 2], then {"texts": ["derrick", "hoist"]}',
    '{"texts": ["derrick", "hoist"], "confidence": 1}',
]


@pytest.mark.parametrize("content", SHAPES)
def test_json_is_found_in_what_models_say(content: str) -> None:
    with chat_server(lambda request: request.say(content)) as server:
        assert texts(model_of(server)) == ["derrick", "hoist"]


def test_an_answer_in_parts() -> None:
    parts = [{"type": "text", "text": '{"texts": ["der'}, {"type": "text", "text": 'rick"]}'}]
    with chat_server(lambda request: request.say(parts)) as server:
        assert texts(model_of(server)) == ["derrick"]


def test_a_server_without_structured_output_is_asked_plainly() -> None:
    def respond(request: Request) -> None:
        if "response_format" in request.data:
            request.fail(400, "response_format is not supported")
        else:
            request.give("derrick")

    with chat_server(respond) as server:
        assert texts(model_of(server)) == ["derrick"]
    assert set(server.requests[1].data) == {"model", "messages", "stream"}


def test_no_more_than_asked_for() -> None:
    with chat_server(lambda request: request.give("derrick", "Crane", "hoist", "jib")) as server:
        assert texts(model_of(server), n=2) == ["derrick", "hoist"]


def test_nothing_to_say() -> None:
    with chat_server(lambda request: request.give()) as server:
        assert ask(model_of(server)) == ()


def test_answers_are_remembered_on_disk_with_the_models_name(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "answers.sqlite"
    with chat_server(give_two) as server:
        first = ask(model_of(server, AnswerCache(file)))
        again = ask(model_of(server, AnswerCache(file)))
        assert len(server.requests) == 1
        ask(model_of(server, AnswerCache(file), model="other"))
        ask(model_of(server, AnswerCache(file)), n=4)
        ask(model_of(server, AnswerCache(file)), "car")
        assert len(server.requests) == 4
    assert first == again
    assert b"tiny" in file.read_bytes()
    # The server is gone now, and what it said is still there.
    assert ask(model_of(server, AnswerCache(file))) == first


def test_fresh_asks_again_and_replaces(tmp_path: Path) -> None:
    words = iter(["derrick", "hoist"])
    file = tmp_path / "answers.sqlite"
    with chat_server(lambda request: request.give(next(words))) as server:
        assert texts(model_of(server, AnswerCache(file))) == ["derrick"]
        settings = ProviderSettings(model="tiny", url=server.url)
        provider = LanguageModelProvider(settings, cache=AnswerCache(file), fresh=True)
        assert texts(provider) == ["hoist"]
        assert texts(model_of(server, AnswerCache(file))) == ["hoist"]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 4000])
def test_a_broken_cache_costs_a_question_only(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "answers.sqlite"
    file.write_bytes(content)
    with chat_server(give_two) as server:
        assert texts(model_of(server, AnswerCache(file))) == ["derrick", "hoist"]


def test_a_failure_is_not_remembered() -> None:
    replies = iter(["no JSON", '{"texts": ["derrick"]}'])
    with chat_server(lambda request: request.say(next(replies))) as server:
        provider = model_of(server)
        with pytest.raises(SuggestionError):
            ask(provider)
        assert texts(provider) == ["derrick"]


def test_off_until_configured() -> None:
    provider = LanguageModelProvider(cache=AnswerCache())
    state = provider.available()
    assert not state.available
    assert "no language model is configured" in state.reason
    assert not provider.needs_network
    with pytest.raises(SuggestionError, match="no language model is configured"):
        ask(provider)


@pytest.mark.parametrize("host", ["example.com", "192.168.1.7", "127.0.0.1.example.com", "0.0.0.0"])
def test_another_computer_only_if_allowed(host: str) -> None:
    settings = ProviderSettings(model="tiny", url=f"http://{host}/v1")
    provider = LanguageModelProvider(settings, cache=AnswerCache())
    assert provider.needs_network
    with pytest.raises(SuggestionError, match="is another computer"):
        ask(provider)
    allowed = ProviderSettings(model="tiny", url=f"http://{host}/v1", allow_remote=True)
    assert LanguageModelProvider(allowed, cache=AnswerCache()).available().available


def test_localhost_is_this_computer() -> None:
    with chat_server(give_two) as server:
        provider = model_of(server, url=server.url.replace("127.0.0.1", "localhost"))
        assert texts(provider) == ["derrick", "hoist"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "number of suggestions is 0"),
        ({"n": 21}, "choose 1 to 20"),
        ({"kind": "poem"}, "no kind 'poem'"),
        ({"timeout": 0.0}, "time-out"),
        ({"timeout": float("nan")}, "time-out"),
        ({"term": " \0 "}, "no word to look up"),
    ],
)
def test_wrong_questions(options: dict[str, object], message: str) -> None:
    with (
        chat_server(give_two) as server,
        pytest.raises(SuggestionError, match=message),
    ):
        texts(model_of(server), **options)
    assert not server.requests

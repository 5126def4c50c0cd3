"""Reading what a chat server answered: all of it is doubted, none of it is followed."""

from __future__ import annotations

import json
import re
from typing import Any

from napari_itaclip.suggestion.cleaning import plain_line
from napari_itaclip.suggestion.exchange import Answer
from napari_itaclip.suggestion.provider import SuggestionError
from napari_itaclip.suggestion.provider_settings import ProviderSettings
from napari_itaclip.suggestion.questions import checked_texts
from napari_itaclip.suggestion.secret_key import SecretKey

JSON_TYPES = ("application/json", "text/json", "application/problem+json")

_SEARCHED = 100_000  # characters of an answer in which JSON is looked for
_TRIES = 40  # places at which JSON may begin
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
_BEGIN = re.compile(r"[{\[]")


def reject(answer: Answer, settings: ProviderSettings) -> None:
    """Raise what an answer's status tells; nothing if it is a success.

    Raises
    ------
    SuggestionError
        For every status but 200 to 299.
    """
    status, url, model = answer.status, settings.url, settings.model
    if 200 <= status < 300:
        return
    told = _told(answer)
    said = f" The server says: {told}" if told else ""
    if 300 <= status < 400:
        message = f"{url} redirects elsewhere, which is not followed: give the final address."
    elif status in (401, 403):
        message = (
            f"{url} wants another key: set the environment variable {settings.key_variable}, or "
            f"keep one in the keyring (see docs/suggestions.md)."
        )
    elif status == 404:
        message = (
            f"{url} does not know the model {model!r}, or is no such server: fetch the model "
            f"(Ollama: `ollama pull {model}`) or correct the address, which ends in /v1."
        )
    elif status == 429:
        message = f"{url} is asked too often or its quota is used up: wait, or use another model."
    elif status >= 500:
        message = f"{url} failed (status {status}): look into its log, and try again."
    else:
        message = f"{url} refused the question (status {status})."
    raise SuggestionError(message + said)


def read_texts(answer: Answer, settings: ProviderSettings) -> list[str]:
    """Return the texts in a server's successful answer, not cleaned yet.

    Raises
    ------
    SuggestionError
        If it is not a chat's answer, a refusal, or without JSON of the right shape.
    """
    if answer.content_type not in JSON_TYPES:
        raise SuggestionError(
            f"{settings.url} answered with {plain_line(answer.content_type)[:60] or 'no type'}, "
            "not with JSON: check that the address ends in /v1 and belongs to a language model"
        )
    data = _json(answer.body.decode("utf-8", "replace"))
    choices = data.get("choices") if isinstance(data, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise SuggestionError(
            f"{settings.url} sent no answer in a chat's form (broken JSON, or other JSON): check "
            "that it is an OpenAI-compatible server, and try again"
        )
    end = choice.get("finish_reason")
    refusal = message.get("refusal")
    if end == "content_filter" or (isinstance(refusal, str) and refusal.strip()):
        told = _quote(refusal if isinstance(refusal, str) else "", answer.key)
        raise SuggestionError(
            f"the model {settings.model!r} declines to answer{told}: word the class differently "
            "or ask another model"
        )
    content = _content(message)
    texts = find_texts(content)
    if texts is None:
        if end == "length":
            raise SuggestionError(
                f"the answer of the model {settings.model!r} was cut before its end: ask for "
                "fewer suggestions, or take another model"
            )
        told = _quote(content, answer.key) or ": it is empty"
        raise SuggestionError(
            f"the model {settings.model!r} did not answer in the form asked for{told}; "
            "try again, or take another model"
        )
    return [answer.key.redact(text) for text in texts]


def find_texts(content: str) -> list[str] | None:
    """Return the texts of the first JSON of the right shape in a model's words, else None."""
    content = _THOUGHT.sub(" ", content[:_SEARCHED])
    whole = checked_texts(_json(content))
    if whole is not None:
        return whole
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(_TRIES):
        begin = _BEGIN.search(content, position)
        if begin is None:
            return None
        position = begin.start() + 1
        try:
            data, end = decoder.raw_decode(content, begin.start())
        except (ValueError, RecursionError):
            continue
        texts = checked_texts(data)
        if texts is not None:
            return texts
        position = end
    return None


def _content(message: dict[str, Any]) -> str:
    """Return a message's text, which some servers send in parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _told(answer: Answer) -> str:
    """Return an error's text in one short line, without key and markup."""
    if answer.content_type not in JSON_TYPES:
        return ""
    data = _json(answer.body.decode("utf-8", "replace"))
    error = data.get("error", data.get("message")) if isinstance(data, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return plain_line(answer.key.redact(error))[:200] if isinstance(error, str) else ""


def _quote(text: str, key: SecretKey) -> str:
    """Return the beginning of a text as an addition to a message."""
    line = plain_line(key.redact(text))
    if not line:
        return ""
    return f" ({line[:120]!r}{'…' if len(line) > 120 else ''})"


def _json(text: str) -> Any:
    """Return what JSON text says; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

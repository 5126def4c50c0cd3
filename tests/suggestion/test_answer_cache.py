"""Answers kept on disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from napari_itaclip.suggestion import answer_cache
from napari_itaclip.suggestion.answer_cache import AnswerCache, Question


def question(term: str, n: int = 5, domain: str | None = None) -> Question:
    return Question("http://127.0.0.1/v1", "tiny", term, domain, "synonym", n)


def test_what_an_answer_depends_on(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put(question("crane"), ["hoist"])
    for one in (cache, AnswerCache(tmp_path / "a.sqlite")):
        assert one.get(question("crane")) == ["hoist"]
        assert one.get(question("crane", n=4)) is None
        assert one.get(question("crane", domain="zoo")) is None
        assert one.get(question("car")) is None


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_cache, "MAX_ANSWERS", 3)
    file = tmp_path / "a.sqlite"
    for at in range(6):
        AnswerCache(file).put(question(f"w{at}"), [str(at)])
    kept = [AnswerCache(file).get(question(f"w{at}")) for at in range(6)]
    assert kept == [None, None, None, ["3"], ["4"], ["5"]]


@pytest.mark.parametrize("texts", ["{", "5", '{"a": 1}', "[1]", "null", "[" * 100_000, None])
def test_a_changed_row_is_no_answer(tmp_path: Path, texts: str | None) -> None:
    file = tmp_path / "a.sqlite"
    AnswerCache(file).put(question("crane"), ["hoist"])
    with sqlite3.connect(file) as database:
        database.execute("UPDATE answer SET texts = ?", (texts,))
    database.close()
    assert AnswerCache(file).get(question("crane")) is None


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    cache = AnswerCache(tmp_path / "taken" / "a.sqlite")
    cache.put(question("crane"), ["hoist"])
    assert cache.get(question("crane")) == ["hoist"]

"""Answers of language models, kept on disk: the same question costs nothing a second time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import NamedTuple

from napari_itaclip.suggestion.questions import VERSION, checked_texts

MAX_ANSWERS = 20_000
"""The oldest go when there are more."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answer (question TEXT PRIMARY KEY, url TEXT, model TEXT, "
    "term TEXT, domain TEXT, kind TEXT, texts TEXT, asked REAL)"
)
_PATIENCE_S = 2.0


class Question(NamedTuple):
    """What an answer depends on."""

    url: str
    model: str
    term: str
    domain: str | None
    kind: str
    n: int

    @property
    def digest(self) -> str:
        """A short name for it, which changes with the wording of the questions."""
        return hashlib.sha256(json.dumps([VERSION, *self]).encode()).hexdigest()


class AnswerCache:
    """Store of answers by question, safe to use from several threads.

    A file that cannot be read or written only costs a new question. Keys are never in it.

    Parameters
    ----------
    path
        The file; None keeps answers in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._memory: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    @classmethod
    def on_disk(cls) -> AnswerCache:
        """Return the store that keeps its file in the user's cache folder."""
        from napari_itaclip.clip.embedding_cache import cache_folder

        return cls(cache_folder() / "answers.sqlite")

    def get(self, question: Question) -> list[str] | None:
        """Return the texts that were answered; None if the question is new."""
        with self._lock:
            texts = self._memory.get(question.digest)
            if texts is None and self._path is not None and self._path.is_file():
                texts = self._load(question)
        return texts

    def put(self, question: Question, texts: list[str]) -> None:
        """Keep an answer."""
        with self._lock:
            self._memory[question.digest] = list(texts)
            if self._path is not None:
                self._store(question, texts)

    def _load(self, question: Question) -> list[str] | None:
        query = "SELECT texts FROM answer WHERE question = ?"
        # Whoever can write the file can write anything into it: the shape is checked again.
        with contextlib.suppress(sqlite3.Error, OSError, ValueError, RecursionError, TypeError):
            with self._connect() as database:
                row = database.execute(query, (question.digest,)).fetchone()
            return None if row is None else checked_texts(json.loads(row[0]))
        return None

    def _store(self, question: Question, texts: list[str]) -> None:
        assert self._path is not None
        row = (question.digest, *question[:-1], json.dumps(texts), time.time())
        keep = (
            "DELETE FROM answer WHERE question NOT IN "
            "(SELECT question FROM answer ORDER BY asked DESC LIMIT ?)"
        )
        with contextlib.suppress(sqlite3.Error, OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._connect() as database, database:
                database.execute(_SCHEMA)
                database.execute("INSERT OR REPLACE INTO answer VALUES (?,?,?,?,?,?,?,?)", row)
                [[count]] = database.execute("SELECT COUNT(*) FROM answer").fetchall()
                if count > MAX_ANSWERS:
                    database.execute(keep, (MAX_ANSWERS,))

    def _connect(self) -> contextlib.closing[sqlite3.Connection]:
        assert self._path is not None
        return contextlib.closing(sqlite3.connect(self._path, timeout=_PATIENCE_S))

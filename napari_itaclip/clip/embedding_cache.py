"""Word embeddings that were computed once, kept in memory and in one small file on disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs
from numpy.typing import NDArray

CACHE_VARIABLE = "NAPARI_ITACLIP_CACHE"
"""Environment variable that names the cache folder."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS embedding "
    "(model TEXT, templates TEXT, word TEXT, vector BLOB, PRIMARY KEY (model, templates, word))"
)
_PATIENCE_S = 5.0


class EmbeddingKey(NamedTuple):
    """What an embedding depends on."""

    model: str
    """Identity of the weights."""
    templates: str
    """Digest of the template set."""
    word: str


def cache_folder() -> Path:
    """Return the folder of the project's caches (`CACHE_VARIABLE` or the user's cache folder)."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("napari-itaclip")


class EmbeddingCache:
    """Store of ``(D,)`` float32 vectors by `EmbeddingKey`, safe to use from several threads.

    A cache file that cannot be read or written only costs speed: the store goes on in memory.

    Parameters
    ----------
    path : Path or None
        The cache file; None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._memory: dict[EmbeddingKey, NDArray[np.float32]] = {}
        self._lock = threading.Lock()
        self._path = path

    @classmethod
    def on_disk(cls) -> EmbeddingCache:
        """Return the store that keeps its file in the user's cache folder."""
        return cls(cache_folder() / "words.sqlite")

    def get(self, keys: Iterable[EmbeddingKey]) -> dict[EmbeddingKey, NDArray[np.float32]]:
        """Return the vectors of those ``keys`` that are known."""
        wanted = list(dict.fromkeys(keys))
        with self._lock:
            found = {key: self._memory[key] for key in wanted if key in self._memory}
            missing = [key for key in wanted if key not in found]
            if missing and self._path is not None and self._path.exists():
                loaded = self._load(missing)
                self._memory.update(loaded)
                found.update(loaded)
        return found

    def put(self, vectors: Mapping[EmbeddingKey, NDArray[np.float32]]) -> None:
        """Keep ``vectors``."""
        with self._lock:
            self._memory.update(vectors)
            if self._path is not None and vectors:
                self._store(vectors)

    def _load(self, keys: list[EmbeddingKey]) -> dict[EmbeddingKey, NDArray[np.float32]]:
        loaded: dict[EmbeddingKey, NDArray[np.float32]] = {}
        query = "SELECT vector FROM embedding WHERE model = ? AND templates = ? AND word = ?"
        with contextlib.suppress(sqlite3.Error, OSError), self._connect() as database:
            for key in keys:
                row = database.execute(query, key).fetchone()
                content = None if row is None else row[0]
                if isinstance(content, bytes) and content and len(content) % 4 == 0:
                    loaded[key] = np.frombuffer(content, np.float32)
        return loaded

    def _store(self, vectors: Mapping[EmbeddingKey, NDArray[np.float32]]) -> None:
        assert self._path is not None
        rows = [
            (*key, np.ascontiguousarray(vector, np.float32).tobytes())
            for key, vector in vectors.items()
        ]
        with contextlib.suppress(sqlite3.Error, OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._connect() as database, database:
                database.execute(_SCHEMA)
                database.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?, ?)", rows)

    def _connect(self) -> contextlib.closing[sqlite3.Connection]:
        assert self._path is not None
        return contextlib.closing(sqlite3.connect(self._path, timeout=_PATIENCE_S))

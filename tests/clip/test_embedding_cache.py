"""The store of word embeddings: in memory, on disk, and never in the way."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_itaclip.clip.embedding_cache import (
    CACHE_VARIABLE,
    EmbeddingCache,
    EmbeddingKey,
    cache_folder,
)

KEY = EmbeddingKey("model/float32", "templates", "cat")


def vector(value: float = 1.0, size: int = 8) -> NDArray[np.float32]:
    return np.full(size, value, np.float32)


def test_in_memory() -> None:
    cache = EmbeddingCache()
    assert cache.get([KEY]) == {}
    cache.put({KEY: vector()})
    [found] = cache.get([KEY, KEY]).values()
    np.testing.assert_array_equal(found, vector())


def test_on_disk_outlives_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "words.sqlite"
    EmbeddingCache(path).put({KEY: vector(2.5)})
    np.testing.assert_array_equal(EmbeddingCache(path).get([KEY])[KEY], vector(2.5))


@pytest.mark.parametrize("field", EmbeddingKey._fields)
def test_every_part_of_the_key_counts(tmp_path: Path, field: str) -> None:
    path = tmp_path / "words.sqlite"
    EmbeddingCache(path).put({KEY: vector()})
    other = KEY._replace(**{field: "other"})
    assert EmbeddingCache(path).get([other]) == {}
    assert list(EmbeddingCache(path).get([other, KEY])) == [KEY]


def test_the_latest_value_stays(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "words.sqlite")
    cache.put({KEY: vector(1)})
    cache.put({KEY: vector(2)})
    for reader in (cache, EmbeddingCache(tmp_path / "words.sqlite")):
        np.testing.assert_array_equal(reader.get([KEY])[KEY], vector(2))


def test_words_of_every_script(tmp_path: Path) -> None:
    keys = [KEY._replace(word=word) for word in ("Straße", "猫", "🐈", "a'b\"c; DROP TABLE x", "")]
    EmbeddingCache(tmp_path / "words.sqlite").put({key: vector() for key in keys})
    assert set(EmbeddingCache(tmp_path / "words.sqlite").get(keys)) == set(keys)


@pytest.mark.parametrize(
    "content", [b"", b"this is no database", b"SQLite format 3\0" + b"\1" * 500]
)
def test_a_damaged_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.sqlite"
    path.write_bytes(content)
    cache = EmbeddingCache(path)
    assert cache.get([KEY]) == {}
    cache.put({KEY: vector()})
    np.testing.assert_array_equal(cache.get([KEY])[KEY], vector())


@pytest.mark.parametrize("stored", [b"abc", b"", None, "text", 7, 1.5])
def test_a_damaged_row_is_ignored(tmp_path: Path, stored: object) -> None:
    path = tmp_path / "words.sqlite"
    EmbeddingCache(path).put({KEY: vector()})
    with sqlite3.connect(path) as database:
        database.execute("UPDATE embedding SET vector = ?", (stored,))
    database.close()
    assert EmbeddingCache(path).get([KEY]) == {}


def test_a_folder_in_the_place_of_the_file_is_ignored(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put({KEY: vector()})
    assert list(cache.get([KEY])) == [KEY]
    blocked = EmbeddingCache(tmp_path / "file" / "words.sqlite")
    (tmp_path / "file").write_bytes(b"in the way")
    blocked.put({KEY: vector()})
    assert list(blocked.get([KEY])) == [KEY]


def test_another_programs_table_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE embedding (other TEXT)")
    database.close()
    cache = EmbeddingCache(path)
    cache.put({KEY: vector()})
    assert list(cache.get([KEY])) == [KEY]
    assert EmbeddingCache(path).get([KEY]) == {}


def test_several_threads_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    shared = EmbeddingCache(path)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            cache = shared if number % 2 else EmbeddingCache(path)
            for index in range(10):
                key = KEY._replace(word=f"{number} {index}")
                cache.put({key: vector(number)})
                np.testing.assert_array_equal(cache.get([key])[key], vector(number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    keys = [KEY._replace(word=f"{number} {index}") for number in range(4) for index in range(10)]
    assert set(EmbeddingCache(path).get(keys)) == set(keys)


def test_the_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    EmbeddingCache.on_disk().put({KEY: vector()})
    assert [path.suffix for path in (tmp_path / "named").iterdir()] == [".sqlite"]
    monkeypatch.delenv(CACHE_VARIABLE)
    assert "napari-itaclip" in str(cache_folder())

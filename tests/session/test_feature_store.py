"""Features stay within their budget, and what is in use stays."""

from __future__ import annotations

import subprocess
import sys
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from napari_itaclip.errors import SettingsError
from napari_itaclip.session.feature_store import FeatureStore


def features(size: int) -> Any:
    return SimpleNamespace(nbytes=size)


@pytest.fixture
def store() -> FeatureStore:
    store = FeatureStore(100)
    for key in "abc":
        store.put(key, features(30))
    return store


def test_what_is_put_can_be_got(store: FeatureStore) -> None:
    kept = features(5)
    store.put("d", kept)
    assert store.get("d") is kept
    assert store.get("nobody") is None
    assert (len(store), store.nbytes, store.over_budget) == (4, 95, False)
    assert "d" in store
    assert "nobody" not in store


def test_the_least_recently_used_goes_first(store: FeatureStore) -> None:
    store.get("a")
    store.put("d", features(30))
    assert store.keys == ("c", "a", "d")
    store.put("e", features(30))
    assert store.keys == ("a", "d", "e")


def test_as_many_go_as_are_needed(store: FeatureStore) -> None:
    store.put("large", features(75))
    assert store.keys == ("large",)


def test_asking_whether_something_is_kept_is_no_use(store: FeatureStore) -> None:
    assert "a" in store
    store.put("d", features(30))
    assert "a" not in store


def test_pinned_features_stay(store: FeatureStore) -> None:
    store.pin(["a", "not here yet"])
    store.put("d", features(60))
    assert store.keys == ("a", "d")
    store.put("e", features(60))
    assert store.keys == ("a", "e")
    store.put("not here yet", features(50))
    store.put("f", features(60))
    assert list(store.keys) == ["a", "not here yet", "f"]
    assert store.over_budget
    store.pin(())
    assert list(store.keys) == ["f"]
    assert store.pinned == frozenset()


def test_one_image_larger_than_the_budget_can_be_worked_on(store: FeatureStore) -> None:
    store.put("giant", features(500))
    assert store.keys == ("giant",)
    assert store.over_budget
    store.put("small", features(10))
    assert store.keys == ("small",)
    assert not store.over_budget


def test_a_key_put_again_counts_once(store: FeatureStore) -> None:
    store.put("a", features(40))
    assert (store.nbytes, store.keys) == (100, ("b", "c", "a"))


def test_a_smaller_budget_makes_room_at_once(store: FeatureStore) -> None:
    store.budget = 65
    assert (store.keys, store.budget) == (("b", "c"), 65)
    store.budget = 0
    assert (store.keys, store.over_budget) == (("c",), True)


@pytest.mark.parametrize("wrong", [-1, -(2**40)])
def test_a_negative_budget_is_refused(store: FeatureStore, wrong: int) -> None:
    with pytest.raises(SettingsError, match="0 or more"):
        store.budget = wrong
    assert (store.budget, len(store)) == (100, 3)
    with pytest.raises(SettingsError, match="0 or more"):
        FeatureStore(wrong)


def test_discarding_takes_pinned_ones_too(store: FeatureStore) -> None:
    store.pin("a")
    assert store.discard(lambda key: key in ("a", "b")) == 2
    assert store.keys == ("c",)
    assert store.discard(lambda key: key == "a") == 0
    store.clear()
    assert (len(store), store.nbytes) == (0, 0)


def test_changes_are_announced_once(store: FeatureStore) -> None:
    told: list[tuple[Any, ...]] = []
    store.changed.connect(lambda: told.append(store.keys))
    store.get("b")
    store.pin("c")
    store.budget = 100
    store.discard(lambda key: False)
    assert told == []
    store.put("d", features(30))
    assert told == [("c", "b", "d")]
    store.budget = 95
    store.discard(lambda key: key == "b")
    store.pin("")
    assert told[1:] == [("c", "b", "d"), ("c", "d")]


def test_threads_leave_the_sum_right() -> None:
    store = FeatureStore(1000)

    def work(name: int) -> None:
        for turn in range(200):
            store.put((name, turn % 7), features(turn % 50))
            store.get((name, turn % 5))
            store.discard(lambda key: key == (name, 3))

    threads = [Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [store.get(key) for key in store.keys]
    assert store.nbytes == sum(each.nbytes for each in kept if each is not None) <= 1000


def test_torch_is_not_loaded() -> None:
    code = (
        "import sys, napari_itaclip.session.feature_store as module\n"
        "module.FeatureStore(1)\n"
        "assert not {'torch', 'napari', 'qtpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

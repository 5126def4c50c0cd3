"""The order of a review, where it goes on, and how far it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_itaclip.annotation.review_queue import (
    Decision,
    QueueEntry,
    ReviewQueue,
    in_order,
    progress_of,
)
from napari_itaclip.errors import SettingsError


def entry(key: str, uncertainty: float = 0.5, decision: Decision | None = None) -> QueueEntry:
    return QueueEntry(key, key, uncertainty, decision)


def keys(queue: ReviewQueue) -> list[str]:
    return [one.key for one in queue.entries]


def test_the_least_certain_comes_first_and_equals_by_name() -> None:
    entries = [entry("b", 0.2), entry("a", 0.2), entry("c", 0.9)]
    assert [one.key for one in in_order(entries)] == ["c", "a", "b"]
    assert [one.key for one in in_order(entries, "name")] == ["a", "b", "c"]


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(SettingsError, match="uncertainty, name"):
        in_order([], "size")  # type: ignore[arg-type]


def test_progress_counts_what_is_done() -> None:
    decisions: list[Decision | None] = ["accepted", "fixed", "fixed", "skipped", None]
    progress = progress_of(entry(str(n), decision=d) for n, d in enumerate(decisions))
    assert progress.reviewed == 3
    assert progress.text == "3 of 5 reviewed · 2 fixed · 1 skipped"
    assert progress_of([entry("a")]).text == "0 of 1 reviewed"


def test_what_is_done_is_left_out_until_it_is_asked_for() -> None:
    entries = [entry("a", decision="fixed"), entry("b"), entry("c", decision="skipped")]
    queue = ReviewQueue(entries)
    assert keys(queue) == ["b", "c"]
    assert queue.progress.total == 3
    queue.show_reviewed(True)
    assert keys(queue) == ["a", "b", "c"]


def test_what_is_decided_now_can_be_gone_back_to() -> None:
    queue = ReviewQueue([entry("a", 0.9), entry("b", 0.1)])
    queue.resume(None)
    queue.decide("a", "accepted")
    queue.go_to("b")
    before = queue.neighbour(-1)
    assert before is not None
    assert (before.key, before.decision) == ("a", "accepted")
    assert queue.neighbour(1) is None


def test_next_is_what_waits_then_what_was_put_off() -> None:
    queue = ReviewQueue([entry("a", 0.9), entry("b", 0.8, "skipped"), entry("c", 0.7)])
    queue.resume(None)
    found = queue.next_waiting()
    assert found is not None
    assert found.key == "c"
    for key in "ac":
        queue.decide(key, "accepted")
        queue.go_to(key)
    found = queue.next_waiting()
    assert found is not None
    assert found.key == "b"
    queue.go_to("b")
    queue.decide("b", "accepted")
    assert queue.next_waiting() is None


def test_a_review_goes_on_where_it_stopped() -> None:
    entries = [entry("a", 0.9), entry("b", 0.8, "accepted"), entry("c", 0.7), entry("d", 0.6)]
    queue = ReviewQueue(entries)
    queue.resume("c")
    assert queue.current == entries[2]
    # Where that image is done, after it; where it is not there any more, at the beginning.
    queue = ReviewQueue(entries)
    queue.resume("b")
    assert queue.current == entries[2]
    queue = ReviewQueue(entries)
    queue.resume("gone")
    assert queue.current == entries[0]


def test_nothing_is_left() -> None:
    queue = ReviewQueue([entry("a", decision="accepted")])
    queue.resume("a")
    assert queue.current is None
    assert queue.place is None
    assert queue.next_waiting() is None
    assert queue.neighbour(1) is None


def test_an_image_of_another_batch_cannot_be_gone_to() -> None:
    with pytest.raises(KeyError):
        ReviewQueue([entry("a")]).go_to("b")


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([None, "accepted", "fixed", "skipped"])),
        max_size=12,
    )
)
def test_accepting_on_and_on_meets_every_open_image_once(
    images: list[tuple[float, Decision | None]],
) -> None:
    queue = ReviewQueue(entry(str(n), *image) for n, image in enumerate(images))
    queue.resume(None)
    met = []
    while queue.current is not None:
        met.append(queue.current.key)
        queue.decide(queue.current.key, "accepted")
        following = queue.next_waiting()
        if following is None:
            break
        queue.go_to(following.key)
    assert len(set(met)) == len(met)
    assert queue.progress.reviewed == len(images)

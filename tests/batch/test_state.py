"""What a batch's folder gives back, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_itaclip.batch.places import as_place, from_place
from napari_itaclip.batch.records import ItemRecord, ReviewRecord, Source, StoredExport, StoredJob
from napari_itaclip.batch.refresh import finish_exports, refresh_exports
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats.model import ExportOptions, Loss
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.small_batches import make_batch

RECORD = ItemRecord(
    key="day 1/a",
    name="day 1/a",
    source=Source("../in/a.tif", page=3),
    input_sha256="0" * 64,
    digest="1" * 64,
    shape=(5, 7),
    labels="labels/day 1/a.png",
    labels_sha256="",
    margin="margins/day 1/a.png",
    uncertainty=0.25,
    classes={0: 3, 70_000: 32},
    exports={"voc": {"SegmentationClass/day 1/a.png": "2" * 64}},
    export_digests={"voc": "3" * 64},
    notes=("a note",),
    losses={"voc": (Loss("holes bridged", "two", 9),)},
)

JOB = StoredJob(
    inputs=("../in",),
    model="demo-0123-gelu",
    model_source="demo",
    preset={"name": "draft"},
    exports=(StoredExport("voc", ".", ExportOptions(id_map={"sky": 3}, split="val")),),
    digest="1" * 64,
    version="1",
)


@pytest.fixture
def state(tmp_path: Path) -> BatchState:
    found = BatchState(tmp_path / "out" / ".itaclip" / "batch")
    found.save_job(JOB, Vocabulary.parse("sky; tree"))
    return found


def test_everything_comes_back(state: BatchState) -> None:
    state.save_item(RECORD)
    assert state.items() == (RECORD,)
    assert state.job == JOB
    assert state.vocabulary == Vocabulary.parse("sky; tree")
    review = ReviewRecord("day 1/a", "fixed", "4" * 64, 12)
    state.save_review(review)
    assert state.reviews() == {"day 1/a": review}
    assert state.review("day 1/b") is None
    assert state.export_folder("voc") == state.home


def test_labels_edits_and_margins_come_back(state: BatchState) -> None:
    labels = np.arange(35).reshape(5, 7) % 3
    record = state.save_labels(RECORD, labels.astype(np.uint8))
    np.testing.assert_array_equal(state.load_labels(record), labels)
    assert record.classes == {0: 12, 1: 12, 2: 11}
    many = state.save_labels(RECORD, labels + 40_000)
    np.testing.assert_array_equal(state.load_labels(many), labels + 40_000)
    assert state.load_edits(RECORD) is None
    state.save_edits(RECORD, labels == 1)
    np.testing.assert_array_equal(state.load_edits(RECORD), labels == 1)
    state.drop_review(RECORD.key)
    assert state.load_edits(RECORD) is None


def test_labels_of_another_shape_are_refused(state: BatchState) -> None:
    with pytest.raises(FormatError, match="shape"):
        state.save_labels(RECORD, np.zeros((7, 5), np.uint8))
    state.save_labels(replace(RECORD, shape=(4, 4)), np.zeros((4, 4), np.uint8))
    with pytest.raises(FormatError, match="does not belong to its image"):
        state.load_labels(RECORD)


@pytest.mark.parametrize("where", [".", ".itaclip", ".itaclip/batch"])
def test_a_batch_is_found_from_each_of_its_folders(state: BatchState, where: str) -> None:
    found = BatchState.find(state.home / where)
    assert (found.folder, found.home) == (state.folder, state.home)


def test_no_batch_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no batch in .*napari-itaclip batch"):
        BatchState.find(tmp_path)


def test_only_one_may_write(state: BatchState) -> None:
    with state.lock(), pytest.raises(OutputError, match="another batch or review"), state.lock():
        pass
    with state.lock():
        pass


@pytest.mark.parametrize(
    "change",
    [
        {"labels": "../../x.png"},
        {"labels": "/etc/x.png"},
        {"labels": "C:/x.png"},
        {"margin": "a\\..\\b"},
        {"key": "../x"},
        {"exports": {"voc": {"../../x": "0"}}},
        {"schema": 99},
        {"shape": [1]},
        {"source": {"nowhere": 1}},
        {"classes": [1]},
        {"losses": None},
    ],
)
def test_damaged_and_hostile_records_are_refused(
    state: BatchState, change: dict[str, object]
) -> None:
    path = state.path("items", "evil", ".json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**RECORD.to_json(), **change}))
    with pytest.raises(FormatError, match=r"evil\.json cannot be used"):
        state.item("evil")


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"[" * 100_000, b"\xff", b"NaN"])
def test_files_that_are_no_records(state: BatchState, content: bytes) -> None:
    path = state.path("items", "evil", ".json")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"evil\.json is damaged"):
        state.item("evil")
    with pytest.raises(FormatError, match="no file"):
        state.item("nobody")


@pytest.mark.parametrize(
    "change",
    [
        {"key": "b"},
        {"labels": "job.json"},
        {"labels": "labels/b.png"},
        {"margin": "margins/b.png"},
        {"valid": "labels/day 1/a.png"},
    ],
)
def test_a_record_speaks_of_its_own_files_only(state: BatchState, change: dict[str, str]) -> None:
    state.save_item(RECORD)
    path = state.folder / "items/day 1/a.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match="another image"):
        state.item("day 1/a")


def test_a_review_is_of_its_own_image(state: BatchState) -> None:
    state.save_review(ReviewRecord("b", "accepted", "4" * 64))
    (state.folder / "reviews/b.json").rename(state.folder / "reviews/a.json")
    with pytest.raises(FormatError, match="another image"):
        state.reviews()
    with pytest.raises(FormatError, match="another image"):
        state.review("a")


def test_keys_never_leave_the_folder(state: BatchState) -> None:
    with pytest.raises(OutputError):
        state.save_review(ReviewRecord("../../x", "accepted", ""))


@given(st.lists(st.sampled_from(["a", "b c", "..", "é"]), max_size=6))
def test_places_lead_back(parts: list[str]) -> None:
    home = Path("/data/set/out")
    path = Path("/data/set/in").joinpath(*parts)
    place = as_place(path, home)
    assert from_place(place, home) == Path(from_place(str(path), home))
    assert "\\" not in place


def test_what_lies_near_is_relative() -> None:
    home = Path("/data/set/out")
    assert as_place(Path("/data/set/in/a.png"), home) == "../in/a.png"
    assert as_place(home, home) == "."
    assert as_place(Path("/elsewhere/a.png"), home) == "/elsewhere/a.png"


def test_a_batch_from_somebody_else_does_not_choose_where_to_write(tmp_path: Path) -> None:
    state = make_batch(tmp_path / "given")
    stored = state.folder / "job.json"
    job = json.loads(stored.read_text(encoding="utf-8"))
    job["exports"][0]["folder"] = str(tmp_path / "elsewhere")
    stored.write_text(json.dumps(job), encoding="utf-8")
    state = BatchState.find(state.home)
    record = state.items()[0]
    with pytest.raises(OutputError, match=r"no png data set of this batch in .*elsewhere"):
        refresh_exports(state, record, np.zeros(record.shape, np.uint8))
    with pytest.raises(OutputError, match="no png data set"):
        finish_exports(state)
    assert not (tmp_path / "elsewhere").exists()

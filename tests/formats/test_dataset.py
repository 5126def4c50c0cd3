"""Data sets are extended or refused, never half overwritten."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_itaclip.errors import FormatError, OutputError
from napari_itaclip.formats.dataset import DatasetWriter
from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Loss,
    Rendered,
)
from napari_itaclip.formats.parts import staging, state
from napari_itaclip.formats.paths import file_name
from napari_itaclip.formats.report import summed_losses

CLASSES = (LabelClass(0, "rest", "#000000", True), LabelClass(1, "a", "#ff0000"))
MORE = (*CLASSES, LabelClass(2, "b", "#00ff00"))


def _render(item: LabelledImage, options: ExportOptions) -> Rendered:
    stem = file_name(item.name)
    files = {f"one/{stem}.txt": item.labels.tobytes(), f"two/{stem}.txt": item.name.encode()}
    ones = int((item.labels == 1).sum())
    return Rendered(files, {"ones": ones, "split": options.split}, (Loss("edges", "lost", ones),))


def _assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    return {"all.json": json.dumps([records, len(classes), options.split, about]).encode()}


PLAIN = Format("png", "Plain", "for tests", _render, _assemble)


def item(name: str, value: int = 1, classes: tuple[LabelClass, ...] = CLASSES) -> LabelledImage:
    return LabelledImage(name, np.full((2, 3), value, np.uint8), classes)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def writer(folder: Path, **more: Any) -> DatasetWriter:
    return DatasetWriter(folder, PLAIN, more.pop("classes", CLASSES), **more)


def filled(folder: Path, *names: str) -> DatasetWriter:
    made = writer(folder)
    for name in names or ("x", "y"):
        made.add(item(name))
    made.finish()
    return made


def _add_and_finish(made: DatasetWriter) -> None:
    made.add(item("y"))
    made.finish()


def _add_and_replace(made: DatasetWriter) -> None:
    made.add(item("z"), replace=True)
    made.add(item("x", 0), replace=True)


class Killed(BaseException):
    """What a killed process feels like."""


def test_a_data_set_is_written_and_counted(tmp_path: Path) -> None:
    made = writer(tmp_path, about={"made_by": "me"})
    added = made.add(item("b/y"))
    made.add(item("a", 0))
    report = made.finish()
    assert sorted(added.files) == ["one/b/y.txt", "two/b/y.txt"]
    assert added.losses == (Loss("edges", "lost", 6),)
    assert (report.images, report.files, report.written) == (2, 5, ("all.json",))
    assert [(loss.kind, loss.pixels) for loss in report.losses] == [("edges", 6)]
    expected = {"a": {"ones": 0, "split": "train"}, "b/y": {"ones": 6, "split": "train"}}
    assert json.loads((tmp_path / "all.json").read_text()) == [
        expected, 2, "train", {"made_by": "me"}
    ]  # fmt: skip
    assert made.has("a")
    assert not made.has("y")


def test_order_and_interruptions_do_not_show(tmp_path: Path) -> None:
    filled(tmp_path / "one", "x", "y", "z")
    filled(tmp_path / "two", "z")
    again = writer(tmp_path / "two")
    again.add(item("y"))
    again.add(item("x"))
    again.finish()
    again.finish()
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_new_classes_only_at_the_end(tmp_path: Path) -> None:
    filled(tmp_path)
    before = files(tmp_path)
    for other in (
        (CLASSES[0], LabelClass(1, "other", "#ff0000")),
        (MORE[0], MORE[2], MORE[1]),
        CLASSES[:1],
        (CLASSES[0], replace(CLASSES[1], color="#00ffff")),
    ):
        with pytest.raises(OutputError, match=r"other classes: number 2 is 'a'.*another folder"):
            writer(tmp_path, classes=other)
    assert files(tmp_path) == before
    longer = writer(tmp_path, classes=MORE)
    longer.add(item("z", 2, MORE))
    assert longer.finish().images == 3
    with pytest.raises(OutputError, match=r"number 3 is 'b'.* and nothing here"):
        writer(tmp_path)


def test_other_options_are_refused_but_for_the_split(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(OutputError, match="other options"):
        writer(tmp_path, options=ExportOptions(void=7))
    other = writer(tmp_path, options=ExportOptions(split="val"))
    other.add(item("z"))
    assert other.finish().images == 3


def test_a_split_that_the_format_would_forget_is_refused(tmp_path: Path) -> None:
    def forgetful(labels: LabelledImage, options: ExportOptions) -> Rendered:
        return replace(_render(labels, options), record={})

    plain = replace(PLAIN, render=forgetful)
    DatasetWriter(tmp_path, plain, CLASSES).add(item("x"))
    with pytest.raises(OutputError, match="cannot hold 'val' beside it"):
        DatasetWriter(tmp_path, plain, CLASSES, ExportOptions(split="val"))


@pytest.mark.parametrize("place", ["one/x.txt", "all.json"])
def test_foreign_files_are_never_touched(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"was not written by this data set; choose another"):
        writer(tmp_path).add(item("x"), replace="edited")
    assert (tmp_path / place).read_bytes() == b"mine"
    assert not (tmp_path / "two").exists()


def test_the_same_again_is_fine_and_something_else_must_be_asked_for(tmp_path: Path) -> None:
    made = filled(tmp_path)
    before = files(tmp_path)
    made.add(item("x"))
    with pytest.raises(OutputError, match="'x' is already in the data set"):
        made.add(item("x", 0))
    assert files(tmp_path) == before
    made.add(item("x", 0), replace=True)
    assert (tmp_path / "one/x.txt").read_bytes() == bytes(6)
    assert made.finish().images == 2
    assert made.changed_by_hand() == ()


def test_edited_files_are_left_alone(tmp_path: Path) -> None:
    made = filled(tmp_path)
    (tmp_path / "two/x.txt").write_bytes(b"corrected")
    (tmp_path / "all.json").write_bytes(b"sorted")
    assert made.changed_by_hand() == ("all.json", "two/x.txt")
    with pytest.raises(OutputError, match="already in the data set"):
        made.add(item("x", 0))
    with pytest.raises(OutputError, match=r"two/x\.txt was edited"):
        made.add(item("x", 0), replace=True)
    with pytest.raises(OutputError, match=r"two/x\.txt was edited"):
        made.remove("x")
    with pytest.raises(OutputError, match=r"all\.json was edited"):
        writer(tmp_path).finish()
    assert (tmp_path / "two/x.txt").read_bytes() == b"corrected"
    assert (tmp_path / "all.json").read_bytes() == b"sorted"
    made.add(item("x", 0), replace="edited")
    made.finish(replace="edited")
    assert made.changed_by_hand() == ()


def test_removed_images_leave_nothing(tmp_path: Path) -> None:
    made = filled(tmp_path, "deep/x", "y")
    made.remove("deep/x")
    made.remove("never there")
    assert made.finish().images == 1
    assert not (tmp_path / "one" / "deep").exists()
    filled(tmp_path / "other", "y")
    assert not made.has("deep/x")


def test_files_that_an_image_no_longer_has_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(tmp_path)
    only = {"one/x.txt": b"new"}
    made.format = replace(PLAIN, render=lambda *_: Rendered(only, {"split": "train"}))
    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, "_delete", _kill)
        with pytest.raises(Killed):
            made.add(item("x"), replace=True)
    assert (tmp_path / "two/x.txt").exists()
    assert made.changed_by_hand() == ()
    made.finish()
    assert not (tmp_path / "two/x.txt").exists()
    assert (tmp_path / "one/x.txt").read_bytes() == b"new"


def _kill(*_: object) -> None:
    raise Killed


def test_deleted_files_are_written_again(tmp_path: Path) -> None:
    made = filled(tmp_path)
    before = files(tmp_path)
    (tmp_path / "one/x.txt").unlink()
    assert not made.has("x")
    assert made.changed_by_hand() == ()
    made.add(item("x"))
    made.finish()
    assert files(tmp_path) == before


def test_threads_may_add_at_once(tmp_path: Path) -> None:
    names = [f"n{at}" for at in range(24)]
    made = [writer(tmp_path / "threads") for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(made[at % 3].add, item(name)) for at, name in enumerate(names)]
    assert all(task.result().files for task in tasks)
    made[0].finish()
    filled(tmp_path / "alone", *names)
    assert files(tmp_path / "threads") == files(tmp_path / "alone")


@pytest.mark.parametrize("moment", range(1, 8))
@pytest.mark.parametrize("again", [True, False])
def test_a_kill_at_any_moment_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int, again: bool
) -> None:
    """Each renaming is a moment: the intention, two files, the record; and so on in `finish`."""
    made = filled(tmp_path / "hit", "x")
    count = 0
    rename = Path.replace

    def killing(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == moment:
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killing)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # the dead do not clean up
        with pytest.raises(Killed):
            _add_and_finish(made)
    fresh = writer(tmp_path / "hit")
    if again:
        fresh.add(item("y"))
    fresh.finish()
    filled(tmp_path / "calm", *(["x", "y"] if fresh.has("y") else ["x"]))
    assert files(tmp_path / "hit") == files(tmp_path / "calm")
    assert fresh.has("y") or not again


def test_a_kill_while_replacing_is_mended_by_writing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(tmp_path / "hit")
    rename = Path.replace
    renamed: list[Path] = []

    def killing(self: Path, target: Path) -> Path:
        if target.parent.name == "two":
            raise Killed
        renamed.append(target)
        return rename(self, target)

    changed = replace(PLAIN, render=lambda labels, options: Rendered(
        {path: data + b"!" for path, data in _render(labels, options).files.items()}))  # fmt: skip
    made.format = changed
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killing)
        with pytest.raises(Killed):
            made.add(item("x"), replace=True)
    fresh = writer(tmp_path / "hit")
    assert fresh.changed_by_hand() == ()
    fresh.finish()
    assert fresh.has("x")
    fresh.add(item("x"))
    fresh.finish()
    filled(tmp_path / "calm")
    assert files(tmp_path / "hit") == files(tmp_path / "calm")


@pytest.mark.parametrize("full_after", range(6))
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_after: int
) -> None:
    made = filled(tmp_path)
    before = files(tmp_path)
    write = staging._write_new
    count = 0

    def full(path: Path, content: bytes) -> None:
        nonlocal count
        count += 1
        if count > full_after:
            path.write_bytes(content[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(staging, "_write_new", full)
        with pytest.raises(OutputError, match="No space left"):
            _add_and_replace(made)
    done = files(tmp_path)
    if full_after < 4:
        assert done == before
    else:  # z is whole, x as it was
        assert {path: done[path] for path in before} == before
        assert made.has("z")
    made.add(item("z"))
    made.finish()
    assert made.changed_by_hand() == ()


@pytest.mark.parametrize("refused_after", range(1, 3))
def test_a_read_only_folder_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused_after: int
) -> None:
    made = filled(tmp_path)
    before = files(tmp_path)
    rename = Path.replace
    count = 0

    def refusing(self: Path, target: Path) -> Path:
        nonlocal count
        if self.suffix == ".new":
            count += 1
            if count > refused_after:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refusing)
        with pytest.raises(OutputError, match="Permission denied"):
            made.add(item("x", 0), replace=True)
    after = files(tmp_path)
    assert {path: after[path] for path in before} == before
    assert made.changed_by_hand() == ()


def test_a_folder_that_cannot_be_written_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkdtemp", refusing)
    with pytest.raises(OutputError, match="Permission denied"):
        writer(tmp_path / "new")


def test_renders_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    bad = replace(PLAIN, render=lambda *_: Rendered({"a.txt": b"1", "../b.txt": b"2"}))
    with pytest.raises(OutputError, match="would leave the folder"):
        DatasetWriter(tmp_path / "in", bad, CLASSES).add(item("x"))
    assert not (tmp_path / "b.txt").exists()
    assert not (tmp_path / "in" / "a.txt").exists()


def test_hostile_names_stay_inside_and_apart(tmp_path: Path) -> None:
    names = ["../../x", "C:\\x", "CON", "", "x", "\ud800", ".itaclip/dataset", "a\nb", "x" * 300]
    made = writer(tmp_path / "in", about={})
    made.format = replace(PLAIN, assemble=None, render=lambda one, _: Rendered(
        {f"{file_name(one.name)}.txt": b"1"}))  # fmt: skip
    for name in names:
        made.add(item(name))
    assert made.finish().images == len(names)
    assert all(made.has(name) for name in names)
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


@pytest.mark.parametrize("content", ["{", '{"schema": 9}', "[]", '{"schema": 1, "format": "png"}'])
def test_damaged_state_is_an_error_with_a_way_out(tmp_path: Path, content: str) -> None:
    filled(tmp_path)
    (tmp_path / ".itaclip/png/dataset.json").write_text(content)
    with pytest.raises(OutputError, match=r"dataset\.json.*export into another folder"):
        writer(tmp_path)


def test_other_classes_files_and_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="are not those of the data set"):
        writer(tmp_path).add(item("x", classes=MORE))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file"):
        writer(tmp_path / "file")
    with pytest.raises(FormatError, match="can only be read"):
        DatasetWriter(tmp_path, replace(PLAIN, render=None), CLASSES)
    with pytest.raises(FormatError, match="did you mean 'cityscapes'"):
        DatasetWriter(tmp_path, "cityscape", CLASSES)


def test_losses_are_summed_by_kind() -> None:
    losses = [Loss("b", "x", 2), Loss("a", "one", 0), Loss("b", "y", 3)]
    assert summed_losses(losses) == (
        Loss("a", "one", 0),
        Loss("b", "x; and 1 more (2 times)", 5),
    )


def change_record(folder: Path, **more: Any) -> Path:
    """Change the record of the image "x" as a careless or hostile person may."""
    path = folder / ".itaclip" / "png" / "records" / "x.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    return path


@pytest.mark.parametrize("way", ["up", "absolute", "windows", "link", "state"])
def test_records_that_point_elsewhere_delete_and_overwrite_nothing(
    tmp_path: Path, way: str
) -> None:
    folder = tmp_path / "set"
    made = filled(folder, "x")
    outside = tmp_path / "precious" / "a.txt"
    outside.parent.mkdir()
    outside.write_text("keep")
    (folder / "beside").symlink_to(outside.parent, target_is_directory=True)
    target = {
        "up": "../precious/a.txt",
        "absolute": str(outside),
        "windows": "..\\precious\\a.txt",
        "link": "beside/a.txt",
        "state": ".ITACLIP/png/dataset.json",
    }[way]
    content = outside if way != "state" else folder / ".itaclip" / "png" / "dataset.json"
    known = hashlib.sha256(content.read_bytes()).hexdigest()
    change_record(folder, files={target: known, "one/x.txt": "0"})
    before = files(tmp_path)
    for act in (
        lambda: made.remove("x"),
        lambda: made.remove("x", replace="edited"),
        lambda: made.add(item("x", 0), replace="edited"),
        lambda: made.has("x"),
        made.changed_by_hand,
    ):
        with pytest.raises(OutputError, match=r"leave the folder|where the data set's records"):
            act()
        assert files(tmp_path) == before


@pytest.mark.parametrize("part", ["pending", "assembled"])
def test_what_killed_processes_left_deletes_nothing_elsewhere(tmp_path: Path, part: str) -> None:
    folder = tmp_path / "set"
    made = filled(folder, "x")
    outside = tmp_path / "a.txt"
    outside.write_text("keep")
    known = hashlib.sha256(b"keep").hexdigest()
    state_folder = folder / ".itaclip" / "png"
    if part == "pending":
        record = json.loads((state_folder / "records" / "x.json").read_text())
        (state_folder / "pending").mkdir(exist_ok=True)
        forged = {**record, "files": {**record["files"], "../a.txt": f"-{known}"}}
        (state_folder / "pending" / "x.json").write_text(json.dumps(forged))
    else:
        forged = {"schema": 1, "files": {"../a.txt": [known]}}
        (state_folder / "assembled.json").write_text(json.dumps(forged))
        made.add(item("y"))
    with pytest.raises(OutputError, match=r"leave the folder|already there"):
        made.finish()
    assert outside.read_text() == "keep"


@pytest.mark.parametrize(
    "change",
    [
        {"record": None},
        {"record": {"ones": 1}},
        {"record": [1]},
        {"losses": [{"kind": 1, "detail": 2, "pixels": "many"}]},
        {"losses": [{}]},
        {"losses": 3},
        {"files": []},
        {"name": "y"},
    ],
)
def test_records_changed_by_hand_are_an_error_with_a_way_out(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    strict = replace(PLAIN, assemble=_strict)
    made = DatasetWriter(tmp_path, strict, CLASSES)
    made.add(item("x"))
    made.finish()
    change_record(tmp_path, **change)
    before = files(tmp_path)
    with pytest.raises(OutputError, match="export into another folder"):
        made.finish()
    assert files(tmp_path) == before


def _strict(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    splits = sorted({record["split"] for record in records.values()})
    return {"all.json": json.dumps(splits).encode()}


def test_what_is_too_large_to_be_read_again_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(tmp_path, "x")
    before = files(tmp_path)
    monkeypatch.setattr(state, "MAX_BYTES", 900)
    with pytest.raises(OutputError, match="more than the 900 that are read again"):
        made.add(item("a long name " * 60))
    assert files(tmp_path) == before
    made.add(item("y"))
    assert made.finish().images == 2


def test_nobody_writes_while_another_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = filled(tmp_path, "x"), writer(tmp_path)
    before = files(tmp_path)
    monkeypatch.setattr(state, "_PATIENCE", 0.0)
    with first._state.lock():
        for act in (
            lambda: second.add(item("y")),
            lambda: second.remove("x"),
            second.finish,
            lambda: writer(tmp_path, classes=MORE),
        ):
            with pytest.raises(OutputError, match="another process is writing"):
                act()
    assert files(tmp_path) == before
    second.add(item("y"))
    assert second.finish().images == 2


def test_two_exports_into_one_folder_end_complete(tmp_path: Path) -> None:
    def export(first: int) -> None:
        made = writer(tmp_path)
        for number in range(first, 30, 2):
            made.add(item(f"image {number}"))
            made.finish()

    threads = [threading.Thread(target=export, args=(first,)) for first in (0, 1)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    made = writer(tmp_path)
    assert all(made.has(f"image {number}") for number in range(30))
    assert made.finish().images == 30
    assert made.changed_by_hand() == ()


def test_without_locks_a_data_set_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    filled(tmp_path)
    assert writer(tmp_path).finish().images == 2

"""Batches on a cluster: the same files, and a clear end whatever happens to it.

Most of it runs on workers inside this process; two worker processes, which take seconds to start,
are there for the tests that kill them.
"""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_itaclip.batch import _cluster_checks, _cluster_worker, cluster
from napari_itaclip.batch._cluster_desk import Desk
from napari_itaclip.batch._cluster_worker import ClusterError
from napari_itaclip.batch._plain import (
    input_from_values,
    input_to_values,
    job_from_values,
    job_to_values,
)
from napari_itaclip.batch.cluster import run_on_cluster
from napari_itaclip.batch.inputs import BatchInput
from napari_itaclip.batch.job import BatchJob, ExportTarget
from napari_itaclip.batch.progress import BatchProgress, Tally
from napari_itaclip.batch.run import Preparation, prepared, run_batch
from napari_itaclip.batch.state import BatchState
from napari_itaclip.batch.work import Outcome
from napari_itaclip.clip.embedding_cache import CACHE_VARIABLE
from napari_itaclip.errors import (
    FormatError,
    MissingExtraError,
    OutputError,
    SettingsError,
    VocabularyError,
)
from napari_itaclip.formats.model import ExportOptions
from napari_itaclip.formats.parts import staging
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.vocabulary.classes import Vocabulary
from tests.batch import killing
from tests.batch.arming import EndAtFile, end_at_change
from tests.batch.world import QUICK, make_job, picture, save_pictures, tree
from tests.tiny import make_tiny_clip, save_tiny_clip

Make = Callable[..., BatchJob]

# Parts of them have no types.
dask: Any = importlib.import_module("dask")
distributed: Any = importlib.import_module("distributed")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the workers a cache of embeddings of their own."""
    patch = pytest.MonkeyPatch()
    with patch.context() as world:
        world.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cluster cache")))
        yield


@pytest.fixture(scope="module")
def near() -> Iterator[str]:
    """Return the address of a cluster of two workers in this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as found:
        yield found.scheduler_address


def undisturbed(job: BatchJob, segmenter: Segmenter, folder: Path) -> dict[str, bytes]:
    """Return the files that the job gives on this computer alone."""
    exports = tuple(replace(one, folder=folder / one.format) for one in job.exports)
    run_batch(replace(job, exports=exports), segmenter=segmenter)
    return tree(folder)


# ---- what comes out ------------------------------------------------------------------------------


def test_the_same_files_as_on_one_computer(
    job: Make, near: str, segmenter: Segmenter, tmp_path: Path, given: Path
) -> None:
    (given / "a text.png").write_text("not a picture")
    seen: list[BatchProgress] = []
    report = run_on_cluster(job(), near, progress=seen.append)
    assert (report.done, report.skipped, report.left) == (4, 0, 0)
    assert [name for name, _ in report.failed] == ["a text"]
    assert "it is text" in dict(report.failed)["a text"]
    assert (seen[-1].done, seen[-1].total, seen[-1].failed) == (5, 5, 1)
    assert report.rate > 0
    assert tree(tmp_path / "out") == undisturbed(job(), segmenter, tmp_path / "alone")


def test_what_is_finished_needs_no_worker(
    job: Make, near: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on_cluster(job(), near)
    before = tree(tmp_path / "out")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("no model and no task is needed")

    monkeypatch.setattr(Segmenter, "from_pretrained", refuse)
    monkeypatch.setattr(_cluster_worker, "label_image", refuse)
    report = run_on_cluster(job(), near)
    assert (report.done, report.skipped, report.rate) == (0, 4, 0)
    assert tree(tmp_path / "out") == before


def test_the_model_is_loaded_once_for_several_batches(
    job: Make, near: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    load = Segmenter.from_pretrained.__func__  # type: ignore[attr-defined]

    def counted(cls: type[Segmenter], *arguments: Any, **options: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():  # the head's own
            loaded.append(arguments)
        return load(cls, *arguments, **options)

    monkeypatch.setattr(_cluster_worker, "_models", {})
    monkeypatch.setattr(Segmenter, "from_pretrained", classmethod(counted))
    run_on_cluster(job(), near)
    run_on_cluster(job(vocabulary=Vocabulary.parse("sea; sand")), near)
    assert len(loaded) == 1


def test_another_format_is_written_from_the_labels(
    job: Make, near: str, segmenter: Segmenter, tmp_path: Path
) -> None:
    run_on_cluster(job(exports=job().exports[:1]), near)
    assert run_on_cluster(job(), near).done == 4
    assert tree(tmp_path / "out") == undisturbed(job(), segmenter, tmp_path / "alone")


def test_a_persons_work_stays_unless_told(
    job: Make, near: str, segmenter: Segmenter, tmp_path: Path
) -> None:
    run_on_cluster(job(), near)
    fresh = tree(tmp_path / "out")
    edited = tmp_path / "out" / "voc" / "SegmentationClass" / "image 002.png"
    Image.fromarray(np.full((24, 32), 2, np.uint8)).save(edited)
    by_hand = edited.read_bytes()
    other = replace(QUICK, decide=replace(QUICK.decide, margin_threshold=0.2))
    report = run_on_cluster(job(preset=other), near)
    assert (report.done, [name for name, _ in report.kept]) == (3, ["image 002"])
    assert edited.read_bytes() == by_hand
    # Classes that would give the corrected ids another meaning are refused before anything is done.
    with pytest.raises(VocabularyError, match="images keep their labels"):
        run_on_cluster(job(vocabulary=Vocabulary.parse("water; sky")), near)
    report = run_on_cluster(job(redo_edited=True), near)
    assert (report.done, report.kept) == (4, ())
    assert tree(tmp_path / "out") == fresh


# ---- ending early --------------------------------------------------------------------------------


def test_a_stopped_batch_goes_on_later(
    job: Make, near: str, segmenter: Segmenter, given: Path, tmp_path: Path
) -> None:
    save_pictures(given, 12)
    seen: list[BatchProgress] = []
    report = run_on_cluster(job(), near, progress=seen.append, stop=lambda: bool(seen))
    assert report.done + report.left == 12
    assert 1 <= report.done < 12
    assert dict(report.exports)["voc"].images == report.done
    rest = run_on_cluster(job(), near)
    assert (rest.done, rest.skipped) == (report.left, report.done)
    assert tree(tmp_path / "out") == undisturbed(job(), segmenter, tmp_path / "alone")


def test_ctrl_c_ends_cleanly(job: Make, near: str, given: Path) -> None:
    save_pictures(given, 12)

    pressed: list[bool] = []

    def press(_: BatchProgress) -> None:
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_cluster(job(), near, progress=press)
    state = BatchState(job().state_folder)
    finished = len(state.items())
    assert 1 <= finished < 12
    assert json.loads((state.folder / "problems.json").read_text())["problems"] == []
    assert run_on_cluster(job(), near).skipped == finished


def test_a_full_disk_on_a_worker(
    job: Make, near: str, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = staging._write_new, [5]
    guard = threading.Lock()

    def full(path: Path, content: bytes) -> None:
        with guard:
            room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    monkeypatch.setattr(staging, "_write_new", full)
    with pytest.raises(OutputError, match=r"No space left on device.*the worker inproc://"):
        run_on_cluster(job(), near)
    monkeypatch.undo()
    finished = len(BatchState(job().state_folder).items())
    assert finished < 4
    report = run_on_cluster(job(), near)
    assert (report.done, report.skipped) == (4 - finished, finished)
    assert tree(tmp_path / "out") == undisturbed(job(), segmenter, tmp_path / "alone")


def test_a_scheduler_that_ends(job: Make, given: Path, segmenter: Segmenter) -> None:
    save_pictures(given, 40)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as brief:

        def end(progress: BatchProgress) -> None:
            if progress.done == 3:
                brief.close()

        with pytest.raises(ClusterError, match="run the same command again"):
            run_on_cluster(job(), brief.scheduler_address, progress=end)
    finished = len(BatchState(job().state_folder).items())
    assert finished >= 3
    assert run_batch(job(), segmenter=segmenter).skipped >= finished


# ---- clusters that cannot do it ------------------------------------------------------------------


def test_no_scheduler(job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cluster_checks, "_CONNECT_S", 0.2)
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers.*dask scheduler"):
        run_on_cluster(job(), "tcp://127.0.0.1:9")
    with pytest.raises(ClusterError, match="no Dask scheduler answers at 'what:://'"):
        run_on_cluster(job(), "what:://")
    assert not job().state_folder.exists()


def test_a_scheduler_file_names_the_scheduler(job: Make, near: str, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": near}))
    assert run_on_cluster(job(limit=1), str(file)).done == 1
    file.write_text("{")
    with pytest.raises(FormatError, match="is damaged"):
        run_on_cluster(job(), str(file))
    file.write_text("{}")
    with pytest.raises(ClusterError, match="no Dask scheduler answers at ''"):
        run_on_cluster(job(), str(file))


def test_no_workers(job: Make) -> None:
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        pytest.raises(ClusterError, match="has had no workers for 0 s; start some with"),
    ):
        run_on_cluster(job(), empty.scheduler_address, patience=0.1)
    assert not job().state_folder.exists()


def test_without_dask(job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'napari-itaclip\[dask\]'"):
        run_on_cluster(job(), "tcp://127.0.0.1:9")


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, napari_itaclip.batch.cluster\n"
        "print(sorted({'torch', 'distributed', 'dask'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_workers_with_other_weights(
    job: Make, near: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_tiny_clip(64, 2, 32, 64, 32, 64, 2)
    other = save_tiny_clip(network, tmp_path / "tiny.safetensors")
    monkeypatch.setattr(
        cluster, "_model_of_head", lambda job: Segmenter.from_pretrained(other, device="cpu")
    )
    with pytest.raises(SettingsError, match=r"use the same weights everywhere \(on the worker"):
        run_on_cluster(job(), near)
    assert BatchState(job().state_folder).items() == ()


class Answering:
    """Stands for a client whose workers give certain answers."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def run(self, function: Any, *_: Any, **__: Any) -> Any:
        there = self.answers[function.__name__]
        return {f"tcp://w{at}": answer for at, answer in enumerate(there)}


@pytest.mark.parametrize(
    ("versions", "unseen", "message"),
    [
        (["{own}", "0.0.1"], [], r"w1: it has napari-itaclip 0\.0\.1.*same version"),
        ([ModuleNotFoundError("x")] * 5, [], "w2: it has no napari-itaclip; and 2 more workers"),
        (["{own}"], [["/in"]], "w0: it cannot see /in. Input and output must lie in folders"),
        (["{own}"], [OSError("gone")], "w0: gone"),
    ],
)
def test_workers_that_lack_something(
    job: Make, versions: list[Any], unseen: list[Any], message: str
) -> None:
    own = importlib.metadata.version("napari-itaclip")
    versions = [one.format(own=own) if isinstance(one, str) else one for one in versions]
    with pytest.raises(ClusterError, match=message):
        _cluster_checks.check_workers(Answering(version=versions, missing_paths=unseen), job())


def test_a_worker_that_sees_other_folders(
    job: Make, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with prepared(job()) as ready, _cluster_checks.shared_job(ready.context) as shared:
        check, place = _cluster_worker.check_worker, str(shared.path)
        files = _cluster_checks.sample_files(ready.items)
        assert files == [(str(given / "image 000.png"), ready.items[0].path.stat().st_size)]
        assert check(place, shared.sha256, files) == ""
        (path, size) = files[0]
        assert "sees another file" in check(place, shared.sha256, [(path, size + 1)])
        gone = str(tmp_path / "gone" / "image.png")
        assert "cannot see" in check(place, shared.sha256, [(gone, size)])
        _cluster_worker._contexts.clear()
        assert "sees another folder" in check(place, "0" * 64, files)
        assert "cannot see" in check(str(tmp_path / "no" / "job"), shared.sha256, files)
        monkeypatch.setattr(_cluster_worker, "__version__", "0.0.1")
        found = check(place, shared.sha256, files)
        assert "it has napari-itaclip 0.0.1, but the head has" in found
    assert not shared.path.exists()


def test_jobs_and_images_travel_as_plain_values(job: Make, tmp_path: Path) -> None:
    told = job(
        inputs=(str(tmp_path / "in" / "*.png"), tmp_path),
        vocabulary=Vocabulary.parse("a 'quoted, name'; ü — 木; c").with_alpha(0.3),
        exports=(
            ExportTarget("coco", tmp_path / "c", ExportOptions(split="val", tolerance=0.1)),
            ExportTarget("cityscapes", tmp_path / "d", ExportOptions(id_map={"c": 7}, void=9)),
        ),
        preset=replace(QUICK, decide=replace(QUICK.decide, area_threshold=0.1 + 0.2)),
        precision="auto",
        redo_edited=True,
        scale=1 / 3,
    )
    for one in (told, replace(told, model=None, preset="voc21")):
        back = job_from_values(json.loads(json.dumps(job_to_values(one))))
        assert back.digest("m") == one.digest("m")
        assert (back.vocabulary, back.exports) == (one.vocabulary, one.exports)
        assert back.state_folder == one.state_folder
        assert (back.model_source, back.redo_edited) == (one.model_source, True)
        assert (back.device, back.precision, back.activation) == ("cpu", "auto", "auto")
        assert [str(path) for path in back.inputs] == [str(path) for path in one.inputs]
    item = BatchInput("a/b", tmp_path / "ü\udcff.zarr", 3, "0/labels", 0.5)
    assert input_from_values(json.loads(json.dumps(input_to_values(item)))) == item


# ---- the desk, with a cluster that does as it is told --------------------------------------------


class Future:
    """A task of `Fake`."""

    def __init__(self, key: str, status: str, value: Any) -> None:
        self.key, self.status, self._value = key, status, value

    def add_done_callback(self, call: Callable[[Future], None]) -> None:
        call(self)

    def result(self, timeout: float | None = None) -> Any:
        return self._value

    def exception(self) -> Any:
        return self._value


class Fake:
    """A cluster: says at once what becomes of an image, by its name and how often it came."""

    status = "running"

    def __init__(self, judge: Callable[[str, int], tuple[str, Any]], workers: int = 2) -> None:
        self.judge, self.workers = judge, workers
        self.came: dict[str, int] = {}
        self.under_way: Callable[[], int] = lambda: 0
        self.most = 0

    def nthreads(self) -> dict[str, int]:
        return {f"w{at}": 1 for at in range(self.workers)}

    def submit(self, _: Any, __: str, ___: str, item: Mapping[str, Any], **options: Any) -> Future:
        name = item["name"]
        self.came[name] = self.came.get(name, 0) + 1
        self.most = max(self.most, self.under_way() + 1)
        return Future(options["key"], *self.judge(name, self.came[name]))

    def run(self, *_: Any, **__: Any) -> None:
        pass

    def cancel(self, _: Any) -> None:
        pass


def fine(name: str, _: int = 1) -> tuple[str, Any]:
    return "finished", {"name": name, "ending": "done", "reason": ""}


def at_desk(fake: Fake, job: BatchJob, count: int) -> list[Outcome]:
    """Return what a desk makes of so many images."""

    class Context:
        state = BatchState(job.state_folder)

    items = tuple(BatchInput(f"{at:05d}", Path(f"/in/{at}.png")) for at in range(count))
    ready: Any = Preparation(Context(), items, count)  # type: ignore[arg-type]
    shared = _cluster_checks.SharedJob(Path("/job"), "0" * 64)
    desk = Desk(fake, shared, ready, Tally(count), threading.Event(), patience=0)
    fake.under_way = lambda: len(desk._flying)
    found: list[Outcome] = []
    while not desk.over:
        found += desk.step()
    return found


def test_few_images_are_with_the_cluster_at_once(job: Make) -> None:
    fake = Fake(fine, workers=3)
    assert len(at_desk(fake, job(), 2000)) == 2000
    assert fake.most == 6
    assert set(fake.came.values()) == {1}


def test_an_image_that_ends_its_workers_is_a_problem_of_its_own(job: Make) -> None:
    worker = distributed.scheduler.WorkerState
    killed = distributed.KilledWorker("label-1", worker, 3)

    def judge(name: str, times: int) -> tuple[str, Any]:
        # 3 is to blame; 4 only stood beside it.
        if name == "00003" or (name == "00004" and times == 1):
            return "error", killed
        return fine(name)

    fake = Fake(judge)
    found = at_desk(fake, job(), 10)
    assert len(found) == 10
    assert [one.name for one in found if one.ending == "failed"] == ["00003"]
    (reason,) = (one.reason for one in found if one.reason)
    assert "4 workers ended while they worked on it" in reason
    assert {name: times for name, times in fake.came.items() if times > 1} == {
        "00003": 2,
        "00004": 2,
    }


@pytest.mark.parametrize(
    ("status", "value", "error", "message"),
    [
        ("cancelled", None, ClusterError, "has dropped the work.*run the same command again"),
        ("error", ModuleNotFoundError("no torch"), ClusterError, "same packages installed"),
        ("finished", {"stop": "OutputError", "reason": "full"}, OutputError, "full"),
        ("finished", {"stop": "ClusterError", "reason": "blind"}, ClusterError, "blind"),
    ],
)
def test_what_ends_the_whole_batch(
    job: Make, status: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        at_desk(Fake(lambda name, _: (status, value)), job(), 10)


def test_workers_that_all_leave(job: Make) -> None:
    fake: Any = Fake(fine, workers=0)
    fake.scheduler = type("Scheduler", (), {"address": "tcp://far:1"})
    with pytest.raises(ClusterError, match="has had no workers"):
        at_desk(fake, job(), 10)


def test_finished_by_a_worker_that_died_afterwards_counts_as_done(job: Make) -> None:
    skipped = {"name": "", "ending": "skipped", "reason": ""}
    found = at_desk(Fake(lambda name, _: ("finished", skipped)), job(), 2)
    assert [one.ending for one in found] == ["done", "done"]


# ---- killed --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a cluster of two worker processes, forked from one that has loaded everything."""
    killing.start_server()
    patch = pytest.MonkeyPatch()
    with (
        patch.context() as world,
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
    ):
        world.setattr("distributed.utils._forkserver_preload_set", True)
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            env={CACHE_VARIABLE: str(tmp_path_factory.mktemp("workers' cache"))},
        ) as found:
            yield found


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute as the workers do: with more threads, sums are rounded in another order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_workers_that_are_killed(
    far: Any, weights: Path, segmenter: Segmenter, tmp_path: Path, one_thread: None
) -> None:
    save_pictures(tmp_path / "in", 60)
    Image.fromarray(picture(3)).save(tmp_path / "in" / "killer.png")
    (tmp_path / "in" / "image 005.png").write_bytes(b"not a picture")
    job = make_job(weights, tmp_path / "in", tmp_path / "out")
    first = replace(job, inputs=(str(tmp_path / "in" / "image*.png"),))
    moment = random.Random(6).randint(20, 200)
    with distributed.Client(far.scheduler_address, set_as_default=False) as client:
        one = min(client.nthreads())
        pids = client.run(end_at_change, str(tmp_path / "out"), moment, workers=[one])
        report = run_on_cluster(first, far.scheduler_address)
        assert (report.done, len(report.failed)) == (59, 1)
        assert one not in client.nthreads()
        assert pids[one] not in client.run(os.getpid).values()
        expected = undisturbed(first, segmenter, tmp_path / "alone")
        assert tree(tmp_path / "out") == expected
        # An image that ends whoever opens it: once among others, once alone.
        client.register_plugin(EndAtFile("killer.png"))
        far.scheduler.allowed_failures = 0
        report = run_on_cluster(job, far.scheduler_address)
        assert (report.done, report.skipped) == (0, 59)
        assert "1 workers ended while they worked on it" in dict(report.failed)["killer"]
        assert len(report.failed) == 2

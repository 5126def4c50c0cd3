"""Named models: found where open_clip keeps them, fetched with progress, clear when impossible."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from napari_itaclip.clip import checkpoints, registry, weights_cache
from napari_itaclip.clip.checkpoints import load_clip
from napari_itaclip.clip.registry import DEFAULT_MODEL, MODELS
from napari_itaclip.clip.weights_cache import cached, fetch, list_models
from napari_itaclip.errors import CheckpointError


def put_into_hub_cache(filename: str, content: bytes = b"some weights") -> Path:
    """Lay a file where the Hub's client would."""
    folder = Path(constants.HF_HUB_CACHE) / (
        "models--" + MODELS[DEFAULT_MODEL].hub.replace("/", "--")
    )
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    path = folder / "snapshots" / ("0" * 40) / filename
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


class Answering:
    """Stands in for the Hub client's session: the Hub answers."""

    def head(self, url: str, timeout: float) -> None:
        assert url
        assert timeout


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the Hub can be reached."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_session", Answering)


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[str]:
    """Serve a folder on this computer; yields its address."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def with_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Give the default model another address."""
    changed = dict(MODELS) | {DEFAULT_MODEL: replace(MODELS[DEFAULT_MODEL], url=url)}
    for module in (registry, weights_cache, checkpoints):
        monkeypatch.setattr(module, "MODELS", changed)


def test_nothing_is_cached_in_an_empty_cache() -> None:
    rows = {row.name: row for row in list_models()}
    assert rows.keys() == MODELS.keys()
    assert [name for name, row in rows.items() if row.default] == [DEFAULT_MODEL]
    for name, row in rows.items():
        if MODELS[name].resource is None:
            assert not row.cached
            assert not cached(name)
            assert row.path is None
            assert row.size_mb == MODELS[name].size_mb
    with pytest.raises(CheckpointError, match="unknown model"):
        cached("nothing")


@pytest.mark.parametrize("filename", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_found_in_the_hubs_cache(filename: str) -> None:
    path = put_into_hub_cache(filename)
    assert cached(DEFAULT_MODEL)
    assert fetch(DEFAULT_MODEL) == path
    row = next(row for row in list_models() if row.default)
    assert row.cached
    assert row.path == path
    assert not cached("openai-vit-b-32")


def test_found_where_open_clip_keeps_openais_files(tmp_path: Path) -> None:
    path = tmp_path / "direct" / "ViT-B-16.pt"
    path.parent.mkdir()
    path.write_bytes(b"some weights")
    assert fetch(DEFAULT_MODEL) == path


def test_a_damaged_file_in_the_cache_is_named() -> None:
    path = put_into_hub_cache("open_clip_model.safetensors", b"\xff\0\0\0\0\0\0\0{")
    with pytest.raises(CheckpointError) as caught:
        load_clip(DEFAULT_MODEL, device="cpu", precision="float32")
    assert str(path) in str(caught.value)
    assert "truncated" in str(caught.value)


def test_offline_says_what_was_tried_and_what_to_do() -> None:
    with pytest.raises(CheckpointError) as caught:
        load_clip(DEFAULT_MODEL, device="cpu", precision="float32")
    message = str(caught.value)
    for part in (
        "'openai-vit-b-16'",
        "HF_HUB_OFFLINE is set",
        constants.HF_HUB_CACHE,
        MODELS[DEFAULT_MODEL].hub,
        "HF_HUB_CACHE",
        "--checkpoint",
        "demo",
        "models fetch",
    ):
        assert part in message
    assert "openaipublic" not in message  # offline means no network at all
    assert caught.value.__cause__ is not None


def test_an_unreachable_hub_is_asked_once_and_then_the_publisher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Silent:
        def head(self, url: str, timeout: float) -> None:
            asked.append(url)
            raise ConnectionError("nobody answers\nmore")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_session", Silent)
    with_url(monkeypatch, "http://127.0.0.1:9/ViT-B-16.pt")
    with pytest.raises(
        CheckpointError, match=r"nobody answers\); http://127.0.0.1:9.*refused"
    ) as e:
        fetch(DEFAULT_MODEL)
    assert len(asked) == 1
    assert isinstance(e.value.__cause__, ConnectionError)
    assert "HF_HUB_OFFLINE is set" not in str(e.value)


@pytest.mark.usefixtures("hub")
def test_fetching_from_the_hub_reports_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def download(
        repo: str, filename: str, *, library_name: str, tqdm_class: type | None = None
    ) -> str:
        assert repo == MODELS[DEFAULT_MODEL].hub
        assert library_name == "open_clip"
        calls.append(filename)
        if filename.endswith(".safetensors"):
            raise EntryNotFoundError("no such file in the repository")
        assert tqdm_class is not None
        with tqdm_class(total=10, unit="B", desc="x", disable=None, name="hub") as bar:
            wire = tqdm_class(total=99)
            for _ in range(5):
                bar.update(2)
                wire.update(1)
                bar.set_postfix_str("fast")
            wire.close()
        return "/somewhere"

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    seen: list[tuple[int, int | None]] = []
    assert fetch(DEFAULT_MODEL, lambda done, total: seen.append((done, total))) == Path(
        "/somewhere"
    )
    assert calls == ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    assert seen == [(2, 10), (4, 10), (6, 10), (8, 10), (10, 10)]


@pytest.mark.usefixtures("hub")
def test_a_hub_that_falls_silent_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def download(repo: str, filename: str, **options: object) -> str:
        calls.append(filename)
        raise LocalEntryNotFoundError("the connection broke")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(CheckpointError, match="the connection broke"):
        fetch("laion2b-vit-b-16")
    assert len(calls) == 1


@pytest.fixture
def broken_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only the publisher's own address answer."""

    def fail() -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_session", fail)


@pytest.mark.usefixtures("broken_hub")
def test_fetching_from_the_publisher(
    publisher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 8192
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "site" / digest).mkdir()
    (tmp_path / "site" / digest / "ViT-B-16.pt").write_bytes(content)
    with_url(monkeypatch, f"{publisher}/{digest}/ViT-B-16.pt")
    seen: list[tuple[int, int | None]] = []
    path = fetch(DEFAULT_MODEL, lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "direct" / "ViT-B-16.pt"
    assert path.read_bytes() == content
    assert seen[-1] == (len(content), len(content))
    assert cached(DEFAULT_MODEL)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("broken_hub")
def test_a_wrong_download_is_not_kept(
    publisher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "0" * 64
    (tmp_path / "site" / wrong).mkdir()
    (tmp_path / "site" / wrong / "ViT-B-16.pt").write_bytes(b"something else")
    with_url(monkeypatch, f"{publisher}/{wrong}/ViT-B-16.pt")
    with pytest.raises(CheckpointError, match="not the promised file"):
        fetch(DEFAULT_MODEL)
    assert not cached(DEFAULT_MODEL)
    assert list((tmp_path / "direct").iterdir()) == []


def test_a_missing_demo_model_says_reinstall(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dict(MODELS) | {"demo": replace(MODELS["demo"], resource="data/missing.safetensors")}
    for module in (registry, weights_cache, checkpoints):
        monkeypatch.setattr(module, "MODELS", changed)
    assert not cached("demo")
    with pytest.raises(CheckpointError, match=r"missing\.safetensors.*reinstall"):
        load_clip("demo", device="cpu", precision="float32")

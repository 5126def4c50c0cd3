"""Weights are read from every format; everything else is refused, and nothing is executed."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_itaclip.clip.weights_file import WeightsFile, read_weights
from napari_itaclip.errors import CheckpointError
from tests.clip.small_clips import save_archive

SOME = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1.5)}


def assert_holds(content: WeightsFile, wanted: dict[str, Tensor]) -> None:
    assert content.tensors.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(content.tensors[name], tensor), name


class Attack:
    """Creates a file when a careless reader loads it."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch.__get__(self.victim), ()  # type: ignore[return-value]


def test_safetensors_with_metadata(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(SOME, path, metadata={"activation": "gelu"})
    content = read_weights(path)
    assert content.format == "safetensors"
    assert content.metadata == {"activation": "gelu"}
    assert_holds(content, SOME)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
@pytest.mark.parametrize("nested", [True, False])
def test_state_dict(tmp_path: Path, zipped: bool, prefix: str, nested: bool) -> None:
    path = tmp_path / "x.bin"
    named = {prefix + name: tensor for name, tensor in SOME.items()}
    content = {"epoch": 3, "state_dict": named} if nested else named
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert_holds(read_weights(path), SOME)


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save_file(SOME, path)
    assert read_weights(path).format == "safetensors"


def test_torchscript_archive(tmp_path: Path) -> None:
    half = {"a.weight": SOME["a.weight"].half(), "c.d.e": torch.ones(3, 2).t()}
    content = read_weights(save_archive(half, tmp_path / "x.pt"))
    assert content.format == "torchscript"
    assert torch.equal(content.tensors["a.weight"], half["a.weight"])
    assert content.tensors["a.weight"].dtype == torch.float16
    assert torch.equal(content.tensors["c.d.e"], half["c.d.e"])
    assert content.tensors["a.weight"].requires_grad
    assert int(content.tensors["context_length"]) == 77


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    for name, tensors in (("x", SOME), ("y", SOME), ("z", {"a": torch.zeros(1)})):
        save_file(tensors, tmp_path / name)
    x, y, z = (read_weights(tmp_path / name).sha256 for name in "xyz")
    assert x == y != z
    save_file({"a": torch.zeros(2)}, tmp_path / "x")
    assert read_weights(tmp_path / "x").sha256 != x


# --- what is not a weights file ---


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.pt.*no such file"):
        read_weights(tmp_path / "nothing.pt")
    with pytest.raises(CheckpointError, match="it is a folder"):
        read_weights(tmp_path)
    (tmp_path / "empty.pt").touch()
    with pytest.raises(CheckpointError, match=r"empty\.pt.*it is empty"):
        read_weights(tmp_path / "empty.pt")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"just some words, no weights\n" * 9, "it is a text file"),
        (b'{"a": 1, "b": 2}', "it is a text file"),
        (b"settings{with: a brace, ninth}\n", "it is a text file"),
        (b"\n<!DOCTYPE html><html></html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "it is not a weights file"),
        (pickle.dumps({"a": 1}), "it is not a weights file"),
        (bytes(7), "it is not a weights file"),
    ],
)
def test_foreign_content(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "words.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"words\.pt.*{what}.*Readable are"):
        read_weights(path)


def test_a_foreign_zip(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear reader")
    with pytest.raises(CheckpointError, match="not one that PyTorch wrote"):
        read_weights(path)


def test_a_table_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read_weights(tmp_path / "x.pt")
    torch.save([torch.zeros(1)], tmp_path / "y.pt")
    with pytest.raises(CheckpointError, match="holds a list"):
        read_weights(tmp_path / "y.pt")


# --- what is damaged ---


@pytest.mark.parametrize("kind", ["safetensors", "state_dict", "legacy", "torchscript"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_truncated(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / "x.pt"
    tensors = {f"layer{i}.weight": torch.randn(20, 20) for i in range(5)}
    if kind == "safetensors":
        save_file(tensors, path)
    elif kind == "torchscript":
        save_archive(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "state_dict")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"x\.pt.*it is truncated"):
        read_weights(path)


def test_flipped_bits_in_an_archive(tmp_path: Path) -> None:
    path = save_archive({"a.weight": torch.full((64, 64), 7.0)}, tmp_path / "x.pt")
    content = bytearray(path.read_bytes())
    place = content.find(np.full(64, 7.0, np.float32).tobytes())
    content[place + 5] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pt.*damaged"):
        read_weights(path)


# --- what is dangerous ---


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_state_dict_is_not_executed(tmp_path: Path, zipped: bool) -> None:
    path, victim = tmp_path / "x.pt", tmp_path / "victim"
    torch.save({"a": Attack(victim)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"x\.pt.*more than tensors"):
        read_weights(path)
    assert not victim.exists()


def with_pickle(path: Path, data: bytes) -> Path:
    """Write a TorchScript archive with a description of our own."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/constants.pkl", b"")
        archive.writestr("x/data.pkl", data)
        archive.writestr("x/data/0", np.arange(4, dtype=np.float32).tobytes())
    return path


def test_a_malicious_archive_is_not_executed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    path = with_pickle(tmp_path / "x.pt", pickle.dumps(Attack(victim), 2))
    with pytest.raises(CheckpointError, match=r"x\.pt.*it asks for .*not a tensor"):
        read_weights(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "builtins eval",
        "builtins getattr",
        "torch load",
        "torch._utils _rebuild_parameter_with_state",
        "torch.jit._pickle restore_type_tag",
        "collections namedtuple",
    ],
)
def test_an_archive_may_name_nothing_but_tensors(tmp_path: Path, name: str) -> None:
    module, function = name.split()
    data = f"c{module}\n{function}\n(V1\ntR.".encode()
    with pytest.raises(CheckpointError, match=f"it asks for {module}.{function}"):
        read_weights(with_pickle(tmp_path / "x.pt", data))


def test_an_archive_cannot_change_the_reader(tmp_path: Path) -> None:
    data = b"ctorch._utils\n_rebuild_tensor_v2\n(N}V__call__\nV1\nsdtb."
    with pytest.raises(CheckpointError, match=r"x\.pt.*not an archive of weights|damaged"):
        read_weights(with_pickle(tmp_path / "x.pt", data))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (5,), (1,)), (2, (3,), (1,)), (0, (2, 3), (2, 1)), (-1, (1,), (1,)), (0, (2,), (-1,))],
)
def test_a_tensor_cannot_reach_past_its_data(
    tmp_path: Path, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    class Storage:
        pass

    class Rebuild:
        def __reduce__(self) -> tuple[object, ...]:
            from torch._utils import _rebuild_tensor_v2

            return _rebuild_tensor_v2, (Storage(), offset, size, stride, False, None)

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            if isinstance(obj, Storage):
                return ("storage", torch.FloatStorage, "0", "cpu", 4)
            return None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({"a": Rebuild()})
    with pytest.raises(CheckpointError, match="a tensor"):
        read_weights(with_pickle(tmp_path / "x.pt", buffer.getvalue()))

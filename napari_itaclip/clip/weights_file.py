"""Read a file of weights without ever running what it contains.

What a file is, is decided by its first bytes and not by its name.
"""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from napari_itaclip.clip.torchscript_file import ArchiveError, read_torchscript
from napari_itaclip.errors import CheckpointError

Format = Literal["safetensors", "torchscript", "state_dict"]

_LEGACY_TORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
_MAX_HEADER = 100_000_000  # what the safetensors format allows
_NESTED_IN = ("state_dict", "model_state_dict", "model")
_WRAPPERS = ("module.", "_orig_mod.")
_READABLE = "OpenAI's .pt archive, a PyTorch state dict (.pt, .pth, .bin) or .safetensors"


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file.

    Parameters
    ----------
    path
        The file.
    format
        What it turned out to be.
    tensors
        Name to tensor, on the CPU, as stored.
    metadata
        The text entries of a safetensors header; empty for other formats.
    sha256
        Of the whole file, hexadecimal.
    """

    path: Path
    format: Format
    tensors: dict[str, Tensor]
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_weights(path: Path) -> WeightsFile:
    """Read every tensor of a weights file.

    Parameters
    ----------
    path
        OpenAI's TorchScript archive, a PyTorch state dict (also nested under ``state_dict``, also
        with a ``module.`` prefix), or a safetensors file.

    Returns
    -------
    WeightsFile
        Tensors, metadata and the file's hash.

    Raises
    ------
    CheckpointError
        When the file is missing, empty, truncated, something else, or holds more than tensors. The
        message names the file and what is wrong with it.
    """
    try:
        if path.is_dir():
            raise _wrong(path, "it is a folder; give the weights file inside it")
        if not path.exists():
            raise _wrong(path, "there is no such file", ends=True)
        stat = path.stat()
        if stat.st_size == 0:
            raise _wrong(path, "it is empty (an interrupted download?)")
        with path.open("rb") as stream:
            head = stream.read(512)
        kind = _recognise(path, head)
        sha256 = _hash(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror or error})") from error
    metadata: Mapping[str, str] = {}
    if kind == "safetensors":
        tensors, metadata = _read_safetensors(path, head, stat.st_size)
    elif kind == "torchscript":
        tensors = _read_torchscript(path)
    else:
        tensors = _read_state_dict(path)
    if not tensors:
        raise _wrong(path, "it holds no tensors")
    return WeightsFile(path, kind, _unwrap(tensors), sha256, metadata)


def _recognise(path: Path, head: bytes) -> Format:
    """Tell the format from the first bytes, or say what the file is instead."""
    if head.startswith(b"PK\x03\x04"):
        return _recognise_zip(path)
    if head.startswith(_LEGACY_TORCH):
        return "state_dict"
    # The length of the header, then the header; a text's first letters are a far larger number.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_HEADER:
        return "safetensors"
    if head.startswith(b"version https://git-lfs"):
        raise _wrong(path, "it is a Git LFS pointer, not the weights: run 'git lfs pull'")
    if head.lstrip()[:1] == b"<":
        raise _wrong(path, "it is a web page, not weights: the download went wrong")
    text = b"\0" not in head and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
    raise _wrong(path, "it is a text file" if text else "it is not a weights file")


def _recognise_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise _wrong(path, "it is truncated or damaged (a zip archive without its end)") from error
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return "torchscript"
    if any(name.endswith("/data.pkl") for name in names):
        return "state_dict"
    raise _wrong(path, "it is a zip archive, but not one that PyTorch wrote")


def _read_safetensors(
    path: Path, head: bytes, size: int
) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    from safetensors import SafetensorError, safe_open

    if 8 + int.from_bytes(head[:8], "little") > size:
        raise _wrong(path, "it is truncated (its safetensors header is cut off)")
    try:
        with safe_open(path, framework="pt", device="cpu") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            return tensors, dict(stream.metadata() or {})
    except SafetensorError as error:
        raise _wrong(path, f"it is truncated or damaged (safetensors: {error})") from error


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            return read_torchscript(archive)
    except ArchiveError as error:
        raise _wrong(path, f"it is not an archive of weights: {error}") from error
    # A damaged pickle can fail in as many ways as there are operations in it.
    except Exception as error:
        raise _wrong(path, f"it is truncated or damaged ({error})") from error


def _read_state_dict(path: Path) -> dict[str, Tensor]:
    try:
        # Mapped into memory where the format allows it: optimiser states are then never read.
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise _wrong(
                path, f"it holds more than tensors and is not read for safety ({_short(error)})"
            ) from error
        raise _wrong(path, f"it is truncated or damaged ({_short(error)})") from error
    # A damaged file can fail in as many ways as its reader has steps.
    except Exception as error:
        raise _wrong(path, f"it is truncated or damaged ({_short(error)})") from error
    for name in _NESTED_IN:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping):
        raise _wrong(path, f"it holds a {type(content).__name__}, not a table of named tensors")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _unwrap(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take off the prefixes that parallel training and compilation put before every name."""
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


@lru_cache(maxsize=16)
def _hash(path: Path, modified_ns: int, size: int) -> str:
    """Hash a file; the time and size of its last change make a changed file a new question."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wrong(path: Path, what: str, ends: bool = False) -> CheckpointError:
    advice = "" if ends else f". Readable are {_READABLE}"
    return CheckpointError(f"cannot use {str(path)!r} as weights: {what}{advice}.")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

"""Read the tensors of a TorchScript archive (OpenAI's ``.pt`` files) without running it.

Such a file is a zip archive: ``data.pkl`` describes the tree of modules, ``data/N`` hold the bytes
of the tensors, ``code/`` holds a program. Only the first two are read. The description is a pickle,
and a pickle can name any function to call; the reader here knows one function, which builds a
tensor, and turns the modules into inert boxes. Everything else is refused.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

_STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class ArchiveError(Exception):
    """The archive holds something that a weights file has no business holding, or is damaged."""


def read_torchscript(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    """Read every tensor of a TorchScript archive.

    Parameters
    ----------
    archive
        The opened zip file.

    Returns
    -------
    dict
        Dotted attribute path to tensor. Parameters require a gradient, buffers and other attributes
        do not, as they were saved.

    Raises
    ------
    ArchiveError
        When the archive asks for anything but tensors and modules, or contradicts itself.
    zipfile.BadZipFile
        When an entry's checksum does not match.
    """
    described = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(described) != 1:
        raise ArchiveError("it has no single data.pkl")
    folder = described[0].removesuffix("data.pkl")
    if folder + "byteorder" in archive.namelist():
        order = archive.read(folder + "byteorder").strip()
        if order != b"little":
            raise ArchiveError(f"its numbers are stored in {order.decode(errors='replace')} order")
    reader = _TensorUnpickler(archive, folder, archive.read(described[0]))
    tensors: dict[str, Tensor] = {}
    _collect(reader.load(), "", tensors, set())
    return tensors


class _Inert:
    """Accepts no attribute and no state: an archive can pass it around and do nothing to it."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise ArchiveError("it tries to change the reader")


class _StorageType(_Inert):
    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _Module:
    """A module of the saved tree: a box of attributes, without its code."""

    __slots__ = ("attributes",)

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise ArchiveError("a module's attributes are not a table of names")
        self.attributes = state


class _BuildTensor(_Inert):
    """What ``torch._utils._rebuild_tensor_v2`` does, with every number checked."""

    __slots__ = ()

    def __call__(
        self,
        storage: object,
        offset: object,
        size: object,
        stride: object,
        requires_grad: object = False,
        *rest: object,
    ) -> Tensor:
        if not isinstance(storage, Tensor) or not isinstance(offset, int):
            raise ArchiveError("a tensor has no storage")
        sizes, strides = _counts(size), _counts(stride)
        if len(sizes) != len(strides) or offset < 0:
            raise ArchiveError("a tensor's shape contradicts itself")
        last = offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
        if 0 not in sizes and last >= storage.numel():
            raise ArchiveError("a tensor reaches past the end of its storage")
        tensor = storage.as_strided(sizes, strides, offset)
        if requires_grad is True and tensor.is_floating_point():
            tensor.requires_grad_(True)
        return tensor


class _BuildPlain(_Inert):
    """Lists of plain numbers come wrapped in a call; the list itself is all there is to it."""

    __slots__ = ()

    def __call__(self, values: object = ()) -> object:
        return values


class _TensorUnpickler(pickle.Unpickler):
    """Knows tensors, storages, ordered tables and modules; refuses every other name."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._archive = archive
        self._folder = folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return a harmless stand-in for the few names that may occur."""
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _BuildTensor()
        if module == "torch" and name in _STORAGE_TYPES:
            return _StorageType(_STORAGE_TYPES[name])
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return _BuildPlain()
        raise ArchiveError(f"it asks for {module}.{name}, which is not a tensor; not read")

    def persistent_load(self, pid: object) -> Tensor:
        """Read one storage, as a flat tensor."""
        if not isinstance(pid, tuple) or len(pid) < 5 or not isinstance(pid[1], _StorageType):
            raise ArchiveError("a storage is described in an unknown way")
        key, dtype = str(pid[2]), pid[1].dtype
        if key not in self._storages:
            entry = f"{self._folder}data/{key}"
            if entry not in self._archive.namelist():
                raise ArchiveError(f"the tensor data {entry!r} is missing")
            data = bytearray(self._archive.read(entry))
            if len(data) % dtype.itemsize:
                raise ArchiveError(f"the tensor data {entry!r} has a broken length")
            self._storages[key] = (
                torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            )
        storage = self._storages[key]
        if storage.dtype != dtype:
            raise ArchiveError(f"the tensor data {key!r} is used in two formats")
        return storage


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple | list):
        raise ArchiveError("a tensor's shape is not a list")
    numbers = tuple(values)
    if not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ArchiveError("a tensor's shape is not made of whole numbers")
    return numbers


def _collect(node: object, prefix: str, into: dict[str, Tensor], path: set[int]) -> None:
    """Walk the tree of modules; a module inside itself ends the walk."""
    if isinstance(node, _Module):
        items: Mapping[str, Any] = node.attributes
    elif isinstance(node, dict) and not prefix:
        items = {str(key): value for key, value in node.items()}
    else:
        return
    if id(node) in path:
        raise ArchiveError("a module contains itself")
    for name, value in items.items():
        if isinstance(value, Tensor):
            into[prefix + name] = value
        else:
            _collect(value, f"{prefix}{name}.", into, path | {id(node)})

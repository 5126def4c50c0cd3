"""Which processor the network runs on, and in which number format."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch.nn import functional

from napari_itaclip.errors import SettingsError

PRECISIONS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

MIN_CPU_GAIN = 1.3
"""bfloat16 must beat float32 by this factor on the CPU before ``auto`` chooses it."""


def available_devices() -> tuple[str, ...]:
    """List the devices on this computer, the fastest first; ``cpu`` is always the last."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if _has_cuda() else []
    if _has_mps():
        names.append("mps")
    return (*names, "cpu")


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Turn what a person asked for into a device that exists.

    Parameters
    ----------
    device
        ``auto`` (the first of `available_devices`), ``cuda``, ``cuda:N``, ``mps`` or ``cpu``.

    Returns
    -------
    torch.device
        CUDA devices carry their index.

    Raises
    ------
    SettingsError
        For an unknown device or one that this computer does not have.
    """
    there = available_devices()
    wanted = str(device).strip().lower()
    if wanted == "auto":
        return torch.device(there[0])
    kind, _, index = wanted.partition(":")
    if kind not in ("cuda", "mps", "cpu") or (index and not index.isdecimal()):
        raise SettingsError(
            f"unknown device {str(device)!r}: use auto, cuda, cuda:N, mps or cpu "
            f"(here: {', '.join(there)})"
        )
    if kind == "cuda":
        wanted = f"cuda:{int(index or 0)}"
    elif index and int(index) != 0:
        raise SettingsError(f"device {str(device)!r}: there is only one {kind}")
    else:
        wanted = kind
    if wanted not in there:
        hint = "" if kind != "cuda" or _has_cuda() else " (torch finds no usable CUDA device)"
        raise SettingsError(
            f"device {str(device)!r} is not available{hint}: this computer has {', '.join(there)}"
        )
    return torch.device(wanted)


def resolve_precision(precision: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Choose the number format of the network.

    ``auto`` means: on CUDA bfloat16 where the card computes in it, else float16; on MPS float32
    (half precision there loses accuracy in some operations); on the CPU bfloat16 where a short
    measurement shows that it is faster (see `cpu_bfloat16_gain`), else float32.

    Parameters
    ----------
    precision
        ``auto``, ``float32``, ``bfloat16`` or ``float16``.
    device
        Where the network will run.

    Returns
    -------
    torch.dtype
        The format of the parameters and activations.

    Raises
    ------
    SettingsError
        For an unknown precision, or one that is of no use on this device.
    """
    wanted = str(precision).removeprefix("torch.").strip().lower()
    if wanted == "auto":
        return _automatic(device)
    if wanted not in PRECISIONS:
        raise SettingsError(
            f"unknown precision {str(precision)!r}: use auto, {', '.join(PRECISIONS)}"
        )
    if wanted == "float16" and device.type == "cpu":
        raise SettingsError(
            "precision 'float16' is slower than float32 on a CPU: use bfloat16, float32 or auto"
        )
    return PRECISIONS[wanted]


@cache
def cpu_bfloat16_gain() -> float:
    """Measure how much faster this CPU multiplies matrices in bfloat16 than in float32.

    A matrix product as in one window of a ViT-B, on one thread (a measurement with several says
    more about what else the computer is doing), the best of ten in each format; about 50 ms, once
    per process.

    Returns
    -------
    float
        Time in float32 over time in bfloat16; 0 where bfloat16 does not work at all.
    """
    operands = {
        dtype: (torch.ones(197, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype))
        for dtype in (torch.float32, torch.bfloat16)
    }
    best = dict.fromkeys(operands, float("inf"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # In turns, so that other work on the computer slows both alike.
        for attempt in range(11):
            for dtype, (x, weight) in operands.items():
                start = time.perf_counter()
                functional.linear(x, weight)
                taken = time.perf_counter() - start
                if attempt:  # the first one pays for setting up
                    best[dtype] = min(best[dtype], taken)
            # Emulated bfloat16 can be many times slower: do not wait for ten of them.
            if attempt > 2 and best[torch.bfloat16] > 5 * best[torch.float32]:
                break
    except RuntimeError:  # no such kernel
        return 0.0
    finally:
        torch.set_num_threads(threads)
    return best[torch.float32] / best[torch.bfloat16]


def _automatic(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        with torch.cuda.device(device):
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if device.type == "cpu" and cpu_bfloat16_gain() >= MIN_CPU_GAIN:
        return torch.bfloat16
    return torch.float32


def _has_cuda() -> bool:
    return bool(torch.cuda.is_available())


def _has_mps() -> bool:
    return bool(torch.backends.mps.is_available())

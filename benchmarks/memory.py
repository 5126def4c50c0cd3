"""Measures the peak memory of a whole segmentation, in a process of its own.

``python -m benchmarks.memory CHECKPOINT`` is that process; it prints a line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.report import Figure
from benchmarks.workload import MemoryCase, Workload, photo, random_rows
from napari_itaclip.clip.checkpoints import load_clip
from napari_itaclip.clip.text import ClassEmbeddings
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import (
    DecisionSettings,
    EncodeSettings,
    RefineSettings,
)
from napari_itaclip.vocabulary.classes import Vocabulary

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class _Peak:
    """Highest resident memory so far, in bytes; None where the system does not tell."""

    after_import: int | None
    after_load: int | None
    after_encode: int | None
    at_the_end: int | None


def measure_memory(work: Workload) -> Iterator[Figure]:
    """Segment large pictures with many classes, refined, in fresh processes."""
    for case in work.size.memory:
        found = _in_fresh_process(work, case)
        peak = found["at_the_end"]
        on_card = "" if work.on_cpu else f"; {found['gpu_peak'] / 1e9:.2f} GB on the card"
        yield Figure(
            "memory",
            f"{case.classes}_classes_{case.height}x{case.width}",
            f"peak of {case.classes} classes at {case.height}x{case.width}",
            None if peak is None else peak / 1e9,
            "GB",
            case.limit_gb if work.on_cpu else None,
            "<",
            note=f"{found['seconds']:.3g} s without the text{on_card}",
            details=found,
        )


def _in_fresh_process(work: Workload, case: MemoryCase) -> dict[str, Any]:
    encode = work.preset.encode
    options = {
        "classes": case.classes,
        "height": case.height,
        "width": case.width,
        "short-side": encode.short_side,
        "stride": encode.stride,
        "threads": torch.get_num_threads(),
        "device": work.device,
        "precision": work.fast_precision,
    }
    command = [sys.executable, "-m", "benchmarks.memory", str(work.checkpoint)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measurement of memory failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_memory() -> int | None:
    """Return the highest resident memory of this process so far, in bytes; None on Windows."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux lets a process inherit the `ru_maxrss` of the one that started it.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def segment_once(
    checkpoint: Annotated[Path, typer.Argument(help="Weights to load.")],
    classes: Annotated[int, typer.Option()],
    height: Annotated[int, typer.Option()],
    width: Annotated[int, typer.Option()],
    short_side: Annotated[int, typer.Option()],
    stride: Annotated[int, typer.Option()],
    threads: Annotated[int, typer.Option()] = 2,
    device: Annotated[str, typer.Option()] = "cpu",
    precision: Annotated[str, typer.Option()] = "float32",
) -> None:
    """Load, encode, score, refine and decide; print the peaks as JSON."""
    torch.set_num_threads(threads)
    after_import = peak_memory()
    picture = photo(height, width)
    vocabulary = Vocabulary([f"class {number}" for number in range(classes)])
    start = time.perf_counter()
    model = load_clip(checkpoint, device=device, precision=precision)
    after_load = peak_memory()
    segmenter = Segmenter(model)
    features = segmenter.encode(picture, EncodeSettings(short_side=short_side, stride=stride))
    after_encode = peak_memory()
    rows = random_rows(classes, model.embed_dim, seed=0).to(model.device)
    embeddings = ClassEmbeddings(rows, tuple(range(classes)), vocabulary.words, {})
    result = segmenter.segment_embedded(
        features,
        vocabulary,
        embeddings,
        refine=RefineSettings(),
        decision=DecisionSettings(),
    )
    seconds = time.perf_counter() - start
    assert result.labels.shape == (height, width)
    peaks = _Peak(after_import, after_load, after_encode, peak_memory())
    on_card = torch.cuda.max_memory_allocated(model.device) if model.device.type == "cuda" else 0
    typer.echo(json.dumps(vars(peaks) | {"gpu_peak": on_card, "seconds": seconds}))


if __name__ == "__main__":
    typer.run(segment_once)

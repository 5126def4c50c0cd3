"""The process whose memory is measured; it prints a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def peak_bytes() -> int:
    """Return the highest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux lets a process inherit the `ru_maxrss` of the one that started it.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def label(
    image: Path,
    scale: Annotated[float, typer.Option()],
    preset: Annotated[str, typer.Option()],
    threads: Annotated[int, typer.Option()],
    classes: Annotated[str, typer.Option()],
    full_size: Annotated[bool, typer.Option("--full-size")] = False,
) -> None:
    """Label the image and print peak and time."""
    import torch

    from napari_itaclip.batch.large.run import segment_large
    from napari_itaclip.segmentation.segmenter import Segmenter

    torch.set_num_threads(threads)
    segmenter = Segmenter.from_pretrained("demo", device="cpu", precision="float32")
    before = peak_bytes()
    target = image.with_name("labels.tif")
    report = segment_large(
        image,
        classes,
        segmenter,
        scale=scale,
        preset=preset,
        output=target,
        full_size=full_size,
        margin=True,
    )
    found = {
        "peak_gb": round(peak_bytes() / 1e9, 3),
        "peak_gb_before_the_image": round(before / 1e9, 3),
        "seconds": round(report.seconds, 1),
        "windows": report.windows,
        "windows_per_second": round(report.windows / report.seconds, 2),
        "working_shape": report.working_shape,
        "label_shape": report.shape,
        "classes": len(report.pixels),
        "result_gb_on_disk": round(target.stat().st_size / 1e9, 4),
    }
    typer.echo(json.dumps(found))


if __name__ == "__main__":
    typer.run(label)

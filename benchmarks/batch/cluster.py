"""Batches on local Dask workers against one process: ``python -m benchmarks.batch.cluster``.

The same photographs are labelled by `run_batch` and by clusters of 1, 2 and 4 worker processes,
which share the computer's cores: as many threads as cores in all, and one each where there are
more workers than cores. All take turns; the median counts. What each needs once (starting
processes, loading the model, connecting) is left out.
"""

from __future__ import annotations

import importlib
import json
import statistics
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from benchmarks.batch.measure import WORDS, save_photos
from benchmarks.report import Figure, describe_machine, print_table
from napari_itaclip.batch.cluster import run_on_cluster
from napari_itaclip.batch.job import BatchJob, ExportTarget
from napari_itaclip.batch.run import run_batch
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import Preset, get_preset

WORKERS = (1, 2, 4)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def measure_clusters(
    folder: Path, model: str, preset: Preset, *, threads: int, images: int, rounds: int
) -> list[Figure]:
    """Return the speed of each cluster as a share of one process's."""
    distributed: Any = importlib.import_module("distributed")
    dask: Any = importlib.import_module("dask")
    # As docs/batch.md advises.
    dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None})
    segmenter = Segmenter.from_pretrained(model, device="cpu", precision="float32")
    photos = folder / "photos"
    save_photos(photos, images)
    numbers = iter(range(1 << 30))

    def fresh() -> BatchJob:
        return BatchJob(
            inputs=(photos,),
            vocabulary=WORDS,
            exports=(ExportTarget("voc", folder / f"out {next(numbers)}"),),
            preset=preset,
            model=model,
            device="cpu",
            precision="float32",
        )

    seconds: dict[int, list[float]] = {count: [] for count in (0, *WORKERS)}
    with ExitStack() as stack:
        clusters = {
            count: stack.enter_context(
                distributed.LocalCluster(
                    n_workers=count,
                    threads_per_worker=max(1, threads // count),
                    dashboard_address=":0",
                )
            )
            for count in WORKERS
        }
        for cluster in clusters.values():  # every worker loads the model
            run_on_cluster(fresh(), cluster.scheduler_address)
        run_batch(fresh(), segmenter=segmenter)
        for _ in range(rounds):
            seconds[0].append(run_batch(fresh(), segmenter=segmenter).seconds)
            for count, cluster in clusters.items():
                report = run_on_cluster(fresh(), cluster.scheduler_address)
                seconds[count].append(report.seconds)
    return [
        Figure(
            "cluster",
            f"workers_{count}",
            f"images per second with {count} local Dask workers, as a share of one process's",
            statistics.median(
                alone / there for alone, there in zip(seconds[0], seconds[count], strict=True)
            ),
            "fraction",
            note=f"{images / statistics.median(seconds[count]):.2f} images/s, "
            f"{max(1, threads // count)} threads each; one process: "
            f"{images / statistics.median(seconds[0]):.2f} images/s",
            details={"alone_s": seconds[0], "cluster_s": seconds[count], "images": images},
        )
        for count in WORKERS
    ]


@app.command()
def run(
    quick: Annotated[
        bool, typer.Option("--quick", help="Few images, to try the benchmark.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything to this file.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model by name.")] = "demo",
    preset: Annotated[str, typer.Option(help="Settings.")] = "balanced",
    threads: Annotated[int, typer.Option(min=1, help="Cores of the processor.")] = 2,
    images: Annotated[int, typer.Option(min=1, help="Photographs in each round.")] = 12,
    rounds: Annotated[int, typer.Option(min=1, help="How often all take their turns.")] = 3,
) -> None:
    """Measure 1, 2 and 4 local workers against one process."""
    torch.set_num_threads(threads)
    machine = describe_machine(torch.device("cpu"))
    with TemporaryDirectory() as name:
        figures = measure_clusters(
            Path(name),
            model,
            get_preset("draft" if quick else preset),
            threads=threads,
            images=6 if quick else images,
            rounds=1 if quick else rounds,
        )
    print_table(Console(), figures, machine, judge=False)
    if json_file is not None:
        content = {
            "schema": 1,
            "machine": machine,
            "figures": [figure.as_json(False) for figure in figures],
        }
        json_file.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    app()

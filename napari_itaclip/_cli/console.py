"""What the commands share: messages, progress, tables. Everything but results goes to stderr."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from napari_itaclip.segmentation.segmenter import Segmentation

out = Console()
err = Console(stderr=True)


class Advance(Protocol):
    """Moves a progress bar: what is done, and of how much."""

    def __call__(self, done: int, total: int | None) -> None:
        """Show ``done`` of ``total``; None if the total is unknown."""


def report_error(error: Exception) -> None:
    """Print an error for a person."""
    err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print a remark that is not a result."""
    err.print(escape(message), highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str, *, shown: bool = True) -> Iterator[Advance]:
    """Yield a function that moves a progress bar on stderr."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not shown,
    ) as bar:
        task = bar.add_task(escape(title), total=None)

        def advance(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def class_table(result: Segmentation, iou: dict[str, float] | None = None) -> Table:
    """Return a table of the classes with their shares and, if given, their IoU."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("class")
    table.add_column("share", justify="right")
    table.add_column("confidence", justify="right")
    if iou is not None:
        table.add_column("IoU", justify="right")
    for row in result.classes:
        cells = [
            f"[{row.color}]■[/]",
            escape(row.name),
            f"{row.share:.1%}",
            "-" if math.isnan(row.confidence) else f"{row.confidence:.2f}",
        ]
        if iou is not None:
            value = iou.get(row.name, math.nan)
            cells.append("-" if math.isnan(value) else f"{value:.2f}")
        table.add_row(*cells)
    return table

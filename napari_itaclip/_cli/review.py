"""``napari-itaclip review``: look through the images of a batch, the least certain first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_itaclip._cli.console import out, say
from napari_itaclip.annotation.review_queue import (
    ORDERS,
    Order,
    ReviewQueue,
)
from napari_itaclip.errors import SettingsError

if TYPE_CHECKING:
    from napari_itaclip.batch.state import BatchState


def review(
    folder: Annotated[
        Path, typer.Argument(help="Folder that the batch has exported to, or its state folder.")
    ],
    order: Annotated[str, typer.Option("--order", help=f"{' or '.join(ORDERS)}.")] = ORDERS[0],
    include_reviewed: Annotated[
        bool, typer.Option("--include-reviewed", help="Walk images, too, that are done already.")
    ] = False,
    as_list: Annotated[
        bool, typer.Option("--list", help="Print the queue instead of opening a window.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the queue as JSON instead of opening a window.")
    ] = False,
) -> None:
    """Review the images of a batch in napari: accept, fix or skip, the least certain first."""
    from napari_itaclip.batch.state import BatchState

    wanted = _order(order)
    state = BatchState.find(folder)
    if as_list or as_json:
        _print_queue(state, wanted, include_reviewed, as_json)
        return
    from napari_itaclip._widget.review.window import review_in_window

    review_in_window(folder, order=wanted, include_reviewed=include_reviewed, tell=say)


def _order(text: str) -> Order:
    for order in ORDERS:
        if order == text:
            return order
    raise SettingsError(f"there is no order {text!r}; choose one of: {', '.join(ORDERS)}")


def _print_queue(state: BatchState, order: Order, include_reviewed: bool, as_json: bool) -> None:
    from napari_itaclip.session.review_files import read_entries

    entries, problems = read_entries(state)
    for problem in problems:
        say(problem)
    queue = ReviewQueue(entries, order, include_reviewed=include_reviewed)
    if as_json:
        print(json.dumps(_as_json(queue), indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("image", "uncertainty", "state", "edited pixels"):
        table.add_column(title, justify="left" if title in ("image", "state") else "right")
    for entry in queue.entries:
        edited = str(entry.edited_pixels) if entry.edited_pixels else ""
        state_text = entry.decision or "waiting"
        table.add_row(escape(entry.name), f"{entry.uncertainty:.3f}", state_text, edited)
    if queue.entries:
        out.print(table)
    elif not queue.progress.total:
        say("The batch has not labelled any image yet.")
    else:
        say("All images are reviewed; --include-reviewed lists them.")
    out.print(queue.progress.text, highlight=False)


def _as_json(queue: ReviewQueue) -> dict[str, Any]:
    progress = queue.progress
    return {
        "total": progress.total,
        "reviewed": progress.reviewed,
        "accepted": progress.accepted,
        "fixed": progress.fixed,
        "skipped": progress.skipped,
        "images": [
            {
                "name": entry.name,
                "key": entry.key,
                "uncertainty": entry.uncertainty,
                "state": entry.decision,
                "edited_pixels": entry.edited_pixels,
            }
            for entry in queue.entries
        ],
    }

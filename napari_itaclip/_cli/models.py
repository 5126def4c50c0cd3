"""``napari-itaclip models``: what there is, and fetching it ahead of time."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from napari_itaclip._cli.console import out, progress_bar, say

models = typer.Typer(
    help="List the models, or fetch one.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@models.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models with licence, size and whether they are on this computer."""
    if context.invoked_subcommand is not None:
        return
    from napari_itaclip.clip.weights_cache import list_models

    rows = list_models()
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "what", "licence"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    table.add_column("here")
    for row in rows:
        name = f"{row.name} [dim](default)[/]" if row.default else row.name
        here = "yes" if row.cached else "no"
        table.add_row(name, row.title, row.licence, f"{row.size_mb:,.0f} MB", here)
    out.print(table)
    say("Fetch one ahead of time with: napari-itaclip models fetch NAME")


@models.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Name of the model; see `napari-itaclip models`.")],
) -> None:
    """Download a model's weights into the cache that open_clip uses too."""
    from napari_itaclip.clip import weights_cache

    known = weights_cache.cached(name)
    with progress_bar(f"Fetching {name}", shown=not known) as advance:
        path = weights_cache.fetch(name, progress=advance)
    say(f"{name} {'was already here' if known else 'is here now'}:")
    print(path)

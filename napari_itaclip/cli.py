"""The command line: ``napari-itaclip segment | batch | review | export | evaluate | …``.

Exit codes: 0 all done; 1 something failed while running (an unreadable image, missing weights, a
full disk); 2 the command itself was wrong (an unknown option or model, an empty vocabulary).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from napari_itaclip import __version__
from napari_itaclip._cli.batch import batch
from napari_itaclip._cli.console import report_error
from napari_itaclip._cli.demo import demo
from napari_itaclip._cli.evaluate import evaluate
from napari_itaclip._cli.export import export
from napari_itaclip._cli.import_labels import import_labels
from napari_itaclip._cli.large import large
from napari_itaclip._cli.models import models
from napari_itaclip._cli.review import review
from napari_itaclip._cli.segment import segment
from napari_itaclip._cli.suggest import suggest
from napari_itaclip.errors import (
    ItaclipError,
    SettingsError,
    UnknownModelError,
    VocabularyError,
)

app = typer.Typer(
    name="napari-itaclip",
    help="Type words, get labels: open-vocabulary segmentation of images (ITACLIP on CLIP).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(segment)
app.command()(batch)
app.command(name="segment-large")(large)
app.command()(review)
app.command()(export)
app.command(name="import")(import_labels)
app.command()(evaluate)
app.command()(demo)
app.command()(suggest)
app.add_typer(models, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Type words, get labels: open-vocabulary segmentation of images (ITACLIP on CLIP)."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are printed, never raised."""
    try:
        app(args=arguments, prog_name="napari-itaclip")
    except SystemExit as end:  # typer ends every command so, and has told a wrong option itself
        return end.code if isinstance(end.code, int) else 0
    except (VocabularyError, SettingsError, UnknownModelError) as error:
        report_error(error)
        return 2
    except ItaclipError as error:
        report_error(error)
        return 1
    return 0

"""``napari-itaclip suggest``: other words and definitions for a class."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_itaclip._cli.console import out, report_error, say
from napari_itaclip.errors import SettingsError

if TYPE_CHECKING:
    from napari_itaclip.suggestion.provider import Provider, Suggestion
    from napari_itaclip.suggestion.provider_settings import ProviderSettings


def suggest(
    word: Annotated[
        str | None, typer.Argument(help="The class's name.", show_default=False)
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", "-d", help='What the images show: "aerial images".')
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", help="definition or synonym; both if not given.")
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many of each kind, per provider.")] = 5,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            "--provider",
            "-p",
            help="packs, wordnet, ontology or language-model; again for several. "
            "All that can be asked if not given.",
        ),
    ] = None,
    ontology: Annotated[
        Path | None, typer.Option(help="Ontology file (.obo, .owl).", show_default=False)
    ] = None,
    lexicon: Annotated[
        str | None, typer.Option(help="WordNet lexicon, such as oewn:2024.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Language model by name; turns it on.", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="The language model's server, up to /v1.", show_default=False),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let the word be sent to another computer.")
    ] = False,
    key_variable: Annotated[
        str | None,
        typer.Option(help="Environment variable that holds the key.", show_default=False),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for each provider.")] = 60.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask the language model again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Suggest synonyms and definitions for WORD; without it, list the providers."""
    from napari_itaclip.suggestion.provider_settings import ProviderSettings
    from napari_itaclip.suggestion.registry import find_provider, providers

    given: dict[str, Any] = {
        "ontology": ontology, "lexicon": lexicon, "model": model, "url": url,
        "key_variable": key_variable, "allow_remote": allow_remote or None,
    }  # fmt: skip
    settings: ProviderSettings = replace(
        ProviderSettings.from_environment(),
        **{key: value for key, value in given.items() if value is not None},
    )
    everyone = providers(settings, fresh=fresh)
    if word is None:
        _list(everyone, as_json)
        return
    kinds = _kinds(kind, word, n, timeout)
    chosen = [find_provider(name, everyone) for name in dict.fromkeys(provider or ())]
    asked = chosen or [one for one in everyone if one.available().available]
    found, failed = _ask(asked, word, domain, kinds, n, timeout)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    elif found:
        out.print(_table(found))
    if not found and not failed:
        say(f"Nothing is known of {word!r}. See all providers with: napari-itaclip suggest")
    if failed:
        raise typer.Exit(1)


def _kinds(kind: str | None, word: str, n: int, timeout: float) -> tuple[str, ...]:
    """Return the kinds to ask for; a wrong question is a wrong command."""
    from napari_itaclip.suggestion.provider import SuggestionError, check_question
    from napari_itaclip.vocabulary.prompts import KINDS

    try:
        check_question(word, KINDS[0] if kind is None else kind, n, timeout)
    except SuggestionError as error:
        raise SettingsError(str(error)) from error
    return ("synonym", "definition") if kind is None else (kind,)


def _ask(
    asked: list[Provider],
    word: str,
    domain: str | None,
    kinds: tuple[str, ...],
    n: int,
    timeout: float,
) -> tuple[list[Suggestion], bool]:
    """Return what the providers say and whether any failed; a failure stops none of the others."""
    from napari_itaclip.suggestion.provider import SuggestionError, never

    found: list[Suggestion] = []
    failed = False
    for one in asked:
        for kind in kinds:
            try:
                found += one.suggest(
                    word, domain=domain, kind=kind, n=n, timeout=timeout, cancel=never
                )
            except SuggestionError as error:
                report_error(SuggestionError(f"{one.title}: {error}"))
                failed = True
                break  # it would only fail again
    return found, failed


def _list(everyone: tuple[Provider, ...], as_json: bool) -> None:
    """Print which providers there are and whether they can be asked."""
    states = [(one, one.available()) for one in everyone]
    if as_json:
        rows = [{"name": one.name, "title": one.title, **asdict(state)} for one, state in states]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("provider", "ready", ""):
        table.add_column(heading)
    for one, state in states:
        table.add_row(one.name, "yes" if state.available else "no", escape(state.reason))
    out.print(table)


def _table(found: list[Suggestion]) -> Table:
    """Return the suggestions as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kind", "text", "source", "licence", "note"):
        table.add_column(heading, overflow="fold")
    for one in found:
        cells = (one.kind, one.text, one.source, one.licence or "-", one.note)
        table.add_row(*(escape(cell) for cell in cells))
    return table

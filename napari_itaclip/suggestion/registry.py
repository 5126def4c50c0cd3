"""The sources of suggestions that there are."""

from __future__ import annotations

import difflib

from napari_itaclip.errors import SettingsError
from napari_itaclip.suggestion.answer_cache import AnswerCache
from napari_itaclip.suggestion.language_model import LanguageModelProvider
from napari_itaclip.suggestion.ontology import OntologyProvider
from napari_itaclip.suggestion.packs_provider import PacksProvider
from napari_itaclip.suggestion.provider import Provider
from napari_itaclip.suggestion.provider_settings import ProviderSettings
from napari_itaclip.suggestion.wordnet import WordNetProvider

NAMES = (
    PacksProvider.name, WordNetProvider.name, OntologyProvider.name, LanguageModelProvider.name,
)  # fmt: skip
"""The names of all providers, in order."""


def providers(
    settings: ProviderSettings | None = None,
    *,
    cache: AnswerCache | None = None,
    fresh: bool = False,
) -> tuple[Provider, ...]:
    """Return all providers, the packs first, also those that cannot be asked now.

    Parameters
    ----------
    settings
        What a person configured; None for nothing, which leaves the language model off.
    cache
        Where a language model's answers are kept; None takes the one in the user's cache folder.
    fresh
        Whether a language model is asked again for what it answered before.
    """
    settings = settings or ProviderSettings()
    return (
        PacksProvider(),
        WordNetProvider(settings.lexicon),
        OntologyProvider(settings.ontology),
        LanguageModelProvider(settings, cache=cache, fresh=fresh),
    )


def find_provider(name: str, among: tuple[Provider, ...]) -> Provider:
    """Return a provider by its name.

    Raises
    ------
    SettingsError
        If none has this name.
    """
    for provider in among:
        if provider.name == name:
            return provider
    near = difflib.get_close_matches(name, [one.name for one in among], 1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(NAMES)}"
    raise SettingsError(f"there is no provider {name!r}; {hint}")

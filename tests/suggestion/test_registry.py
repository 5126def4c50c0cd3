"""Which providers there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_itaclip.errors import SettingsError
from napari_itaclip.suggestion.answer_cache import AnswerCache
from napari_itaclip.suggestion.provider import Suggestion
from napari_itaclip.suggestion.provider_settings import ProviderSettings
from napari_itaclip.suggestion.registry import NAMES, find_provider, providers
from napari_itaclip.vocabulary.prompts import AuxiliaryText

ROOT = Path(__file__).parents[2]


def test_all_are_always_there_and_the_packs_come_first() -> None:
    found = providers(cache=AnswerCache())
    assert tuple(one.name for one in found) == NAMES
    assert NAMES[0] == "packs"
    assert found[0].available().available
    assert not found[-1].available().available
    assert not any(one.needs_network for one in found)
    for one in found:
        assert one.title
        assert one.available().reason


def test_settings_reach_the_providers(tmp_path: Path) -> None:
    settings = ProviderSettings("m", "https://h.example/v1", True, ontology=tmp_path / "x.obo")
    found = {one.name: one for one in providers(settings, cache=AnswerCache())}
    assert found["language-model"].needs_network
    assert "m at https://h.example/v1" in found["language-model"].available().reason
    assert "x.obo" in found["ontology"].available().reason


def test_by_name() -> None:
    everyone = providers(cache=AnswerCache())
    assert find_provider("packs", everyone) is everyone[0]
    with pytest.raises(SettingsError, match="did you mean 'wordnet'"):
        find_provider("wordnt", everyone)
    with pytest.raises(SettingsError, match="choose from packs, wordnet"):
        find_provider("?", everyone)


def test_an_accepted_text_keeps_its_source() -> None:
    given = Suggestion("a tall machine", "definition", "WordNet", "a licence", "note")
    assert given.as_auxiliary() == AuxiliaryText(
        "a tall machine", "definition", "WordNet", "a licence"
    )


def test_importing_is_light() -> None:
    code = (
        "import sys, napari_itaclip.suggestion.registry; "
        "print(sorted({'torch', 'numpy', 'wn', 'pronto', 'keyring', 'qtpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"

"""``napari-itaclip suggest``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_itaclip.suggestion import provider_settings, wordnet
from napari_itaclip.vocabulary.packs import load_pack
from tests.cli_runner import Run
from tests.cli_runner import _own_world as _own_world
from tests.cli_runner import run as run
from tests.suggestion.chat_server import chat_server
from tests.suggestion.test_ontology import OBO


@pytest.fixture(autouse=True)
def _unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vars(provider_settings):
        if name.endswith("_VARIABLE") and not name.startswith("_"):
            monkeypatch.delenv(getattr(provider_settings, name), raising=False)
    # What the person at this computer may have installed decides nothing here.
    monkeypatch.setattr(wordnet, "find_spec", lambda name: None)


def test_without_a_word_the_providers_are_listed(run: Run) -> None:
    ran = run("suggest")
    assert ran.code == 0
    assert "language-model" in ran.out
    rows = json.loads(run("suggest", "--json").out)
    assert {row["name"]: row["available"] for row in rows} == {
        "packs": True,
        "wordnet": False,
        "ontology": False,
        "language-model": False,
    }


def test_from_the_packs(run: Run) -> None:
    prompt = next(one for one in load_pack("driving") if one.auxiliary and one.synonyms)
    ran = run("suggest", prompt.name, "--domain", "driving", "--json", "--n", 20)
    assert ran.code == 0
    rows = json.loads(ran.out)
    assert {"definition", "synonym"} == {row["kind"] for row in rows}
    assert set(prompt.synonyms) <= {row["text"] for row in rows}
    assert all(row["source"] and row["licence"] for row in rows)
    table = run("suggest", prompt.name, "--kind", "synonym", "-d", "driving")
    assert table.code == 0
    assert prompt.synonyms[0] in table.out


def test_from_an_ontology(run: Run) -> None:
    Path("tiny.obo").write_text(OBO)
    ran = run("suggest", "neuron", "-p", "ontology", "--ontology", "tiny.obo", "-k", "synonym")
    assert ran.code == 0
    assert "nerve cell" in ran.out


def test_from_a_language_model(run: Run) -> None:
    with chat_server(lambda request: request.give("[red]hoist[/red]")) as server:
        options = ("-p", "language-model", "--model", "tiny", "--url", server.url, "-k", "synonym")
        ran = run("suggest", "crane", *options)
        assert ran.code == 0
        assert "[red]hoist[/red]" in ran.out  # no markup of the terminal either
        run("suggest", "crane", *options)
        assert len(server.requests) == 1
        run("suggest", "crane", *options, "--fresh")
        assert len(server.requests) == 2


def test_configured_by_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with chat_server(lambda request: request.give("hoist")) as server:
        monkeypatch.setenv("NAPARI_ITACLIP_LLM_URL", server.url)
        monkeypatch.setenv("NAPARI_ITACLIP_LLM_MODEL", "tiny")
        assert "hoist" in run("suggest", "gizmo").out


def test_one_that_fails_stops_no_other(run: Run) -> None:
    with chat_server(lambda request: request.fail(500, "out of memory")) as server:
        ran = run(
            "suggest", "car", "-p", "language-model", "-p", "packs",
            "--model", "tiny", "--url", server.url,
        )  # fmt: skip
    assert ran.code == 1
    assert "automobile" in ran.out
    assert "Language model" in ran.said
    assert "out of memory" in ran.said


def test_nothing_known(run: Run) -> None:
    ran = run("suggest", "qwertyuiop")
    assert (ran.code, ran.out) == (0, "")
    assert "Nothing is known of 'qwertyuiop'" in ran.said
    assert json.loads(run("suggest", "qwertyuiop", "--json").out) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["car", "-p", "wordnt"], "did you mean 'wordnet'"),
        (["car", "-k", "poem"], "no kind 'poem'"),
        (["car", "-n", "0"], "number of suggestions is 0"),
        (["car", "--timeout", "-1"], "time-out"),
        (["  "], "no word to look up"),
        (["car", "--url", "nonsense"], "must begin with http"),
        (["car", "--key-variable", "sk-123"], "never the key itself"),
    ],
)
def test_a_wrong_command(run: Run, options: list[str], message: str) -> None:
    ran = run("suggest", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.said
    assert "sk-123" not in ran.said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-p", "wordnet"], "pip install"),
        (["-p", "ontology"], "no ontology file was chosen"),
        (["-p", "language-model"], "no language model is configured"),
        (
            ["-p", "language-model", "--model", "m", "--url", "http://h.example/v1"],
            "--allow-remote",
        ),
    ],
)
def test_a_provider_that_cannot_be_asked(run: Run, options: list[str], message: str) -> None:
    ran = run("suggest", "car", *options)
    assert (ran.code, ran.out) == (1, "")
    assert message in ran.said

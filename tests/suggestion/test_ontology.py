"""Suggestions from an ontology: the real library on small files that the test writes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from napari_itaclip.suggestion import ontology
from napari_itaclip.suggestion.ontology import OntologyProvider, Terms
from napari_itaclip.suggestion.provider import (
    Suggestion,
    SuggestionCancelledError,
    SuggestionError,
)
from tests.suggestion.asking import ask, texts

OBO = """\
format-version: 1.4
ontology: tiny
import: http://example.invalid/never-fetched.obo
property_value: terms:license https://licence.example/by xsd:anyURI

[Term]
id: T:1
name: neuron
def: "A cell with a long thin process." [ref:1]
synonym: "nerve cell" EXACT []
synonym: "neurone" RELATED []
synonym: "brain cell" BROAD []

[Term]
id: T:2
name: nerve cell body
synonym: "neuron" NARROW []

[Term]
id: T:3
name: old cell
is_obsolete: true
"""

OWL = """\
<?xml version="1.0"?>
<rdf:RDF xmlns="http://t.example#" xmlns:owl="http://www.w3.org/2002/07/owl#"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
  xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"
  xmlns:obo="http://purl.obolibrary.org/obo/"
  xmlns:oboInOwl="http://www.geneontology.org/formats/oboInOwl#">
  <owl:Ontology rdf:about="http://purl.obolibrary.org/obo/tiny.owl"/>
  <owl:Class rdf:about="http://purl.obolibrary.org/obo/T_1">
    <rdfs:label>neuron</rdfs:label>
    <obo:IAO_0000115>A cell with a long thin process.</obo:IAO_0000115>
    <oboInOwl:hasExactSynonym>nerve cell</oboInOwl:hasExactSynonym>
  </owl:Class>
</rdf:RDF>
"""


@pytest.fixture
def obo(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.obo"
    file.write_text(OBO)
    return file


def test_definitions_and_synonyms(obo: Path) -> None:
    provider = OntologyProvider(obo)
    assert provider.available().reason == str(obo)
    licence = "https://licence.example/by"
    [definition] = ask(provider, "Neurons", kind="definition")
    assert definition == Suggestion(
        "A cell with a long thin process", "definition", "tiny T:1", licence, "neuron"
    )
    found = ask(provider, "neuron")
    assert [one.text for one in found] == ["nerve cell", "neurone", "brain cell", "nerve cell body"]
    assert [one.note for one in found[:3]] == [
        "neuron",
        "related synonym of neuron",
        "broad synonym of neuron",
    ]
    assert texts(provider, "nerve cell") == ["neuron", "neurone", "brain cell"]
    assert ask(provider, "old cell") == ()


def test_owl(tmp_path: Path) -> None:
    file = tmp_path / "tiny.owl"
    file.write_text(OWL)
    provider = OntologyProvider(str(file))
    assert texts(provider, "neuron") == ["nerve cell"]
    assert texts(provider, "nerve cells", kind="definition") == ["A cell with a long thin process"]


def test_a_changed_file_is_read_again(obo: Path) -> None:
    provider = OntologyProvider(obo)
    assert texts(provider, "nerve cell")[0] == "neuron"
    obo.write_text(OBO.replace("name: neuron", "name: nervous thing"))
    os.utime(obo, ns=(1, 1))
    assert texts(provider, "nerve cell")[0] == "nervous thing"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.obo", ""),
        ("a.obo", "this is a letter"),
        ("a.obo", "format-version: 1.4\n\n[Term]\nid: "),
        ("a.owl", "<rdf:RDF"),
        ("a.json", "{"),
        ("a.obo", "\x00\xff" * 100),
        ("a.owl", '<?xml version="1.0"?><html/>'),
    ],
)
def test_what_is_no_ontology(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(SuggestionError, match="is not an ontology that can be read"):
        ask(OntologyProvider(file))


def test_a_slow_file_is_waited_for_and_read_on(obo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    reads: list[Path] = []
    read = ontology.read_terms

    def slowly(path: Path) -> Terms:
        reads.append(path)
        go.wait(30)
        return read(path)

    monkeypatch.setattr(ontology, "read_terms", slowly)
    provider = OntologyProvider(obo)
    with pytest.raises(SuggestionError, match="still being read"):
        ask(provider, timeout=0.1)
    with pytest.raises(SuggestionCancelledError):
        ask(provider, cancel=lambda: True)
    go.set()
    assert texts(provider, "nerve cell")[0] == "neuron"
    assert len(reads) == 1


def test_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no ontology file was chosen" in OntologyProvider().available().reason
    gone = OntologyProvider(tmp_path / "gone.obo")
    assert "gone.obo" in gone.available().reason
    with pytest.raises(SuggestionError, match="there is no ontology file"):
        ask(gone)
    address = OntologyProvider("http://example.invalid/x.obo")
    assert not address.available().available
    monkeypatch.setattr(ontology, "find_spec", lambda name: None)
    assert "pip install 'napari-itaclip[ontology]'" in OntologyProvider().available().reason
